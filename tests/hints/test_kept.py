"""Hints about weights that a recorder keeps are followed: each mends the case that brought it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from torch import nn

from byrote.cli.app import app
from byrote.data.dataset import Dataset
from byrote.engine.afterwards import probe
from byrote.recording import kept
from byrote.recording.journal import Journal
from byrote.recording.kept import Kept
from byrote.recording.recorder import Recorder
from byrote.runs.run import Run
from followed import Case, each, follow
from recording.own_loop import DATA, OWN, recorded

MOVED = DATA.replace(inputs=np.asarray(DATA.inputs) * 3 + 5)


def kept_at(asked: str) -> Callable[[Path], Any]:
    """A recorder that keeps weights."""
    return lambda folder: Recorder(folder / asked, examples=3, keep_weights_at=asked)


def squeezed(asked: str) -> Callable[[Path], Any]:
    """Weights of a network where there is room for one set of them."""

    def keep(folder: Path) -> Any:
        journal = Journal(folder / "run", 0)
        with patch.object(kept, "BYTES", 2 * 4 * 12):
            Kept(asked).keep(journal, nn.Linear(3, 3), rank=0, epochs=0, classes=3)

    return keep


def probed(name: str, *, at: str | None = "checkpoints", data: Dataset = DATA) -> Callable[[Path], Any]:
    """A recorded run is given data and its network, and probed."""

    def ask(folder: Path) -> Any:
        out = folder / str(at)
        if not out.exists():
            recorded(out, epochs=1, passes=(0, 1), at=at)
        run = Run.open(out)
        return probe(run if at is None else run.attach(data, OWN), name)

    return ask


def commanded(*options: str) -> Callable[[Path], Any]:
    """The same by a command."""

    def ask(folder: Path) -> Any:
        probed("gradient_norm")(folder)
        program = folder / "my_experiment.py"
        program.write_text(
            "from recording.own_loop import DATA, OWN\n\n"
            "def dataset():\n    return DATA\n\ndef recipe():\n    return OWN\n"
        )
        words = [str(program) if option == "FILE" else option for option in options]
        app(["probe", str(folder / "checkpoints"), "last_layer", *words], standalone_mode=False)

    return ask


KEPT = (
    Case(name="the best of a loop", wrong=kept_at("best"), says='"checkpoints"', right=kept_at("checkpoints")),
    Case(name="no room", wrong=squeezed("0,1"), says='keep_weights_at="last"', right=squeezed("last")),
    Case(
        name="a loop without weights",
        wrong=probed("rewinding,permutations=1", at=None),
        says='Recorder(…, keep_weights_at="checkpoints")',
        right=probed("rewinding,permutations=1"),
    ),
    Case(
        name="a loop without weights of its end",
        wrong=probed("gradient_norm", at=None),
        says='Recorder(…, keep_weights_at="checkpoints")',
        right=probed("gradient_norm"),
    ),
    Case(
        name="other inputs",
        wrong=probed("rewinding,permutations=1", data=MOVED),
        says="scaled alike",
        right=probed("rewinding,permutations=1"),
    ),
    Case(
        name="a network that nobody knows",
        wrong=commanded(),
        says="--source my_experiment.py, with dataset() and recipe()",
        right=commanded("--source", "FILE"),
    ),
)


@each(*KEPT)
def test_hints_of_kept_weights_are_followed(case: Case, tmp_path: Path) -> None:
    follow(case, tmp_path)
