"""McNemar's exact test against statsmodels and mlxtend."""

import numpy as np
import pytest
from mlxtend.evaluate import mcnemar as mlxtend_mcnemar
from mlxtend.evaluate import mcnemar_table
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from bakeoff.analysis.statistics.mcnemar import mcnemar_exact


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.5, 0.7), (0.9, 0.95)])
def test_mcnemar_agrees_with_statsmodels_and_mlxtend(shares: tuple[float, float]) -> None:
    rng = np.random.default_rng(1)
    a, b = (rng.random(120) < share for share in shares)
    table = mcnemar_table(np.ones(120, int), a.astype(int), b.astype(int))
    assert mcnemar_exact(a, b) == pytest.approx(float(statsmodels_mcnemar(table, exact=True).pvalue))
    assert mcnemar_exact(a, b) == pytest.approx(mlxtend_mcnemar(table, exact=True)[1])


def test_models_that_never_disagree_have_p_one() -> None:
    same = np.array([True, False, True])
    assert mcnemar_exact(same, same) == 1
