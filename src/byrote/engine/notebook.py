"""What an audit tells while it runs in a notebook: a bar that needs no widgets."""

from __future__ import annotations

import sys
import time
from html import escape
from importlib import import_module
from typing import Any, Final

#: A bar moves at most so often, in seconds: each move is a message to the browser.
OFTEN: Final = 0.2


def in_a_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    shell = sys.modules.get("IPython")
    return "ipykernel" in sys.modules and shell is not None and getattr(shell.get_ipython(), "kernel", None) is not None


class Notebook:
    """The browser's own bar below the cell, with time left and the error reached so far."""

    def __init__(self, *, doing: str = "training") -> None:
        self.doing = doing
        self.handle: Any = None
        self.models, self.first = 0, 0
        self.seconds: float | None = None
        self.started = self.moved = time.monotonic()

    def say(self, sentence: str) -> None:
        """One line below the cell."""
        _display(f"<div>{escape(sentence)}</div>")

    def start(self, models: int, done: int, seconds: float | None) -> None:
        """Show the bar: `done` of `models` are there already, and the rest should take `seconds`."""
        if done:
            self.say(f"Resuming: {done} of {models} models are already trained.")
        self.models, self.first, self.seconds = models, done, seconds
        self.started = time.monotonic()
        self.handle = _display(self._bar(done, ""), display_id=True)

    def advance(self, models_done: float, error: float | None) -> None:
        """Move the bar; `error` is the median standard error of label memorization so far."""
        now = time.monotonic()
        if self.handle is None or (now - self.moved < OFTEN and models_done < self.models):
            return
        self.moved = now
        words = "" if error is None else f"± {error:.2f} an example"
        self.handle.update(_html(self._bar(models_done, words)))

    def stop(self) -> None:
        """Leave the bar as it stands."""
        self.handle = None

    def _bar(self, done: float, words: str) -> str:
        share, elapsed = (done - self.first) / max(self.models - self.first, 1e-9), time.monotonic() - self.started
        seconds = elapsed / share if share > 0.05 else self.seconds
        left = "" if seconds is None else _minutes(max(0.0, seconds - elapsed))
        told = ", ".join(part for part in (f"{done:.0f}/{self.models} models", left, words) if part)
        return f'<div>{escape(self.doing)} <progress max="{self.models}" value="{done:g}"></progress> {told}</div>'


def _minutes(seconds: float) -> str:
    return f"{round(seconds) // 60}:{round(seconds) % 60:02d} left"


def _html(text: str) -> Any:
    return _shown().HTML(text)


def _display(text: str, **how: Any) -> Any:
    return _shown().display(_html(text), **how)


def _shown() -> Any:
    return import_module("IPython.display")
