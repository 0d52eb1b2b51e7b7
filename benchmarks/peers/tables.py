"""What was measured as tables: medians, spreads, ratios."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from peer_list import PEERS, REFERENCE
from scipy.stats import ttest_ind
from work import EPOCHS, RECIPES

Speed = Mapping[str, Mapping[str, Sequence[float]]]
"""Seconds by peer and place, of one recipe."""
SEEDS = 10
"""Of the whole study."""


def tables(results: Mapping[str, Any]) -> Iterator[str]:
    """Each table as Markdown, of what the results hold."""
    speed = results.get("speed", {})
    for recipe, found in speed.items():
        yield epoch_table(recipe, found)
    if set(RECIPES) <= set(speed):
        yield study_table(results)
    if "study" in results:
        yield stages_table(results["study"])
    if "accuracy" in results:
        yield accuracy_table(results["accuracy"])
    for name, missing in results.get("left_out", {}).items():
        yield f"LEFT OUT: {name}, for want of {', '.join(missing)}"


def spread(values: Sequence[float]) -> str:
    """Median, least and largest."""
    digits = 3 if statistics.median(values) < 10 else 0
    return f"{statistics.median(values):.{digits}f} | {min(values):.{digits}f} to {max(values):.{digits}f}"


def ratio(values: Sequence[float], ours: Sequence[float]) -> str:
    """Median of the repetitions' ratios, least and largest; what one repetition measured is paired."""
    ratios = [value / our for value, our in zip(values, ours, strict=False)]
    return f"{statistics.median(ratios):.2f} | {min(ratios):.2f} to {max(ratios):.2f}"


def ratio_to(values: Sequence[float], ours: Sequence[float]) -> str:
    return ratio(values, ours) if ours else " | "


def epoch_table(recipe: str, found: Speed) -> str:
    """Wall and processor time, each with its ratio to Bakeoff's."""
    lines = [
        f"Seconds an epoch of {recipe} on one core, for each seed",
        "",
        "| | wall | range | times Bakeoff's | range | processor | range | times Bakeoff's | range |",
        "| --- " * 9 + "|",
    ]
    for name in PEERS:
        places = found.get(name, {})
        if "one" not in places:
            continue
        cells = [name]
        for place in ("one", "one processor"):
            cells.append(spread(of_each_seed(name, places[place])))
            ours = found["Bakeoff"][place] if "Bakeoff" in found else None
            cells.append(ratio(of_each_seed(name, places[place]), ours) if ours else " | ")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def of_each_seed(name: str, seconds: Sequence[float]) -> list[float]:
    return [value / PEERS[name].seeds_at_once for value in seconds]


def study_table(results: Mapping[str, Any]) -> str:
    speed: Mapping[str, Speed] = results["speed"]
    cores = len(results["cores"])
    recipes = list(RECIPES)
    peers = [name for name in PEERS if all(name in speed[recipe] for recipe in recipes)]
    lines = [
        f"Seconds of the whole study, {len(recipes)} recipes x {SEEDS} seeds x {EPOCHS} epochs, on {cores} "
        "cores: start-up once and measured epochs times their number (extrapolated)",
        "",
        "| | median | range | times Bakeoff's | range |",
        "| --- | --- | --- | --- | --- |",
    ]
    estimates = {
        name: whole_study(name, [speed[recipe][name] for recipe in recipes], cores)
        for name in peers
        if name != "notebook"
    }
    if "notebook" in peers:
        notebook = speed[recipes[0]]["notebook"]
        one_run = [max(notebook["start"]) + EPOCHS * seconds for seconds in notebook["all"]]
        estimates["notebook, all threads, ONE recipe and ONE seed"] = one_run
    whole = [
        run["seconds"] for run in results.get("study", ()) if (run["seeds"], run["epochs"]) == (SEEDS, EPOCHS)
    ]
    ours = [statistics.median(whole)] * 10**3 if whole else estimates.get("Bakeoff", ())
    for name, seconds in estimates.items():
        lines.append(f"| {name} | {spread(seconds)} | {ratio_to(seconds, ours)} |")
    for name in peers:
        seconds = whole_study_undisturbed(name, [speed[recipe][name] for recipe in recipes], cores)
        if seconds:
            lines.append(f"| {name}, by processor time | {spread(seconds)} | {ratio_to(seconds, ours)} |")
    if whole:
        lines.append(f"| `bakeoff run`, measured whole, {len(whole)} times | {spread(whole)} | 1 | |")
    for name, repetitions in results.get("runs", {}).items():
        by_seeds = [
            statistics.median(max(speed[recipe][name]["start"]) for recipe in recipes)
            + SEEDS / cores * sum(run["seconds"].values())
            for run in repetitions
            if set(run["seconds"]) == set(recipes) and run["epochs"] == EPOCHS
        ]
        if by_seeds:
            lines.append(
                f"| {name}, whole runs times seeds | {spread(by_seeds)} | {ratio_to(by_seeds, ours)} |"
            )
    for seconds in results.get("notebook", ()):
        lines.append(f"| notebook, one run measured whole | {seconds:.0f} | | {seconds / ours[0]:.2f} | |")
    return "\n".join(lines)


