#!/usr/bin/env python3
"""The layering test: what each room includes, and what each pure library imports.

usage: layers.py SOURCE_ROOT BUILD_ROOT
       layers.py --self-test    plants a violation of each rule and checks that it is found

One line per violation; exit 0 when there is none, else 1. A new room enters ROOMS before its first source.
"""
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

LIBC = frozenset("""assert.h ctype.h errno.h inttypes.h limits.h stdarg.h stdbool.h stddef.h stdint.h
    string.h""".split())
STDIO, STDLIB = frozenset({"stdio.h"}), frozenset({"stdlib.h"})
# What the rooms that meet the operating system use of it.
POSIX = frozenset("""arpa/inet.h netinet/in.h netinet/tcp.h strings.h sys/resource.h dirent.h fcntl.h getopt.h grp.h poll.h pthread.h pwd.h signal.h stdatomic.h sysexits.h termios.h time.h
    unistd.h sys/epoll.h sys/eventfd.h sys/file.h sys/ioctl.h sys/mman.h sys/random.h sys/socket.h sys/stat.h
    sys/statvfs.h sys/time.h sys/timex.h sys/types.h sys/un.h sys/wait.h""".split())
OPENSSL = frozenset("openssl/%s.h" % name for name in "bio bn core_names ec ecdsa err evp pem ssl x509 x509_vfy".split())
TESTS = LIBC | STDIO | STDLIB | POSIX | {"pty.h", "modbus/modbus.h", "check.h", "cjson/cJSON.h", "sqlite3.h", "openssl/evp.h", "fcntl.h", "unistd.h",
                                 "sys/stat.h", "sys/types.h"}

IMPORTS = frozenset("""memcpy memset memchr memmove memcmp strcmp strncpy strlen strncmp strnlen snprintf
    __memcpy_chk __memset_chk __memmove_chk __strncpy_chk __snprintf_chk __stack_chk_fail __assert_fail
    _GLOBAL_OFFSET_TABLE_""".split())
# The compiler's helpers for wide integers (not those for floating point), and the sanitizers' run time.
IMPORTS_PATTERN = re.compile(r"__(u?(div|mod|divmod)[dt]i[34]|mul[dt]i3|mulo[dt]i4|aeabi_(u?[il]div(mod)?|lmul))"
                             r"|__(asan|ubsan|sanitizer)_\w+")


@dataclass(frozen=True)
class Room:
    below: tuple  # rooms that it may include, with all that lies below them
    angle: frozenset  # system headers
    library: str = ""  # of a pure room, whose imports are checked and which knows no floating point
    imports: frozenset = frozenset()  # of that library, beside IMPORTS


