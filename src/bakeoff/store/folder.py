"""The study folder as a whole: creating, checking and locking it."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from filelock import Timeout
from numpy.typing import NDArray

from bakeoff.data.decoding.fit import resize, to_image
from bakeoff.data.image_data import SPLIT_NAMES, ImageData, Split
from bakeoff.errors import BakeoffError
from bakeoff.files import cannot_write, read_json, read_text, to_json
from bakeoff.locks import how_to_unlock, is_held, lock_at
from bakeoff.store.arrays import read_groups
from bakeoff.store.checks import read_object
from bakeoff.store.layout import FORMAT_VERSION, Layout
from bakeoff.store.manifest import Write, read_manifest, write_recorded
from bakeoff.study import Study, study_from_toml, study_to_toml
from bakeoff.study.recipe import flatten_settings
from bakeoff.text import list_some, shorten

MAX_THUMBNAIL_SIZE = 64


def prepare_folder(root: Path, study: Study, data: ImageData, environment: Mapping[str, Any]) -> Layout:
    """Create the study folder, or check that the existing one holds the same study on the same data.

    Seeds and recipes may be added or left out; a recipe that has runs may not change.

    Raises
    ------
    BakeoffError
        If the folder holds something else, or results of other settings or data; the message lists them.
    """
    layout = Layout(root)
    begun = _is_begun(layout)
    if begun:
        _refuse_other_results(layout, study, data)
    remove_leftovers(layout)
    files = {layout.environment: _text(to_json(environment))}
    recorded = read_manifest(root) if begun else {}
    for path, split in (
        (layout.test_images, data.test),
        (layout.train_images, dataclasses.replace(data.train, groups=None)),
    ):
        if not (path.name in recorded and path.exists() and _has_groups(path, split.groups)):
            files[path] = _images(split)
    # Last: with both of these it is a study folder, and everything else is there.
    files[layout.data] = _text(to_json(_describe_data(data)))
    files[layout.study] = _text(study_to_toml(study))
    write_recorded(files)
    return layout


def keep_chosen(layout: Layout, study: Study) -> Study:
    """The study with the settings that an earlier tuning chose, for recipes that have runs with them.

    What the study file says of a setting that is searched does not count.
    """
    try:
        stored = study_from_toml(read_text(layout.study), str(layout.study)).recipes
    except (OSError, ValueError, BakeoffError):
        return study  # there is none, or it is damaged, which is reported when it is used
    chosen: dict[str, dict[str, Any]] = {}
    for name in study.num_trials:
        if name in stored and any((layout.runs / name).glob("*/*")):
            settings = stored[name].model_dump(mode="json", exclude_none=True)
            values = {key: _at(settings, key) for key in study.recipes[name].search or {}}
            chosen[name] = {key: value for key, value in values.items() if value is not None}
    try:
        return study.with_values(chosen)
    except ValueError:
        return study  # of another recipe, which is then refused


def _at(settings: Any, key: str) -> Any:
    for part in key.split("."):
        settings = settings.get(part) if isinstance(settings, dict) else None
    return settings


def remove_leftovers(layout: Layout) -> None:
    """Remove what a process that was killed left: partial files, state and failure of a run that it finished.

    No worker may be running.
    """
    partial = [path for place in PLACES for path in layout.root.glob(f"{place}.*.tmp")]
    outdated = [
        path.with_name(name)
        for place in PLACES
        for path in layout.root.glob(f"{place}predictions.npz")
        for name in ("unfinished.state", "failure.json")
    ]
    for path in [*partial, *outdated]:
        if layout.is_own(path):
            with suppress(OSError):
                path.unlink()


PLACES = (
    "",
    "runs/*/*/",
    "sizes/*/*/*/",
    "tune/*/*/",
    "tests/*/",
    "tests/*/*/*/",
    "report/",
    "report/*/",
)
"""Where files are written under a temporary name."""


def _is_begun(layout: Layout) -> bool:
    """Whether a folder holds a study; without runs, with both files that `prepare_folder` writes last."""
    has = [layout.study.exists(), layout.data.exists()]
    return all(has) or (any(has) and layout.runs.exists())


def _check_folder(root: Path) -> None:
    """Check that a folder is a study folder, is empty or does not exist yet; nothing is written.

    What a study that was interrupted at its very beginning left counts as nothing.

    Raises
    ------
    BakeoffError
        If it is something else.
    """
    layout = Layout(root)
    if root.exists() and not root.is_dir():
        raise BakeoffError(f"{root} is a file; expected a folder to write the study to", "path")
    # In this order, because another process may begin the study meanwhile.
    foreign = [path.name for path in root.iterdir() if not layout.is_own(path)] if root.is_dir() else []
    if foreign and not _is_begun(layout):
        raise BakeoffError(
            f"{root} is not empty and not a study folder: it contains {shorten(min(foreign))}; "
            "choose another folder",
            "path",
        )


def refuse_links(root: Path) -> None:
    """Check that no symbolic link in a study folder leads what is written or removed there to another place.

    A link in place of a file of results is no danger: such files are replaced, never opened for writing.

    Raises
    ------
    BakeoffError
        If a folder, or a file that begins with a dot, is a link.
    """
    for folder, folders, files in os.walk(root):
        for name in [*folders, *(name for name in files if name.startswith("."))]:
            path = Path(folder) / name
            if path.is_symlink():
                raise BakeoffError(
                    f"{path} is a symbolic link to {path.readlink()}; nothing is written to a study folder "
                    "that leads elsewhere; remove the link, or put in its place what it leads to"
                )


def check_still_there(layout: Layout) -> None:
    """Check that a study folder was not deleted while runs were written to it.

    Raises
    ------
    BakeoffError
        If it was.
    """
    if not (layout.study.exists() and layout.data.exists()):
        raise BakeoffError(
            f"{layout.root} was deleted or moved, at least in part, while the study ran; delete the rest of "
            "it and run the study again"
        )


def _refuse_other_results(layout: Layout, study: Study, data: ImageData) -> None:
    stored_data, stored_study = _describe_data(data), study
    try:
        # Either may be missing: a command was killed between the two, or it was removed to be written anew.
        if layout.data.exists():
            stored_data = read_json(layout.data)
        if layout.study.exists():
            stored_study = study_from_toml(read_text(layout.study), str(layout.study))
        format_version = stored_data["format_version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BakeoffError(
            f"{layout.root} is a damaged study folder ({error}); choose another folder", "path"
        ) from error
    remedy = "choose another folder, or delete this one to start over"
    if format_version != FORMAT_VERSION:
        raise BakeoffError(
            f"{layout.root} was written by another version of Bakeoff, in format {format_version}; "
            f"this one writes format {FORMAT_VERSION}: {remedy}",
            "path",
        )
    differences = []
    if stored_data["fingerprint"] != data.fingerprint:
        differences.append(
            f"data: the folder was made from {stored_data['source']!r} with other images, labels or splits "
            f"than {data.source!r} gives now"
        )
    metrics = stored_study.compare.metric, study.compare.metric
    for name, recipe in study.recipes.items():
        if name in stored_study.recipes and any((layout.runs / name).glob("*/*")):
            if recipe.checkpoint == "best_val_score" and metrics[0] != metrics[1]:
                differences.append(
                    f"compare.metric, by which recipes.{name} selects its checkpoint: was {metrics[0]}, "
                    f"now {metrics[1]}"
                )
            before = flatten_settings(stored_study.recipes[name])
            now = flatten_settings(recipe)
            differences += [
                f"recipes.{name}.{key}: was {before.get(key, 'not set')}, now {now.get(key, 'not set')}"
                for key in sorted({*before, *now})
                if before.get(key) != now.get(key)
            ]
    if differences:
        raise BakeoffError(
            f"{layout.root} holds results of other settings:\n{list_some(differences)}\n{remedy}", "path"
        )


def _describe_data(data: ImageData) -> dict[str, Any]:
    counts = {
        name: np.bincount(data.split(name).labels, minlength=data.num_classes).tolist()
        for name in SPLIT_NAMES
    }
    return {
        "format_version": FORMAT_VERSION,
        "source": data.source,
        "fingerprint": data.fingerprint,
        "image_size": data.image_size,
        "class_names": data.class_names,
        "counts": counts,
        "mean": data.mean,
        "std": data.std,
        "notes": data.notes,
    }


def _text(text: str) -> Write:
    return lambda file: file.write(text.encode())


def _images(split: Split) -> Write:
    def write(file: IO[bytes]) -> None:
        arrays: dict[str, Any] = {
            "images": _thumbnails(split.images),
            "labels": np.asarray(split.labels),
            "ids": np.array(split.ids),
        }
        if split.groups is not None:
            arrays["groups"] = np.array(split.groups)
        np.savez_compressed(file, **arrays)

    return write


def _has_groups(path: Path, groups: tuple[str, ...] | None) -> bool:
    """Whether stored images have these groups, which may change while images and labels stay."""
    try:
        return read_groups(path) == groups
    except (OSError, ValueError):
        return groups is None  # damaged, which reading it will tell


def _thumbnails(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if images.shape[1] <= MAX_THUMBNAIL_SIZE:
        return np.asarray(images)
    return np.stack(
        [resize(to_image(image), MAX_THUMBNAIL_SIZE, grey=image.shape[2] == 1) for image in images]
    )


def save_audit(layout: Layout, audit: Mapping[str, Any]) -> None:
    """Write the findings of a check of the images."""
    write_recorded({layout.audit: _text(to_json(audit))})


HOLDER = ".lock-holder.json"
"""Names the process that holds the lock; it stays behind if that was killed."""


def is_running(root: Path) -> bool:
    """Whether a live process holds the lock of a study folder."""
    # The lock is tried only for a holder that may be alive, so that a run that starts meanwhile gets it.
    try:
        content = read_json(root / HOLDER)
        process, host = int(content["process"]), content["host"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return (host != platform.node() or _is_alive(process)) and is_held(root / ".lock")


def _is_alive(process: int) -> bool:
    if os.name == "nt" or process <= 0:  # where signal 0 would end it, or reach a group
        return process > 0
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        return True
    return True


def refuse_in_use(root: Path) -> None:
    """Raise a BakeoffError if a live process holds the lock of a study folder, as `lock_folder` would.

    To be known before the images are read, after which the folder is locked.
    """
    if is_running(root):
        raise _in_use(root / HOLDER, how_to_unlock(lock_at(root / ".lock")))


def _in_use(holder: Path, how_to_unlock: str) -> BakeoffError:
    return BakeoffError(
        f"{holder.parent} is in use by {_describe(holder)}{how_to_unlock}; wait until it is done, or choose "
        "another folder",
        "wait",
    )


@contextmanager
def lock_folder(root: Path, *, on_wait: Callable[[str], None] | None = None) -> Iterator[None]:
    """Lock a study folder. The operating system releases the lock when the process ends, however it ends.

    Nothing is left in a folder that holds something else than a study.

    Parameters
    ----------
    root
        The study folder, created if it does not exist.
    on_wait
        If another process holds the lock: called with a message that names it, before waiting for the lock.
        Without it, a folder in use is an error.

    Raises
    ------
    BakeoffError
        If another process holds the lock (without `on_wait`), or the folder holds something else or cannot be
        written.
    """
    holder = root / HOLDER
    _check_folder(root)
    try:
        root.mkdir(parents=True, exist_ok=True)
        refuse_links(root)
        lock = lock_at(root / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout as busy:
            if on_wait is None:
                raise _in_use(holder, how_to_unlock(lock)) from busy
            on_wait(f"{root} is in use by {_describe(holder)}{how_to_unlock(lock)}")
            lock.acquire(timeout=-1)
    except OSError as error:
        raise cannot_write(root, error, "path", act="write to") from error
    try:
        try:
            _check_folder(root)  # again: it may have changed before it was locked
        except BakeoffError:
            Path(lock.lock_file).unlink(missing_ok=True)
            raise
        with suppress(OSError):  # for messages only; the files that matter report their own errors
            holder.write_text(json.dumps({"process": os.getpid(), "host": platform.node()}), "utf-8")
        yield
    finally:
        with suppress(OSError):
            holder.unlink()
        lock.release()


def _describe(holder: Path) -> str:
    content = read_object(holder)
    known = {"process", "host"} <= content.keys()
    return f"process {content['process']} on {content['host']}" if known else "another process"
