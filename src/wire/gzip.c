/* src/wire/gzip.c: see gzip.h. */
#include "gzip.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define GZIP_WINDOW (MAX_WBITS + 16) /* zlib's way to say: a gzip member, and nothing else */
#define GZIP_MEMORY 8 /* zlib's own choice */
#define FIRST_ROOM                                                                                                     \
	16384 /* bytes of text made room for at first; doubled when full, so that a bomb costs no more than max */

int gzip_pack(const void *bytes, size_t size, void **packed, size_t *packed_size)
{
	z_stream z = {0};
	assert(size < UINT_MAX / 2);
	if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	uLong bound = deflateBound(&z, (uLong)size);
	void *room = malloc(bound);
	if (room == NULL) {
		deflateEnd(&z);
		return -ENOMEM;
	}
	z.next_in = (z_const Bytef *)bytes;
	z.avail_in = (uInt)size;
	z.next_out = room;
	z.avail_out = (uInt)bound;
	int outcome = deflate(&z, Z_FINISH);
	assert(outcome == Z_STREAM_END); /* deflateBound() promises it */
	(void)outcome;
	*packed = room;
	*packed_size = bound - z.avail_out;
	deflateEnd(&z);
	return 0;
}

/* Doubles the room, up to limit. 0; -EMSGSIZE when it has that already; -ENOMEM. */
static int grow(z_stream *z, char **room, size_t *size, size_t limit)
{
	size_t used = *size - z->avail_out;
	size_t wanted = *size == 0 ? FIRST_ROOM : *size * 2;
	if (*size == limit)
		return -EMSGSIZE;
	if (wanted > limit)
		wanted = limit;
	char *larger = realloc(*room, wanted);
	if (larger == NULL)
		return -ENOMEM;
	*room = larger;
	*size = wanted;
	z->next_out = (Bytef *)larger + used;
	z->avail_out = (uInt)(wanted - used);
	return 0;
}

/* Unpacks into *room of *size bytes, which grows. 0 at the member's end, with nothing behind it. */
static int inflate_all(z_stream *z, char **room, size_t *size, size_t limit)
{
	for (;;) {
		if (z->avail_out == 0) {
			int error = grow(z, room, size, limit);
			if (error < 0)
				return error;
		}
		switch (inflate(z, Z_NO_FLUSH)) {
		case Z_STREAM_END:
			return z->avail_in == 0 ? 0 : -EBADMSG;
		case Z_OK:
		case Z_BUF_ERROR:
			if (z->avail_out > 0) /* all that came is used up */
				return -EBADMSG;
			break;
		case Z_MEM_ERROR:
			return -ENOMEM;
		default:
			return -EBADMSG;
		}
	}
}

int gzip_unpack(const void *bytes, size_t size, size_t max, char **text, size_t *length)
{
	z_stream z = {0};
	char *room = NULL;
	size_t room_size = 0;
	assert(max < UINT_MAX / 2);
	if (size > UINT_MAX)
		return -EMSGSIZE;
	if (inflateInit2(&z, GZIP_WINDOW) != Z_OK)
		return -ENOMEM;
	z.next_in = (z_const Bytef *)bytes;
	z.avail_in = (uInt)size;
	/* One byte more than max: for the NUL, and to see whether there is more. */
	int error = inflate_all(&z, &room, &room_size, max + 1);
	size_t used = room_size - z.avail_out;
	inflateEnd(&z);
	if (error == 0 && used > max)
		error = -EMSGSIZE;
	if (error == 0 && used == room_size) {
		char *larger = realloc(room, used + 1);
		error = larger == NULL ? -ENOMEM : 0;
		room = larger == NULL ? room : larger;
	}
	if (error < 0) {
		free(room);
		return error;
	}
	room[used] = '\0';
	*text = room;
	*length = used;
	return 0;
}
