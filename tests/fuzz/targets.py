"""What is fuzzed: for each target real files, and a function that damages them and gives them to Bakeoff."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tomli_w
from hostile_bytes import NAMES, damaged_npz, mutate, restructure, without_none
from PIL import Image
from results import fetched, predictions_csv, predictions_npz, resume_states, study_folders

from bakeoff.data import decode_image, load_data
from bakeoff.data.sources.arrays import as_image_arrays
from bakeoff.study import DataSettings, load_study, study_to_toml

Case = Callable[[random.Random], object]


def study_files(folder: Path) -> Case:
    file = folder / "study.toml"
    texts = [study_to_toml(load_study(name)).encode() for name in ("quickstart", "lenet5-stl10")]
    texts.append(b'name = "x"\n[defaults]\noptimizer = "sgd"\n[recipes.a]\n[recipes.b]\nmodel = "m:C"\n')
    words = (
        b"[recipes.a]\n",
        b"[" * 3000,
        b"a." * 3000,
        b"9" * 5000,
        b"{name=[]}",
        b'"""',
        b"0001-01-01",
        b"'../../x:Y'",
        b"\n[[recipes]]\n",
        b"inf",
        b"\\ud800",
        b"\x1b[2J",
    )

    def case(rng: random.Random) -> object:
        text = rng.choice(texts)
        if rng.random() < 0.5:
            file.write_bytes(mutate(rng, text, words))
        else:
            tree = restructure(rng, tomllib.loads(text.decode()))
            file.write_text(tomli_w.dumps(without_none(tree)), "utf-8", "surrogatepass")
        return study_to_toml(load_study(file))

    return case


def overrides(folder: Path) -> Case:
    file = folder / "study.toml"
    file.write_text('name = "x"\n[defaults]\noptimizer = "sgd"\n[recipes.a]\n[recipes.b]\nmodel = "m:C"\n')
    parts = (
        "defaults",
        "recipes",
        "a",
        "b",
        "model",
        "optimizer",
        "name",
        "lr",
        "epochs",
        "data",
        "source",
        "seeds",
        "published",
        "test_accuracy",
        *NAMES,
    )
    known = (
        "defaults.epochs",
        "defaults.optimizer.lr",
        "seeds",
        "data.source",
        "recipes.b.model",
        "recipes.b.model.depth",
        "recipes.a.schedule",
        "published.a.source",
    )
    values = (
        "[" * 2000,
        "9" * 5000,
        "1\n[x]",
        "{a=1}",
        "{name=[]}",
        "{}",
        "1e999",
        "nan",
        '"',
        "adam",
        "[1,2]",
        "3",
        "0.5",
        "cosine",
        "m:C",
        "digits",
        "'''",
        "1979-05-27",
        *NAMES,
    )

    def case(rng: random.Random) -> object:
        given = []
        for _ in range(rng.randrange(1, 4)):
            length = rng.choice((1, 2, 3, 4, 4000))
            key = ".".join(rng.choice(parts) for _ in range(length))
            if rng.random() < 0.6:
                key = rng.choice(known)
            given.append(key + rng.choice(("=", "=", "=", " = ", "")) + rng.choice(values))
        return study_to_toml(load_study(file, overrides=given))

    return case


def _write_pictures(folder: Path) -> list[str]:
    names = [f"pictures/{index}.png" for index in range(8)]
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(names):
        pixels = np.random.default_rng(index).integers(0, 256, (9, 9, 3), np.uint8)
        Image.fromarray(pixels).save(folder / name)
    return names


def _load(source: str) -> object:
    data = load_data(DataSettings(source=source, image_size=8, stl10_val_per_class=1))
    ids = [image_id for name in ("train", "val", "test") for image_id in data.split(name).ids]  # type: ignore[arg-type]
    assert not [name for name in ids if name.startswith("/") or ".." in name.split("/")], ids
    return data


