from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from byrote.designs.design import Design
from byrote.designs.full_data import full_data
from byrote.engine.completion import Watch, complete
from byrote.engine.job import Block, shards_of
from byrote.errors import WorkerFailed
from byrote.evidence.store import Evidence


@dataclass(frozen=True)
class Counting:
    """Writes the number of each model as its evidence, and fails at the model `dies_at`."""

    folder: Path
    design: Design
    device: str = "cpu"
    dies_at: int = -1
    diverges: int = -1

    def moved(self, folder: Path) -> Counting:
        return replace(self, folder=folder)

    def reads(self, block: Block) -> list[Path]:
        return []

    def makes(self, block: Block) -> list[Path]:
        return shards_of(self.folder, block)

    def may_have(self, phase: int) -> tuple[str, ...]:
        return ("outputs",)

    def missing(self, evidence: Evidence, models: Sequence[int]) -> bool:
        return any(not evidence.has("outputs", model, 0) for model in models)

    def train(self, block: Block, progress: Callable[[float], None]) -> list[int]:
        for model in block.models:
            if model == self.dies_at:
                raise RuntimeError("dead")
            Evidence(self.folder).write("outputs", model, 0, {"logit_margin": np.full(3, model, np.float32)}, {})
        return [model for model in block.models if model == self.diverges]


class Heard:
    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.started: list[tuple[int, int, float | None]] = []
        self.shares: list[tuple[float, float | None]] = []

    def say(self, sentence: str) -> None:
        self.sentences.append(sentence)

    def start(self, models: int, done: int, seconds: float | None) -> None:
        self.started.append((models, done, seconds))

    def advance(self, models_done: float, error: float | None) -> None:
        self.shares.append((models_done, error))

    def stop(self) -> None:
        pass


BLOCKS = [Block(models=(0, 1), stacked=False), Block(models=(2, 3), stacked=False)]


def job(folder: Path, **settings: int) -> Counting:
    return Counting(folder, full_data(3, 4), **settings)


def test_only_what_is_missing_is_made(tmp_path: Path) -> None:
    first, second = Heard(), Heard()
    with pytest.raises(WorkerFailed, match="dead"):
        complete(job(tmp_path, dies_at=3), BLOCKS, 1, first, seconds=2.0)
    assert first.started == [(4, 0, 8.0)]
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    complete(job(tmp_path), BLOCKS, 1, second, seconds=2.0)
    assert second.started == [(4, 2, 4.0)]
    done = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    assert len(done) == 4
    assert {path: done[path] for path in kept if "model-2" not in path.name}.items() <= kept.items()


def test_a_run_that_is_whole_starts_nothing(tmp_path: Path) -> None:
    complete(job(tmp_path), BLOCKS, 1, Heard())
    again = Heard()
    complete(job(tmp_path), BLOCKS, 1, again)
    assert (again.started, again.sentences) == ([], [])


def test_half_written_and_damaged_files_are_swept(tmp_path: Path) -> None:
    complete(job(tmp_path), BLOCKS, 1, Heard())
    evidence = Evidence(tmp_path)
    path = evidence.path("outputs", 2, 0)
    path.write_bytes(path.read_bytes()[:-1])
    (tmp_path / "outputs" / "left.part").write_bytes(b"half")
    heard = Heard()
    complete(job(tmp_path), BLOCKS, 1, heard)
    assert heard.sentences[0].endswith("Model 2 is done again.")
    assert heard.started == [(4, 2, None)]
    assert not list(tmp_path.rglob("*.part"))
    assert evidence.block("outputs", 2, 0)["logit_margin"].tolist() == [2, 2, 2]


def test_the_error_is_told_of_models_there_and_added_but_not_of_diverged_ones(tmp_path: Path) -> None:
    told: list[list[int]] = []

    def error_with(models: Sequence[int]) -> float | None:
        told.append(list(models))
        return 1 / sum(map(len, told)) if sum(map(len, told)) else None

    heard = Heard()
    complete(job(tmp_path, diverges=1), BLOCKS, 1, heard, error_with=error_with)
    assert told == [[], [0], [2, 3]]
    assert heard.shares[-1] == (4.0, pytest.approx(1 / 3))
    assert heard.sentences == ["Model 1 diverged. It and the other model of its pair are excluded."]


def test_a_process_that_is_begun_again_is_named_by_its_models() -> None:
    heard = Heard()
    watch = Watch(BLOCKS, [], heard)
    watch.retried(BLOCKS[0], -9)
    watch.retried(Block(models=(7,), stacked=False), None)
    assert heard.sentences == [
        "The process training models 0-1 ended with code -9; trying again.",
        "The process training model 7 was lost; trying again.",
    ]
