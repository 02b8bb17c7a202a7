"""Hints of evidence, tables and manifests are followed: each mends the case that brought it."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import byrote
from byrote.designs.design import Design
from byrote.evidence import schema
from byrote.evidence.kind import Kind
from byrote.evidence.made_here import admitted, write_own
from byrote.evidence.manifest import _digest
from byrote.evidence.schema import register
from byrote.evidence.shards import read_header, read_shard, write_bytes, write_shard
from byrote.evidence.store import Evidence
from byrote.evidence.tables import digest_of, write_table
from byrote.runs.folder import write_design
from byrote.runs.imported import import_arrays
from byrote.runs.run import Run
from followed import Case, each, follow
from made_once import MAKERS, copied
from small import RECIPE, blobs, small_audit

OUTPUTS = "evidence/outputs/m00002.p0.safetensors"


def spoiled(damage: Callable[[Path], Any], look: Callable[[Path], Any] = Run.open) -> Callable[[Path], Any]:
    """A run that is damaged, and then looked at."""

    def read(folder: Path) -> Any:
        run = copied("classes", folder)
        damage(run)
        return look(run)

    return read


def audited(look: Callable[[Path], Any] = Run.open) -> Callable[[Path], Any]:
    """The same audit once more over what was damaged, and the look that failed before."""

    def again(folder: Path) -> Any:
        small_audit(folder / "run")
        return look(folder / "run")

    return again


def restored(look: Callable[[Path], Any] = Run.open) -> Callable[[Path], Any]:
    """The run from a copy."""

    def again(folder: Path) -> Any:
        shutil.rmtree(folder / "run")
        return look(copied("classes", folder))

    return again


def gone(name: str) -> Callable[[Path], Any]:
    """A file is removed."""
    return lambda run: (run / name).unlink()


def flipped(name: str) -> Callable[[Path], Any]:
    """A byte in the middle of a file is another."""

    def flip(run: Path) -> None:
        content = bytearray((run / name).read_bytes())
        content[len(content) // 2] ^= 1
        (run / name).write_bytes(content)

    return flip


def told(**changes: Any) -> Callable[[Path], Any]:
    """The manifest says otherwise, with a checksum that fits."""

    def tell(run: Path) -> None:
        content = json.loads((run / "manifest.json").read_text()) | changes
        content.pop("checksum")
        (run / "manifest.json").write_text(json.dumps({**content, "checksum": _digest(content)}))

    return tell


def replaced(name: str, **columns: Any) -> Callable[[Path], Any]:
    """A table of other columns, which the manifest knows by its digest."""

    def write(run: Path) -> None:
        write_table(run / name, pa.table(columns))
        tables = json.loads((run / "manifest.json").read_text())["tables"]
        told(tables=tables | {name: digest_of(run / name)})(run)

    return write


def without_seal(run: Path) -> None:
    """A table that was written by another program."""
    pq.write_table(pq.read_table(run / "examples.parquet"), run / "examples.parquet")


def undesigned(run: Path) -> None:
    """The manifest knows a design whose shard is none."""
    (run / "design.safetensors").write_bytes(b"nothing")
    tables = json.loads((run / "manifest.json").read_text())["tables"]
    told(tables=tables | {"design.safetensors": digest_of(run / "design.safetensors")})(run)


def loaded(name: str = "outputs.loss", models: tuple[int, ...] = (0, 1, 2, 3)) -> Callable[[Path], Any]:
    """Evidence of some models."""
    return lambda run: Evidence(run / "evidence").load(name, models, 0)


def other_length(run: Path) -> None:
    """The answers of a model are about fewer examples."""
    path = run / OUTPUTS
    held = {name: array[:5] for name, array in read_shard(path).items()}
    path.unlink()
    write_shard(path, held, {"columns": ",".join(held), "kind": "outputs", "model": "2", "phase": "0"})


def designs(**changes: Any) -> Callable[[Path], Any]:
    """Two designs that are joined."""
    one = byrote.two_splits(12, 4, rng=np.random.default_rng(0), **changes)
    other = byrote.half_subset_pairs(12, 4, rng=np.random.default_rng(0))
    return lambda _: one.joined(other)


HALVES = byrote.half_subset_pairs(12, 4, rng=np.random.default_rng(0))


def kind_called(name: str, says: str = "what tests see") -> Callable[[Path], Any]:
    """A kind of evidence of one's own, which other tests do not find."""

    def call(_: Path) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(schema, "_KINDS", dict(schema._KINDS))
            return register(Kind(name=name, says=says, tasks=("classes",), quantities={}))

    return call


def written(name: str) -> Callable[[Path], Any]:
    """A file in the folder."""
    return lambda folder: write_bytes(folder / name, b"content")


