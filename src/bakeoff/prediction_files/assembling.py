"""Combining the tables of several files, after checking that all runs have the same images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bakeoff.errors import BakeoffError
from bakeoff.prediction_files.checks import check_predictions
from bakeoff.prediction_files.class_names import unify_class_names
from bakeoff.prediction_files.table import PredictionTable
from bakeoff.predictions import Predictions, RecipePredictions
from bakeoff.text import counted, list_some, listed

_MAX_LISTED = 10

_Name = TypeVar("_Name", str, tuple[str, int])


def assemble(tables: list[PredictionTable]) -> Predictions:
    """Combine tables into one `Predictions`.

    Parameters
    ----------
    tables
        In the order of the files. Their probabilities are dropped from the list as they are copied, so that
        those of large files are in memory once.

    Raises
    ------
    BakeoffError
        If a row occurs twice, a run lacks images, labels or groups differ, a label is none of the classes, or
        only some rows of a recipe have probabilities.
    """
    tables[:], notes = unify_class_names(tables)
    notes = [*(note for table in tables for note in table.notes), *notes]
    images = sorted(set().union(*_lists_of_images(tables).values()))
    classes = _classes(tables)
    seeds: dict[str, list[int]] = {}
    for recipe, seed in dict.fromkeys(name for table in tables for name in table.run_names):
        seeds.setdefault(recipe, []).append(seed)
    runs = [(recipe, seed) for recipe, of_recipe in seeds.items() for seed in sorted(of_recipe)]
    rows = _Rows(tables, runs, images, classes)
    rows.refuse_repeated_and_missing()
    labels, groups, predicted = rows.common_labels(), rows.common_groups(), rows.predicted()
    recipes, first = [], 0
    for recipe, of_recipe in seeds.items():
        run_indices = range(first, first + len(of_recipe))
        recipes.append(
            RecipePredictions(
                name=recipe,
                seeds=tuple(sorted(of_recipe)),
                predicted=predicted[run_indices.start : run_indices.stop],
                probabilities=rows.probabilities(recipe, run_indices),
            )
        )
        first = run_indices.stop
        rows.drop_probabilities_before(first)
    predictions = Predictions(labels, tuple(images), classes, tuple(recipes), groups)
    checked = check_predictions(
        predictions,
        classes_declared=any(table.declared_classes is not None for table in tables),
        sources=", ".join(str(table.path) for table in tables[:_MAX_LISTED]),
    )
    return replace(predictions, notes=(*notes, *checked))


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


def _lists_of_images(tables: Sequence[PredictionTable]) -> dict[int, list[str]]:
    """By id: files that list the same images share one list of names, see `PredictionTable.sharing`."""
    return {id(table.image_names): table.image_names for table in tables}


class _Rows:
    """The rows of all tables, as columns of codes that all tables share."""

    def __init__(
        self,
        tables: list[PredictionTable],
        runs: list[tuple[str, int]],
        images: list[str],
        classes: tuple[str, ...],
    ) -> None:
        self.tables, self.run_names, self.image_names, self.class_names = tables, runs, images, classes
        run_codes = {name: code for code, name in enumerate(runs)}
        image_codes = {name: code for code, name in enumerate(images)}
        self.runs = np.concatenate([_recode(table.runs, table.run_names, run_codes) for table in tables])
        codes_of = {place: _codes(names, image_codes) for place, names in _lists_of_images(tables).items()}
        self.images = np.concatenate([codes_of[id(table.image_names)][table.images] for table in tables])
        self.class_codes = {name: code for code, name in enumerate(classes)}
        self.starts = np.cumsum([0] + [len(table.runs) for table in tables])

    def place(self, row: int) -> str:
        table = int(np.searchsorted(self.starts, row, side="right")) - 1
        return self.tables[table].place(row - int(self.starts[table]))

    def describe(self, cell: int) -> str:
        run, image = divmod(cell, len(self.image_names))
        recipe, seed = self.run_names[run]
        return f"recipe {recipe!r} seed {seed} image {self.image_names[image]!r}"

    def refuse_repeated_and_missing(self) -> None:
        """Refuse rows unless each run has each image once."""
        num_cells = len(self.run_names) * len(self.image_names)
        # A cell is one image in one run.
        cells = self.runs.astype(np.int64) * len(self.image_names) + self.images
        if len(cells) == num_cells:
            occurs = np.zeros(num_cells, dtype=np.bool_)
            occurs[cells] = True
            if occurs.all():
                return
        # No dense array, because a file with mixed-up columns can have a million runs of a million images.
        unique_cells, rows_per_cell = np.unique(cells, return_counts=True)
        if len(unique_cells) < len(cells):
            repeated = unique_cells[rows_per_cell > 1]
            examples = []
            for cell in repeated[:_MAX_LISTED].tolist():
                rows = np.flatnonzero(cells == cell)[:2].tolist()
                examples.append(f"{self.describe(cell)}: {listed([self.place(row) for row in rows])}")
            raise BakeoffError(
                f"{counted(len(repeated), 'prediction')} {'occurs' if len(repeated) == 1 else 'occur'} "
                "more than once:\n"
                f"{_list_examples(examples, len(repeated))}\n"
                "each image must occur once in each run: remove the repeated rows, or use different seeds"
            )
        # Cells are sorted, so the first missing ones are among this many.
        first = np.arange(min(num_cells, len(unique_cells) + _MAX_LISTED))
        missing = np.setdiff1d(first, unique_cells)[:_MAX_LISTED].tolist()
        num_missing = num_cells - len(unique_cells)
        raise BakeoffError(
            f"the runs do not all predict the same {counted(len(self.image_names), 'image')}; "
            f"{counted(num_missing, 'prediction')} {'is' if num_missing == 1 else 'are'} missing:\n"
            f"{_list_examples([self.describe(cell) for cell in missing], num_missing)}\n"
            "comparisons are paired by image: give every run the same images, with the same names\n"
            f"read from {', '.join(str(table.path) for table in self.tables[:10])}"
        )

    def predicted(self) -> NDArray[np.int64]:
        """The predicted classes, int64 [num_runs, num_images]."""
        predicted = np.empty((len(self.run_names), len(self.image_names)), dtype=np.int64)
        for table, start in zip(self.tables, self.starts, strict=False):
            rows = slice(start, start + len(table.runs))
            codes = _recode(table.predicted, table.class_names, self.class_codes)
            predicted[self.runs[rows], self.images[rows]] = codes
        return predicted

    def common_labels(self) -> NDArray[np.int64]:
        """The labels of the images, int64 [num_images], on which all runs agree."""
        columns = [(place, table.labels, table.class_names) for place, table in enumerate(self.tables)]
        remedy = "all recipes must be evaluated with the same labels"
        return self._of_images(columns, self.class_names, "labels", remedy)

    def common_groups(self) -> NDArray[np.int64] | None:
        """The groups of the images, int64 [num_images], on which all files with groups agree, or None."""
        columns = [
            (place, table.groups, table.group_names)
            for place, table in enumerate(self.tables)
            if table.groups is not None and table.group_names is not None
        ]
        if not columns:
            return None
        names = sorted({name for _, _, group_names in columns for name in group_names})
        groups = self._of_images(columns, names, "groups", "each image belongs to one group")
        without = np.flatnonzero(groups < 0)
        if len(without):
            raise BakeoffError(
                f"{counted(len(without), 'image')} without a group, first {self.image_names[without[0]]!r}: "
                "give the column 'group' in all files, or in none"
            )
        return groups

    def _of_images(
        self,
        columns: Sequence[tuple[int, NDArray[np.int32], Sequence[str]]],
        names: Sequence[str],
        what: str,
        remedy: str,
    ) -> NDArray[np.int64]:
        """What some tables say of their images, int64 [num_images], -1 where none does; they must agree.

        Parameters
        ----------
        columns
            The place of a table, its column, and the names that the column refers to.
        names
            All of them; the result refers to these.
        what, remedy
            For the message.
        """
        codes = {name: code for code, name in enumerate(names)}
        values = np.full(len(self.image_names), -1)
        for place, column, own_names in reversed(columns):
            values[self._images_of(place)[::-1]] = _recode(column, own_names, codes)[
                ::-1
            ]  # the first row wins
        num_differing = 0
        examples: list[str] = []
        for place, column, own_names in columns:
            said, expected = _recode(column, own_names, codes), values[self._images_of(place)]
            differing = np.flatnonzero(said != expected)
            num_differing += len(differing)
            for row in differing[: _MAX_LISTED - len(examples)].tolist():
                image = int(self._images_of(place)[row])
                first = next(
                    self.tables[other].place(int(rows[0]))
                    for other, _, _ in columns
                    if len(rows := np.flatnonzero(self._images_of(other) == image))
                )
                examples.append(
                    f"image {self.image_names[image]!r} is {names[expected[row]]!r} in {first} "
                    f"and {names[said[row]]!r} in {self.tables[place].place(row)}"
                )
        if num_differing:
            raise BakeoffError(
                f"the same image has different {what}:\n{_list_examples(examples, num_differing)}\n{remedy}"
            )
        return values

    def _images_of(self, place: int) -> NDArray[np.int32]:
        """The column of images of one table."""
        return self.images[self.starts[place] : self.starts[place + 1]]

    def drop_probabilities_before(self, run: int) -> None:
        """Drop the probabilities of tables whose runs all come before this one."""
        for place, (table, start) in enumerate(zip(self.tables, self.starts, strict=False)):
            if table.probabilities is not None and self.runs[start : start + len(table.runs)].max() < run:
                self.tables[place] = replace(table, probabilities=None)

    def probabilities(self, recipe: str, run_indices: range) -> NDArray[np.float32] | None:
        """The probabilities of these runs, float32 [num_seeds, num_images, num_classes], or None."""
        shape = (len(run_indices), len(self.image_names), len(self.class_names))
        values = np.empty(shape, dtype=np.float32)
        tables_with: list[PredictionTable] = []
        tables_without: list[PredictionTable] = []
        for table, start in zip(self.tables, self.starts, strict=False):
            table_rows = slice(int(start), int(start) + len(table.runs))
            rows = self.runs[table_rows] - run_indices.start
            of_recipe = (rows >= 0) & (rows < len(run_indices))
            if not of_recipe.any():
                continue
            if table.probabilities is None or table.declared_classes is None:
                tables_without.append(table)
                continue
            tables_with.append(table)
            order = [table.declared_classes.index(name) for name in self.class_names]
            images = self.images[table_rows][of_recipe]
            found = table.probabilities if of_recipe.all() else table.probabilities[of_recipe]
            values[rows[of_recipe], images] = found if order == sorted(order) else found[:, order]
        if tables_with and tables_without:
            raise BakeoffError(
                f"recipe {recipe!r} has probabilities in {tables_with[0].path} and none in "
                f"{tables_without[0].path}; provide them for all of its runs, or for none"
            )
        return values if tables_with else None


def _recode(
    column: NDArray[np.int32], names: Sequence[_Name], codes: Mapping[_Name, int]
) -> NDArray[np.int32]:
    """A column of indices into a list of names, as codes of the names."""
    return _codes(names, codes)[column]


def _codes(names: Sequence[_Name], codes: Mapping[_Name, int]) -> NDArray[np.int32]:
    return np.array([codes[name] for name in names], dtype=np.int32)


def _list_examples(examples: list[str], total: int) -> str:
    """Indent the examples and count the rest."""
    more = total - len(examples)
    return list_some(examples) + (f"\n  ... and {more} more" if more > 0 else "")
