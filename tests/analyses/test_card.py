from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

import byrote
from byrote.analyses.card import Row, as_table, card, shown
from byrote.analyses.pattern_or_rote import poisons_of
from byrote.blocks import TableBlock, Words
from byrote.changes.registry import parse_change
from byrote.errors import BadInput
from byrote.recording.recorder import Recorder
from byrote.results import Scalar
from byrote.runs.run import Run
from byrote.stats.jackknife import difference, from_replicates
from poisoned import poisoned_audit
from report.made import NOISY, make_run
from small import small_audit

NAN = float("nan")


def figure(value: float, *replicates: float) -> Scalar:
    return from_replicates(value, np.array(replicates, np.float64), models=2 * len(replicates), examples=10)


def row(before: Scalar, after: Scalar, better: str = "lower", *, paired: bool = True, judged: bool = True) -> Row:
    return Row(
        name="figure",
        before=before,
        after=after,
        difference=difference(after, before, paired=paired),
        better=better,  # type: ignore[arg-type]
        judged=judged,
    )


HIGH = figure(0.8, 0.79, 0.80, 0.81)
LOW = figure(0.2, 0.19, 0.20, 0.205)


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize(
    ("before", "after", "good", "verdict"),
    [
        (HIGH, LOW, "lower", "better"),
        (HIGH, LOW, "higher", "worse"),
        (HIGH, LOW, "", "differs"),
        (LOW, HIGH, "lower", "worse"),
        (LOW, HIGH, "higher", "better"),
        (LOW, HIGH, "", "differs"),
    ],
)
def test_a_clear_difference(before: Scalar, after: Scalar, good: str, verdict: str, paired: bool) -> None:
    assert row(before, after, good, paired=paired).verdict == verdict


@pytest.mark.parametrize("good", ["lower", "higher", ""])
def test_an_interval_around_zero_shows_nothing(good: str) -> None:
    wide = figure(0.75, 0.5, 0.8, 0.95)
    assert row(HIGH, wide, good, paired=False).verdict == "no difference shown"
    assert row(HIGH, wide, good).verdict == "no difference shown"


@pytest.mark.parametrize("good", ["lower", "higher", ""])
def test_equal_to_the_last_replicate_is_the_same(good: str) -> None:
    assert row(HIGH, HIGH, good).verdict == "the same"


def test_equal_figures_of_other_models_are_not_the_same() -> None:
    assert row(HIGH, HIGH, paired=False).verdict == "no difference shown"
    assert row(HIGH, figure(0.8, 0.81, 0.80, 0.79)).verdict == "no difference shown"


def test_a_constant_shift_of_every_replicate_has_no_known_error() -> None:
    assert row(HIGH, figure(0.5, 0.49, 0.50, 0.51)).verdict == "no error known"


def test_too_few_replicates_have_no_known_error() -> None:
    assert row(figure(0.8, 0.7, 0.9), figure(0.2, 0.1, 0.3), paired=False).verdict == "no error known"


@pytest.mark.parametrize(("before", "after"), [(HIGH, figure(NAN)), (figure(NAN), HIGH), (figure(NAN), figure(NAN))])
def test_an_undefined_figure_has_a_reason_and_no_verdict(before: Scalar, after: Scalar) -> None:
    undefined = row(before, after, paired=False)
    assert undefined.verdict == ""
    assert undefined.difference.reason
    assert np.isnan(undefined.difference.value)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    folder = tmp_path_factory.mktemp("made")
    return make_run(folder / "fitted", fit=3.0), make_run(folder / "idle", fit=-3.0)


def test_rows_are_the_means_of_both_runs(made: tuple[Run, Run]) -> None:
    rows = {figure.name: figure for figure in card(*made).rows}
    for place, run in zip(("before", "after"), made, strict=True):
        correct, member = run.load("outputs.correct", run.models()), run.design.member
        inside = np.mean([correct[k][member[k] == 1].mean() for k in range(8)])
        outside = np.mean([correct[k][member[k] == 0].mean() for k in range(8)])
        assert getattr(rows["accuracy on members"], place).value == pytest.approx(inside)
        assert getattr(rows["accuracy on non-members"], place).value == pytest.approx(outside)
        values = run.measure("label_memorization").values  # type: ignore[union-attr]
        planted = rows["label memorization of planted label noise"]
        assert getattr(planted, place).value == pytest.approx(values[:NOISY].mean())
        assert getattr(rows["label memorization of the rest"], place).value == pytest.approx(values[NOISY:].mean())


