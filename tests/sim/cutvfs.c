/* tests/sim/cutvfs.c: the disk of cutvfs.h and the SQLite VFS in front of it.
 *
 * A write or truncate is pending until its file's next xSync. Creating, deleting and renaming a file are durable at
 * once; one at which the power goes has happened or not, by chance (CUT_LOST: not). On a real ext4 it is SQLite's own
 * sync of the directory that makes them so, and whoever renames must sync it too. Not played here: a deletion without
 * that sync (SQLite's of a WAL, at close) which comes undone.
 *
 * Every change reserves room in all buffers that it can reach later, so that xSync and cutvfs_restore() cannot run
 * out of memory. */
#include "cutvfs.h"

#include <assert.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define CUT_SECTOR 512
#define CUT_REPORTED_SECTOR 4096 /* what the unix VFS says; anything else has SQLite pad its WAL differently */
#define CUT_PATH_MAX 512 /* a longer one: SQLITE_CANTOPEN */
#define CUT_FILE_MAX ((size_t)256 << 20) /* a larger one: SQLITE_FULL */
#define CUT_BUFFER_MIN 4096
#define CUT_JULIAN_MS (INT64_C(210866760000000) + INT64_C(1735689600000)) /* 2025-01-01 00:00 UTC */

struct buffer {
	unsigned char *bytes;
	size_t size;
	size_t capacity;
};

struct pending {
	uint64_t operation;
	size_t offset; /* of a truncate: the new size */
	size_t length;
	size_t bytes_at; /* in the file's `unsynced` */
	bool truncate;
};

struct file {
	struct file *next;
	char *path; /* NULL: nameless (temporary, or deleted while open); lives as long as its handles, no pending */
	unsigned int handles;
	unsigned int sharers; /* handles with any lock */
	const struct handle *writer; /* the handle with more than a shared lock */
	struct buffer seen;
	struct buffer durable;
	struct pending *pending;
	size_t pending_count;
	size_t pending_capacity;
	struct buffer unsynced;
};

struct cutvfs {
	sqlite3_vfs vfs;
	struct file *files; /* those with a name */
	unsigned int handles;
	uint64_t operations;
	uint64_t cut_at;
	uint64_t fail_from;
	enum cut_damage cut_at_damage;
	enum cut_damage damage; /* while off; apart from the above, so that a next cut can be set before the restore */
	bool off;
	bool full;
	uint64_t fate; /* state of the generator for damage; apart from SQLite's, so that neither shifts the other */
	uint64_t randomness;
	char name[];
};

struct handle {
	sqlite3_file base; /* first: SQLite casts */
	struct cutvfs *disk;
	struct file *file;
	int lock;
};

/* ---- chance: splitmix64 ---- */

static uint64_t next_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static uint64_t below(uint64_t *state, uint64_t limit)
{
	return next_random(state) % limit;
}

static void fill_random(uint64_t *state, unsigned char *bytes, size_t length)
{
	while (length > 0) {
		uint64_t word = next_random(state);
		size_t part = length < sizeof(word) ? length : sizeof(word);

		memcpy(bytes, &word, part);
		bytes += part;
		length -= part;
	}
}

/* ---- buffers ---- */

static size_t grown_capacity(size_t capacity, size_t needed, size_t least)
{
	if (capacity < least)
		capacity = least;
	while (capacity < needed)
		capacity *= 2;
	return capacity;
}

static bool buffer_reserve(struct buffer *buffer, size_t size)
{
	if (size <= buffer->capacity)
		return true;

	size_t capacity = grown_capacity(buffer->capacity, size, CUT_BUFFER_MIN);
	unsigned char *bytes = realloc(buffer->bytes, capacity);

	if (!bytes)
		return false;
	buffer->bytes = bytes;
	buffer->capacity = capacity;
	return true;
}

/* The room must have been reserved, here and in buffer_put(). */
static void buffer_resize(struct buffer *buffer, size_t size)
{
	assert(size <= buffer->capacity);
	if (size > buffer->size)
		memset(buffer->bytes + buffer->size, 0, size - buffer->size);
	buffer->size = size;
}

static void buffer_put(struct buffer *buffer, size_t offset, const void *bytes, size_t length)
{
	if (length == 0)
		return;
	if (offset + length > buffer->size)
		buffer_resize(buffer, offset + length);
	memcpy(buffer->bytes + offset, bytes, length);
}

/* ---- files and their names ---- */

