/* tools/ops/server/ops_live.c: see ops_live.h.
 *
 * Room: tools/ops/server; libc, src/model. */
#include "ops_live.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096 /* more boxes than that make the lists longer, nothing else */

struct ops_live {
	struct ops_live_box *buckets[BUCKETS];
	struct ops_live_box *newest; /* of those that have changed */
	uint64_t change;
};

struct ops_live *ops_live_new(void)
{
	return calloc(1, sizeof(struct ops_live));
}

static void free_box(struct ops_live_box *box)
{
	for (int i = 0; i < OUTLETS_MAX; i++)
		free(box->progress[i]);
	free(box);
}

void ops_live_free(struct ops_live *live)
{
	for (size_t i = 0; live != NULL && i < BUCKETS; i++) {
		while (live->buckets[i] != NULL) {
			struct ops_live_box *box = live->buckets[i];
			live->buckets[i] = box->next;
			free_box(box);
		}
	}
	free(live);
}

/* Names come from the operator, so nobody crafts collisions. */
static struct ops_live_box **bucket_of(struct ops_live *live, const char *name)
{
	uint32_t hash = UINT32_C(2166136261); /* FNV-1a */
	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char)*name) * UINT32_C(16777619);
	return &live->buckets[hash % BUCKETS];
}

struct ops_live_box *ops_live_find(struct ops_live *live, const char *name)
{
	struct ops_live_box *box = *bucket_of(live, name);
	while (box != NULL && strcmp(box->name, name) != 0)
		box = box->next;
	return box;
}

struct ops_live_box *ops_live_get(struct ops_live *live, const char *name)
{
	struct ops_live_box *box = ops_live_find(live, name);
	if (box != NULL || (box = calloc(1, sizeof *box)) == NULL)
		return box;
	struct ops_live_box **bucket = bucket_of(live, name);
	word_copy(box->name, sizeof box->name, name);
	box->next = *bucket;
	*bucket = box;
	return box;
}

void ops_live_touch(struct ops_live *live, struct ops_live_box *box)
{
	box->change = ++live->change;
	if (live->newest == box)
		return;
	if (box->newer != NULL)
		box->newer->older = box->older;
	if (box->older != NULL)
		box->older->newer = box->newer;
	box->newer = NULL;
	box->older = live->newest;
	if (live->newest != NULL)
		live->newest->newer = box;
	live->newest = box;
}

uint64_t ops_live_change(const struct ops_live *live)
{
	return live->change;
}

struct ops_live_box *ops_live_changed(const struct ops_live *live, uint64_t after)
{
	struct ops_live_box *box = live->newest;
	if (box == NULL || box->change <= after)
		return NULL;
	while (box->older != NULL && box->older->change > after)
		box = box->older;
	return box;
}

bool ops_live_keep(struct ops_live_box *box, const struct progress *progress, int64_t now_ms)
{
	struct progress **kept = &box->progress[progress->outlet];
	if (*kept == NULL && (*kept = malloc(sizeof **kept)) == NULL)
		return false;
	**kept = *progress;
	box->progress_ms[progress->outlet] = now_ms;
	return true;
}
