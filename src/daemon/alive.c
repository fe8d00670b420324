/* src/daemon/alive.c: see alive.h. */
#include "alive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_SIZE 36

struct page {
	char boot_id[BOOT_ID_SIZE]; /* of the kernel; zeros in a new page */
	_Atomic int64_t alive_ms;
};

struct alive {
	struct page *page;
};

/* False when the kernel does not tell. */
static bool read_boot_id(char id[BOOT_ID_SIZE])
{
	int fd = open(BOOT_ID_PATH, O_RDONLY | O_CLOEXEC);
	bool read_it = fd >= 0 && read(fd, id, BOOT_ID_SIZE) == BOOT_ID_SIZE;
	if (fd >= 0)
		close(fd);
	return read_it;
}

/* The page in memory, or NULL with errno. */
static struct page *map_page(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	void *page = MAP_FAILED;
	if (fd >= 0 && ftruncate(fd, sizeof(struct page)) == 0)
		page = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	int saved = errno;
	if (fd >= 0)
		close(fd);
	errno = saved;
	return page == MAP_FAILED ? NULL : page;
}

struct alive *alive_open(const char *path, int64_t now_ms, bool *known, int64_t *away_ms)
{
	char boot_id[BOOT_ID_SIZE];
	struct alive *alive = calloc(1, sizeof *alive);
	*known = false;
	*away_ms = 0;
	if (alive == NULL || !read_boot_id(boot_id) || (alive->page = map_page(path)) == NULL) {
		log_line(LOG_LEVEL_WARNING,
			 "alive_unknown",
			 "file=%s error=%s",
			 log_text(path).text,
			 log_text(strerror(errno)).text);
		free(alive);
		return NULL;
	}
	int64_t then_ms = alive->page->alive_ms;
	if (memcmp(alive->page->boot_id, boot_id, sizeof boot_id) == 0 && then_ms > 0 && then_ms <= now_ms) {
		*known = true;
		*away_ms = now_ms - then_ms;
	}
	memcpy(alive->page->boot_id, boot_id, sizeof boot_id);
	alive_mark(alive, now_ms);
	return alive;
}

void alive_mark(struct alive *alive, int64_t now_ms)
{
	if (alive != NULL)
		alive->page->alive_ms = now_ms;
}

void alive_close(struct alive *alive)
{
	if (alive == NULL)
		return;
	munmap(alive->page, sizeof *alive->page);
	free(alive);
}
