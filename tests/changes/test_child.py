from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import byrote
from byrote.analyses.card import card
from byrote.changes.child import change, most_memorized
from byrote.changes.data.relabel_most_memorized import RelabelMostMemorized
from byrote.changes.data.remove_most_memorized import RemoveMostMemorized
from byrote.changes.data.symmetric_label_noise import SymmetricLabelNoise
from byrote.changes.model.fine_tune_on_rest import FineTuneOnRest
from byrote.changes.model.gradient_ascent import GradientAscent
from byrote.changes.recipe.early_learning import EarlyLearning
from byrote.changes.recipe.random_shift import RandomShift
from byrote.changes.recipe.weight_decay import WeightDecay
from byrote.errors import BadInput, RunMismatch, TooFewModels
from byrote.results import PerExample
from byrote.runs.run import Run
from small import blobs, longer, small_audit


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return small_audit(tmp_path_factory.mktemp("parent") / "run", models=12, recipe=longer(60))


def row(before: Run, after: Run, name: str):
    return next(row for row in card(before, after).rows if row.name == name)


def test_removal_leaves_the_top_out_and_remembers_which(parent: Run, tmp_path: Path) -> None:
    child = change(parent, RemoveMostMemorized(0.1), out=tmp_path / "child", workers=1, progress=False)
    gone = set(parent.ids) - set(child.ids)
    result = parent.measure("label_memorization")
    assert isinstance(result, PerExample)
    values = dict(zip(parent.ids, result.values, strict=True))
    assert len(gone) == 6
    assert min(values[i] for i in gone) >= max(values[i] for i in set(parent.ids) - gone)
    assert child.manifest.parent is not None
    assert set(child.manifest.parent["forget"]) == gone
    compared = card(parent, child)
    assert any("independent runs" in note for note in compared.notes)
    assert any("6 examples of the first run are not in the second" in note for note in compared.notes)


@pytest.mark.slow
def test_relabelling_follows_the_models_that_did_not_see_the_example(parent: Run, tmp_path: Path) -> None:
    child = change(parent, RelabelMostMemorized(0.1), out=tmp_path / "child", workers=1, progress=False)
    rows = most_memorized(parent, 0.1)
    votes = parent.votes(rows)
    np.testing.assert_array_equal(votes.sum(1), (parent.design.member[parent.models()][:, rows] == 0).sum(0))
    np.testing.assert_array_equal(child.labels[rows], votes.argmax(1))
    rest = np.setdiff1d(np.arange(60), rows)
    np.testing.assert_array_equal(child.labels[rest], parent.labels[rest])
    # wrong labels became right ones, so there is less to learn by rote; the votes that chose them see to that as well
    turned = row(parent, child, "label memorization of the examples with another label")
    assert turned.difference.value < -0.5
    assert turned.verdict == "no verdict"


def test_a_recipe_change_keeps_members_and_seeds(parent: Run, tmp_path: Path) -> None:
    child = change(parent, WeightDecay(0.05), out=tmp_path / "child", workers=1, progress=False)
    assert child.design.fingerprint() == parent.design.fingerprint()
    assert child.manifest.identity["recipe"]["optimizer"]["weight_decay"] == 0.05
    assert child.manifest.parent is not None
    assert child.manifest.parent["change"]["amount"] == 0.05
    figure = row(parent, child, "label memorization of planted label noise")
    # the same pairs were left out of both, so the difference has replicates of its own
    assert len(figure.difference.replicates) == 6


def test_a_child_records_what_its_parent_recorded(tmp_path: Path) -> None:
    run = small_audit(tmp_path / "run", probes=("gradient_norm",))
    child = change(run, WeightDecay(0.05), out=tmp_path / "child", workers=1, progress=False)
    assert child.manifest.evidence == run.manifest.evidence
    assert "gradients" in child.manifest.evidence
    child.measure("gradient_norm_attack")


def test_other_recipe_changes_reach_their_slots() -> None:
    from byrote.changes.change import Context

    context = Context(dataset=blobs(), rng=np.random.default_rng(0))
    recipe = longer(3)
    assert RandomShift(2).apply(recipe, context).augmentation.pixels == 2
    assert EarlyLearning(1.5).apply(recipe, context).objective.strength == 1.5
    wrapped = byrote.CoTeaching(recipe=recipe)
    assert WeightDecay(0.1).apply(wrapped, context).recipe.optimizer.weight_decay == 0.1
    with pytest.raises(BadInput, match=r"needs a byrote Recipe\. Got object"):
        WeightDecay(0.1).apply(object(), context)


