"""Whether more seeds can still decide a pair of recipes, or the test images are the limit."""

from __future__ import annotations

import math

from scipy.special import stdtr

from bakeoff.analysis.crossed_interval import CrossedInterval
from bakeoff.analysis.what_it_takes import image_half_width


def chance_of_decision(difference: CrossedInterval, *, margin: float, confidence: float) -> float:
    """Predict the chance that an undecided pair would be decided if it had seeds without end.

    With h the half-width that the images alone leave (`image_half_width`), the pair would be better or worse
    where the difference d' over all those seeds is beyond h, and equivalent where it is inside margin - h.
    d' is predicted from the difference d so far: d' = d + sqrt(V - s_img / N) t, t with the degrees of
    freedom of V, since the images stay and only the luck of the seeds so far goes. An estimate, from few
    seeds a rough one.

    Parameters
    ----------
    difference
        As it is, with its variance.
    margin
        The smallest difference that matters, the score's unit.
    confidence
        Of the intervals, 0..1.

    Returns
    -------
    float
        0..1; 1 where a recipe has one seed, so that nothing is known about seeds.

    References
    ----------
    Predictive power: Spiegelhalter, D. J., Freedman, L. S. and Blackburn, P. R. (1986). Monitoring clinical
    trials: conditional or predictive power? Controlled Clinical Trials 7(1), 8-17.
    """
    parts = difference.parts
    if not parts.seeds_known:
        return 1.0
    limit = image_half_width(parts, confidence)
    spread = math.sqrt(max(parts.variance - parts.image_component / parts.num_images, 0.0))

    def below(value: float) -> float:
        if spread == 0:
            return float(difference.value < value)
        return float(stdtr(parts.degrees_of_freedom, (value - difference.value) / spread))

    beyond = below(-limit) + 1 - below(limit)
    inside = below(margin - limit) - below(limit - margin) if limit < margin else 0.0
    return min(beyond + inside, 1.0)
