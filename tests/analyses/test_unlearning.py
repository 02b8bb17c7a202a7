from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from scipy.stats import binom
from typer.testing import CliRunner

import byrote
from byrote.analyses.lab import Lab
from byrote.analyses.unlearn import _chosen, _examples, steps_of, unlearn
from byrote.analyses.unlearning import ALL, ARMS, dealt, judged, models_for, shift, ulira, unlearning
from byrote.blocks import TableBlock, Tiles, section_of
from byrote.changes.change import Context, TrainedModel
from byrote.changes.model.fine_tune_on_rest import FineTuneOnRest
from byrote.changes.model.gradient_ascent import GradientAscent
from byrote.changes.model.retrain import Retrain
from byrote.changes.recipe.weight_decay import WeightDecay
from byrote.cli.app import app
from byrote.data.controls import LABEL_NOISE
from byrote.errors import BadInput, TooFewModels
from byrote.report.verify import examine
from byrote.runs.run import Run
from small import longer, small_audit

LAB = Lab(workers=1, progress=False)


def drawn(rng: np.random.Generator, models: int, examples: int, mean: float = 0.0) -> np.ndarray:
    """Log-odds of models that differ as wholes, too, so that examples hang together."""
    return mean + rng.normal(size=(models, 1)) + rng.normal(size=(models, examples))


def sets(rng: np.random.Generator, models: int, examples: int, left: float) -> dict[str, np.ndarray]:
    means = dict.fromkeys(ARMS, 0.0) | {"unlearned": left}
    return {name: drawn(rng, models, examples, mean) for name, mean in means.items()}


def verdict(values: dict[str, np.ndarray]) -> str:
    examples = values["unlearned"].shape[1]
    ids = np.array([str(row) for row in range(examples)])
    return judged(values, ids, {ALL: np.ones(examples, bool)}).rows["verdict"][0]


def test_exact_retraining_passes_at_its_level() -> None:
    rng = np.random.default_rng(0)
    rejected = sum(dealt(drawn(rng, 5, 12), drawn(rng, 5, 12)) <= 0.05 for _ in range(400))
    assert rejected <= binom.ppf(0.999, 400, 0.05)
    assert rejected >= binom.ppf(0.001, 400, 0.03)  # 252 deals do not hit .05 exactly: 12 of them are .048


def test_what_is_left_and_what_went_too_far_are_both_caught() -> None:
    rng = np.random.default_rng(1)
    assert verdict(sets(rng, 8, 10, 3.0)) == "not unlearned: something is left"
    assert verdict(sets(rng, 8, 10, -3.0)) == "not unlearned: more is gone than by retraining"
    assert verdict(sets(rng, 8, 10, 0.0)) == "no difference shown"


def test_some_left_and_others_gone_too_far_do_not_cancel() -> None:
    rng = np.random.default_rng(2)
    values = sets(rng, 8, 10, 0.0)
    values = {name: one - one.mean(1, keepdims=True) for name, one in values.items()}
    values["unlearned"] = values["unlearned"] + np.repeat([3.0, -3.0], 5)
    assert abs(shift(values["unlearned"], values["retrained"])) < 0.3
    assert verdict(values).startswith("not unlearned")