def test_a_run_against_itself_is_the_same_throughout(tmp_path_factory: pytest.TempPathFactory) -> None:
    run = small_audit(tmp_path_factory.mktemp("itself") / "run")
    run.measure("cumulative_sample_loss")
    compared = card(run, run)
    assert "accuracy on held-out data" in {figure.name for figure in compared.rows}
    assert "cumulative_sample_loss" in {figure.name for figure in compared.rows}
    assert {figure.verdict for figure in compared.rows} == {"the same"}
    assert "pair by pair" in compared.notes[0]


def test_measures_that_one_run_lacks_are_left_out(made: tuple[Run, Run]) -> None:
    made[0].measure("learning_events")
    assert "learning_events" not in {figure.name for figure in card(*made).rows}
    made[1].measure("learning_events")
    assert "learning_events" in {figure.name for figure in card(*made).rows}


def child_of(before: Run, after: Run, forget: list[str]) -> Run:
    """The second run as a changed form of the first, about these examples."""
    told = {"folder": str(before.folder), "change": {"name": "made"}, "forget": forget}
    return dataclasses.replace(after, manifest=dataclasses.replace(after.manifest, parent=told))


def test_a_row_that_is_not_judged_has_no_verdict() -> None:
    assert row(HIGH, LOW, judged=False).verdict == "no verdict"
    assert row(HIGH, HIGH, judged=False).verdict == "the same"


def test_intervals_of_all_rows_with_a_verdict_hold_at_once(made: tuple[Run, Run]) -> None:
    for run in made:
        run.measure("learning_events")
        run.measure("cumulative_sample_loss")
    compared = card(*made)
    verdicts = [found for found in compared.rows if found.judged and not np.isnan(found.difference.low)]
    assert len(verdicts) >= 2
    # 4 pairs: the 97.5 % point of Student's t with 3 degrees of freedom, and that at 1 - .025 / rows
    reach = stats.t.ppf(1 - 0.025 / len(verdicts), 3) / 3.182446
    for found in verdicts:
        alone = difference(found.after, found.before, paired=True)
        assert found.difference.high - found.difference.value == pytest.approx(
            reach * (alone.high - alone.value), rel=1e-5
        )
    assert any(
        f"The {len(verdicts)} intervals of rows with a verdict are Bonferroni-adjusted" in note
        for note in compared.notes
    )


def test_imported_models_share_members_and_pairs_and_no_known_seeds(made: tuple[Run, Run]) -> None:
    assert "the models of both runs have the same members and pairs" in card(*made).notes[0]
    assert not any("seeds" in note for note in card(*made).notes)


def test_differences_of_shares_stay_within_one(made: tuple[Run, Run]) -> None:
    for found in card(*made).rows:
        if found.name.startswith(("accuracy", "label memorization")):
            reach = 1.0 if found.name.startswith("accuracy") else 2.0
            assert not found.difference.low < -reach
            assert not found.difference.high > reach


def test_examples_to_forget_are_measured_by_the_half_that_did_not_choose_them(made: tuple[Run, Run]) -> None:
    before, after = made
    values = before.measure("label_memorization").values  # type: ignore[union-attr]
    top = np.argsort(-values, kind="stable")[:4]
    compared = card(before, child_of(before, after, before.ids[top].tolist()))
    rows = {found.name: found for found in compared.rows}
    found = rows["label memorization of the examples to forget"]
    assert found.judged
    assert found.before.examples == 4
    assert {"label memorization of the rest"} < rows.keys()
    (note,) = [note for note in compared.notes if "examples to forget" in note]
    assert "half of the pairs choose the 4 most memorized examples" in note
    assert "are among the examples to forget" in note


