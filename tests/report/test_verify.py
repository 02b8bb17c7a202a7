from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from byrote.analyses import comparison as comparing
from byrote.analyses import membership
from byrote.analyses.catalog import keep
from byrote.errors import BadInput
from byrote.evidence.seals import BLANK, write_sealed
from byrote.evidence.tables import write_table
from byrote.report.page import write_again, write_report
from byrote.report.verify import examine, folder_digest, verify
from byrote.runs.run import Run
from small import RECIPE, blobs, small_audit


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
    at_hand = Run.open(folder).attach(blobs(noise=0.1), RECIPE, blobs(30, seed=1))
    found = examine(at_hand, heard.append)
    assert (found.faults, found.unchecked) == ((), ())
    assert heard == sorted(heard)
    assert heard[-1] == 1.0


def test_a_report_that_was_touched_does_not_follow(folder: Path) -> None:
    page = (folder / "report.html").read_text().replace("%", "‰", 1)
    (folder / "report.html").write_text(page)
    assert faults(folder) == {"report.html": "it does not fit the digest that it carries"}
    write_sealed(folder / "report.html", page.encode())
    at_hand = Run.open(folder).attach(blobs(noise=0.1), RECIPE, blobs(30, seed=1))
    assert [fault.where for fault in verify(at_hand)] == ["report.html"]


@pytest.mark.slow
def test_a_triage_that_learned_from_inputs_is_not_checked_without_them(folder: Path) -> None:
    path = folder / "report.json"
    report = json.loads(path.read_text())
    report["triage"] = {**report["triage"], "counts": {"label_noise": 7}}
    write_sealed(path, json.dumps(report, indent=1).encode() + b"\n")
    found = examine(Run.open(folder))
    assert found.faults == ()
    assert "triage may have learned from the data" in {one.where: one.problem for one in found.unchecked}["report.json"]
    report["memorization"]["share"]["value"] += 0.1
    write_sealed(path, json.dumps(report, indent=1).encode() + b"\n")
    assert list(faults(folder)) == ["report.json"]


@pytest.mark.slow
def test_a_touched_twin_is_named_with_the_place(folder: Path) -> None:
    path = folder / "report.json"
    (folder / "report.html").unlink()
    made = json.loads(path.read_text())
    made["run"]["name"] = "moved"  # a folder may be renamed
    made["memorization"]["top"][1]["value"] += 1e-9  # and another processor rounds otherwise
    write_sealed(path, json.dumps(made).encode())
    assert faults(folder) == {}
    made["memorization"]["share"]["value"] += 0.01
    write_sealed(path, json.dumps(made).encode())
    assert faults(folder) == {"report.json": "its memorization.share.value does not follow from the evidence"}
    write_sealed(path, json.dumps({"seal": BLANK}).encode())
    assert faults(folder) == {"report.json": "it is no report"}
    write_sealed(path, BLANK.encode())
    assert faults(folder)["report.json"].startswith("it cannot be read")


@pytest.mark.slow
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
    write_table(path, table.set_column(table.column_names.index("value"), "value", pa.array(values)))
    (folder / "report.html").unlink()
    found = faults(folder)
    assert list(found) == ["results/label_memorization.parquet"]
    assert "its value does not follow" in found["results/label_memorization.parquet"]


def test_a_manifest_edited_by_hand_is_noticed(folder: Path) -> None:
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    content["models"][2]["seed"] += 1
    path.write_text(json.dumps(content))
    with pytest.raises(BadInput, match="does not fit its checksum"):
        Run.open(folder)
    del content["checksum"]
    path.write_text(json.dumps(content))
    found = faults(folder)
    assert found
    assert all("the manifest says" in problem for problem in found.values())


@pytest.mark.slow
@pytest.mark.parametrize("redacted", [False, True])
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


@pytest.mark.slow
def test_tables_of_commands_follow_too_and_foreign_files_are_named(tmp_path: Path) -> None:
    run = small_audit(tmp_path / "run", models=8)
    folder = run.folder
    attacked = keep(run, "membership", membership.membership_attack(run, "loss_attack"))
    compared = keep(run, "comparison", comparing.compare(run))
    assert faults(folder) == {}
    content = json.loads(attacked.read_text())
    content["figures"]["auc"]["value"] += 0.01
    write_sealed(attacked, json.dumps(content).encode())
    rows = pq.read_table(compared).to_pylist()
    rows[0]["value"] += 0.01
    write_table(compared, pa.Table.from_pylist(rows))
    (folder / "results" / "notes.txt").write_text("mine")
    found = faults(folder)
    assert found["results/attack-loss_attack.json"] == "its figures.auc.value does not follow from the evidence"
    assert found["results/comparison.parquet"] == "its value does not follow from the evidence"
    assert found["results/notes.txt"] == "byrote writes no such file"
    assert len(found) == 3