static struct file *file_find(const struct cutvfs *disk, const char *path)
{
	for (struct file *file = disk->files; file; file = file->next) {
		if (strcmp(file->path, path) == 0)
			return file;
	}
	return NULL;
}

/* Without a path: a nameless file, which is on no list. */
static struct file *file_new(struct cutvfs *disk, const char *path)
{
	struct file *file = calloc(1, sizeof(*file));

	if (!file || !path)
		return file;
	file->path = strdup(path);
	if (!file->path) {
		free(file);
		return NULL;
	}
	file->next = disk->files;
	disk->files = file;
	return file;
}

static void file_free(struct file *file)
{
	free(file->path);
	free(file->seen.bytes);
	free(file->durable.bytes);
	free(file->pending);
	free(file->unsynced.bytes);
	free(file);
}

static void forget_pending(struct file *file)
{
	file->pending_count = 0;
	file->unsynced.size = 0;
}

static void file_unlink(struct cutvfs *disk, struct file *file)
{
	struct file **link = &disk->files;

	while (*link != file)
		link = &(*link)->next;
	*link = file->next;
	free(file->path);
	file->path = NULL;
	forget_pending(file);
	if (file->handles == 0)
		file_free(file);
}

/* ---- operations ---- */

enum turn {
	TURN_GOES,
	TURN_LAST, /* the power goes during it: what it does is at the mercy of the damage, the caller gets an error */
	TURN_REFUSED
};

static enum turn begin_operation(struct cutvfs *disk)
{
	if (disk->off)
		return TURN_REFUSED;
	disk->operations++;

	bool last = disk->operations == disk->cut_at;

	if (last)
		cutvfs_cut(disk, disk->cut_at_damage);
	if (disk->fail_from != 0 && disk->operations >= disk->fail_from)
		return TURN_REFUSED;
	return last ? TURN_LAST : TURN_GOES;
}

/* For changes of names, which are there or not and never half. */
static bool name_change_happens(struct cutvfs *disk, enum turn turn)
{
	if (turn == TURN_LAST)
		return disk->damage != CUT_LOST && below(&disk->fate, 2) == 0;
	return turn == TURN_GOES;
}

static bool reserve_pending(struct file *file, size_t length)
{
	if (!buffer_reserve(&file->unsynced, file->unsynced.size + length))
		return false;
	if (file->pending_count < file->pending_capacity)
		return true;

	size_t capacity = grown_capacity(file->pending_capacity, file->pending_count + 1, 64);
	struct pending *pending = realloc(file->pending, capacity * sizeof(*pending));

	if (!pending)
		return false;
	file->pending = pending;
	file->pending_capacity = capacity;
	return true;
}

static bool reserve_change(struct file *file, size_t end, size_t length)
{
	if (!buffer_reserve(&file->seen, end))
		return false;
	return !file->path || (buffer_reserve(&file->durable, end) && reserve_pending(file, length));
}

static void add_pending(struct file *file, struct pending change, const void *bytes)
{
	if (!file->path)
		return;
	change.bytes_at = file->unsynced.size;
	buffer_put(&file->unsynced, change.bytes_at, bytes, change.length);
	file->pending[file->pending_count++] = change;
}

static void apply(struct buffer *buffer, const struct pending *change, const void *bytes)
{
	if (change->truncate)
		buffer_resize(buffer, change->offset);
	else
		buffer_put(buffer, change->offset, bytes, change->length);
}

static int change_file(struct handle *handle, struct pending change, const void *bytes)
{
	struct cutvfs *disk = handle->disk;
	struct file *file = handle->file;
	size_t end = change.offset + change.length;
	enum turn turn = begin_operation(disk);

	if (turn == TURN_REFUSED)
		return SQLITE_IOERR;
	if (end > CUT_FILE_MAX || (disk->full && end > file->seen.size))
		return turn == TURN_LAST ? SQLITE_IOERR : SQLITE_FULL;
	if (!reserve_change(file, end, change.length))
		return SQLITE_IOERR_NOMEM;
	change.operation = disk->operations;
	add_pending(file, change, bytes);
	if (turn == TURN_LAST)
		return SQLITE_IOERR;
	apply(&file->seen, &change, bytes);
	return SQLITE_OK;
}

/* ---- damage ---- */

struct damage {
	enum cut_damage kind;
	uint64_t *fate;
	uint64_t torn; /* the operation that the power cut interrupted */
	unsigned int keep; /* sectors kept, in sixteenths */
	size_t grown_from; /* of the file: what lies beyond was not there before, or was cut off since */
};

