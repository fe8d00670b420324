/* src/wire/utf8.h: whether bytes are text.
 *
 * Room: libc. */
#ifndef WIRE_UTF8_H
#define WIRE_UTF8_H

#include <stddef.h>

/* Length of the UTF-8 character at the beginning of `length` bytes (Unicode 15, table 3-7), or 0 when there is none.
 * length is at least 1. */
size_t utf8_character(const char *text, size_t length);

#endif