def split_files(folder: Path) -> Case:
    names = _write_pictures(folder)
    shutil.copy(folder / names[0], folder.parent / "outside.png")
    (folder / "outside.png").symlink_to(folder.parent / "outside.png")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    os.mkfifo(folder / "pipe.png")
    (folder / "splits").mkdir()
    rows = {"train": names[:4], "val": names[4:6], "test": names[6:]}
    texts = {
        split: "".join(f"{name} {index % 2}\n" for index, name in enumerate(files)).encode()
        for split, files in rows.items()
    }
    words = (
        b"../outside.png 0\n",
        b"pictures/../../outside.png 1\n",
        b"outside.png 0\n",
        b"loop.png 1\n",
        b"pipe.png 0\n",
        b"/dev/zero 0\n",
        b"pictures 1\n",
        b"9" * 5000,
        b" ",
        b"\xef\xbb\xbf",
        *(name.encode("utf-8", "surrogatepass") + b" 0\n" for name in NAMES),
    )

    def case(rng: random.Random) -> object:
        for split, text in texts.items():
            (folder / "splits" / f"{split}.txt").write_bytes(
                mutate(rng, text, words) if rng.random() < 0.5 else text
            )
        names_file = folder / "class_names.txt"
        names_file.unlink(missing_ok=True)
        if rng.random() < 0.2:
            names_file.write_bytes(mutate(rng, b"cat\ndog\n", words))
        return _load(f"splits:{folder}")

    return case


def tables(folder: Path) -> Case:
    names = _write_pictures(folder)
    shutil.copy(folder / names[0], folder.parent / "outside.png")
    (folder / "pictures" / "loop.png").symlink_to(folder / "pictures" / "loop.png")
    os.mkfifo(folder / "pictures" / "pipe.png")
    splits = ("train",) * 4 + ("val",) * 2 + ("test",) * 2
    rows = [
        (name, "cat" if index % 2 else "dog", splits[index], f"g{index}") for index, name in enumerate(names)
    ]
    keys = ("image", "label", "split", "group")
    texts = {
        "a.csv": "\n".join(map(",".join, [keys, *rows])),
        "b.csv": "\r\n".join(["\ufeffid;breed", *(f'"{name[9:-4]}";{label}' for name, label, *_ in rows)]),
        "c.tsv": "\n".join(f"{name[9:]}\t{index % 2}" for index, name in enumerate(names)),
        "d.jsonl": "\n".join(
            json.dumps(dict(zip(("file_name", *keys[1:]), row, strict=True))) for row in rows
        ),
    }
    words = (
        b"../outside.png,cat,train,g\n",
        b"loop.png\tcat\n",
        b"pictures/pipe.png,dog,val,g\n",
        b"/dev/zero,cat,train,g\n",
        b'"',
        b",",
        b";",
        b"\t",
        b"9" * 5000,
        b"[" * 5000,
        b'"\\ud800"',
        b"\xef\xbb\xbf",
        *(name.encode("utf-8", "surrogatepass") for name in NAMES),
    )

    def case(rng: random.Random) -> object:
        name = rng.choice(list(texts))
        (folder / name).write_bytes(mutate(rng, texts[name].encode(), words))
        return _load(f"csv:{folder / name}")

    return case