ROOMS = {
    "feecontrol": Room((), LIBC, "libfeecontrol.a"),
    "hal/core": Room((), LIBC, "libhal-core.a"),
    "src/model": Room(("feecontrol", "hal/core"), LIBC | STDIO, "libmodel.a"),
    "src/box": Room(("src/model",), LIBC | STDIO, "libbox.a"),
    "src/wire": Room(("src/model",), LIBC | STDIO | STDLIB | {"cjson/cJSON.h", "time.h", "zlib.h"}),
    "src/jws": Room((), LIBC | STDIO | STDLIB | OPENSSL | {"fcntl.h", "unistd.h", "sys/stat.h"}),
    "src/log": Room((), LIBC | STDIO | STDLIB | POSIX),
    "src/ledger": Room(("src/wire",), LIBC | STDIO | STDLIB | {"sqlite3.h", "openssl/evp.h"}),
    "hal/io": Room(("hal/core",), LIBC | STDIO | STDLIB | POSIX | {"modbus/modbus.h", "gpiod.h", "ini.h"}),
    "src/control": Room((), LIBC),
    "src/daemon": Room(("src/box", "src/ledger", "src/jws", "src/log", "src/control", "hal/io"), LIBC | STDIO | STDLIB | POSIX | OPENSSL |
                       {"ini.h", "curl/curl.h", "cjson/cJSON.h", "systemd/sd-event.h", "systemd/sd-daemon.h"}),
    "tools/meterboxctl": Room(("src/control", "src/ledger"), LIBC | STDIO | STDLIB | POSIX | {"cjson/cJSON.h"}),
    "tools/boxsim": Room(("tools/boxsim/plant",), LIBC | STDIO | STDLIB | POSIX | {"modbus/modbus.h"}),
    "tools/boxsim/plant": Room(("hal/core",), LIBC | STDLIB, "libplant.a", frozenset({"calloc", "free"})),
    "tools/ops/core": Room(("src/wire",), LIBC | STDIO | STDLIB | {"sqlite3.h", "openssl/crypto.h", "openssl/evp.h"}),
    "tools/ops/server": Room(("tools/ops/core", "src/jws", "src/log"), LIBC | STDIO | STDLIB | POSIX |
                             {"microhttpd.h", "openssl/crypto.h", "openssl/evp.h", "qrencode.h", "cjson/cJSON.h", "systemd/sd-event.h", "systemd/sd-daemon.h"}),
    "tests/sim": Room(("src/box", "src/ledger", "tools/boxsim/plant", "tools/ops/core"), TESTS | {"time.h", "getopt.h"}),
    "tests/fuzz": Room(("src/daemon",), TESTS),
    "tests/unit": Room(("tests/sim", "src/daemon", "tools/meterboxctl"), TESTS),
    "tests/bench": Room(("src/ledger",), TESTS | {"time.h"}),
    "tests/vm": Room(("hal/io",), TESTS),
}

