/* tools/meterboxctl/terminal.c: see ctl_terminal.h.
 *
 * Room: meterboxctl. Escape sequences are those of ECMA-48 and DEC that every terminal knows. */
#include "ctl_terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define SECOND_REQUEST_MS 1000
/* Of a terminal that does not say how large it is. */
#define ROWS_WITHOUT_SIZE 24
#define COLUMNS_WITHOUT_SIZE 80
#define PICTURE_MAX 65536 /* in bytes: 16 outlets with all that can be said of them take a sixth */
#define HINT_MAX 160

/* Another screen, no cursor, no wrapping of long lines; and back. */
static const char screen_on[] = "\033[?1049h\033[?25l\033[?7l";
static const char screen_off[] = "\033[?7h\033[?25h\033[?1049l";

static volatile sig_atomic_t stops_asked;
static const int stop_signals[] = {SIGINT, SIGTERM, SIGHUP};

/* A terminal that closes, or timeout(1), sends several signals at once: only a later one is a second request. */
static void ask_stop(int number)
{
	static int64_t asked_ms;
	struct timespec now;
	(void)number;
	clock_gettime(CLOCK_MONOTONIC, &now);
	int64_t now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	if (stops_asked == 0)
		asked_ms = now_ms;
	if (stops_asked == 0 || now_ms - asked_ms >= SECOND_REQUEST_MS)
		stops_asked = stops_asked < 2 ? stops_asked + 1 : 2;
}

/* It interrupts the waiting; that is all. */
static void note_size(int number)
{
	(void)number;
}

/* Blocked outside of ppoll(): none is missed between looking and waiting. */
static void hold_signals(bool hold)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	for (size_t i = 0; i < sizeof stop_signals / sizeof *stop_signals; i++)
		sigaddset(&set, stop_signals[i]);
	sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

static bool take_keys(struct termios *before)
{
	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, before) < 0)
		return false;
	struct termios now = *before;
	now.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	now.c_cc[VMIN] = 1;
	now.c_cc[VTIME] = 0;
	now.c_cc[VSUSP] = _POSIX_VDISABLE; /* a stopped program would leave the terminal as it is */
	return tcsetattr(STDIN_FILENO, TCSANOW, &now) == 0;
}

bool ctl_terminal_can_draw(void)
{
	const char *kind = getenv("TERM");
	return isatty(STDOUT_FILENO) && kind != NULL && kind[0] != '\0' && strcmp(kind, "dumb") != 0;
}

static void take_screen(void)
{
	static char picture[PICTURE_MAX];
	struct sigaction action = {.sa_handler = note_size};
	sigaction(SIGWINCH, &action, NULL);
	/* A picture leaves whole, with fflush(): one that comes line by line flickers. */
	setvbuf(stdout, picture, _IOFBF, sizeof picture);
	fputs(screen_on, stdout);
}

void ctl_terminal_begin(struct ctl_terminal *terminal, bool keys, bool screen)
{
	struct sigaction action = {.sa_handler = ask_stop};
	hold_signals(true);
	for (size_t i = 0; i < sizeof stop_signals / sizeof *stop_signals; i++)
		sigaction(stop_signals[i], &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	terminal->keys = keys && take_keys(&terminal->before);
	terminal->screen = screen && ctl_terminal_can_draw();
	/* A pipe that feeds other programs is not a keyboard. */
	terminal->listens = isatty(STDIN_FILENO);
	if (terminal->screen)
		take_screen();
	fflush(stdout);
}

void ctl_terminal_end(struct ctl_terminal *terminal)
{
	if (terminal->screen)
		fputs(screen_off, stdout);
	fflush(stdout);
	if (terminal->keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &terminal->before);
	terminal->keys = terminal->screen = false;
	for (size_t i = 0; i < sizeof stop_signals / sizeof *stop_signals; i++)
		signal(stop_signals[i], SIG_DFL);
	signal(SIGWINCH, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	hold_signals(false);
}

int ctl_terminal_stopped(void)
{
	return stops_asked;
}

/* What the descriptors say; a terminal that is gone says stop. */
static enum ctl_woken hear(struct ctl_terminal *terminal, const struct pollfd watched[2], char *key)
{
	if (watched[0].revents != 0)
		return CTL_WOKEN_CLIENT;
	if (watched[1].revents == 0)
		return CTL_WOKEN_TIME;
	if (read(STDIN_FILENO, key, 1) == 1)
		return CTL_WOKEN_KEY;
	terminal->listens = false;
	return CTL_WOKEN_STOP;
}

static enum ctl_woken interrupted(void)
{
	return errno == EINTR && stops_asked == 0 ? CTL_WOKEN_SIZE : CTL_WOKEN_STOP;
}

enum ctl_woken ctl_terminal_wait(struct ctl_terminal *terminal, const struct ctl_client *client, int timeout_ms,
				 char *key)
{
	struct pollfd watched[2] = {
		{.fd = client != NULL ? client->fd : -1, .events = POLLIN},
		{.fd = terminal->listens ? STDIN_FILENO : -1, .events = POLLIN},
	};
	struct timespec time = {.tv_sec = timeout_ms / 1000, .tv_nsec = (long)(timeout_ms % 1000) * 1000000};
	sigset_t none;
	sigemptyset(&none);
	int count = ppoll(watched, 2, &time, &none);
	if (count < 0)
		return interrupted();
	return count == 0 ? CTL_WOKEN_TIME : hear(terminal, watched, key);
}

/* --- drawing --- */

static struct winsize window_size(void)
{
	struct winsize size = {0};
	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size); /* one that fails leaves 0 */
	size.ws_row = size.ws_row > 0 ? size.ws_row : ROWS_WITHOUT_SIZE;
	size.ws_col = size.ws_col > 0 ? size.ws_col : COLUMNS_WITHOUT_SIZE;
	return size;
}

/* One row, without its end. What stood behind it is erased; behind the last column that would erase the last letter. */
static void draw_row(const char *text, int length, int columns)
{
	printf("%.*s%s", length < columns ? length : columns, text, length < columns ? "\033[K" : "");
}

static int count_lines(const char *text)
{
	int count = 0;
	for (; *text != '\0'; text += strcspn(text, "\n"), text += *text == '\n')
		count++;
	return count;
}

void ctl_terminal_draw(const struct ctl_terminal *terminal, const char *text, const char *hint)
{
	struct winsize size = window_size();
	char last[HINT_MAX];
	if (!terminal->screen)
		return;
	int lines = count_lines(text), shown = lines < size.ws_row ? lines : size.ws_row - 1;
	fputs("\033[H", stdout);
	for (int i = 0; i < shown; i++) {
		int length = (int)strcspn(text, "\n");
		draw_row(text, length, size.ws_col);
		fputs("\r\n", stdout);
		text += length + (text[length] == '\n');
	}
	if (shown + 2 <= size.ws_row) {
		fputs("\033[K\r\n", stdout);
		shown++;
	}
	snprintf(last, sizeof last, "%s", hint);
	if (shown < lines)
		snprintf(last, sizeof last, "%s - no room for %d more below", hint, lines - shown);
	draw_row(last, (int)strlen(last), size.ws_col);
	if (shown + 1 < size.ws_row)
		fputs("\r\n\033[J", stdout);
	fflush(stdout);
}
