"""One training step of LeNet-5 (forward, backward, Adam) on one thread: PyTorch's operations and the kernels.

    python benchmarks/lenet5_step.py [--repetitions 30] [--batch-size 128] [--default-adam]

PyTorch's ways step with its Adam in one operation, the kernels' as training does: by a plan, and with that
operation alone. The ways take turns, five steps each, on the same batch. Times are the thread's processor
time: other processes enter it only through caches and memory that they share. The least wall time is printed
beside it.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from bakeoff.environment import describe_environment
from bakeoff.kernels import describe_kernels
from bakeoff.models import LeNet5
from bakeoff.training.parts.loss import Loss
from bakeoff.training.step import Passes, Stepper

Step = Callable[[], None]
STEPS = 5


def make_step(
    batch_norm: bool,
    memory_format: torch.memory_format,
    kernels: bool,
    default_adam: bool,
    batch: tuple[Tensor, Tensor],
) -> Step:
    torch.manual_seed(0)
    images, labels = batch
    model: nn.Module = LeNet5(10, images.shape[-1], batch_norm=batch_norm)
    if not kernels:
        model = nn.Sequential(*model.features, *model.classifier)
    model = model.to(memory_format=memory_format)
    images = images.contiguous(memory_format=memory_format)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=not default_adam)
    stepper = Stepper(optimizer) if kernels and not default_adam else optimizer
    passes = Passes(model)

    def eager_step() -> None:
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def step() -> None:
        passes(images, Loss(labels))
        stepper.step()

    return step if kernels else eager_step


def measure(ways: dict[str, Step], repetitions: int) -> dict[str, tuple[list[float], float]]:
    """Milliseconds a step of each way: processor time in each repetition, and the least wall time.

    A repetition is several steps in a row, as in training, so that a way finds the caches as it left them.
    """
    processor: dict[str, list[float]] = {name: [] for name in ways}
    wall: dict[str, list[float]] = {name: [] for name in ways}
    for repetition in range(-1, repetitions):  # one to warm up
        for name, step in ways.items():
            step()
            wall_start, start = time.perf_counter(), time.thread_time()
            for _ in range(STEPS):
                step()
            if repetition >= 0:
                processor[name].append(1e3 / STEPS * (time.thread_time() - start))
                wall[name].append(1e3 / STEPS * (time.perf_counter() - wall_start))
    return {name: (processor[name], min(wall[name])) for name in ways}


def print_table(measured: dict[str, tuple[list[float], float]]) -> None:
    """Ratios are those of the better of PyTorch's layouts to each way."""
    eager = [times for name, (times, _) in measured.items() if name.startswith("eager")]
    best_median, best_minimum = min(map(statistics.median, eager)), min(map(min, eager))
    print(f"{'':24}{'median':>8}{'min':>8}{'quartiles':>16}{'wall min':>10}{'ratio':>8}{'of mins':>9}")
    for name, (times, wall) in measured.items():
        low, median, high = statistics.quantiles(times, n=4)
        print(
            f"{name:24}{median:8.2f}{min(times):8.2f}{f'{low:.2f}–{high:.2f}':>16}{wall:10.2f}"
            f"{best_median / median:8.2f}{best_minimum / min(times):9.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=30)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--default-adam", action="store_true", help="in all ways PyTorch's Adam by default")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    environment = describe_environment(num_workers=1)
    print(f"{environment['processor']}, {environment['system']}, Python {platform.python_version()}")
    print(f"torch {torch.__version__} ({torch.backends.cpu.get_cpu_capability()})")
    print(f"kernels: {describe_kernels()}")
    generator = torch.Generator().manual_seed(0)
    images = torch.randn((arguments.batch_size, 3, 32, 32), generator=generator)
    labels = torch.randint(0, 10, (arguments.batch_size,), generator=generator)
    layouts = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}
    for batch_norm in (False, True):
        ways = {
            f"{name}, {layout}": make_step(
                batch_norm, memory_format, kernels, arguments.default_adam, (images, labels)
            )
            for name, kernels in {"eager": False, "kernels": True}.items()
            for layout, memory_format in layouts.items()
        }
        name = f"LeNet-5 {'with' if batch_norm else 'without'} batch norm"
        print(f"\n{name}, batch of {arguments.batch_size}, ms a step")
        print_table(measure(ways, arguments.repetitions))


if __name__ == "__main__":
    main()