def test_what_the_first_run_took_out_by_its_own_scores_leaves_no_verdict(
    made: tuple[Run, Run], tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = made[0]
    smaller = make_run(tmp_path_factory.mktemp("smaller") / "run", examples=36)
    gone = sorted(set(before.ids) - set(smaller.ids))
    chosen = card(before, child_of(before, smaller, gone))
    assert {found.verdict for found in chosen.rows} <= {"no verdict", "no error known", ""}
    (note,) = [note for note in chosen.notes if "4 examples of the first run are not in the second" in note]
    assert "their fall is understated" in note
    other = card(before, smaller)
    assert all(found.judged for found in other.rows)
    assert not any("understated" in note for note in other.notes)


def test_the_fall_of_what_low_scores_kept_is_understated() -> None:
    """Ten pairs measure the same 2000 examples twice; nothing happens to them in between."""
    rng = np.random.default_rng(0)
    truth = rng.beta(0.5, 2.0, 2000)
    before, after = (rng.binomial(10, truth) / 10 for _ in range(2))
    chosen = np.argsort(-before, kind="stable")[:200]
    kept = np.setdiff1d(np.arange(2000), chosen)
    fall = before - after
    assert fall[chosen].mean() > 0.02
    assert fall[kept].mean() < -0.002


def test_a_child_before_its_parent_is_refused(tmp_path: Path) -> None:
    run, child = small_audit(tmp_path / "run"), small_audit(tmp_path / "child", seed=1)
    parent = {"folder": str(run.folder.resolve()), "change": {"name": "weight_decay", "stage": "recipe"}}
    child = dataclasses.replace(child, manifest=dataclasses.replace(child.manifest, parent=parent))
    with pytest.raises(BadInput, match=r"was made from .*comes second\. Hint: byrote card \S*run \S*child"):
        card(child, run)
    assert card(run, child).rows


def test_the_section_of_a_card_is_a_table_or_where_it_is_narrow_the_card_itself(made: tuple[Run, Run]) -> None:
    found = card(*made)
    text = "\n".join(block.text for block in shown(as_table(found), narrow=True) if isinstance(block, Words))
    assert text == str(found)
    whole = next(iter(shown(as_table(found))))
    assert isinstance(whole, TableBlock)
    assert [line[0] for line in whole.rows] == [row.name for row in found.rows]


def recorded(folder: Path, rows: np.ndarray, *, models: int = 8, clean: bool = True, named: bool = True) -> Run:
    """A recording of these rows of 40: of two models of a pair each shows what the other does not."""
    labels, network = torch.from_numpy(rows % 2), torch.nn.Linear(2, 2)
    for model in range(models):
        rng = np.random.default_rng([models, model // 2])
        member = (rng.permutation(40) % 2 == model % 2)[rows] if models > 1 else np.ones(len(rows), bool)
        right = torch.from_numpy(member | (np.random.default_rng(model).random(40)[rows] < 0.7))
        logits = torch.nn.functional.one_hot(torch.where(right, labels, 1 - labels), 2).float() * 4 - 2
        ids, names = torch.arange(len(rows)), [f"row-{row}" for row in rows]
        recorder = Recorder(folder, examples=len(rows), model=model, ids=names if named else None)
        recorder.observe(ids[member], logits[member], labels[member])
        recorder.epoch_end()
        if clean:
            recorder.clean_pass(network, [None], forward=lambda *_, all=(ids, logits, labels): all)
        recorder.close()
    return Run.open(folder)


def test_two_recordings_of_which_the_second_lacks_rows_are_compared_pair_by_pair(tmp_path: Path) -> None:
    before, after = recorded(tmp_path / "before", np.arange(40)), recorded(tmp_path / "after", np.arange(8, 40))
    found = card(before, after)
    assert found.notes[0].endswith("the models of both runs have the same members and pairs.")
    assert {row.name for row in found.rows} == {
        "accuracy on members",
        "accuracy on non-members",
        "label memorization of the examples of both runs",
    }
    for row in found.rows:  # the 32 rows that both have are answered alike
        assert row.before.value == pytest.approx(row.after.value)
        assert row.verdict == "the same"
    outside = next(row for row in found.rows if row.name == "accuracy on non-members")
    assert outside.after.varies_over == "models and examples"
    assert any("matched by their ids alone" in note for note in found.notes)


def test_rows_that_only_positions_name_are_compared_where_there_are_as_many(tmp_path: Path) -> None:
    before = recorded(tmp_path / "before", np.arange(40), named=False)
    assert any("matched by their positions alone" in note for note in card(before, before).notes)
    with pytest.raises(BadInput, match=r"their 40 and 32 examples by position only.*ids=names"):
        card(before, recorded(tmp_path / "after", np.arange(8, 40), named=False))


def test_of_one_training_each_only_what_it_can_tell_is_compared(tmp_path: Path) -> None:
    before, after = (recorded(tmp_path / name, np.arange(40), models=1) for name in ("before", "after"))
    found = card(before, after)
    assert [row.name for row in found.rows] == ["accuracy on members"]
    assert found.notes[0].startswith("One training has no error")
    assert any("8 or more of them in both runs" in note for note in found.notes)


def test_without_a_clean_pass_how_training_went_is_compared(tmp_path: Path) -> None:
    runs = [recorded(tmp_path / name, np.arange(40), clean=False) for name in ("before", "after")]
    with pytest.raises(BadInput, match="no clean pass at the end of training, and no measure"):
        card(*runs)
    for run in runs:
        run.measure("area_under_margin")
    found = card(*runs)
    assert [row.name for row in found.rows] == ["area_under_margin"]
    assert any("recorder.clean_pass(model, loader)" in note for note in found.notes)


def test_a_notebook_shows_a_card_and_draws_it(made: tuple[Run, Run]) -> None:
    compared = card(*made)
    frame, shown, axes = compared.to_arrow(), compared._repr_html_(), compared.plot()
    assert len(frame) == 3 * len(compared.rows)
    assert frame["what"].to_pylist()[::3] == [row.name for row in compared.rows]
    assert "<th>difference</th><th>95 % interval</th><th>verdict</th>" in shown
    assert shown.count("<tr>") == 1 + len(compared.rows)
    assert [label.get_text() for label in axes.get_yticklabels()] == [row.name for row in compared.rows]
    axes.figure.clear()


def test_a_defence_against_a_backdoor_is_judged_by_the_success_that_is_left(tmp_path: Path) -> None:
    """Five poisons of thirty and five clean examples are removed: found 17 %, beside 8 % by chance."""
    run = poisoned_audit(tmp_path / "run", "backdoor=0.25,target=b", models=8)
    poisons = poisons_of(run)
    clean = np.setdiff1d(np.arange(len(run.ids)), poisons)
    out = tmp_path / "child"
    how = {"workers": 1, "progress": False}
    named = run.ids[np.r_[poisons[:5], clean[:5]]]
    child = byrote.change(run, parse_change("remove-most-memorized"), forget=named, out=out, **how)
    found = card(run, child)
    (row,) = (one for one in found.rows if one.name == "attack success of the backdoor")
    assert (row.better, row.tells, row.judged) == ("lower", "gain", True)
    for figure, of in ((row.before, run), (row.after, child)):
        models, others = of.models(), of.heldout.targets != 1
        stamped, plain = (of.load(f"stamped.{name}", models)[:, others] for name in ("target", "plain"))
        assert figure.value == pytest.approx(stamped.mean() - plain.mean())
    (note,) = (one for one in found.notes if "poisons" in one)
    assert note == (
        "Of the 30 poisons of the backdoor 5 were removed (17%); as many examples removed at random would hold 8% of "
        "them."
    )
    everything = byrote.change(
        run, parse_change("remove-most-memorized"), forget=run.ids[poisons], out=tmp_path / "none", **how
    )
    (row,) = (one for one in card(run, everything).rows if one.name == "attack success of the backdoor")
    assert row.verdict == "better"