static bool keeps(const struct damage *damage)
{
	return below(damage->fate, 16) < damage->keep;
}

/* Bytes up to and including the sector that holds `position`, within the write. */
static size_t sector_end(const struct pending *write, size_t position)
{
	size_t boundary = ((write->offset + position) / CUT_SECTOR + 1) * CUT_SECTOR - write->offset;

	return boundary < write->length ? boundary : write->length;
}

static size_t torn_length(const struct damage *damage, const struct pending *write)
{
	size_t sectors = 0;
	size_t length = 0;

	for (size_t at = 0; at < write->length; at = sector_end(write, at))
		sectors++;
	for (uint64_t kept = below(damage->fate, sectors + 1); kept > 0; kept--)
		length = sector_end(write, length);
	return length;
}

static void put_noise(const struct damage *damage, struct buffer *content, size_t from, size_t to)
{
	if (from < damage->grown_from)
		from = damage->grown_from; /* elsewhere the old bytes stay: POWERSAFE_OVERWRITE */
	if (from >= to)
		return;
	if (to > content->size)
		buffer_resize(content, to);
	fill_random(damage->fate, content->bytes + from, to - from);
}

static void scatter_write(const struct damage *damage, struct buffer *content, const struct pending *write,
			  const unsigned char *bytes)
{
	for (size_t at = 0, end; at < write->length; at = end) {
		end = sector_end(write, at);
		if (keeps(damage))
			buffer_put(content, write->offset + at, bytes + at, end - at);
		else if (damage->kind == CUT_GARBAGE && below(damage->fate, 2) == 0)
			put_noise(damage, content, write->offset + at, write->offset + end);
	}
}

static void survive_write(const struct damage *damage, struct buffer *content, const struct pending *write,
			  const unsigned char *bytes)
{
	switch (damage->kind) {
	case CUT_TORN:
		buffer_put(content,
			   write->offset,
			   bytes,
			   write->operation == damage->torn ? torn_length(damage, write) : write->length);
		break;
	case CUT_REORDERED:
	case CUT_GARBAGE:
		scatter_write(damage, content, write, bytes);
		break;
	case CUT_LOST:
	case CUT_DAMAGE_COUNT:
		break;
	}
}

static void survive_truncate(struct damage *damage, struct buffer *content, const struct pending *truncate)
{
	bool certain = damage->kind == CUT_TORN && truncate->operation != damage->torn;

	if (damage->kind == CUT_LOST || (!certain && !keeps(damage)))
		return;
	buffer_resize(content, truncate->offset);
	if (truncate->offset < damage->grown_from)
		damage->grown_from = truncate->offset;
}

/* In the order of issue: to apply an older write after a newer one would be to lose the newer one, which the chance to
 * be there or not covers. */
static void survive_file(struct damage damage, struct file *file)
{
	damage.grown_from = file->durable.size;
	for (size_t i = 0; i < file->pending_count; i++) {
		const struct pending *change = &file->pending[i];

		if (change->truncate)
			survive_truncate(&damage, &file->durable, change);
		else if (change->length > 0)
			survive_write(&damage, &file->durable, change, file->unsynced.bytes + change->bytes_at);
	}
	forget_pending(file);
	file->seen.size = 0;
	assert(file->durable.size <= file->seen.capacity);
	buffer_put(&file->seen, 0, file->durable.bytes, file->durable.size);
}

static uint64_t last_pending(const struct cutvfs *disk)
{
	uint64_t last = 0;

	for (const struct file *file = disk->files; file; file = file->next) {
		if (file->pending_count > 0 && file->pending[file->pending_count - 1].operation > last)
			last = file->pending[file->pending_count - 1].operation;
	}
	return last;
}

/* ---- SQLite's view of an open file ---- */

static int file_read(sqlite3_file *base, void *bytes, int amount, sqlite3_int64 offset)
{
	struct handle *handle = (struct handle *)base;
	const struct buffer *seen = &handle->file->seen;
	size_t wanted = (size_t)amount;
	size_t there = 0;

	assert(amount >= 0 && offset >= 0);
	if (handle->disk->off)
		return SQLITE_IOERR;
	if ((size_t)offset < seen->size)
		there = seen->size - (size_t)offset;
	if (there > wanted)
		there = wanted;
	if (there > 0)
		memcpy(bytes, seen->bytes + offset, there);
	if (there == wanted)
		return SQLITE_OK;
	memset((unsigned char *)bytes + there, 0, wanted - there);
	return SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *base, const void *bytes, int amount, sqlite3_int64 offset)
{
	assert(amount >= 0 && offset >= 0);
	return change_file(
		(struct handle *)base, (struct pending){.offset = (size_t)offset, .length = (size_t)amount}, bytes);
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
	assert(size >= 0);
	return change_file((struct handle *)base, (struct pending){.offset = (size_t)size, .truncate = true}, NULL);
}