def test_the_auc_of_two_like_sets_is_a_half_and_that_of_others_is_the_gaussian_one() -> None:
    rng = np.random.default_rng(3)
    alike = np.mean([ulira(rng.normal(size=(16, 20)), rng.normal(size=(16, 20))) for _ in range(50)])
    assert alike == pytest.approx(0.5, abs=0.02)
    # Gaussians of one spread that are 2 apart: Phi(2 / sqrt(2)) = .921
    apart = np.mean([ulira(rng.normal(2, 1, (60, 20)), rng.normal(size=(60, 20))) for _ in range(10)])
    assert apart == pytest.approx(0.921, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("left", [0.0, 2.0])
def test_the_interval_of_a_shift_holds_the_truth(left: float) -> None:
    rng = np.random.default_rng(6)
    held = 0
    for _ in range(60):
        values = sets(rng, 6, 10, left)
        table = judged(values, np.arange(10).astype(str), {ALL: np.ones(10, bool)})
        found = table.figures["shift"][0]
        assert found is not None
        held += found.low <= left / np.sqrt(2) <= found.high  # models as wholes and examples have a variance of 1 each
    assert held >= binom.ppf(0.001, 60, 0.94)


def test_a_deal_of_few_models_is_exact() -> None:
    one, other = np.array([[3.0], [4.0], [5.0], [6.0]]), np.array([[0.0], [1.0], [2.0], [2.5]])
    assert dealt(one, other) == pytest.approx(2 / 70)
    assert dealt(other, one) == pytest.approx(2 / 70)


def test_so_few_models_cannot_tell_and_how_many_it_takes_is_said() -> None:
    rng = np.random.default_rng(4)
    values = sets(rng, 5, 200, 5.0)
    kinds = {name: np.arange(200) % 8 == number for number, name in enumerate("abcdefgh")}
    table = judged(values, np.arange(200).astype(str), {ALL: np.ones(200, bool), **kinds})
    assert set(table.rows["verdict"]) == {"cannot tell, needs 6 models of each set"}
    assert models_for(9) == 6  # 2 / C(10, 5) = .0079 > .05 / 9 >= 2 / C(12, 6)
    assert set(table.arrays["verdict"]) == {"cannot tell, needs 8 models of each set"}  # 2 / C(16, 8) <= .05 / 200
    assert np.isnan(table.arrays["p"]).all()
    assert any("among 200 it takes 8 models" in note for note in table.notes)


def test_single_examples_are_told_where_the_models_suffice() -> None:
    rng = np.random.default_rng(5)
    values = {name: rng.normal(size=(12, 20)) for name in ARMS}
    values["unlearned"][:, :2] += 6.0
    table = judged(values, np.arange(20).astype(str), {ALL: np.ones(20, bool)})
    assert table.arrays["verdict"][:2].tolist() == ["something is left"] * 2
    assert (table.arrays["verdict"][2:] == "no difference shown").sum() >= 17


def test_fewer_than_five_models_are_refused() -> None:
    with pytest.raises(TooFewModels, match="Got 4"):
        verdict(sets(np.random.default_rng(0), 4, 5, 0.0))


@dataclass(frozen=True)
class Nothing:
    """An unlearning that leaves the model as it is."""

    stage: ClassVar[str] = "model"
    name: ClassVar[str] = "nothing"

    def apply(self, stage: TrainedModel, context: Context) -> TrainedModel:
        return stage


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return small_audit(tmp_path_factory.mktemp("unlearning") / "run", models=4, recipe=longer(30))


@pytest.fixture(scope="module")
def wrong(run: Run) -> list[str]:
    """The examples with planted wrong labels, which can only be given by rote."""
    return run.ids[run.controls.mask(run.ids, LABEL_NOISE)].tolist()


@pytest.mark.slow
def test_a_method_that_does_nothing_is_caught(run: Run, wrong: list[str], tmp_path: Path) -> None:
    table = unlearn(LAB, run, method=Nothing(), forget=wrong, models=5, out=tmp_path / "out")
    assert table.rows["verdict"][0] == "not unlearned: something is left"
    moved = table.figures["shift"][0]
    assert moved is not None
    assert moved.low > 0
    assert any(f"on {len(wrong) / 60:.1%} fewer examples" in note for note in table.notes)
    runs = {name: Run.open(tmp_path / "out" / name) for name in ARMS}
    forgotten = np.isin(run.ids, wrong)
    assert (runs["unlearned"].design.member == 1).all()
    for name in ARMS[1:]:
        assert not runs[name].design.member[:, forgotten].any()
        assert runs[name].design.member[:, ~forgotten].all()
    seeds = [entry.seed for one in runs.values() for entry in one.manifest.models]
    assert len(set(seeds)) == len(seeds) == 20
    checked = examine(runs["unlearned"])
    assert not checked.faults
    assert "results/unlearning.parquet" in {one.where for one in checked.unchecked}
    blocks = list(section_of("unlearning").blocks(table))
    assert [type(block) for block in blocks[:2]] == [Tiles, TableBlock]
    again = unlearn(LAB, run, method=Nothing(), forget=wrong, models=5, out=tmp_path / "out")
    assert again.rows == table.rows


@pytest.mark.slow
def test_training_anew_passes(run: Run, wrong: list[str], tmp_path: Path) -> None:
    table = unlearn(LAB, run, method=Retrain(), forget=wrong, models=5, out=tmp_path / "out")
    assert table.rows["verdict"][0] == "no difference shown"


def test_the_gold_is_trained_as_many_steps_longer_as_the_method_took(run: Run) -> None:
    rng = np.random.default_rng(0)
    forget = np.arange(10)
    context = Context(dataset=run.dataset, rng=rng, forget=forget, retain=np.arange(10, 60))
    algorithm = _examples(run, run.ids[:10].tolist()).algorithm()
    assert steps_of(FineTuneOnRest(3), algorithm, context) == 3 * 7  # 50 in batches of 8
    assert steps_of(GradientAscent(2), algorithm, context) == 2 * 2 + 7
    assert steps_of(Nothing(), algorithm, context) == 0


def test_what_is_no_unlearning_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is a change of the recipe"):
        unlearn(LAB, run, method=WeightDecay(), models=4, out=tmp_path / "out")
    with pytest.raises(TooFewModels, match="Got 3"):
        unlearn(LAB, run, method="fine-tune-on-rest=1", models=3, out=tmp_path / "out")
    with pytest.raises(BadInput, match="opened without its data"):
        unlearn(LAB, Run.open(run.folder), method="fine-tune-on-rest=1", out=tmp_path / "out")
    with pytest.raises(BadInput, match="does not say what was to be forgotten"):
        unlearning(run, run, run, run)


def test_sets_that_held_the_examples_are_no_gold(run: Run) -> None:
    parent = {"folder": "x", "change": {}, "forget": run.ids[:2].tolist()}
    first = dataclasses.replace(run, manifest=dataclasses.replace(run.manifest, parent=parent))
    with pytest.raises(BadInput, match="is not one of models that were trained on all of the examples to forget"):
        unlearning(first, run, run, run)


@pytest.mark.slow
def test_the_command_asks_it(run: Run, wrong: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from byrote.cli import ask as command

    (tmp_path / "ids.txt").write_text("\n".join(wrong))
    monkeypatch.setattr(command, "with_contents_if_admitted", lambda opened, source, without: run)
    words = ["ask", str(run.folder), "unlearn", "--workers", "1", "--set", "method=fine-tune-on-rest=1"]
    words += ["--set", f"forget={tmp_path / 'ids.txt'}", "--set", "models=5", "--set", f"out={tmp_path / 'out'}"]
    told = CliRunner().invoke(app, words, catch_exceptions=False)
    assert told.exit_code == 0, told.output
    assert "All examples to forget" in told.output
    assert byrote.Run.open(tmp_path / "out" / "longer").manifest.parent["change"]["steps"] == 7


def test_a_share_is_of_the_most_memorized(run: Run) -> None:
    values = run.measure("label_memorization").values
    rows = _chosen(run, 0.1)
    assert len(rows) == round(0.1 * len(values))
    assert np.nanmin(values[rows]) >= np.nanmax(np.delete(values, rows))
