"""Sentences about a failed case, each with the numbers it states.

They describe what coincides with a failure, and never claim a cause.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import floor, isfinite, isnan
from typing import Any, Literal

from bakeoff.analysis.failures.attribution_maps import border_support, concentration
from bakeoff.analysis.failures.cases import FailedCase
from bakeoff.analysis.failures.evidence import FailureEvidence
from bakeoff.analysis.failures.groups import GROUP_LABELS, GroupName
from bakeoff.analysis.failures.learning_history import summarize_history
from bakeoff.analysis.failures.unusual import UnusualFact, unusual_color, unusual_facts
from bakeoff.text import counted, listed

SentenceKind = Literal[
    "answers",
    "confusion",
    "group",
    "attribution",
    "fact",
    "colour",
    "trend",
    "neighbours",
    "history",
    "label doubt",
]


@dataclass(frozen=True)
class Sentence:
    """A sentence and the numbers in it.

    Attributes
    ----------
    kind
        What it is about.
    text
        Plain text, with class and recipe names as the user wrote them.
    numbers
        The values in the text, unrounded, by name: numbers, class names, or None for an unknown number.
    """

    kind: SentenceKind
    text: str
    numbers: dict[str, Any]


@dataclass(frozen=True)
class AboutImage:
    """The sentences that are the same for all recipes that misclassify an image."""

    group: Sentence
    unusual: tuple[Sentence, ...]


def describe_image(image: int, evidence: FailureEvidence) -> AboutImage:
    """Describe what was measured about an image, whichever recipe misclassifies it."""
    return AboutImage(_group(image, evidence), tuple(_unusual(image, evidence)))


def describe(
    case: FailedCase, evidence: FailureEvidence, about: AboutImage | None = None
) -> tuple[Sentence, ...]:
    """Describe what was measured about a failed case, the predictions of its runs first.

    Parameters
    ----------
    case
        From `evidence.case` or `evidence.chosen_cases`.
    evidence
        From `gather_evidence`.
    about
        From `describe_image`, if it is known already.
    """
    about = about or describe_image(case.image_index, evidence)
    return (
        _answers(case, evidence),
        _confusion(case, evidence),
        about.group,
        *_attribution(case, evidence),
        *about.unusual,
        *_trends(case, evidence),
        *_neighbors(case, evidence),
        *_label_doubt(case, evidence),
    )


def _answers(case: FailedCase, evidence: FailureEvidence) -> Sentence:
    true, predicted = _class_names(case, evidence)
    text = f"True {true}, predicted {predicted}: "
    text += f"{case.num_wrong} of {counted(case.num_seeds, 'seed')} of {case.recipe} "
    text += f"{'misclassifies' if case.num_wrong == 1 else 'misclassify'} this image, "
    text += f"{case.num_predicted} as {predicted}"
    if not isnan(case.predicted_probability):
        text += f" with a mean probability of {case.predicted_probability:.2f}. "
        text += f"The mean probability of {true} over all seeds is {case.true_probability:.2f}"
    return Sentence(
        "answers",
        text + ".",
        {
            "true": true,
            "predicted": predicted,
            "num_seeds": case.num_seeds,
            "num_wrong": case.num_wrong,
            "num_predicted": case.num_predicted,
            "predicted_probability": _or_none(case.predicted_probability),
            "true_probability": _or_none(case.true_probability),
        },
    )


def _confusion(case: FailedCase, evidence: FailureEvidence) -> Sentence:
    true, predicted = _class_names(case, evidence)
    return Sentence(
        "confusion",
        f"On average over {counted(case.num_seeds, 'seed')}, {case.recipe} predicts {predicted} for "
        f"{case.confusion_count:.1f} of the {counted(case.num_class_images, 'test image')} of {true} "
        f"({100 * case.confusion_share:.1f} %).",
        {
            "true": true,
            "predicted": predicted,
            "mean_count": case.confusion_count,
            "num_class_images": case.num_class_images,
            "share": case.confusion_share,
            "num_seeds": case.num_seeds,
        },
    )


MOST_RECIPES = 4
"""With more, a sentence on the runs that are right gives the extremes only."""

_GROUP_ENDINGS: dict[GroupName, str] = {
    "decided by the recipe": "this difference is unlikely to be chance",
    "luck of the seed": "this difference may be chance",
}


def _group(image: int, evidence: FailureEvidence) -> Sentence:
    group = evidence.groups.name(image)
    p_value = float(evidence.groups.p_value[image])
    num_right = {
        name: (int(recipe.difficulty.num_right[image]), recipe.difficulty.num_seeds)
        for name, recipe in evidence.recipes.items()
    }
    each = [f"{count} of {counted(seeds, 'seed')} of {name}" for name, (count, seeds) in num_right.items()]
    shares = listed(each)
    if len(each) > MOST_RECIPES:
        ordered = sorted(num_right, key=lambda name: num_right[name][0] / num_right[name][1])
        extremes = [each[list(num_right).index(name)] for name in (ordered[0], ordered[-1])]
        right, runs = (sum(column) for column in zip(*num_right.values(), strict=True))
        shares = f"{right} of {counted(runs, 'run')}, from {' to '.join(extremes)}"
    text = f"{GROUP_LABELS[group].capitalize()}: classified correctly by {shares}"
    if len(num_right) > 1 and group in _GROUP_ENDINGS:
        num_images = evidence.predictions.num_images
        text += (
            f"; {_GROUP_ENDINGS[group]} (exact test, p = {_p_value(p_value)} before correction for "
            f"{num_images:,} images)"
        )
    return Sentence(
        "group",
        text + ".",
        {
            "group": group,
            "num_right": {name: count for name, (count, _) in num_right.items()},
            "num_seeds": {name: seeds for name, (_, seeds) in num_right.items()},
            "p_value": p_value,
            "num_images": evidence.predictions.num_images,
        },
    )


def _attribution(case: FailedCase, evidence: FailureEvidence) -> Iterator[Sentence]:
    maps = evidence.recipes[case.recipe].attributions
    place = maps.place(case.image_index) if maps else None
    if maps is None or place is None:
        return
    true, predicted = _class_names(case, evidence)
    num_runs = int(maps.num_runs[place])
    for where, rank in (("gathered", concentration(maps, place)), ("border", border_support(maps, place))):
        if rank is None:
            continue
        value = f"{100 * rank.value:.0f} %"
        text = f"Attribution (integrated gradients, mean over {counted(num_runs, 'run')}): "
        if where == "gathered":
            text += f"half of the support for {predicted} over {true} is concentrated in {value} of the image"
        else:
            text += (
                f"{value} of the support for {predicted} over {true} lies in the outer eighth of the image, "
                f"which is {100 * maps.border_area:.0f} % of its area"
            )
        yield Sentence(
            "attribution",
            f"{text}; the median of the {counted(rank.num_reference, 'failed case')} of {case.recipe} "
            f"with as many runs is {100 * rank.median:.0f} %.",
            {
                "where": where,
                "true": true,
                "predicted": predicted,
                "num_runs": num_runs,
                **vars(rank),
            }
            | ({"border_area": maps.border_area} if where == "border" else {}),
        )


def _unusual(image: int, evidence: FailureEvidence) -> Iterator[Sentence]:
    label = int(evidence.predictions.labels[image])
    true = evidence.predictions.class_names[label]
    values = {name: float(fact[image]) for name, fact in evidence.facts.items()}
    for unusual in unusual_facts(values, label, evidence.norms):
        yield Sentence(
            "fact",
            f"{_comparison(unusual, true)} ({unusual.fact.label} {unusual.value:.3g}, "
            f"median of the class {unusual.median:.3g}).",
            {
                "fact": unusual.fact.name,
                "value": unusual.value,
                "high": unusual.high,
                "share_beyond": unusual.share_beyond,
                "median": unusual.median,
                "num_reference": unusual.num_reference,
            },
        )
    color = unusual_color(int(evidence.colors[image]), label, evidence.norms)
    if color is not None:
        yield Sentence(
            "colour",
            f"The most frequent color is {color.color}, as in only {color.num_alike} of the "
            f"{color.num_reference:,} training images of {true}.",
            {
                "colour": color.color,
                "num_alike": color.num_alike,
                "num_reference": color.num_reference,
            },
        )


def _comparison(unusual: UnusualFact, class_name: str) -> str:
    comparative = unusual.fact.higher if unusual.high else unusual.fact.lower
    # Rounded down: only an image beyond all others is reported as such.
    percent = floor(100 * unusual.share_beyond + 1e-9)
    part = "all" if unusual.share_beyond == 1 else f"{percent} % of the"
    return f"{_capital(comparative)} than {part} {unusual.num_reference:,} training images of {class_name}"


def _trends(case: FailedCase, evidence: FailureEvidence) -> Iterator[Sentence]:
    for trend in evidence.recipes[case.recipe].trends:
        value = float(evidence.facts[trend.fact.name][case.image_index])
        for end in trend.significant:
            belongs = value >= end.edge if end.high else value <= end.edge
            if not (belongs and end.within_class.value > 0):
                continue
            yield Sentence(
                "trend",
                f"In the {trend.quarter_name(end)} of the test images, the error rate of {case.recipe} is "
                f"{100 * end.within_class.value:.0f} points higher than in other images of the same class "
                f"(over all classes {100 * end.inside:.0f} %, compared with {100 * end.elsewhere:.0f} % "
                "elsewhere).",
                {
                    "fact": trend.fact.name,
                    "value": value,
                    "high": end.high,
                    "edge": end.edge,
                    "inside": end.inside,
                    "elsewhere": end.elsewhere,
                    "within_class": end.within_class.value,
                    "adjusted_p": end.adjusted_p,
                },
            )


def _neighbors(case: FailedCase, evidence: FailureEvidence) -> Iterator[Sentence]:
    recipe = evidence.recipes[case.recipe]
    if recipe.neighbors is None:
        return
    names = evidence.predictions.class_names
    counts = recipe.neighbors.label_counts(case.image_index)
    indices = recipe.neighbors.indices[recipe.neighbors.place(case.image_index)]
    parts = [f"{names[label]} ({count})" for label, count in counts]
    if all(label != case.true for label, _ in counts):
        parts.append(f"{names[case.true]} (none)")
    yield Sentence(
        "neighbours",
        f"Labels of the {counted(len(indices), 'nearest training image')} for {case.recipe} (cosine "
        f"similarity in the penultimate layer): {listed(parts)}.",
        {
            "k": len(indices),
            "labels": {names[label]: count for label, count in counts},
            "indices": [int(index) for index in indices],
        },
    )
    if recipe.history is None:
        return
    numbers = summarize_history(recipe.history, indices)
    epoch_learned, epoch_learned_all = (
        f"{epoch:g}" if isfinite(epoch) else f"not within {recipe.history.num_epochs}"
        for epoch in (numbers["epoch_learned"], numbers["epoch_learned_all"])
    )
    yield Sentence(
        "history",
        f"Epoch at which {'it was' if len(indices) == 1 else f'these {len(indices)} were'} learned "
        f"(median): {epoch_learned}, compared with {epoch_learned_all} for all {numbers['num_all']:,} "
        f"training images; times forgotten (mean): {numbers['num_forgotten']:.1f}, compared with "
        f"{numbers['num_forgotten_all']:.1f}.",
        {name: _or_none(number) for name, number in numbers.items()},
    )


def _label_doubt(case: FailedCase, evidence: FailureEvidence) -> Iterator[Sentence]:
    doubts = evidence.doubts
    doubt = doubts.of_image(case.image_index) if doubts else None
    if doubts is None or doubt is None:
        return
    names = evidence.predictions.class_names
    yield Sentence(
        "label doubt",
        f"Label to check (rank {doubt.rank} of {len(doubts.doubts)}): averaged over all recipes, the "
        f"probability of {names[doubt.label]} is {doubt.label_probability:.2f}, that of "
        f"{names[doubt.suggested]} {doubt.suggested_probability:.2f}. These averages agree with "
        f"{100 * doubts.agreement:.0f} % of the labels of all {counted(doubts.num_images, 'test image')}.",
        {
            "rank": doubt.rank,
            "num_doubts": len(doubts.doubts),
            "num_images": doubts.num_images,
            "agreement": doubts.agreement,
            "label": names[doubt.label],
            "suggested": names[doubt.suggested],
            "label_probability": doubt.label_probability,
            "suggested_probability": doubt.suggested_probability,
        },
    )


def _class_names(case: FailedCase, evidence: FailureEvidence) -> tuple[str, str]:
    names = evidence.predictions.class_names
    return names[case.true], names[case.predicted]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _or_none(number: float) -> float | None:
    return number if isfinite(number) else None


def _p_value(p_value: float) -> str:
    return f"{p_value:.1g}" if p_value < 0.001 else f"{p_value:.3f}"