def test_verifying_writes_nothing_and_the_digest_of_the_folder_is_that_of_sha256sum(folder: Path) -> None:
    def listing() -> dict[str, tuple[int, bytes]]:
        files = [path for path in folder.rglob("*") if path.is_file()]
        return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}

    shutil.rmtree(folder / "results")  # whatever is measured again must not come back
    before = listing()
    assert verify(Run.open(folder)) == []
    assert listing() == before
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}\n"
        for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix().encode())
        if path.is_file() and path.name != ".lock"
    ]
    found = folder_digest(folder)
    assert found == hashlib.sha256("".join(lines).encode()).hexdigest()
    (folder / "report.html").write_bytes((folder / "report.html").read_bytes() + b" ")
    assert folder_digest(folder) != found


@pytest.mark.parametrize(
    ("where", "content", "problem"),
    [
        ("notes.txt", b"mine", "byrote writes no such file"),
        ("evidence/notes.txt", b"mine", "byrote writes no such file"),
        ("evidence/outputs/more/x.safetensors", b"mine", "byrote writes no such file"),
        ("evidence/gossip/m00000.p0.safetensors", b"mine", "byrote writes no such file"),
        ("results/more/triage.parquet", b"mine", "byrote writes no such file"),
        ("tokenizer.json", b"{}", "byrote writes no such file"),
        ("report-of-mine.html", b"mine", "byrote writes no such file"),
        ("card.html", b"<html>no card</html>", "it carries no digest of byrote's"),
        ("calibration.json", b'{"proxy": "loss"}', "it carries no digest of byrote's"),
        ("results/target-lira.parquet", b"PAR1", "it carries no digest of byrote's"),
        ("results/triage.parquet", b"PAR1", "it carries no digest of byrote's"),
        ("results/onion.parquet", BLANK.encode(), "it does not fit the digest that it carries"),
    ],
)
def test_what_byrote_did_not_write_is_named(folder: Path, where: str, content: bytes, problem: str) -> None:
    (folder / where).parent.mkdir(exist_ok=True, parents=True)
    (folder / where).write_bytes(content)
    assert faults(folder)[where] == problem


@pytest.mark.slow
def test_what_is_sealed_must_follow_from_the_evidence_too(folder: Path) -> None:
    run = Run.open(folder)
    rows = pa.table({"example": ["nobody"], "label_memorization": [1.0], "planted": [""], "kind": ["label_noise"]})
    run.keep_table("triage", rows)
    run.keep_table("onion", pa.table({"figure": ["x"]}))
    run.keep_table("target-lira", rows)
    write_sealed(folder / "card.html", f"<p>{BLANK}</p>".encode())
    write_sealed(folder / "calibration.json", json.dumps({"seal": BLANK, "proxy": "loss"}).encode())
    found = faults(folder)
    assert found["results/triage.parquet"] == "it is about other examples"
    assert found["results/onion.parquet"].startswith("it lacks the column arm")
    assert found["results/target-lira.parquet"].startswith("it cannot be computed again: The run has no")
    assert found["card.html"] == "it is no card of byrote's"
    assert "is not a calibration" in found["calibration.json"]
    for name in ("report.html", "report.json"):  # which show what is in the tables
        assert found[name].startswith("it cannot be ")
    assert len(found) == 7


def test_links_and_what_is_no_file_are_named_and_not_read(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("mine")
    (folder / "card.html").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(folder / "results" / "triage.parquet")
    digest = folder_digest(folder)
    found = faults(folder)
    assert found["card.html"] == "it is a link, and byrote writes none"
    assert found["results/triage.parquet"] == "it is no plain file"
    (tmp_path / "elsewhere").write_text("yours")
    assert folder_digest(folder) == digest


def test_a_page_of_data_that_are_not_at_hand_is_said_not_to_be_checked(folder: Path) -> None:
    found = examine(Run.open(folder))
    assert found.faults == ()
    assert [one.where for one in found.unchecked] == ["report.html"]


GOLDEN = Path(__file__).parents[1] / "golden" / "0.1.0" / "groups" / "run"


@pytest.mark.slow
def test_a_page_of_version_0_1_0_is_not_compared(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(GOLDEN, tmp_path / "run"))
    (folder / "report.html").write_text("<!doctype html><p>of another version</p>")
    (folder / "report.json").write_text('{"run": {"name": "run"}, "headline": {}}')
    found = examine(Run.open(folder))
    assert found.faults == ()
    passed_over = {one.where: one.problem for one in found.unchecked}
    for name in ("report.html", "report.json"):
        assert passed_over[name].startswith("version 0.1.0 wrote it")


def test_a_page_without_a_digest_is_a_fault_in_a_run_that_has_digests(folder: Path) -> None:
    (folder / "report.html").write_text("<!doctype html><p>of another version</p>")
    assert list(faults(folder)) == ["report.html"]
