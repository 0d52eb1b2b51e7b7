"""Reading files and study folders into one Predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bakeoff.errors import BakeoffError
from bakeoff.prediction_files.assembling import assemble
from bakeoff.prediction_files.csv_file import read_csv
from bakeoff.prediction_files.npz_file import read_npz
from bakeoff.prediction_files.table import PredictionTable
from bakeoff.predictions import Predictions
from bakeoff.store.arrays import read_arrays, read_groups
from bakeoff.store.layout import PREDICTIONS, Layout
from bakeoff.store.verify import check_runs, check_study_files
from bakeoff.text import did_you_mean_path, list_some

FINISHED_RUNS = f"runs/*/*/{PREDICTIONS}"
_ZIP = b"PK\x03\x04"


def read_predictions(paths: Sequence[Path]) -> Predictions:
    """Read the predictions of several recipes for the same images.

    Parameters
    ----------
    paths
        CSV files with the columns `recipe,seed,image,label,prediction` and optionally `group` and one column
        `p_CLASS` per class; NPZ files as Bakeoff writes them, one per run; study folders, which stand for all
        of their finished runs.

    Returns
    -------
    Predictions
        Recipes in the order in which they first occur, seeds ascending, images in the order of their names:
        the order of rows and files changes nothing else. Classes are in the order that the files declare, or
        sorted if no file does.

    Raises
    ------
    BakeoffError
        If a file cannot be read, images or labels differ between runs, a row occurs twice, a recipe has no
        rows, or probabilities are invalid; names the file, the line and the first cases.
    """
    if not paths:
        raise BakeoffError("no file of predictions; expected CSV or NPZ files, or a study folder")
    files: dict[Path, Path] = {}
    groups_of: dict[Path, Mapping[str, str]] = {}
    for path in paths:
        check_study_files(Layout(Path(path)))
        groups = _study_groups(Path(path))
        for file in _files(Path(path)):
            identity = file.resolve()
            if identity in files:
                raise BakeoffError(f"{file} is listed twice; list each file once")
            files[identity], groups_of[file] = file, groups
    check_runs([file.parent for file in files.values() if file.match(FINISHED_RUNS)], read=[PREDICTIONS])
    tables: list[PredictionTable] = []
    for file in files.values():
        table = _with_groups(read_npz(file), groups_of[file]) if _is_npz(file) else read_csv(file)
        tables.append(table.sharing(tables[-1]) if tables else table)
    del table  # with its probabilities
    return assemble(tables)


def _study_groups(path: Path) -> dict[str, str]:
    """The group of each test image of a study folder; empty where there are none, and for a file."""
    images = Layout(path).test_images
    if not images.is_file():
        return {}
    try:
        (ids,), groups = read_arrays(images, "ids"), read_groups(images)
    except (OSError, ValueError) as error:
        raise BakeoffError(f"{path} is a damaged study folder: {images.name}: {error}") from error
    return dict(zip(ids.tolist(), groups or (), strict=False))


def _with_groups(table: PredictionTable, groups: Mapping[str, str]) -> PredictionTable:
    if not all(name in groups for name in table.image_names):
        return table
    names = [groups[name] for name in table.image_names]
    codes = {name: code for code, name in enumerate(dict.fromkeys(names))}
    of_images = np.array([codes[name] for name in names], np.int32)
    return replace(table, group_names=list(codes), groups=of_images[table.images])


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        siblings = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
        raise BakeoffError(f"there is no file or folder {path}{did_you_mean_path(path, siblings)}")
    files = sorted(path.glob(FINISHED_RUNS))
    if not files:
        raise BakeoffError(
            f"{path} has no finished run: expected files like {path / 'runs' / 'RECIPE' / 'seed-0'}"
            "/predictions.npz, as `bakeoff run` writes them"
        )
    recipes = {file.parts[-3] for file in files}
    unfinished = sorted(
        folder.name for folder in (path / "runs").iterdir() if folder.is_dir() and folder.name not in recipes
    )
    if unfinished:
        raise BakeoffError(
            f"recipes without a finished run in {path}:\n{list_some(unfinished)}\n"
            "finish them with `bakeoff run`, or list the predictions.npz files of the others"
        )
    return files


def _is_npz(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return path.suffix.lower() == ".npz" or file.read(len(_ZIP)) == _ZIP
    except OSError as error:
        raise BakeoffError(f"cannot read {path}: {error.strerror or error}") from error
