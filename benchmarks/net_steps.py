"""One training step of eight small nets on one thread: PyTorch's operations, and the step that Bakeoff makes.

    python benchmarks/net_steps.py [--nets NAME,...] [--rounds 12] [--batch-size N] [--compile]

A step is forward, backward and the fused optimizer. PyTorch's ways are eager in both memory formats, and
`torch.compile` on request (half a minute for each net); Bakeoff's is that of its training loop, with whatever
kernels apply. All ways of a net take turns in one process, two steps each, on the same batch. Times are the
thread's processor time: other processes enter it only through caches and memory that they share. The C
library's allocator is told to keep what it has (mallopt), for all ways alike: else PyTorch's times depend on
what was allocated before, because the system clears memory that was given back.

Prints a table: milliseconds of a step, median (least); the ratio of the medians of PyTorch's faster memory
format and of Bakeoff, with the quartiles of the ratios of single rounds; which layers the kernels compute,
and the share of Bakeoff's step that passes in them.
"""

from __future__ import annotations

import argparse
import ctypes
import platform
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.profiler import profile

from bakeoff.environment import describe_environment
from bakeoff.kernels import describe_kernels
from bakeoff.kernels.library import BoundCall, using
from bakeoff.kernels.recording.capture import capture
from bakeoff.models import LeNet5
from bakeoff.models.resnet import ResNet
from bakeoff.training.parts.loss import Criterion, Loss
from bakeoff.training.repeatable import denormals_as_zero
from bakeoff.training.step import Passes, Stepper

Step = Callable[[], object]
STEPS = 2
BAKEOFF = "Bakeoff"
WAYS = ("eager", "eager, channels last", BAKEOFF, "compiled, channels last")
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4

KINDS = {
    "convolutions": ("aten::convolution",),
    "linear": ("aten::linear",),
    "batch norms": ("aten::batch_norm",),
    "poolings": ("aten::max_pool2d", "aten::avg_pool2d", "aten::mean"),
}
"""Layers by the operations of PyTorch that compute them."""


class Tutorial(nn.Module):
    """LeNet-5 as tutorials write it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), (2, 2))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


class Fashion(nn.Module):
    """For 28 x 28 pixels in gray: two convolutions of 32 channels, dropout, two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, padding=1)
        self.conv2 = nn.Conv2d(32, 32, 3, padding=1)
        self.dropout = nn.Dropout(0.25)
        self.fc1 = nn.Linear(32 * 7 * 7, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = self.dropout(torch.flatten(x, 1))
        return self.fc2(F.relu(self.fc1(x)))


def vgg(widths: tuple[int, ...] = (32, 64, 128)) -> nn.Sequential:
    layers: list[nn.Module] = []
    before = 3
    for width in widths:
        for channels in (before, width):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
        layers.append(nn.MaxPool2d(2))
        before = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10))