def class_folders(folder: Path) -> Case:
    names = _write_pictures(folder / "given")

    def hostile_name(rng: random.Random) -> bytes:
        name = rng.choice(NAMES).encode("utf-8", "surrogatepass") + rng.choice((b"", b"", b"\xe9", b"\xff"))
        return name.replace(b"/", b"_").replace(b"\0", b"")[:240].strip(b".") or b"cat"

    def case(rng: random.Random) -> object:
        root = folder / "source"
        shutil.rmtree(root, ignore_errors=True)
        top = rng.choice((root, root / "train"))
        for number in range(2):
            name = hostile_name(rng) if rng.random() < 0.4 else b"c%d" % number
            place = os.path.join(os.fsencode(top), name)  # noqa: PTH118
            os.makedirs(place, exist_ok=True)  # noqa: PTH103
            for index in range(4):
                name = (hostile_name(rng) if rng.random() < 0.2 else b"%d" % index) + b".png"
                target = os.path.join(place, name)  # noqa: PTH118
                if os.path.lexists(target):
                    continue
                match rng.randrange(30):
                    case 0:
                        os.mkfifo(target)
                    case 1:
                        os.symlink(rng.choice(("/dev/zero", "nowhere", ".", "/etc/passwd")), target)  # noqa: PTH211
                    case 2:
                        os.mkdir(target)  # noqa: PTH102
                    case _:
                        shutil.copy(folder / "given" / names[number * 4 + index], target)
        if rng.random() < 0.2:
            (root / "class_names.txt").write_bytes(mutate(rng, b"c0\nc1\n"))
        return _load(f"folder:{root}")

    return case


def stl10_binary(folder: Path) -> Case:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 3, 96, 96), np.uint8).tobytes()
    labels = bytes(index % 10 + 1 for index in range(20))
    good = {
        f"{part}_{kind}.bin": content
        for part in ("train", "test")
        for kind, content in (("X", pixels), ("y", labels))
    }

    def case(rng: random.Random) -> object:
        for name, content in good.items():
            (folder / name).write_bytes(mutate(rng, content) if rng.random() < 0.3 else content)
        names_file = folder / "class_names.txt"
        names_file.unlink(missing_ok=True)
        if rng.random() < 0.3:
            names_file.write_bytes(
                mutate(rng, b"airplane\nbird\ncar\ncat\ndeer\ndog\nhorse\nmonkey\nship\ntruck\n")
            )
        return _load(f"stl10:{folder}")

    return case


def cifar10_binary(folder: Path) -> Case:
    records = b"".join(bytes([index % 10]) + random.Random(index).randbytes(3072) for index in range(10))
    names = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")

    def case(rng: random.Random) -> object:
        for name in names:
            (folder / name).write_bytes(mutate(rng, records) if rng.random() < 0.1 else records)
        meta = folder / "batches.meta.txt"
        meta.unlink(missing_ok=True)
        if rng.random() < 0.3:
            meta.write_bytes(mutate(rng, b"a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n"))
        return _load(f"cifar10:{folder}")

    return case


def idx(folder: Path) -> Case:
    def encode(array: np.ndarray) -> bytes:
        return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()

    rng = np.random.default_rng(0)
    good = {
        f"{part}-{kind}": encode(array)
        for part in ("train", "t10k")
        for kind, array in (
            ("images-idx3-ubyte", rng.integers(0, 256, (12, 9, 9), np.uint8)),
            ("labels-idx1-ubyte", np.arange(12, dtype=np.uint8) % 2),
        )
    }

    def case(rng: random.Random) -> object:
        shutil.rmtree(folder)
        folder.mkdir()
        for name, content in good.items():
            damaged = mutate(rng, content[:40]) + content[40:] if rng.random() < 0.2 else content
            if rng.random() < 0.5:
                name, damaged = f"{name}.gz", gzip.compress(damaged, 1)
                damaged = mutate(rng, damaged) if rng.random() < 0.1 else damaged
            (folder / name).write_bytes(damaged)
        return _load(f"idx:{folder}")

    return case


def npz_images(folder: Path) -> Case:
    rng = np.random.default_rng(0)
    np.savez(
        folder / "good.npz",
        **{
            f"{split}_images": rng.integers(0, 256, (8, 9, 9), np.uint8) for split in ("train", "val", "test")
        },
        **{f"{split}_labels": np.arange(8)[:, None] % 2 for split in ("train", "val", "test")},
    )

    def case(rng: random.Random) -> object:
        (folder / "bad.npz").write_bytes(damaged_npz(rng, folder / "good.npz"))
        return _load(f"npz:{folder / 'bad.npz'}")

    return case


