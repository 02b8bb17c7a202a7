from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import byrote
from byrote.data.copies import copies
from byrote.report.neighbours import neighbours
from byrote.runs.run import Run
from report.made import make_run
from small import blobs, small_audit


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return small_audit(tmp_path_factory.mktemp("near") / "run")


def test_copies_and_what_is_nearly_one_are_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(40, 6)).astype(np.float32)
    inputs[11], inputs[12] = inputs[10], inputs[10] + 0.01
    data = byrote.from_arrays(inputs, np.arange(40) % 3, name="near", class_names=("a", "b", "c"))
    run = make_run(tmp_path / "run", dataset=data, controls=False)
    found = neighbours(run, np.array([10, 20]), copies(data))
    assert [(twin.id, twin.same) for twin in found.twins[10]] == [(run.ids[11], True), (run.ids[12], False)]
    assert 20 not in found.twins
    assert found.leaning == {}
    assert not found.measured  # no held-out examples
    assert found.near
    alone = neighbours(run, np.array([10, 20]))
    assert [twin.id for twin in alone.twins[10]] == [run.ids[11]]  # near copies are not looked for by itself


def test_what_chance_puts_near_is_no_copy(tmp_path: Path) -> None:
    """Of 40 points on a plane most have another within half of the distance to their tenth neighbour."""
    inputs = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    data = byrote.from_arrays(inputs, np.arange(40) % 3, name="plane", class_names=("a", "b", "c"))
    run = make_run(tmp_path / "run", dataset=data, controls=False)
    apart = np.sort(np.linalg.norm(inputs[:, None] - inputs, axis=2), axis=1)
    assert (apart[:, 1] < 0.5 * apart[:, 10]).sum() > 20
    found = neighbours(run, np.arange(40), copies(data))
    assert found.near
    assert found.twins == {}


def test_of_numbers_that_name_something_only_the_same_is_told(tmp_path: Path) -> None:
    inputs = np.arange(40)[:, None] * np.ones((1, 3), np.int64)
    inputs[5] = inputs[4]
    data = byrote.from_arrays(inputs.astype(np.float32), np.arange(40) % 3, name="named", class_names=("a", "b", "c"))
    object.__setattr__(data, "inputs", inputs)
    run = make_run(tmp_path / "run", dataset=data, controls=False)
    found = neighbours(run, np.array([4, 20]))
    assert [(twin.id, twin.same) for twin in found.twins[4]] == [(run.ids[5], True)]
    assert not found.near
    assert 20 not in found.twins


def test_a_held_out_example_that_leans_is_named_and_chance_is_not(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    models = run.models()
    assert neighbours(run, np.arange(8)).leaning == {}  # 6 models tell nothing for sure
    member = np.repeat([[1], [0]], 40, axis=0) * np.ones((1, 60), np.int8)
    rng = np.random.default_rng(0)
    member[:, 1:] = rng.integers(0, 2, (80, 59))
    answers = rng.random((80, 30)) < 0.5
    answers[:, 3] = member[:, 0] == 1  # the fourth held-out example is right where the first one was trained on
    monkeypatch.setattr(type(run), "models", lambda self, role="reference": np.arange(80))
    load = type(run).load
    given = {
        "heldout.correct": answers,
        "design.member": member.astype(np.int8),
        "design.stratum": np.zeros(member.shape, np.int16),
    }
    monkeypatch.setattr(type(run), "load", lambda s, n, m, e=slice(None): given[n] if n in given else load(s, n, m, e))
    found = neighbours(run, np.arange(8))
    assert len(models) == 6
    assert {row: [one.name for one in pairs] for row, pairs in found.leaning.items()} == {0: [blobs(30, seed=1).ids[3]]}
    assert found.leaning[0][0].value == "1.00"
