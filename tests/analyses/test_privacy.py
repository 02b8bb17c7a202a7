from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import binom, binomtest, chisquare

import byrote
from byrote.analyses.privacy import (
    ManyRunsAudit,
    PrivacyAudit,
    as_table,
    audit_privacy,
    beside_claim,
    canary_scores,
    privacy_design,
    shown,
    table_of_many,
    with_canaries,
)
from byrote.blocks import Words
from byrote.changes.change import Context
from byrote.changes.data.symmetric_label_noise import SymmetricLabelNoise
from byrote.data.dataset import Dataset
from byrote.engine.block import side_by_side
from byrote.engine.many import Many
from byrote.errors import BadInput
from byrote.recipes.algorithm import Batch, Shape
from byrote.recipes.guarantee import multiplier_of
from byrote.recipes.recipe import Recipe
from byrote.report.verify import verify
from byrote.stats.privacy_bounds import ceiling, many_runs_epsilon, one_run_epsilon
from small import shards

CANARIES = 100


def clusters(examples: int = 240) -> Dataset:
    """Three clusters in a hundred dimensions: easy to tell apart, and room to learn each wrong label by rote."""
    rng = np.random.default_rng(0)
    targets = np.arange(examples) % 3
    inputs = rng.normal(size=(examples, 100)).astype(np.float32)
    inputs[:, :3] += 5 * np.eye(3, dtype=np.float32)[targets]
    return byrote.from_arrays(inputs, targets, name="clusters", class_names=("a", "b", "c"))


def learner(epochs: int, lr: float = 0.1) -> Recipe:
    return byrote.Recipe(network=byrote.MLP(hidden=(64,)), epochs=epochs, batch_size=20, optimizer=byrote.SGD(lr=lr))


def small_privacy(out: Path, **changes: Any) -> PrivacyAudit:
    settings: dict[str, Any] = {"canaries": CANARIES, "workers": 1, "device": "cpu", "progress": False, **changes}
    return audit_privacy(settings.pop("dataset", clusters()), settings.pop("recipe", learner(40)), out=out, **settings)


@pytest.fixture(scope="module")
def overfit(tmp_path_factory: pytest.TempPathFactory) -> PrivacyAudit:
    return small_privacy(tmp_path_factory.mktemp("overfit") / "run")


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> PrivacyAudit:
    return small_privacy(tmp_path_factory.mktemp("untrained") / "run", recipe=learner(1, lr=1e-12))


def test_a_model_that_learns_by_rote_shows_nearly_all_that_the_canaries_can(overfit: PrivacyAudit) -> None:
    assert overfit.epsilon > 0.8 * overfit.ceiling
    assert overfit.ceiling < overfit.limit == pytest.approx(ceiling(CANARIES, delta=1e-5))
    assert overfit.gaussian.epsilon > overfit.epsilon
    assert (overfit.canaries, overfit.measured, overfit.guesses) == (100, 100, 66)
    assert overfit.members == overfit.run.design.member[0].sum() - 140
    assert "is not (ε, 1e-05)-differentially private for any ε below" in overfit.notes[0]
    assert "even 0, does not prove privacy" in overfit.notes[1]
    assert "fixed before the scores were seen" in overfit.notes[2]


def test_the_figures_follow_from_the_evidence(overfit: PrivacyAudit) -> None:
    """Count the right guesses again, from log-odds and membership one by one."""
    run = overfit.run
    log_odds, member = run.load("outputs.log_odds", [0])[0], run.design.member[0]
    canaries = [row for row in range(240) if run.controls.mask(run.ids[[row]], "label_noise")[0]]
    ranked = sorted(canaries, key=lambda row: -log_odds[row])
    assert len(set(log_odds[canaries])) == CANARIES, "without ties the order is unique"
    right = sum(member[row] == 1 for row in ranked[:33]) + sum(member[row] == 0 for row in ranked[-33:])
    assert overfit.correct == right


