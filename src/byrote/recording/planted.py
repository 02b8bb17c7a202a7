"""What was planted in the data of a recording: examples whose problem is known, such as wrong labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Int, Shaped

from byrote.data.controls import LABEL_NOISE, WRONG_LABELS, Controls
from byrote.data.controls import planted as of_kind
from byrote.data.problems import quoted
from byrote.errors import BadInput
from byrote.evidence.tables import read_table, write_table
from byrote.recording.journal import FOLDER

#: The table of what was planted, where that was told.
PLANTED: Final = "controls.parquet"
_HINT: Final = "restore the folder from a copy, or record again into another one."

#: Controls of a dataset, or the true label of each example whose label was made wrong.
Given = Controls | Mapping[Any, Any]


def controls_of(given: Given, ids: Sequence[str], class_names: Sequence[str] | None) -> Controls:
    """What was planted, under the names of examples and classes that a recording has.

    Examples are named as in `ids`; true labels are numbers of classes or their names. Without `class_names` classes
    are called by their numbers.

    Raises:
        BadInput: an example or a true label is unknown.

    Example:
        >>> controls_of({2: 0}, ["0", "1", "2"], None).original.tolist()
        ['0']
    """
    if not isinstance(given, Controls):
        names = None if class_names is None else dict(enumerate(map(str, class_names)))
        given = of_kind(LABEL_NOISE, [str(one) for one in given], [_name(one, names) for one in given.values()])
    strange = sorted(set(given.example.tolist()) - set(ids))
    if strange:
        raise BadInput(
            f"The 'controls' argument of Recorder names examples that are not there: {quoted(strange)}.",
            hint=f"name them as Recorder(ids=…) does, or by position where there are none; here as {quoted(ids[:3])}.",
        )
    true = set(given.original[np.isin(given.kind, WRONG_LABELS)].tolist())
    unknown = sorted(one for one in true if (one not in class_names if class_names else not one.isdecimal()))
    if unknown:
        raise BadInput(
            f"The 'controls' argument of Recorder names true labels that are no classes: {quoted(unknown)}.",
            hint="controls={example: true label}, a number of a class, or with class_names=… its name.",
        )
    return given


def _name(label: Any, names: Mapping[int, str] | None) -> str:
    """The name of a class that is given by its number or its name."""
    number = not isinstance(label, str)
    return str(label) if names is None or not number else names.get(int(label), str(label))


def told(folder: Path, controls: Controls) -> None:
    """Keep what was planted in the journal of a recording.

    Raises:
        BadInput: another model of it was told something else.
    """
    before = _read(folder)
    if before is not None and before.to_table() != controls.to_table():
        raise BadInput(
            f"The recording in {str(folder)!r} was told of other planted examples by an earlier model.",
            hint="give every Recorder of a folder the same controls=…, or another folder.",
        )
    write_table(folder / FOLDER / PLANTED, controls.to_table())


def planted_in(
    folder: Path,
    ids: Shaped[np.ndarray, " example"],
    labels: Int[np.ndarray, " example"],
    class_names: Sequence[str],
) -> tuple[Controls, list[str]]:
    """What was planted in a recording, and notes on what was left out.

    An example whose label was never another than the true one has no planted label.
    """
    controls = _read(folder)
    if controls is None:
        return Controls(), []
    right = controls.mask(ids, LABEL_NOISE) & (controls.true_labels(ids, labels, class_names) == labels)
    if not right.any():
        return controls, []
    keep = ~((controls.kind == LABEL_NOISE) & np.isin(controls.example, ids[right]))
    note = f"{int(right.sum())} examples that controls= names were trained with their true label; they are no controls."
    return Controls(controls.example[keep], controls.kind[keep], controls.original[keep]), [note]


def _read(folder: Path) -> Controls | None:
    path = folder / FOLDER / PLANTED
    return Controls.from_table(read_table(path, hint=_HINT)) if path.exists() else None
