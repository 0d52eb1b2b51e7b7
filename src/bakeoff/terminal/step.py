"""The bar of a long step, such as decoding images or a download."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class StepBar:
    """Shows how far a step has got, on a terminal only. A context manager, which removes the bar at the end.

    It needs neither PyTorch nor SciPy, which take longer to load than a small data set.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.progress: Progress | None = None

    def __enter__(self) -> StepBar:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()

    def show(self, text: str, done: int, total: int) -> None:
        """Show the step `text` at `done` of `total`, in place of the step before."""
        if not self.console.is_terminal:
            return
        if self.progress is None:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
            )
            self.progress = Progress(*columns, console=self.console, transient=True)
            self.progress.add_task(text, total=total)
            self.progress.start()
        if self.progress.tasks[0].description != text:  # the speed of the step before says nothing
            self.progress.reset(self.progress.task_ids[0])
        self.progress.update(self.progress.task_ids[0], description=text, completed=done, total=total)

    def remove(self) -> None:
        if self.progress is not None:
            self.progress.stop()
            self.progress = None
