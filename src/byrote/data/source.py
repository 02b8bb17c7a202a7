"""Data by the name of a file or folder, and the options that say how it is read."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from byrote.data.heldout import all_shared
from byrote.data.image_folder import from_image_folder
from byrote.data.npy_folder import from_npy_folder, is_npy_folder
from byrote.data.npz import from_npz
from byrote.data.problems import quoted
from byrote.data.split import HELD_OUT, Split, standardised
from byrote.data.table import SUFFIXES, from_table, read_rows
from byrote.data.tar_shards import from_tar_shards, is_shards
from byrote.data.task import Task
from byrote.data.text_table import from_text_table
from byrote.errors import BadInput

Kind = Literal["table", "npz", "images", "npy", "shards"]
WORDS: Final[Mapping[Kind, str]] = {
    "table": "a table",
    "npz": "an .npz file",
    "images": "a folder of images",
    "npy": "a folder of .npy files",
    "shards": "shards of images",
}
#: Which kinds of source each option is for.
_FOR: Final[Mapping[str, tuple[Kind, ...]]] = {
    **dict.fromkeys(("target", "group", "id", "text"), ("table",)),
    "size": ("images", "shards"),
}


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a source is read: columns of a table, size of images, the share held out; and how it is trained on."""

    target: str | Sequence[str] | None = None
    group: str | None = None
    id: str | None = None
    text: str | None = None
    size: int | None = None
    heldout: float = HELD_OUT
    task: Task | None = None
    tolerance: float | None = None
    balanced: bool = False
    epochs: int | None = None

    def __post_init__(self) -> None:
        if self.target is not None and not isinstance(self.target, str):
            several = tuple(self.target)
            object.__setattr__(self, "target", several if len(several) > 1 else several[0] if several else None)

    def describe(self) -> dict[str, Any]:
        """What was said, in JSON's types."""
        given = {name: value for name, value in asdict(self).items() if value is not None and value is not False}
        return given | ({"target": list(self.target)} if isinstance(self.target, tuple) else {})


def kind_of(name: str) -> Kind | None:
    """What a source is by its name; None where it is none of these.

    Example:
        >>> kind_of("wine.csv"), kind_of("arrays.npz"), kind_of("digits")
        ('table', 'npz', None)
    """
    lower = name.lower()
    if is_shards(name):
        return "shards"
    if os.path.isdir(name):
        return "npy" if is_npy_folder(name) else "images"
    return "table" if lower.endswith(SUFFIXES) else "npz" if lower.endswith(".npz") else None


def read_source(name: str, reading: Reading, *, seed: int) -> Split:
    """Read a table, an .npz file, a folder of .npy files or images, or shards; rows of numbers are centred and scaled.

    What stays in its file is left as it is.

    Raises:
        BadInput: an option does not fit the source, or it cannot be read.
    """
    kind = kind_of(name)
    if kind is None:
        raise BadInput(
            f"The source {name!r} does not have the ending of a data file.",
            hint=f"a table ends in {', '.join(SUFFIXES)}; arrays in .npz; shards of images in .tar; a folder contains "
            "one subfolder per class, or shards, or inputs.npy and targets.npy.",
        )
    refuse_unfit_options(reading, kind, name)
    if kind in ("images", "shards"):
        images = from_image_folder if kind == "images" else from_tar_shards
        return images(name, size=reading.size, heldout=reading.heldout, seed=seed)
    if kind == "npy":
        return from_npy_folder(name, task=reading.task, tolerance=reading.tolerance)
    if kind == "npz":
        read = from_npz(name, heldout=reading.heldout, seed=seed, task=reading.task, tolerance=reading.tolerance)
        return read if read.training.display.kind == "image" else standardised(read)
    if reading.target is None:
        columns = quoted(read_rows(name).column_names, limit=30)
        raise BadInput(
            f"Which column of the table {name!r} is the class?", hint=f"--target COLUMN; its columns are {columns}."
        )
    how: dict[str, Any] = {each: getattr(reading, each) for each in ("target", "group", "id", "task", "tolerance")}
    if reading.text is None:
        read = from_table(name, heldout=reading.heldout, seed=seed, **how)
    else:
        read = from_text_table(name, text=reading.text, heldout=reading.heldout, seed=seed, **how)
    _refuse_alike(read, name)
    return read


def _refuse_alike(read: Split, name: str) -> None:
    """Refuse a table whose rows are alike in what is learned from, so that none can be held out.

    Raises:
        BadInput: every held-out row is one trained on as well.
    """
    if read.heldout is not None and all_shared(read.heldout, read.training):
        left_out = [note for note in read.notes if "left out" in note]
        raise BadInput(
            f"Every held-out row of the table {name!r} equals a training row in all columns that are learned from.",
            hint=" ".join([*left_out, "--heldout 0 holds none out."]),
        )


def refuse_unfit_options(reading: Reading, kind: Kind | None, name: str) -> None:
    """Refuse an option that is for another kind of source.

    Raises:
        BadInput: one is.
    """
    for option in ("task", "tolerance"):
        value = getattr(reading, option)
        if value is not None and kind not in ("table", "npz", "npy"):
            what = WORDS[kind] if kind else "neither"
            raise BadInput(
                f"--{option} {value} is for a table or for arrays, and {name!r} is {what}.",
                hint=f"leave out --{option}.",
            )
    in_recipe = {"balanced": "weigh in its recipe: CrossEntropy(class_weights=…)", "epochs": "say so in its recipe"}
    for option, instead in in_recipe.items():
        if getattr(reading, option) and kind is None:
            raise BadInput(
                f"--{option} is for data of your own with no recipe, and {name!r} brings one.",
                hint=f"leave it out, and {instead}.",
            )
    for option, meant in _FOR.items():
        value = getattr(reading, option)
        if value is not None and kind not in meant:
            raise BadInput(
                f"--{option} {value} is for {WORDS[meant[0]]}, and {name!r} is {WORDS[kind] if kind else 'none'}.",
                hint=f"leave it out, or audit {WORDS[meant[0]]}.",
            )
