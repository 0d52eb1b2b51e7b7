"""The source `csv:PATH`: a table with a row for each image, in CSV or JSON Lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bakeoff.data.image_data import SplitName
from bakeoff.data.sources.labels import find_names, read_labels
from bakeoff.data.sources.listing import ListedImage, Listing, split_named
from bakeoff.data.sources.tables.columns import Columns, find_columns
from bakeoff.data.sources.tables.reading import read_table
from bakeoff.data.sources.walking import unlisted_note
from bakeoff.errors import BakeoffError
from bakeoff.study.settings.data import DataSettings
from bakeoff.text import counted, list_some, listed, shorten

METADATA = ("metadata.csv", "metadata.jsonl")


class Entry(NamedTuple):
    """A row that was understood."""

    location: str
    id: str
    image: Path
    label: str
    split: SplitName | None
    group: str


def list_csv(path: Path, settings: DataSettings) -> Listing:
    """List the images that a table names.

    Columns are image and label, and optionally split and group; `settings.columns` has other names. Paths are
    relative to the table's folder or to `settings.image_folder`; see `ImageFinder` for how they may be
    written. Where header or names do not say it, the column of images is the one whose cells name files, and
    of two columns the other one is the label.

    If `path` is a folder, it has `metadata.csv` or `metadata.jsonl` as Hugging Face's libraries write them,
    or these in folders named after the splits.

    Raises
    ------
    BakeoffError
        If there is no such table, a column is missing or cannot be told from others, an image is missing or
        listed twice with different labels, or a cell is empty; names file and line.
    """
    tables = _tables(path)
    entries: list[Entry] = []
    notes: list[str] = []
    problems: list[str] = []
    for file, split in tables:
        columns = find_columns(file, read_table(file), settings)
        notes += [note for note in columns.notes if note not in notes]
        prefix = f"{file.parent.name}/" if split else ""
        entries += _entries(columns, split, prefix, problems)
    entries, num_repeated = _without_repeated(entries, problems)
    if problems:
        raise BakeoffError(
            f"{counted(len(problems), 'problem')} in {listed([str(file) for file, _ in tables])}; "
            f"correct the rows or remove them:\n{list_some(problems)}"
        )
    if num_repeated:
        notes.append(
            f"Ignored {counted(num_repeated, 'row')} that repeat{'s' * (num_repeated == 1)} another one."
        )
    folder = tables[0][0].parent if path.is_file() else path
    labels = read_labels(
        [entry.label for entry in entries],
        lambda index: entries[index].location,
        *find_names(folder, settings.class_names),
    )
    split_of, split_notes = _splits(entries)
    splits: dict[SplitName, list[ListedImage]] = {"train": []}
    for entry, split, label in zip(entries, split_of, labels.indices, strict=True):
        splits.setdefault(split, []).append(ListedImage(entry.id, label, str(entry.image), entry.group))
    unlisted = unlisted_note(entry.image for entry in entries)
    return Listing(splits, labels.class_names, (*notes, *split_notes, *unlisted, *labels.notes))


def _tables(path: Path) -> list[tuple[Path, SplitName | None]]:
    """The files to read, and the split that the folder of each stands for."""
    if path.is_file():
        return [(path, None)]
    here = [path / name for name in METADATA if (path / name).is_file()]
    tables: list[tuple[Path, SplitName | None]] = [(file, None) for file in here]
    if not tables:
        for folder in sorted(path.iterdir()):
            split = split_named(folder.name)
            tables += [(folder / name, split) for name in METADATA if split and (folder / name).is_file()]
    if not tables:
        files = sorted(
            file.name for file in path.iterdir() if file.suffix.lower() in (".csv", ".tsv", ".jsonl")
        )
        hint = f"; did you mean csv:{path / files[0]}?" if files else ""
        raise BakeoffError(
            f"no metadata.csv or metadata.jsonl in {path} or in its train folder{hint}", "data"
        )
    folders = [file.parent for file, _ in tables]
    for file, split in tables:
        if folders.count(file.parent) > 1:
            raise BakeoffError(f"{file.parent} has both {' and '.join(METADATA)}; remove one of them")
        if [other for _, other in tables].count(split) > 1:
            raise BakeoffError(f"{path} has several folders for {split}; keep one of them")
    return tables


def _entries(columns: Columns, split: SplitName | None, prefix: str, problems: list[str]) -> list[Entry]:
    positions, finder = columns.positions, columns.finder
    entries = []
    for location, cells in columns.rows:
        path, problem = finder.find(cells[positions["image"]])
        empty = [meaning for meaning, position in positions.items() if not cells[position]]
        own_split = split_named(cells[positions["split"]]) if "split" in positions else None
        if empty:
            problem = f"no {' and no '.join(empty)}"
        elif "split" in positions and own_split is None:
            problem = f"split {shorten(cells[positions['split']])}; expected train, val or test"
        if problem:
            problems.append(f"{location}: {problem}")
        else:
            group = cells[positions["group"]] if "group" in positions else ""
            image, label = finder.folder / path, cells[positions["label"]]
            entries.append(Entry(location, prefix + path, image, label, own_split or split, group))
    return entries


def _without_repeated(entries: list[Entry], problems: list[str]) -> tuple[list[Entry], int]:
    """The entries, each image once, and the number of the others."""
    first: dict[str, Entry] = {}
    for entry in entries:
        other = first.setdefault(entry.id, entry)
        if (other.label, other.split, other.group) != (entry.label, entry.split, entry.group):
            difference = next(
                f"{name} {shorten(getattr(other, name))} there and {shorten(getattr(entry, name))} here"
                for name in ("label", "split", "group")
                if getattr(other, name) != getattr(entry, name)
            )
            problems.append(
                f"{entry.location}: {shorten(entry.id)} is already listed in {other.location}, "
                f"with {difference}"
            )
    return list(first.values()), len(entries) - len(first)


def _splits(entries: Sequence[Entry]) -> tuple[list[SplitName], tuple[str, ...]]:
    """The split of each image: that of its row or table, or the folder in its path if all are so named."""
    if entries[0].split is not None:
        return [entry.split or "train" for entry in entries], ()
    folders = [split_named(entry.id.partition("/")[0]) for entry in entries]
    if "train" in folders and len(set(folders)) > 1 and None not in folders:
        return [folder or "train" for folder in folders], ("The splits are the folders of the images.",)
    return ["train"] * len(entries), ()
