"""Combining the tables of several files, after checking that all runs have the same images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bakeoff.errors import BakeoffError
from bakeoff.prediction_files.table import PredictionTable
from bakeoff.predictions import Predictions, RecipePredictions
from bakeoff.text import counted, list_some, listed

_MAX_LISTED = 10


def assemble(tables: Sequence[PredictionTable]) -> Predictions:
    """Combine tables into one `Predictions`.

    Raises
    ------
    BakeoffError
        If a row occurs twice, a run lacks images, labels or groups differ, a label is none of the classes, or
        only some rows of a recipe have probabilities.
    """
    images = sorted({name for table in tables for name in table.image_names})
    classes = _classes(tables)
    runs = list(dict.fromkeys(name for table in tables for name in table.run_names))
    rows = _Rows(tables, runs, images, classes)
    rows.refuse_duplicates()
    rows.refuse_missing()
    labels, groups = rows.common_labels(), rows.common_groups()

    shape = (len(runs), len(images))
    predicted = np.empty(shape, dtype=np.int64)
    predicted[rows.runs, rows.images] = rows.predicted
    recipes = []
    for recipe in dict.fromkeys(name for name, _ in runs):
        seeds_and_runs = sorted((seed, run) for run, (name, seed) in enumerate(runs) if name == recipe)
        run_indices = [run for _, run in seeds_and_runs]
        recipes.append(
            RecipePredictions(
                name=recipe,
                seeds=tuple(seed for seed, _ in seeds_and_runs),
                predicted=predicted[run_indices],
                probabilities=rows.probabilities(recipe, run_indices),
            )
        )
    return Predictions(labels, tuple(images), classes, tuple(recipes), groups)


def _classes(tables: Sequence[PredictionTable]) -> tuple[str, ...]:
    declaring = [table for table in tables if table.declared_classes is not None]
    if not declaring:
        names = {name for table in tables for name in table.class_names}
        all_integers = all(name.isdecimal() for name in names)
        return tuple(sorted(names, key=int) if all_integers else sorted(names))
    first = declaring[0]
    declared = first.declared_classes or ()
    for table in declaring:
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
                f"{', '.join(declared[:20])} of {first.path}"
            )
    return declared


class _Rows:
    """The rows of all tables, as columns of codes that all tables share."""

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
        # A cell is one image in one run. No dense array, because a file with mixed-up columns can have a
        # million runs of a million images.
        self.cells = self.runs.astype(np.int64) * len(images) + self.images
        self.unique_cells, self.rows_per_cell = np.unique(self.cells, return_counts=True)

    def place(self, row: int) -> str:
        table = int(np.searchsorted(self.starts, row, side="right")) - 1
        return self.tables[table].place(row - int(self.starts[table]))

    def describe(self, cell: int) -> str:
        run, image = divmod(cell, len(self.image_names))
        recipe, seed = self.run_names[run]
        return f"recipe {recipe!r} seed {seed} image {self.image_names[image]!r}"

    def refuse_duplicates(self) -> None:
        if len(self.unique_cells) == len(self.cells):
            return
        cells = self.unique_cells[self.rows_per_cell > 1]
        examples = []
        for cell in cells[:_MAX_LISTED].tolist():
            rows = np.flatnonzero(self.cells == cell)[:2].tolist()
            examples.append(f"{self.describe(cell)}: {listed([self.place(row) for row in rows])}")
        raise BakeoffError(
            f"{len(cells)} predictions occur more than once:\n{_list_examples(examples, len(cells))}\n"
            "each image must occur once in each run: remove the repeated rows, or use different seeds"
        )

    def refuse_missing(self) -> None:
        num_cells = len(self.run_names) * len(self.image_names)
        num_missing = num_cells - len(self.unique_cells)
        if num_missing:
            # Cells are sorted, so the first missing ones are among this many.
            first = np.arange(min(num_cells, len(self.unique_cells) + _MAX_LISTED))
            missing = np.setdiff1d(first, self.unique_cells)[:_MAX_LISTED].tolist()
            examples = [self.describe(cell) for cell in missing]
            raise BakeoffError(
                f"the runs do not all predict the same {len(self.image_names)} images; "
                f"{num_missing} predictions are missing:\n{_list_examples(examples, num_missing)}\n"
                "comparisons are paired by image: give every run the same images, with the same names\n"
                f"read from {', '.join(str(table.path) for table in self.tables[:10])}"
            )

    def common_labels(self) -> NDArray[np.int64]:
        """The labels of the images, int64 [num_images], on which all runs agree."""
        remedy = "all recipes must be evaluated with the same labels"
        return self._of_images(np.arange(len(self.images)), self.labels, self.class_names, "labels", remedy)

    def common_groups(self) -> NDArray[np.int64] | None:
        """The groups of the images, int64 [num_images], on which all files with groups agree, or None."""
        names = sorted({name for table in self.tables for name in table.group_names or ()})
        if not names:
            return None
        codes = {name: code for code, name in enumerate(names)}
        rows, columns = [], []
        for table, start in zip(self.tables, self.starts, strict=False):
            if table.groups is not None and table.group_names is not None:
                rows.append(np.arange(len(table.groups)) + start)
                columns.append((table.groups, [codes[name] for name in table.group_names]))
        remedy = "each image belongs to one group"
        groups = self._of_images(np.concatenate(rows), _recode(columns), names, "groups", remedy)
        without = np.flatnonzero(groups < 0)
        if len(without):
            raise BakeoffError(
                f"{counted(len(without), 'image')} without a group, first {self.image_names[without[0]]!r}: "
                "give the column 'group' in all files, or in none"
            )
        return groups

    def _of_images(
        self, rows: NDArray[np.int64], column: NDArray[np.int32], names: Sequence[str], what: str, remedy: str
    ) -> NDArray[np.int64]:
        """What some rows say of their images, int64 [num_images], -1 where none does; rows must agree."""
        images = self.images[rows]
        values = np.full(len(self.image_names), -1)
        values[images[::-1]] = column[::-1]  # the first row of an image wins
        differing = np.flatnonzero(column != values[images])
        if len(differing) == 0:
            return values
        examples = []
        for row in differing[:_MAX_LISTED].tolist():
            image = int(images[row])
            first = int((images == image).argmax())
            examples.append(
                f"image {self.image_names[image]!r} is {names[column[first]]!r} in {self.place(rows[first])} "
                f"and {names[column[row]]!r} in {self.place(rows[row])}"
            )
        raise BakeoffError(
            f"the same image has different {what}:\n{_list_examples(examples, len(differing))}\n{remedy}"
        )

    def probabilities(self, recipe: str, run_indices: list[int]) -> NDArray[np.float32] | None:
        """The probabilities of these runs, float32 [num_seeds, num_images, num_classes], or None."""
        row_of_run = np.full(len(self.run_names), -1)
        row_of_run[run_indices] = np.arange(len(run_indices))
        shape = (len(run_indices), len(self.image_names), len(self.class_names))
        values = np.empty(shape, dtype=np.float32)
        tables_with: list[PredictionTable] = []
        tables_without: list[PredictionTable] = []
        for table, start in zip(self.tables, self.starts, strict=False):
            table_rows = slice(int(start), int(start) + len(table.runs))
            rows = row_of_run[self.runs[table_rows]]
            of_recipe = rows >= 0
            if not of_recipe.any():
                continue
            if table.probabilities is None or table.declared_classes is None:
                tables_without.append(table)
                continue
            tables_with.append(table)
            order = [table.declared_classes.index(name) for name in self.class_names]
            images = self.images[table_rows][of_recipe]
            values[rows[of_recipe], images] = table.probabilities[of_recipe][:, order]
        if tables_with and tables_without:
            raise BakeoffError(
                f"recipe {recipe!r} has probabilities in {tables_with[0].path} and none in "
                f"{tables_without[0].path}; provide them for all of its runs, or for none"
            )
        return values if tables_with else None


def _recode(columns: list[tuple[NDArray[np.int32], list[int]]]) -> NDArray[np.int32]:
    return np.concatenate([np.asarray(codes, dtype=np.int32)[column] for column, codes in columns])


def _list_examples(examples: list[str], total: int) -> str:
    """Indent the examples and count the rest."""
    more = total - len(examples)
    return list_some(examples) + (f"\n  ... and {more} more" if more > 0 else "")