def own(name: str) -> Callable[[Path], Any]:
    """A file that byrote writes where somebody else's is."""

    def write(folder: Path) -> Any:
        (folder / "mine.csv").write_text("a,b\n")
        return write_own(folder / name, b"c,d\n")

    return write


def recording(*, closed: bool) -> Callable[[Path], Any]:
    """A folder of a recorder that was closed, or not."""

    def record(folder: Path) -> Any:
        made = byrote.Recorder(folder / f"of-{closed}", examples=6)
        made.observe(torch.arange(6), torch.randn(6, 2), torch.arange(6) % 2)
        made.epoch_end()
        if closed:
            made.close()
        return Run.open(folder / f"of-{closed}")

    return record


def recovered(folder: Path) -> Any:
    """What the recorder left behind, made a run."""
    byrote.recover(folder / "of-False")
    return Run.open(folder / "of-False")


def source(name: str, *, known: bool = False, given: bool = False, edited: bool = False) -> Callable[[Path], Any]:
    """What a manifest of somebody else names, which the person gives with --source or not."""

    def admit(folder: Path) -> Any:
        path = folder / "given" / name if given else folder / "elsewhere" / name
        path.parent.mkdir(exist_ok=True)
        if given or edited:
            path.write_text("a = 1\n")
        digest = "0" * 64 if edited else digest_of(path) if path.exists() else None
        return admitted(folder / "elsewhere" / name, {str(path): digest} if known or given else {})

    return admit


def imported(*, table: bool) -> Callable[[Path], Any]:
    """An imported run whose table of examples is gone, or that is imported anew."""
    member = np.repeat([[1, 0] * 5, [0, 1] * 5], 2, axis=0)
    given = {"labels": np.arange(10) % 2, "member": member, "evidence": {"outputs.correct": member == 1}}

    def make(folder: Path) -> Any:
        run = import_arrays(folder / ("elsewhere" if table else "run"), **given)
        if not table:
            (run.folder / "examples.parquet").unlink()
        return Run.open(run.folder)

    return make


ODDS = np.random.default_rng(0).normal(size=(4, 10))


def brought(name: str = "outputs.logits", **evidence: Any) -> Callable[[Path], Any]:
    """Evidence of an imported run, of which somebody asks for `name`."""
    member = np.repeat([[1, 0] * 5, [0, 1] * 5], 2, axis=0)

    def make(folder: Path) -> Any:
        place = folder / f"of-{len(evidence)}"
        return import_arrays(place, labels=np.arange(10) % 2, member=member, evidence=evidence).load(name, [0, 1])

    return make


def without_entropy(run: Path) -> None:
    """The answers of a model as an older version kept them."""
    header = {key: word for key, word in read_header(run / OUTPUTS).items() if key not in ("checksum", "schema")}
    held = {name: array for name, array in read_shard(run / OUTPUTS).items() if name != "entropy"}
    (run / OUTPUTS).unlink()
    write_shard(run / OUTPUTS, held, header | {"columns": ",".join(held)})


def places(run: Path) -> Any:
    """The checkpoints of the weights of a model."""
    return Evidence(run / "evidence").coordinates("weights_at", "checkpoint", 0, 0)


def unnamed(run: Path) -> Any:
    """The header of the weights does not name them."""
    path = Evidence(run / "evidence").path("weights_at", 0, 0)
    header, held = read_header(path), read_shard(path)
    path.unlink()
    write_shard(
        path,
        held,
        {key: word for key, word in header.items() if key not in ("coordinate.checkpoint", "schema", "checksum")},
    )
    return places(run)


def named_again(folder: Path) -> Any:
    """The file is removed, and the same audit makes it again."""
    Evidence(folder / "run" / "evidence").path("weights_at", 0, 0).unlink()
    MAKERS["weights"](folder / "run")
    return places(folder / "run")


def unsealed(run: Path) -> Any:
    """A table under results/ that another program wrote."""
    found = Run.open(run)
    found.measure("label_memorization")
    path = run / "results" / "label_memorization.parquet"
    pq.write_table(pq.read_table(path).replace_schema_metadata({}), path)
    return found.kept_table("label_memorization.parquet", "example")


def measured_anew(run: Path) -> Any:
    """The table is removed, and measured again."""
    (run / "results" / "label_memorization.parquet").unlink()
    found = Run.open(run)
    found.measure("label_memorization")
    return found.kept_table("label_memorization.parquet", "example")


def labelled(labels: np.ndarray | None) -> Design:
    """The halves with other labels in the place of the dataset's."""
    phases = tuple(dataclasses.replace(phase, labels=labels) for phase in HALVES.phases)
    return dataclasses.replace(HALVES, phases=phases)


