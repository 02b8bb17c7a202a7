"""Folders of .npy files, which may be larger than memory: inputs stay in their file and are read as they are needed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Shaped

from byrote.data.arrays import from_arrays
from byrote.data.convert import image_layout
from byrote.data.dataset import Dataset
from byrote.data.inert import inert
from byrote.data.mapped import opened
from byrote.data.npz import NEEDED, OPTIONAL, text_column
from byrote.data.problems import quoted
from byrote.data.spelling import plain
from byrote.data.split import Split
from byrote.data.task import Task
from byrote.errors import BadInput

_CONVERT: Final = (
    "in blocks: new = np.lib.format.open_memmap('inputs.npy', 'w+', np.float32, old.shape), then new[a:b] = old[a:b]"
)


def is_npy_folder(name: str) -> bool:
    """Whether there is a folder of that name with an `inputs.npy`."""
    return (Path(name) / "inputs.npy").is_file()


def from_npy_folder(path: Path | str, *, task: Task | None = None, tolerance: float | None = None) -> Split:
    """Read a folder of `inputs.npy` [example, …], `targets.npy`, and what there is of `ids`, `groups`, `class_names`.

    Inputs are float32 and stay in their file: they are read a batch at a time, and never copied, centred or scaled.
    Images are channel-first. Held out are `heldout_inputs.npy` and `heldout_targets.npy`; without them nothing is.

    Raises:
        BadInput: a file is missing, damaged or of Python objects, inputs are no float32, or the content cannot be used.

    Example:
        >>> import tempfile, numpy as np
        >>> folder = tempfile.mkdtemp()
        >>> np.save(f'{folder}/inputs.npy', np.eye(4, dtype='float32'))
        >>> np.save(f'{folder}/targets.npy', np.array([0, 1, 0, 1]))
        >>> len(from_npy_folder(folder).training)
        4
    """
    folder = Path(path)
    arrays = {name: _read(folder, name) for name in (*NEEDED, *OPTIONAL) if (folder / f"{name}.npy").is_file()}
    lacking = [f"{name}.npy" for name in NEEDED if name not in arrays]
    if ("heldout_inputs" in arrays) != ("heldout_targets" in arrays):
        lacking += [f"{name}.npy" for name in ("heldout_inputs", "heldout_targets") if name not in arrays]
    if lacking:
        raise BadInput(f"The folder {str(path)!r} lacks {quoted(lacking)}.", hint="np.save(path, array) writes it.")
    for name in ("inputs", "heldout_inputs"):
        if name in arrays:
            _refuse_unfit(arrays[name], folder / f"{name}.npy")
    name = inert(folder.resolve().name) or "arrays"
    names = arrays.get("class_names")
    training = from_arrays(
        arrays["inputs"],
        _targets(arrays["targets"]),
        name=name,
        ids=_texts(arrays, "ids"),
        groups=_texts(arrays, "groups"),
        class_names=None if names is None else [inert(plain(str(one))) for one in names.ravel().tolist()],
        task=task,
        tolerance=tolerance,
    )
    notes: tuple[str, ...] = (
        "Inputs are taken as they are, and a network learns badly from features of very different sizes: save them "
        "centred and scaled."
        if training.display.kind == "row"
        else "Inputs are taken as they are.",
    )
    if "heldout_inputs" not in arrays:
        notes += ("No example is held out: save heldout_inputs.npy and heldout_targets.npy beside the others.",)
        return Split(training=training, heldout=None, notes=notes)
    return Split(training=training, heldout=_heldout(arrays, training), notes=notes)


def _heldout(arrays: Mapping[str, np.ndarray], training: Dataset) -> Dataset:
    return from_arrays(
        arrays["heldout_inputs"],
        _targets(arrays["heldout_targets"]),
        name=f"{training.name}-held-out",
        ids=_texts(arrays, "heldout_ids"),
        class_names=training.class_names or None,
        display=training.display,
        task=training.task,
    ).replace(scale=training.scale)


def _read(folder: Path, name: str) -> Shaped[np.ndarray, "..."]:
    path = folder / f"{name}.npy"
    try:
        return opened(path)
    except (ValueError, OSError, EOFError) as error:
        what = inert(str(error))[:200].rstrip(".")
        raise BadInput(
            f"The file {str(path)!r} is damaged or holds Python objects: {what}.",
            hint="np.save(path, array) writes it, of numbers or text.",
        ) from error


def _refuse_unfit(inputs: np.ndarray, path: Path) -> None:
    if inputs.dtype != np.float32:
        raise BadInput(
            f"The inputs in {str(path)!r} must be float32, so that they can stay in their file. "
            f"Got {inputs.dtype.name}.",
            hint=f"convert them {_CONVERT}.",
        )
    if not inputs.flags.c_contiguous or image_layout(inputs.shape[1:]) == "hwc":
        raise BadInput(
            f"The inputs in {str(path)!r} must lie example by example, images channel-first, so that they can stay in "
            f"their file. Got an array of shape {inputs.shape}.",
            hint=f"convert them {_CONVERT}, with np.moveaxis(old[a:b], -1, 1) for images.",
        )


def _texts(arrays: Mapping[str, np.ndarray], name: str) -> Shaped[np.ndarray, " example"] | None:
    return text_column(name, np.asarray(arrays[name])) if name in arrays else None


def _targets(targets: Shaped[np.ndarray, "example *label"]) -> Shaped[np.ndarray, "example *label"]:
    array = np.asarray(targets)
    return text_column("targets", array) if array.dtype.kind in "US" and array.ndim == 1 else array
