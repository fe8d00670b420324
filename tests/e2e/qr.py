"""Reads a QR code (ISO/IEC 18004) from its modules, which are exactly known, and so without the error
correction. Versions 1 to 10, error correction level Q, texts in bytes: what meterbox-ops makes.

Used by the tests of this folder; Python's standard library only."""
import re
import xml.etree.ElementTree

SVG = "{http://www.w3.org/2000/svg}"
QUIET = 4  # modules on each side that stay light
LEVEL_Q = 0b11
# By version: codewords of error correction in each block; (blocks, data codewords) of each kind; centres of alignment.
LAYOUTS = {
    1: (13, [(1, 13)], []), 2: (22, [(1, 22)], [6, 18]), 3: (18, [(2, 17)], [6, 22]), 4: (26, [(2, 24)], [6, 26]),
    5: (18, [(2, 15), (2, 16)], [6, 30]), 6: (24, [(4, 19)], [6, 34]), 7: (18, [(2, 14), (4, 15)], [6, 22, 38]),
    8: (22, [(4, 18), (2, 19)], [6, 24, 42]), 9: (20, [(4, 16), (4, 17)], [6, 26, 46]),
    10: (24, [(6, 19), (2, 20)], [6, 28, 50])}
MASKS = (lambda x, y: (x + y) % 2, lambda x, y: y % 2, lambda x, y: x % 3, lambda x, y: (x + y) % 3,
         lambda x, y: (y // 2 + x // 3) % 2, lambda x, y: x * y % 2 + x * y % 3,
         lambda x, y: (x * y % 2 + x * y % 3) % 2,
         lambda x, y: ((x + y) % 2 + x * y % 3) % 2)


def modules(svg):
    """The dark modules of the picture, as rows of booleans, and its texts: (rows, title, text)."""
    root = xml.etree.ElementTree.fromstring(svg)
    width = int(root.attrib["viewBox"].split()[2])
    size = width - 2 * QUIET
    rows = [[False] * size for _ in range(size)]
    light, dark = root.findall(SVG + "path")
    assert light.attrib["fill"] == "#fff" and dark.attrib["fill"] == "#000"
    assert re.fullmatch(rf"M0,0h{width}v\d+h-{width}z", light.attrib["d"]), light.attrib["d"]
    assert re.fullmatch(r"(M\d+,\d+h\d+v1h-\d+z)+", dark.attrib["d"]), dark.attrib["d"][:200]
    for x, y, run, back in re.findall(r"M(\d+),(\d+)h(\d+)v1h-(\d+)z", dark.attrib["d"]):
        assert run == back
        for at in range(int(x), int(x) + int(run)):
            assert 0 <= at - QUIET < size and 0 <= int(y) - QUIET < size, "in the quiet zone"
            rows[int(y) - QUIET][at - QUIET] = True
    return rows, root.findtext(SVG + "title"), root.findtext(SVG + "text")


def reserved(size, centres):
    """Where no data is: [y][x]."""
    taken = [[False] * size for _ in range(size)]
    def area(x, y, width, height):
        for row in taken[y:y + height]:
            row[x:x + width] = [True] * width
    for place in ((0, 0, 9, 9), (size - 8, 0, 8, 9), (0, size - 8, 9, 8), (6, 0, 1, size), (0, 6, size, 1)):
        area(*place)
    for x in centres:
        for y in centres:
            if (x, y) not in ((6, 6), (6, size - 7), (size - 7, 6)):
                area(x - 2, y - 2, 5, 5)
    if size >= 45:
        area(size - 11, 0, 3, 6)
        area(0, size - 11, 6, 3)
    return taken


def read_format(rows):
    """Level and mask, which stand there twice."""
    size = len(rows)
    first = [(8, y) for y in (0, 1, 2, 3, 4, 5, 7, 8)] + [(x, 8) for x in (7, 5, 4, 3, 2, 1, 0)]
    second = [(x, 8) for x in range(size - 1, size - 9, -1)] + [(8, y) for y in range(size - 7, size)]
    values = [sum(rows[y][x] << bit for bit, (x, y) in enumerate(places)) ^ 0x5412 for places in (first, second)]
    assert values[0] == values[1], "the two copies of the format differ"
    return values[0] >> 13, values[0] >> 10 & 7


def codewords(rows, taken, mask):
    """In pairs of columns from the right, up and down by turns; column 6 is passed over."""
    size = len(rows)
    bits = []
    columns = [x if x > 6 else x - 1 for x in range(size - 1, 0, -2)]
    upward = True
    for right in columns:
        for y in range(size - 1, -1, -1) if upward else range(size):
            for x in (right, right - 1):
                if not taken[y][x]:
                    bits.append(rows[y][x] ^ (MASKS[mask](x, y) == 0))
        upward = not upward
    return [int("".join(str(int(bit)) for bit in bits[at:at + 8]), 2) for at in range(0, len(bits) - 7, 8)]


def interleaved(words, kinds):
    """The data codewords, block behind block."""
    blocks = [[] for count, _ in kinds for _ in range(count)]
    sizes = [size for count, size in kinds for _ in range(count)]
    words = iter(words)
    for at in range(max(sizes)):
        for block, size in zip(blocks, sizes):
            if at < size:
                block.append(next(words))
    return b"".join(bytes(block) for block in blocks)


def read(svg):
    """(what the code says, the picture's title, the text below it)."""
    rows, title, text = modules(svg)
    version, rest = divmod(len(rows) - 17, 4)
    assert rest == 0 and version in LAYOUTS, len(rows)
    _, kinds, centres = LAYOUTS[version]
    level, mask = read_format(rows)
    assert level == LEVEL_Q, level
    data = interleaved(codewords(rows, reserved(len(rows), centres), mask), kinds)
    bits = "".join(f"{byte:08b}" for byte in data)
    head = 12 if version < 10 else 20
    assert bits[:4] == "0100", "not a text in bytes"
    length = int(bits[4:head], 2)
    return bytes(int(bits[at:at + 8], 2) for at in range(head, head + 8 * length, 8)).decode(), title, text
