"""The verdict on a pair of recipes: better, worse, equivalent or undecided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

VerdictName = Literal["better", "worse", "equivalent", "undecided"]


@dataclass(frozen=True)
class Verdict:
    """What the data support about B compared with A.

    Attributes
    ----------
    name
        better, worse, equivalent or undecided.
    smaller_than_margin
        B is better or worse, but by less than the margin: significant, but too small to matter.
    """

    name: VerdictName
    smaller_than_margin: bool = False


def verdict(low: float, high: float, p_adjusted: float, *, margin: float, confidence: float) -> Verdict:
    """Judge the difference B minus A from its interval.

    - better, worse: the interval excludes 0 *and* the p-value corrected for the number of pairs is below
      1 - confidence. The interval is that of the pair alone; without the second condition, one of many pairs
      would be declared better by chance.
    - equivalent: the interval lies inside (-margin, margin). Two one-sided tests, each at
      (1 - confidence) / 2; not corrected for the number of pairs.
    - undecided: neither. No winner is named.

    Parameters
    ----------
    low, high
        Of the interval of the difference, as a share (0.01 is one percentage point).
    p_adjusted
        Corrected by Holm's method for all pairs tested.
    margin
        The smallest difference that matters, as a share, above 0.
    confidence
        Of the interval, 0..1.

    References
    ----------
    Schuirmann, D. J. (1987). A comparison of the two one-sided tests procedure and the power approach for
    assessing the equivalence of average bioavailability. Journal of Pharmacokinetics and Biopharmaceutics
    15(6), 657-680.
    """
    inside = -margin < low and high < margin
    if p_adjusted < 1 - confidence and (low > 0 or high < 0):
        return Verdict("better" if low > 0 else "worse", smaller_than_margin=inside)
    return Verdict("equivalent" if inside else "undecided")