LEXEME = re.compile(r'//(?:\\\n|[^\n])*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
INCLUDE = re.compile(r"[ \t]*(?:#|%:)[ \t]*(?:include\w*|import)\b[ \t]*(.*)")
FLOATING = re.compile(r"\b(?:float|double|_Float\w+|__float\w+)\b"
                      r"|(?<![\w.])(?:\d+\.\d*|\.\d+|\d+[eE][+-]?\d+)")


def blank(text, strings):
    """The text with comments, and strings if asked, replaced by spaces; lines keep their numbers."""
    def space(match):
        if match[0][0] != "/" and not strings:
            return match[0]
        return " " + "\n" * match[0].count("\n")
    return LEXEME.sub(space, text)


def reach(room):
    """The room and all that lies below it."""
    return {room}.union(*(reach(below) for below in ROOMS[room].below))


def find_sources(root):
    """Yields (path, room) of each C file outside build directories; room is None for an unknown folder."""
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = sorted(name for name in subfolders
                               if name[0] != "." and not (Path(folder, name, "meson-private")).is_dir())
        place = Path(folder).relative_to(root)
        room = next((name for name in map(str, (place, *place.parents)) if name in ROOMS), None)
        for name in sorted(files):
            if name.endswith((".c", ".h")):
                yield Path(folder, name), room


def check_include(target, room, homes):
    """What is wrong with one include, or None; homes: header name -> room."""
    if quoted := re.fullmatch(r'"([^"]*)"\s*', target):
        name = quoted[1]
        if "/" in name:
            return f'"{name}": a quoted include names a header without a path'
        if name not in homes:
            return f'"{name}" is a header of no room'
        if homes[name] not in reach(room):
            return f'"{name}": {room} may not include {homes[name]}'
        return None
    if angle := re.fullmatch(r"<([^>]*)>\s*", target):
        return None if angle[1] in ROOMS[room].angle else f"<{angle[1]}> is not allowed in {room}"
    return f"an include must name its header: {target.strip() or 'nothing'}"


def check_sources(root):
    sources = list(find_sources(root))
    homes = {}
    for room in ROOMS:
        if not any(home == room for _, home in sources):
            yield f"{room}:1: a room of the table, without sources"
    for path, room in sources:
        if room and path.suffix == ".h" and homes.setdefault(path.name, room) != room:
            yield f"{path.relative_to(root)}:1: {homes[path.name]} has a header of this name, too"
    for path, room in sources:
        where = path.relative_to(root)
        if room is None:
            yield f"{where}:1: {where.parent} is not a room that the layering test knows"
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        for number, line in enumerate(blank(text, strings=False).split("\n"), 1):
            if include := INCLUDE.match(line):
                if fault := check_include(include[1], room, homes):
                    yield f"{where}:{number}: {fault}"
        if ROOMS[room].library:
            for number, line in enumerate(blank(text, strings=True).split("\n"), 1):
                for token in FLOATING.findall(line):
                    yield f"{where}:{number}: {token}: no floating point in the pure room {room}"


def symbols(archive, which):
    """(object, symbol) pairs of an archive, by nm."""
    run = subprocess.run(["nm", "-A", "-P", which, str(archive)], capture_output=True, text=True, check=True)
    for line in run.stdout.splitlines():
        if match := re.match(r".*\[(.*)\]: (\S+) \S", line):
            yield match[1].rsplit("/", 1)[-1], match[2]


def check_imports(root):
    archives = {name: Path(root, name, room.library) for name, room in ROOMS.items() if room.library}
    for archive in archives.values():
        if not archive.is_file():
            yield f"{archive}:1: no such library"
    archives = {name: archive for name, archive in archives.items() if archive.is_file()}
    defined = {name: {symbol for _, symbol in symbols(archive, "--defined-only")}
               for name, archive in archives.items()}
    for name, archive in archives.items():
        allowed = IMPORTS.union(ROOMS[name].imports, *(defined.get(below, ()) for below in reach(name)))
        for member, symbol in symbols(archive, "--undefined-only"):
            if symbol not in allowed and not IMPORTS_PATTERN.fullmatch(symbol):
                yield f"{archive.relative_to(root)}:1: {member} imports {symbol}, which {name} may not"


# --- self-test ---

def stem(room):
    return room.replace("/", "_")


def clean_files():
    """A sample of every room: a header and a source that calls all rooms below."""
    files = {}
    for name, room in ROOMS.items():
        below = sorted(reach(name) - {name})
        lines = [f'#include "{stem(other)}.h"' for other in (name, *below)]
        lines += [f"#include <{header}>" for header in ("assert.h", "string.h")]
        lines += ['/* #include "../x.h", a double */', "// float \\", "1.5 float", "const char *%s_text;" % stem(name)]
        calls = " + ".join([*(f"{stem(other)}()" for other in below), '(int)strlen("double 1.5")'])
        lines += [f"int {stem(name)}(void) {{ int n = {calls}; assert(n >= 0x1e5 - 0x1e5); return n; }}"]
        files[f"{name}/{stem(name)}.c"] = "\n".join(lines) + "\n"
        files[f"{name}/{stem(name)}.h"] = f"int {stem(name)}(void);\n"
    return files


def plant(root, files):
    for name, text in files.items():
        path = Path(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def build(source, target, rooms):
    for name in rooms:
        Path(target, name).mkdir(parents=True, exist_ok=True)
        objects = []
        for path in sorted(Path(source, name).glob("*.c")):
            objects.append(str(Path(target, name, path.name + ".o")))
            paths = [f"-I{Path(source, room)}" for room in reach(name)]
            subprocess.run(["gcc", "-w", "-O1", "-fno-builtin", *paths, "-c", str(path), "-o", objects[-1]], check=True)
        archive = Path(target, name, ROOMS[name].library)
        archive.unlink(missing_ok=True)
        subprocess.run(["ar", "rcs", str(archive), *objects], check=True)


SOURCE_CASES = (  # file, text, what must be found
    ("src/box/x.c", '\n#include "../model/src_model.h"\n', "src/box/x.c:2: \"../model/src_model.h\": a quoted include"),
    ("src/box/x.c", '#include "sub/y.h"\n', "src/box/x.c:1: \"sub/y.h\": a quoted include"),
    ("hal/core/x.c", '#include "nowhere.h"\n', "hal/core/x.c:1: \"nowhere.h\" is a header of no room"),
    ("hal/core/x.h", '#include "feecontrol.h"\n', "hal/core/x.h:1: \"feecontrol.h\": hal/core may not include"),
    ("src/model/x.c", '#include "src_box.h"\n', "src/model/x.c:1: \"src_box.h\": src/model may not include src/box"),
    ("src/wire/x.c", '/* \n */ # /**/ include "src_box.h" // x\n', "src/wire/x.c:2: \"src_box.h\": src/wire may not"),
    ("tools/boxsim/plant/x.c", '#include "feecontrol.h"\n', "plant/x.c:1: \"feecontrol.h\": tools/boxsim/plant may"),
    ("tools/ops/core/x.c", '#include "src_ledger.h"\n', "core/x.c:1: \"src_ledger.h\": tools/ops/core may not"),
    ("src/box/sub/x.c", "#include <sqlite3.h>\n", "src/box/sub/x.c:1: <sqlite3.h> is not allowed in src/box"),
    ("feecontrol/x.c", "#include <stdio.h>\n", "feecontrol/x.c:1: <stdio.h> is not allowed in feecontrol"),
    ("src/ledger/x.c", "#include <time.h>\n", "src/ledger/x.c:1: <time.h> is not allowed in src/ledger"),
    ("src/box/x.c", "#include HEADER\n", "src/box/x.c:1: an include must name its header: HEADER"),
    ("src/box/feecontrol.h", "", "src/box/feecontrol.h:1: feecontrol has a header of this name, too"),
    ("src/attic/x.c", "", "src/attic/x.c:1: src/attic is not a room that the layering test knows"),
    ("feecontrol/x.c", 'char q = \'"\';\nfloat x;\n', "feecontrol/x.c:2: float: no floating point"),
    ("src/model/x.h", "long double x(void);\n", "src/model/x.h:1: double: no floating point"),
    ("src/box/x.c", "int x = 3 * .5;\n", "src/box/x.c:1: .5: no floating point"),
)
IMPORT_CASES = (  # room, symbol that it calls
    ("feecontrol", "time"), ("hal/core", "rand"), ("src/model", "open"), ("src/box", "write"), ("src/box", "malloc"),
    ("src/box", "sqlite3_open"), ("feecontrol", "__divdf3"), ("src/model", "src_box"), ("hal/core", "calloc"),
    ("tools/boxsim/plant", "malloc"), ("tools/boxsim/plant", "feecontrol"),
)


def self_test():
    faults = []
    pure = [name for name, room in ROOMS.items() if room.library]

    def expect(what, found, *wanted):
        if len(found) != len(wanted) or not all(text in line for text, line in zip(wanted, found)):
            faults.append(f"self-test:1: {what}: wanted {list(wanted)}, found {found}")

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source"), Path(folder, "build")
        plant(source, clean_files())
        plant(source, {"build/meson-private/sanitycheck.c": "double x;\n"})
        build(source, target, pure)
        expect("clean sources", list(check_sources(source)))
        expect("clean libraries", list(check_imports(target)))
        for name, text, wanted in SOURCE_CASES:
            plant(source, {name: text})
            expect(name, list(check_sources(source)), wanted)
            Path(source, name).unlink()
        Path(source, "tests/unit").rename(Path(folder, "unit"))
        expect("room without sources", list(check_sources(source)), "tests/unit:1: a room of the table, without")
        for room, symbol in IMPORT_CASES:
            name = f"{room}/x.c"
            plant(source, {name: f"extern long {symbol}(long);\nlong x_{stem(room)}(long n);\n"
                                 f"long x_{stem(room)}(long n) {{ return {symbol}(n) + 1; }}\n"})
            build(source, target, [room])
            expect(f"{room} calls {symbol}", list(check_imports(target)),
                   f"{room}/{ROOMS[room].library}:1: x.c.o imports {symbol}, which {room} may not")
            Path(source, name).unlink()
            build(source, target, [room])
        Path(target, "src/box/libbox.a").unlink()
        expect("missing library", list(check_imports(target)), "src/box/libbox.a:1: no such library")
    return faults


def main(arguments):
    if arguments == ["--self-test"]:
        faults = self_test()
    elif len(arguments) == 2:
        faults = [*check_sources(Path(arguments[0])), *check_imports(Path(arguments[1]))]
    else:
        sys.exit(__doc__)
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