def known(run: Path, name: str) -> None:
    """The manifest knows a table as it is now."""
    tables = json.loads((run / "manifest.json").read_text())["tables"]
    told(tables=tables | {name: digest_of(run / name)})(run)


def redesigned(run: Path) -> None:
    """The design is that of other halves."""
    write_design(run, byrote.half_subset_pairs(60, 6, rng=np.random.default_rng(9)))
    known(run, "design.safetensors")


def relabelled(label: int) -> Callable[[Path], Any]:
    """Every label is this one."""

    def write(run: Path) -> None:
        held = pq.read_table(run / "examples.parquet")
        place = held.column_names.index("label")
        labels = pa.array(np.full(len(held), label), held.schema.field("label").type)
        write_table(run / "examples.parquet", held.set_column(place, held.schema.field("label"), labels))
        known(run, "examples.parquet")

    return write


def attached(run: Path) -> Any:
    """A run with the data that it was made from."""
    return Run.open(run).attach(blobs(noise=0.1), RECIPE)


DAMAGED = "restore the file from a copy"
AGAIN = "an audit's command, run again, writes it again"
EVIDENCE = (
    Case(
        name="a file",
        wrong=spoiled(lambda _: None, lambda run: Run.open(run / "manifest.json")),
        says="the folder that",
        right=restored(),
    ),
    Case(name="a recording", wrong=recording(closed=False), says="byrote.recover(", right=recovered),
    Case(name="an open recording", wrong=recording(closed=False), says="call close()", right=recording(closed=True)),
    Case(
        name="no run",
        wrong=lambda folder: Run.open(folder),
        says="`byrote audit digits` makes one",
        right=lambda folder: Run.open(copied("classes", folder)),
    ),
    Case(
        name="no JSON",
        wrong=spoiled(lambda run: (run / "manifest.json").write_text("{")),
        says=DAMAGED,
        right=restored(),
    ),
    Case(
        name="another schema",
        wrong=spoiled(told(schema=99)),
        says="audit again into another folder",
        right=lambda folder: small_audit(folder / "another"),
    ),
    Case(
        name="a checksum",
        wrong=spoiled(
            lambda run: (run / "manifest.json").write_text(
                (run / "manifest.json").read_text().replace("blobs", "blobz")
            )
        ),
        says=DAMAGED,
        right=restored(),
    ),
    Case(
        name="a manifest that is a folder",
        wrong=spoiled(lambda run: [gone("manifest.json")(run), (run / "manifest.json").mkdir()]),
        says="check the path",
        right=restored(),
    ),
    Case(name="no table of settings", wrong=spoiled(told(design=[])), says=DAMAGED, right=restored()),
    Case(name="no examples", wrong=spoiled(gone("examples.parquet")), says=AGAIN, right=audited()),
    Case(name="other examples", wrong=spoiled(flipped("examples.parquet")), says=AGAIN, right=audited()),
    Case(
        name="no controls",
        wrong=spoiled(gone("controls.parquet"), lambda run: Run.open(run).controls),
        says=AGAIN,
        right=audited(),
    ),
    Case(name="no design", wrong=spoiled(gone("design.safetensors")), says=AGAIN, right=audited()),
    Case(name="a design that is none", wrong=spoiled(undesigned), says=AGAIN, right=audited()),
    Case(
        name="labels of text",
        wrong=spoiled(replaced("examples.parquet", example=["a"], label=["b"])),
        says=AGAIN,
        right=audited(),
    ),
    Case(name="no ids", wrong=spoiled(replaced("examples.parquet", label=[1])), says=AGAIN, right=audited()),
    Case(
        name="empty ids",
        wrong=spoiled(replaced("examples.parquet", example=[None, "a"], label=[1, 0])),
        says=AGAIN,
        right=audited(),
    ),
    Case(
        name="fewer examples than the design has",
        wrong=spoiled(replaced("examples.parquet", example=["a", "b"], label=[0, 1])),
        says=AGAIN,
        right=audited(),
    ),
    Case(name="another design", wrong=spoiled(redesigned), says=AGAIN, right=audited()),
    Case(name="a class that is none", wrong=spoiled(relabelled(9)), says=AGAIN, right=audited()),
    Case(
        name="other labels than the data's", wrong=spoiled(relabelled(0), attached), says=AGAIN, right=audited(attached)
    ),
    Case(
        name="no place for a folder",
        wrong=lambda folder: [(folder / "file").write_text(""), small_audit(folder / "file" / "run")],
        says="give another folder with --out",
        right=lambda folder: small_audit(folder / "run"),
        slow=True,
    ),
    Case(
        name="no shard",
        wrong=spoiled(gone(OUTPUTS), loaded()),
        says="the same `byrote audit` command",
        right=audited(loaded()),
    ),
    Case(
        name="a flipped shard",
        wrong=spoiled(flipped(OUTPUTS), loaded()),
        says="makes that alone anew",
        right=audited(loaded()),
    ),
    Case(
        name="no models",
        wrong=spoiled(lambda _: None, loaded(models=())),
        says="at least one model",
        right=lambda folder: loaded()(folder / "run"),
    ),
    Case(
        name="a shard of others",
        wrong=spoiled(other_length, loaded()),
        says="remove this file",
        right=lambda folder: [gone(OUTPUTS)(folder / "run"), audited(loaded())(folder)],
    ),
    Case(
        name="no probe",
        wrong=spoiled(lambda _: None, loaded("gradients.gradient_norm")),
        says="into another folder with --probe gradient_norm",
        right=lambda folder: loaded("gradients.gradient_norm")(copied("weights", folder, "another")),
    ),
    Case(
        name="no logits",
        wrong=brought(**{"outputs.log_odds": ODDS}),
        says="import them with import_arrays",
        right=brought(**{"outputs.log_odds": ODDS, "outputs.logits": np.stack([0 * ODDS, ODDS], 2)}),
    ),
    Case(
        name="no entropy",
        wrong=brought("outputs.entropy", **{"outputs.log_odds": ODDS}),
        says="evidence={'outputs.entropy': …}",
        right=brought("outputs.entropy", **{"outputs.log_odds": ODDS, "outputs.entropy": np.abs(ODDS)}),
    ),
    Case(
        name="a column less",
        wrong=spoiled(without_entropy, loaded("outputs.entropy")),
        says="audit again into another folder",
        right=lambda folder: loaded("outputs.entropy")(copied("classes", folder, "another")),
    ),
    Case(
        name="places without names",
        wrong=lambda folder: unnamed(copied("weights", folder)),
        says="remove this file",
        right=named_again,
        slow=True,
    ),
    Case(
        name="a result without a seal",
        wrong=spoiled(lambda _: None, unsealed),
        says="remove it",
        right=lambda folder: measured_anew(folder / "run"),
    ),
    Case(
        name="designs of other labels",
        wrong=lambda _: HALVES.joined(labelled(np.zeros(12, np.int64))),
        says="that train on the same labels",
        right=lambda _: HALVES.joined(labelled(None)),
    ),
    Case(
        name="designs of other phases", wrong=designs(), says="the same phases", right=lambda _: HALVES.joined(HALVES)
    ),
    Case(
        name="no role",
        wrong=lambda _: HALVES.models_of("references"),
        says="reference",
        right=lambda _: HALVES.models_of("reference"),
    ),
    Case(
        name="no examples of a design",
        wrong=lambda _: byrote.iid_subsets(1, 4, rng=np.random.default_rng(0)),
        says="more examples",
        right=lambda _: byrote.iid_subsets(8, 4, rng=np.random.default_rng(0)),
    ),
    Case(
        name="a design of others",
        wrong=lambda _: Design.from_tensors({}, HALVES.describe()),
        says=DAMAGED,
        right=lambda _: Design.from_tensors(HALVES.tensors(), HALVES.describe()),
    ),
    Case(
        name="a kind of no folder",
        wrong=kind_called("../mine"),
        says="as in last_layer",
        right=kind_called("last_seen"),
    ),
    Case(
        name="a kind that there is", wrong=kind_called("outputs"), says="another name", right=kind_called("last_shown")
    ),
    Case(name="a long name", wrong=written("x" * 300), says="a shorter place", right=written("x" * 30)),
    Case(
        name="a folder in the way",
        wrong=lambda folder: [(folder / "there").mkdir(), written("there")(folder)],
        says="a place that you may write to",
        right=written("here"),
    ),
    Case(name="somebody's file", wrong=own("mine.csv"), says="another name", right=own("other.csv")),
    Case(name="data elsewhere", wrong=source("a.csv"), says="--source FILE reads", right=source("a.csv", given=True)),
    Case(
        name="data that are gone",
        wrong=source("a.csv", known=True),
        says="--source FILE",
        right=source("a.csv", given=True),
    ),
    Case(
        name="a program of others", wrong=source("a.py"), says="--source FILE runs it", right=source("a.py", given=True)
    ),
    Case(
        name="an edited program",
        wrong=source("a.py", known=True, edited=True),
        says="--source FILE runs it",
        right=source("a.py", given=True),
    ),
)

EVIDENCE += (
    Case(
        name="an imported run",
        wrong=imported(table=False),
        says="make any other run again elsewhere",
        right=imported(table=True),
    ),
)


@each(*EVIDENCE)
def test_hints_of_evidence_are_followed(case, tmp_path):
    follow(case, tmp_path)
