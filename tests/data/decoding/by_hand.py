"""Image files written byte by byte, and a picture whose pixels are known at any depth."""

import struct
import zlib

import numpy as np

HEIGHT, WIDTH = 9, 11

ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH]

COLORS = np.stack(
    [COLUMNS / (WIDTH - 1), ROWS / (HEIGHT - 1), (ROWS + COLUMNS) / (HEIGHT + WIDTH - 2)], axis=2
)
"""[height, width, 3] in 0..1, from black to white."""

GRAY = COLORS[..., 0]

ALPHA = 0.2 + 0.8 * COLUMNS / (WIDTH - 1)

PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def quantized(shares, largest):
    """Integers of 0..largest from numbers of 0..1."""
    return np.round(np.asarray(shares) * largest).astype(int)


def with_alpha(colors, alpha=ALPHA):
    return np.concatenate([np.atleast_3d(colors), np.asarray(alpha)[..., None]], axis=2)


def on_white(colors, alpha=ALPHA):
    alpha = np.asarray(alpha)[..., None]
    return np.atleast_3d(colors) * alpha + 1 - alpha


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(values, depth, color_type, *before, after=(), interlaced=False):
    """A PNG of integers [height, width, channels], with chunks before and after the pixels."""
    values = np.asarray(values)
    height, width = values.shape[:2]
    values = values.reshape(height, width, PNG_CHANNELS[color_type])
    passes = [values]
    if interlaced:  # Adam7
        starts, steps = ((0, 0), (0, 4), (4, 0), (0, 2), (2, 0), (0, 1), (1, 0)), (8, 8, 8, 4, 4, 2, 2, 1)
        passes = [values[y :: steps[i], x :: steps[i + 1]] for i, (y, x) in enumerate(starts)]
    lines = [b"\0" + packed(row, depth) for part in passes if part.size for row in part]
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, int(interlaced))
    chunks = [chunk(b"IHDR", header), *before, chunk(b"IDAT", zlib.compress(b"".join(lines))), *after]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + chunk(b"IEND", b"")


def packed(row, depth):
    """The values of one row, each of `depth` bits, the first in the highest ones."""
    if depth >= 8:
        return row.astype(f">u{depth // 8}").tobytes()
    bits = np.unpackbits(row.astype(np.uint8).reshape(-1, 1), axis=1)[:, 8 - depth :]
    return np.packbits(bits.ravel()).tobytes()


def bmp(values, bits, compression=0, header=40, masks=(), palette=(), top_down=False):
    """A BMP of integers [height, width]; `palette` is [num_colors, 3], red, green, blue."""
    height, width = values.shape
    rows = values if top_down else values[::-1]
    if bits < 8:
        rows = [packed(row, bits) for row in rows]
    else:
        rows = [row.astype("<u4").view(np.uint8).reshape(-1, 4)[:, : bits // 8].tobytes() for row in rows]
    body = b"".join(row + bytes(-len(row) % 4) for row in rows)
    entry = 3 if header == 12 else 4
    colors = b"".join(bytes([int(b), int(g), int(r), 0][:entry]) for r, g, b in palette)
    if header == 12:
        head = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        head = struct.pack(
            "<IiiHHII", header, width, -height if top_down else height, 1, bits, compression, 0
        )
        head += struct.pack("<iiII", 0, 0, len(palette), 0)
        head = (head + b"".join(struct.pack("<I", mask) for mask in masks)).ljust(header, b"\0")
    start = 14 + len(head) + len(colors)
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + head + colors + body


def tga(kind, depth, body, descriptor=0, palette=b"", palette_depth=0):
    entries = len(palette) * 8 // palette_depth if palette else 0
    head = struct.pack("<BBBHHBHH", 0, int(bool(palette)), kind, 0, entries, palette_depth, 0, 0)
    return head + struct.pack("<HHBB", WIDTH, HEIGHT, depth, descriptor) + palette + body


def tiff(tags, content, order="<"):
    """A TIFF with one strip; `tags` maps a tag to its integers, of 16 bits."""
    tags = tags | {273: [0], 278: [tags[257][0]], 279: [len(content)]}
    after = 8 + 2 + 12 * len(tags) + 4
    entries, rest = [], b""
    for tag, values in sorted(tags.items()):
        kind, letter = (4, "I") if tag in (273, 279) else (3, "H")
        data = struct.pack(f"{order}{len(values)}{letter}", *values)
        if len(data) > 4:
            data, rest = struct.pack(f"{order}I", after + len(rest)), rest + data
        entries.append([tag, kind, len(values), data.ljust(4, b"\0")])
    start = struct.pack(f"{order}I", after + len(rest))
    packed_entries = b"".join(
        struct.pack(f"{order}HHI", tag, kind, count) + (start if tag == 273 else data)
        for tag, kind, count, data in entries
    )
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    return head + struct.pack(f"{order}H", len(entries)) + packed_entries + bytes(4) + rest + content
