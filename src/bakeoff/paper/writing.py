"""write_paper(): methods, tables, references and checklist of a study, in a folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff.analysis.comparison.tuning import describe_budgets
from bakeoff.analysis.summary.answer import doubts_of_data, grave_findings
from bakeoff.errors import BakeoffError
from bakeoff.files import check_free, new_folder
from bakeoff.paper.markup import Latex, Markdown
from bakeoff.study.settings.trainer import SklearnSettings
from bakeoff.templates import render
from bakeoff.text import counted, duration, listed, p_value, span, whole

if TYPE_CHECKING:
    from bakeoff.analysis.comparison.result import Comparison
    from bakeoff.analysis.summary.study import Summary
    from bakeoff.study.recipe import Recipe

DATA_SETS = {
    "stl10": ("STL-10", "coates2011"),
    "cifar10": ("CIFAR-10", "krizhevsky2009"),
    "digits": ("the handwritten digits of scikit-learn", "alpaydin1998"),
}
"""Sources that are one data set, by their kind: its name and reference. Of others only the user knows."""

PARTS: dict[tuple[str, object], tuple[str, str]] = {
    ("model.name", "lenet5"): ("LeNet-5", "lecun1998"),
    ("model.name", "lenet5_1998"): ("LeNet-5 as of 1998", "lecun1998"),
    ("model.name", "resnet"): ("a residual network", "he2016"),
    ("model.batch_norm", True): ("batch normalization", "ioffe2015"),
    ("optimizer.name", "adam"): ("Adam", "kingma2015"),
    ("optimizer.name", "adamw"): ("AdamW", "loshchilov2019"),
    ("trainer.name", "sklearn"): ("scikit-learn", "pedregosa2011"),
}
"""What a setting is called, and who introduced it."""

AMOUNTS = {
    "model.dropout": ("dropout", "srivastava2014"),
    "loss.label_smoothing": ("label smoothing", "szegedy2016"),
    "augmentation.mixup": ("mixup", "zhang2018"),
    "augmentation.cutmix": ("CutMix", "yun2019"),
}
"""The same of settings that are numbers; 0 is without."""


MOST_PAIRS = 6
"""On other test images, with at most so many pairs each has its sentence."""


def write_paper(summary: Summary, directory: Path) -> tuple[str, ...]:
    """Write what a paper says about a study, every number as in comparison.json; return the files' names.

    methods.tex and methods.md (a paragraph on data, training, statistics, and the conclusion), table.tex
    (booktabs) and table.md, references.bib with what these cite, and checklist.md.

    Parameters
    ----------
    summary
        Of the study.
    directory
        Created; if it exists, it must be empty.

    Raises
    ------
    BakeoffError
        If no run is finished, or the folder cannot be written; then nothing is written.
    """
    check_free(directory)
    comparison = summary.comparison
    if comparison is None:
        raise BakeoffError(f"{summary.stored.root} has no finished run to write about")
    facts = _facts(summary, comparison)
    texts = {
        f"{name}.{markup.suffix}": _render(f"{name}.j2", markup, facts)
        for markup in (Latex(), Markdown())
        for name in ("methods", "table")
    } | {"checklist.md": _render("checklist.j2", Markdown(), facts)}
    texts["references.bib"] = _cited("".join(texts.values()))
    with new_folder(directory) as temporary:
        for name, text in texts.items():
            (temporary / name).write_text(text, "utf-8")
    return tuple(sorted(texts))


def _render(template: str, markup: Latex | Markdown, facts: dict[str, Any]) -> str:
    variables = {
        "cite": markup.cite,
        "latex": isinstance(markup, Latex),
        "listed": listed,
        "counted": counted,
    }
    filters = {"t": markup.text, "code": markup.code, "p_value": p_value, "whole": whole}
    return render("bakeoff.paper", template, facts | variables, filters)


def _cited(text: str) -> str:
    """The entries of references.bib that a text cites."""
    entries = (files("bakeoff.paper") / "references.bib").read_text("utf-8").strip().split("\n\n")
    keys = set(re.findall(r"\b[a-z]+\d{4}\b", text))
    return "\n\n".join(entry for entry in entries if _key(entry) in keys) + "\n"


def _key(entry: str) -> str:
    return entry.partition("{")[2].partition(",")[0]


def _facts(summary: Summary, comparison: Comparison) -> dict[str, Any]:
    """What the templates show."""
    study, data, environment = summary.study, summary.data, summary.stored.environment
    finished = {recipe.name: recipe for recipe in summary.finished}
    kind = data.source.partition(":")[0]
    # What the others differ from: a recipe with a trainer shares no setting with them.
    own = [name for name, recipe in finished.items() if not recipe.has_trainer]
    reference = comparison.baseline if comparison.baseline in own else next(iter(own), "")
    against = {pair.b: pair for pair in comparison.pairs if pair.a == comparison.baseline}
    audit, curve = summary.stored.audit, summary.learning_curve
    return {
        "study": study,
        "data": data,
        "data_set": DATA_SETS.get(kind),
        "num_images": {split: sum(counts) for split, counts in data.counts.items()},
        "comparison": comparison,
        "scale": comparison.scale,
        "recipes": comparison.recipes,
        "finished": finished,
        "against": against,
        "pairs": [] if comparison.baseline else comparison.pairs,
        "seeds": _seeds({name: recipe.results.seeds for name, recipe in finished.items()}),
        "one_seed": min(recipe.num_seeds for recipe in comparison.recipes) == 1,
        "all_one_seed": max(recipe.num_seeds for recipe in comparison.recipes) == 1,
        "own_code": bool(study.own_classes) or any(one.trainer for one in study.recipes.values()),
        "level": f"{100 * comparison.confidence:g}",
        "alpha": f"{1 - comparison.confidence:.3g}",
        "margin": comparison.scale.difference(comparison.margin),
        "parts": _parts([recipe.settings for recipe in finished.values()]),
        "checkpoints": sorted(
            {finished[name].settings["checkpoint"] for name in own if "checkpoint" in finished[name].settings}
        ),
        "trainers": {
            name: _trainer(study.recipes[name]) for name, recipe in finished.items() if recipe.has_trainer
        },
        "reference": reference,
        "differing": _differing(reference, finished),
        "budgets": describe_budgets(study),
        "spaces": {name: recipe.search for name, recipe in study.recipes.items() if recipe.search},
        "minutes": {
            name: duration(recipe.results.mean_training_seconds) for name, recipe in finished.items()
        },
        "total_time": duration(sum(sum(recipe.results.training_seconds) for recipe in finished.values())),
        "trials_time": duration(sum(one.seconds for one in summary.stored.trials))
        if summary.stored.trials
        else "",
        "sized_time": duration(sum(run.seconds for run in summary.stored.sized_runs))
        if summary.stored.sized_runs
        else "",
        "num_runs": len(summary.stored.runs) + len(summary.stored.sized_runs),
        "num_sized": len(summary.stored.sized_runs),
        "curve": curve,
        "curve_sizes": [f"{size:,}" for size in curve.sizes[:-1]] if curve else [],
        "tests": summary.tests,
        "dict_of": lambda changes: {change.name: change for change in changes},
        "most_pairs": MOST_PAIRS,
        "missing": [
            (recipe.name, len(recipe.failures), len(recipe.missing_seeds))
            for recipe in summary.recipes
            if recipe.failures or recipe.missing_seeds
        ],
        "audit": audit,
        "problems": [finding["sentence"] for finding in grave_findings(audit)],
        "doubts": doubts_of_data(audit),
        "environment": environment,
        "version": version("bakeoff"),
    }


def _seeds(seeds: dict[str, Sequence[int]]) -> str:
    """ "10 seeds (0 to 9)", or for each recipe its own."""
    if len({tuple(each) for each in seeds.values()}) == 1:
        (each, *_) = seeds.values()
        return f"{counted(len(each), 'seed')} ({span(each)})"
    return listed([f"{name} with {counted(len(each), 'seed')}" for name, each in seeds.items()])


def _parts(settings: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Name and reference of what the recipes consist of, each once."""
    found = [part for (key, value), part in PARTS.items() if any(one.get(key) == value for one in settings)]
    found += [part for key, part in AMOUNTS.items() if any(one.get(key) for one in settings)]
    return found


