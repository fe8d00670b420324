/* tools/meterboxctl/findings.c: see ctl_findings.h.
 *
 * Room: meterboxctl; cJSON. */
#include "ctl_findings.h"

#include <stdarg.h>
#include <stdio.h>

#include "ctl_text.h"

#define FINDING_SIZE 400

static const char *const severity_names[CTL_SEVERITY_COUNT] = {
	[CTL_FINDING_OK] = "ok",
	[CTL_FINDING_NOTE] = "note",
	[CTL_FINDING_WARNING] = "warning",
	[CTL_FINDING_ERROR] = "error",
};

void ctl_findings_begin(struct ctl_findings *findings, bool json)
{
	*findings = (struct ctl_findings){.list = json ? cJSON_CreateArray() : NULL};
	findings->failed = json && findings->list == NULL;
}

static void keep(struct ctl_findings *f, enum ctl_severity severity, const char *subject, const char *text,
		 const char *advice)
{
	cJSON *object = cJSON_CreateObject();
	bool whole = cJSON_AddStringToObject(object, "severity", severity_names[severity]) != NULL &&
		     cJSON_AddStringToObject(object, "subject", subject) != NULL &&
		     cJSON_AddStringToObject(object, "finding", text) != NULL &&
		     (advice[0] == '\0' || cJSON_AddStringToObject(object, "advice", advice) != NULL) &&
		     cJSON_AddItemToArray(f->list, object);
	if (!whole) {
		cJSON_Delete(object);
		f->failed = true;
	}
}

void ctl_find(struct ctl_findings *findings, enum ctl_severity severity, const char *subject, const char *advice,
	      const char *format, ...)
{
	char text[FINDING_SIZE], shown[FINDING_SIZE];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	ctl_escape(shown, sizeof shown, text);
	findings->counts[severity]++;
	if (findings->list != NULL) {
		keep(findings, severity, subject, shown, advice);
		return;
	}
	printf("%-7s  %s: %s\n", severity_names[severity], subject, shown);
	if (advice[0] != '\0')
		printf("         -> %s\n", advice);
}

bool ctl_findings_end(struct ctl_findings *findings)
{
	const unsigned *counts = findings->counts;
	if (findings->list != NULL) {
		char *text = cJSON_PrintUnformatted(findings->list);
		findings->failed = findings->failed || text == NULL;
		if (text != NULL)
			puts(text);
		cJSON_free(text);
		cJSON_Delete(findings->list);
	} else {
		printf("%u errors, %u warnings, %u notes\n",
		       counts[CTL_FINDING_ERROR],
		       counts[CTL_FINDING_WARNING],
		       counts[CTL_FINDING_NOTE]);
	}
	if (findings->failed)
		fputs("meterboxctl: out of memory: findings are missing\n", stderr);
	return counts[CTL_FINDING_ERROR] == 0 && counts[CTL_FINDING_WARNING] == 0 && !findings->failed;
}