static int file_sync(sqlite3_file *base, int flags)
{
	struct handle *handle = (struct handle *)base;
	struct file *file = handle->file;

	(void)flags; /* data only: SQLite asks for it where the size has not changed */
	if (begin_operation(handle->disk) != TURN_GOES)
		return SQLITE_IOERR;
	for (size_t i = 0; i < file->pending_count; i++) {
		const struct pending *change = &file->pending[i];

		/* A truncate has no bytes; without any write there is not even a buffer to point into. */
		apply(&file->durable, change, change->length > 0 ? file->unsynced.bytes + change->bytes_at : NULL);
	}
	forget_pending(file);
	return SQLITE_OK;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *size)
{
	struct handle *handle = (struct handle *)base;

	if (handle->disk->off)
		return SQLITE_IOERR;
	*size = (sqlite3_int64)handle->file->seen.size;
	return SQLITE_OK;
}

static int lock_shared(struct handle *handle)
{
	const struct handle *writer = handle->file->writer;

	if (writer && writer->lock >= SQLITE_LOCK_PENDING)
		return SQLITE_BUSY;
	handle->file->sharers++;
	handle->lock = SQLITE_LOCK_SHARED;
	return SQLITE_OK;
}

static int lock_to_write(struct handle *handle, int level)
{
	struct file *file = handle->file;

	if (file->writer && file->writer != handle)
		return SQLITE_BUSY;
	file->writer = handle;
	if (level == SQLITE_LOCK_EXCLUSIVE && file->sharers > 1) {
		handle->lock = SQLITE_LOCK_PENDING; /* no new readers */
		return SQLITE_BUSY;
	}
	handle->lock = level;
	return SQLITE_OK;
}

static int file_lock(sqlite3_file *base, int level)
{
	struct handle *handle = (struct handle *)base;

	if (handle->disk->off)
		return SQLITE_IOERR;
	if (level <= handle->lock)
		return SQLITE_OK;
	return level == SQLITE_LOCK_SHARED ? lock_shared(handle) : lock_to_write(handle, level);
}

/* Works without power too: a lock is the process's, not the disk's. */
static int file_unlock(sqlite3_file *base, int level)
{
	struct handle *handle = (struct handle *)base;
	struct file *file = handle->file;

	if (level >= handle->lock)
		return SQLITE_OK;
	if (file->writer == handle)
		file->writer = NULL;
	if (level == SQLITE_LOCK_NONE)
		file->sharers--;
	handle->lock = level;
	return SQLITE_OK;
}

static int file_check_reserved(sqlite3_file *base, int *reserved)
{
	struct handle *handle = (struct handle *)base;

	if (handle->disk->off)
		return SQLITE_IOERR;
	*reserved = handle->file->writer != NULL;
	return SQLITE_OK;
}

static int file_close(sqlite3_file *base)
{
	struct handle *handle = (struct handle *)base;
	struct file *file = handle->file;

	file_unlock(base, SQLITE_LOCK_NONE);
	handle->disk->handles--;
	if (--file->handles == 0 && !file->path)
		file_free(file);
	return SQLITE_OK;
}

static int file_control(sqlite3_file *base, int op, void *argument)
{
	(void)base;
	(void)op;
	(void)argument;
	return SQLITE_NOTFOUND;
}

static int file_sector_size(sqlite3_file *base)
{
	(void)base;
	return CUT_REPORTED_SECTOR;
}

