"""One training step of LeNet-5 (forward, backward, Adam) on one thread: PyTorch's own operations and the kernels.

    python benchmarks/lenet5_step.py [--repetitions 30] [--batch-size 128]

The ways take turns, step by step, on the same batch. Times are the thread's processor time, which other
processes on the machine do not enter (but they do heat caches and share memory); wall time is printed beside it.
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
from bakeoff.kernels import KernelSequential, describe_kernels
from bakeoff.models import LeNet5

Step = Callable[[], None]


def make_step(batch_norm: bool, memory_format: torch.memory_format, own: bool, images: Tensor, labels: Tensor) -> Step:
    torch.manual_seed(0)
    model = LeNet5(10, images.shape[-1], batch_norm=batch_norm)
    if not own:
        model.features = nn.Sequential(*model.features)
    elif not isinstance(model.features, KernelSequential):
        raise SystemExit("LeNet5 does not use the kernels")
    model = model.to(memory_format=memory_format)
    images = images.contiguous(memory_format=memory_format)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step() -> None:
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=30)
    parser.add_argument("--batch-size", type=int, default=128)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    environment = describe_environment(num_workers=1)
    print(f"{environment['processor']}, {environment['system']}, Python {platform.python_version()}")
    print(f"torch {torch.__version__} ({torch.backends.cpu.get_cpu_capability()}), kernels: {describe_kernels()}")
    generator = torch.Generator().manual_seed(0)
    images = torch.randn((arguments.batch_size, 3, 32, 32), generator=generator)
    labels = torch.randint(0, 10, (arguments.batch_size,), generator=generator)
    for batch_norm in (False, True):
        ways = {
            "eager, contiguous": make_step(batch_norm, torch.contiguous_format, False, images, labels),
            "eager, channels last": make_step(batch_norm, torch.channels_last, False, images, labels),
            "kernels, contiguous": make_step(batch_norm, torch.contiguous_format, True, images, labels),
            "kernels, channels last": make_step(batch_norm, torch.channels_last, True, images, labels),
        }
        processor: dict[str, list[float]] = {name: [] for name in ways}
        wall: dict[str, list[float]] = {name: [] for name in ways}
        for repetition in range(-3, arguments.repetitions):  # three to warm up
            for name, step in ways.items():
                wall_start, start = time.perf_counter(), time.thread_time()
                step()
                if repetition >= 0:
                    processor[name].append(1e3 * (time.thread_time() - start))
                    wall[name].append(1e3 * (time.perf_counter() - wall_start))
        eager = [name for name in ways if name.startswith("eager")]
        best_median = min(statistics.median(processor[name]) for name in eager)
        best_minimum = min(min(processor[name]) for name in eager)
        print(f"\nLeNet-5 {'with' if batch_norm else 'without'} batch norm, batch of {arguments.batch_size}, ms a step")
        print(f"{'':24}{'median':>8}{'min':>8}{'quartiles':>16}{'wall min':>10}{'ratio':>8}{'of mins':>9}")
        for name, times in processor.items():
            low, median, high = statistics.quantiles(times, n=4)
            print(
                f"{name:24}{median:8.2f}{min(times):8.2f}{f'{low:.2f}–{high:.2f}':>16}{min(wall[name]):10.2f}"
                f"{best_median / median:8.2f}{best_minimum / min(times):9.2f}"
            )


if __name__ == "__main__":
    main()
