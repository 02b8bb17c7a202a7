from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow.parquet as pq
import pytest

from byrote.analyses.catalog import keep
from byrote.analyses.triage import KINDS, STRONGLY, Triage, as_table, shown, signals, triage
from byrote.data.controls import AMBIGUOUS, CONFLICTING_DUPLICATE, LABEL_NOISE, RARE_SUBPOPULATION, Controls, planted
from byrote.data.copies import coarse as _coarse
from byrote.errors import BadInput
from byrote.runs.imported import import_arrays
from measures.evidence import half_subset_pairs

EXAMPLES, CLASSES, EACH = 400, 4, 40


def answered(folder, *, seed=0, kinds=KINDS):
    """A run whose models answer each kind as its nature asks: 40 of each, 40 natural ones, the rest well learned.

    Out of sample the mislabelled are surely another class, conflicting copies waver between models, the rare are
    unsure of all classes, the ambiguous of two; in sample every label is fitted.
    """
    rng = np.random.default_rng(seed)
    member, pair = half_subset_pairs(rng, 16, EXAMPLES)
    label = rng.integers(CLASSES, size=EXAMPLES)
    other = (label + rng.integers(1, CLASSES, EXAMPLES)) % CLASSES
    kind = np.full(EXAMPLES, "", "U30")
    outside = 6.0 * np.eye(CLASSES)[label]
    sway = np.full(EXAMPLES, 0.5)
    for number, name in enumerate(kinds):
        rows = slice(number * EACH, (number + 1) * EACH)
        kind[rows] = name
        outside[rows] = {
            LABEL_NOISE: 7.0 * np.eye(CLASSES)[other[rows]],
            CONFLICTING_DUPLICATE: 3.0 * np.eye(CLASSES)[other[rows]],
            RARE_SUBPOPULATION: np.zeros((EACH, CLASSES)) - 0.5 * np.eye(CLASSES)[label[rows]],
            AMBIGUOUS: 4.0 * np.eye(CLASSES)[other[rows]] + 3.2 * np.eye(CLASSES)[label[rows]],
        }[name]
        sway[rows] = {LABEL_NOISE: 0.5, CONFLICTING_DUPLICATE: 2.0, RARE_SUBPOPULATION: 1.0, AMBIGUOUS: 0.5}[name]
    logits = np.where((member == 1)[..., None], 8.0 * np.eye(CLASSES)[label], outside)
    logits = logits + sway[:, None] * rng.normal(size=logits.shape)
    ids = [f"e{i}" for i in range(EXAMPLES)]
    controls = planted(LABEL_NOISE, [], [])
    for number, name in enumerate(kinds):
        mine = ids[number * EACH : (number + 1) * EACH]
        originals = ids[-EACH:] if name == CONFLICTING_DUPLICATE else mine
        controls = controls.merged(planted(name, mine, originals))
    return import_arrays(
        folder,
        labels=label,
        member=member,
        evidence={"outputs.logits": logits.astype(np.float32)},
        ids=ids,
        pair=pair,
        controls=controls,
    )