def parquet(folder: Path) -> Case:
    import pyarrow
    import pyarrow.parquet

    names = _write_pictures(folder.parent)
    images = [{"bytes": (folder.parent / name).read_bytes(), "path": name} for name in names] * 2
    feature = {"_type": "ClassLabel", "names": ["cat", "dog"]}
    metadata = {"huggingface": json.dumps({"info": {"features": {"label": feature}}})}
    table = pyarrow.table({"image": images, "label": [0, 1] * 8}).replace_schema_metadata(metadata)
    pyarrow.parquet.write_table(table, folder / "train-00000-of-00001.parquet")
    whole = (folder / "train-00000-of-00001.parquet").read_bytes()

    def case(rng: random.Random) -> object:
        # The schema and the offsets are at the end.
        cut = len(whole) - 1500
        content = whole[:cut] + mutate(rng, whole[cut:]) if rng.random() < 0.7 else mutate(rng, whole)
        (folder / "train-00000-of-00001.parquet").write_bytes(content)
        return _load(f"parquet:{folder}")

    return case


class Damaged:
    """A data set whose items are right, wrong or missing, or cannot be read."""

    def __init__(self, items: list[Any], length: object) -> None:
        self.items, self.length = items, length

    def __len__(self) -> int:
        return self.length  # type: ignore[return-value]

    def __getitem__(self, index: int) -> Any:
        item = self.items[index]
        if isinstance(item, Exception):
            raise item
        return item


def python_data(folder: Path) -> Case:
    good = np.random.default_rng(0).integers(0, 256, (12, 9, 9, 3), np.uint8)
    pictures = [
        Image.fromarray(good[0]).convert(mode) for mode in ("RGB", "L", "P", "RGBA", "CMYK", "I", "1")
    ]
    odd_images = (
        *pictures,
        good[0][..., :2],
        good[0].astype(np.float32) / 255,
        good[0] * np.nan,
        good[0].astype(complex),
        good[0].astype(object),
        good[0].astype(np.int64) << 40,
        np.zeros((0, 9, 3), np.uint8),
        np.zeros((1, 1, 1, 1), np.uint8),
        np.array(["x"]),
        [[1, 2], [3]],
        [],
        "x.png",
        b"\x89PNG",
        None,
        0,
        True,
    )
    odd_labels = (
        -1,
        3,
        2**70,
        1.5,
        float("nan"),
        None,
        True,
        "cat",
        "",
        "c\ud800",
        [1],
        np.int8(1),
        np.ones(3),
        {},
    )
    errors = (OSError, RuntimeError, KeyError, AssertionError, StopIteration, MemoryError)
    singles = (None, (), (good[0],), (good[0], 1, 2), 5, "ab", {"image": good[0], "label": 1})
    odd_items = (*singles, *(kind("damaged") for kind in errors))

    def split(rng: random.Random) -> Any:
        images: list[Any] = list(good)
        labels: list[Any] = [index % 2 for index in range(len(good))]
        damage = rng.random()
        for _ in range(rng.randrange(3) if damage < 0.9 else 0):
            if rng.random() < 0.5:
                images[rng.randrange(len(images))] = rng.choice(odd_images)
            else:
                labels[rng.randrange(len(labels))] = rng.choice(odd_labels)
        if rng.random() < 0.1:
            labels = labels[: rng.randrange(len(labels))]
        items: list[Any] = list(zip(images, labels, strict=False))
        match rng.randrange(6):
            case 0:
                return images, labels
            case 1:
                return good[: rng.randrange(13)], labels
            case 2:
                return rng.choice(
                    (*singles, (pictures[0], 1), rng.choice(odd_images), rng.choice(odd_labels))
                )
            case 3:
                items[rng.randrange(len(items)) if items else 0 :] = [rng.choice(odd_items)]
                return Damaged(items, rng.choice((len(items), len(items) + 1, -1, 2.5)))
            case _:
                return items

    def case(rng: random.Random) -> object:
        splits = {
            name: split(rng) for name in ("train", "val", "test") if name == "train" or rng.random() < 0.5
        }
        names = rng.choice((None, None, None, ("a", "b"), ("a", "a"), (), ("a",), (1, 2), "ab", 5))
        arrays = as_image_arrays(splits if names is None else {**splits, "class_names": names})
        return load_data(DataSettings(source="arrays", image_size=8), arrays=arrays)

    return case


