"""Places that cannot be written, names that are too long, and files of somebody else: a sentence each."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from byrote.cli.app import main
from byrote.errors import BadInput, NotEnoughRoom, NotWritable
from byrote.evidence.made_here import write_own
from byrote.evidence.seals import BLANK, sealed
from byrote.evidence.shards import write_bytes
from byrote.recording.recorder import Recorder
from byrote.report.page import write_report
from byrote.runs.exporters import cleanlab, spreadsheet
from byrote.runs.run import Run
from documents import small_language_audit
from small import small_audit

LONG = "a" * 300

Say = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_audit(tmp_path_factory.mktemp("runs") / "run", models=8).folder


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that nothing can be written to, whoever asks."""

    def refuse(*_args: object, **_options: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "replace", refuse)


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk without room."""

    def refuse(*_args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)


@pytest.fixture
def byrote(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """Runs a command in this process; its status and what it printed, in one line. Whatever it raises is raised."""

    def call(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["byrote", *words])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
        said = capsys.readouterr()
        return status, " ".join((said.out + said.err).split())

    return call


@pytest.mark.usefixtures("read_only")
def test_what_was_computed_is_there_where_nothing_can_be_kept(folder: Path) -> None:
    run, told = Run.open(folder), Run.open(folder)
    told.keeps = False
    found = run.measure("cumulative_sample_loss")
    np.testing.assert_array_equal(found.values, told.measure("cumulative_sample_loss").values)
    assert told.unkept == {}
    assert list(run.unkept) == ["cumulative_sample_loss.parquet"]
    assert "cannot be written: Read-only file system." in run.unkept["cumulative_sample_loss.parquet"]
    assert not (folder / "results" / "cumulative_sample_loss.parquet").exists()


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("read_only", ("measure", "label_memorization")),
        ("read_only", ("attack", "--with", "loss_attack")),
        pytest.param("read_only", ("compare",), marks=pytest.mark.slow),
        ("full", ("measure", "label_memorization")),
        ("full", ("attack", "--with", "loss_attack")),
        ("full", ("compare",)),
    ],
)
def test_commands_answer_and_say_that_nothing_was_kept(
    folder: Path, byrote: Say, request: pytest.FixtureRequest, words: tuple[str, ...], trouble: str
) -> None:
    request.getfixturevalue(trouble)
    status, said = byrote(words[0], str(folder), *words[1:])
    assert status == 0, said
    assert "not kept. The " in said
    assert ("Read-only file system" if trouble == "read_only" else "The disk is full") in said


@pytest.mark.slow
@pytest.mark.parametrize("trouble", [pytest.param("read_only", marks=pytest.mark.slow), "full"])
def test_a_report_that_cannot_be_written_ends_in_a_sentence(
    folder: Path, tmp_path: Path, byrote: Say, request: pytest.FixtureRequest, trouble: str
) -> None:
    request.getfixturevalue(trouble)
    status, said = byrote("report", str(folder))
    assert status == 2
    assert "report.html" in said
    assert "Hint: " in said


@pytest.mark.slow
def test_figures_on_a_full_disk_end_in_a_sentence(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def refuse(handle: int) -> None:
        if os.readlink(f"/proc/self/fd/{handle}").startswith(str(tmp_path)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(NotEnoughRoom, match=r"The disk is full: .*\.png"):
        write_report(Run.open(folder), figures=tmp_path / "figures")
    assert not list((tmp_path / "figures").iterdir())


@pytest.mark.parametrize(
    "words",
    [
        ("report", LONG),
        ("verify", LONG),
        ("measure", LONG, "label_memorization"),
        ("audit", LONG),
        ("audit", f"{LONG}.csv", "--target", "x"),
        ("audit", f"{LONG}.npz"),
        ("audit", f"{LONG}.py"),
        ("audit", "digits", "--out", LONG),
        ("export", "csv", "RUN", f"{LONG}.csv"),
        ("export", "cleanlab", "RUN", f"{LONG}.npz"),
        ("trace", LONG, "--corpus", LONG),
        ("diff", LONG, LONG),
    ],
)
def test_names_that_are_too_long_end_in_a_sentence(
    folder: Path, tmp_path: Path, byrote: Say, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    Run.open(folder).measure("label_memorization")
    status, said = byrote(*(str(folder) if word == "RUN" else word for word in words))
    assert status == 2
    assert said.startswith("Error: ")
    assert "Hint: " in said
    assert not list(tmp_path.iterdir())


def test_a_folder_whose_name_is_too_long_is_refused_from_python_too(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be made"):
        small_audit(tmp_path / LONG, models=4)
    with pytest.raises(BadInput, match="cannot be made"):
        small_language_audit(tmp_path / LONG)
    with pytest.raises(BadInput, match="cannot be made"):
        Recorder(tmp_path / LONG, examples=4)


def test_a_name_of_the_longest_length_can_be_written(tmp_path: Path) -> None:
    write_bytes(tmp_path / ("b" * 255), b"content")
    assert (tmp_path / ("b" * 255)).read_bytes() == b"content"
    with pytest.raises(NotWritable, match=r"cannot be written: File name too long"):
        write_bytes(tmp_path / LONG, b"content")


def test_only_what_byrote_wrote_is_written_over(folder: Path, tmp_path: Path) -> None:
    run = Run.open(folder)
    run.measure("label_memorization")
    for name, export in (("a.csv", spreadsheet.write), ("a.npz", cleanlab.write)):
        path = tmp_path / name
        export(run, path)
        export(run, path)  # byrote's own, and unchanged
        path.write_bytes(path.read_bytes() + b"#")
        kept = path.read_bytes()
        with pytest.raises(BadInput, match=r"is there already, and byrote did not write it, or it was changed since"):
            export(run, path)
        assert path.read_bytes() == kept
        path.unlink()
        export(run, path)
    page = sealed(f"<p>{BLANK}</p>".encode())
    (tmp_path / "page.html").write_bytes(page)  # as another machine wrote it
    write_own(tmp_path / "page.html", b"new")
    (tmp_path / "page.html").write_bytes(page + b" and a note of mine")
    with pytest.raises(BadInput, match="is there already"):
        write_own(tmp_path / "page.html", b"new")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(BadInput, match="is there already"):
        write_own(tmp_path / "link", b"new")


@pytest.mark.parametrize(
    "words", [("card", "RUN", "RUN", "--out"), ("check", "RUN", "--fail-if", "label_memorization.top1% > 2", "--junit")]
)
def test_commands_write_over_nothing_of_others(
    folder: Path, tmp_path: Path, byrote: Say, words: tuple[str, ...]
) -> None:
    (tmp_path / "mine").write_text("a thesis")
    status, said = byrote(*(str(folder) if word == "RUN" else word for word in words), str(tmp_path / "mine"))
    assert status == 2, said
    assert "is there already, and byrote did not write it" in said
    assert (tmp_path / "mine").read_text() == "a thesis"


@pytest.mark.parametrize(
    "name", ["report of mine.docx", "report.html", "examples.parquet", "card.html", "canaries.json", "results.txt"]
)
def test_a_folder_with_files_of_others_is_no_place_for_a_run(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(BadInput, match="is not a run and contains other files"):
        small_audit(tmp_path)
    assert (tmp_path / name).read_text() == "mine"