@pytest.mark.slow
def test_an_untrained_model_shows_nothing_whatever_the_coins(untrained: PrivacyAudit) -> None:
    """Its scores do not depend on the coins, so other coins make other audits of the same model."""
    run, audits, found = untrained.run, 1000, []
    rows = np.flatnonzero(run.controls.mask(run.ids, "label_noise"))
    scores, _ = canary_scores(run, rows)
    assert np.ptp(scores) > 0
    for seed in range(audits):
        joined = privacy_design(240, rows, references=0, seed=seed).member[0, rows] == 1
        rng = np.random.default_rng(seed)
        found.append(one_run_epsilon(scores, joined, delta=1e-5, k_plus=40, k_minus=40, rng=rng).epsilon)
    assert 0 < np.count_nonzero(found) <= binom.ppf(0.999, audits, 0.05)


@pytest.mark.slow
def test_a_constant_model_shows_nothing_whatever_the_order() -> None:
    for method, size in (("fixed", 40), ("split", None), ("bonferroni", None)):
        found = []
        for seed in range(500):
            joined = np.sort(np.random.default_rng(seed).random(CANARIES) < 0.5)
            rng = np.random.default_rng([seed, 6])
            found.append(
                one_run_epsilon(
                    np.zeros(CANARIES), joined, delta=1e-5, method=method, k_plus=size, k_minus=size, rng=rng
                )
            )
        assert sum(bound.epsilon > 0 for bound in found) <= binom.ppf(0.999, 500, 0.05)


def test_coins_are_independent_and_not_exactly_half() -> None:
    rows = np.arange(10, 40)
    joined = np.array([privacy_design(60, rows, references=0, seed=seed).member[0] for seed in range(600)])
    assert (joined[:, :10] == 1).all()
    assert (joined[:, 40:] == 1).all()
    law = binom(30, 0.5)
    edges = np.array([12, 14, 15, 16, 18])
    observed = np.bincount(np.searchsorted(edges, joined[:, rows].sum(1), side="right"), minlength=6)
    expected = 600 * np.diff(np.concatenate([[0], law.cdf(edges - 1), [1]]))
    assert chisquare(observed, expected).pvalue > 1e-3, "the number of members is binomial"
    for row in rows:
        assert binomtest(int(joined[:, row].sum()), 600).pvalue > 1e-4


def test_canaries_are_mislabelled_and_no_controls() -> None:
    plain = clusters()
    planted, rows = with_canaries(plain, 50, mislabel=True, seed=3)
    assert len(rows) == 50
    np.testing.assert_array_equal(np.flatnonzero(planted.targets != plain.targets), rows)
    again, others = with_canaries(planted, 50, mislabel=True, seed=4)
    assert not np.intersect1d(rows, others).size
    assert again.controls.mask(again.ids, "label_noise").sum() == 100
    same, kept = with_canaries(plain, 50, mislabel=False, seed=3)
    assert same is plain
    assert len(np.unique(kept)) == 50


def test_who_joined_and_what_was_guessed_by_stand_in_a_table(overfit: PrivacyAudit) -> None:
    run = overfit.run
    kept = run.kept_table("epsilon.parquet").to_pydict()
    rows = np.flatnonzero(run.controls.mask(run.ids, "label_noise"))
    assert kept["example"] == run.ids[rows].tolist()
    assert kept["joined"] == (run.design.member[0, rows] == 1).tolist()
    np.testing.assert_array_equal(kept["score"], run.load("outputs.log_odds", [0])[0, rows])
    assert verify(run) == []
    ranked = sorted(zip(kept["score"], kept["joined"], strict=True), reverse=True)
    right = sum(joined for _, joined in ranked[:33]) + sum(not joined for _, joined in ranked[-33:])
    assert right == overfit.correct


