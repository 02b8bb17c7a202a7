from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest

from byrote.designs.full_data import full_data
from byrote.designs.half_subset_pairs import half_subset_pairs
from byrote.designs.iid_subsets import iid_subsets
from byrote.engine import division
from byrote.engine.choose import Choice
from byrote.engine.looks import Looks, looks_among, looks_of, stages, there
from byrote.runs.run import Run
from small import small_audit

MODELS = 8


@pytest.fixture(scope="module", autouse=True)
def whatever_they_cost():
    """Blocks end at looks, however long a step of few models takes on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(division, "LOOKS_COST", math.inf)
        yield


def halves(models, full=2):
    design = half_subset_pairs(12, models, rng=np.random.default_rng(0))
    return design.joined(full_data(12, full)) if full else design


def test_models_on_all_data_come_first_and_blocks_end_at_looks():
    assert [part.tolist() for part in stages(halves(16))] == [
        [16, 17], [0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11, 12, 13, 14, 15],
    ]  # fmt: skip
    assert [len(part) for part in stages(halves(64, 0))] == [4, 4, 8, 16, 32]
    assert looks_among(64) == (4, 8, 16, 32)
    assert looks_among(63) == (4, 8, 16)


def test_no_look_at_few_models_or_at_models_without_pairs():
    alone = iid_subsets(12, 16, rng=np.random.default_rng(0))
    for design in (halves(6), alone, full_data(12, 3)):
        assert looks_of(design) == ()
        assert [part.tolist() for part in stages(design)] == [list(range(design.models))]


def test_a_model_whose_mate_is_missing_is_not_looked_at():
    design = halves(8)
    assert there(design, [0, 1, 2, 5, 4, 8]).tolist() == [0, 1, 4, 5, 8]


def test_each_look_comes_once_with_the_seconds_to_come(monkeypatch):
    looked = []
    looks = Looks(halves(16), lambda models, seconds: looked.append((models, seconds)), started=0.0)
    monkeypatch.setattr("time.monotonic", lambda: 30.0)
    looks.finished((16,), 1.0)
    looks.finished((17,), 2.0)
    looks.finished((0, 1, 2, 4), 6.0)  # a mate is missing
    looks.finished((3,), 7.5)
    looks.finished((5, 6, 7), 10.0)
    looks.finished((8, 9), 18.0)
    assert [models for models, _ in looked] == [[16], [0, 1, 2, 3, 16, 17], [*range(8), 16, 17]]
    assert [seconds for _, seconds in looked] == pytest.approx([30 * 17, 4 * 10.5, 3 * 8])
    again = []
    Looks(halves(16), lambda models, _: again.append(models), {*range(8), 16, 17}).finished((8, 9), 12.0)
    assert again == []


def shards(folder):
    """The digest of each file of evidence."""
    paths = sorted((folder / "evidence").rglob("*.safetensors"))
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


@pytest.fixture(scope="module")
def looked(tmp_path_factory):
    """An audit with looks: its folder, the runs that were looked at, and what they measured."""
    folder, seen = tmp_path_factory.mktemp("looked") / "run", []

    def look(run, seconds):
        found = run.measure("label_memorization") if len(run.design.models_of("reference")) else None
        seen.append((run, seconds, found))

    small_audit(folder, models=MODELS, full=2, look=look)
    return folder, seen


def test_a_look_is_a_run_of_the_models_that_are_there(looked):
    folder, seen = looked
    assert [run.design.models_of("reference").tolist() for run, _, _ in seen] == [[], [0, 1, 2, 3]]
    assert [run.design.models_of("full").tolist() for run, _, _ in seen] == [[8, 9]] * 2
    assert all(seconds > 0 for _, seconds, _ in seen)
    assert "after 2 trainings on all data" in seen[0][0].unfinished
    assert "after 4 of 8 models" in seen[1][0].manifest.notes[0]
    whole = Run.open(folder)
    expected = whole.measured_on("label_memorization", np.arange(4)).values
    np.testing.assert_array_equal(seen[1][2].values, expected)
    assert whole.unfinished == ""
    assert not (folder / "results").exists()  # a look keeps no tables


def test_evidence_is_the_same_without_looks(looked, tmp_path):
    folder, _ = looked
    small_audit(tmp_path / "run", models=MODELS, full=2)
    assert shards(tmp_path / "run") == shards(folder)
    assert len(shards(folder)) > 3 * MODELS


def test_who_stops_at_a_look_goes_on_from_there(looked, tmp_path):
    def stop(run, seconds):
        if len(run.design.models_of("reference")):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        small_audit(tmp_path / "run", models=MODELS, full=2, look=stop)
    there_already = shards(tmp_path / "run")
    again = []
    run = small_audit(tmp_path / "run", models=MODELS, full=2, look=lambda run, _: again.append(run))
    assert again == []  # nothing new before the end
    assert len(run.models()) == MODELS
    assert there_already.items() < shards(tmp_path / "run").items() == shards(looked[0]).items()


def test_a_view_measures_its_own_models(looked):
    whole = Run.open(looked[0])
    before = whole.replicates("label_memorization")[0].values
    view = whole.so_far([0, 1, 2, 3])
    assert view.replicates("label_memorization")[0].models == 4
    np.testing.assert_array_equal(whole.replicates("label_memorization")[0].values, before)
    assert whole.replicates("label_memorization")[0].models == MODELS
    assert view.diverged() == ()


@pytest.mark.parametrize(("pair", "sizes"), [(2.0, [2, 4, 4, 8, 16]), (30.0, [2, 32])])
def test_blocks_are_large_where_small_ones_cost_more(monkeypatch, pair, sizes):
    monkeypatch.setattr(division, "LOOKS_COST", 1.1)
    how = {"stacked": True, "size": 32, "compiled": False, "reason": "", "seconds_a_model": 1.0, "seconds_alone": 4.0}
    blocks = division.blocks_by(Choice(**how, seconds_pair=pair), halves(32), None, 1)
    assert [len(block.models) for block in blocks] == sizes
