import inspect
import tracemalloc

import numpy as np
import pytest
from scipy.special import log_softmax

from byrote.errors import BadInput, MissingEvidence
from byrote.evidence.by_model import ByModel
from byrote.evidence.store import Evidence
from byrote.measures.label_error_probability import label_error_probability
from byrote.measures.label_memorization import label_memorization, label_memorization_probability
from byrote.runs import imported as module
from byrote.runs.imported import import_arrays, signals_of
from byrote.runs.run import Run

MODELS, EXAMPLES, CLASSES = 6, 20, 3
RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, CLASSES, EXAMPLES)
LOGITS = (RNG.normal(size=(MODELS, EXAMPLES, CLASSES)) * 3).astype(np.float32)
PAIR = np.repeat([0, 1, 2], 2)
LABELS[:CLASSES] = np.arange(CLASSES)


def halves():
    member = np.zeros((MODELS, EXAMPLES), np.int64)
    for pair in range(0, MODELS, 2):
        order = RNG.permutation(EXAMPLES)
        member[pair, order[:10]] = member[pair + 1, order[10:]] = 1
    return member


MEMBER = halves()


def imported(out, **changes):
    given = {"labels": LABELS, "member": MEMBER, "evidence": {"outputs.logits": LOGITS}, "pair": PAIR, **changes}
    return import_arrays(out, **given)


def direct_probability():
    p = np.exp(log_softmax(LOGITS.astype(np.float64), axis=2))
    return np.take_along_axis(p, np.broadcast_to(LABELS[None, :, None], (MODELS, EXAMPLES, 1)), 2)[..., 0]


def test_logits_give_the_memorization_that_the_arrays_give(tmp_path):
    run = imported(tmp_path / "run")
    correct = LOGITS.argmax(2) == LABELS
    expected = label_memorization(correct, MEMBER.astype(np.int8))
    found = run.measure("label_memorization")
    np.testing.assert_array_equal(found.values, expected.values)
    np.testing.assert_array_equal(found.stderr, expected.stderr)
    expected = label_memorization_probability(direct_probability(), MEMBER.astype(np.int8), PAIR)
    found = run.measure("label_memorization[probability]")
    np.testing.assert_allclose(found.values, expected.values, atol=1e-6)
    np.testing.assert_allclose(found.stderr, expected.stderr, atol=1e-6)


def test_probabilities_are_no_logits(tmp_path):
    p = np.exp(log_softmax(LOGITS.astype(np.float64), axis=2))
    mixed = np.concatenate([LOGITS[:-1], p[-1:]])
    for arrays in (p, p.astype(np.float16), mixed):
        with pytest.raises(BadInput, match=r"holds probabilities of model . .* np\.log\(np\.maximum\(p, 1e-12\)\)"):
            imported(tmp_path / "run", evidence={"outputs.logits": arrays})
    run = imported(tmp_path / "run", evidence={"outputs.logits": np.log(np.maximum(p, 1e-12))})
    expected = imported(tmp_path / "other").measure("label_memorization[probability]")
    np.testing.assert_allclose(run.measure("label_memorization[probability]").values, expected.values, atol=1e-6)


def test_signals_against_a_slow_loop():
    found = signals_of(LOGITS * 1000, LABELS)
    for model in range(MODELS):
        for n in range(EXAMPLES):
            z, y = LOGITS[model, n].astype(np.float64) * 1000, LABELS[n]
            others, log_p = np.delete(z, y), z - np.logaddexp.reduce(z)
            expected = {
                "log_odds": z[y] - np.logaddexp.reduce(others),
                "logit_margin": z[y] - others.max(),
                "entropy": -(np.exp(log_p) * log_p).sum(),
                "top_confidence": np.exp(log_p.max()),
                "prediction": z.argmax(),
            }
            assert expected.keys() == found.keys()
            for name, value in expected.items():
                np.testing.assert_allclose(found[name][model, n], value, rtol=1e-4, atol=1e-5, err_msg=name)