@pytest.mark.slow
@pytest.mark.parametrize("remedy", [FineTuneOnRest(epochs=30), GradientAscent(epochs=30)])
def test_unlearning_acts_on_every_model_and_on_nothing_before_it(parent: Run, tmp_path: Path, remedy: object) -> None:
    child = change(parent, remedy, forget=0.1, out=tmp_path / "child", workers=1, progress=False)
    models = parent.models()
    for kind in ("trajectory.log_odds", "presentation.loss_sum"):  # trained the same before the change
        np.testing.assert_array_equal(parent.load(kind, models), child.load(kind, models))
    forgotten = row(parent, child, "label memorization of the examples to forget")
    assert forgotten.judged  # one half of the pairs chose, the other measured
    assert forgotten.difference.value < -0.2
    assert any("the other half measure them" in note for note in card(parent, child).notes)
    assert row(parent, child, "cumulative_sample_loss").verdict == "the same" if _measured(parent, child) else True
    rows = most_memorized(parent, 0.1)
    member = parent.design.member[models][:, rows] == 1
    before = parent.load("outputs.loss", models)[:, rows][member]
    after = child.load("outputs.loss", models)[:, rows][member]
    assert after.mean() > before.mean() + 0.1


def _measured(*runs: Run) -> bool:
    for run in runs:
        run.measure("cumulative_sample_loss")
    return True


@pytest.mark.slow
def test_a_stronger_change_of_the_same_kind_needs_its_own_folder(parent: Run, tmp_path: Path) -> None:
    change(parent, WeightDecay(0.05), out=tmp_path / "child", workers=1, progress=False)
    with pytest.raises(byrote.ByroteError, match=r"change\.amount was 0\.05, now 0\.1"):
        change(parent, WeightDecay(0.1), out=tmp_path / "child", workers=1, progress=False)


def test_a_run_without_data_at_hand_is_refused(parent: Run, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="opened without its data and recipe"):
        change(Run.open(parent.folder), WeightDecay(0.1), out=tmp_path / "child")
    with pytest.raises(BadInput, match="is not the one that the run"):
        Run.open(parent.folder).attach(blobs(seed=9), longer(60))
    with pytest.raises(BadInput, match=r"to forget must lie in \(0, 1\). Got 1.5"):
        change(parent, WeightDecay(0.1), forget=1.5, out=tmp_path / "child")
    with pytest.raises(BadInput, match=r"The amount of 'remove-most-memorized', .*, must lie in \(0, 1\). Got 1.5"):
        change(parent, RemoveMostMemorized(1.5), out=tmp_path / "child")
    with pytest.raises(BadInput, match="'remove-most-memorized' leaves 1 examples of 1 classes, too few to audit"):
        change(parent, RemoveMostMemorized(0.99), out=tmp_path / "child")


@pytest.mark.slow
def test_null_change_shows_no_difference(parent: Run, tmp_path: Path) -> None:
    """The same recipe on other seeds differs by chance alone: intervals of independent runs must mostly cover 0."""
    other = small_audit(tmp_path / "other", models=12, recipe=longer(60), seed=7)
    compared = card(parent, other)
    assert sum(figure.verdict in {"better", "worse"} for figure in compared.rows) <= 1


def test_cards_of_strangers_are_refused(parent: Run, tmp_path: Path) -> None:
    stranger = small_audit(
        tmp_path / "run",
        dataset=byrote.from_arrays(
            blobs().inputs, blobs().targets, ids=[f"x{i}" for i in range(60)], class_names=("a", "b", "c")
        ),
    )
    with pytest.raises(BadInput, match="share no examples"):
        card(parent, stranger)


def test_removal_keeps_a_design_that_is_not_halves(tmp_path: Path) -> None:
    design = byrote.iid_subsets(60, 6, ratio=0.7, rng=np.random.default_rng(0))
    before = small_audit(tmp_path / "run", design=design)
    child = change(before, RemoveMostMemorized(0.1), out=tmp_path / "child", workers=1, progress=False)
    rows = before.dataset.index_of(child.ids)  # type: ignore[union-attr]
    np.testing.assert_array_equal(child.design.member, before.design.member[:, rows])
    assert child.manifest.design["name"] == "iid_subsets"


def test_a_recipe_or_heldout_data_that_the_run_was_not_made_from_are_refused(parent: Run, tmp_path: Path) -> None:
    assert parent.dataset is not None
    other = Run.open(parent.folder).attach(parent.dataset, longer(400), parent.heldout)
    with pytest.raises(RunMismatch, match=r"made from something else: recipe\.epochs was 60, now 400\. Hint: take"):
        change(other, WeightDecay(0.1), out=tmp_path / "child")
    other = Run.open(parent.folder).attach(parent.dataset, longer(60), None)
    with pytest.raises(RunMismatch, match=r"made from something else: heldout was "):
        change(other, WeightDecay(0.1), out=tmp_path / "child")
    assert not (tmp_path / "child").exists()


