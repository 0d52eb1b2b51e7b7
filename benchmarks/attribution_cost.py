"""What attribution costs: a pass of it per image, beside one of training, for the nets of net_steps.py.

    python benchmarks/attribution_cost.py [--nets NAME,...] [--rounds 6]

In processor time of one thread, with random images, medians of alternating rounds. The ratio is what
`COST_OF_POINT` in bakeoff.training.attribution has to cover.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from net_steps import NETS, Net, build, make_batch, trained

from bakeoff.kernels.recording.capture import capture
from bakeoff.training.attribution import NUM_STEPS, attribute_wrong_answers, images_per_call
from bakeoff.training.preprocessing import Preprocessing
from bakeoff.training.repeatable import denormals_as_zero

STEPS = 4
CALLS = 4


def seconds(work: Callable[[], object]) -> float:
    start = time.thread_time()
    work()
    return time.thread_time() - start


def measure(name: str, net: Net, rounds: int) -> None:
    batch = make_batch(net, net.batch_size)
    step, model = trained(net, batch), build(net, torch.channels_last)
    form = capture(model, batch[0][:8].contiguous(memory_format=torch.channels_last)).form_of(model)
    number = CALLS * images_per_call(net.image_size)
    draw = np.random.default_rng(0)
    shape = (number, net.image_size, net.image_size, net.channels)
    images, logits = draw.integers(0, 256, shape, np.uint8), draw.normal(size=(number, 10)).astype(np.float32)
    labels = (logits.argmax(axis=1) + 1) % 10  # all wrong
    preprocessing = Preprocessing((0.5,) * net.channels, (0.25,) * net.channels, net.image_size)

    def attribute() -> None:
        attribute_wrong_answers(form, images, labels, logits, preprocessing)

    def train() -> None:
        for _ in range(STEPS):
            step()

    first = seconds(attribute)
    train()
    times = [(seconds(train), seconds(attribute)) for _ in range(rounds)]
    training = median(one for one, _ in times) / (STEPS * net.batch_size)
    point = median(one for _, one in times) / (number * NUM_STEPS)
    print(
        f"{name:20}{1e6 * training:10.1f} us{1e6 * point:10.1f} us{point / training:8.2f}"
        f"{1e3 * (first - point * number * NUM_STEPS):10.0f} ms",
        flush=True,
    )


@denormals_as_zero()
def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nets", default=",".join(NETS), help="by default all: %(default)s")
    parser.add_argument("--rounds", type=int, default=6)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'net':20}{'training':>13}{'attribution':>13}{'ratio':>8}{'first call':>13}")
    for name in options.nets.split(","):
        measure(name, NETS[name], options.rounds)


if __name__ == "__main__":
    main()
