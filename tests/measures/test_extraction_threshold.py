import numpy as np
import pytest
from scipy.special import expit, log_expit

from byrote.errors import BadInput
from byrote.measures.extraction_threshold import _over_secrets, exposure_threshold, threshold
from byrote.results import Scalar


def drawn(rng, cells, at, slope):
    exposure = rng.uniform(0, 20, cells)
    return exposure, rng.random(cells) < expit(slope * (exposure - at))


def cells_of(rng, models, secrets, spread, at=9.0):
    """Exposures and ranks of secrets, each with a threshold of its own about the one that is asked for."""
    own = at + spread * rng.normal(size=secrets)
    exposure = rng.uniform(0, 20, (models, secrets))
    found = rng.random((models, secrets)) < expit(1.5 * (exposure - own))
    return exposure, found


def measured(exposure, found):
    """What the measure says of these exposures."""
    secret = np.broadcast_to(np.arange(exposure.shape[1]), exposure.shape)
    figure = Scalar(
        value=threshold(exposure.ravel(), found.ravel())[0],
        stderr=np.nan,
        low=np.nan,
        high=np.nan,
        models=len(exposure),
        examples=exposure.shape[1],
        varies_over="examples",
    )
    return _over_secrets(figure, exposure.ravel(), found.ravel(), secret.ravel())


def test_agrees_with_the_likelihood_on_a_grid():
    exposure, found = drawn(np.random.default_rng(0), 120, 9.0, 0.6)
    at, slope = np.meshgrid(np.linspace(4, 14, 201), np.linspace(0.01, 3, 150), indexing="ij")
    signed = np.where(found, 1.0, -1.0) * (exposure - at[..., None])
    profile = log_expit(slope[..., None] * signed).sum(-1).max(1)
    value, note = threshold(exposure, found)
    assert value == pytest.approx(at[profile.argmax(), 0], abs=0.05)
    assert note == ""


def test_the_error_is_that_of_leaving_out_whole_secrets():
    exposure, found = cells_of(np.random.default_rng(1), 4, 6, 1.5)
    without = [threshold(np.delete(exposure, k, 1).ravel(), np.delete(found, k, 1).ravel())[0] for k in range(6)]
    shown = measured(exposure, found)
    assert shown.stderr == pytest.approx(np.sqrt(5 / 6 * ((without - np.mean(without)) ** 2).sum()))
    assert (shown.high - shown.value) / shown.stderr == pytest.approx(2.5706, abs=1e-4)  # Student's t of 5 degrees
    assert shown.note == f"{found.sum()} of 24 were found"


def test_models_that_repeat_each_other_make_the_error_no_smaller():
    exposure, found = cells_of(np.random.default_rng(2), 1, 30, 1.5)
    once, often = measured(exposure, found), measured(np.tile(exposure, (8, 1)), np.tile(found, (8, 1)))
    assert often.value == pytest.approx(once.value, abs=1e-4)
    assert often.stderr == pytest.approx(once.stderr, rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.0, 1.5])
def test_the_interval_holds_the_threshold_as_often_as_it_says(spread):
    """Of 12 secrets in 8 models, as many as share a threshold or have one of their own."""
    missed = 0
    for seed in range(200):
        found = measured(*cells_of(np.random.default_rng(seed), 8, 12, spread))
        missed += not found.low < 9.0 < found.high
    assert 4 <= missed <= 18


@pytest.mark.parametrize(
    ("exposure", "found"),
    [([3.0] * 4, [1, 0, 0, 1]), (8 + 1e-12 * np.arange(12), [1] * 8 + [0] * 4)],
)
def test_of_one_exposure_no_threshold_follows(exposure, found):
    value, why = threshold(np.array(exposure), np.array(found, bool))
    assert np.isnan(value)
    assert why == "all of them have the same exposure"


def test_the_exposure_at_which_some_are_found_and_some_are_not_parts_the_others():
    value, note = threshold(np.array([1.0, 6.0, 6.0, 6.0, 9.0]), np.array([False, False, True, True, True]))
    assert value == 6.0
    assert note == "all secrets with more exposure than 6 were found and no others: the error is unknown"


@pytest.mark.parametrize(("found", "why"), [([[1, 0]], "at least 3 secrets"), ([[1, 1, 0]], "no threshold follows")])
def test_the_error_is_unknown_of_secrets_too_few(found, why):
    found = np.array(found * 2, bool)
    exposure = np.where(found, [[7.0], [4.0]], [[5.0], [2.0]])
    shown = measured(exposure, found)
    assert np.isfinite(shown.value)
    assert np.isnan([shown.stderr, shown.low, shown.high]).all()
    assert why in shown.note


def test_the_law_of_guesses_in_the_order_of_likelihood():
    """Of a space of 2^10 secrets all are asked: with 2^b guesses it takes an exposure of 10 - b bits, exactly."""
    rank = np.array([1.0, 2.0, 4.0, 8.0, 9.0, 64.0, 700.0])
    references = np.arange(1.0, 1024.0)[None, None]
    own = (rank - 0.5)[None]
    seen = (np.full(7, 4), np.arange(7), np.ones((1, 7), np.int8))
    for bits, first in ((0.0, 2.0), (3.0, 9.0)):
        found = exposure_threshold(own, np.tile(references, (1, 7, 1)), rank[None], rank[None], *seen, bits=bits)
        gap = 10 - np.log2(rank[rank >= first][0]), 10 - np.log2(rank[rank < first][-1])
        assert found.value == pytest.approx(sum(gap) / 2)
        assert gap[0] < 10 - bits <= gap[1]
        assert np.isnan([found.low, found.high]).all()
        assert f"more exposure than {gap[0]:.4g} to {gap[1]:.4g} were found" in found.note


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
    value, note = threshold(np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, True, False, False]))
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
