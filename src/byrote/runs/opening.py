"""The one place where a run folder comes into being, or is gone on with, whoever brings its evidence.

Models that byrote trains, models of others that are read, recorded trainings, imported arrays and others' files all
come through here: the folder is held, a run that is there is compared and its tables are mended, or a new one gets its
tables, its design and, last, its manifest.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from byrote.data.controls import Controls
from byrote.data.dataset import Dataset
from byrote.designs.design import Design
from byrote.errors import BadInput, RunMismatch
from byrote.evidence.manifest import FILE, Manifest, ModelEntry, refuse_mismatch
from byrote.evidence.shards import write_bytes
from byrote.evidence.tables import examples_table
from byrote.runs.folder import (
    environment,
    hold,
    model_entries,
    now,
    refuse_remains,
    restore,
    set_up,
    with_digests,
    write_design,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Tables:
    """What a run folder holds beside its evidence.

    `ids[example]`, `labels[example]`; `contents[example]` are digests of the inputs, `groups[example]` persons or
    documents, `numbers[example, ...]` the targets of a regression. `files` are others by name, as a tokenizer.
    `of_text` says that the evidence holds the texts themselves, so that a run whose texts were forgotten cannot go on.
    """

    ids: np.ndarray
    labels: np.ndarray
    controls: Controls = field(default_factory=Controls)
    contents: np.ndarray | None = None
    groups: np.ndarray | None = None
    numbers: np.ndarray | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    of_text: bool = False

    @classmethod
    def of(cls, dataset: Dataset) -> Tables:
        """Those of a dataset."""
        return cls(
            ids=dataset.ids,
            labels=dataset.kinds,
            controls=dataset.controls,
            contents=dataset.contents(),
            groups=dataset.groups,
            numbers=dataset.numbers,
        )

    def examples(self) -> pa.Table:
        """The table of examples."""
        return examples_table(self.ids, self.labels, self.contents, self.groups, self.numbers)


@dataclass(frozen=True, kw_only=True, eq=False)
class Place:
    """A run folder that this process holds, with its manifest; `new` where it has just come into being."""

    folder: Path
    manifest: Manifest
    new: bool


@contextmanager
def opened(
    folder: Path,
    design: Design,
    tables: Tables,
    describe: Callable[[], Manifest],
    *,
    identity: dict[str, Any] | None = None,
    so_far: Callable[[Manifest], Design] | None = None,
    alone: bool = True,
    say: Callable[[str], None] | None = None,
) -> Iterator[Place]:
    """Hold the folder of a run, new or gone on with, until the block ends.

    Args:
        folder: where; it is made.
        design: who is trained on what.
        tables: what stands beside the evidence.
        describe: gives the manifest of a new run; called once the folder is known to be free.
        identity: what makes two calls the same run. None where no run can be gone on with.
        so_far: the design of a run that is gone on with, where it is not yet `design`.
        alone: hold it. Parts of a run go on side by side with it, once it has come into being.
        say: hears which tables were missing or damaged.

    Raises:
        RunMismatch: the folder holds another run, remains of one, or one whose texts were forgotten; or another
            process is at work in it.
        BadInput: it holds files of something else, or a run where none can be gone on with.
    """
    if not alone and not os.path.exists(folder / FILE):
        raise BadInput(
            f"The run {str(folder)!r} was not divided into blocks yet, so that no part of it can be trained.",
            hint="the same command with part 0, as --part 0/40, divides it.",
        )
    with hold(folder) if alone else nullcontext():
        if os.path.exists(folder / FILE):
            yield Place(folder=folder, manifest=_again(folder, design, tables, identity, so_far, say), new=False)
        else:
            refuse_remains(folder, files=tables.files)
            yield Place(folder=folder, manifest=begun(folder, design, tables, describe()), new=True)


def begun(folder: Path, design: Design, tables: Tables, manifest: Manifest) -> Manifest:
    """Write all of a new run but its evidence, the manifest last; call it while the folder is held."""
    for name, content in tables.files.items():
        write_bytes(folder / name, content)
    return set_up(folder, manifest, design, tables.examples(), tables.controls)


def grown(folder: Path, manifest: Manifest, design: Design, models: Sequence[ModelEntry], **others: Any) -> Manifest:
    """A run with more models: the design that has them is written first, then the manifest, with `others` changed."""
    write_design(folder, design)
    whole = replace(with_digests(folder, manifest), design=design.describe(), models=tuple(models), **others)
    whole.write(folder)
    return whole


def described(
    design: Design, *, origin: str, dataset: dict[str, Any], seeds: list[int] | None = None, **others: Any
) -> Manifest:
    """The manifest of a new run: what is told of every run, and `others`, which are fields of `Manifest`."""
    usual: dict[str, Any] = {"heldout": None, "identity": {}, "executor": {}, "checkpoints": (), "evidence": ()}
    return Manifest(
        byrote=version("byrote"),
        created=now(),
        origin=origin,
        dataset=dataset,
        design=design.describe(),
        models=model_entries(design, seeds, origin),
        environment=environment(),
        **{**usual, **others},
    )


def _again(
    folder: Path,
    design: Design,
    tables: Tables,
    identity: dict[str, Any] | None,
    so_far: Callable[[Manifest], Design] | None,
    say: Callable[[str], None] | None,
) -> Manifest:
    if identity is None:
        raise BadInput(
            f"The folder {str(folder)!r} already holds a run.", hint="give another folder, or remove this one."
        )
    manifest = Manifest.read(folder)
    refuse_mismatch(folder, manifest.identity, identity)
    if tables.of_text and manifest.forgotten is not None:
        raise RunMismatch(
            f"The contents of the run {str(folder)!r} were forgotten, so it cannot go on.",
            hint="give another folder with --out.",
        )
    design = design if so_far is None else so_far(manifest)
    manifest, again = restore(folder, manifest, design, tables.examples(), tables.controls.to_table(), tables.files)
    for name in again:
        if say is not None:
            say(f"{name} was missing or damaged; it is written again.")
    return manifest
