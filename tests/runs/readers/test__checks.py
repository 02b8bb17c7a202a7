import numpy as np
import pytest

from byrote.errors import BadInput
from byrote.runs.readers._checks import (
    agreeing,
    balance,
    complementary_pairs,
    in_order,
    labels_of,
    membership,
    refuse_unlike,
)
from runs.readers.folders import BALANCED, EXAMPLES, HALVES, LABELS, LOGITS, MODELS, OTHERS

NAMES = [f"m{model}" for model in range(MODELS)]


def test_another_order_is_refused():
    in_order(LABELS, LABELS, "labels", "'a file'")
    first = int(np.flatnonzero(LABELS != OTHERS)[0])
    count = int((LABELS != OTHERS).sum())
    sentence = (
        rf"^The labels in 'a file' are not those given: {count} of {EXAMPLES} differ, the first at {first} "
        rf"\({LABELS[first]} there, {OTHERS[first]} given\)\. Hint: bring both into one order"
    )
    with pytest.raises(BadInput, match=sentence):
        in_order(LABELS, OTHERS, "labels", "'a file'")
    with pytest.raises(BadInput, match=r"^There are 60 labels in 'a file', and 59 were given\. Hint"):
        in_order(LABELS, LABELS[:-1], "labels", "'a file'")


@pytest.mark.parametrize("found", [LABELS[:, None], LABELS * 1.0, LABELS.astype(str)])
def test_labels_that_are_none(found):
    with pytest.raises(BadInput, match="must be whole numbers along one axis; they are"):
        labels_of(found, None, "'a file'")


def test_small_labels_grow():
    assert labels_of(LABELS.astype(np.uint8), LABELS, "'a file'").dtype == np.int64


def test_membership():
    found = membership(BALANCED * 1.0, NAMES, EXAMPLES, "'a folder'")
    assert found.dtype == np.int8
    np.testing.assert_array_equal(found, BALANCED)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda m: m[:, 1:], r"has shape \(6, 59\) where \(model=6, example=60\) is wanted"),
        (lambda m: m[0], r"has shape \(60,\) where"),
        (lambda m: m * 2, r"must be 0 or 1; it is int64 of shape \(6, 60\)"),
        (lambda m: np.where(m, np.nan, 0.0), "must be 0 or 1; it is float64"),
        (lambda m: m.astype(str), "must be 0 or 1; it is <U"),
        (lambda m: m | (np.arange(MODELS) == 2)[:, None], "model 'm2' was trained on every example of 60: .* Hint"),
        (lambda m: m & (np.arange(MODELS) != 2)[:, None], "model 'm2' was trained on no example of 60: .* Hint"),
    ],
)
def test_membership_that_cannot_be(change, sentence):
    with pytest.raises(BadInput, match=sentence):
        membership(change(BALANCED.astype(np.int64)), NAMES, EXAMPLES, "'a folder'")


def test_pairs_are_found_where_they_are():
    np.testing.assert_array_equal(complementary_pairs(HALVES.astype(np.int8)), [0, 0, 1, 1, 2, 2])
    for member in (BALANCED, HALVES[1:], np.roll(HALVES, 1, 0)):
        assert set(complementary_pairs(member.astype(np.int8))) == {-1}


def test_balance_is_told():
    assert balance(BALANCED.astype(np.int8)).startswith("balanced design without pairs: every example is in exactly 3")
    assert balance(np.array([[1, 1], [1, 0]], np.int8)) == "no pairs: every example is in 1 to 2 of the 2 models"


def test_labels_that_the_models_do_not_know():
    member = HALVES.astype(np.int8)
    agreeing(LOGITS["halves"], member, LABELS, "'a folder'")
    with pytest.raises(
        BadInput, match=r"predict the labels given for their own members in .*%.*shuffled ones in 3.*Hint"
    ):
        agreeing(LOGITS["halves"], member, OTHERS, "'a folder'")
    constant = np.zeros_like(LOGITS["halves"])
    agreeing(constant, member, OTHERS, "'a folder'")


def test_shuffled_labels_are_refused_nearly_always():
    member = HALVES.astype(np.int8)
    let_through = 0
    for seed in range(200):
        shuffled = np.random.default_rng(seed).permutation(LABELS)
        try:
            agreeing(LOGITS["halves"], member, shuffled, "'a folder'")
        except BadInput:
            continue
        let_through += 1
    # agreement of one order is the same for all models, so the error counts examples, not answers
    assert let_through <= 2


def test_answers_of_one_shape():
    with pytest.raises(BadInput, match=r"answers in 'a folder' differ in shape: \(2,\), \(3,\)"):
        refuse_unlike([np.zeros(3), np.zeros(2)], "'a folder'")
    with pytest.raises(BadInput, match="None of the values in 'a folder' is finite"):
        refuse_unlike([np.full(3, np.nan)], "'a folder'")
    with pytest.raises(BadInput, match="must be numbers; they are <U1"):
        refuse_unlike([np.array(["a"])], "'a folder'")
