import numpy as np
import pytest
from scipy.special import softmax

import byrote.engine.preparation
from byrote.errors import BadInput, MissingEvidence, TooFewModels
from byrote.runs.exporters.cleanlab import out_of_sample, write
from byrote.runs.imported import import_arrays
from small import small_audit

MODELS, EXAMPLES, CLASSES = 8, 30, 3
RNG = np.random.default_rng(0)
LABELS = np.arange(EXAMPLES) % CLASSES
LOGITS = (RNG.normal(size=(MODELS, EXAMPLES, CLASSES)) + 3 * np.eye(CLASSES)[LABELS]).astype(np.float32)
PAIR = np.arange(MODELS) // 2


def halves():
    member = np.zeros((MODELS, EXAMPLES), np.int64)
    for first in range(0, MODELS, 2):
        order = RNG.permutation(EXAMPLES)
        member[first, order[:15]] = member[first + 1, order[15:]] = 1
    return member


MEMBER = halves()


def imported(out, **changes):
    given = {"labels": LABELS, "member": MEMBER, "evidence": {"outputs.logits": LOGITS}, "pair": PAIR, **changes}
    return import_arrays(out, **given)


def slowly(logits, member):
    """Mean probabilities over the models known not to have the example."""
    found = np.zeros((EXAMPLES, CLASSES))
    for n in range(EXAMPLES):
        outside = [model for model in range(len(member)) if member[model, n] == 0]
        for model in outside:
            found[n] += softmax(logits[model, n].astype(np.float64)) / len(outside)
    return found


def test_mean_probabilities_against_a_slow_loop(tmp_path):
    found = out_of_sample(imported(tmp_path / "run"))
    np.testing.assert_allclose(found.pred_probs, slowly(LOGITS, MEMBER), rtol=1e-12)
    np.testing.assert_allclose(found.pred_probs.sum(1), 1)
    np.testing.assert_array_equal(found.models, (MEMBER == 0).sum(0))
    np.testing.assert_array_equal(found.labels, LABELS)
    assert repr(found) == "OutOfSample(30 examples, 3 classes, from 4 models or more each)"


def test_models_that_trained_on_an_example_have_no_say_in_it(tmp_path):
    before = out_of_sample(imported(tmp_path / "a"))
    changed = np.where(MEMBER[..., None] == 1, -50 * np.eye(CLASSES, dtype=np.float32)[LABELS], LOGITS)
    after = out_of_sample(imported(tmp_path / "b", evidence={"outputs.logits": changed}))
    np.testing.assert_array_equal(after.pred_probs, before.pred_probs)


def test_unknown_membership_does_not_count(tmp_path):
    member = MEMBER.copy()
    member[0] = -1
    found = out_of_sample(imported(tmp_path / "run", member=member))
    np.testing.assert_allclose(found.pred_probs, slowly(LOGITS, member), rtol=1e-12)


def test_diverged_models_leave_with_their_mates(tmp_path):
    logits = np.tile(LOGITS, (5, 1, 1))
    member = np.tile(MEMBER, (5, 1))
    logits[3] = np.nan
    pair = np.arange(len(member)) // 2
    found = out_of_sample(imported(tmp_path / "run", member=member, evidence={"outputs.logits": logits}, pair=pair))
    kept = np.isin(np.arange(len(member)), (2, 3), invert=True)
    np.testing.assert_allclose(found.pred_probs, slowly(logits[kept], member[kept]), rtol=1e-12)


def test_answers_that_are_not_finite_are_refused(tmp_path):
    logits = LOGITS.copy()
    logits[:, 5] = np.nan
    run = imported(tmp_path / "run", evidence={"outputs.logits": logits})
    with pytest.raises(BadInput, match=r"answers on 1 of \d+ examples are not finite numbers, the first of them '5'"):
        out_of_sample(run)


def test_a_run_of_numbers_is_refused(tmp_path):
    run = imported(tmp_path / "run")
    run.manifest.dataset["task"] = "regression"
    with pytest.raises(BadInput, match=r"The export for cleanlab is about one class per example.* a run of classes"):
        out_of_sample(run)


def test_the_file_holds_plain_arrays(tmp_path):
    run = imported(tmp_path / "run", ids=[f"x{n}" for n in range(EXAMPLES)])
    found = write(run, tmp_path / "cleanlab.npz")
    with np.load(tmp_path / "cleanlab.npz", allow_pickle=False) as archive:
        assert sorted(archive.files) == ["ids", "labels", "pred_probs"]
        np.testing.assert_array_equal(archive["pred_probs"], found.pred_probs)
        np.testing.assert_array_equal(archive["labels"], LABELS)
        assert archive["ids"][4] == "x4"


@pytest.mark.slow
def test_sums_of_probabilities_give_what_logits_give(tmp_path, monkeypatch):
    kept = out_of_sample(small_audit(tmp_path / "logits"))
    monkeypatch.setattr(byrote.engine.preparation, "logits_fit", lambda *_: False)
    run = small_audit(tmp_path / "sums")
    with pytest.raises(MissingEvidence):
        run.load("outputs.logits", [0])
    summed = out_of_sample(run)
    np.testing.assert_allclose(summed.pred_probs, kept.pred_probs, atol=1e-5)
    np.testing.assert_array_equal(summed.models, kept.models)
    np.testing.assert_allclose(summed.pred_probs.sum(1), 1)


def test_an_example_that_every_model_had(tmp_path):
    member = MEMBER.copy()
    member[:, 4] = 1
    run = imported(tmp_path / "run", member=member, ids=[f"x{n}" for n in range(EXAMPLES)])
    with pytest.raises(TooFewModels, match=r"^1 of 30 examples were in .* the first of them 'x4': .* Hint: audit with"):
        write(run, tmp_path / "cleanlab.npz")
    assert not (tmp_path / "cleanlab.npz").exists()


def test_without_probabilities(tmp_path):
    run = imported(tmp_path / "run", evidence={"outputs.correct": LOGITS.argmax(2) == LABELS})
    with pytest.raises(MissingEvidence, match=r"holds neither logits nor class probabilities\. Hint: cleanlab needs"):
        out_of_sample(run)


def test_cleanlab_finds_the_wrong_labels(tmp_path):
    filters = pytest.importorskip("cleanlab.filter", reason="cleanlab is not installed")
    labels = LABELS.copy()
    labels[[2, 11]] = (labels[[2, 11]] + 1) % CLASSES
    sure = {"outputs.logits": 2 * LOGITS}
    write(imported(tmp_path / "run", labels=labels, evidence=sure), tmp_path / "cleanlab.npz")
    with np.load(tmp_path / "cleanlab.npz", allow_pickle=False) as archive:
        issues = filters.find_label_issues(archive["labels"], archive["pred_probs"], n_jobs=1)
    assert np.flatnonzero(issues).tolist() == [2, 11]


def test_another_name_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"'probabilities.csv' does not end in .npz"):
        write(imported(tmp_path / "run"), tmp_path / "probabilities.csv")
