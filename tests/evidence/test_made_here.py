from __future__ import annotations

from pathlib import Path

import pytest

from byrote.evidence.made_here import (
    SourceForeign,
    SourceGone,
    admitted,
    files_of,
    known_files,
    pass_on,
    remember,
    state_folder,
)

RUN, CHILD = 32 * "a", 32 * "b"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BYROTE_STATE", str(tmp_path / "state"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "state"


def source(path: Path) -> dict[str, object]:
    path.write_text("pass")
    return {"name": str(path), "data_dir": None, "plants": [], "seed": 0}


def test_the_state_folder_is_the_persons_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert state_folder() == tmp_path / "state"
    monkeypatch.delenv("BYROTE_STATE")
    monkeypatch.setenv("XDG_STATE_HOME", "/somewhere")
    assert state_folder() == Path("/somewhere/byrote")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/ann")
    assert state_folder() == Path("/home/ann/.local/state/byrote")


def test_a_program_is_admitted_where_the_run_is_known_and_it_is_the_same(tmp_path: Path) -> None:
    program = tmp_path / "mine.py"
    told = source(program)
    with pytest.raises(SourceForeign, match="was not made here"):
        admitted(program, known_files(RUN))
    assert remember(RUN, told) == ""
    assert admitted(program, known_files(RUN)) == program
    assert pass_on(RUN, CHILD) == ""
    assert known_files(CHILD) == known_files(RUN)
    program.write_text("import os")
    with pytest.raises(SourceForeign, match="is not what this run was made from any more"):
        admitted(program, known_files(RUN))
    program.unlink()
    with pytest.raises(SourceGone, match="is gone"):
        admitted(program, known_files(CHILD))


def test_a_program_of_the_same_name_here_is_not_admitted(tmp_path: Path) -> None:
    remember(RUN, source(tmp_path / "mine.py"))
    (tmp_path / "mine.py").rename("mine.py")
    with pytest.raises(SourceGone):
        admitted(tmp_path / "mine.py", known_files(RUN))
    assert known_files(RUN) == {str(tmp_path / "mine.py"): files_of(source(tmp_path / "mine.py")).popitem()[1]}


def test_data_are_admitted_here_or_where_they_are_known(tmp_path: Path) -> None:
    elsewhere = tmp_path / "rows.csv"
    told = source(elsewhere)
    for path in (elsewhere, tmp_path / "nowhere.csv", Path("/etc/hostname")):
        with pytest.raises(SourceForeign, match="in this folder only"):
            admitted(path, {})
    remember(RUN, told)
    assert admitted(elsewhere, known_files(RUN)) == elsewhere
    Path("rows.csv").write_text("here")
    assert admitted(Path("/nowhere/rows.csv"), {}) == Path("rows.csv")


def test_a_state_folder_that_cannot_be_written_stops_nothing(state: Path, tmp_path: Path) -> None:
    state.write_text("a file")
    assert "could not be kept" in remember(RUN, source(tmp_path / "mine.py"))
    assert known_files(RUN) == {}


@pytest.mark.parametrize("content", ["", "7", "{}", '{"files": 7}', "\udcff"])
def test_an_entry_that_cannot_be_read_is_none(state: Path, content: str) -> None:
    (state / "runs").mkdir(parents=True)
    (state / "runs" / f"{RUN}.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    assert known_files(RUN) == {}