@pytest.mark.parametrize("mislabel", [True, False])
@pytest.mark.parametrize("grouped", [True, False])
def test_planted_noise_is_no_canary(mislabel: bool, grouped: bool) -> None:
    plain = clusters()
    noisy = SymmetricLabelNoise(0.1).apply(plain, Context(dataset=plain, rng=np.random.default_rng(0)))
    if grouped:
        noisy = noisy.replace(groups=np.array([f"g{row // 2}" for row in range(len(noisy))]))
    for seed in range(5):
        rows = with_canaries(noisy, 60, mislabel=mislabel, seed=seed)[1]
        assert not noisy.controls.mask(noisy.ids[rows], "label_noise").any()
        assert len(rows) == (120 if grouped else 60)
    with pytest.raises(BadInput, match="planted controls"):
        with_canaries(noisy, 240, mislabel=mislabel, seed=0)


def test_a_stopped_audit_goes_on_and_another_method_trains_nothing(tmp_path: Path, overfit: PrivacyAudit) -> None:
    folder = tmp_path / "run"
    shutil.copytree(overfit.run.folder, folder)
    whole = shards(folder)
    (folder / "evidence/outputs/m00000.p0.safetensors").unlink()
    resumed = small_privacy(folder)
    assert shards(folder) == whole
    assert (resumed.epsilon, resumed.correct) == (overfit.epsilon, overfit.correct)
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}
    split, corrected = small_privacy(folder, method="split"), small_privacy(folder, method="bonferroni")
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")} == times
    assert (split.measured, corrected.measured) == (50, 100)
    assert 0 < split.epsilon < overfit.limit
    assert 0 < corrected.epsilon <= overfit.ceiling
    assert "One half of the canaries chose among 4" in split.notes[2]
    assert "at a level divided by 4" in corrected.notes[2]


