/* src/daemon/power_boot.c: see power_boot.h.
 *
 * The file says "KERNEL_BOOT_ID LEDGER_ID FIRST_BOOT". One of another kernel's boot or of another ledger is out of date,
 * and so is one that is damaged: then this boot is the first. */
#include "power_boot.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_SIZE 37
#define TEXT_SIZE 128
#define PATH_SIZE 256

/* The file's text, empty when there is none. False with errno when it cannot be read. */
static bool read_text(const char *path, char text[TEXT_SIZE])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	text[0] = '\0';
	if (fd < 0)
		return errno == ENOENT;
	ssize_t got = read(fd, text, TEXT_SIZE - 1);
	close(fd);
	text[got > 0 ? got : 0] = '\0';
	return got >= 0;
}

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return false;
	bool written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	return close(fd) == 0 && written;
}

static uint32_t fail(const char *path)
{
	log_line(LOG_LEVEL_WARNING,
		 "power_boot_unknown",
		 "file=%s error=%s",
		 log_text(path).text,
		 log_text(strerror(errno)).text);
	return 0;
}

uint32_t power_boot(const char *control_socket, const char *ledger_id, uint32_t boot)
{
	char path[PATH_SIZE];
	char kernel[TEXT_SIZE];
	char text[TEXT_SIZE];
	char expected[TEXT_SIZE];
	uint32_t first = 0;
	snprintf(path, sizeof path, "%s.boot", control_socket);
	if (!read_text(BOOT_ID_PATH, kernel) || strlen(kernel) < BOOT_ID_SIZE - 1)
		return fail(BOOT_ID_PATH);
	kernel[BOOT_ID_SIZE - 1] = '\0';
	if (!read_text(path, text))
		return fail(path);
	int length = snprintf(expected, sizeof expected, "%s %.32s ", kernel, ledger_id);
	if (strncmp(text, expected, (size_t)length) == 0 && sscanf(text + length, "%" SCNu32, &first) == 1 &&
	    first >= 1 && first <= boot)
		return first;
	snprintf(expected + length, sizeof expected - (size_t)length, "%" PRIu32 "\n", boot);
	return write_text(path, expected) ? boot : fail(path);
}
