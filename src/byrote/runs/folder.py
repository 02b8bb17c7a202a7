"""The set-up of a run folder: everything but the evidence, the manifest last."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from filelock import FileLock, Timeout

from byrote.data.controls import Controls
from byrote.data.dataset import Dataset
from byrote.data.problems import quoted
from byrote.designs.design import ROLES, Design
from byrote.errors import BadInput, RunMismatch
from byrote.evidence.manifest import Manifest, ModelEntry, new_id
from byrote.evidence.seals import has_seal
from byrote.evidence.shards import write_bytes, write_shard
from byrote.evidence.tables import (
    CONTROLS,
    DESIGN,
    EXAMPLES,
    digest_of,
    is_the_named,
    read_controls,
    read_design,
    read_examples,
    unlike,
    write_table,
)
from byrote.runs.run import numbered

#: A group whose name was taken out.
NUMBERED = re.compile(r"group \d+")
#: Files beside the evidence whose digests the manifest has.
TABLES = (EXAMPLES, CONTROLS, DESIGN, "tokenizer.json", "canaries.json")
#: What a folder without a manifest may hold of byrote's: what was left when a process was killed.
_REMAINS = frozenset({"evidence", "results", "recorded", EXAMPLES, CONTROLS, DESIGN})
#: What byrote writes into a run folder sooner or later, over whatever has such a name.
_WRITTEN = frozenset({*TABLES, "report.html", "report.json", "card.html", "calibration.json"})


def set_up(
    folder: Path,
    manifest: Manifest,
    design: Design,
    examples: pa.Table,
    controls: Controls,
) -> Manifest:
    """Write the tables, the design and then the manifest, which names their digests: it comes last."""
    write_table(folder / EXAMPLES, examples)
    write_table(folder / CONTROLS, controls.to_table())
    write_design(folder, design)
    manifest = replace(with_digests(folder, manifest), id=new_id())
    manifest.write(folder)
    return manifest


def with_digests(folder: Path, manifest: Manifest) -> Manifest:
    """The manifest with the digests of the tables as they are in the folder."""
    there = [name for name in TABLES if (folder / name).exists()]
    return replace(manifest, tables={name: digest_of(folder / name) for name in there})


def restore(
    folder: Path,
    manifest: Manifest,
    design: Design,
    examples: pa.Table,
    controls: pa.Table,
    files: Mapping[str, bytes] | None = None,
) -> tuple[Manifest, tuple[str, ...]]:
    """Write those tables and files of a known run again that are missing, damaged or not those of the data; name them.

    A run of version 0.1.0, whose tables were compared with the data now, gets their digests and an id.
    """
    if manifest.forgotten is not None:
        examples = _without_contents(examples)
    wrong = [*_wrong_tables(folder, manifest, examples, controls)]
    if EXAMPLES in wrong:
        write_table(folder / EXAMPLES, examples)
    if CONTROLS in wrong:
        write_table(folder / CONTROLS, controls)
    if not _is_whole(lambda: _same_design(folder, manifest)):
        write_design(folder, design)
        wrong.append(DESIGN)
        manifest = replace(manifest, design=design.describe(), models=manifest.models[: design.models])
    for name, content in (files or {}).items():
        if not _is_whole(partial(is_the_named, folder / name, manifest.tables)):
            write_bytes(folder / name, content)
            wrong.append(name)
    found = replace(with_digests(folder, manifest), id=manifest.id or new_id())
    if found != manifest or DESIGN in wrong:
        found.write(folder)
    return found, tuple(wrong)


def _wrong_tables(folder: Path, manifest: Manifest, examples: pa.Table, controls: pa.Table) -> Iterator[str]:
    columns = ("example", "label") if manifest.forgotten is not None else examples.column_names
    if not _is_whole(lambda: not unlike(read_examples(folder, manifest.tables), examples.select(columns))):
        yield EXAMPLES
    if not _is_whole(lambda: read_controls(folder, manifest.tables).to_pydict() == controls.to_pydict()):
        yield CONTROLS


def _same_design(folder: Path, manifest: Manifest) -> bool:
    found = Design.from_tensors(read_design(folder, manifest.tables), manifest.design)
    return bool(found.fingerprint() == manifest.design["fingerprint"])


def _is_whole(check: Callable[[], bool]) -> bool:
    """Whether a file is there, can be read, and is what it should be."""
    try:
        return check()
    except BadInput:
        return False


def replace_examples(folder: Path, manifest: Manifest, table: pa.Table) -> Manifest:
    """Put another table of examples into a run; in between its manifest names no digest, should this be killed."""
    digests = {name: digest for name, digest in (manifest.tables or {}).items() if name != EXAMPLES}
    replace(manifest, tables=digests).write(folder)
    write_table(folder / EXAMPLES, table)
    if manifest.tables is not None:
        digests[EXAMPLES] = digest_of(folder / EXAMPLES)
    manifest = replace(manifest, tables=digests or None)
    manifest.write(folder)
    return manifest


def forget_examples(folder: Path) -> None:
    """Take the digests of the inputs out of a run's table of examples, and put numbers for the names of groups."""
    manifest = Manifest.read(folder)
    table = read_examples(folder, manifest.tables)
    kept = _without_contents(table)
    if not kept.equals(table):
        replace_examples(folder, manifest, kept)