def test_agrees_with_what_the_probes_record():
    import torch

    from byrote.probes.signals import signals

    recorded = signals(torch.from_numpy(LOGITS), torch.from_numpy(LABELS).expand(MODELS, EXAMPLES))._asdict()
    for name, tensor in recorded.items():
        np.testing.assert_allclose(signals_of(LOGITS, LABELS)[name], tensor.numpy(), rtol=1e-4, atol=1e-5)


def test_unknown_membership_stays_unknown(tmp_path):
    member = MEMBER.copy()
    member[:, 3] = -1
    member[0, 5] = -1
    run = imported(tmp_path / "run", member=member)
    np.testing.assert_array_equal(run.design.member, member)
    np.testing.assert_array_equal(Run.open(tmp_path / "run").design.member, member)
    found = run.measure("label_memorization")
    correct = LOGITS.argmax(2) == LABELS
    assert np.isnan(found.values[3])
    known = member[:, 5] >= 0
    inside = correct[known, 5][member[known, 5] == 1].mean() - correct[known, 5][member[known, 5] == 0].mean()
    assert found.values[5] == pytest.approx(inside)


def test_what_was_given_comes_before_what_could_be_computed(tmp_path):
    ones = np.ones((MODELS, EXAMPLES), bool)
    run = imported(tmp_path / "run", evidence={"outputs.logits": LOGITS, "outputs.correct": ones})
    assert not run.measure("label_memorization").values.any()
    theirs = {"outputs.log_odds": np.full((MODELS, EXAMPLES), 7.0), "outputs.logits": LOGITS}
    for name, evidence in (("first", theirs), ("last", dict(reversed(theirs.items())))):
        run = imported(tmp_path / name, evidence=evidence)
        assert (run.load("outputs.log_odds", range(MODELS)) == 7).all()


def test_a_run_as_any_other(tmp_path):
    run = imported(tmp_path / "run", ids=[f"x{n}" for n in range(EXAMPLES)], class_names=["a", "b", "c"], name="theirs")
    again = Run.open(tmp_path / "run")
    for one in (run, again):
        assert one.manifest.origin == "imported"
        assert one.class_names == ("a", "b", "c")
        assert one.ids[4] == "x4"
        assert [model.pair for model in one.manifest.models] == PAIR.tolist()
        assert {model.seed for model in one.manifest.models} == {None}
        np.testing.assert_array_equal(one.labels, LABELS)
        np.testing.assert_array_equal(one.load("outputs.logits", range(MODELS)), LOGITS)
        assert "theirs" in repr(one)
    with pytest.raises(MissingEvidence, match=r"'trajectory\.loss' is not recorded"):
        run.measure("cumulative_sample_loss")


def test_trajectories_and_held_out_answers(tmp_path):
    log_odds = RNG.normal(size=(MODELS, 3, EXAMPLES))
    run = imported(
        tmp_path / "run",
        evidence={"trajectory.log_odds": log_odds, "heldout.correct": np.ones((MODELS, 4), bool)},
        checkpoints=(0, 2, 5),
    )
    np.testing.assert_array_equal(run.load("trajectory.epochs", [0]), [0, 2, 5])
    np.testing.assert_allclose(run.load("trajectory.loss", [1, 4]), np.logaddexp(0, -log_odds[[1, 4]]), rtol=1e-5)
    assert run.manifest.heldout == {"examples": 4}
    assert run.manifest.checkpoints == (0, 2, 5)
    assert run.load("heldout.correct", [0, 1]).shape == (2, 4)


def test_diverged_models_are_marked(tmp_path):
    log_odds = RNG.normal(size=(MODELS, EXAMPLES))
    log_odds[4, 7:] = np.nan
    run = imported(tmp_path / "run", evidence={"outputs.log_odds": log_odds})
    assert run.diverged() == (4,)


def test_a_folder_holds_one_run(tmp_path):
    imported(tmp_path / "run")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for _ in range(2):
        with pytest.raises(BadInput, match=r"run' already holds a run\. Hint: give another folder"):
            imported(tmp_path / "run", evidence={"outputs.logits": -LOGITS})
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_arrays_are_left_alone(tmp_path):
    logits = LOGITS.copy()
    imported(tmp_path / "run", evidence={"outputs.logits": logits})
    np.testing.assert_array_equal(logits, LOGITS)


