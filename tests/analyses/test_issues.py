from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import byrote
from byrote.analyses.catalog import find_analysis
from byrote.analyses.issues import (
    AMBIGUOUS,
    CONFLICTING_COPY,
    EXACT_COPY,
    LABEL_ERROR,
    MEMORIZED,
    NEAR_COPY,
    OUTLIER,
    RARE_GROUP,
    Issues,
    _outliers,
    _outside,
    as_table,
    issues,
    judged,
    rare_groups,
    shown,
)
from byrote.data.copies import Copies
from byrote.data.dataset import Display
from byrote.errors import BadInput
from byrote.runs.imported import import_arrays
from byrote.runs.run import Run
from made_once import opened
from measures.evidence import half_subset_pairs

MODELS, EXAMPLES, CLASSES = 16, 160, 3


def answered(folder, dataset, outside, *, share=None):
    """A run whose models repeat every label they trained on, and otherwise say `outside`, or, of a share, the label."""
    rng = np.random.default_rng(0)
    member, pair = half_subset_pairs(rng, MODELS, len(dataset))
    says = np.tile(outside, (MODELS, 1))
    for row, part in (share or {}).items():
        without = np.flatnonzero(member[:, row] == 0)
        says[without[: round(part * len(without))], row] = dataset.targets[row]
    says = np.where(member == 1, dataset.targets, says)
    sure = np.where(outside == dataset.targets, rng.uniform(1, 8, len(dataset)), 5.0)  # some are hard, and right
    logits = np.where(member == 1, 6.0, sure)[..., None] * np.eye(CLASSES)[says] + 0.2 * rng.normal(
        size=(MODELS, len(dataset), CLASSES)
    )
    run = import_arrays(
        folder,
        labels=dataset.targets,
        member=member,
        evidence={"outputs.logits": logits.astype(np.float32)},
        ids=dataset.ids.tolist(),
        pair=pair,
        class_names=dataset.class_names,
    )
    return dataclasses.replace(run, dataset=dataset)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Rows: 0 and 1 wrong labels, 2 waverers, 3 a surprise that is right; 10 to 13 copies of 4 to 7; 20 to 25 rare."""
    rng = np.random.default_rng(1)
    rare = np.isin(np.arange(EXAMPLES), np.arange(20, 26))
    inputs = np.column_stack([rng.normal(size=(EXAMPLES, 4)), ~rare, rare]).astype(np.float32)
    targets = np.arange(EXAMPLES) % CLASSES
    for copy, original in ((10, 4), (11, 5), (12, 6)):
        inputs[copy] = inputs[original]
        targets[copy] = targets[original]
    targets[12] = (targets[6] + 1) % CLASSES
    inputs[13, :4] = inputs[7, :4] + 1e-4
    targets[13] = targets[7]
    inputs[14, :4] = 60.0
    names = ("a", "b", "c", "d", "net = cable", "net = satellite")
    dataset = byrote.from_arrays(inputs, targets, class_names=("x", "y", "z"))
    dataset = dataset.replace(display=Display(feature_names=names))
    outside = np.array(targets)
    for row in (0, 1, *range(20, 26)):
        outside[row] = (targets[row] + 1) % CLASSES
    outside[2] = outside[3] = (targets[2] + 1) % CLASSES
    outside[3] = (targets[3] + 1) % CLASSES
    share = {2: 0.5, 3: 0.125}
    return answered(tmp_path_factory.mktemp("issues") / "run", dataset, outside, share=share)


def of_kind(found, kind):
    return sorted({one.example for one in found.found if one.issue == kind})


def test_each_kind_is_told_where_it_was_put(made):
    found = issues(made)
    assert {0, 1} <= set(of_kind(found, LABEL_ERROR))
    assert of_kind(found, AMBIGUOUS) == [2]
    assert of_kind(found, EXACT_COPY) == [10, 11]
    assert of_kind(found, CONFLICTING_COPY) == [6, 12]
    assert of_kind(found, NEAR_COPY) == [13]
    assert of_kind(found, RARE_GROUP) == list(range(20, 26))
    assert 14 in of_kind(found, OUTLIER)
    others = set(range(EXAMPLES)) - {0, 1, 2, 3, 6, 12, *range(20, 26)}
    assert not others & {one.example for one in found.found if one.issue in (LABEL_ERROR, AMBIGUOUS, MEMORIZED)}


def test_a_label_error_says_what_the_models_without_it_say(made):
    one = next(one for one in issues(made).found if one.example == 0 and one.issue == LABEL_ERROR)
    assert made.class_names[one.suggested] == "y"
    assert one.why == "8 of 8 models that never saw it say y; 8 of 8 trained on it repeat the label."
    assert 0.5 < one.score <= 1
    assert one.low <= one.score <= one.high


def test_a_rare_group_speaks_before_a_label_error_and_forbids_to_relabel_in_bulk(made):
    first = next(one for one in issues(made).found if one.example == 20)
    assert first.issue == RARE_GROUP
    assert first.group == "net = satellite"
    assert "Do not relabel in bulk" in first.do
    both = [one for one in issues(made).found if one.example == 20 and one.issue == LABEL_ERROR]
    assert all(one.do == "Check by hand: net = satellite is rare." for one in both)


def test_a_copy_names_the_one_that_it_copies(made):
    by_example = {one.example: one for one in issues(made).found if one.issue in (EXACT_COPY, NEAR_COPY)}
    assert by_example[10].other == 4
    assert by_example[13].other == 7


def test_the_table_has_one_row_an_issue_and_is_checked(made):
    found = issues(made)
    table = as_table(found)
    assert len(table.arrays["example"]) == len(found.found)
    path = find_analysis("issues").keep(made, found)
    kept = made.kept_table(path.name)
    assert judged(made, kept) == ""
    changed = kept.set_column(kept.column_names.index("score"), "score", [[0.77] * len(kept)])
    assert judged(made, changed) == "its score does not follow from the evidence"


def test_without_its_data_a_run_tells_labels_alone_and_says_so(made):
    bare = dataclasses.replace(made, dataset=None)
    found = issues(bare)
    assert set(of_kind(found, LABEL_ERROR)) >= {0, 1}
    assert not of_kind(found, EXACT_COPY)
    assert any("data are not at hand" in note for note in found.notes)


def test_a_run_that_can_tell_nothing_is_refused(made, tmp_path):
    member, pair = half_subset_pairs(np.random.default_rng(0), 4, 30)
    right = np.ones((4, 30), bool)
    bare = import_arrays(
        tmp_path / "run", labels=np.arange(30) % 3, member=member, evidence={"outputs.correct": right}, pair=pair
    )
    with pytest.raises(BadInput, match="No issues of single examples can be found"):
        issues(bare)


def test_of_documents_copies_are_told(tmp_path, monkeypatch):
    run = opened("documents", tmp_path)
    documents = [np.arange(50) + 100 * row for row in range(len(run.ids))]
    documents[5] = documents[3]
    documents[1] = np.concatenate([[7], documents[0], [8]])
    offsets = np.cumsum([0, *map(len, documents)])
    texts = {"corpus.token": np.concatenate(documents), "corpus.offsets": offsets}
    monkeypatch.setattr(Run, "load", lambda self, name, models: texts[name])
    found = issues(run)
    assert [(one.example, one.issue, one.other) for one in found.found] == [(5, EXACT_COPY, 3), (1, NEAR_COPY, 0)]
    assert found.found[1].score == pytest.approx(46 / 48)


def test_groups_as_good_as_others_are_not_called_rare():
    """Twenty groups in tables where being right depends on nothing: one false name in twenty tables at most."""
    named, rng = 0, np.random.default_rng(5)
    for _ in range(40):
        levels = np.eye(20)[rng.integers(20, size=400)].astype(np.float32)
        dataset = byrote.from_arrays(levels, rng.integers(2, size=400)).replace(
            display=Display(feature_names=tuple(f"group = {level}" for level in range(20)))
        )
        named += (rare_groups(dataset, rng.binomial(8, 0.8, 400) / 8) != "").any()
    assert named <= 6


def test_a_near_copy_with_another_label_is_said_to_be_nearly_the_same(made):
    again = np.array(made.dataset.targets)
    again[13] = (again[7] + 1) % CLASSES
    dataset = made.dataset.replace(targets=again)
    run = dataclasses.replace(made, dataset=dataset, labels=again)
    whys = {one.example: one.why for one in issues(run).found if one.issue == CONFLICTING_COPY}
    assert "has nearly the same input and says" in whys[13]
    assert "has the same input and says" in whys[12]


def test_copies_conflict_where_their_numbers_differ_by_more_than_the_tolerance(made, monkeypatch):
    numbers = np.arange(EXAMPLES, dtype=float)
    numbers[[4, 10, 5, 11, 6, 12]] = [0.0999, 0.1001, 0.0, 0.1, 0.0, 0.11]
    described = {**made.manifest.dataset, "task": "regression", "tolerance": 0.1}
    run = dataclasses.replace(made, manifest=dataclasses.replace(made.manifest, dataset=described))
    monkeypatch.setattr(Run, "numbers", numbers)
    found = issues(run)
    assert of_kind(found, CONFLICTING_COPY) == [6, 7, 12, 13]
    assert of_kind(found, EXACT_COPY) == [10, 11]


def test_where_most_distances_are_equal_none_is_an_outlier():
    tenth = np.r_[np.full(60, 1.0), np.full(40, 1.2)]
    told = Copies(same=np.arange(100), near=np.empty((0, 2), int), chance=np.empty(0), tenth=tenth, dimension=2.0)
    assert list(_outliers(told)) == []
    tenth = np.r_[np.linspace(0.9, 1.1, 99), 9.0]
    assert [one.example for one in _outliers(dataclasses.replace(told, tenth=tenth))] == [99]


def test_no_class_is_suggested_where_no_model_without_the_example_answered(made):
    outside = _outside(made)
    nobody = dataclasses.replace(outside.votes, most=np.full_like(outside.votes.most, -1))
    silent = dataclasses.replace(outside, votes=nobody)
    assert outside.other(0, int(made.labels[0])) == 1
    assert silent.other(0, 2) == -1


def test_a_copy_with_another_label_has_no_score_where_no_model_says_which_is_wrong(made, monkeypatch):
    monkeypatch.setattr("byrote.analyses.issues._outside", lambda run: "Nobody was asked.")
    scores = {one.example: one.score for one in issues(made).found if one.issue == CONFLICTING_COPY}
    assert list(scores) == [6, 12]
    assert np.isnan(list(scores.values())).all()


def test_where_nothing_is_found_it_is_said_what_was_not_looked_for(made):
    told = Issues(run=made, found=(), notes=("The run's data are not at hand.",))
    assert [block.text for block in shown(as_table(told))][1] == "The run's data are not at hand."
