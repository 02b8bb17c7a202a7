import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from byrote.measures.membership_risk import membership_risk
from measures.attacks import untidy
from measures.evidence import half_subset_pairs


@given(st.integers(0, 8), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_agrees_with_the_slow_loop(pairs, examples, seed):
    rng = np.random.default_rng(seed)
    member, pair = untidy(rng, pairs, examples) if pairs else (np.empty((0, examples), np.int8), np.empty(0, np.int64))
    x = np.round(rng.normal(0, 2, member.shape))  # ties
    found = membership_risk(x, member, pair)
    for i in range(examples):
        inside = [k for k in range(2 * pairs) if member[k, i] == 1]
        outside = [k for k in range(2 * pairs) if member[k, i] == 0]
        assert (found.counts["members"][i], found.counts["nonmembers"][i]) == (len(inside), len(outside))
        if min(len(inside), len(outside)) < 4:
            assert np.isnan(found.values[i])
            assert found.reason(i).startswith("fewer than 4 models were")
            continue
        compared = [(x[k, i], x[j, i]) for k in inside for j in outside if pair[k] != pair[j]]
        won = [(a > b) + (a == b) / 2 for a, b in compared]
        assert found.values[i] == pytest.approx(np.mean(won))


def newcombe(risk: float, inside: int, outside: int) -> tuple[float, float]:
    """Newcombe (2006), method 5, by scanning a fine grid."""
    grid = np.linspace(0, 1, 200_001)
    more = (inside + outside) / 2 - 1
    variance = grid * (1 - grid) / (inside * outside) * (1 + more * ((1 - grid) / (2 - grid) + grid / (1 + grid)))
    within = grid[np.abs(grid - risk) <= stats.norm.ppf(0.975) * np.sqrt(variance)]
    return float(within.min(initial=risk)), float(within.max(initial=risk))


def test_interval_of_single_models_by_scanning():
    rng = np.random.default_rng(0)
    member = np.array([1] * 7 + [0] * 9, np.int8)[:, None].repeat(40, 1)
    x = rng.normal(size=member.shape) + np.linspace(0, 5, 40) * (member == 1)
    found = membership_risk(x, member, np.full(16, -1))
    for i in range(40):
        low, high = newcombe(found.values[i], 7, 9)
        assert found.low[i] == pytest.approx(low, abs=1e-5)
        assert found.high[i] == pytest.approx(high, abs=1e-5)


@pytest.mark.parametrize("pairs", [4, 8, 32])
@pytest.mark.parametrize("likeness", [-0.6, 0.0, 0.4])
@pytest.mark.parametrize("gap", [0.0, 1.0, 2.5])
def test_closed_form_and_coverage(pairs, likeness, gap):
    """N(gap, 1) in, N(0, 1) out, mates correlated: the risk is Phi(gap / sqrt(2))."""
    rng = np.random.default_rng(1)
    member, pair = half_subset_pairs(rng, 2 * pairs, 4000)
    noise = rng.normal(size=member.shape)
    noise[1::2] = likeness * noise[::2] + np.sqrt(1 - likeness**2) * noise[1::2]
    found = membership_risk(noise + gap * (member == 1), member, pair)
    truth = stats.norm.cdf(gap / np.sqrt(2))
    assert found.values.mean() == pytest.approx(truth, abs=4 * found.values.std() / np.sqrt(4000))
    covered = np.mean((found.low <= truth) & (truth <= found.high))
    assert covered >= (0.9 if pairs <= 8 else 0.935)
    assert covered <= 0.99 or likeness > 0 or pairs < 8


def test_private_models_have_no_risk_and_lookup_tables_all():
    member, pair = half_subset_pairs(np.random.default_rng(2), 16, 30)
    constant = membership_risk(np.ones(member.shape), member, pair)
    np.testing.assert_array_equal(constant.values, 0.5)
    table = membership_risk(np.where(member == 1, 5.0, -5.0), member, pair)
    np.testing.assert_array_equal(table.values, 1.0)
    for found in (constant, table):
        assert (found.stderr > 0.02).all()
    assert (constant.low < 0.3).all()
    assert (constant.high > 0.7).all()
    assert (table.low < 0.85).all()
    assert (table.high == 1.0).all()


def test_undefined_has_its_reason():
    member = np.tile(np.array([1, 0], np.int8), 4)[:, None].repeat(5, 1)
    pair = np.repeat([0, 1, 2, 3], 2)
    member[0, 1] = -1
    member[1, 2] = 1
    x = np.zeros((8, 5))
    x[0, 3:] = np.inf
    member[:2, 4] = -1
    found = membership_risk(x, member, pair)
    assert [found.reason(i) for i in range(5)] == [
        "",
        "fewer than 4 models were trained on it",
        "fewer than 4 models were not trained on it",
        "a model's log-odds are not finite",
        "fewer than 4 models were trained on it",  # what a model of unknown membership says is no matter
    ]
