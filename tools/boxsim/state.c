/* tools/boxsim/state.c: see boxsim_state.h.
 *
 * Room: boxsim; this file needs the plant and libc. */
#include "boxsim_state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLOT_SERIAL_SIZE 40
#define SLOTS 2

struct state_slot {
	char serial[SLOT_SERIAL_SIZE];
	int64_t uj;
};

struct state_meter {
	uint64_t valid; /* 0: none, else 1 + the valid slot */
	struct state_slot slots[SLOTS];
};

struct state_map {
	char magic[16];
	struct state_meter meters[PLANT_OUTLETS_MAX];
};

static const char magic[16] = "boxsim-state-1\n";

static bool slot_fits(const struct state_slot *slot)
{
	return memchr(slot->serial, '\0', METER_SERIAL_SIZE) && slot->uj >= 0;
}

static bool map_fits(const struct state_map *map)
{
	bool good = memcmp(map->magic, magic, sizeof(magic)) == 0;
	for (unsigned i = 0; good && i < PLANT_OUTLETS_MAX; i++) {
		const struct state_meter *meter = &map->meters[i];
		good = meter->valid <= SLOTS && (!meter->valid || slot_fits(&meter->slots[meter->valid - 1]));
	}
	return good;
}

/* Makes a new file its size, on the disk too: a full disk is found here and not by a signal later. */
static int size_file(int fd, bool *is_new)
{
	struct stat found;
	if (fstat(fd, &found) < 0)
		return -errno;
	*is_new = found.st_size == 0;
	if (!S_ISREG(found.st_mode) || (!*is_new && found.st_size != (off_t)sizeof(struct state_map)))
		return -EPROTO;
	return *is_new ? -posix_fallocate(fd, 0, sizeof(struct state_map)) : 0;
}

static int map_file(struct state_file *state)
{
	static const char unwritten[sizeof(magic)];
	bool is_new = false;
	if (flock(state->fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	int rc = size_file(state->fd, &is_new);
	if (rc < 0)
		return rc;
	void *map = mmap(NULL, sizeof(struct state_map), PROT_READ | PROT_WRITE, MAP_SHARED, state->fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	state->map = map;
	/* Killed between making the file and writing its first bytes: as new. */
	if (is_new || memcmp(state->map->magic, unwritten, sizeof(unwritten)) == 0)
		memcpy(state->map->magic, magic, sizeof(magic));
	return map_fits(state->map) ? 0 : -EPROTO;
}

int state_open(struct state_file *state, const char *path)
{
	*state = (struct state_file){.fd = -1};
	if (!path)
		return 0;
	state->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (state->fd < 0)
		return -errno;
	int rc = map_file(state);
	if (rc < 0)
		state_close(state);
	return rc;
}

void state_close(struct state_file *state)
{
	if (state->map)
		munmap(state->map, sizeof(*state->map));
	if (state->fd >= 0)
		close(state->fd);
	*state = (struct state_file){.fd = -1};
}

bool state_read(const struct state_file *state, unsigned outlet, char serial[METER_SERIAL_SIZE], int64_t *uj)
{
	const struct state_meter *meter = state->map ? &state->map->meters[outlet] : NULL;
	if (!meter || !meter->valid)
		return false;
	memcpy(serial, meter->slots[meter->valid - 1].serial, METER_SERIAL_SIZE);
	*uj = meter->slots[meter->valid - 1].uj;
	return true;
}

void state_set_meter(struct state_file *state, unsigned outlet, const char *serial, int64_t uj)
{
	if (!state->map)
		return;
	struct state_meter *meter = &state->map->meters[outlet];
	uint64_t other = meter->valid == 1 ? 2 : 1;
	struct state_slot *slot = &meter->slots[other - 1];
	memset(slot->serial, 0, sizeof(slot->serial));
	memcpy(slot->serial, serial, strnlen(serial, METER_SERIAL_SIZE - 1));
	slot->uj = uj;
	__atomic_store_n(&meter->valid, other, __ATOMIC_RELEASE);
}

void state_set_energy(struct state_file *state, unsigned outlet, int64_t uj)
{
	if (!state->map)
		return;
	struct state_meter *meter = &state->map->meters[outlet];
	if (meter->valid)
		__atomic_store_n(&meter->slots[meter->valid - 1].uj, uj, __ATOMIC_RELEASE);
}
