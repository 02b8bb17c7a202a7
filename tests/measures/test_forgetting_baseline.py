import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byrote.measures.forgetting_baseline import (
    fit_decay,
    forgetting_baseline,
    forgetting_baseline_above_before,
    forgetting_baseline_curve,
)

EPOCHS = np.array([0, 1, 2, 3, 4, 6, 8, 12, 16])


def made(level=0.3, height=0.5, rate=0.6, *, models=12, documents=10, tokens=200, before=0.2, seed=0):
    """Hits of pairs of models; in each pair one mate is shown the first half of the documents, one the second."""
    rng = np.random.default_rng(seed)
    shown = np.zeros((models, documents), bool)
    shown[::2, : documents // 2] = shown[1::2, documents // 2 :] = True
    share = level + height * np.exp(-rate * EPOCHS)
    chance = np.where(shown[:, None], share[:, None], before)
    offsets, scored = np.arange(0, documents * tokens + 1, tokens), np.ones(documents * tokens, bool)
    hits = rng.binomial(tokens, chance)
    hits_before = rng.binomial(tokens, before, (models, documents))
    return hits, EPOCHS, hits_before, offsets, scored, shown, np.arange(models) // 2


@given(st.floats(0.0, 0.9), st.floats(0.01, 1.0), st.floats(0.2, 1.5))
def test_a_decay_without_noise_is_found(level, height, rate):
    found = fit_decay(EPOCHS.astype(float), level + height * np.exp(-rate * EPOCHS))
    assert found.level == pytest.approx(level, abs=0.02 * height)
    assert found.settled


def test_least_squares_agree_with_a_search():
    rng = np.random.default_rng(1)
    values = 0.3 + 0.4 * np.exp(-0.5 * EPOCHS) + rng.normal(0, 0.02, len(EPOCHS))
    found = fit_decay(EPOCHS.astype(float), values)

    def misfit(a, b, c):
        return ((a + b * np.exp(-c * EPOCHS) - values) ** 2).sum()

    best = misfit(found.level, found.height, found.rate)
    for _ in range(3000):
        a, b, c = rng.uniform(0.1, 0.5), rng.uniform(0.2, 0.6), rng.uniform(0.1, 2)
        assert misfit(a, b, c) >= best * 0.999


def test_a_curve_that_does_not_fall_is_its_mean():
    found = fit_decay(np.arange(6.0), np.array([0.2, 0.21, 0.22, 0.23, 0.24, 0.25]))
    assert (found.height, found.settled) == (0.0, True)
    assert found.level == pytest.approx(0.225)


def test_a_level_is_never_below_zero():
    assert fit_decay(np.arange(5.0), np.array([0.4, 0.3, 0.1, 0.0, 0.0])).level >= 0


def test_the_interval_covers_the_level():
    found = [forgetting_baseline(*made(seed=seed)) for seed in range(60)]
    assert np.mean([scalar.low <= 0.3 <= scalar.high for scalar in found]) >= 0.88
    assert found[0].note.startswith("before the injection it is 0.")
    above = forgetting_baseline_above_before(*made())
    assert above.value == pytest.approx(0.1, abs=0.02)
    assert above.low <= above.value <= above.high


def test_both_lines_by_the_definition():
    hits, epochs, _, offsets, scored, shown, pair = made()
    curve = forgetting_baseline_curve(hits, epochs, offsets, scored, shown, pair)
    for line, side in zip(curve.values, (shown, ~shown), strict=True):
        for point in range(len(epochs)):
            shares = [hits[k, point, side[k]].sum() / (200 * side[k].sum()) for k in range(12)]
            assert line[point] == pytest.approx(np.mean(shares))


def test_undefined_has_its_reason():
    hits, epochs, before, offsets, scored, shown, pair = made()
    rest = (before, offsets, scored, shown, pair)
    assert "takes 4" in forgetting_baseline(hits[:, :3], epochs[:3], *rest).reason
    nothing = forgetting_baseline(hits, epochs, before, offsets, scored, np.zeros_like(shown), pair)
    assert nothing.reason == "no document was injected"
    falling = np.broadcast_to((200 * (1 - epochs / 20))[None, :, None], hits.shape).astype(int)
    assert "still falls" in forgetting_baseline(falling, epochs, *rest).reason
    assert "still falls" in forgetting_baseline_above_before(falling, epochs, *rest).reason
