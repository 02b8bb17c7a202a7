from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byrote.errors import BadInput
from byrote.progress import Silent
from byrote.run import Run
from small import small_audit


class Listener(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, sentence: str) -> None:
        self.said.append(sentence)


@pytest.mark.parametrize("goal", [{}, {"models": 8, "stderr": 0.2}])
@pytest.mark.parametrize("name", ["examples.parquet", "controls.parquet", "design.safetensors"])
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


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(BadInput, match=r"is no run and holds other files: 'thesis\.tex'"):
        small_audit(tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.name != ".lock"] == ["thesis.tex"]
