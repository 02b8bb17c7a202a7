from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from byrote.engine.progress import Silent
from byrote.errors import BadInput, OtherExamples
from byrote.evidence.manifest import Manifest
from byrote.evidence.tables import write_table
from byrote.report.verify import damage
from byrote.runs.folder import forget_examples, with_digests
from byrote.runs.run import Run
from made_once import opened
from small import RECIPE, blobs, small_audit


class Listener(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, sentence: str) -> None:
        self.said.append(sentence)


GOAL = {"models": 8, "stderr": 0.2}


@pytest.mark.parametrize(
    ("name", "goal"),
    [
        *((name, {}) for name in ("examples.parquet", "controls.parquet", "design.safetensors")),
        *(pytest.param(name, GOAL, marks=pytest.mark.slow) for name in ("examples.parquet", "controls.parquet")),
        ("design.safetensors", GOAL),  # which grows with the goal
    ],
)
def test_a_lost_table_is_written_again_by_the_same_audit(tmp_path: Path, name: str, goal: dict[str, float]) -> None:
    folder = tmp_path / "run"
    run = small_audit(folder, **goal)
    before, shards = (folder / name).read_bytes(), {p: p.stat().st_mtime_ns for p in folder.rglob("evidence/**/*.*")}
    (folder / name).write_bytes(before[:30])
    with pytest.raises(BadInput, match=name):
        Run.open(folder)
    listener = Listener()
    again = small_audit(folder, progress=listener, **goal)
    assert f"{name} was missing or damaged; it is written again." in listener.said
    assert (folder / name).read_bytes() == before
    assert {path: path.stat().st_mtime_ns for path in shards} == shards
    np.testing.assert_array_equal(again.design.member, run.design.member)


def rotated(table: pa.Table) -> pa.Table:
    ids = table["example"].to_pylist()
    return table.set_column(0, "example", pa.array([*ids[1:], ids[0]]))


def relabelled(table: pa.Table) -> pa.Table:
    labels = np.array(table["label"].to_pylist())
    labels[:20] = (labels[:20] + 1) % 3
    return table.set_column(1, "label", pa.array(labels))


def signed(folder: Path, digests: str) -> None:
    """Let the manifest say of the tables what they are now, or nothing, as that of version 0.1.0 does."""
    manifest = Manifest.read(folder)
    if digests == "none":
        replace(manifest, id=None, tables=None).write(folder)
    elif digests == "forged":
        with_digests(folder, manifest).write(folder)


@pytest.mark.parametrize("changed", [rotated, relabelled])
@pytest.mark.parametrize("digests", ["kept", "none", "forged"])
def test_other_ids_or_labels_are_found(tmp_path: Path, changed: Callable[[pa.Table], pa.Table], digests: str) -> None:
    """The digest tells where the manifest has one; the data tell in any case: on attaching, verifying and resuming."""
    run = opened("classes", tmp_path)
    before = run.examples
    write_table(run.folder / "examples.parquet", changed(before))
    signed(run.folder, digests)
    if digests == "kept":
        with pytest.raises(BadInput, match=r"examples\.parquet' is damaged: it is not the one that the manifest names"):
            Run.open(run.folder)
        assert [fault.where for fault in damage(run.folder, run.manifest)] == ["examples.parquet"]
    else:
        column = "example" if changed is rotated else "label"
        with pytest.raises(OtherExamples, match=rf"is not that of the data: its column '{column}' differs"):
            Run.open(run.folder).attach(blobs(noise=0.1), RECIPE)
    listener = Listener()
    again = small_audit(run.folder, progress=listener)
    assert "examples.parquet was missing or damaged; it is written again." in listener.said
    assert again.examples.equals(before)
    assert (again.manifest.tables or {}).keys() == {"examples.parquet", "controls.parquet", "design.safetensors"}
    assert again.manifest.id


def test_a_run_of_version_010_gets_its_digests_once_the_data_were_seen(tmp_path: Path) -> None:
    run = opened("classes", tmp_path)
    signed(run.folder, "none")
    assert Run.open(run.folder).manifest.tables is None
    listener = Listener()
    assert small_audit(run.folder, progress=listener).manifest.tables == run.manifest.tables
    assert not [said for said in listener.said if "written again" in said]


def test_what_was_forgotten_does_not_come_back_with_a_damaged_table(tmp_path: Path) -> None:
    dataset = blobs(noise=0.1).replace(groups=np.array([f"person {row // 2}" for row in range(60)]))
    run = small_audit(tmp_path / "run", dataset=dataset)
    replace(run.manifest, forgotten={"at": "now", "from": []}).write(run.folder)
    forget_examples(run.folder)
    before = Run.open(run.folder).examples
    (run.folder / "examples.parquet").write_bytes(b"PAR1")
    again = small_audit(run.folder, dataset=dataset).examples
    assert again.equals(before)
    assert "content" not in again.column_names
    assert again["group"][0].as_py() == "group 01"


def test_another_design_than_the_manifest_names_is_refused(tmp_path: Path) -> None:
    one, other = (small_audit(tmp_path / name, seed=seed) for name, seed in (("a", 0), ("b", 1)))
    signed(one.folder, "none")
    (one.folder / "design.safetensors").write_bytes((other.folder / "design.safetensors").read_bytes())
    with pytest.raises(BadInput, match="is not the one that its manifest names"):
        Run.open(one.folder)


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(BadInput, match=r"is not a run and contains other files: 'thesis\.tex'"):
        small_audit(tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.name != ".lock"] == ["thesis.tex"]
