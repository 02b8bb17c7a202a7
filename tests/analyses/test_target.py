from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.metrics import roc_auc_score

import byrote
from byrote.analyses.target import TargetAttack, _figures, _off, as_table, attack_target, audit_target, shown
from byrote.blocks import TableBlock
from byrote.designs.design import one_phase
from byrote.errors import BadInput, TooFewModels
from byrote.report.page import write_report
from byrote.report.verify import verify
from byrote.runs.run import Run
from small import blobs, longer, small_audit

EXAMPLES = 120
DATA = blobs(EXAMPLES, noise=0.3)
FITS = byrote.Recipe(network=byrote.MLP(hidden=(64,)), epochs=40, batch_size=8, optimizer=byrote.SGD(lr=0.1))


def trained(folder, member, recipe=FITS, seed=50):
    """Weights of a network trained on those members, as a safetensors file."""
    design = one_phase("mine", member[None].astype(np.uint8))
    run = small_audit(folder, dataset=DATA, recipe=recipe, design=design, seed=seed, keep_weights=True)
    path = folder / "weights.safetensors"
    weights = run.evidence.block("weights", 0, 0)
    save_file({name: torch.from_numpy(array.copy()) for name, array in weights.items()}, path)
    return run, path


def half(seed=0):
    member = np.zeros(EXAMPLES, np.int8)
    member[np.random.default_rng(seed).permutation(EXAMPLES)[: EXAMPLES // 2]] = 1
    return member


def attacked(weights, members, folder, **changes) -> TargetAttack:
    settings = {"models": 12, "workers": 1, "progress": False, "heldout": blobs(30, seed=1)}
    return audit_target(DATA, FITS, weights, members, out=folder, **{**settings, **changes})


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("targets") / "mine", half())


@pytest.fixture(scope="module")
def found(target, tmp_path_factory):
    return attacked(target[1], half(), tmp_path_factory.mktemp("runs") / "target")


def test_the_targets_answers_are_those_of_its_weights(target, found):
    mine, _ = target
    assert found.run.models("target").tolist() == [12]
    np.testing.assert_allclose(
        found.run.load("outputs.log_odds", [12])[0], mine.load("outputs.log_odds", [0])[0], rtol=1e-5, atol=1e-5
    )
    np.testing.assert_array_equal(found.run.design.member[12], half())
    assert found.references == 12


def test_scores_rank_members_first_where_it_memorized(found):
    member = found.member == 1
    assert found.figures["auc"].value == pytest.approx(roc_auc_score(member, found.score))
    assert found.figures["auc"].value > 0.6
    assert found.figures["auc"].low < found.figures["auc"].value < found.figures["auc"].high


def test_an_examples_false_positive_rate_is_that_of_the_reference_models(found):
    references = found.run.models()
    scores = found.run.measured_on("lira", np.append(references, 12)).values
    others = scores[:-1][found.run.design.member[references] == 0]
    for i in (0, 5, 77):
        above = sum(float(score) >= found.score[i] for score in others)
        assert found.false_positive_rate[i] == pytest.approx((above + 1) / (len(others) + 1))


@pytest.mark.slow
def test_a_target_that_saw_nothing_of_the_data_is_not_told(tmp_path):
    """Labels of members are drawn by a coin after training: the attack has nothing to find, whatever the target."""
    _, weights = trained(tmp_path / "mine", half(3))
    values = []
    for seed in range(8):
        member = np.random.default_rng(seed).integers(0, 2, EXAMPLES).astype(np.int8)
        run = attacked(weights, member, tmp_path / f"run{seed}", models=8)
        values.append(run.figures["auc"].value)
    assert np.mean(values) == pytest.approx(0.5, abs=0.05)


def test_rates_that_cannot_be_told_are_refused(found):
    assert np.isnan(found.figures["tpr_at_fpr_0.001"].value)
    assert "10,000 scores of non-members" in found.figures["tpr_at_fpr_0.001"].reason
    rate = found.figures["tpr_at_fpr_0.1"]
    assert 0 <= rate.low <= rate.value <= rate.high <= 1
    assert found.figures["realised_fpr_0.1"].low <= 0.1 <= found.figures["realised_fpr_0.1"].high


def test_a_target_like_the_references_raises_no_warning(found):
    assert found.warnings == ()
    assert len(found.likeness) == 4


@pytest.mark.slow
def test_a_target_of_another_recipe_does(tmp_path):
    _, weights = trained(tmp_path / "mine", half(), recipe=longer(1))
    with pytest.raises(BadInput, match="are not those of the recipe's network"):
        attacked(weights, half(), tmp_path / "shape")
    short = byrote.Recipe(network=byrote.MLP(hidden=(64,)), epochs=1, batch_size=8, optimizer=byrote.SGD(lr=0.1))
    _, weights = trained(tmp_path / "short", half(), recipe=short)
    warnings = attacked(weights, half(), tmp_path / "run").warnings
    assert any("accuracy on members" in warning for warning in warnings)


@pytest.mark.slow
def test_unknown_members_are_scored_and_do_not_count(target, tmp_path):
    member = half()
    member[:40] = -1
    found = attacked(target[1], member, tmp_path / "run")
    assert np.isfinite(found.score).all()
    assert found.figures["auc"].examples == EXAMPLES - 40


def test_the_same_call_resumes_and_another_target_is_refused(target, found, tmp_path):
    again = attacked(target[1], half(), found.run.folder)
    np.testing.assert_array_equal(again.score, found.score)
    _, other = trained(tmp_path / "other", half(), seed=51)
    with pytest.raises(BadInput, match="is about another target"):
        attacked(other, half(), found.run.folder)
    with pytest.raises(BadInput, match="is about another target"):
        attacked(target[1], half(1), found.run.folder)


def test_the_run_can_be_attacked_again_from_its_folder(found):
    assert attack_target(Run.open(found.run.folder), "lira[offline]").references == 12


def test_a_run_without_a_target(tmp_path):
    with pytest.raises(TooFewModels, match="has no target"):
        attack_target(small_audit(tmp_path / "run"))


def test_a_table_is_kept(found):
    import pyarrow.parquet as pq

    table = pq.read_table(found.run.folder / "results" / "target-lira.parquet")
    assert table["example"].to_pylist() == found.run.ids.tolist()
    assert {"member", "score", "false_positive_rate", "risk"} <= set(table.column_names)


def rows(path, lines):
    path.write_text("\n".join(lines) + "\n")
    return path


def test_weights_and_members_that_are_swapped(target, tmp_path):
    members = rows(tmp_path / "m.csv", ["example,member", "blobs-0001,1", "blobs-0002,0"])
    with pytest.raises(BadInput, match=r"weights\.safetensors' is not a table of members.* Hint: --weights takes a "):
        attacked(members, target[1], tmp_path / "run")
    with pytest.raises(BadInput, match=r"m\.csv' is a table and holds no weights\. Hint: --weights takes a "):
        attacked(members, members, tmp_path / "run")
    with pytest.raises(BadInput, match=r"There is no file '.*gone' of weights"):
        attacked(tmp_path / "gone", members, tmp_path / "run")


def test_the_error_of_a_rate_is_that_of_two_hits_more():
    """One of them right, so that it is never 0: of 8, 3 became 4 of 10."""
    found = _figures(np.array([9.0, 8, 7, *[0.0] * 5, *[0.0] * 8]), np.repeat([1, 0], 8), np.linspace(-1, 1, 100), 4)
    rate = found["tpr_at_fpr_0.1"]
    assert rate.value == pytest.approx(3 / 8)
    assert rate.stderr == pytest.approx(np.sqrt(0.4 * 0.6 / 10))


def test_a_rate_far_from_the_nominal_is_told():
    score = np.linspace(0, 1, 400)
    member = np.tile(np.array([1, 0], np.int8), 200)
    far = list(_off(_figures(score, member, np.linspace(-1, 0.4, 2000), 8)))
    assert any("At the threshold for 10.0% false positives" in line for line in far)
    assert all("of the target's 200 known non-members are taken for members" in line for line in far)
    assert list(_off(_figures(score, member, np.linspace(0, 1, 2000), 8))) == []


@pytest.mark.slow
def test_a_run_with_a_target_that_was_brought_is_whole(found):
    assert "presentation" in found.run.manifest.evidence
    assert verify(found.run) == []
    write_report(found.run)
    assert verify(found.run) == []


@pytest.mark.parametrize(("side", "words"), [(1, "non-member"), (0, "member")])
def test_all_on_one_side(target, tmp_path, side, words):
    with pytest.raises(BadInput, match=f"No example is known to be a {words} of the target"):
        attacked(target[1], np.full(EXAMPLES, side, np.int8), tmp_path / "run")


def test_pickles_are_never_opened(tmp_path):
    path = tmp_path / "weights.pt"
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(BadInput, match=r"cannot be read as safetensors.*never opened"):
        attacked(path, half(), tmp_path / "run")


def test_a_measure_is_no_attack(target, tmp_path):
    with pytest.raises(BadInput, match="is no membership attack"):
        attacked(target[1], half(), tmp_path / "run", attack="label_memorization")


def test_the_section_ranks_examples_by_their_false_positive_rate(found):
    blocks = list(shown(as_table(found)))
    tables = [block for block in blocks if isinstance(block, TableBlock)]
    assert tables[0].title == f"lira on the target with {found.references} reference models"
    rates = [row[3] for row in tables[1].rows]
    assert rates == sorted(rates)
    assert rates[0] == found.false_positive_rate[~np.isnan(found.score)].min()
    assert {row[1] for row in tables[1].rows} <= {"yes", "no", "unknown"}