@pytest.mark.slow
def test_the_folder_of_a_child_is_named_by_change_amount_and_share(tmp_path: Path) -> None:
    before = small_audit(tmp_path / "run", recipe=longer(2))
    for made, forget, name in (
        (WeightDecay(0.05), 0.05, "run+weight-decay=0.05"),
        (WeightDecay(0.1), 0.05, "run+weight-decay=0.1"),
        (FineTuneOnRest(2), 0.05, "run+fine-tune-on-rest=2"),
        (FineTuneOnRest(2), 0.2, "run+fine-tune-on-rest=2,forget=0.2"),
    ):
        child = change(before, made, forget=forget, workers=1, progress=False)
        assert child.folder == tmp_path / name


@pytest.mark.slow
def test_another_share_to_forget_is_another_change(parent: Run, tmp_path: Path) -> None:
    change(parent, FineTuneOnRest(1), out=tmp_path / "child", workers=1, progress=False)
    with pytest.raises(RunMismatch, match=r"change\.forget was 0\.05, now 0\.2"):
        change(parent, FineTuneOnRest(1), forget=0.2, out=tmp_path / "child", workers=1, progress=False)


@pytest.mark.slow
def test_a_change_that_forgets_nothing_has_no_such_rows(parent: Run, tmp_path: Path) -> None:
    child = change(parent, WeightDecay(0.05), out=tmp_path / "child", workers=1, progress=False)
    assert child.manifest.parent is not None
    assert child.manifest.parent["forget"] == []
    assert not any("to forget" in figure.name for figure in card(parent, child).rows)
    assert all(figure.judged for figure in card(parent, child).rows)


@pytest.mark.slow
def test_planted_noise_is_judged_on_the_labels_that_stayed(tmp_path: Path) -> None:
    before = small_audit(tmp_path / "run", models=12, recipe=longer(60), dataset=blobs(), heldout=None)
    child = change(before, SymmetricLabelNoise(0.2), workers=1, progress=False)
    compared = card(before, child)
    same = child.labels == before.labels
    assert same.sum() == 48
    rows = {figure.name: figure for figure in compared.rows}
    for run, place in ((before, "before"), (child, "after")):
        correct, member = run.load("outputs.correct", run.models()), run.design.member[run.models()]
        expected = np.mean([c[same & (m == 0)].mean() for c, m in zip(correct, member, strict=True)])
        assert getattr(rows["accuracy on non-members"], place).value == pytest.approx(expected)
    assert rows["accuracy on non-members"].judged
    turned = rows["label memorization of the examples with another label"]
    assert turned.before.examples == 12
    assert turned.verdict == "no verdict"
    assert any("12 examples have another label in the second run" in note for note in compared.notes)


@pytest.mark.slow
def test_relabelling_by_the_first_runs_scores_leaves_verdicts_to_heldout_data(parent: Run, tmp_path: Path) -> None:
    child = change(parent, RelabelMostMemorized(0.1), out=tmp_path / "child", workers=1, progress=False)
    assert {figure.name for figure in card(parent, child).rows if figure.judged} == {"accuracy on held-out data"}


@pytest.mark.slow
def test_measures_that_watch_training_say_that_a_change_of_models_comes_after_it(parent: Run, tmp_path: Path) -> None:
    child = change(parent, GradientAscent(epochs=1), out=tmp_path / "child", workers=1, progress=False)
    _measured(parent, child)
    watched = row(parent, child, "cumulative_sample_loss")
    assert str(watched).endswith("the same (it watches training, which ended before the change)")
    assert row(parent, child, "accuracy on members").remark == ""


def test_the_same_ids_of_other_inputs_are_no_common_examples(parent: Run, tmp_path: Path) -> None:
    stranger = small_audit(tmp_path / "stranger", dataset=blobs(seed=5), recipe=longer(2))
    with pytest.raises(BadInput, match="share no examples: the same ids stand for other inputs"):
        card(parent, stranger)
    inputs = blobs(noise=0.1).inputs.copy()
    inputs[:50] += 1
    half = small_audit(tmp_path / "half", dataset=blobs(noise=0.1).replace(inputs=inputs), recipe=longer(2))
    compared = card(parent, half)
    assert "10 examples are in both runs with the same label." in compared.notes
    assert any("50 ids stand for other inputs in the second run" in note for note in compared.notes)
    assert compared.rows[0].before.examples == 10


