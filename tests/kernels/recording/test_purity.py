"""What code may read while it is recorded: what means the same later, or can be compared."""

import functools
import math
import random
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from bakeoff.kernels import sequential
from bakeoff.kernels.recording import purity
from bakeoff.kernels.recording.purity import Impure, Purity, is_fixed, is_plain_value, is_users_file

FIXED = (
    1,
    "a",
    None,
    (1, 2.0),
    [1, [2]],
    {"a": (1,)},
    torch.float32,
    F.relu,
    torch.flatten,
    torch.nn,
    math,
    len,
)
FIXED += (torch.nn.ReLU, functools.partial(F.leaky_relu, negative_slope=0.1), lambda: 0, is_fixed)
LOOSE = (random, time, time.time, random.random, random.choice, np.random.default_rng(0), torch.Generator())
LOOSE += ([].append, threading.Lock(), object(), {"a": object()}, functools.partial(print, [object()]))


def test_what_means_the_same_later():
    assert [value for value in FIXED if not is_fixed(value)] == []
    assert [value for value in LOOSE if is_fixed(value)] == []


def test_plain_values_hold_nothing_else():
    assert is_plain_value({"a": [1, (2, {"b"})]})
    assert not is_plain_value([lambda: 0])


def run(function):
    purity = Purity()
    with purity.watching():
        function()
    return purity


def test_code_around_a_function_is_looked_at():
    calls, width = [0], 3

    def counts():
        calls[0] += 1

    def reads():
        return width + 1

    with pytest.raises(Impure, match=r"test_purity\.py:\d+, counts, changes an element"):
        run(counts)
    assert run(reads).names == set()


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda: torch.zeros(2), "a tensor of its own"),
        (lambda: print("x"), "uses print"),
        (lambda: torch.no_grad().__enter__(), "no_grad"),
        (lambda: setattr(F, "x", 1), "uses setattr"),
        (lambda: 1 + time.time(), "reads the global time"),
    ],
)
def test_what_code_must_not_do(function, message):
    with pytest.raises(Impure, match=message):
        run(function)
    assert torch.is_grad_enabled()


def test_a_list_of_the_code_around_cannot_be_told():
    seen = [0]
    with pytest.raises(Impure, match="reads seen of the code around it"):
        run(lambda: seen[0])


def test_code_of_the_kernels_is_not_a_users() -> None:
    assert not any(is_users_file(Path(module.__file__)) for module in (sequential, purity, F))
    assert is_users_file(Path(__file__))
