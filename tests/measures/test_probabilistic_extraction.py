from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byrote.errors import BadInput
from byrote.measures.probabilistic_extraction import (
    at_least_once,
    log10_queries,
    probabilistic_extraction,
    probabilistic_extraction_curve,
    probabilistic_extraction_decoding,
    probabilistic_extraction_decoding_curve,
    probabilistic_extraction_decoding_queries,
    probabilistic_extraction_queries,
    probabilistic_extraction_top_k,
)
from measures.documents import random_documents, spans
from measures.evidence import slow_member_mean

OFFSETS, SCORED, ONE = np.array([0, 3]), np.array([False, True, True]), np.ones((1, 1), np.int8)
SIZES = {"prefix": 1, "suffix": 2}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 50))
def test_equals_a_slow_loop(seed, queries):
    _, offsets, scored, member = random_documents(seed)
    p = np.where(scored, np.random.default_rng(seed).uniform(0.05, 1, (4, len(scored))), np.nan)
    rank = np.random.default_rng(seed + 1).integers(1, 4, p.shape).astype(np.int32)

    def slow(k: int, i: int, top_k: int = 99) -> float:
        span = spans(offsets)[i]
        suffix = range(span.start + 1, span.start + 3)
        if suffix.stop > span.stop:
            return float("nan")
        product = np.prod([p[k, t] if rank[k, t] <= top_k else 0.0 for t in suffix])
        return 1 - (1 - product) ** queries

    read = (offsets, scored, member)
    found = probabilistic_extraction(np.log(p), *read, queries=float(queries), **SIZES)
    np.testing.assert_allclose(found.values, slow_member_mean(slow, member))
    cut = probabilistic_extraction_top_k(np.log(p), rank, *read, top_k=2, queries=float(queries), **SIZES)
    np.testing.assert_allclose(cut.values, slow_member_mean(lambda k, i: slow(k, i, 2), member), atol=1e-15)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 10**6))
def test_chance_is_exact_to_rounding(over, tenths, queries):
    """Against whole-number arithmetic."""
    p = Fraction(over, over + tenths)
    exact = 1 - (1 - p) ** min(queries, 200)
    found = at_least_once(np.log(np.array([float(p)])), float(min(queries, 200)))
    assert found[0] == pytest.approx(float(exact), rel=1e-9)


def test_no_probability_is_too_small():
    tiny = np.array([[np.nan, -300.0, -300.0]])
    found = probabilistic_extraction(tiny, OFFSETS, SCORED, ONE, queries=1e6, **SIZES)
    assert found.values[0] == pytest.approx(1e6 * np.exp(-600), rel=1e-9)
    queries = probabilistic_extraction_queries(tiny, OFFSETS, SCORED, ONE, **SIZES)
    assert queries.values[0] == pytest.approx(-600 / np.log(10))
    deep = log10_queries(np.array([-1000.0]), 0.5)
    assert deep[0] == pytest.approx((1000 + np.log(np.log(2))) / np.log(10))


@pytest.mark.parametrize("p", [0.9999, 0.5, 0.1, 1e-4, 1e-8])
@pytest.mark.parametrize("chance", [0.1, 0.5, 0.99])
def test_queries_needed_are_the_fewest(p, chance):
    needed = round(10 ** float(log10_queries(np.log(np.array([p])), chance)[0]))
    assert at_least_once(np.log(np.array([p])), float(needed))[0] >= chance * (1 - 1e-9)
    if needed > 1:
        assert at_least_once(np.log(np.array([p])), float(needed - 1))[0] < chance


def test_certain_and_impossible_suffixes():
    assert log10_queries(np.array([0.0, -np.inf]), 0.5).tolist() == [0.0, np.inf]
    assert at_least_once(np.array([0.0, -np.inf]), 3.0).tolist() == [1.0, 0.0]
    never = probabilistic_extraction_queries(np.array([[np.nan, -np.inf, 0.0]]), OFFSETS, SCORED, ONE, **SIZES)
    assert never.reason(0) == "a model's record of it is not finite"


def test_answers_drawn_from_a_table_come_as_often_as_said():
    """p = .3 * .2 a draw: the share of 4,000 sessions of 10 draws with a hit."""
    rng = np.random.default_rng(0)
    drawn = (rng.random((4000, 10)) < 0.3) & (rng.random((4000, 10)) < 0.2)
    log_p = np.log(np.array([[np.nan, 0.3, 0.2]]))
    said = probabilistic_extraction_decoding(log_p, OFFSETS, SCORED, ONE, queries=10.0, **SIZES).values[0]
    assert drawn.any(1).mean() == pytest.approx(said, abs=0.025)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_curve_and_queries_of_a_decoding_are_those_of_its_probabilities(seed):
    _, offsets, scored, member = random_documents(seed)
    log_g = np.log(np.random.default_rng(seed).uniform(0.05, 1, (4, len(scored))))
    read = (offsets, scored, member)
    here = probabilistic_extraction_decoding_queries(log_g, *read, **SIZES)
    np.testing.assert_array_equal(here.values, probabilistic_extraction_queries(log_g, *read, **SIZES).values)
    token = np.random.default_rng(seed).integers(0, 5, len(scored)).astype(np.int32)
    curves = [
        curve(log_g, token, *read, **SIZES)
        for curve in (probabilistic_extraction_decoding_curve, probabilistic_extraction_curve)
    ]
    np.testing.assert_array_equal(curves[0].values, curves[1].values)


def test_what_the_cut_never_lets_through_no_number_of_answers_brings_out():
    log_g = np.array([[np.nan, -np.inf, 0.0]])
    found = probabilistic_extraction_decoding_queries(log_g, OFFSETS, SCORED, ONE, **SIZES)
    assert found.reason(0) == "no answer holds it: a token of it is cut away"
    curve = probabilistic_extraction_decoding_curve(log_g, np.zeros(3, np.int32), OFFSETS, SCORED, ONE, **SIZES)
    assert not curve.values[0].any()


def test_the_curve_rises_where_the_queries_suffice():
    log_p = np.log(np.array([[1.0, 0.02, 1.0, 1e-5]] * 2))
    member, scored = np.array([[1, 1], [0, 0]], np.int8), np.array([False, True, False, True])
    curve = probabilistic_extraction_curve(
        log_p, np.arange(4, dtype=np.int32), np.array([0, 2, 4]), scored, member, prefix=1, suffix=1
    )
    np.testing.assert_array_equal(curve.values, [[0, 0, 0.5, 0.5, 0.5, 1, 1]] * 2)  # 35 and 69,315 queries
    assert curve.groups == ("trained on it", "never saw it")


@pytest.mark.parametrize(("measure", "option", "value"), [
    (probabilistic_extraction, "queries", 0.0),
    (probabilistic_extraction, "queries", float("inf")),
])  # fmt: skip
def test_impossible_options_are_refused(measure, option, value):
    with pytest.raises(BadInput, match=f"{option!r}.*Got"):
        measure(np.zeros((1, 3)), OFFSETS, SCORED, ONE, **{option: value}, **SIZES)


def test_impossible_cuts_and_chances_are_refused():
    rank, token = np.ones((1, 3), np.int32), np.zeros(3, np.int32)
    with pytest.raises(BadInput, match=r"'top_k'.*Got 0"):
        probabilistic_extraction_top_k(np.zeros((1, 3)), rank, OFFSETS, SCORED, ONE, top_k=0, **SIZES)
    with pytest.raises(BadInput, match=r"'chance'.*Got 1\.0"):
        probabilistic_extraction_curve(np.zeros((1, 3)), token, OFFSETS, SCORED, ONE, chance=1.0, **SIZES)
