import numpy as np
import pytest
from scipy.special import expit, log_expit

from byrote.errors import BadInput
from byrote.measures.extraction_threshold import exposure_threshold, threshold


def drawn(rng, cells, at, slope):
    exposure = rng.uniform(0, 20, cells)
    return exposure, rng.random(cells) < expit(slope * (exposure - at))


def test_agrees_with_the_likelihood_on_a_grid():
    exposure, found = drawn(np.random.default_rng(0), 120, 9.0, 0.6)
    at, slope = np.meshgrid(np.linspace(4, 14, 201), np.linspace(0.01, 3, 150), indexing="ij")
    signed = np.where(found, 1.0, -1.0) * (exposure - at[..., None])
    profile = log_expit(slope[..., None] * signed).sum(-1).max(1)
    inside = at[:, 0][profile > profile.max() - 1.9207]  # half of the 95 % quantile of chi-squared
    value, low, high, note = threshold(exposure, found)
    assert value == pytest.approx(at[profile.argmax(), 0], abs=0.05)
    assert (low, high) == pytest.approx((inside[0], inside[-1]), abs=0.1)
    assert note == f"{found.sum()} of 120 were found"


@pytest.mark.slow
def test_the_interval_holds_the_threshold_as_often_as_it_says():
    missed = 0
    for seed in range(200):
        _, low, high, _ = threshold(*drawn(np.random.default_rng(seed), 80, 9.0, 0.6))
        missed += not low < 9.0 < high
    assert 4 <= missed <= 16


def test_the_law_of_guesses_in_the_order_of_likelihood():
    """Of a space of 2^10 secrets all are asked: with 2^b guesses it takes an exposure of 10 - b bits, exactly."""
    rank = np.array([1.0, 2.0, 4.0, 8.0, 9.0, 64.0, 700.0])
    references = np.arange(1.0, 1024.0)[None, None]
    own = (rank - 0.5)[None]
    seen = (np.full(7, 4), np.arange(7), np.ones((1, 7), np.int8))
    for bits, first in ((0.0, 2.0), (3.0, 9.0)):
        found = exposure_threshold(own, np.tile(references, (1, 7, 1)), rank[None], rank[None], *seen, bits=bits)
        assert found.low < 10 - bits <= found.high
        assert found.low == pytest.approx(10 - np.log2(first))
        assert "gap" in found.note


def test_what_a_search_left_open_does_not_count():
    own, references = np.array([[0.5, 0.5, 4.5]]), np.tile(np.arange(1.0, 8.0), (1, 3, 1))
    least, most = np.array([[1.0, 1.0, 9.0]]), np.array([[1.0, 40.0, 9.0]])
    seen = (np.full(3, 4), np.arange(3), np.ones((1, 3), np.int8))
    assert exposure_threshold(own, references, least, most, *seen).examples == 2


@pytest.mark.parametrize(("rank", "says"), [(1.0, "all of them were found"), (9.0, "none of them were found")])
def test_of_one_outcome_no_threshold_follows(rank, says):
    own, seen = np.array([[0.5, 4.5]]), (np.array([4, 4]), np.array([0, 1]), np.ones((1, 2), np.int8))
    found = exposure_threshold(own, np.tile(np.arange(1.0, 8.0), (1, 2, 1)), *[np.full((1, 2), rank)] * 2, *seen)
    assert np.isnan(found.value)
    assert found.reason == says


def test_success_that_goes_down_with_exposure_has_none():
    value, *_, note = threshold(np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, True, False, False]))
    assert np.isnan(value)
    assert note == "exposure does not grow with success"


def test_bits_below_none_are_refused():
    with pytest.raises(BadInput, match="must be at least 0"):
        exposure_threshold(
            *[np.ones((1, 1))] * 1,
            np.ones((1, 1, 3)),
            *[np.ones((1, 1))] * 2,
            np.array([1]),
            np.array([0]),
            np.ones((1, 1), np.int8),
            bits=-1.0,
        )
