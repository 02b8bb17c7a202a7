"""The set-up of a run folder: everything but the evidence, the manifest last."""

from __future__ import annotations

import io
import os
import platform
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from byrote.data.controls import Controls
from byrote.data.dataset import Dataset
from byrote.data.problems import quoted
from byrote.data.task import Numbers, Scale
from byrote.designs.design import ROLES, Design
from byrote.errors import BadInput, RunMismatch
from byrote.evidence.manifest import Manifest, ModelEntry
from byrote.evidence.shards import write_bytes, write_shard
from byrote.evidence.tables import CONTROLS, DESIGN, EXAMPLES, read_controls, read_design, read_examples
from byrote.run import numbered

#: A group whose name was taken out.
NUMBERED = re.compile(r"group \d+")
#: How the names begin of what byrote writes into a run folder beside the manifest.
OWN = ("evidence", "results", "recorded", EXAMPLES, CONTROLS, DESIGN, "tokenizer", "canaries", "report", "card")


def set_up(
    folder: Path,
    manifest: Manifest,
    design: Design,
    ids: np.ndarray,
    labels: np.ndarray,
    controls: Controls,
    *,
    contents: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    numbers: np.ndarray | None = None,
) -> None:
    """Write the tables, the design, and then the manifest: where it stands, the rest does.

    `contents` are digests of the inputs, where there are inputs to digest; `groups` the person or document that each
    example belongs to, `numbers` the targets of a regression.
    """
    _write_examples(folder, ids, labels, contents, groups, numbers)
    _write_controls(folder, controls)
    _write_design(folder, design)
    manifest.write(folder)


def restore(folder: Path, design: Design, dataset: Dataset) -> tuple[str, ...]:
    """Write those tables of a known run again that are missing or damaged, and name them."""

    def examples() -> None:
        _write_examples(folder, dataset.ids, dataset.kinds, dataset.contents(), dataset.groups, dataset.numbers)

    written = []
    for name, read, write in (
        (EXAMPLES, read_examples, examples),
        (CONTROLS, read_controls, lambda: _write_controls(folder, dataset.controls)),
        (DESIGN, read_design, lambda: _write_design(folder, design)),
    ):
        try:
            read(folder)
        except BadInput:
            write()
            written.append(name)
    return tuple(written)


def _write_examples(
    folder: Path,
    ids: np.ndarray,
    labels: np.ndarray,
    contents: np.ndarray | None,
    groups: np.ndarray | None = None,
    numbers: np.ndarray | None = None,
) -> None:
    columns = {"example": ids.astype(object), "label": labels}
    if contents is not None:
        columns["content"] = contents.astype(object)
    if groups is not None:
        columns["group"] = groups.astype(object)
    if numbers is not None:
        columns["target"] = numbers
    write_bytes(folder / EXAMPLES, _parquet(pa.table(columns)))


def forget_examples(folder: Path) -> None:
    """Take the digests of the inputs out of a run's table of examples, and put numbers for the names of groups."""
    table = read_examples(folder)
    kept = table.drop_columns([name for name in ("content",) if name in table.column_names])
    if names_groups(table):
        names = numbered(np.array(table["group"].to_pylist(), np.str_)).astype(object)
        kept = kept.set_column(kept.column_names.index("group"), "group", pa.array(names))
    if not kept.equals(table):
        write_bytes(folder / EXAMPLES, _parquet(kept))


def names_groups(table: pa.Table) -> bool:
    """Whether a table tells what groups are called, and not only which examples are of one."""
    return "group" in table.column_names and not all(NUMBERED.fullmatch(name) for name in table["group"].to_pylist())


def _write_controls(folder: Path, controls: Controls) -> None:
    write_bytes(folder / CONTROLS, _parquet(controls.to_table()))


def _write_design(folder: Path, design: Design) -> None:
    write_shard(folder / DESIGN, design.tensors(), {"kind": "design"})


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the system lets go of it should the process die. A folder left empty is taken back.

    Raises:
        BadInput: no folder can be made there.
        RunMismatch: another process works in the folder.
    """
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise RunMismatch(
            f"Another process is at work in the run folder {str(folder)!r}.",
            hint="wait for it, stop it, or give another folder with --out.",
        ) from None
    except OSError as error:
        raise BadInput(
            f"The run folder {str(folder)!r} cannot be made: {error.strerror or error}.",
            hint="give another folder with --out.",
        ) from error
    try:
        yield
    finally:
        if made:
            _take_back(made)
        lock.release()


def _take_back(made: list[Path]) -> None:
    """Remove folders that were made in vain, the innermost first, up to the first that holds something."""
    folder = made[0]
    if {path.name for path in folder.rglob("*")} <= {".lock", "evidence"}:
        (folder / ".lock").unlink(missing_ok=True)
        for place in (folder / "evidence", *made):
            if place.is_dir() and not any(place.iterdir()):
                place.rmdir()


def refuse_remains(folder: Path, *, shared: bool = False) -> None:
    """Refuse a folder whose manifest is gone while evidence is left, or that holds files of something else.

    A `shared` folder may hold those: a training of one's own has checkpoints and logs to put somewhere.

    Raises:
        RunMismatch: there is such evidence.
        BadInput: it holds what no run does.
    """
    names = sorted(path.name for path in folder.glob("*"))
    foreign = [name for name in names if not name.startswith((".", *OWN))]
    if foreign and not shared:
        raise BadInput(
            f"The folder {str(folder)!r} is no run and holds other files: {quoted(foreign)}.",
            hint="give an empty or a new folder with --out.",
        )
    if any((folder / "evidence").rglob("*.safetensors")):
        raise RunMismatch(
            f"The folder {str(folder)!r} holds evidence without a manifest.",
            hint="remove it, or give another folder with --out.",
        )


def dataset_facts(dataset: Dataset) -> dict[str, Any]:
    """What a manifest says of a dataset; contents stay out."""
    return {
        "name": dataset.name,
        "examples": len(dataset),
        "input_shape": list(dataset.inputs.shape[1:]),
        "class_names": list(dataset.kind_names),
        "fingerprint": dataset.fingerprint(),
        **({} if dataset.scale is None else task_facts(dataset.scale, dataset.class_names)),
    }


def heldout_facts(heldout: Dataset) -> dict[str, Any]:
    """The same of held-out data; `groups` numbers the person or document of each example, where there are any."""
    if heldout.groups is None:
        return dataset_facts(heldout)
    return {**dataset_facts(heldout), "groups": np.unique(heldout.groups, return_inverse=True)[1].tolist()}


def task_facts(scale: Scale, names: Sequence[str]) -> dict[str, Any]:
    """What a manifest says beside of targets that are no classes; `class_names` are then of sets, or of fifths."""
    if isinstance(scale, Numbers):
        return {"task": scale.task, **scale.facts()}
    return {"task": scale.task, "label_names": list(names)}


def model_entries(design: Design, seeds: list[int] | None, origin: str) -> tuple[ModelEntry, ...]:
    """One entry a model."""
    return tuple(
        ModelEntry(
            index=model,
            origin=origin,
            role=ROLES[design.role[model]],
            pair=int(design.pair[model]),
            seed=None if seeds is None else seeds[model],
        )
        for model in range(design.models)
    )


def environment() -> dict[str, Any]:
    """Versions and machine, as far as they bear on the numbers."""
    packages = {name: version(name) for name in ("byrote", "torch", "numpy", "scipy", "safetensors")}
    return {
        "python": platform.python_version(),
        "packages": packages,
        "machine": platform.machine(),
        "system": platform.system(),
        "cores": os.cpu_count(),
    }


def now() -> str:
    """The time, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