def test_runs_of_other_classes_or_shapes_are_no_pair(parent: Run, tmp_path: Path) -> None:
    named = blobs().replace(class_names=("x", "y", "z"))
    stranger = small_audit(tmp_path / "named", dataset=named, heldout=None, recipe=longer(2))
    with pytest.raises(BadInput, match="are of different data: the classes"):
        card(parent, stranger)
    wide = blobs().replace(inputs=np.zeros((60, 3), np.float32))
    stranger = small_audit(tmp_path / "wide", dataset=wide, heldout=None, recipe=longer(2))
    with pytest.raises(BadInput, match=r"are of different data: inputs of shape \(2,\) and \(3,\)"):
        card(parent, stranger)


def test_a_run_whose_training_broke_down_is_named(parent: Run, tmp_path: Path) -> None:
    wild = byrote.Recipe(network=byrote.MLP((16,)), epochs=6, batch_size=8, optimizer=byrote.SGD(lr=1e12))
    broken = small_audit(tmp_path / "broken", recipe=wild)
    with pytest.raises(TooFewModels, match=r"after the change, '.*broken', cannot be compared, because training broke"):
        card(parent, broken)


@pytest.mark.slow
def test_a_card_is_read_by_printing_it(parent: Run, tmp_path: Path) -> None:
    child = change(parent, WeightDecay(0.05), out=tmp_path / "child", workers=1, progress=False)
    compared = card(parent, child)
    assert str(compared).startswith("accuracy on members\n  ")
    assert str(compared).splitlines()[-1] == compared.notes[-1]
    assert repr(compared).startswith("Card(weight-decay: ")
    assert "\n" not in repr(compared)


@pytest.mark.slow
def test_a_card_tells_what_share_of_it_is_done(parent: Run, tmp_path: Path) -> None:
    child = change(parent, WeightDecay(0.05), out=tmp_path / "child", workers=1, progress=False)
    _measured(parent, child)
    heard: list[float] = []
    card(parent, child, heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == 1.0


@pytest.mark.slow
def test_a_card_without_verdicts_says_so(parent: Run, tmp_path: Path) -> None:
    without = small_audit(tmp_path / "run", models=12, heldout=None)
    child = change(without, RemoveMostMemorized(0.1), out=tmp_path / "child", workers=1, progress=False)
    notes = card(without, child).notes
    assert "No row has a verdict; each interval holds by itself at 95 %." in notes
    assert not any("Bonferroni" in note for note in notes)


@pytest.mark.slow
def test_named_examples_are_forgotten_and_judged_without_the_caution_of_a_choice_by_scores(
    parent: Run, tmp_path: Path
) -> None:
    ids = parent.ids[[3, 17]].tolist()
    child = change(parent, GradientAscent(3), forget=ids, out=tmp_path / "child", workers=1, progress=False)
    assert child.manifest.parent is not None
    assert child.manifest.parent["forget"] == ids
    assert child.manifest.parent["change"]["forget"]["given"] == 2
    compared = card(parent, child)
    figure = next(row for row in compared.rows if row.name == "label memorization of the examples to forget")
    assert figure.judged
    assert figure.before.examples == 2
    assert not any("were chosen" in note for note in compared.notes)
    with pytest.raises(RunMismatch):  # the same folder, about other examples
        change(parent, GradientAscent(3), forget=ids[:1], out=tmp_path / "child", workers=1, progress=False)


@pytest.mark.slow
def test_members_are_kept_where_examples_go(parent: Run, tmp_path: Path) -> None:
    kept = change(
        parent, RemoveMostMemorized(0.1), forget=parent.ids[:4].tolist(), keep_members=True, seed=7,
        out=tmp_path / "kept", workers=1, progress=False,
    )  # fmt: skip
    assert kept.ids.tolist() == parent.ids[4:].tolist()
    np.testing.assert_array_equal(kept.design.member, parent.design.member[:, 4:])
    seeds = [[entry.seed for entry in run.manifest.models] for run in (parent, kept)]
    assert not set(seeds[0]) & set(seeds[1])


@pytest.mark.slow
def test_several_changes_are_made_in_the_order_of_their_stages(parent: Run, tmp_path: Path) -> None:
    both = [FineTuneOnRest(1), WeightDecay(0.05), RemoveMostMemorized(0.1)]
    child = change(parent, both, out=tmp_path / "child", workers=1, progress=False)
    assert child.manifest.parent is not None
    told = child.manifest.parent["change"]
    assert [one["stage"] for one in told["changes"]] == ["dataset", "recipe", "model"]
    assert told["name"] == "remove-most-memorized + weight-decay + fine-tune-on-rest"
    assert child.manifest.identity["recipe"]["optimizer"]["weight_decay"] == 0.05
    assert len(child.ids) == 54
    with pytest.raises(BadInput, match="is given twice"):
        change(parent, [WeightDecay(0.05), WeightDecay(0.05)], out=tmp_path / "other", progress=False)
