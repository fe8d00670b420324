"""Keys that act at once, without Enter, on a terminal that is given back as it was. Python's standard library only."""
import contextlib
import os
import select
import sys
import termios
import time

CHUNK = 1024
ESCAPE = 0x1b


class Keyboard:
    """Standard input, when it is a terminal and ours to read: `listens`. Ctrl-C stays a signal."""

    def __init__(self):
        self.before = None
        self.listens = False
        self.fd = None

    def begin(self):
        """What was typed before counts for nothing."""
        with contextlib.suppress(OSError, ValueError, termios.error):
            self.fd = sys.stdin.fileno()
            # In the background, setting the terminal would stop us.
            if not os.isatty(self.fd) or os.tcgetpgrp(self.fd) != os.getpgrp():
                return
            before = termios.tcgetattr(self.fd)
            now = termios.tcgetattr(self.fd)
            now[3] &= ~(termios.ICANON | termios.ECHO)
            now[6][termios.VMIN], now[6][termios.VTIME] = 1, 0
            now[6][termios.VSUSP] = os.fpathconf(self.fd, "PC_VDISABLE")  # a stopped demo would leave the terminal so
            self.before = before
            termios.tcsetattr(self.fd, termios.TCSAFLUSH, now)
            self.listens = True

    def read(self, patience_s):
        """The keys that were pressed, after at most this time. A terminal that has hung up ends the listening."""
        if not self.listens:
            time.sleep(patience_s)
            return ""
        if not select.select([self.fd], [], [], patience_s)[0]:
            return ""
        try:
            data = os.read(self.fd, CHUNK)
        except OSError:
            data = b""
        self.listens = data != b""
        # Arrows and their like come as one sequence, of which no letter is meant.
        return "" if data[:1] == bytes([ESCAPE]) else data.decode("ascii", "replace")

    def end(self):
        """Gives the terminal back; more than once is harmless."""
        self.listens = False
        if self.before is not None:
            with contextlib.suppress(OSError, termios.error):
                termios.tcsetattr(self.fd, termios.TCSADRAIN, self.before)
            self.before = None