static int file_characteristics(sqlite3_file *base)
{
	(void)base;
	return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods file_methods = {
	.iVersion = 1, /* no shared memory: WAL wants locking_mode=EXCLUSIVE */
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = file_size,
	.xLock = file_lock,
	.xUnlock = file_unlock,
	.xCheckReservedLock = file_check_reserved,
	.xFileControl = file_control,
	.xSectorSize = file_sector_size,
	.xDeviceCharacteristics = file_characteristics,
};

/* ---- SQLite's view of the disk ---- */

static int create_file(struct cutvfs *disk, const char *path, struct file **file)
{
	enum turn turn = begin_operation(disk);
	bool happens = name_change_happens(disk, turn);

	/* A nameless file belongs to its handle alone; where the power goes there will be none. */
	if (happens && (path || turn == TURN_GOES)) {
		*file = file_new(disk, path);
		if (!*file)
			return SQLITE_IOERR_NOMEM;
	}
	return turn == TURN_GOES ? SQLITE_OK : SQLITE_IOERR;
}

static int find_or_create(struct cutvfs *disk, const char *path, int flags, struct file **file)
{
	*file = path ? file_find(disk, path) : NULL;
	if (*file)
		return flags & SQLITE_OPEN_EXCLUSIVE ? SQLITE_CANTOPEN : SQLITE_OK;
	if (!(flags & SQLITE_OPEN_CREATE))
		return SQLITE_CANTOPEN;
	return create_file(disk, path, file);
}

static int disk_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags, int *out_flags)
{
	struct cutvfs *disk = vfs->pAppData;
	struct handle *handle = (struct handle *)base;
	struct file *file;

	base->pMethods = NULL; /* until it is open: SQLite would close it */
	if (disk->off)
		return SQLITE_IOERR;
	if (flags & SQLITE_OPEN_DELETEONCLOSE)
		path = NULL; /* as the unix VFS, which unlinks it at once */

	int rc = find_or_create(disk, path, flags, &file);

	if (rc != SQLITE_OK)
		return rc;
	*handle = (struct handle){.base.pMethods = &file_methods, .disk = disk, .file = file};
	file->handles++;
	disk->handles++;
	if (out_flags)
		*out_flags = flags;
	return SQLITE_OK;
}

static int disk_delete(sqlite3_vfs *vfs, const char *path, int sync_directory)
{
	struct cutvfs *disk = vfs->pAppData;
	struct file *file = file_find(disk, path);

	(void)sync_directory;
	if (disk->off)
		return SQLITE_IOERR;
	if (!file)
		return SQLITE_IOERR_DELETE_NOENT;

	enum turn turn = begin_operation(disk);

	if (name_change_happens(disk, turn))
		file_unlink(disk, file);
	return turn == TURN_GOES ? SQLITE_OK : SQLITE_IOERR;
}

static int disk_access(sqlite3_vfs *vfs, const char *path, int flags, int *result)
{
	struct cutvfs *disk = vfs->pAppData;
	const struct file *file = file_find(disk, path);

	if (disk->off)
		return SQLITE_IOERR;
	/* To the unix VFS an empty file does not exist, and recovery depends on it. */
	*result = file && (flags != SQLITE_ACCESS_EXISTS || file->seen.size > 0);
	return SQLITE_OK;
}

static int disk_full_pathname(sqlite3_vfs *vfs, const char *path, int size, char *full)
{
	size_t length = strlen(path);

	(void)vfs;
	if (size < 0 || length >= (size_t)size)
		return SQLITE_CANTOPEN;
	memcpy(full, path, length + 1);
	return SQLITE_OK;
}

static int disk_randomness(sqlite3_vfs *vfs, int length, char *bytes)
{
	struct cutvfs *disk = vfs->pAppData;

	if (length <= 0)
		return 0;
	fill_random(&disk->randomness, (unsigned char *)bytes, (size_t)length);
	return length;
}

static int disk_sleep(sqlite3_vfs *vfs, int micros)
{
	(void)vfs;
	return micros;
}

static int disk_current_time_int64(sqlite3_vfs *vfs, sqlite3_int64 *julian_ms)
{
	(void)vfs;
	*julian_ms = CUT_JULIAN_MS;
	return SQLITE_OK;
}

static int disk_current_time(sqlite3_vfs *vfs, double *julian_days)
{
	(void)vfs;
	*julian_days = (double)CUT_JULIAN_MS / 86400000.0;
	return SQLITE_OK;
}

static int disk_last_error(sqlite3_vfs *vfs, int size, char *text)
{
	(void)vfs;
	(void)size;
	(void)text;
	return 0;
}

/* ---- the tester's view ---- */

struct cutvfs *cutvfs_new(const char *name, uint64_t seed)
{
	size_t name_size = strlen(name) + 1;

	if (sqlite3_vfs_find(name))
		return NULL;

	struct cutvfs *disk = calloc(1, sizeof(*disk) + name_size);