def whole_study(name: str, by_recipe: Sequence[Mapping[str, Sequence[float]]], cores: int) -> list[float]:
    """Seconds estimated from each repetition; a process a core, or one on all."""
    place = "each" if "each" in PEERS[name].places else "all"
    at_once = PEERS[name].seeds_at_once * (cores if place == "each" else 1)
    return _estimate(by_recipe, place, at_once)


def whole_study_undisturbed(
    name: str, by_recipe: Sequence[Mapping[str, Sequence[float]]], cores: int
) -> list[float]:
    """The same from the processor time of a process a core: what it takes where nothing else runs."""
    if "each" not in PEERS[name].places:
        return []  # threads that wait for one another in a loop spend processor time
    return _estimate(by_recipe, "each processor", PEERS[name].seeds_at_once * cores**2)


def _estimate(by_recipe: Sequence[Mapping[str, Sequence[float]]], place: str, at_once: int) -> list[float]:
    start = statistics.median(max(places["start"]) for places in by_recipe)
    repetitions = zip(*(places[place] for places in by_recipe), strict=False)
    return [start + SEEDS * EPOCHS / at_once * sum(epochs) for epochs in repetitions]


def stages_table(runs: Sequence[Mapping[str, float]]) -> str:
    """Where the time of `bakeoff run` goes, and the most memory."""
    lines = [
        "`bakeoff run`, wall seconds; memory in MiB",
        "",
        "| study | all | decoding | training | report | processor | all epochs | worker | driver |",
        "| --- " * 9 + "|",
    ]
    for run in runs:
        parts = ("seconds", "decoding", "training", "report", "processor", "epochs_seconds")
        cells = [f"{run['recipes']} x {run['seeds']} x {run['epochs']} epochs"]
        cells += [f"{run[part]:.1f}" for part in parts]
        cells += [f"{run[part]:.0f}" for part in ("peak_worker", "peak_driver")]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def accuracy_table(accuracy: Mapping[str, Any]) -> str:
    """Means over seeds, and the p value of Welch's test against the reference peer."""
    seeds, epochs = accuracy["seeds"], accuracy["epochs"]
    recipes = list(accuracy["found"])
    lines = [
        f"Test accuracy in % after {epochs} epochs, mean of {seeds} seeds and its standard error; p of "
        f"Welch's test against {REFERENCE}",
        "",
        f"| | {' | '.join(f'{recipe} | p' for recipe in recipes)} |",
        f"| --- {'| --- | --- ' * len(recipes)}|",
    ]
    names = list(accuracy["found"][recipes[0]])
    smallest = 1.0
    for name in names:
        cells = []
        for recipe in recipes:
            found = accuracy["found"][recipe]
            values = [100 * value for value in found[name]]
            error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
            p = ""
            if name != REFERENCE and REFERENCE in found and len(values) > 1:
                p_value = ttest_ind(found[name], found[REFERENCE], equal_var=False).pvalue
                smallest, p = min(smallest, p_value), f"{p_value:.2f}"
            cells.append(f"{statistics.mean(values):.2f} ± {error:.2f} | {p}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    tests = (len(names) - 1) * len(recipes)
    verdict = "no peer differs" if smallest * tests > 0.05 else "PEERS DIFFER: they do not do the same work"
    lines += ["", f"Smallest p {smallest:.3f} of {tests} tests (Bonferroni, level 0.05): {verdict}."]
    return "\n".join(lines)
