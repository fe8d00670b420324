/* tools/meterboxctl/ctl_findings.h: what the doctor has found.
 *
 * Room: meterboxctl; cJSON. */
#ifndef CTL_FINDINGS_H
#define CTL_FINDINGS_H

#include <cjson/cJSON.h>
#include <stdbool.h>

enum ctl_severity {
	CTL_FINDING_OK,
	CTL_FINDING_NOTE, /* good to know, nothing to do */
	CTL_FINDING_WARNING, /* will become an error, or may be one */
	CTL_FINDING_ERROR,
	CTL_SEVERITY_COUNT
};

struct ctl_findings {
	cJSON *list; /* NULL: each is printed for people as it is found */
	bool failed; /* the list is not whole: out of memory */
	unsigned counts[CTL_SEVERITY_COUNT];
};

void ctl_findings_begin(struct ctl_findings *findings, bool json);

/* Adds one: about what, what to do ("" when nothing), and what is the case, a sentence. */
void ctl_find(struct ctl_findings *findings, enum ctl_severity severity, const char *subject, const char *advice,
	      const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Prints the list, or the sums. True when there was neither warning nor error. */
bool ctl_findings_end(struct ctl_findings *findings);

#endif