REFUSALS = {
    "member": ({"member": MEMBER * 2}, "member must be 1, 0 or -1"),
    "labels": ({"labels": LABELS[:-1]}, "labels has 19 entries where member has 20"),
    "ids": ({"ids": ["a"]}, "ids has 1 entries where member has 20"),
    "pair": (
        {"pair": PAIR[:-1]},
        "pair has 5 entries where member has 6; pair must name each pair twice, and be -1 elsewhere",
    ),
    "trios": ({"pair": np.array([0, 0, 0, 1, 1, 1])}, "pair must name each pair twice, and be -1 elsewhere"),
    "probability": (
        {"evidence": {"outputs.probability": np.full((MODELS, EXAMPLES), 3.0)}},
        r"'outputs\.probability' must lie in \[0, 1\]",
    ),
    "correct": (
        {"evidence": {"outputs.correct": np.full((MODELS, EXAMPLES), 0.3)}},
        r"'outputs\.correct' must be 0 or 1",
    ),
    "prediction": (
        {"evidence": {"outputs.prediction": np.full((MODELS, EXAMPLES), 77)}},
        r"'outputs\.prediction' must lie in \[0, 3\)",
    ),
    "words": (
        {"evidence": {"outputs.loss": np.full((MODELS, EXAMPLES), "low")}},
        r"'outputs\.loss' holds <U3 instead of numbers",
    ),
    "order": ({"checkpoints": (3, 1)}, r"checkpoints must increase, and are \[3, 1\]"),
    "queries": (
        {"evidence": {"heldout.loss": np.zeros((MODELS, 4)), "heldout.correct": np.zeros((MODELS, 5))}},
        r"held-out arrays differ in their number of queries: \[4, 5\]",
    ),
    "design": (
        {"evidence": {"design.member": MEMBER}},
        r"'design\.member' is no evidence of a model's; augmented, outputs, heldout, presentation, trajectory are",
    ),
    "twins": ({"ids": ["a"] * EXAMPLES}, "ids must be unique"),
    "negative": ({"labels": LABELS - 1}, r"labels must lie in \[0, 2\), and go from -1 to 1"),
    "classes": ({"class_names": ["a", "b"]}, r"labels must lie in \[0, 2\), and go from 0 to 2"),
    "nothing": ({"evidence": {}}, "there is no evidence"),
    "models": (
        {"evidence": {"outputs.logits": LOGITS[:2]}},
        r"'outputs\.logits' has shape \(2, 20, 3\) where \(model=6, example=20, class=3\) is wanted"
        "; class_names may name more classes than occur",
    ),
    "axes": (
        {"evidence": {"outputs.correct": LOGITS}},
        r"'outputs\.correct' has shape \(6, 20, 3\) where \(model=6, example=20\) is wanted",
    ),
    "checkpoints": (
        {"evidence": {"trajectory.loss": np.zeros((MODELS, 2, EXAMPLES))}, "checkpoints": (0, 1, 2)},
        r"'trajectory\.loss' has shape \(6, 2, 20\) where \(model=6, checkpoint=3, example=20\) is wanted",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_does_not_fit_is_refused_and_nothing_written(tmp_path, name):
    changes, sentence = REFUSALS[name]
    given = {
        "labels": LABELS,
        "member": MEMBER,
        "evidence": {"outputs.correct": LOGITS.argmax(2) == LABELS},
        "pair": PAIR,
        **changes,
    }
    with pytest.raises(BadInput, match=rf"^The arrays cannot be imported: {sentence}\."):
        inspect.unwrap(import_arrays)(tmp_path / "run", **given)
    assert not (tmp_path / "run").exists()


def test_all_that_does_not_fit_is_told_at_once(tmp_path):
    with pytest.raises(BadInput, match=r"member must be .*; ids must be unique; there is no evidence\."):
        imported(tmp_path / "run", member=MEMBER * 3, ids=["a"] * EXAMPLES, evidence={})


def test_a_name_that_is_none(tmp_path):
    with pytest.raises(BadInput, match=r"no evidence named 'outputs\.lost'. Hint: the names are .*outputs\.loss"):
        imported(tmp_path / "run", evidence={"outputs.lost": np.zeros((MODELS, EXAMPLES))})
    assert not (tmp_path / "run").exists()


def test_notes_go_with_the_run(tmp_path):
    run = imported(tmp_path / "run", notes=("as told by their authors",))
    assert run.manifest.notes == Run.open(run.folder).manifest.notes == ("as told by their authors",)


def test_an_array_of_each_model_leaves_the_same_shards_as_one_of_all(tmp_path):
    together = imported(tmp_path / "together")
    files = [tmp_path / f"{model}.npy" for model in range(MODELS)]
    for file, own in zip(files, LOGITS, strict=True):
        np.save(file, own)
    apart = [np.load(file, mmap_mode="r") for file in files]
    read = imported(tmp_path / "apart", evidence={"outputs.logits": apart})
    for model in range(MODELS):
        shards = [run.evidence.path("outputs", model, 0).read_bytes() for run in (together, read)]
        assert shards[0] == shards[1]
    unlike = [*apart[:-1], apart[0][:5]]
    with pytest.raises(BadInput, match=r"has shape \(20, 3\) of model 0 and \(5, 3\) of model 5"):
        imported(tmp_path / "unlike", evidence={"outputs.logits": unlike})


def test_importing_logits_takes_the_memory_of_one_model(tmp_path):
    models, examples, classes = 4, 8_000, 50
    rng = np.random.default_rng(0)
    one = rng.normal(size=(examples, classes)).astype(np.float32)
    logits = ByModel(models, lambda model: one + np.float32(model))
    member = (np.arange(models)[:, None] + np.arange(examples)) % 2
    imported(tmp_path / "first")  # whatever is imported at the first use does not count
    tracemalloc.start()
    import_arrays(
        tmp_path / "run",
        labels=np.arange(examples) % classes,
        member=member,
        evidence={"outputs.logits": logits},
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * one.nbytes  # signals of all examples at once would take 17 times that


def test_label_errors_read_the_logits_a_model_at_a_time(tmp_path, monkeypatch):
    run, seen, load = imported(tmp_path / "run"), [], Evidence.load

    def watched(self, name, models, phase, examples=slice(None)):
        seen.append((name, len(models)))
        return load(self, name, models, phase, examples)

    monkeypatch.setattr(Evidence, "load", watched)
    found = run.measure("label_error_probability")
    assert {many for name, many in seen if name == "outputs.logits"} == {1}
    expected = label_error_probability(LOGITS, LABELS, MEMBER.astype(np.int8), PAIR)
    np.testing.assert_array_equal(found.values, expected.values)
    np.testing.assert_array_equal(found.stderr, expected.stderr)


def test_signals_are_the_same_whatever_the_blocks(monkeypatch):
    whole = signals_of(LOGITS, LABELS)
    monkeypatch.setattr(module, "LOGITS_PER_BLOCK", 7 * CLASSES)
    for name, found in signals_of(LOGITS, LABELS).items():
        np.testing.assert_array_equal(found, whole[name])


def test_answers_to_augmented_forms(tmp_path):
    log_odds = RNG.normal(size=(MODELS, 4, EXAMPLES)).astype(np.float32)
    run = imported(tmp_path / "run", evidence={"outputs.logits": LOGITS, "augmented.log_odds": log_odds})
    np.testing.assert_array_equal(run.load("augmented.log_odds", range(MODELS)), log_odds)
    assert run.measure("lira[augmented]").values.shape == (MODELS, EXAMPLES)
    with pytest.raises(BadInput, match="augmented arrays hold no augmentation"):
        imported(tmp_path / "none", evidence={"augmented.log_odds": log_odds[:, :0]})
