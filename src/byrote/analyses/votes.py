"""What models say of each example that were not trained on it, and what those say that were."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Int

from byrote.runs.run import Run

#: Votes are counted for blocks of examples of about so many (example, class) cells.
BLOCK_CELLS = 2**22
_COUNTED: WeakKeyDictionary[Run, Votes] = WeakKeyDictionary()


@dataclass(frozen=True, kw_only=True, eq=False)
class Votes:
    """How many models predict what of each example.

    Of the `models` that were not trained on it, most predict the class `most`, -1 where there are no such models:
    `votes` of them do, and `right` of them predict its label. Of the `trained` models that were trained on it, `repeat`
    predict its label.
    """

    most: Int[np.ndarray, " example"]
    votes: Int[np.ndarray, " example"]
    models: Int[np.ndarray, " example"]
    right: Int[np.ndarray, " example"]
    trained: Int[np.ndarray, " example"]
    repeat: Int[np.ndarray, " example"]


def votes(run: Run) -> Votes:
    """The votes of a run, counted once.

    Raises:
        MissingEvidence: what the models predict was not recorded.
    """
    if run not in _COUNTED:
        _COUNTED[run] = _counted(run)
    return _COUNTED[run]


def _counted(run: Run) -> Votes:
    count = len(run.ids)
    most = np.full(count, -1, np.int64)
    cast, models, right, trained, repeat = np.zeros((5, count), np.int64)
    size = max(1, BLOCK_CELLS // max(len(run.class_names), 1))
    for start in range(0, count, size):
        rows = np.arange(start, min(start + size, count))
        found = run.votes(rows)
        cast[rows], models[rows] = found.max(1), found.sum(1)
        right[rows] = found[np.arange(len(rows)), run.labels[rows]]
        most[rows] = np.where(models[rows] > 0, found.argmax(1), -1)
    for model in run.models():
        member = run.member[model] == 1
        trained += member
        repeat += member & (run.load("outputs.prediction", [int(model)])[0] == run.labels)
    return Votes(most=most, votes=cast, models=models, right=right, trained=trained, repeat=repeat)
