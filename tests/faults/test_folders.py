"""Folders that are not what they should be: a full disk, edited manifests, two audits at once, stale locks."""

from __future__ import annotations

import contextlib
import errno
import json
import shutil
from pathlib import Path

import pytest

from byrote.errors import BadInput, ByroteError, NotEnoughRoom, RunMismatch
from byrote.runs.folder import hold
from byrote.runs.run import Run
from small import shards, small_audit


@pytest.mark.slow
def test_a_full_disk_is_said_and_what_is_finished_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import byrote.evidence.shards as module

    whole = small_audit(tmp_path / "whole")
    left = [14]
    real = module.os.fsync

    def fsync(handle: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(module.os, "fsync", fsync)
    with pytest.raises(NotEnoughRoom, match=r"The disk is full: .* could not be written"):
        small_audit(tmp_path / "run")
    monkeypatch.undo()
    assert not list((tmp_path / "run").rglob("*.part"))
    assert 0 < len(shards(tmp_path / "run")) < len(shards(whole.folder))
    assert shards(small_audit(tmp_path / "run").folder) == shards(whole.folder)


def test_two_audits_in_one_folder_are_refused(tmp_path: Path) -> None:
    with hold(tmp_path / "run"), pytest.raises(RunMismatch, match="Another process is at work"):
        small_audit(tmp_path / "run")


def test_a_lock_that_a_dead_process_left_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").write_text("12345")
    assert len(small_audit(tmp_path / "run").models()) == 6


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_audit(tmp_path_factory.mktemp("runs") / "run").folder / "manifest.json"


@pytest.mark.parametrize("name", ["dataset", "identity", "design", "models", "executor", "schema"])
@pytest.mark.parametrize("value", [None, 7, "x", [], {}, [None], {"x": 1}])
def test_a_manifest_edited_by_hand_ends_in_a_sentence(manifest: Path, tmp_path: Path, name: str, value: object) -> None:
    """Whatever stands in the manifest: the run opens and measures, or an error of ours says what is wrong."""

    folder = Path(shutil.copytree(manifest.parent, tmp_path / "run"))
    content = json.loads(manifest.read_text())
    del content["checksum"]
    content[name] = value
    (folder / "manifest.json").write_text(json.dumps(content))
    with contextlib.suppress(ByroteError):
        Run.open(folder).measure("label_memorization")


def test_a_resume_under_an_edited_manifest_is_refused(manifest: Path, tmp_path: Path) -> None:

    folder = Path(shutil.copytree(manifest.parent, tmp_path / "run"))
    content = json.loads(manifest.read_text())
    del content["checksum"]
    content["identity"]["recipe"]["epochs"] = 7
    (folder / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(RunMismatch, match=r"recipe\.epochs was 7, now 6"):
        small_audit(folder)


def test_no_manifest_but_evidence_is_refused(manifest: Path, tmp_path: Path) -> None:

    folder = Path(shutil.copytree(manifest.parent, tmp_path / "run"))
    (folder / "manifest.json").unlink()
    with pytest.raises((RunMismatch, BadInput)):
        small_audit(folder)
