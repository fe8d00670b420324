/* tools/ops/server/ops_pages.h: the pages for people, as files that are embedded in the program.
 *
 * Room: tools/ops/server; libmicrohttpd. tools/ops/pages has the files; embed.py makes the table. */
#ifndef OPS_PAGES_H
#define OPS_PAGES_H

#include <stddef.h>

struct ops_page_file {
	const char *name;
	const char *type; /* Content-Type */
	const char *hash; /* of the text */
	const unsigned char *text;
	size_t text_size;
	const unsigned char *packed; /* gzip */
	size_t packed_size;
};

extern const struct ops_page_file ops_page_files[];
extern const size_t ops_page_file_count;

struct ops_request;

/* Handlers. */
void ops_page_customer(struct ops_request *q);
void ops_page_desk(struct ops_request *q);
void ops_page_sandbox(struct ops_request *q);
/* What a page loads: the path names it. */
void ops_page_part(struct ops_request *q);

#endif
