/* tools/meterboxctl/terminal.c: see ctl_terminal.h.
 *
 * Room: meterboxctl. Escape sequences are those of ECMA-48 and DEC that every terminal knows. */
#include "ctl_terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define SECOND_REQUEST_MS 1000
#define LINES_WITHOUT_SIZE 24 /* of a terminal that does not say how large it is */

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

/* Blocked outside of ppoll(): none is missed between looking and waiting. */
static void hold_signals(bool hold)
{
	sigset_t set;
	sigemptyset(&set);
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

void ctl_terminal_begin(struct ctl_terminal *terminal, bool keys, bool screen)
{
	struct sigaction action = {.sa_handler = ask_stop};
	hold_signals(true);
	for (size_t i = 0; i < sizeof stop_signals / sizeof *stop_signals; i++)
		sigaction(stop_signals[i], &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	terminal->keys = keys && take_keys(&terminal->before);
	terminal->screen = screen && isatty(STDOUT_FILENO);
	/* A pipe that feeds other programs is not a keyboard. */
	terminal->listens = isatty(STDIN_FILENO);
	if (terminal->screen)
		fputs(screen_on, stdout);
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
		return errno == EINTR && stops_asked == 0 ? CTL_WOKEN_TIME : CTL_WOKEN_STOP;
	return count == 0 ? CTL_WOKEN_TIME : hear(terminal, watched, key);
}

void ctl_terminal_draw(const struct ctl_terminal *terminal, const char *text)
{
	struct winsize size = {0};
	if (!terminal->screen)
		return;
	int lines = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 1 ? size.ws_row : LINES_WITHOUT_SIZE;
	fputs("\033[H", stdout);
	for (int i = 0; *text != '\0' && i < lines - 1; i++) {
		int length = (int)strcspn(text, "\n");
		printf("%.*s\033[K\r\n", length, text);
		text += length + (text[length] == '\n');
	}
	fputs("\033[J", stdout);
	fflush(stdout);
}