def test_references_see_no_canary_and_their_mean_is_taken_off(tmp_path: Path) -> None:
    found = small_privacy(tmp_path / "run", references=3, recipe=learner(10))
    run = found.run
    rows = np.flatnonzero(run.controls.mask(run.ids, "label_noise"))
    assert run.models("target").tolist() == [0]
    assert run.models().tolist() == [1, 2, 3]
    assert not run.design.member[1:, rows].any()
    assert run.design.member[1:].sum() == 3 * 140
    log_odds = run.load("outputs.log_odds", range(4)).astype(np.float64)
    scores, joined = canary_scores(run, rows)
    for index, row in enumerate(rows):
        assert scores[index] == pytest.approx(
            log_odds[0, row] - np.mean([log_odds[m, row] for m in (1, 2, 3)]), abs=1e-5
        )
    np.testing.assert_array_equal(joined, run.design.member[0, rows] == 1)
    assert "3 models that no canary was shown to" in found.notes[-1]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"canaries": 4, "k": 2}, "4 guesses on 4 canaries cannot show any ε"),
        ({"canaries": 0}, "between 1 and 0 guesses"),
        ({"canaries": 240}, "must lie between 1 and 239, for 'clusters' has 240 examples. Got 240."),
        ({"k": 51}, "between 1 and 100 guesses"),
        ({"method": "split", "k": 10}, "The method 'split' chooses k itself. Got k = 10."),
        ({"method": "best"}, "There is no method 'best'"),
        ({"delta": 0.5}, "cannot show any ε at δ = 0.5"),
        ({"confidence": 0.0}, "'confidence' argument"),
    ],
)
def test_what_cannot_be_is_refused_before_training(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        small_privacy(tmp_path / "run", **changes)
    assert sentence in caught.value.message
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_digits_learned_by_rote_are_shown_to_be_far_from_private(tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="digits come with scikit-learn")
    from byrote.cli.sources import experiment

    made = experiment("digits", data_dir=None, plants=(), seed=0)
    found = audit_privacy(made.dataset, made.recipe, canaries=500, out=tmp_path / "run", progress=False)
    assert found.epsilon > 3
    assert found.correct > 0.95 * found.guesses


@pytest.mark.slow
def test_many_runs_of_a_learner_by_rote_and_of_one_that_learns_nothing(tmp_path: Path) -> None:
    """A model that fits every label knows the canary's wrong one where it was trained on it, and only there."""
    common: dict[str, Any] = {"models": 24, "workers": 1, "device": "cpu", "progress": False}
    found = byrote.audit_privacy_in_many_runs(clusters(), learner(40), out=tmp_path / "rote", **common)
    bound, inside = found.bound, int((found.run.design.member.min(1) == 1).sum())
    assert 0 < inside < 24
    assert found.run.design.member.sum() == 24 * 239 + inside  # all but the canary are always in
    assert (bound.guesses, bound.correct, bound.method) == (24, 24, "many runs")
    assert bound.epsilon == bound.ceiling > 0.5
    none = byrote.audit_privacy_in_many_runs(clusters(), learner(1, lr=1e-12), out=tmp_path / "none", **common)
    assert none.bound.epsilon == 0


def test_too_few_runs_are_refused_before_they_train(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot show any ε") as refusal:
        byrote.audit_privacy_in_many_runs(clusters(), learner(1), models=4, out=tmp_path / "run", progress=False)
    assert "runs, half of them with the canary" in refusal.value.hint
    assert not (tmp_path / "run").exists()


def test_the_section_tells_the_bound_and_what_the_guesses_could_have_shown(overfit: PrivacyAudit) -> None:
    bound, most, gaussian, *notes = (block.text for block in shown(as_table(overfit)) if isinstance(block, Words))
    assert bound == (
        f"Epsilon is at least {overfit.epsilon:.2f} at delta {overfit.delta:g}, with 95% confidence: {overfit.correct} "
        f"of {overfit.guesses} guesses about {overfit.canaries} canaries were right."
    )
    assert most == (
        f"If all these guesses were right, the bound would be {overfit.ceiling:.2f}; "
        f"the most that {overfit.canaries} canaries can show is {overfit.limit:.2f}."
    )
    assert f"of μ at least {overfit.gaussian.mu:.2f}" in gaussian
    assert notes == list(overfit.notes)


def test_the_section_of_many_runs(overfit: PrivacyAudit) -> None:
    rng = np.random.default_rng(0)
    joined = rng.random(64) < 0.5
    bound = many_runs_epsilon(np.where(joined, 1.0, -1.0), joined, threshold=0.5, delta=1e-5, confidence=0.95)
    table = table_of_many(ManyRunsAudit(bound=bound, run=overfit.run))
    lines = [block.text for block in shown(table) if isinstance(block, Words)]
    assert lines[0].endswith("in 64 of 64 runs it was guessed right whether the canary had joined.")
    assert lines[1] == f"If all guesses were right, the bound would be {bound.ceiling:.2f}."


def test_a_private_training_claims_an_epsilon_at_the_same_delta(tmp_path: Path) -> None:
    pytest.importorskip("opacus", reason="the accountant is opacus', an extra")
    recipe = byrote.Private(learner(1), noise=2.0, rate=0.2)
    found = small_privacy(tmp_path / "run", recipe=recipe)
    claimed = found.run.manifest.privacy
    assert claimed is not None
    assert claimed["delta"] == found.delta == 1e-5
    assert (
        f"claims an epsilon of {claimed['epsilon']:.3g} at this delta. The bound does not contradict" in found.notes[-1]
    )


def test_a_bound_above_the_claim_is_said_and_no_claim_says_nothing(overfit: PrivacyAudit) -> None:
    assert beside_claim(overfit, overfit.run) == ()  # type: ignore[arg-type]
    manifest = replace(overfit.run.manifest, privacy={"epsilon": overfit.epsilon / 2})
    (said,) = beside_claim(overfit, replace(overfit.run, manifest=manifest))  # type: ignore[arg-type]
    assert f"claims an epsilon of {overfit.epsilon / 2:.3g}" in said
    assert "the claim is wrong, or this is one of the 5% of audits that err" in said


@pytest.mark.parametrize("many", [{"group": 3}, {"copies": 3}])
def test_a_bound_for_several_examples_is_not_compared_with_the_claim_for_one(
    overfit: PrivacyAudit, many: dict[str, int]
) -> None:
    for claimed in (overfit.epsilon / 2, overfit.epsilon * 2):
        manifest = replace(overfit.run.manifest, privacy={"epsilon": claimed, "group": 1, "copies": 1, **many})
        (said,) = beside_claim(overfit, replace(overfit.run, manifest=manifest))  # type: ignore[arg-type]
        assert "counts as up to 3 such examples. The two do not compare" in said
        assert "allows an epsilon up to 3 times as large, at a larger delta" in said
        assert "wrong" not in said
        assert "contradict" not in said


def test_groups_of_one_example_are_compared(overfit: PrivacyAudit) -> None:
    manifest = replace(overfit.run.manifest, privacy={"epsilon": overfit.epsilon / 2, "group": 1, "copies": 1})
    (said,) = beside_claim(overfit, replace(overfit.run, manifest=manifest))  # type: ignore[arg-type]
    assert "the claim is wrong" in said


def bounds_of_many(recipe: Recipe, dataset: Dataset, rows: np.ndarray, audits: int) -> np.ndarray:
    """What so many audits find, each of a training with coins of its own; they are trained side by side."""
    design = privacy_design(len(dataset), rows, models=audits, seed=0)
    algorithm = recipe.bind(Shape(inputs=(100,), classes=3, examples=len(dataset)), torch.device("cpu"))
    inputs, labels = torch.from_numpy(np.array(dataset.inputs)), torch.from_numpy(np.array(dataset.targets))
    counts, many = list(design.phases[0].count), Many(algorithm, range(audits))
    many.begin(recipe.epochs * algorithm.steps(0))
    for epoch in range(recipe.epochs):
        drawn = [algorithm.batches(model, epoch, count) for model, count in enumerate(counts)]
        for now in zip(*drawn, strict=True):
            ids, mask = side_by_side(now, counts, torch.device("cpu"))
            many.step(Batch(inputs=inputs[ids], targets=labels[ids], ids=ids, mask=mask))
    p = many.predict(inputs[rows]).double().softmax(2).gather(2, labels[rows].expand(audits, -1)[..., None])[..., 0]
    scores = p.logit(1e-9).numpy()
    of_each = zip(scores, counts, strict=True)
    return np.array(
        [
            one_run_epsilon(
                score, count[rows] == 1, delta=1e-5, k_plus=33, k_minus=33, rng=np.random.default_rng([model, 6])
            ).epsilon
            for model, (score, count) in enumerate(of_each)
        ]
    )


@pytest.mark.slow
def test_audits_stay_below_the_claim_and_noise_without_clipping_goes_above_it() -> None:
    """A bound errs in at most 5 of 100 audits; 10 or fewer of 100 are allowed. The control shows that it can see."""
    pytest.importorskip("opacus", reason="the accountant is opacus', an extra")
    data, rows = with_canaries(clusters(), CANARIES, mislabel=True, seed=0)
    claim, rate, plain = 0.5, 20 / len(data), learner(40)
    noise = multiplier_of(claim, rate, 40 * 12, 1e-5)
    above = {}
    for arm, lr in (("both", 1.0), ("noise", 0.1)):
        slots = replace(plain, optimizer=byrote.SGD(lr=lr))
        private = byrote.Private(slots, 0.05, noise, rate, members=len(data), arm=arm)
        above[arm] = int((bounds_of_many(private.made(len(data)), data, rows, 100) > claim).sum())
    assert above["both"] <= 10
    assert above["noise"] > 50
