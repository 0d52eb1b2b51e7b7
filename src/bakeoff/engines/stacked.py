"""The engine of one GPU: the seeds of a recipe are trained at once, in one program."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from bakeoff.data import keep_in_cache, open_image_data
from bakeoff.data.image_data import ImageData
from bakeoff.engines.engine import (
    EpochDone,
    Event,
    Job,
    RunFailed,
    RunFinished,
    RunsNotStacked,
    RunStarted,
    Task,
)
from bakeoff.engines.one_run import FolderOutput, clear_log, failure_of, log_result
from bakeoff.errors import BakeoffError
from bakeoff.store import Layout, UnfinishedRun
from bakeoff.store.unfinished import unfinished_progress

if TYPE_CHECKING:
    from bakeoff.training.stacked.operations import Convolution


class StackedEngine:
    """Runs on one device, the seeds of a recipe at once; in this process.

    Parameters
    ----------
    device
        "cuda", "cuda:1" and the like, or "cpu", where it is of use for tests alone.
    stack_size
        Runs that are trained at once; by default as many as fit into the GPU's memory, on a CPU 10.
    convolution
        "grouped" or "matmul": how a stack convolves.

    Raises
    ------
    BakeoffError
        If there is no such device.
    """

    num_workers = 1
    """Stacks that go on at once: an epoch's time is shared out among the seeds of its stack."""

    def __init__(
        self, device: str = "cuda", *, stack_size: int | None = None, convolution: Convolution = "grouped"
    ) -> None:
        self.torch_device, self.stack_size, self.convolution = device, stack_size, convolution
        self.device = f"{_device_name(device)}, stacked"

    def do(self, tasks: Sequence[Task], job: Job) -> Generator[Event, None, None]:
        """Do all tasks, one recipe after another; give each event as it comes.

        Where a recipe's model cannot be stacked its runs go one after another, and an event says so.
        """
        recipes = list(dict.fromkeys(task.recipe for task in tasks))
        with _same_arithmetic():
            for recipe in recipes:
                yield from self._do_recipe([task for task in tasks if task.recipe == recipe], job)

    def _do_recipe(self, tasks: Sequence[Task], job: Job) -> Generator[Event, None, None]:
        from bakeoff.training.stacked import try_stacking

        recipe = job.study.recipes[tasks[0].recipe]
        keep_in_cache(job.data_directory)
        try:
            data = open_image_data(job.data_directory)
            stacking = try_stacking(
                recipe, [task.seed for task in tasks], data, self.torch_device, self.convolution
            )
        except BakeoffError as error:
            yield from (RunFailed(task, str(error), try_again=True) for task in tasks)
            return
        if not stacking.vectorized and len(tasks) > 1:
            yield RunsNotStacked(tasks[0], stacking.reason)
        size = min(stacking.size, self.stack_size or stacking.size)

        # Runs go on together from the same epoch.
        def epochs_done(task: Task) -> int:
            store = self._unfinished(task, job)
            progress = unfinished_progress(store.path) if store.load() is not None else None
            return progress[0] if progress else 0

        for _, group in groupby(sorted(tasks, key=epochs_done, reverse=True), key=epochs_done):
            together = list(group)
            for start in range(0, len(together), size):
                stack = together[start : start + size]
                yield from self._do_stack(stack, job, data, vectorized=stacking.vectorized)

    def _do_stack(
        self, tasks: Sequence[Task], job: Job, data: ImageData, *, vectorized: bool
    ) -> Generator[Event, None, None]:
        from bakeoff.training import EpochRecord, TrainingFailure
        from bakeoff.training.stacked import train_stacked
        from bakeoff.training.tensorboard import TensorBoardLog

        recipe = job.study.recipes[tasks[0].recipe]
        outputs = {task.seed: FolderOutput(task, job.study, Layout(job.root)) for task in tasks}
        left = {task.seed: task for task in tasks}
        yield from (RunStarted(task) for task in tasks)
        try:
            with ExitStack() as open_logs:
                logs = {}
                for task in tasks:
                    output = outputs[task.seed]
                    clear_log(output)
                    logs[task.seed] = open_logs.enter_context(TensorBoardLog(output.log_directory))
                for seed, told in train_stacked(
                    recipe,
                    [task.seed for task in tasks],
                    data,
                    self.torch_device,
                    vectorized=vectorized,
                    convolution=self.convolution,
                    observers=[[logs[task.seed]] for task in tasks],
                    state_stores=[self._unfinished(task, job) for task in tasks],
                ):
                    task = left[seed]
                    if isinstance(told, EpochRecord):
                        yield EpochDone(task, told)
                        continue
                    if isinstance(told, TrainingFailure):
                        del left[seed]
                        yield failure_of(task, told)
                        continue
                    log_result(logs[seed], task, job.study, told, data)
                    device = self.device if vectorized else self.device.removesuffix(", stacked")
                    outputs[seed].save(replace(told, device=device), data)
                    del left[seed]
                    yield RunFinished(task)
        except Exception as error:
            failure = failure_of(tasks[0], error)  # the same for all that are left; told once
            yield from (replace(failure, task=task) for task in left.values())

    def _unfinished(self, task: Task, job: Job) -> UnfinishedRun:
        """Where a run's state is kept, under this device: no run goes on with another's arithmetic."""
        path = Layout(job.root).unfinished(task.recipe, task.seed)
        return UnfinishedRun(path, f"{task.identity} on {self.device}")


@contextmanager
def _same_arithmetic() -> Iterator[None]:
    """One thread on a CPU, so that no sum depends on its cores; float32 on a GPU, not TensorFloat-32."""
    import torch

    threads, short_floats = torch.get_num_threads(), torch.backends.cudnn.allow_tf32
    torch.set_num_threads(1)
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.backends.cudnn.allow_tf32 = short_floats


def _device_name(device: str) -> str:
    """As results record it; a BakeoffError where there is no such device."""
    import torch

    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise BakeoffError(f"device {device!r} is unknown; expected cuda or cpu") from error
    if found.type == "cpu":
        return "cpu"
    if found.type != "cuda":
        raise BakeoffError(f"device {device!r}: only cuda and cpu are known")
    if not torch.cuda.is_available():
        build = "is built for CPUs alone" if torch.version.cuda is None else "finds none that it can use"
        raise BakeoffError(
            f"device {device!r}: there is no CUDA GPU here: PyTorch {torch.__version__} {build}; leave out "
            "--device, or install a PyTorch for CUDA (pytorch.org) and see that nvidia-smi lists the GPU"
        )
    return f"cuda ({torch.cuda.get_device_name(found)})"