def images(folder: Path) -> Case:
    root = Path(os.environ["BAKEOFF_STL10"])
    samples = []
    for path in sorted((root / "test").glob("*.png"))[:6]:
        samples.append(path.read_bytes())
        with Image.open(path) as image:
            image.load()
            grey = image.convert("I;16") if "I;16" in Image.MODES else image.convert("I")
            variants: list[tuple[Image.Image, str, dict[str, Any]]] = [
                (image, "JPEG", {}),
                (image, "JPEG", {"progressive": True, "quality": 40}),
                (image, "GIF", {}),
                (image, "WEBP", {"lossless": True}),
                (image, "WEBP", {}),
                (image, "BMP", {}),
                (image, "PPM", {}),
                (image, "TIFF", {}),
                (image, "TIFF", {"compression": "tiff_lzw"}),
                (image, "TGA", {"rle": True}),
                (image, "TIFF", {"compression": "jpeg"}),
                (image.quantize(16), "PNG", {"transparency": 3}),
                (image.convert("RGBA"), "PNG", {}),
                (image.convert("CMYK"), "JPEG", {}),
                (grey, "PNG", {}),
                (image.convert("1"), "PNG", {}),
                (image.convert("F"), "TIFF", {}),
                (image, "JPEG2000", {}),
            ]
            for variant, kind, options in variants:
                buffer = io.BytesIO()
                variant.save(buffer, kind, **options)
                samples.append(buffer.getvalue())

    def case(rng: random.Random) -> object:
        content = rng.choice(samples)
        if rng.random() < 0.1:  # dimensions that the pixels do not have
            width, height = rng.choice(((2**31 - 1, 2**31 - 1), (60_000, 60_000), (0, 5), (1, 80_000_000)))
            content = content[:16] + width.to_bytes(4, "big") + height.to_bytes(4, "big") + content[24:]
        start = content[:400]
        mutated = mutate(rng, start) + content[400:] if rng.random() < 0.6 else mutate(rng, content)
        pixels = decode_image(io.BytesIO(mutated), 8)
        assert pixels.shape == (8, 8, 3)
        assert pixels.dtype == np.uint8
        return pixels

    return case


class Target(NamedTuple):
    prepare: Callable[[Path], Case]
    names_place: bool
    share: float


TARGETS = {
    "study_files": Target(study_files, True, 0.15),
    "overrides": Target(overrides, False, 0.08),
    "split_files": Target(split_files, True, 0.1),
    "tables": Target(tables, True, 0.05),
    "class_folders": Target(class_folders, False, 0.04),
    "predictions_csv": Target(predictions_csv, True, 0.15),
    "predictions_npz": Target(predictions_npz, True, 0.12),
    "idx": Target(idx, True, 0.05),
    "npz_images": Target(npz_images, True, 0.05),
    "parquet": Target(parquet, False, 0.05),
    "python_data": Target(python_data, False, 0.05),
    "stl10_binary": Target(stl10_binary, True, 0.05),
    "cifar10_binary": Target(cifar10_binary, True, 0.05),
    "images": Target(images, False, 0.12),
    "study_folders": Target(study_folders, True, 0.06),
    "resume_states": Target(resume_states, True, 0.05),
    "fetch": Target(fetched, False, 0.03),
}
