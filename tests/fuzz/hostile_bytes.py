"""Damages to bytes, tables and arrays, drawn from a generator."""

from __future__ import annotations

import io
import json
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

NAMES = (
    "\x1b[2J\x1b]0;title\x07",
    "a\nb",
    "\u202egnp.exe",
    "<img src=x onerror=alert(1)>",
    "=1+1",
    "$x^$",
    "a" * 300,
    "../../etc/passwd",
    "/etc/passwd",
    "..",
    ".",
    "~nobody/x",
    "CON",
    "a\\b",
    "\ud7ff\ufffd",
    "x\u2028y",
    "-rf",
    "%s%n",
    "\x00",
    "",
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    2**31,
    2**63,
    2**64,
    10**400,
    1e308,
    -0.0,
    float("nan"),
    float("inf"),
    "",
    [],
    {},
    [[]],
    {"": {}},
    {"name": []},
    {"name": {}},
    ["adam"],
    [1, "a", {}],
    "9" * 5000,
    "a" * 100_000,
    *NAMES,
)
INTEGERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)


def mutate(rng: random.Random, content: bytes, words: tuple[bytes, ...] = ()) -> bytes:
    """One to eight damages, as storage, a bad copy or somebody with a hex editor does them."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at = rng.randrange(len(data) + 1)
        span = rng.choice((1, 2, 4, 16, 100))
        match rng.randrange(9 if words else 8):
            case 0 if data:
                data[min(at, len(data) - 1)] ^= 1 << rng.randrange(8)
            case 1:
                data[at : at + 1] = bytes([rng.choice((0, 1, 9, 10, 13, 34, 39, 44, 61, 91, 127, 128, 255))])
            case 2:
                del data[at : at + span]
            case 3:
                data[at:at] = data[at : at + span] * rng.choice((1, 2, 50))
            case 4:
                data[at:at] = rng.randbytes(span)
            case 5:
                del data[at:]
            case 6:
                width, order = rng.choice((1, 2, 4, 8)), rng.choice(("big", "little"))
                value = rng.choice(INTEGERS) & ((1 << 8 * width) - 1)
                data[at : at + width] = value.to_bytes(width, order)
            case 7:
                other = rng.randrange(len(data) + 1)
                data[at : at + span] = data[other : other + span]
            case _ if words:
                data[at:at] = rng.choice(words)
    return bytes(data)


def restructure(rng: random.Random, tree: Any) -> Any:
    """Replace, remove, add or rename at one to three places of nested tables and lists."""
    tree = json.loads(json.dumps(tree))
    for _ in range(rng.choice((1, 1, 2, 3))):
        here = tree
        while True:
            keys = list(here) if isinstance(here, dict) else list(range(len(here)))
            if not keys:
                break
            key = rng.choice(keys)
            if isinstance(here[key], (dict, list)) and here[key] and rng.random() < 0.8:
                here = here[key]
                continue
            action = rng.randrange(4)
            if action == 0:
                del here[key]
            elif action == 1 and isinstance(here, dict):
                here[rng.choice(NAMES)] = here.pop(key)
            elif action == 2 and isinstance(here, dict):
                here[rng.choice((*NAMES, "name", "epochs", "recipes", "defaults"))] = rng.choice(VALUES)
            else:
                here[key] = rng.choice(VALUES)
            break
    return tree


def without_none(tree: Any) -> Any:
    """TOML has no null."""
    if isinstance(tree, dict):
        return {key: without_none(value) for key, value in tree.items() if value is not None}
    return [without_none(value) for value in tree if value is not None] if isinstance(tree, list) else tree


def _npy(descr: object, shape: object, body: bytes, order: object = False) -> bytes:
    """A .npy file with any header."""
    header = repr({"descr": descr, "fortran_order": order, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x02\x00" + len(header).to_bytes(4, "little") + header + body


def _hostile_npz(rng: random.Random, arrays: dict[str, np.ndarray]) -> bytes:
    bad = rng.choice(list(arrays))
    descr = rng.choice(
        (
            "<f4",
            "|O",
            "<U5",
            "<i8",
            ">f8",
            "<M8[s]",
            "|V4",
            "|S3",
            "<c16",
            "<f2",
            "<U100000000",
            "|b1",
            [("a", "<f4")],
            "x",
            3,
            None,
        )
    )
    shape = rng.choice(
        (
            (),
            (6,),
            (6, 3),
            (2**40,),
            (2**62, 2**62),
            (-1,),
            (0,),
            (10**12, 3),
            "x",
            None,
            (2.5,),
            (10**4000,),
            (1, 1, 1),
        )
    )
    body = rng.choice(
        (
            b"",
            bytes(72),
            b"\xff" * 72,
            rng.randbytes(60),
            bytes(2_000_000) if rng.random() < 0.05 else b"\x80\x04N.",
        )
    )
    buffer = io.BytesIO()
    method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.save(content, array)
            wrong = name == bad and _npy(descr, shape, body)
            archive.writestr(f"{name}.npy", wrong or content.getvalue())
    return buffer.getvalue()


def _other_arrays(rng: random.Random, arrays: dict[str, np.ndarray]) -> bytes:
    changed = dict(arrays)
    for _ in range(rng.choice((1, 1, 2, 3))):
        name = rng.choice(list(arrays))
        array = arrays[name]
        values = (
            array.astype("U5"),
            array[..., None],
            array.ravel()[:1],
            np.array(rng.choice(NAMES)),
            np.array(-1),
            np.full(array.shape, np.nan),
            np.full(array.shape, 2**62),
            np.full(array.shape, 3e38),
            1e308 * (-1.0) ** np.indices(array.shape).sum(axis=0),
            np.zeros((0, 3)),
            np.array(b"bytes"),
            np.array([1 + 2j] * 6),
            np.full(array.shape, "cat"),
            np.array("NaT", "M8[s]"),
            np.zeros(array.shape, [("a", "f4")]),
            np.full(array.shape, True),
        )
        changed[name] = rng.choice(values)
        if rng.random() < 0.1:
            del changed[name]
    buffer = io.BytesIO()
    rng.choice((np.savez, np.savez_compressed))(buffer, **changed)
    return buffer.getvalue()


def damaged_npz(rng: random.Random, path: Path) -> bytes:
    if rng.random() < 0.5:
        return mutate(rng, path.read_bytes(), (b"PK\x03\x04", b"PK\x05\x06", b"\x93NUMPY", b"|O"))
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    return rng.choice((_hostile_npz, _other_arrays))(rng, arrays)
