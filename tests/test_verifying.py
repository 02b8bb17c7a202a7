from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from byrote import comparing, membership
from byrote.report.page import write_again, write_report
from byrote.run import Run
from byrote.verifying import verify
from small import small_audit


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = small_audit(tmp_path_factory.mktemp("runs") / "run")
    write_report(run)
    return run.folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


def faults(folder: Path) -> dict[str, str]:
    return {fault.where: fault.problem for fault in verify(Run.open(folder))}


def test_a_whole_run_has_no_fault(folder: Path) -> None:
    heard: list[float] = []
    (folder / "report.html").unlink()
    assert verify(Run.open(folder), heard.append) == []
    assert heard == sorted(heard)
    assert heard[-1] == 1.0


def test_a_report_that_was_made_from_it_follows_and_a_touched_one_does_not(folder: Path) -> None:
    run = Run.open(folder)
    write_report(run)
    assert verify(run) == []
    page = (folder / "report.html").read_text()
    (folder / "report.html").write_text(page.replace("%", "‰", 1))
    assert set(faults(folder)) == {"report.html"}


def test_a_touched_twin_is_named_with_the_place(folder: Path) -> None:
    path = folder / "report.json"
    (folder / "report.html").unlink()
    made = json.loads(path.read_text())
    made["run"]["name"] = "moved"  # a folder may be renamed
    made["memorization"]["top"][1]["value"] += 1e-9  # and another processor rounds otherwise
    path.write_text(json.dumps(made))
    assert faults(folder) == {}
    made["memorization"]["share"]["value"] += 0.01
    path.write_text(json.dumps(made))
    assert faults(folder) == {"report.json": "its memorization.share.value does not follow from the evidence"}
    path.write_text("{}")
    assert faults(folder) == {"report.json": "it is no report"}
    path.write_text("{")
    assert faults(folder)["report.json"].startswith("it cannot be read")


def test_a_folder_may_be_renamed_and_moved(folder: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "another name"
    moved.parent.mkdir()
    write_report(Run.open(folder))
    folder.rename(moved)
    assert faults(moved) == {}


@pytest.mark.parametrize("damage", ["cut", "flipped", "foreign", "moved", "gone", "remains"])
def test_a_damaged_shard_is_named(folder: Path, damage: str) -> None:
    path = folder / "evidence" / "outputs" / "m00002.p0.safetensors"
    content, where = path.read_bytes(), "evidence/outputs/m00002.p0.safetensors"
    if damage == "cut":
        path.write_bytes(content[:-7])
    elif damage == "flipped":
        path.write_bytes(content[:-7] + bytes([content[-7] ^ 4]) + content[-6:])
    elif damage == "foreign":
        path.write_bytes(b"GIF89a")
    elif damage == "moved":
        shutil.copy(folder / "evidence" / "outputs" / "m00001.p0.safetensors", path)
    elif damage == "gone":
        path.unlink()
        where = "evidence/outputs"
    else:
        where = "evidence/outputs/.m00002.p0.safetensors.x.part"
        (folder / where).write_bytes(content[:9])
    assert list(faults(folder)) == [where]


def test_a_table_that_does_not_follow_is_named(folder: Path) -> None:
    path = folder / "results" / "label_memorization.parquet"
    table = pq.read_table(path)
    values = table["value"].to_numpy().copy()
    values[3] += 0.1
    pq.write_table(table.set_column(table.column_names.index("value"), "value", pa.array(values)), path)
    (folder / "report.html").unlink()
    found = faults(folder)
    assert list(found) == ["results/label_memorization.parquet"]
    assert "its value does not follow" in found["results/label_memorization.parquet"]


def test_a_manifest_edited_by_hand_is_noticed(folder: Path) -> None:
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    content["models"][2]["seed"] += 1
    path.write_text(json.dumps(content))
    found = faults(folder)
    assert found
    assert all("the manifest says" in problem for problem in found.values())


@pytest.mark.parametrize("redacted", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_report_that_is_written_again_has_contents_only_if_it_had_them(folder: Path, redacted: bool) -> None:
    run = Run.open(folder)
    write_report(run.without_contents() if redacted else run)
    before = (folder / "report.html").read_bytes()
    (folder / "report.json").unlink()
    assert write_again(run) == folder / "report.html"
    assert (folder / "report.html").read_bytes() == before
    assert (b"byrote-contents" in before) == (not redacted)
    assert faults(folder) == {}
    (folder / "report.html").unlink()
    assert write_again(run) is None


def test_tables_of_commands_follow_too_and_foreign_files_are_named(tmp_path: Path) -> None:
    run = small_audit(tmp_path / "run", models=8)
    folder = run.folder
    attacked = membership.keep(run, membership.membership_attack(run, "loss_attack"))
    compared = comparing.keep(run, comparing.compare(run))
    assert faults(folder) == {}
    content = json.loads(attacked.read_text())
    content["figures"]["auc"]["value"] += 0.01
    attacked.write_text(json.dumps(content))
    rows = pq.read_table(compared).to_pylist()
    rows[0]["value"] += 0.01
    pq.write_table(pa.Table.from_pylist(rows), compared)
    (folder / "results" / "notes.txt").write_text("mine")
    found = faults(folder)
    assert found["results/attack-loss_attack.json"] == "its figures.auc.value does not follow from the evidence"
    assert found["results/comparison.parquet"] == "its value does not follow from the evidence"
    assert found["results/notes.txt"] == "byrote writes no such file"
    assert len(found) == 3