def _trainer(recipe: Recipe) -> tuple[str, list[tuple[str, str]]]:
    """What trains a recipe instead of Bakeoff, by its Python name, and its settings: key, value."""
    trainer = recipe.trainer
    if isinstance(trainer, SklearnSettings):
        name, settings = trainer.estimator, {"features": trainer.features, **trainer.options}
    else:
        name, settings = trainer.name if trainer else "", recipe.settings or {}
    return name.replace(":", "."), [(key, _value(value)) for key, value in settings.items()]


def _differing(reference: str, recipes: dict[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """For each other recipe of Bakeoff's training the settings in which it is not as a reference: key, value.

    Where another model, loss, optimizer or schedule is named, what only the reference's has is left out.
    """
    differing = {}
    for name, recipe in recipes.items():
        if not reference or recipe.has_trainer:
            continue
        before, after = recipes[reference].settings, recipe.settings
        changed = [
            (key, _value(after.get(key)))
            for key in dict.fromkeys([*before, *after])
            if before.get(key) != after.get(key) and (key in after or not _renamed(key, before, after))
        ]
        if changed:
            differing[name] = changed
    return differing


def _renamed(key: str, before: dict[str, Any], after: dict[str, Any]) -> bool:
    name = f"{key.partition('.')[0]}.name"
    return bool(before.get(name) != after.get(name))


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "not set" if value is None else str(value)
