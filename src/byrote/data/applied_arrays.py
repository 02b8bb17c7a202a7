"""Decisions applied to arrays: an .npz file, or a folder of .npy files, written again; nothing is ever unpickled."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Int, Shaped

from byrote.data.dataset import Dataset
from byrote.data.decisions import (
    RELABEL,
    REMOVE,
    Decision,
    number_of,
    of_several,
    refuse_strangers,
    refuse_within,
    rows_like,
)
from byrote.data.mapped import opened
from byrote.data.npy_folder import from_npy_folder
from byrote.data.npz import from_npz, member_of, read_header, read_npz
from byrote.data.problems import quoted
from byrote.data.task import Task
from byrote.errors import BadInput

#: Arrays that say nothing of single training examples, however long they are.
_OF_OTHERS: Final = ("heldout_", "class_names")
#: Inputs that stay in their file are copied so many bytes at a time.
_BLOCK: Final = 2**26


@dataclass(frozen=True, kw_only=True, eq=False)
class _Changed:
    """What is left of the examples, and their targets; `kept` is None if all are."""

    targets: Shaped[np.ndarray, "example ..."]
    kept: Int[np.ndarray, " kept"] | None

    def cuts(self, name: str, shape: Sequence[int]) -> bool:
        """Whether an array of this name and shape loses rows: it has one for each example, and some go."""
        return self.kept is not None and not name.startswith(_OF_OTHERS) and tuple(shape[:1]) == (len(self.targets),)

    def of(self, name: str, array: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
        """The array as it is to be written."""
        array = self.targets if name == "targets" else array
        return array if self.kept is None or not self.cuts(name, array.shape) else array[self.kept]


def write_npz(source: Path, out: Path, mine: Sequence[Decision], *, task: Task | None = None) -> None:
    """Write an .npz file again with other targets, and without what is to be removed.

    Every array with one row per example loses the rows of those that go, whatever its name; `class_names` and arrays
    that are held out stay, and so do all that nothing was decided on, byte for byte.

    Raises:
        BadInput: a decision is about no example or class of it, or `out` does not end in .npz.
    """
    if out.suffix.lower() != ".npz":
        raise BadInput(f"The arrays of {source.name!r} are not written to {out.name!r}.", hint="--out cleaned.npz.")
    arrays = read_npz(source)[0]
    whole = from_npz(source, heldout=0.0, task=task).training
    changed = _changed(arrays["targets"], whole, source, mine)
    with zipfile.ZipFile(source) as old:
        new = {
            info.filename: changed.of(name, member_of(old, info, name, source))
            for info in old.infolist()
            for name in [info.filename.removesuffix(".npy")]
            if name == "targets" or changed.cuts(name, _shape(old, info))
        }
        with zipfile.ZipFile(out, "w") as written:
            for info in old.infolist():
                _write_member(old, info, written, new.get(info.filename))


def _write_member(
    old: zipfile.ZipFile, info: zipfile.ZipInfo, written: zipfile.ZipFile, array: Shaped[np.ndarray, "..."] | None
) -> None:
    """A member as it is, or with this array in its place."""
    place = zipfile.ZipInfo(info.filename, info.date_time)
    place.compress_type = info.compress_type
    with written.open(place, "w", force_zip64=True) as stream:
        if array is not None:
            np.lib.format.write_array(stream, array, allow_pickle=False)
            return
        with old.open(info) as content:
            shutil.copyfileobj(content, stream)


def _shape(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[int, ...]:
    """The shape that a member declares; none of one that is no array."""
    if not info.filename.endswith(".npy"):
        return ()
    with archive.open(info) as stream:
        return read_header(stream)[0]


def write_npy_folder(source: Path, out: Path, mine: Sequence[Decision], *, task: Task | None = None) -> None:
    """Write a folder of .npy files again, as `write_npz` does; all other files are copied.

    Raises:
        BadInput: a decision is about no example or class of it, or `out` lies in it.
    """
    refuse_within(source, out)
    whole = from_npy_folder(source, task=task).training
    changed = _changed(np.asarray(opened(source / "targets.npy")), whole, source, mine)
    out.mkdir(parents=True)
    for path in sorted(source.iterdir()):
        place = out / path.name
        if path.is_dir():
            shutil.copytree(path, place)
        elif path.suffix == ".npy" and _is_changed(changed, path):
            _write(place, opened(path), changed, path.stem)
        else:
            shutil.copyfile(path, place)


def _is_changed(changed: _Changed, path: Path) -> bool:
    with path.open("rb") as stream:
        return path.stem == "targets" or changed.cuts(path.stem, read_header(stream)[0])


def _write(place: Path, array: Shaped[np.ndarray, "..."], changed: _Changed, name: str) -> None:
    """The rows that are left, some at a time where the array is larger than memory may be."""
    if name == "targets" or changed.kept is None:
        np.save(place, changed.of(name, array), allow_pickle=False)
        return
    written = np.lib.format.open_memmap(place, "w+", array.dtype, (len(changed.kept), *array.shape[1:]))
    step = max(1, _BLOCK // max(array[:1].nbytes, 1))
    for start in range(0, len(changed.kept), step):
        written[start : start + step] = array[changed.kept[start : start + step]]
    written.flush()


def _changed(
    targets: Shaped[np.ndarray, "example ..."], whole: Dataset, source: Path, mine: Sequence[Decision]
) -> _Changed:
    """The targets as they are to be, and the examples that are left."""
    refuse_strangers(mine, whole.ids.tolist(), source.name)
    rows = {name: row for row, name in enumerate(whole.ids.tolist())}
    new = [one for one in mine if one.action == RELABEL]
    if new:
        targets = _relabelled(targets, whole, [rows[one.example] for one in new], new)
    gone = [rows[one.example] for one in mine if one.action == REMOVE]
    return _Changed(targets=targets, kept=np.setdiff1d(np.arange(len(targets)), gone) if gone else None)


def _relabelled(
    targets: Shaped[np.ndarray, "example ..."], whole: Dataset, rows: Sequence[int], new: Sequence[Decision]
) -> Shaped[np.ndarray, "example ..."]:
    """The targets with the new ones.

    A class, or a set of labels, is written as the first example of it has it, a number as the array holds it.
    """
    changed = np.array(targets)
    if not whole.scale.numeric:
        names = whole.scale.kind_names(whole.class_names)
        changed[list(rows)] = targets[rows_like(new, whole.kinds, names, whole.name)]
        return changed
    if whole.scale.several:
        raise of_several(whole.name)
    numbers = np.array([number_of(one) for one in new])
    changed[list(rows)] = numbers.astype(targets.dtype)
    lost = numbers[changed[list(rows)] != numbers] if targets.dtype.kind in "biu" else numbers[:0]
    if len(lost):
        raise BadInput(
            f"The targets of {whole.name!r} have the type {targets.dtype.name}, which does not hold {quoted(lost)}.",
            hint="write whole numbers, or save the targets as float64.",
        )
    return changed
