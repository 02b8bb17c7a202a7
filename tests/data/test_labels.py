import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from byrote.data.labels import is_absent, is_minus_one, read_labels
from byrote.data.problems import Problems


@given(st.lists(st.sampled_from(["ant", "bee", "cow", "dog"]), min_size=2).filter(lambda x: len(set(x)) > 1))
def test_text_can_be_read_back(texts):
    problems = Problems("fuzz")
    labels = np.array(texts)
    read = read_labels(labels, ids=np.arange(len(texts)).astype(str), class_names=None, problems=problems)
    assert problems.clauses == []
    assert [read.class_names[label] for label in read.targets] == texts
    assert list(read.class_names) == sorted(set(texts))


def test_what_counts_as_absent():
    values = np.array([None, float("nan"), "", "x", 0, -1, np.float32("nan")], object)
    assert is_absent(values).tolist() == [True, True, True, False, False, False, True]
    assert is_minus_one(values).tolist() == [False] * 5 + [True, False]
    assert is_absent(np.array(["", "a"])).tolist() == [True, False]
    assert is_absent(np.array(["nat", "2020-01-01"], "datetime64[D]")).tolist() == [True, False]
    assert not is_minus_one(np.array([255], np.uint8)).any()
