/* tests/sim/cutvfs.h: an SQLite VFS in memory whose power can be cut at every operation.
 *
 * One `struct cutvfs` is one disk. Every write, sync, truncate, create, delete and rename is one operation, numbered
 * from 1. A disk remembers, beside what the program sees, what is durable: content at the file's last sync, and the
 * writes since then in order. After a cut the disk refuses everything with SQLITE_IOERR until cutvfs_restore().
 * What fails because nothing could change (no such file, power already off) is no operation; what fails because the
 * disk is full, or because of cutvfs_fail_from(), is one. A disk is for one thread at a time. */
#ifndef CUTVFS_H
#define CUTVFS_H

#include <stdbool.h>
#include <stdint.h>

/* What a power cut does to writes that no sync has confirmed. */
enum cut_damage {
	CUT_LOST, /* all of them are gone */
	CUT_TORN, /* all before the last are there; of the last only a prefix of whole 512-byte sectors */
	CUT_REORDERED, /* each 512-byte sector of each write is there or not, by chance, in any order */
	CUT_GARBAGE, /* as reordered, and what a file grew by may hold noise instead of data */
	CUT_DAMAGE_COUNT
};

struct cutvfs; /* opaque; owned by whoever made it */

/* Makes an empty disk and registers it with SQLite under `name` (copied), not as default. All chance comes from seed,
 * xRandomness included; the clock stands at a fixed Julian day. NULL when memory is short or the name is taken. */
struct cutvfs *cutvfs_new(const char *name, uint64_t seed);

/* Unregisters and frees. No connection may be open. */
void cutvfs_free(struct cutvfs *disk);

/* The number of operations so far. */
uint64_t cutvfs_operations(const struct cutvfs *disk);

/* Cuts the power when operation number `at` begins (it may be torn like the others; it is the last one issued);
 * 0: never. cutvfs_cut() cuts now. */
void cutvfs_cut_at(struct cutvfs *disk, uint64_t at, enum cut_damage damage);
void cutvfs_cut(struct cutvfs *disk, enum cut_damage damage);

/* Whether the power is off. */
bool cutvfs_is_cut(const struct cutvfs *disk);

/* Power is back: the damage is done to the files, what is left is durable. All connections must have been closed.
 * After a process crash without power loss, do not cut: what was written is simply still there. */
void cutvfs_restore(struct cutvfs *disk);

/* The disk is full: growing a file fails with SQLITE_FULL. */
void cutvfs_set_full(struct cutvfs *disk, bool full);

/* Each operation numbered at or above `from` fails with SQLITE_IOERR and changes nothing, until set to 0. To kill a
 * process without cutting the power: cutvfs_fail_from(disk, 1), close its connections, cutvfs_fail_from(disk, 0). */
void cutvfs_fail_from(struct cutvfs *disk, uint64_t from);

/* For rot: flips bits in a file of the disk. False when the file or the offset does not exist. */
bool cutvfs_flip(struct cutvfs *disk, const char *path, uint64_t offset, unsigned char bits);

/* The size of a file, or -1 when it does not exist. */
int64_t cutvfs_size(const struct cutvfs *disk, const char *path);

/* Renames a file, atomically and durably, replacing `to`; counts as one operation.
 * 0, -ENOENT, -ENOMEM, or -EIO while the power is off, begins to be, or operations fail. What is written to the file
 * becomes no more durable by it. */
int cutvfs_rename(struct cutvfs *disk, const char *from, const char *to);

/* Starts SQLite's own generator of random numbers from this disk's seed: it is one per process and takes its seed from
 * the default VFS, which this disk becomes for that moment. Call it before a world opens its first database. */
void cutvfs_pin_randomness(struct cutvfs *disk);

#endif
