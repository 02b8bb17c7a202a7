import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from byrote.errors import BadInput
from byrote.measures.rmia import BLOCK_CELLS, rmia, rmia_offline
from measures.attacks import area, gaussian, references_of, untidy
from measures.evidence import half_subset_pairs


def slow(x, member, pair, gamma, a=None):
    """The formulas, as n x m comparisons; offline where `a` is given."""
    models, examples = x.shape
    p, score = expit(x), np.full(x.shape, np.nan)
    for t in range(models):
        ratio = np.full(examples, np.nan)
        for i in range(examples):
            inside = [p[k, i] for k in references_of(t, pair) if member[k, i] == 1]
            outside = [p[k, i] for k in references_of(t, pair) if member[k, i] == 0]
            if a is None and inside and outside:
                ratio[i] = p[t, i] / ((np.mean(inside) + np.mean(outside)) / 2)
            if a is not None and outside:
                ratio[i] = p[t, i] / (((1 + a) * np.mean(outside) + 1 - a) / 2)
        for i in range(examples):
            others = [z for z in range(examples) if z != i and member[t, z] == 0 and not np.isnan(ratio[z])]
            if others and not np.isnan(ratio[i]):
                score[t, i] = np.mean([ratio[i] / ratio[z] > gamma for z in others])
    return score


@given(
    st.integers(3, 6),
    st.integers(1, 9),
    st.sampled_from([0.5, 1.0, 1.7]),
    st.sampled_from([None, 0.0, 0.3, 1.0]),
    st.integers(0, 2**32 - 1),
)
def test_agrees_with_the_slow_loop(pairs, examples, gamma, a, seed):
    rng = np.random.default_rng(seed)
    member, pair = untidy(rng, pairs, examples)
    x = rng.normal(0, 2, member.shape)
    found = rmia(x, member, pair, gamma=gamma) if a is None else rmia_offline(x, member, pair, gamma=gamma, a=a)
    np.testing.assert_allclose(found.values, slow(x, member, pair, gamma, a), rtol=1e-12)
    np.testing.assert_array_equal(found.references, 2 * pairs - 2)


def test_by_hand():
    """Example 2 has been in model 1; its ratio is e^4-fold odds over the mean of both sides, others lie below."""
    member = np.array([[1, 1, 0], [0, 0, 1]] * 3, np.int8)
    found = rmia(4.0 * member, member, np.repeat([0, 1, 2], 2)).values
    np.testing.assert_array_equal(found[1], [0.0, 0.0, 1.0])
    np.testing.assert_array_equal(found[0, :2], [1.0, 1.0])
    assert np.isnan(found[0, 2])  # the one non-member has nothing to stand beside


def test_blocks_give_what_the_whole_gives():
    x, member, pair = gaussian(np.random.default_rng(0), 8, BLOCK_CELLS // 8 + 100, gap=1.0)
    found = rmia(x.astype(np.float32), member, pair).values
    part = slice(BLOCK_CELLS // 8 - 30, None)
    ratio_order = rmia(x[:, part].astype(np.float32), member[:, part], pair).values
    # the population differs, the order of an example among others does not
    for one, other in zip(found[:, part], ratio_order, strict=True):
        assert (np.subtract.outer(one, one) * np.subtract.outer(other, other) >= 0).all()


def test_probabilities_far_below_rounding_still_rank():
    """Log-odds of -300 to 300: probabilities underflow in float32 and p rounds to 1."""
    rng = np.random.default_rng(1)
    member, pair = half_subset_pairs(rng, 12, 400)
    x = (np.where(member == 1, 300.0, -300.0) + rng.normal(size=member.shape)).astype(np.float32)
    for attack in (rmia, rmia_offline):
        found = attack(x, member, pair).values
        assert np.isfinite(found).all()
        assert area(found, member) > 0.99
    x = (-rng.uniform(500, 5000, member.shape)).astype(np.float32)
    assert np.isfinite(rmia(x, member, pair).values).all()


def test_gaussian_members_are_found():
    x, member, pair = gaussian(np.random.default_rng(2), 32, 2000, gap=2.0)
    online, offline = rmia(x, member, pair).values, rmia_offline(x, member, pair).values
    assert 0.7 < area(offline, member) < area(online, member) < 0.921 + 0.005  # Phi(2 / sqrt(2)) bounds any test


def test_undefined_scores_have_their_reason():
    member = np.tile(np.array([1, 0], np.int8), 4)[:, None].repeat(5, 1)
    pair = np.repeat([0, 1, 2, 3], 2)
    member[:, 1], member[:, 2] = 1, 0
    x = np.random.default_rng(3).normal(size=(8, 5))
    x[5, 3] = np.nan
    online, offline = rmia(x, member, pair), rmia_offline(x, member, pair)
    reason = [online.reasons[code] for code in online.reason_code[1]]
    assert reason[1:4] == [
        "every reference model was trained on it",
        "no reference model was trained on it",
        "a model's log-odds are not finite",
    ]
    assert reason[0] == reason[4] == ""
    assert offline.reason_code[1, 2] == 0
    assert online.reasons[online.reason_code[0, 0]] == "the target has no other non-member to compare with"


@pytest.mark.parametrize("gamma", [0.0, -1.0, np.nan])
def test_another_gamma_is_refused(gamma):
    x, member, pair = gaussian(np.random.default_rng(4), 8, 10, gap=1.0)
    with pytest.raises(BadInput, match=r"'gamma' argument of rmia must be above 0\. Got"):
        rmia(x, member, pair, gamma=gamma)


@pytest.mark.parametrize("a", [-0.1, 1.1])
def test_another_share_is_refused(a):
    x, member, pair = gaussian(np.random.default_rng(5), 8, 10, gap=1.0)
    with pytest.raises(BadInput, match=r"'a' argument of rmia_offline must be in \[0, 1\]\. Got"):
        rmia_offline(x, member, pair, a=a)
