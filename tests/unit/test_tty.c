/* tests/unit/test_tty.c: serial ports, on pseudo-terminals. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "tty.h"

static const struct line_settings plain = {.baud = 2400, .parity = PARITY_NONE, .data_bits = 8, .stop_bits = 1};

static int master;
static char device[64];

static void setup(void)
{
	int slave;
	ck_assert_int_eq(openpty(&master, &slave, device, NULL, NULL), 0);
	close(slave);
}

static void teardown(void)
{
	if (master >= 0)
		close(master);
}

static int64_t soon(void)
{
	return tty_now_ms() + 20000; /* a limit for a broken program, nothing that is waited for */
}

START_TEST(open_once)
{
	int fd = tty_open(device);
	ck_assert_int_ge(fd, 0);
	struct termios before;
	struct termios after;
	ck_assert_int_eq(tcgetattr(fd, &before), 0);
	ck_assert_int_eq(tty_open(device), -EBUSY);
	ck_assert_int_eq(tcgetattr(fd, &after), 0);
	ck_assert_uint_eq(before.c_cflag, after.c_cflag);
	ck_assert_uint_eq(before.c_lflag, after.c_lflag);
	tty_close(fd);
	fd = tty_open(device);
	ck_assert_int_ge(fd, 0);
	tty_close(fd);
	tty_close(-1);
}
END_TEST

START_TEST(open_refusals)
{
	ck_assert_int_eq(tty_open("/nonexistent/port"), -ENOENT);
	ck_assert_int_eq(tty_open("/dev/null"), -ENOTTY);
	char name[] = "/tmp/test-tty-XXXXXX";
	int fd = mkstemp(name);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(tty_open(name), -ENOTTY);
	unlink(name);
	close(fd);
}
END_TEST

START_TEST(configure)
{
	struct line_settings line = {.baud = 19200, .parity = PARITY_NONE, .data_bits = 8, .stop_bits = 2};
	struct termios t;
	int fd = tty_open(device);
	ck_assert_int_eq(tty_configure(fd, &line), 0);
	ck_assert_int_eq(tcgetattr(fd, &t), 0);
	ck_assert_uint_eq(cfgetospeed(&t), B19200);
	ck_assert_uint_eq(cfgetispeed(&t), B19200);
	ck_assert(t.c_cflag & CSTOPB);
	ck_assert(!(t.c_cflag & (PARENB | CRTSCTS)));
	ck_assert((t.c_cflag & CSIZE) == CS8 && (t.c_cflag & CLOCAL));
	ck_assert(!(t.c_lflag & (ICANON | ECHO | ISIG)));
	ck_assert(!(t.c_iflag & (IXON | ICRNL | INLCR)));
	/* every byte value passes now */
	uint8_t sent[256];
	uint8_t got[256];
	size_t count = 0;
	for (int i = 0; i < 256; i++)
		sent[i] = (uint8_t)i;
	ck_assert_int_eq(write(master, sent, sizeof sent), sizeof sent);
	while (count < sizeof got) {
		int n = tty_read(fd, got + count, sizeof got - count, soon());
		ck_assert_int_gt(n, 0);
		count += (size_t)n;
	}
	ck_assert_int_eq(memcmp(sent, got, sizeof sent), 0);
	line.baud = 12345;
	ck_assert_int_eq(tty_configure(fd, &line), -EINVAL);
	tty_close(fd);
}
END_TEST

START_TEST(deadlines)
{
	uint8_t bytes[8];
	int fd = tty_open(device);
	ck_assert_int_eq(tty_configure(fd, &plain), 0);
	int64_t until = tty_now_ms() + 30;
	ck_assert_int_eq(tty_read(fd, bytes, sizeof bytes, until), 0);
	ck_assert_int_ge(tty_now_ms(), until);
	ck_assert_int_eq(tty_read(fd, bytes, sizeof bytes, 0), 0);
	ck_assert_int_eq(write(master, "ab", 2), 2);
	ck_assert_int_eq(tty_read(fd, bytes, sizeof bytes, soon()), 2);
	ck_assert_int_eq(tty_write(fd, (const uint8_t *)"xyz", 3, soon()), 0);
	ck_assert_int_eq(read(master, bytes, sizeof bytes), 3);
	/* nobody takes what is written: the deadline ends it */
	static uint8_t much[1 << 20];
	ck_assert_int_eq(tty_write(fd, much, sizeof much, tty_now_ms() + 30), -ETIMEDOUT);
	tty_close(fd);
}
END_TEST

START_TEST(port_vanishes)
{
	uint8_t byte = 0;
	int fd = tty_open(device);
	ck_assert_int_eq(tty_configure(fd, &plain), 0);
	close(master);
	master = -1;
	ck_assert_int_lt(tty_read(fd, &byte, 1, soon()), 0);
	ck_assert_int_lt(tty_write(fd, &byte, 1, soon()), 0);
	ck_assert_int_lt(tty_configure(fd, &plain), 0);
	tty_close(fd);
}
END_TEST

START_TEST(wire_time)
{
	static const struct {
		struct line_settings line;
		size_t count;
		int64_t ms;
	} rows[] = {
		{{2400, PARITY_EVEN, 8, 1}, 0, 0},
		{{2400, PARITY_EVEN, 8, 1}, 1, 5}, /* 11 bits: 4.58 ms */
		{{2400, PARITY_EVEN, 8, 1}, 240, 1100},
		{{2400, PARITY_NONE, 8, 1}, 240, 1000},
		{{9600, PARITY_NONE, 8, 1}, 96, 100},
		{{1200, PARITY_ODD, 7, 2}, 120, 1100},
		{{115200, PARITY_NONE, 8, 1}, 1, 1},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		ck_assert_int_eq(tty_wire_ms(&rows[i].line, rows[i].count), rows[i].ms);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("tty");
	TCase *t = tcase_create("tty");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, open_once);
	tcase_add_test(t, open_refusals);
	tcase_add_test(t, configure);
	tcase_add_test(t, deadlines);
	tcase_add_test(t, port_vanishes);
	tcase_add_test(t, wire_time);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
