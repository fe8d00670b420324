/* tests/fuzz/fuzz_sse.c: a stream of any bytes gives the same events, and the same end, however it is split. The first
 * byte chooses the split, the rest is the stream.
 *
 * With clang: -fsanitize=fuzzer,address,undefined; without it, replay.c runs the corpus. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was heard, as a sum of all of it. */
struct heard {
	unsigned count;
	uint64_t sum;
};

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "fuzz_sse: %s\n", what);
	abort();
}

static void add(struct heard *heard, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		heard->sum = (heard->sum ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3); /* FNV-1a */
	heard->sum = (heard->sum ^ length) * UINT64_C(0x100000001b3);
}

static bool take(void *ctx, const struct sse_event *event)
{
	struct heard *heard = ctx;
	if (event->length > SSE_DATA_MAX || event->data[event->length] != '\0')
		fail("data longer than allowed, or without its NUL");
	if (event->type[0] == '\0' || memchr(event->type, '\0', sizeof event->type) == NULL ||
	    memchr(event->id, '\0', sizeof event->id) == NULL)
		fail("a type or an id that is no text");
	if (strpbrk(event->type, "\r\n") != NULL || strpbrk(event->id, "\r\n") != NULL)
		fail("a type or an id of two lines");
	add(heard, event->type, strlen(event->type));
	add(heard, event->id, strlen(event->id));
	add(heard, event->data, event->length);
	heard->count++;
	return true;
}

/* Feeds the stream in pieces of 1 to `step` bytes from blocks of exactly their length; step 0: at once. */
static int feed(const uint8_t *stream, size_t size, unsigned step, struct heard *heard)
{
	struct sse *sse = sse_new();
	int code = 0;
	if (sse == NULL)
		fail("no memory");
	for (size_t i = 0, turn = 0; code == 0 && i < size; turn++) {
		size_t count = step == 0 ? size : 1 + turn * 7 % step;
		count = count > size - i ? size - i : count;
		char *block = malloc(count);
		if (block == NULL)
			fail("no memory");
		memcpy(block, stream + i, count);
		code = sse_feed(sse, block, count, take, heard);
		free(block);
		i += count;
	}
	sse_free(sse);
	return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct heard whole = {0}, split = {0}, bytes = {0};
	if (size == 0)
		return 0;
	int code = feed(data + 1, size - 1, 0, &whole);
	if (feed(data + 1, size - 1, data[0], &split) != code || feed(data + 1, size - 1, 1, &bytes) != code)
		fail("split, it ends otherwise");
	if (split.count != whole.count || split.sum != whole.sum || bytes.count != whole.count ||
	    bytes.sum != whole.sum)
		fail("split, it gives other events");
	return 0;
}
