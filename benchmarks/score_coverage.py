"""Coverage of the intervals of every score, classes at 80 / 16 / 4 %: the table of docs/statistics/scores.md.

    python benchmarks/score_coverage.py [REPETITIONS]

A repetition draws images, seeds and predictions anew, and asks whether each interval contains the score's
expectation, which 20 draws of 20 runs on 20,000 images give.
"""

from __future__ import annotations

import sys

import numpy as np

from bakeoff.analysis.scores.by_name import SCORES, score_named
from bakeoff.analysis.statistics.crossed import crossed_interval, summarize_scores
from bakeoff.predictions import Predictions, RecipePredictions

SHARES = np.array([0.8, 0.16, 0.04])


def draw(rng: np.random.Generator, num_seeds: int, num_images: int, level: float = 1.0) -> Predictions:
    """Images, seeds and both together move the logits."""
    labels = rng.choice(3, num_images, p=SHARES)
    signal = level + rng.normal(0, 1, num_images) + rng.normal(0, 0.15, (num_seeds, 1))
    signal = signal + rng.normal(0, 0.5, (num_seeds, num_images))
    logits = rng.normal(0, 0.7, (num_images, 3)) + rng.normal(0, 0.4, (num_seeds, num_images, 3))
    logits = logits + signal[..., None] * np.eye(3)[labels] + np.log(SHARES) / 2
    chances = np.exp(logits)
    chances /= chances.sum(axis=2, keepdims=True)
    recipe = RecipePredictions(
        "r", tuple(range(num_seeds)), logits.argmax(axis=2), chances.astype(np.float32)
    )
    return Predictions(labels, tuple(map(str, range(num_images))), ("a", "b", "c"), (recipe,))


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    scores = [*SCORES.values(), score_named("top_2")]
    large = [draw(np.random.default_rng([1, number]), 20, 20_000) for number in range(20)]
    truth = {
        score.name: float(np.mean([score.of_images(drawn, "r").mean() for drawn in large]))
        for score in scores
    }
    cells = [(num_seeds, num_images) for num_images in (500, 2000) for num_seeds in (3, 5, 10)]
    print("| score | " + " | ".join(f"S = {seeds}, N = {images:,}" for seeds, images in cells) + " |")
    covered = {score.name: [0] * len(cells) for score in scores}
    for place, (num_seeds, num_images) in enumerate(cells):
        for number in range(repetitions):
            drawn = draw(np.random.default_rng([number, num_seeds]), num_seeds, num_images)
            for score in scores:
                summary = summarize_scores(*score.samples(drawn, "r"))
                interval = crossed_interval(summary, bounds=score.bounds)
                covered[score.name][place] += interval.low <= truth[score.name] <= interval.high
    for name, counts in covered.items():
        print(f"| `{name}` | " + " | ".join(f"{100 * count / repetitions:.1f}" for count in counts) + " |")


if __name__ == "__main__":
    main()
