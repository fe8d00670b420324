/* tools/ops/server/ops_pages.c: see ops_pages.h.
 *
 * Room: tools/ops/server; libmicrohttpd. */
#include "ops_pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops_request.h"

#define ETAG_SIZE 48

static const char *const headers[][2] = {
	{MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache"},
	{MHD_HTTP_HEADER_VARY, "Accept-Encoding"},
	{"Content-Security-Policy",
	 "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
	 "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"},
	{"X-Content-Type-Options", "nosniff"},
	{"Referrer-Policy", "no-referrer"},
};

static const char *header(struct ops_request *q, const char *name)
{
	return MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, name);
}

/* Whether a list's member, "gzip;q=0.5" up to its comma, is gzip and not refused by a weight of 0. */
static bool is_gzip(const char *member, size_t length)
{
	static const char name[] = "gzip";
	size_t i = sizeof name - 1;
	if (length < i || strncasecmp(member, name, i) != 0)
		return false;
	i += strspn(member + i, " \t");
	if (i >= length)
		return true;
	if (member[i++] != ';')
		return false;
	i += strspn(member + i, " \t");
	return i + 2 > length || strncasecmp(member + i, "q=", 2) != 0 || strtod(member + i + 2, NULL) > 0;
}

static bool takes_gzip(struct ops_request *q)
{
	const char *at = header(q, MHD_HTTP_HEADER_ACCEPT_ENCODING);
	while (at != NULL && *at != '\0') {
		at += strspn(at, ", \t");
		size_t length = strcspn(at, ",");
		if (is_gzip(at, length))
			return true;
		at += length;
	}
	return false;
}

static void answer_file(struct ops_request *q, const struct ops_page_file *file)
{
	char etag[ETAG_SIZE];
	bool packed = takes_gzip(q);
	const char *known = header(q, MHD_HTTP_HEADER_IF_NONE_MATCH);
	snprintf(etag, sizeof etag, "\"%s%s\"", file->hash, packed ? "-gzip" : "");
	bool same = known != NULL && (strcmp(known, "*") == 0 || strstr(known, etag) != NULL);
	q->response = MHD_create_response_from_buffer(packed ? file->packed_size : file->text_size,
						      (void *)(packed ? file->packed : file->text), /* only read */
						      MHD_RESPMEM_PERSISTENT);
	if (q->response == NULL) {
		ops_refuse_memory(q);
		return;
	}
	q->status = same ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK; /* to the former the library sends no body */
	MHD_add_response_header(q->response, MHD_HTTP_HEADER_ETAG, etag);
	for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
		MHD_add_response_header(q->response, headers[i][0], headers[i][1]);
	MHD_add_response_header(q->response, MHD_HTTP_HEADER_CONTENT_TYPE, file->type);
	if (packed)
		MHD_add_response_header(q->response, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip");
}

static const struct ops_page_file *find_file(const char *name)
{
	for (size_t i = 0; i < ops_page_file_count; i++) {
		if (strcmp(ops_page_files[i].name, name) == 0)
			return &ops_page_files[i];
	}
	return NULL;
}

static void answer_page(struct ops_request *q, const char *name)
{
	answer_file(q, find_file(name)); /* the table has all pages */
}

void ops_page_customer(struct ops_request *q)
{
	answer_page(q, "customer.html");
}

void ops_page_desk(struct ops_request *q)
{
	answer_page(q, "desk.html");
}

void ops_page_sandbox(struct ops_request *q)
{
	answer_page(q, "sandbox.html");
}

void ops_page_part(struct ops_request *q)
{
	const struct ops_page_file *file = find_file(q->name);
	const char *end = strrchr(q->name, '.');
	if (file != NULL && strcmp(end, ".html") != 0) /* a page has its own path */
		answer_file(q, file);
	else
		ops_refuse(q, MHD_HTTP_NOT_FOUND, "not_found", "no such path");
}
