#!/usr/bin/env python3
"""Makes a C source of the pages' files, packed and unpacked, so that the server needs no files beside itself.

usage: embed.py OUTPUT FILE...

Room: tools/ops/pages; run by meson. The same files give the same bytes."""
import gzip
import hashlib
import sys
from pathlib import Path

TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
LINE = 20  # bytes


def array(name, data):
    lines = [", ".join(f"0x{byte:02x}" for byte in data[at:at + LINE]) for at in range(0, len(data), LINE)]
    return f"static const unsigned char {name}[] = {{\n\t" + ",\n\t".join(lines) + "};\n"


def main(output, *paths):
    arrays, rows = [], []
    for number, path in enumerate(map(Path, paths)):
        data = path.read_bytes()
        data.decode()  # what is served as UTF-8 must be
        packed = gzip.compress(data, 9, mtime=0)
        arrays += [array(f"text_{number}", data), array(f"packed_{number}", packed)]
        rows.append(f'\t{{"{path.name}", "{TYPES[path.suffix]}; charset=utf-8", "{hashlib.sha256(data).hexdigest()[:32]}",\n'
                    f"\t text_{number}, sizeof text_{number}, packed_{number}, sizeof packed_{number}}},\n")
    Path(output).write_text("/* Made by embed.py. */\n#include \"ops_pages.h\"\n\n" + "\n".join(arrays) +
                            "\nconst struct ops_page_file ops_page_files[] = {\n" + "".join(rows) + "};\n"
                            f"const size_t ops_page_file_count = {len(rows)};\n", encoding="ascii")


if __name__ == "__main__":
    main(*sys.argv[1:])
