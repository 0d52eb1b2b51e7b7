"""decode_all(): all images of a data set, which together tell what a single one leaves open."""

from __future__ import annotations

import dataclasses
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bakeoff.data.decoding.depth import DeepPixels, described, find_white
from bakeoff.data.decoding.fit import DONE, resize
from bakeoff.data.decoding.image_file import read_picture
from bakeoff.data.decoding.parameters import Decoding
from bakeoff.data.decoding.picture import Picture, Remark
from bakeoff.data.progress import Progress
from bakeoff.data.sources.listing import ListedImage
from bakeoff.environment import available_cores
from bakeoff.errors import BakeoffError
from bakeoff.text import counted

IMAGES_PER_TASK = 32

FAR_FROM_SQUARE = 1.4
"""If the median ratio of the long to the short side is larger, it is noted that images are stretched."""

NOTES: dict[Remark, str] = {
    "zero-alpha": "with an alpha channel that is 0 everywhere: the channel was ignored.",
    "cmyk": "in CMYK: converted to RGB without a color profile, so their colors are approximate.",
    "frames": "with several frames or pages: only the first was used.",
}


@dataclass(frozen=True)
class DecodedImages:
    """What `decode_all` learned of the images whose pixels it wrote.

    Attributes
    ----------
    sizes
        int32 [num_images, 2], the original widths and heights in pixels.
    decoding
        With what the images together told.
    notes
        Sentences on what was done with files that do not state everything, with their number.
    unreadable
        Why images were not decoded, by their index.
    """

    sizes: NDArray[np.int32]
    decoding: Decoding
    notes: tuple[str, ...]
    unreadable: dict[int, str]


def decode_all(
    listed: Sequence[ListedImage],
    rows: Sequence[NDArray[np.uint8]],
    decoding: Decoding,
    unreadable: Mapping[int, str] | None = None,
    *,
    progress: Progress,
) -> DecodedImages:
    """Decode images in threads (Pillow releases the global interpreter lock while it decodes).

    Images of more than 8 bits per channel that do not tell which value is white are decoded last, once the
    others stored in the same way have been seen.

    Parameters
    ----------
    listed
        The images to decode.
    rows
        For each image uint8 [image_size, image_size, num_channels], written in place.
    decoding
        How.
    unreadable
        Images that are not even to be opened, as in the result.
    progress
        Advanced by one for each image.
    """
    task = _Task(listed, rows, decoding, unreadable or {})
    task.run(range(len(listed)), progress)
    task.find_white()
    task.run(sorted(task.waiting), progress)
    return DecodedImages(task.sizes, task.decoding, task.notes(), task.unreadable)


class _Task:
    """Images that are being decoded, by index, and what is known of them."""

    def __init__(
        self,
        listed: Sequence[ListedImage],
        rows: Sequence[NDArray[np.uint8]],
        decoding: Decoding,
        unreadable: Mapping[int, str],
    ) -> None:
        self.listed, self.rows, self.decoding = listed, rows, decoding
        self.sizes = np.zeros((len(listed), 2), np.int32)
        self.unreadable = dict(unreadable)
        self.remarks: dict[int, set[Remark]] = {}
        self.deep: dict[int, tuple[str, float]] = {}
        """Of the images of more than 8 bits: how they are stored, and their largest value."""
        self.waiting: set[int] = set()
        """Those whose white is not known yet."""

    def run(self, indices: Sequence[int], progress: Progress) -> None:
        """Decode these images, or leave them waiting."""
        with ThreadPoolExecutor(available_cores()) as pool:
            try:
                tasks = [
                    pool.submit(self._decode_some, indices[start : start + IMAGES_PER_TASK])
                    for start in range(0, len(indices), IMAGES_PER_TASK)
                ]
                for task in as_completed(tasks):
                    progress.advance(task.result())
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _decode_some(self, indices: Iterable[int]) -> int:
        return sum(self._decode(index) for index in indices)

    def _decode(self, index: int) -> bool:
        """Decode an image; whether that is done with, well or not."""
        if index in self.unreadable:
            return True
        source = self.listed[index].image
        try:
            if isinstance(source, np.ndarray):
                rgb = Image.fromarray(source)
            else:
                picture = read_picture(Path(source) if isinstance(source, str) else io.BytesIO(source))
                if self._must_wait(index, picture):
                    return False
                rgb = picture.to_rgb(self.decoding)
                self.remarks[index] = picture.remarks
            self.sizes[index] = rgb.size
            self.rows[index][:] = resize(
                rgb, len(self.rows[index]), self.decoding.fit, grey=self.decoding.grey
            )
        except BakeoffError as error:
            self.unreadable[index] = str(error)
        return True

    def _must_wait(self, index: int, picture: Picture) -> bool:
        pixels = picture.pixels
        if not isinstance(pixels, DeepPixels) or index in self.waiting:
            return False
        self.deep[index] = pixels.storage, pixels.peak
        if self.decoding.known_white(pixels.storage, pixels.peak) is not None:
            return False
        self.waiting.add(index)
        return True

    def find_white(self) -> None:
        """Find which value is white for each way in which images of more than 8 bits are stored."""
        white = dict(self.decoding.white)
        for storage, peak in self._peaks().items():
            known = self.decoding.known_white(storage, peak)
            try:
                white[storage] = find_white(storage, peak) if known is None else known
            except BakeoffError as error:
                unclear = {index for index, (own, _) in self.deep.items() if own == storage}
                self.waiting -= unclear
                self.unreadable |= dict.fromkeys(unclear, str(error))
        self.decoding = dataclasses.replace(self.decoding, white=tuple(sorted(white.items())))

    def _peaks(self) -> dict[str, float]:
        """The largest value by the way in which images are stored."""
        peaks: dict[str, float] = {}
        for storage, peak in self.deep.values():
            peaks[storage] = max(peak, peaks.get(storage, 0))
        return peaks

    def notes(self) -> tuple[str, ...]:
        """Sentences on what was done, with the number of images."""
        notes = []
        peaks, numbers = self._peaks(), Counter(storage for storage, _ in self.deep.values())
        for storage, white in self.decoding.white:
            notes.append(
                f"{counted(numbers[storage], 'image')} stored as {described(storage)}: "
                f"{white:,g} was taken as white, the largest value being {peaks[storage]:,g}."
            )
        for remark, sentence in NOTES.items():
            if number := sum(remark in remarks for remarks in self.remarks.values()):
                notes.append(f"{counted(number, 'image')} {sentence}")
        return (*notes, *self._shape_notes())

    def _shape_notes(self) -> list[str]:
        """What happened to images that are not square; of those stretched, if it distorts most of them."""
        sizes = self.sizes[[index for index in range(len(self.sizes)) if index not in self.unreadable]]
        num_oblong = int(np.count_nonzero(sizes[:, 0] != sizes[:, 1]))
        fit = self.decoding.fit
        if fit != "stretch":
            oblong = f"{counted(num_oblong, 'image')} of another shape {'was' if num_oblong == 1 else 'were'}"
            return [f"{oblong} {DONE[fit]} (data.fit)."] if num_oblong else []
        median = float(np.median(sizes.max(axis=1) / sizes.min(axis=1))) if len(sizes) else 1.0
        if median <= FAR_FROM_SQUARE:
            return []
        return [
            f"Most images are far from square (median {median:.2g} times as long as wide) and were "
            f'{DONE[fit]}; data.fit = "crop" or "pad" keeps their shapes.'
        ]
