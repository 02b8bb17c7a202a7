import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byrote.data.arrays import from_arrays
from byrote.data.corpus import corpus_from_texts
from byrote.data.dataset import notes
from byrote.data.spelling import alike, alike_groups, alike_said, plain, plain_texts, says_missing
from byrote.errors import BadInput

COMPOSED, IN_PARTS = "caf\u00e9", "cafe\u0301"


@given(st.text(max_size=12))
def test_a_plain_name_is_plain_already(name):
    assert plain(plain(name)) == plain(name)
    assert plain(f" {name}\u00a0") == plain(name)


@pytest.mark.parametrize("mark", ["", " ", "?", " ?", "NA ", "\tn/a", "nan", "\u00a0NULL", "<NA>", "#N/A"])
def test_what_says_missing(mark):
    assert says_missing(mark)


@pytest.mark.parametrize("word", ["none", "-", "Na", "N", "0", "NAN"])
def test_what_does_not_say_missing(word):
    assert not says_missing(word)


def test_texts_keep_what_is_no_text():
    cells = np.array([" a", None, 7, "b\u2003c"], object)
    assert plain_texts(cells).tolist() == ["a", None, 7, "b c"]
    assert plain_texts(np.array([IN_PARTS])).tolist() == [COMPOSED]


def test_names_that_may_be_meant_to_be_one():
    assert alike(["a", "b"]) == ()
    assert alike(["a", "B", "A", "\uff22", "a\u200b"]) == (("a", "A", "a\u200b"), ("B", "\uff22"))
    said = alike_said("classes", {"a": 3, "A": 1, "aA": 9}, ("example", "examples"))
    assert said[0].startswith("The classes 'a' (3 examples) and 'A' (1 example) differ only in case")
    assert "aA" not in said[0]


def test_groups_are_not_named():
    said = alike_groups(np.array(["Ann", "Bob", "ann"]), np.array(["x1", "x2", "x3"]))[0]
    assert "as at the examples 'x1', 'x3'" in said
    assert "nn" not in said.split("(")[1].split(")")[0]


def test_arrays_of_names():
    labels = ["yes", "yes ", IN_PARTS, COMPOSED, "yes\u00a0", "No", "no"]
    groups = ["p", " p", "p ", "q", "Q", "r", "s"]
    made = from_arrays(np.arange(14.0).reshape(7, 2), labels, groups=groups)
    assert made.class_names == ("No", COMPOSED, "no", "yes")
    assert made.targets.tolist() == [3, 3, 1, 1, 3, 0, 2]
    assert made.groups.tolist() == ["p", "p", "p", "q", "Q", "r", "s"]
    said = " ".join(notes(made))
    assert "The classes 'No' (1 example) and 'no' (1 example) differ only in case" in said
    assert "1 name of a group is written in more than one way (as at the examples 'arrays-0004', 'arrays-0003')" in said


def test_missing_marks_are_named_and_the_hint_mends():
    inputs = np.arange(6.0).reshape(3, 2)
    with pytest.raises(BadInput) as caught:
        from_arrays(inputs, ["EU", "NA", "EU"])
    assert "1 label is missing (example 'arrays-0001'): 'NA' is read as missing" in str(caught.value)
    assert "if 'NA' is a value and does not mean that there is none, write it as 'NA-'" in str(caught.value)
    assert from_arrays(inputs, ["EU", "NA-", "EU"]).class_names == ("EU", "NA-")


def test_given_class_names_that_look_the_same_are_refused():
    with pytest.raises(BadInput, match="its class names must differ"):
        from_arrays(np.zeros((2, 2)), [0, 1], class_names=["yes", "yes "])


def test_groups_of_documents():
    corpus = corpus_from_texts(["to be", "or not", "to"], groups=["ann ", "ann", IN_PARTS])
    assert corpus.groups.tolist() == ["ann", "ann", COMPOSED]
