/* src/wire/gzip.h: gzip of a whole text in memory, within limits.
 *
 * Room: zlib. */
#ifndef WIRE_GZIP_H
#define WIRE_GZIP_H

#include <stddef.h>

/* Packs size bytes. *packed is the caller's to free. 0 or -ENOMEM. */
int gzip_pack(const void *bytes, size_t size, void **packed, size_t *packed_size);

/* Unpacks one gzip member that fills all of size bytes, into at most max bytes and a NUL behind them. *text is the
 * caller's to free. 0; -EMSGSIZE when it would be longer than max; -EBADMSG when it is damaged, cut short or followed by
 * something; -ENOMEM. */
int gzip_unpack(const void *bytes, size_t size, size_t max, char **text, size_t *length);

#endif