def separable() -> nn.Sequential:
    """As MobileNet, for 32 x 32: a 3 x 3 convolution within each channel, then one of 1 x 1 between them."""
    layers: list[nn.Module] = [nn.Conv2d(3, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU()]
    for before, after, stride in ((32, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1)):
        layers += [
            nn.Conv2d(before, before, 3, stride, padding=1, groups=before, bias=False),
            nn.BatchNorm2d(before),
            nn.ReLU(),
            nn.Conv2d(before, after, 1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10))


adam = partial(torch.optim.Adam, lr=1e-5)
sgd = partial(torch.optim.SGD, lr=1e-4, momentum=0.9, nesterov=True, weight_decay=1e-3)


@dataclass(frozen=True)
class Net:
    """A net with the size of its images and the batch of the published goals."""

    title: str
    build: Callable[[], nn.Module]
    batch_size: int = 128
    image_size: int = 32
    channels: int = 3
    optimizer: Callable[..., torch.optim.Optimizer] = adam
    criterion: Criterion = F.cross_entropy


NETS = {
    "lenet5": Net("LeNet-5", partial(LeNet5, 10, 32)),
    "lenet5_batch_norm": Net("LeNet-5 with batch norm", partial(LeNet5, 10, 32, batch_norm=True)),
    "lenet5_96": Net("LeNet-5, 96 x 96", partial(LeNet5, 10, 96), image_size=96),
    "small_best": Net(
        "residual net of small-best",
        partial(ResNet, 10, widths=(10, 20, 36), blocks=(2, 2, 2)),
        batch_size=64,
        optimizer=sgd,
        criterion=partial(F.cross_entropy, label_smoothing=0.1),
    ),
    "fashion": Net("Fashion-MNIST, 32 + 32", Fashion, batch_size=64, image_size=28, channels=1),
    "vgg": Net("VGG-like, 32 / 64 / 128", vgg),
    "separable": Net("depthwise separable", separable, batch_size=64),
    "tutorial": Net("LeNet-5 as in tutorials", Tutorial),
}


def settle_allocator() -> bool:
    """Whether the C library's allocator now keeps freed memory instead of giving it back to the system."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):
        return False
    return bool(library.mallopt(M_MMAP_MAX, 0)) and bool(library.mallopt(M_TRIM_THRESHOLD, 2**31 - 1))


def make_batch(net: Net, size: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (size, net.channels, net.image_size, net.image_size)
    return torch.randn(shape, generator=generator), torch.randint(0, 10, (size,), generator=generator)


def build(net: Net, layout: torch.memory_format) -> nn.Module:
    torch.manual_seed(0)
    return net.build().train().to(memory_format=layout)  # type: ignore[call-overload, no-any-return]


def eager(
    net: Net, batch: tuple[Tensor, Tensor], layout: torch.memory_format, compiled: bool = False
) -> Step:
    images, labels = batch[0].contiguous(memory_format=layout), batch[1]
    model = build(net, layout)
    optimizer = net.optimizer(model.parameters(), fused=True)
    forward = torch.compile(model) if compiled else model

    def step() -> None:
        with using("none, to time PyTorch"):
            loss = net.criterion(forward(images), labels)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    return step


def trained(net: Net, batch: tuple[Tensor, Tensor]) -> Step:
    """As `bakeoff.training.loop` makes it."""
    images, labels = batch[0].contiguous(memory_format=torch.channels_last), batch[1]
    model = build(net, torch.channels_last)
    form = capture(model, images[:8]).form_of(model)
    passes, stepper = Passes(form), Stepper(net.optimizer(model.parameters(), fused=True))

    def step() -> None:
        passes(images, Loss(labels, net.criterion))
        stepper.step()

    return step


def take_turns(ways: dict[str, Step], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of a step in each round, by way."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(-1, rounds):  # one to warm up
        for name, step in ways.items():
            step()  # so that a way finds the caches as it left them
            start = time.thread_time()
            for _ in range(STEPS):
                step()
            if number >= 0:
                times[name].append(1e3 / STEPS * (time.thread_time() - start))
    return times


def layers_of(step: Step) -> Counter[str]:
    """How many layers of each kind PyTorch computes."""
    with profile(use_kineto=False) as recorded:
        step()
    calls = Counter(event.name for event in recorded.function_events or ())
    return Counter({kind: sum(calls[name] for name in names) for kind, names in KINDS.items()})


def share_of_kernels(step: Step, steps: int = 10) -> float:
    """Of a step's time, what passes in calls of the kernels."""
    inside = 0.0
    call = BoundCall.__call__

    def timed(bound: BoundCall) -> None:
        nonlocal inside
        start = time.perf_counter()
        call(bound)
        inside += time.perf_counter() - start

    BoundCall.__call__ = timed  # type: ignore[method-assign]
    try:
        start = time.perf_counter()
        for _ in range(steps):
            step()
        return inside / (time.perf_counter() - start)
    finally:
        BoundCall.__call__ = call  # type: ignore[method-assign]


def measure(net: Net, size: int, rounds: int, with_compile: bool) -> None:
    batch = make_batch(net, size)
    steps = [
        eager(net, batch, torch.contiguous_format),
        eager(net, batch, torch.channels_last),
        trained(net, batch),
        *([eager(net, batch, torch.channels_last, compiled=True)] if with_compile else []),
    ]
    ways = dict(zip(WAYS, steps, strict=False))
    times = take_turns(ways, rounds)
    best = min(WAYS[:2], key=lambda name: statistics.median(times[name]))
    ratios = [base / own for base, own in zip(times[best], times[BAKEOFF], strict=True)]
    low, _, high = statistics.quantiles(ratios, n=4)
    ratio = statistics.median(times[best]) / statistics.median(times[BAKEOFF])
    whole, rest = layers_of(ways[best]), layers_of(ways[BAKEOFF])
    replaced = [f"{total - rest[kind]} of {total} {kind}" for kind, total in whole.items() if total]
    columns = [f"{net.title}, {net.image_size} x {net.image_size} ({size})"]
    columns += [f"{statistics.median(own):.2f} ({min(own):.2f})" for own in times.values()]
    columns += [f"{ratio:.2f} ({low:.2f}–{high:.2f})", ", ".join(replaced)]
    columns += [f"{share_of_kernels(ways[BAKEOFF]):.0%}"]
    print(f"| {' | '.join(columns)} |", flush=True)


@denormals_as_zero()
def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nets", default=",".join(NETS), help="by default all: %(default)s")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--batch-size", type=int, help="by default 128, or 64 for the nets trained so")
    parser.add_argument("--compile", action="store_true", help="torch.compile too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    environment = describe_environment(num_workers=1)
    print(f"{environment['processor']}, {environment['system']}, Python {platform.python_version()}")
    print(f"torch {torch.__version__} ({torch.backends.cpu.get_cpu_capability()})")
    print(f"kernels: {describe_kernels()}; allocator {'settled' if settle_allocator() else 'as it comes'}")
    headings = [
        "net (batch)",
        *WAYS[: 3 + options.compile],
        "ratio (quartiles)",
        "computed by kernels",
        "share",
    ]
    print(f"\n| {' | '.join(headings)} |\n|{' --- |' * len(headings)}")
    for name in options.nets.split(","):
        net = NETS[name]
        measure(net, options.batch_size or net.batch_size, options.rounds, options.compile)


if __name__ == "__main__":
    main()