def trained(run):
    """The run as if byrote had trained its models, and could plant more."""
    return dataclasses.replace(run, manifest=dataclasses.replace(run.manifest, origin="trained"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return answered(tmp_path_factory.mktemp("runs") / "answered")


def test_kinds_that_answer_differently_are_told_apart(run):
    found = triage(run)
    assert found.kinds == KINDS
    assert found.accuracy > 0.85
    assert found.confusion.sum() == np.count_nonzero(found.planted != "")
    np.testing.assert_allclose(found.probability.sum(1), 1)
    assert (found.memorization >= STRONGLY - 1e-9).all()


def test_its_confidence_is_its_accuracy(run, tmp_path):
    confidence, accuracy = [], []
    for seed in range(1, 7):
        found = triage(answered(tmp_path / str(seed), seed=seed), taught_by=run)
        confidence.append(found.confidence)
        accuracy.append(found.accuracy)
    assert np.mean(confidence) == pytest.approx(np.mean(accuracy), abs=0.05)


def test_kinds_that_answer_alike_are_not_told_apart(run, tmp_path):
    """Every control's answers are those of mislabelled examples: accuracy is that of guessing."""
    rng = np.random.default_rng(0)
    shuffled = rng.permutation(run.controls.kind)
    confused = dataclasses.replace(run, controls=dataclasses.replace(run.controls, kind=shuffled), _replicates={})
    found = triage(confused)
    assert found.accuracy < 0.45
    assert found.confidence < 0.55


def test_an_original_of_a_conflicting_copy_counts_as_one(run):
    found = triage(run)
    assert "conflicting_duplicate" in set(found.planted)
    assert set(found.ids[found.planted == CONFLICTING_DUPLICATE]) <= {
        *(f"e{i}" for i in range(EACH, 2 * EACH)),
        *(f"e{i}" for i in range(EXAMPLES - EACH, EXAMPLES)),
    }


def test_a_kind_that_was_not_planted_is_said_to_be_missing(tmp_path):
    found = triage(answered(tmp_path / "run", kinds=(LABEL_NOISE, AMBIGUOUS)))
    assert found.kinds == (LABEL_NOISE, AMBIGUOUS)
    assert any("conflicting duplicate, rare subpopulation" in note for note in found.notes)


@pytest.mark.parametrize("kinds", [(), (LABEL_NOISE, AMBIGUOUS)], ids=["nothing memorized", "memorized"])
def test_without_controls_it_says_what_to_plant(tmp_path, kinds):
    made = answered(tmp_path / "run", kinds=kinds)
    run = dataclasses.replace(trained(made), controls=Controls(), _replicates={})
    with pytest.raises(BadInput, match=r"0 of 4 kinds have the 10 [a-z ]*that it takes\.\s+Hint: audit with --plant"):
        triage(run)


def test_signals_can_be_taken_away(run):
    every = signals(run)
    assert np.isfinite(every.values).all()
    fewer = triage(run, only=lambda known: known.without("own_log_probability", "disagreement"))
    assert set(every.names) - set(fewer.signals) == {"own_log_probability", "disagreement"}


def test_distances_count_where_the_data_is_at_hand(run):
    from byrote.data import from_arrays

    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(EXAMPLES, 3))
    inputs[1] = inputs[0]
    dataset = from_arrays(inputs, run.labels, name="rows", class_names=run.class_names)
    known = signals(dataclasses.replace(run, dataset=dataset))
    column = {name: known.values[:, number] for number, name in enumerate(known.names)}
    flat = (inputs - inputs.mean(0)) / inputs.std()
    for i in (2, 3, 200):
        far = np.linalg.norm(flat - flat[i], axis=1)
        far[i] = np.inf
        nearest = far[run.labels == run.labels[i]].min()
        assert column["distance_to_the_same_label"][i] == pytest.approx(np.log(nearest), rel=1e-3, abs=1e-3)
        tenth = np.sort(far)[9]
        assert column["nearness_of_the_same_label"][i] == pytest.approx(np.log(tenth / nearest), rel=1e-3, abs=1e-3)
        alike = (run.labels[np.argsort(far)[:10]] == run.labels[i]).mean()
        assert column["share_of_neighbours_alike"][i] == pytest.approx(alike)


def test_large_images_are_compared_in_cells():
    images = np.arange(2 * 33 * 40, dtype=float).reshape(2, 1, 33, 40)
    coarse = _coarse(images)
    assert coarse.shape == (2, 1, 8, 10)
    np.testing.assert_allclose(coarse[1, 0, 2, 3], images[1, 0, 8:12, 12:16].mean())
    small = np.zeros((2, 1, 8, 8))
    assert _coarse(small) is small


def test_the_table_is_kept(run):
    found = triage(run)
    keep(run, "triage", found)
    table = pq.read_table(run.folder / "results" / "triage.parquet")
    assert table.column_names == ["example", "label_memorization", "planted", "kind", *KINDS]
    assert table["kind"].to_pylist() == found.kind().tolist()


def test_a_kind_that_no_one_tells_from_another_is_named(run, tmp_path):
    assert not triage(run).alike
    rng = np.random.default_rng(0)
    confused = dataclasses.replace(
        run, controls=dataclasses.replace(run.controls, kind=rng.permutation(run.controls.kind)), _replicates={}
    )
    assert len(triage(confused).alike) >= 3


@pytest.mark.slow
def test_the_error_of_its_accuracy_covers_the_truth(run):
    """2,000 draws of 40 planted examples of 4 kinds that are told right at known rates."""
    rng, rates = np.random.default_rng(0), np.array([0.9, 0.6, 0.35, 0.97])
    found, covered = triage(run), 0
    for _ in range(2_000):
        right = rng.binomial(EACH, rates)
        drawn = dataclasses.replace(found, confusion=np.diag(right) + np.roll(np.diag(EACH - right), 1, axis=1))
        covered += abs(drawn.accuracy - rates.mean()) <= 1.96 * drawn.accuracy_stderr
    assert 0.93 <= covered / 2_000 <= 0.98


def test_all_that_was_planted_is_counted_and_few_controls_are_named(tmp_path):
    made = answered(tmp_path / "run", kinds=(LABEL_NOISE, AMBIGUOUS))
    kinds = made.controls.kind
    kept = np.concatenate([np.flatnonzero(kinds == LABEL_NOISE), np.flatnonzero(kinds == AMBIGUOUS)[:5]])
    few = dataclasses.replace(
        trained(made), controls=made.controls.restricted_to(made.controls.example[kept]), _replicates={}
    )
    with pytest.raises(BadInput, match=r"label noise 40, ambiguous 5\).*Hint: these data hold label noise 40"):
        triage(few)
    assert any("80 of them planted" in note for note in triage(made).notes)


def test_a_table_of_triage_says_how_planted_examples_were_told_apart(tmp_path):
    found = triage(answered(tmp_path / "run"))
    again = Triage.of(as_table(found))
    np.testing.assert_array_equal(again.confusion, found.confusion)
    assert (again.kinds, again.alike) == (found.kinds, found.alike)
    assert again.confidence == pytest.approx(found.confidence)
    some = np.where(np.arange(len(found.ids)) < 5, "", found.planted)
    natural, planted, *words = shown(as_table(dataclasses.replace(found, planted=some)), top=3)
    assert [len(natural.rows), len(planted.rows)] == [3, len(found.kinds)]
    assert natural.title == "The 3 most memorized of 5 examples without a planted control"
    assert natural.rows[0][1] == pytest.approx(found.memorization[:5].max())
    assert sum(sum(line[1:]) for line in planted.rows) == found.confusion.sum() - 5
    assert f"accuracy {Triage.of(as_table(dataclasses.replace(found, planted=some))).accuracy:.2f} ±" in planted.title
    assert [word.text for word in words][-len(found.notes) :] == list(found.notes)
