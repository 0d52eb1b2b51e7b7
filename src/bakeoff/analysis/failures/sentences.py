"""Sentences about a failed case, each composed from measurements and carrying them.

They say what goes with a failure, never that it is the cause.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import floor, isfinite, isnan
from typing import Any, Literal

from bakeoff.analysis.failures.attribution_maps import at_border, gathered
from bakeoff.analysis.failures.cases import FailedCase
from bakeoff.analysis.failures.evidence import FailureEvidence
from bakeoff.analysis.failures.groups import GroupName
from bakeoff.analysis.failures.learning_history import summarize_history
from bakeoff.analysis.failures.unusual import UnusualFact, unusual_color, unusual_facts

FindingKind = Literal[
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
class Finding:
    """One sentence and the numbers in it.

    Attributes
    ----------
    kind
        What it is about.
    text
        Plain text; class and recipe names stand in it as the user wrote them.
    numbers
        What the text says, unrounded, by name: numbers, class names, or None for a number there is not.
    """

    kind: FindingKind
    text: str
    numbers: dict[str, Any]


def describe(case: FailedCase, evidence: FailureEvidence) -> tuple[Finding, ...]:
    """Say what was measured about a failed case, the runs' answers first.

    Parameters
    ----------
    case
        From `evidence.case` or `evidence.chosen_cases`.
    evidence
        From `gather_evidence`.
    """
    return (
        _answers(case, evidence),
        _confusion(case, evidence),
        _group(case, evidence),
        *_attribution(case, evidence),
        *_unusual(case, evidence),
        *_trends(case, evidence),
        *_neighbors(case, evidence),
        *_label_doubt(case, evidence),
    )


def _answers(case: FailedCase, evidence: FailureEvidence) -> Finding:
    true, predicted = _class_names(case, evidence)
    text = f"{case.num_wrong} of {_count(case.num_seeds, 'seed')} of {case.recipe} "
    text += f"{'is' if case.num_wrong == 1 else 'are'} wrong about this {true} image; "
    text += (
        f"{case.num_predicted} of {case.num_seeds} {'says' if case.num_predicted == 1 else 'say'} {predicted}"
    )
    if not isnan(case.predicted_probability):
        text += f", with a mean probability of {case.predicted_probability:.2f}. "
        text += (
            f"Over all {_count(case.num_seeds, 'seed')}, {true} gets {case.true_probability:.2f} on average"
        )
    return Finding(
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


def _confusion(case: FailedCase, evidence: FailureEvidence) -> Finding:
    true, predicted = _class_names(case, evidence)
    return Finding(
        "confusion",
        f"A run of {case.recipe} takes {case.confusion_count:.1f} of the "
        f"{_count(case.num_class_images, 'test image')} of {true} for {predicted} "
        f"({100 * case.confusion_share:.1f} %), mean over {_count(case.num_seeds, 'seed')}.",
        {
            "true": true,
            "predicted": predicted,
            "mean_count": case.confusion_count,
            "num_class_images": case.num_class_images,
            "share": case.confusion_share,
            "num_seeds": case.num_seeds,
        },
    )


_GROUP_ENDINGS: dict[GroupName, str] = {
    "decided by the recipe": "luck of the seeds would hardly make them so different",
    "luck of the seed": "luck of the seeds may make them so different",
}


def _group(case: FailedCase, evidence: FailureEvidence) -> Finding:
    group = evidence.groups.name(case.image_index)
    p_value = float(evidence.groups.p_value[case.image_index])
    right = {
        name: (int(recipe.difficulty.num_right[case.image_index]), recipe.difficulty.num_seeds)
        for name, recipe in evidence.recipes.items()
    }
    shares = _listed(
        [f"{count} of {_count(seeds, 'seed')} of {name}" for name, (count, seeds) in right.items()]
    )
    text = f"{group.capitalize()}: right in {shares}"
    if len(right) > 1 and group in _GROUP_ENDINGS:
        num_images = evidence.predictions.num_images
        text += (
            f"; {_GROUP_ENDINGS[group]} (exact test, p = {_p_value(p_value)}, one of {num_images:,} images)"
        )
    return Finding(
        "group",
        text + ".",
        {
            "group": group,
            "num_right": {name: count for name, (count, _) in right.items()},
            "num_seeds": {name: seeds for name, (_, seeds) in right.items()},
            "p_value": p_value,
            "num_images": evidence.predictions.num_images,
        },
    )


def _attribution(case: FailedCase, evidence: FailureEvidence) -> Iterator[Finding]:
    maps = evidence.recipes[case.recipe].attributions
    place = maps.place(case.image_index) if maps else None
    if maps is None or place is None:
        return
    true, predicted = _class_names(case, evidence)
    num_runs = int(maps.num_runs[place])
    for where, standing in (("gathered", gathered(maps, place)), ("border", at_border(maps, place))):
        if standing is None:
            continue
        here = f"{100 * standing.value:.0f} %"
        text = f"What speaks for {predicted} over {true} "
        text += f"(integrated gradients, mean over {_count(num_runs, 'run')}) "
        if where == "gathered":
            text += f"is gathered: half of it lies in {here} of the image"
        else:
            text += (
                f"lies at the border: {here} of it in the outer eighth, "
                f"which is {100 * maps.border_area:.0f} % of the image"
            )
        yield Finding(
            "attribution",
            f"{text}; the median of the {_count(standing.num_reference, 'failed case')} of {case.recipe} "
            f"with as many runs is {100 * standing.median:.0f} %.",
            {
                "where": where,
                "true": true,
                "predicted": predicted,
                "num_runs": num_runs,
                "value": standing.value,
                "median": standing.median,
                "share_beyond": standing.share_beyond,
                "num_reference": standing.num_reference,
            }
            | ({"border_area": maps.border_area} if where == "border" else {}),
        )


def _unusual(case: FailedCase, evidence: FailureEvidence) -> Iterator[Finding]:
    true, _ = _class_names(case, evidence)
    values = {name: float(fact[case.image_index]) for name, fact in evidence.facts.items()}
    for unusual in unusual_facts(values, case.true, evidence.norms):
        yield Finding(
            "fact",
            f"{_beyond(unusual, true)} ({unusual.fact.name} {unusual.value:.3g}, "
            f"their median {unusual.median:.3g}).",
            {
                "fact": unusual.fact.name,
                "value": unusual.value,
                "high": unusual.high,
                "share_beyond": unusual.share_beyond,
                "median": unusual.median,
                "num_reference": unusual.num_reference,
            },
        )
    color = unusual_color(int(evidence.colors[case.image_index]), case.true, evidence.norms)
    if color is not None:
        yield Finding(
            "colour",
            f"Its most frequent color is {color.color}, as in {color.num_alike} of the "
            f"{color.num_reference:,} training images of {true}.",
            {
                "colour": color.color,
                "num_alike": color.num_alike,
                "num_reference": color.num_reference,
            },
        )


def _beyond(unusual: UnusualFact, class_name: str) -> str:
    comparative = unusual.fact.higher if unusual.high else unusual.fact.lower
    # Rounded down: an image not beyond all others is never said to be beyond 100 %.
    percent = floor(100 * unusual.share_beyond + 1e-9)
    part = "all" if unusual.share_beyond == 1 else f"{percent} % of the"
    return f"{_capital(comparative)} than {part} {unusual.num_reference:,} training images of {class_name}"


def _trends(case: FailedCase, evidence: FailureEvidence) -> Iterator[Finding]:
    for trend in evidence.recipes[case.recipe].trends:
        value = float(evidence.facts[trend.fact.name][case.image_index])
        for end in trend.claimed:
            belongs = value >= end.edge if end.high else value <= end.edge
            # A quarter that is harder only for the classes in it says nothing about this image in its class.
            if not (belongs and end.difference.value > 0 and end.within_class.low > 0):
                continue
            yield Finding(
                "trend",
                f"It is in the {trend.quarter_name(end)} of the test images, where {case.recipe} is wrong "
                f"about {100 * end.inside:.0f} % against {100 * end.elsewhere:.0f} % elsewhere "
                f"({100 * end.within_class.value:.0f} points more than other images of the same class).",
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


def _neighbors(case: FailedCase, evidence: FailureEvidence) -> Iterator[Finding]:
    recipe = evidence.recipes[case.recipe]
    if recipe.neighbors is None:
        return
    names = evidence.predictions.class_names
    counts = recipe.neighbors.label_counts(case.image_index)
    indices = recipe.neighbors.indices[recipe.neighbors.place(case.image_index)]
    parts = [f"{count} {'is' if count == 1 else 'are'} labeled {names[label]}" for label, count in counts[:1]]
    parts += [f"{count} {names[label]}" for label, count in counts[1:]]
    if all(label != case.true for label, _ in counts):
        parts.append(f"none {names[case.true]}")
    yield Finding(
        "neighbours",
        f"Of the {_count(len(indices), 'training image')} nearest to it for {case.recipe} (cosine in the "
        f"penultimate layer), {_listed(parts)}.",
        {
            "k": len(indices),
            "labels": {names[label]: count for label, count in counts},
            "indices": [int(index) for index in indices],
        },
    )
    if recipe.history is None:
        return
    summary = summarize_history(recipe.history, indices)
    here, everywhere = (
        f"{epoch:g}" if isfinite(epoch) else f"not within {recipe.history.num_epochs}"
        for epoch in (summary.epoch_learned, summary.epoch_learned_all)
    )
    yield Finding(
        "history",
        f"Epoch from which {'it is' if len(indices) == 1 else f'these {len(indices)} are'} known for good "
        f"(median): {here}, against {everywhere} for all {summary.num_all:,} training images; times "
        f"forgotten (mean): {summary.num_forgotten:.1f} against {summary.num_forgotten_all:.1f}.",
        {
            "num_images": summary.num_images,
            "num_all": summary.num_all,
            "num_epochs": recipe.history.num_epochs,
            "epoch_learned": _or_none(summary.epoch_learned),
            "epoch_learned_all": _or_none(summary.epoch_learned_all),
            "num_forgotten": summary.num_forgotten,
            "num_forgotten_all": summary.num_forgotten_all,
        },
    )


def _label_doubt(case: FailedCase, evidence: FailureEvidence) -> Iterator[Finding]:
    doubts = evidence.doubts
    doubt = doubts.of_image(case.image_index) if doubts else None
    if doubts is None or doubt is None:
        return
    names = evidence.predictions.class_names
    yield Finding(
        "label doubt",
        f"A label to check (number {doubt.rank} of the {len(doubts.doubts)} most doubtful): averaged over "
        f"all recipes, {names[doubt.label]} gets {doubt.label_probability:.2f} and {names[doubt.suggested]} "
        f"{doubt.suggested_probability:.2f}. These averages agree with {100 * doubts.agreement:.0f} % of the "
        f"labels of all {_count(doubts.num_images, 'test image')}.",
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


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _listed(parts: Sequence[str]) -> str:
    """Join as `a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _or_none(number: float) -> float | None:
    return number if isfinite(number) else None


def _p_value(p_value: float) -> str:
    return f"{p_value:.1g}" if p_value < 0.001 else f"{p_value:.3f}"
