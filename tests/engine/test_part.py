"""Parts of a run that know nothing of each other leave what one command leaves."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

import byrote
from byrote.engine.completion import PartDone
from byrote.engine.executing import Here, executing
from byrote.engine.job import Block
from byrote.engine.part import Part, part
from byrote.errors import BadInput
from engine.toys import contents
from small import RECIPE, blobs

QUICK = dataclasses.replace(RECIPE, epochs=1)
BLOCKS = [Block(models=(model,), stacked=False) for model in range(5)]
DIVIDED = {
    "blocks": [vars(Block(models=(first, first + 1), stacked=True)) for first in (0, 2, 4)],
    "reason": "pairs", "seconds_a_model": 0.1, "device": "cpu", "threads": 1,
}  # fmt: skip


def audited(folder: Path, number: int | None = None, parts: int = 3, **settings: Any) -> byrote.Run | PartDone:
    """A quick audit of six models, or what is said of one part of it."""
    how = {
        "models": 6,
        "full": 0,
        "workers": 1,
        "progress": False,
        "checkpoints": 2,
        "device": "cpu",
        "executor": DIVIDED,
    }
    how |= settings
    try:
        with executing(Here() if number is None else Part(number, parts)):
            return byrote.audit(blobs(30), QUICK, out=folder, **how)
    except PartDone as done:
        return done


def test_parts_in_any_order_leave_what_one_command_leaves(tmp_path: Path) -> None:
    whole = audited(tmp_path / "whole")
    assert isinstance(whole, byrote.Run)
    run = tmp_path / "parts"
    said = [audited(run, number, 2) for number in (0, 2, 1)]
    assert [(done.blocks, done.left) for done in said if isinstance(done, PartDone)] == [(3, 3), (3, 2), (3, 0)]
    last = audited(run)
    assert isinstance(last, byrote.Run)
    assert last.manifest.executor["blocks"] == whole.manifest.executor["blocks"]
    assert contents(run / "evidence") == contents(tmp_path / "whole" / "evidence")


@pytest.mark.slow
def test_the_whole_run_trains_what_a_part_left(tmp_path: Path) -> None:
    audited(tmp_path, 0)
    audited(tmp_path, 2)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("evidence/outputs/*")}
    assert len(kept) == 2
    assert isinstance(audited(tmp_path), byrote.Run)
    after = {path: path.stat().st_mtime_ns for path in tmp_path.glob("evidence/outputs/*")}
    assert len(after) == 6
    assert kept.items() <= after.items()


@pytest.mark.slow
def test_parts_go_on_side_by_side(tmp_path: Path) -> None:
    """No part waits for another's lock, or takes what another one is writing for a remnant."""
    audited(tmp_path, 0)
    theirs = tmp_path / "evidence" / "outputs" / ".m00005.aa.part"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"half")
    from byrote.runs.folder import hold

    with hold(tmp_path):
        assert isinstance(audited(tmp_path, 1), PartDone)
    assert theirs.exists()
    audited(tmp_path)
    assert not theirs.exists()


def test_what_is_not_divided_has_no_parts(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"was not divided into blocks yet.*Hint: the same command with part 0"):
        audited(tmp_path, 1)


def test_an_audit_that_stops_by_itself_has_no_parts(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be trained in parts"):
        audited(tmp_path, 0, models=None, stderr=0.2, executor=None)


def test_blocks_are_dealt_out_once() -> None:
    dealt = [Part(number, 3).share(BLOCKS) for number in range(4)]
    assert not dealt[0]
    assert [[block.models[0] for block in one] for one in dealt[1:]] == [[0, 3], [1, 4], [2]]
    assert Part(0, 3).places("cpu") == 3
    assert (Part(0, 9).beside(9), Part(1, 9).beside(1)) == (1, 1)


@pytest.mark.parametrize("text", ["3", "4/3", "-1/3", "0/0", "1/x", "1/3/5", ""])
def test_a_part_that_there_is_not(text: str) -> None:
    with pytest.raises(BadInput, match="takes a part and their number"):
        part(text)


def test_what_is_said_of_a_part() -> None:
    assert part("0/9").words(4, 4) == (
        "The models are divided into 4 blocks, of which 4 are to be trained. No more than 4 parts have something to "
        "do. Train --part 1/9 to --part 9/9, in any order."
    )
    assert part("2/3").words(4, 1).startswith("Part 2 of 3 is trained; 1 of 4 blocks of the run are still to be")
    assert "is trained; all 4 blocks are." in part("2/3").words(4, 0)