	if (!disk)
		return NULL;
	memcpy(disk->name, name, name_size);
	disk->fate = seed;
	disk->randomness = next_random(&disk->fate);
	disk->vfs = (sqlite3_vfs){
		.iVersion = 2,
		.szOsFile = sizeof(struct handle),
		.mxPathname = CUT_PATH_MAX,
		.zName = disk->name,
		.pAppData = disk,
		.xOpen = disk_open,
		.xDelete = disk_delete,
		.xAccess = disk_access,
		.xFullPathname = disk_full_pathname,
		.xRandomness = disk_randomness,
		.xSleep = disk_sleep,
		.xCurrentTime = disk_current_time,
		.xGetLastError = disk_last_error,
		.xCurrentTimeInt64 = disk_current_time_int64,
	};
	if (sqlite3_vfs_register(&disk->vfs, 0) == SQLITE_OK)
		return disk;
	free(disk);
	return NULL;
}

void cutvfs_free(struct cutvfs *disk)
{
	if (!disk)
		return;
	assert(disk->handles == 0);
	sqlite3_vfs_unregister(&disk->vfs);
	while (disk->files) {
		struct file *file = disk->files;

		disk->files = file->next;
		file_free(file);
	}
	free(disk);
}

uint64_t cutvfs_operations(const struct cutvfs *disk)
{
	return disk->operations;
}

void cutvfs_cut_at(struct cutvfs *disk, uint64_t at, enum cut_damage damage)
{
	disk->cut_at = at;
	disk->cut_at_damage = damage;
}

void cutvfs_cut(struct cutvfs *disk, enum cut_damage damage)
{
	if (disk->off)
		return;
	disk->off = true;
	disk->damage = damage;
}

bool cutvfs_is_cut(const struct cutvfs *disk)
{
	return disk->off;
}

void cutvfs_restore(struct cutvfs *disk)
{
	assert(disk->handles == 0);
	if (!disk->off)
		return;

	/* A keep drawn anew for each cut finds more than one half always: nearly all there, or nearly nothing. */
	struct damage damage = {
		.kind = disk->damage,
		.fate = &disk->fate,
		.torn = last_pending(disk),
		.keep = 1 + (unsigned int)below(&disk->fate, 15),
	};

	for (struct file *file = disk->files; file; file = file->next)
		survive_file(damage, file);
	disk->off = false;
}

void cutvfs_set_full(struct cutvfs *disk, bool full)
{
	disk->full = full;
}

void cutvfs_fail_from(struct cutvfs *disk, uint64_t from)
{
	disk->fail_from = from;
}

bool cutvfs_flip(struct cutvfs *disk, const char *path, uint64_t offset, unsigned char bits)
{
	struct file *file = file_find(disk, path);

	if (!file || offset >= file->seen.size)
		return false;
	file->seen.bytes[offset] ^= bits;
	if (offset < file->durable.size)
		file->durable.bytes[offset] ^= bits;
	/* Pending writes too: rot that the next sync or cut heals would be none. */
	for (size_t i = 0; i < file->pending_count; i++) {
		const struct pending *change = &file->pending[i];

		if (!change->truncate && offset >= change->offset && offset - change->offset < change->length)
			file->unsynced.bytes[change->bytes_at + (offset - change->offset)] ^= bits;
	}
	return true;
}

int64_t cutvfs_size(const struct cutvfs *disk, const char *path)
{
	const struct file *file = file_find(disk, path);

	return file ? (int64_t)file->seen.size : -1;
}

int cutvfs_rename(struct cutvfs *disk, const char *from, const char *to)
{
	struct file *file = file_find(disk, from);
	struct file *replaced = file_find(disk, to);

	if (disk->off)
		return -EIO;
	if (!file)
		return -ENOENT;

	char *path = strdup(to);

	if (!path)
		return -ENOMEM;

	enum turn turn = begin_operation(disk);

	if (name_change_happens(disk, turn)) {
		if (replaced && replaced != file)
			file_unlink(disk, replaced);
		free(file->path);
		file->path = path;
		path = NULL;
	}
	free(path);
	return turn == TURN_GOES ? 0 : -EIO;
}

void cutvfs_pin_randomness(struct cutvfs *disk)
{
	unsigned char first;
	sqlite3_vfs *usual = sqlite3_vfs_find(NULL);
	sqlite3_vfs_register(&disk->vfs, 1);
	sqlite3_randomness(0, NULL);
	sqlite3_randomness(1, &first);
	sqlite3_vfs_register(usual, 1);
}
