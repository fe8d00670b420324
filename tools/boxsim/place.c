/* tools/boxsim/place.c: see boxsim_place.h.
 *
 * Room: boxsim; this file needs libc only. */
#include "boxsim_place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LOCK_TRIES 10

/* Locks the file at path; 1 when it is not the file at that path any more (its holder just removed it), to try again. */
static int lock_file(const char *path, int *lock)
{
	struct stat held, named;
	int rc = 0;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		rc = errno == EWOULDBLOCK ? -EBUSY : -errno;
	else if (fstat(fd, &held) < 0)
		rc = -errno;
	else if (stat(path, &named) < 0 || held.st_ino != named.st_ino || held.st_dev != named.st_dev)
		rc = 1;
	if (rc)
		close(fd);
	else
		*lock = fd;
	return rc;
}

int place_take(struct place *place, const char *path)
{
	*place = (struct place){.lock = -1};
	char *lock_path = NULL;
	if (asprintf(&lock_path, "%s.lock", path) < 0)
		return -ENOMEM;
	int rc = 1;
	for (int i = 0; rc == 1 && i < LOCK_TRIES; i++)
		rc = lock_file(lock_path, &place->lock);
	if (rc) {
		free(lock_path);
		return rc == 1 ? -EBUSY : rc;
	}
	place->path = path;
	place->lock_path = lock_path;
	return 0;
}

/* Whether somebody (no boxsim: we hold its lock) listens on the socket. */
static bool somebody_listens(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return true;
	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	bool listens = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 || errno == EAGAIN;
	close(fd);
	return listens;
}

int place_clear_socket(const struct place *place)
{
	struct stat found;
	if (lstat(place->path, &found) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(found.st_mode) || somebody_listens(place->path))
		return -EEXIST;
	return unlink(place->path) < 0 ? -errno : 0;
}

int place_link(struct place *place, const char *target)
{
	static const char terminals[] = "/dev/pts/";
	char found[PATH_MAX] = "";
	ssize_t length = readlink(place->path, found, sizeof(found) - 1);
	if (length < 0 && errno == EINVAL)
		return -EEXIST;
	if (length < 0 && errno != ENOENT)
		return -errno;
	if (length >= 0 && strncmp(found, terminals, sizeof(terminals) - 1) != 0)
		return -EEXIST;
	if (length >= 0 && unlink(place->path) < 0)
		return -errno;
	place->made = symlink(target, place->path) == 0;
	return place->made ? 0 : -errno;
}

void place_give(struct place *place)
{
	if (!place->path)
		return;
	if (place->made)
		unlink(place->path);
	unlink(place->lock_path);
	close(place->lock);
	free(place->lock_path);
	*place = (struct place){.lock = -1};
}