def _without_contents(table: pa.Table) -> pa.Table:
    kept = table.drop_columns([name for name in ("content",) if name in table.column_names])
    if not names_groups(table):
        return kept
    names = numbered(np.array(table["group"].to_pylist(), np.str_)).astype(object)
    return kept.set_column(kept.column_names.index("group"), "group", pa.array(names))


def names_groups(table: pa.Table) -> bool:
    """Whether a table tells what groups are called, and not only which examples are of one."""
    return "group" in table.column_names and not all(NUMBERED.fullmatch(name) for name in table["group"].to_pylist())


def write_design(folder: Path, design: Design) -> None:
    """Write the table of who is trained on what."""
    write_shard(folder / DESIGN, design.tensors(), {"kind": "design"})


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the system lets go of it should the process die. A folder left empty is taken back.

    Raises:
        BadInput: no folder can be made there.
        RunMismatch: another process works in the folder.
    """
    made = [place for place in (folder, *folder.parents) if not os.path.exists(place)]
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


def refuse_remains(folder: Path, *, shared: bool = False, files: Mapping[str, bytes] | None = None) -> None:
    """Refuse a folder whose manifest is gone while evidence is left, or that holds files of something else.

    What byrote wrote is known by the seal that it carries; `files` are those without one that are to be written now. A
    `shared` folder may hold files of others, but none of a name that byrote writes: a training of one's own has
    checkpoints and logs to put somewhere.

    Raises:
        RunMismatch: there is such evidence.
        BadInput: it holds what no run does.
    """
    there = sorted(folder.glob("*"))
    foreign = [path.name for path in there if not path.name.startswith(".") and not _is_own(path, files or {})]
    if shared:
        foreign = [name for name in foreign if name in _WRITTEN]
    if foreign:
        raise BadInput(
            f"The folder {str(folder)!r} is not a run and contains other files: {quoted(foreign)}.",
            hint="give an empty or a new folder with --out.",
        )
    if any((folder / "evidence").rglob("*.safetensors")):
        raise RunMismatch(
            f"The folder {str(folder)!r} holds evidence without a manifest.",
            hint="remove it, or give another folder with --out.",
        )


def _is_own(path: Path, files: Mapping[str, bytes]) -> bool:
    """Whether byrote wrote a file or folder, or would write the very same."""
    if path.is_dir():
        return path.name in _REMAINS
    if not path.is_file() or path.name not in _REMAINS | _WRITTEN:
        return False
    content = path.read_bytes()
    if path.name == DESIGN:
        return b'"byrote"' in content[:4096]
    return content == files[path.name] if path.name in files else has_seal(content)


def dataset_facts(dataset: Dataset) -> dict[str, Any]:
    """What a manifest says of a dataset; contents stay out."""
    return {
        "name": dataset.name,
        "examples": len(dataset),
        "input_shape": list(dataset.inputs.shape[1:]),
        "class_names": list(dataset.kind_names),
        "fingerprint": dataset.fingerprint(),
        **dataset.scale.facts(dataset.class_names),
    }


def heldout_facts(heldout: Dataset) -> dict[str, Any]:
    """The same of held-out data; `groups` numbers the person or document of each example, where there are any."""
    if heldout.groups is None:
        return dataset_facts(heldout)
    return {**dataset_facts(heldout), "groups": np.unique(heldout.groups, return_inverse=True)[1].tolist()}


def model_entries(design: Design, seeds: list[int] | None, origin: str) -> tuple[ModelEntry, ...]:
    """One entry per model."""
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
    packages = {name: _version(name) for name in ("byrote", "torch", "numpy", "scipy", "safetensors")}
    return {
        "python": platform.python_version(),
        "packages": packages,
        "machine": platform.machine(),
        "system": platform.system(),
        "cores": os.cpu_count(),
    }


@cache
def _version(package: str) -> str:
    return version(package)


def now() -> str:
    """The time, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
