"""NumPy's .npz: named arrays in a zip file; nothing in it is ever unpickled."""

from __future__ import annotations

import math
import sys
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Shaped

from byrote.data.arrays import from_arrays
from byrote.data.convert import brightest, image_layout, listed
from byrote.data.dataset import Dataset
from byrote.data.inert import inert, inert_texts
from byrote.data.problems import Problems, quoted
from byrote.data.room import refuse_beyond_memory
from byrote.data.spelling import plain_texts
from byrote.data.split import HELD_OUT, Split, held_out, split
from byrote.data.task import Task
from byrote.errors import CHECK_THE_PATH, BadInput

NEEDED: Final = ("inputs", "targets")
OPTIONAL: Final = ("ids", "groups", "class_names", "heldout_inputs", "heldout_targets", "heldout_ids")
DAMAGED: Final = "the file is damaged: copy it again, or write it again with np.savez"
#: Deflate cannot expand further than this, so a larger claim is false before a byte is unpacked.
LARGEST_EXPANSION: Final = 1032
SLACK: Final = 1024
_HEADERS: Final = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def from_npz(
    path: Path | str,
    *,
    heldout: float = HELD_OUT,
    seed: int = 0,
    task: Task | None = None,
    tolerance: float | None = None,
) -> Split:
    """Read `inputs` [example, …] and `targets` [example], and what there is of `ids`, `groups` and `class_names`.

    `task` and `tolerance` are as in `from_arrays`.

    Where the file holds `heldout_inputs` and `heldout_targets` these are held out; otherwise a share `heldout` of each
    class is, or whole groups where there are any. Any other array is left out, and the notes say so. Images of whole
    numbers are scaled as in `from_arrays`, held-out ones as the others.

    Raises:
        BadInput: the file is missing, damaged or no .npz, lacks an array, or its content cannot be used.

    Example:
        >>> import tempfile, numpy as np
        >>> folder = tempfile.mkdtemp()
        >>> np.savez(f'{folder}/d.npz', inputs=np.eye(4), targets=[0, 1, 0, 1])
        >>> len(from_npz(f'{folder}/d.npz', heldout=0.0).training)
        4
    """
    path = Path(path)
    arrays, unused = read_npz(path)
    arrays, scaled = _scaled(arrays, path)
    columns = {name: array for name, array in arrays.items() if array.dtype.kind in "US" and array.ndim == 1}
    arrays = {**arrays, **{name: text_column(name, array) for name, array in columns.items()}}
    names = arrays.get("class_names")
    class_names = None if names is None else [str(name) for name in names.ravel()]
    notes = (*scaled, *((f"The file holds more arrays, which are left out: {quoted(unused)}.",) if unused else ()))
    name = inert(path.name.partition(".")[0]) or "arrays"
    whole = from_arrays(
        arrays["inputs"],
        arrays["targets"],
        name=name,
        ids=arrays.get("ids"),
        groups=arrays.get("groups"),
        class_names=class_names,
        task=task,
        tolerance=tolerance,
    )
    if "heldout_inputs" not in arrays:
        return split(whole, held_out(whole.kinds, whole.groups, share=heldout, seed=seed), notes=notes)
    other = _heldout(arrays, whole)
    return Split(training=whole, heldout=other, notes=notes)


def text_column(name: str, array: Shaped[np.ndarray, " example"]) -> Shaped[np.ndarray, " example"]:
    """A column of texts with nothing in it that would act; names are spelled as everywhere, ids stay as they are."""
    texts = listed(array)
    return inert_texts(texts if name.endswith("ids") else plain_texts(texts))


def read_npz(path: Path) -> tuple[Mapping[str, Shaped[np.ndarray, "..."]], tuple[str, ...]]:
    """The arrays of these names, and the names of the others, which are not read.

    No more is unpacked than a member's own header declares, and that must fit its size.

    Raises:
        BadInput: the file is missing, damaged or no .npz, or an array is missing or of Python objects.
    """
    if path.exists() and not path.is_file():  # opening a pipe would wait for its writer
        raise BadInput(f"{str(path)!r} is not a file.", hint=CHECK_THE_PATH)
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            _refuse_lacking(path, set(members))
            wanted = [name for name in (*NEEDED, *OPTIONAL) if name in members]
            arrays: dict[str, np.ndarray] = {name: member_of(archive, members[name], name, path) for name in wanted}
    except FileNotFoundError:
        raise BadInput(f"There is no file {str(path)!r}.", hint=CHECK_THE_PATH) from None
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise _damaged(path, error) from None
    except (RuntimeError, ValueError, OSError) as error:  # encrypted or packed otherwise, a header that is no header
        raise _damaged(path, error) from error
    return arrays, tuple(inert(name) for name in sorted(set(members) - set(arrays)))


def _damaged(path: Path, error: Exception) -> BadInput:
    return BadInput(
        f"The file {str(path)!r} is damaged or no .npz: {inert(str(error))[:200]}.",
        hint="write it with np.savez(path, inputs=…, targets=…).",
    )


