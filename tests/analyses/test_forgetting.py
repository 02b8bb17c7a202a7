"""Designs of several phases, from training to the measures that read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import byrote
from byrote.analyses.forgetting import Forgetting, measure_forgetting
from byrote.designs.ratio_grid import ratio_grid
from byrote.designs.two_splits import two_splits
from byrote.errors import BadInput, MissingEvidence
from byrote.measures.consistency_score import consistency_score
from byrote.measures.rate_of_forgetting import rate_of_forgetting
from byrote.measures.second_split_forgetting_time import second_split_forgetting_time
from byrote.results import Curve, PerExample, Survival
from byrote.runs.run import Run
from small import RECIPE, blobs, longer, small_audit


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Run:
    design = two_splits(60, 8, epochs=4, rng=np.random.default_rng(0))
    return small_audit(tmp_path_factory.mktemp("split") / "run", design=design)


def test_each_phase_has_a_trajectory_of_its_own_from_its_start(split: Run) -> None:
    models = split.models()
    np.testing.assert_array_equal(split.load("first_phase.epochs", models), np.arange(7))
    np.testing.assert_array_equal(split.load("trajectory.epochs", models), np.arange(5))
    first, second = (split.evidence.load("trajectory.log_odds", [0, 1], phase) for phase in (0, 1))
    # the second phase starts where the first ended
    np.testing.assert_array_equal(first[:, -1], second[:, 0])
    assert (first[:, 0] != first[:, -1]).any()


def test_membership_by_phase(split: Run) -> None:
    first, second = (phase.count > 0 for phase in split.design.phases)
    np.testing.assert_array_equal(split.load("first_phase.member", split.models()), first)
    np.testing.assert_array_equal(split.load("design.withdrawn", split.models()), first & ~second)
    np.testing.assert_array_equal(split.load("design.withdrawn", [2], slice(10, 20)), (first & ~second)[2:3, 10:20])
    np.testing.assert_array_equal(split.load("design.repetitions", split.models()), 1)


def test_both_ways_round_every_example_is_withdrawn_from_half_of_the_models(split: Run) -> None:
    result = split.measure("second_split_forgetting_time")
    assert isinstance(result, PerExample)
    np.testing.assert_array_equal(result.counts["withdrawn"], 4)
    arguments = {
        name: split.load(need, split.models())
        for name, need in (
            ("correct", "trajectory.correct"), ("epochs", "trajectory.epochs"), ("withdrawn", "design.withdrawn")
        )
    }  # fmt: skip
    np.testing.assert_array_equal(result.values, second_split_forgetting_time(**arguments).values)
    learning = split.measure("first_split_learning_time")
    assert isinstance(learning, PerExample)
    np.testing.assert_array_equal(learning.counts["members"], 4)


def test_noise_is_learned_later_and_forgotten_sooner(split: Run) -> None:
    noisy = split.controls.mask(split.ids, "label_noise")
    for key in ("first_split_learning_time", "second_split_forgetting_time"):
        result = split.measure(key)
        assert isinstance(result, PerExample)
        assert np.nanmean(result.values[noisy]) > np.nanmean(result.values[~noisy])
        curve = split.measure(f"{key}[survival]")
        assert isinstance(curve, Survival)
        assert curve.groups == ("clean", "label_noise")
        assert (split.folder / "results" / f"{key}[survival].parquet").is_file()


def test_a_single_phase_has_learning_times_and_no_forgetting_times(tmp_path: Path) -> None:
    run = small_audit(tmp_path / "run")
    learning = run.measure("first_split_learning_time")
    assert isinstance(learning, PerExample)
    np.testing.assert_array_equal(learning.counts["members"], (run.design.member[run.models()] == 1).sum(0))
    for key in ("second_split_forgetting_time", "second_split_forgetting_time[survival]", "rate_of_forgetting"):
        with pytest.raises(MissingEvidence, match=r"No example was withdrawn.*single phase.*Hint: .*two-splits"):
            run.measure(key)


def test_an_imported_run_may_not_know_who_was_in(tmp_path: Path) -> None:
    member = np.array([[1, 0, -1], [0, 1, -1], [1, 1, 0], [0, 0, 1]])
    trajectory = np.zeros((4, 2, 3), np.float32)
    run = byrote.import_arrays(
        tmp_path / "run",
        labels=np.array([0, 1, 0]),
        member=member,
        evidence={"trajectory.logit_margin": trajectory},
        checkpoints=(0, 3),
    )
    np.testing.assert_array_equal(run.load("first_phase.member", run.models()), member)
    # 1/2, 1/2, 2/3 and 1/3 of the examples: they differ by one example from each to the next, which is one level
    np.testing.assert_allclose(run.load("design.ratio", run.models()), 1 / 2)
    assert isinstance(run.measure("first_split_learning_time"), PerExample)


def test_a_grid_of_ratios_gives_score_and_profile(tmp_path: Path) -> None:
    design = ratio_grid(60, 6, ratios=(0.1, 0.5), rng=np.random.default_rng(0))
    run = small_audit(tmp_path / "run", design=design)
    ratio = run.load("design.ratio", run.models())
    np.testing.assert_allclose(ratio, np.repeat([0.1, 0.5], 6))
    score = run.measure("consistency_score")
    assert isinstance(score, PerExample)
    expected = consistency_score(run.load("outputs.correct", run.models()), run.design.member, ratio)
    np.testing.assert_array_equal(score.values, expected.values)
    profile = run.measure("consistency_score[profile]")
    assert isinstance(profile, Curve)
    np.testing.assert_allclose(profile.at, [0.1, 0.5])
    assert profile.values[0, 0] >= profile.values[0, 1]


def forgetting(out: Path, **changes: Any) -> Forgetting:
    settings: dict[str, Any] = {
        "regime": "inject", "canaries": np.arange(0, 60, 3), "models": 8, "used": 3, "after": 4, "workers": 1,
        "progress": False,
    }  # fmt: skip
    return measure_forgetting(blobs(noise=0.1), RECIPE, out=out, **{**settings, **changes})


@pytest.mark.parametrize("regime", ["inject", "poison"])
def test_both_regimes_run(tmp_path: Path, regime: str) -> None:
    found = forgetting(tmp_path / "run", regime=regime, repetitions=(1, 8))
    assert found.success.groups == ("once an epoch", "8 times an epoch")
    np.testing.assert_array_equal(found.success.at, np.arange(5))
    assert list(found.after) == list(found.success.groups)
    run = found.run
    needs = ("trajectory.log_odds", "trajectory.epochs", "design.withdrawn", "design.member", "design.repetitions")
    arguments = {need.split(".")[1]: run.load(need, run.models()) for need in (*needs, "design.pair")}
    np.testing.assert_array_equal(found.success.values, rate_of_forgetting(**arguments).values)
    assert arguments["withdrawn"][:, 1::3].sum() == 0
    np.testing.assert_array_equal(arguments["withdrawn"][:, 0::3].sum(1), 10)
    assert repr(found).startswith("Forgetting(success at most 0.55: once an epoch: ")


def test_it_goes_on_where_it_stopped(tmp_path: Path) -> None:
    once, again = (forgetting(tmp_path / "run") for _ in range(2))
    np.testing.assert_array_equal(once.success.values, again.success.values)


def test_memorized_labels_are_told_right_after_the_injection(tmp_path: Path) -> None:
    """Labels that are wrong, shown 32 times in one epoch to models that had fitted the rest: AUC above .5."""
    dataset = blobs(noise=0.3)
    noisy = np.flatnonzero(dataset.controls.mask(dataset.ids, "label_noise"))
    found = measure_forgetting(
        dataset, longer(4), regime="inject", canaries=noisy, repetitions=(32,), models=8, after=2,
        out=tmp_path / "run", workers=1, progress=False,
    )  # fmt: skip
    assert found.success.low[0, 0] > 0.5


def test_other_regimes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no regime 'stir'.*inject and poison"):
        forgetting(tmp_path / "run", regime="stir")
