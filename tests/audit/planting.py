"""A `splits:` source of real images, into which tests plant what the audit has to find."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from bakeoff.audit import Audit, Finding
from bakeoff.data import ImageData, load_data
from bakeoff.data.image_data import SPLIT_NAMES, SplitName
from bakeoff.study.settings.data import DataSettings

Change = Callable[[Image.Image], Image.Image]


class Source:
    """Writes images and split files: every n-th image of the photographs' splits, none of them repeated."""

    def __init__(
        self, directory: Path, photographs: Path, *, train: int = 60, val: int = 20, test: int = 20
    ) -> None:
        self.directory = directory
        (directory / "splits").mkdir(parents=True)
        (directory / "photographs").symlink_to(photographs)
        counts = {"train": train, "val": val, "test": test}
        self.lines: dict[SplitName, list[tuple[str, str]]] = {}
        for name in SPLIT_NAMES:
            text = (photographs / "splits" / f"{name}.txt").read_text().splitlines()
            text = text[:: len(text) // counts[name]][: counts[name]]
            self.lines[name] = [
                (f"photographs/{path}", label) for path, label in (line.split() for line in text)
            ]

    def plant(self, split: SplitName, image: Image.Image, label: str, file_name: str) -> str:
        image.save(self.directory / file_name)
        self.lines[split].append((file_name, label))
        return file_name

    def plant_copy(
        self, origin: tuple[SplitName, int], split: SplitName, change: Change, *, label: str | None = None
    ) -> tuple[str, str]:
        """Plant a changed copy, and give the ids of the image and of its copy."""
        path, own_label = self.lines[origin[0]][origin[1]]
        with Image.open(self.directory / path) as opened:
            copy = change(opened.convert("RGB"))
        file_name = f"copy-{len(self.lines[split])}-{split}.png"
        return path, self.plant(split, copy, label or own_label, file_name)

    def load(
        self, image_size: int = 32, *, order: np.random.Generator | None = None, **settings: object
    ) -> ImageData:
        for name, lines in self.lines.items():
            if order is not None:
                lines = [lines[index] for index in order.permutation(len(lines))]
            text = "".join(f"{path} {label}\n" for path, label in lines)
            (self.directory / "splits" / f"{name}.txt").write_text(text)
        source = f"splits:{self.directory}"
        return load_data(DataSettings(source=source, image_size=image_size, **settings))


def same(image: Image.Image) -> Image.Image:
    return image


def reencoded(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=50)
    return Image.open(buffer)


def shifted(down: int, across: int) -> Change:
    """Move by pixels of the original; the edge is repeated."""

    def change(image: Image.Image) -> Image.Image:
        pixels = np.pad(np.asarray(image), ((down, 0), (across, 0), (0, 0)), "edge")
        return Image.fromarray(np.ascontiguousarray(pixels[: image.height, : image.width]))

    return change


def brighter(image: Image.Image) -> Image.Image:
    return image.point(lambda value: min(255, round(1.05 * value)))


def rescaled(image: Image.Image) -> Image.Image:
    return image.resize((64, 64), Image.Resampling.BICUBIC)


def flipped(image: Image.Image) -> Image.Image:
    return ImageOps.mirror(image)


def grey(image: Image.Image) -> Image.Image:
    return image.convert("L")


def repeats(result: Audit) -> list[Finding]:
    return [finding for finding in result.findings if finding.pairs]