def _refuse_lacking(path: Path, members: set[str]) -> None:
    lacking = [name for name in NEEDED if name not in members]
    if ("heldout_inputs" in members) != ("heldout_targets" in members):
        lacking += [name for name in ("heldout_inputs", "heldout_targets") if name not in members]
    if lacking:
        raise BadInput(
            f"The file {str(path)!r} lacks the array {' and '.join(map(repr, lacking))}; it holds "
            f"{quoted(sorted(members), limit=10) or 'none'}.",
            hint="write it with np.savez(path, inputs=…, targets=…), and ids=…, groups=… if there are any.",
        )


def member_of(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, path: Path) -> Shaped[np.ndarray, "..."]:
    """One array of the file `path`.

    Raises:
        BadInput: it holds Python objects, declares more than it can hold, or does not fit into memory.
    """
    problems = Problems(path.name)
    with archive.open(info) as stream:
        shape, fortran, dtype = read_header(stream)
        if dtype.hasobject:
            raise BadInput(
                f"The array {name!r} of {str(path)!r} holds Python objects, which byrote never unpickles.",
                hint="save numbers or text, as np.array(values, dtype=str).",
            )
        declared = math.prod(shape) * dtype.itemsize
        bound = info.compress_size * LARGEST_EXPANSION + SLACK
        if declared > info.file_size or info.file_size > bound:
            problems.add(f"the array {name!r} declares {declared} bytes, more than it can hold", DAMAGED)
            problems.settle()
        refuse_beyond_memory(f"The array {name!r} of {str(path)!r}", declared)
        content = stream.read(declared)
        if len(content) < declared or stream.read(1):
            problems.add(f"the array {name!r} does not hold the {declared} bytes that it declares", DAMAGED)
            problems.settle()
    flat = np.frombuffer(content, dtype, count=math.prod(shape))
    if dtype.kind == "U" and content and np.frombuffer(content, dtype.str[0] + "u4").max() > sys.maxunicode:
        problems.add(f"the array {name!r} holds numbers that are no characters", DAMAGED)
        problems.settle()
    return np.reshape(flat, shape, order="F" if fortran else "C").astype(dtype.newbyteorder("="), copy=False)


def read_header(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, order and type that an .npy stream declares; what follows is not read.

    Raises:
        ValueError: it is no such header.
    """
    version = np.lib.format.read_magic(stream)
    if version not in _HEADERS:
        raise ValueError(f"its .npy version is {version[0]}.{version[1]}")
    try:
        shape, fortran, dtype = _HEADERS[version](stream)
    except (tokenize.TokenError, RecursionError, MemoryError, TypeError, OverflowError) as error:
        raise ValueError("its header is none") from error  # whatever Python's parser makes of it
    if any(side < 0 for side in shape):
        raise ValueError(f"its shape is {shape}")
    return shape, fortran, dtype


def _scaled(
    arrays: Mapping[str, np.ndarray], path: Path
) -> tuple[Mapping[str, Shaped[np.ndarray, "..."]], tuple[str, ...]]:
    """Images of whole numbers from 0 to 1, held-out ones by the same number as the others, and a note of it."""
    parts = {name: arrays[name] for name in ("inputs", "heldout_inputs") if name in arrays}
    types = {part.dtype.name for part in parts.values()}
    if image_layout(arrays["inputs"].shape[1:]) is None or all(part.dtype.kind not in "biu" for part in parts.values()):
        return arrays, ()
    if len(types) > 1:
        raise BadInput(
            f"The inputs and the held-out inputs of {str(path)!r} are images of the types {quoted(sorted(types))}.",
            hint="save both in one type, as inputs.astype(np.uint8), and of the same range.",
        )
    by = max((brightest(part) for part in parts.values() if part.size), default=1.0)
    below = any((part < 0).any() for part in parts.values())
    if by == 1 or below:
        return arrays, ()
    notes = () if "uint8" in types else (f"Images are divided by {by:.0f}, so that their numbers go from 0 to 1.",)
    scaled = {name: np.divide(part, np.float32(by), dtype=np.float32) for name, part in parts.items()}
    return {**arrays, **scaled}, notes


def _heldout(arrays: Mapping[str, np.ndarray], whole: Dataset) -> Dataset:
    other = from_arrays(
        arrays["heldout_inputs"],
        arrays["heldout_targets"],
        name=f"{whole.name}-held-out",
        ids=arrays.get("heldout_ids"),
        class_names=whole.class_names or None,
        display=whole.display,
        task=whole.task,
    ).replace(scale=whole.scale)
    if other.inputs.shape[1:] != whole.inputs.shape[1:]:
        raise BadInput(
            f"The held-out inputs of {whole.name!r} have the shape {other.inputs.shape[1:]} per example, "
            f"the training inputs {whole.inputs.shape[1:]}.",
            hint="bring both to one shape; they must be prepared alike.",
        )
    return other
