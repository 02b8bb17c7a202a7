from difflib import SequenceMatcher

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byrote.errors import BadInput
from byrote.measures.approximate_extraction import (
    approximate_extraction,
    approximate_extraction_longest_common_substring,
    approximate_extraction_within,
    edit_distance,
    longest_common_substring,
)

ONE = np.ones((1, 1), np.int8)
rows = st.lists(st.integers(0, 3), min_size=1, max_size=12)


def slow_distance(a: list[int], b: list[int]) -> int:
    """The recurrence of Levenshtein, by recursion over beginnings with a table."""
    table = [[i + j if i * j == 0 else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            change = table[i - 1][j - 1] + (a[i - 1] != b[j - 1])
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, change)
    return table[-1][-1]


@settings(max_examples=200, deadline=None)
@given(rows, rows)
def test_distance_and_run_equal_a_slow_loop(a, b):
    assert edit_distance(np.array([a]), np.array([b]))[0] == slow_distance(a, b)
    expected = SequenceMatcher(None, a, b, autojunk=False).find_longest_match().size
    assert longest_common_substring(np.array([a]), np.array([b]))[0] == expected


def test_distance_is_that_of_rapidfuzz():
    levenshtein = pytest.importorskip("rapidfuzz.distance", reason="rapidfuzz is not installed").Levenshtein
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 6, (2, 50, 40))
    expected = [levenshtein.distance(x.tolist(), y.tolist()) for x, y in zip(a, b, strict=True)]
    np.testing.assert_array_equal(edit_distance(a, b), expected)


def test_a_shifted_continuation_is_near_though_no_position_matches():
    truth = np.arange(50, dtype=np.int32)[None]
    said = np.roll(truth, 1, axis=1)[None]
    assert approximate_extraction(said, truth, ONE).values == [1 - 2 / 50]
    assert approximate_extraction_within(said, truth, ONE).values == [1.0]
    assert approximate_extraction_longest_common_substring(said, truth, ONE).values == [49 / 50]


def test_tolerance_is_met_at_its_edge():
    truth = np.arange(30, dtype=np.int32)[None]
    said = np.where(np.arange(30) < 3, 99, truth)[None].astype(np.int32)
    assert approximate_extraction_within(said, truth, ONE, tolerance=0.1).values == [1.0]
    assert approximate_extraction_within(said, truth, ONE, tolerance=0.09).values == [0.0]
    with pytest.raises(BadInput, match=r"Got 1\.5"):
        approximate_extraction_within(said, truth, ONE, tolerance=1.5)


def test_short_documents_are_undefined_and_the_null_is_of_those_that_never_saw_it():
    truth = np.array([[1, 2], [-1, -1]], np.int32)
    said, member = np.array([[[1, 2], [-1, -1]], [[3, 2], [-1, -1]]], np.int32), np.array([[1, 1], [0, 0]], np.int8)
    np.testing.assert_array_equal(approximate_extraction(said, truth, member).values, [1.0, np.nan])
    np.testing.assert_array_equal(approximate_extraction(said, truth, member, side=0).values, [0.5, np.nan])
