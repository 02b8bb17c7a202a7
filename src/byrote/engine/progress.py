"""What an audit tells while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

from rich.console import Console
from rich.progress import (
    BarColumn,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text

from byrote.engine.notebook import Notebook, in_a_notebook


@runtime_checkable
class Progress(Protocol):
    """Hears how an audit goes: sentences, and how many models are done."""

    def say(self, sentence: str) -> None: ...

    def start(self, models: int, done: int, seconds: float | None) -> None: ...

    def advance(self, models_done: float, error: float | None) -> None: ...

    def stop(self) -> None: ...


class Silent:
    """Tells nothing."""

    def say(self, sentence: str) -> None:
        """Nothing."""

    def start(self, models: int, done: int, seconds: float | None) -> None:
        """Nothing."""

    def advance(self, models_done: float, error: float | None) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing."""


class _TimeLeft(ProgressColumn):
    """Time left, by an estimate at first, where there is one, and by what is done later."""

    def render(self, task: Task) -> Text:
        estimate, elapsed = task.fields["estimate"], task.elapsed or 0.0
        share = (task.completed - task.fields["first"]) / max(task.total - task.fields["first"], 1e-9)
        if share > 0.05:
            estimate = elapsed / share
        if estimate is None:
            return Text("")
        left = max(0, round(estimate - elapsed))
        return Text(f"{left // 60}:{left % 60:02d} left", style="progress.remaining")


class Terminal:
    """A progress bar on standard error, with time left and the error reached so far; `doing` is what takes the time."""

    def __init__(self, console: Console | None = None, *, doing: str = "training") -> None:
        self.console = console or Console(stderr=True)
        self.doing = doing
        self.bar: Bars | None = None
        self.started = time.monotonic()

    def say(self, sentence: str) -> None:
        """One line above the bar."""
        self.console.print(sentence, markup=False, highlight=False)

    def start(self, models: int, done: int, seconds: float | None) -> None:
        """Show the bar: `done` of `models` are there already, and the rest should take `seconds`."""
        if done:
            self.say(f"Resuming: {done} of {models} models are already trained.")
        self.bar = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.completed:.0f}/{task.total:.0f} models"),
            _TimeLeft(),
            TextColumn("{task.fields[error]}"),
            console=self.console,
        )
        self.bar.add_task(self.doing, total=models, completed=done, estimate=seconds or 0.0, error="", first=done)
        self.bar.start()

    def advance(self, models_done: float, error: float | None) -> None:
        """Move the bar; `error` is the median standard error of label memorization so far."""
        if self.bar is not None:
            words = "" if error is None else f"± {error:.2f} an example"
            self.bar.update(self.bar.tasks[0].id, completed=models_done, error=words)

    def stop(self) -> None:
        """Leave the bar as it stands."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None


def listening(progress: Progress | bool, *, doing: str = "training") -> Progress:
    """Who hears how an audit goes: nobody, whom it names, or the notebook or terminal that this is."""
    if not isinstance(progress, bool):
        return progress
    if not progress:
        return Silent()
    return Notebook(doing=doing) if in_a_notebook() else Terminal(doing=doing)


@contextmanager
def measuring(
    console: Console | None = None, what: str = "measuring and writing the report"
) -> Iterator[Callable[[float], None]]:
    """A bar on standard error, with time left, for as long as the block runs; what it yields takes the share done."""
    bar = Bars(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        _TimeLeft(),
        console=console or Console(stderr=True),
        transient=True,
    )
    task = bar.add_task(what, total=1.0, estimate=None, first=0.0)
    with bar:
        yield lambda share: bar.update(task, completed=share)
