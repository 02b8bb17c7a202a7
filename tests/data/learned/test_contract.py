"""Each kind of target says what follows from it, and a dataset of classes has one as all others have."""

import hashlib

import numpy as np
import pytest

import byrote
from byrote.data.learned.label_sets import LabelSets
from byrote.data.learned.numbers import Numbers
from byrote.data.learned.one_class import OneClass
from byrote.data.learned.several_numbers import SeveralNumbers
from byrote.data.task import NextToken, learned_of
from byrote.errors import BadInput
from byrote.recipes.defaults import objective_for

X = np.arange(12, dtype=np.float32).reshape(6, 2)
NUMBERS = np.array([0.5, 1.5, 2.0, 4.0, 7.0, 9.0])
PAIRS = np.array([[0, 1], [1, 1], [0, 0], [1, 0], [1, 1], [0, 1]])
DATA = {
    OneClass: byrote.from_arrays(X, ["a", "b", "a", "b", "c", "a"], name="pets"),
    LabelSets: byrote.from_arrays(X, PAIRS, task="labels", name="tags"),
    Numbers: byrote.from_arrays(X, NUMBERS, task="regression", name="ages"),
    SeveralNumbers: byrote.from_arrays(X, np.stack([NUMBERS, -NUMBERS], 1), task="regression", name="places"),
}


@pytest.mark.parametrize("kind", DATA)
def test_a_dataset_has_the_kind_of_its_targets(kind):
    dataset = DATA[kind]
    assert type(dataset.scale) is kind
    assert learned_of(dataset.task, several=kind is SeveralNumbers) is kind
    assert len(dataset.kind_names) > dataset.kinds.max()


def test_what_they_say_of_themselves():
    said = {one: (one.of_classes, one.numeric, one.several) for one in (*DATA, NextToken)}
    assert said == {
        OneClass: (True, False, False),
        LabelSets: (False, False, True),
        Numbers: (False, True, False),
        SeveralNumbers: (False, True, True),
        NextToken: (False, False, False),
    }


@pytest.mark.parametrize(
    ("kind", "outputs", "shown", "facts"),
    [
        (OneClass, 3, "3 classes", set()),
        (LabelSets, 2, "2 labels", {"task", "label_names"}),
        (Numbers, 1, "a number each", {"task", "mean", "deviation", "tolerance"}),
        (SeveralNumbers, 2, "2 numbers each", {"task", "mean", "deviation", "tolerance", "outputs"}),
    ],
)
def test_what_follows_from_the_targets(kind, outputs, shown, facts):
    dataset = DATA[kind]
    assert dataset.outputs == outputs
    assert repr(dataset).endswith(f"{shown})")
    assert set(dataset.scale.facts(dataset.class_names)) == facts


def test_a_fingerprint_of_classes_begins_as_it_always_did():
    dataset = DATA[OneClass]
    digest = hashlib.sha256(b"byrote dataset 1\n")
    for array in (dataset.inputs, dataset.targets):
        digest.update(f"{array.dtype.newbyteorder('<').str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    for texts in (dataset.ids, dataset.class_names):
        digest.update(f"{len(texts)}\n".encode())
        for text in texts:
            digest.update(f"{len(str(text).encode())}:".encode() + str(text).encode())
    digest.update(b"none\n")
    assert dataset.fingerprint() == digest.hexdigest()


def test_numbers_cannot_be_balanced():
    assert objective_for(DATA[OneClass], balanced=True).class_weights == pytest.approx((2 / 3, 1.0, 2.0))
    assert objective_for(DATA[LabelSets], balanced=True).positive_weights == pytest.approx((1.0, 0.5))
    with pytest.raises(
        BadInput, match="A balanced objective is about one class per example, and 'ages' has one number"
    ):
        objective_for(DATA[Numbers], balanced=True)
