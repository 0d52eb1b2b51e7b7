"""Putting the tables of several files together, once it is certain that all runs saw the same images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bakeoff.errors import BakeoffError
from bakeoff.prediction_files.table import PredictionTable
from bakeoff.predictions import Predictions, RecipePredictions
from bakeoff.text import list_some

_OFFENDERS = 10


def assemble(tables: Sequence[PredictionTable]) -> Predictions:
    """Put tables together.

    Raises
    ------
    BakeoffError
        A row occurs twice, a run misses images, labels differ, a label is none of the classes, or some rows
        of a recipe have probabilities and others none.
    """
    images = sorted({name for table in tables for name in table.image_names})
    classes = _classes(tables)
    runs = list(dict.fromkeys(name for table in tables for name in table.run_names))
    rows = _Rows(tables, runs, images, classes)
    rows.refuse_duplicates()
    rows.refuse_missing()
    labels = rows.common_labels()

    shape = (len(runs), len(images))
    predicted = np.empty(shape, dtype=np.int64)
    predicted[rows.runs, rows.images] = rows.predicted
    recipes = []
    for recipe in dict.fromkeys(name for name, _ in runs):
        mine = sorted((seed, place) for place, (name, seed) in enumerate(runs) if name == recipe)
        places = [place for _, place in mine]
        recipes.append(
            RecipePredictions(
                name=recipe,
                seeds=tuple(seed for seed, _ in mine),
                predicted=predicted[places],
                probabilities=rows.probabilities(recipe, places),
            )
        )
    return Predictions(labels, tuple(images), classes, tuple(recipes))


def _classes(tables: Sequence[PredictionTable]) -> tuple[str, ...]:
    stating = [table for table in tables if table.declared_classes is not None]
    if not stating:
        found = {name for table in tables for name in table.class_names}
        whole_numbers = all(name.isdecimal() for name in found)
        return tuple(sorted(found, key=int) if whole_numbers else sorted(found))
    first = stating[0]
    declared = first.declared_classes or ()
    for table in stating:
        if set(table.declared_classes or ()) != set(declared):
            raise BakeoffError(
                f"the classes differ: {first.path} has {', '.join(declared[:20])}; "
                f"{table.path} has {', '.join((table.declared_classes or ())[:20])}"
            )
    for table in tables:
        for code, name in enumerate(table.class_names):
            if name in declared:
                continue
            is_label = table.labels == code
            column = "label" if is_label.any() else "prediction"
            row = int((is_label if is_label.any() else table.predicted == code).argmax())
            raise BakeoffError(
                f"{table.place(row)}: the {column} {name!r} is none of the classes "
                f"{', '.join(declared[:20])}, which {first.path} states"
            )
    return declared


class _Rows:
    """The rows of all tables as columns of codes common to all."""

    def __init__(
        self,
        tables: Sequence[PredictionTable],
        runs: list[tuple[str, int]],
        images: list[str],
        classes: tuple[str, ...],
    ) -> None:
        self.tables, self.run_names, self.image_names, self.class_names = tables, runs, images, classes
        run_codes = {name: code for code, name in enumerate(runs)}
        image_codes = {name: code for code, name in enumerate(images)}
        self.class_codes = {name: code for code, name in enumerate(classes)}
        self.runs = _recode([(table.runs, [run_codes[name] for name in table.run_names]) for table in tables])
        self.images = _recode(
            [(table.images, [image_codes[name] for name in table.image_names]) for table in tables]
        )
        by_class = [[self.class_codes[name] for name in table.class_names] for table in tables]
        self.labels = _recode([(table.labels, codes) for table, codes in zip(tables, by_class, strict=True)])
        self.predicted = _recode(
            [(table.predicted, codes) for table, codes in zip(tables, by_class, strict=True)]
        )
        self.starts = np.cumsum([0] + [len(table.runs) for table in tables])
        # A cell is one image in one run. Not counted in a dense array: a file whose columns are mixed up can
        # name a million runs of a million images.
        self.cells = self.runs.astype(np.int64) * len(images) + self.images
        self.found, self.rows_per_cell = np.unique(self.cells, return_counts=True)

    def place(self, row: int) -> str:
        table = int(np.searchsorted(self.starts, row, side="right")) - 1
        return self.tables[table].place(row - int(self.starts[table]))

    def describe(self, cell: int) -> str:
        run, image = divmod(cell, len(self.image_names))
        recipe, seed = self.run_names[run]
        return f"recipe {recipe!r} seed {seed} image {self.image_names[image]!r}"

    def refuse_duplicates(self) -> None:
        if len(self.found) == len(self.cells):
            return
        cells = self.found[self.rows_per_cell > 1]
        shown = []
        for cell in cells[:_OFFENDERS].tolist():
            rows = np.flatnonzero(self.cells == cell)[:2].tolist()
            shown.append(f"{self.describe(cell)}: {' and '.join(self.place(row) for row in rows)}")
        raise BakeoffError(
            f"{len(cells)} predictions occur more than once:\n{_listed(shown, len(cells))}\n"
            "each image is to occur once in each run: leave one out, or number the seeds apart"
        )

    def refuse_missing(self) -> None:
        num_cells = len(self.run_names) * len(self.image_names)
        num_missing = num_cells - len(self.found)
        if num_missing:
            # Cells are ascending, so that the first few missing ones lie among the first of all.
            first = np.arange(min(num_cells, len(self.found) + _OFFENDERS))
            shown = [self.describe(cell) for cell in np.setdiff1d(first, self.found)[:_OFFENDERS].tolist()]
            raise BakeoffError(
                f"the runs do not all predict the same {len(self.image_names)} images; "
                f"{num_missing} predictions are missing:\n{_listed(shown, num_missing)}\n"
                "images are compared in pairs: give every run the same images, under the same names\n"
                f"read from {', '.join(str(table.path) for table in self.tables[:10])}"
            )

    def common_labels(self) -> NDArray[np.int64]:
        """Give int64 [num_images], the label that all runs agree on."""
        labels = np.empty(len(self.image_names), dtype=np.int64)
        labels[self.images[::-1]] = self.labels[::-1]  # the first row of an image wins
        differing = np.flatnonzero(self.labels != labels[self.images])
        if len(differing) == 0:
            return labels
        shown = []
        for row in differing[:_OFFENDERS].tolist():
            image = int(self.images[row])
            first = int((self.images == image).argmax())
            shown.append(
                f"image {self.image_names[image]!r} is {self.class_names[self.labels[first]]!r} in "
                f"{self.place(first)} and {self.class_names[self.labels[row]]!r} in {self.place(row)}"
            )
        raise BakeoffError(
            f"the same image has different labels:\n{_listed(shown, len(differing))}\n"
            "all recipes are to be judged by the same labels"
        )

    def probabilities(self, recipe: str, places: list[int]) -> NDArray[np.float32] | None:
        """Give float32 [num_seeds, num_images, num_classes] of the runs at these places, or None."""
        row_of_run = np.full(len(self.run_names), -1)
        row_of_run[places] = np.arange(len(places))
        shape = (len(places), len(self.image_names), len(self.class_names))
        values = np.empty(shape, dtype=np.float32)
        has: list[PredictionTable] = []
        has_not: list[PredictionTable] = []
        for table, start in zip(self.tables, self.starts, strict=False):
            here = slice(int(start), int(start) + len(table.runs))
            rows = row_of_run[self.runs[here]]
            mine = rows >= 0
            if not mine.any():
                continue
            if table.probabilities is None or table.declared_classes is None:
                has_not.append(table)
                continue
            has.append(table)
            order = [table.declared_classes.index(name) for name in self.class_names]
            values[rows[mine], self.images[here][mine]] = table.probabilities[mine][:, order]
        if has and has_not:
            raise BakeoffError(
                f"recipe {recipe!r} has probabilities in {has[0].path} and none in {has_not[0].path}; "
                "give them for all of its runs, or for none"
            )
        return values if has else None


def _recode(columns: list[tuple[NDArray[np.int32], list[int]]]) -> NDArray[np.int32]:
    return np.concatenate([np.asarray(codes, dtype=np.int32)[column] for column, codes in columns])


def _listed(shown: list[str], total: int) -> str:
    """Indent the offenders shown and say how many there are."""
    return list_some(shown) + (f"\n  ... and {total - len(shown)} more" if total > len(shown) else "")
