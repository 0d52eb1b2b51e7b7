"""What the tests of hostile input share."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, settings

from bakeoff.errors import BakeoffError

settings.register_profile(
    "hostile",
    derandomize=True,
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("hostile")


@contextmanager
def _refused(*words: str, seconds: float = 10) -> Iterator[None]:
    start = time.perf_counter()
    with pytest.raises(BakeoffError) as caught:
        yield
    message = str(caught.value)
    assert time.perf_counter() - start < seconds
    for word in words:
        assert word in message, message
    assert len(message) < 20_000


@pytest.fixture
def refused() -> Callable:
    """A context in which a BakeoffError of a readable length with these words is raised, soon."""
    return _refused
