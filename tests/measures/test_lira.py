import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import brentq
from scipy.special import polygamma, psi

from byrote.errors import BadInput, TooFewModels
from byrote.measures import _references
from byrote.measures._predictive import Predictive, bayes, usual_variance
from byrote.measures._references import References, left_out
from byrote.measures.lira import lira, lira_augmented, lira_offline, lira_per_example, lira_pooled
from byrote.measures.rmia import rmia, rmia_offline
from byrote.stats.moments import Moments
from byrote.stats.roc import roc
from measures.attacks import area, gaussian, references_of, untidy
from measures.evidence import half_subset_pairs

ONLINE = {"pooled": lira_pooled, "per_example": lira_per_example, "bayes": lira}
ATTACKS = [*ONLINE.values(), lira_offline, rmia, rmia_offline]
every_attack = pytest.mark.parametrize("attack", ATTACKS, ids=lambda f: f.__name__)


def slow_usual(samples: list[list[float]]) -> tuple[float, float]:
    """Smyth (2004), one example at a time; the inverse of trigamma by bisection."""
    e, chance = [], []
    for values in samples:
        if len(values) >= 2:
            half = (len(values) - 1) / 2
            e.append(np.log(np.var(values, ddof=1)) - psi(half) + np.log(half))
            chance.append(polygamma(1, half))
    beyond = np.var(e, ddof=1) - np.mean(chance)
    if beyond <= 0:
        weighted = [(len(v) - 1, np.var(v, ddof=1)) for v in samples if len(v) >= 2]
        return np.inf, sum(d * s for d, s in weighted) / sum(d for d, _ in weighted)
    half = brentq(lambda x: polygamma(1, x) - beyond, 1e-3, 1e8, xtol=1e-12, rtol=1e-14)
    return 2 * half, np.exp(np.mean(e) + psi(half) - np.log(half))


def slow_predictives(form: str, samples: list[list[float]]):
    """A frozen scipy distribution for each example, or None where there is none."""
    usual, found = (slow_usual(samples) if form == "bayes" else None), []
    degrees = sum(len(v) - 1 for v in samples if v)
    for values in samples:
        n = len(values)
        if n < (2 if form == "per_example" else 1):
            found.append(None)
        elif form == "per_example":
            found.append(stats.norm(np.mean(values), np.std(values, ddof=1)))
        elif form == "pooled":
            squares = sum(((np.array(v) - np.mean(v)) ** 2).sum() for v in samples if v)
            found.append(stats.norm(np.mean(values), np.sqrt(squares / degrees)))
        elif np.isinf(usual[0]):
            found.append(stats.norm(np.mean(values), np.sqrt(usual[1] * (1 + 1 / n))))
        else:
            nu = usual[0] + n - 1
            squares = ((np.array(values) - np.mean(values)) ** 2).sum()
            variance = (usual[0] * usual[1] + squares) / nu * (1 + 1 / n)
            found.append(stats.t(nu, np.mean(values), np.sqrt(variance)))
    return found


@pytest.mark.parametrize("form", ONLINE)
@given(st.integers(6, 7), st.integers(3, 4), st.integers(0, 2**32 - 1))
def test_agrees_with_the_slow_loop(form, pairs, examples, seed):
    rng = np.random.default_rng(seed)
    member, pair = untidy(rng, pairs, examples)
    x = rng.normal(size=member.shape) * rng.uniform(0.2, 4.0, examples)
    online, offline = ONLINE[form](x, member, pair), lira_offline(x, member, pair, variance=form)
    for t in range(2 * pairs):
        others = references_of(t, pair)
        assert online.references[t] == len(others)
        inside, outside = (
            slow_predictives(form, [[x[k, i] for k in others if member[k, i] == side] for i in range(examples)])
            for side in (1, 0)
        )
        for i in range(examples):
            if inside[i] is None or outside[i] is None:
                assert online.reasons[online.reason_code[t, i]]
            else:
                expected = inside[i].logpdf(x[t, i]) - outside[i].logpdf(x[t, i])
                assert online.values[t, i] == pytest.approx(expected, rel=1e-6, abs=1e-6)
            if outside[i] is not None:
                assert offline.values[t, i] == pytest.approx(outside[i].logcdf(x[t, i]), rel=1e-6, abs=1e-6)


@pytest.mark.slow
@every_attack
@pytest.mark.parametrize("models", [8, 16, 64])
def test_null_auc_is_a_half(attack, models):
    rng = np.random.default_rng(models)
    examples = 480_000 // models
    x, member, pair = gaussian(rng, models, examples, gap=0.0, shift=0.5, spread=0.5)
    assert area(attack(x, member, pair).values, member) == pytest.approx(0.5, abs=0.01)


def test_a_mate_among_the_references_gives_membership_away(monkeypatch):
    rng = np.random.default_rng(0)
    x, member, pair = gaussian(rng, 8, 20_000, gap=0.0, spread=0.5)
    assert area(lira(x, member, pair).values, member) == pytest.approx(0.5, abs=0.01)
    monkeypatch.setattr(_references, "left_out", lambda pair: [np.array([k]) for k in range(len(pair))])
    leaking = References(x, member, pair)
    inside, outside = (bayes(leaking.without(np.arange(8), side), leaking.smallest_variance()) for side in (1, 0))
    scores = inside.log_density(x) - outside.log_density(x)
    assert abs(area(scores, member) - 0.5) > 0.03


@pytest.mark.parametrize("attack", [lira, lira_pooled], ids=["bayes", "pooled"])
def test_gaussian_model_has_its_closed_form(attack):
    """Members N(d, 1), others N(0, 1) around any place: no test beats AUC Phi(d / sqrt(2)), LiRA comes near it."""
    x, member, pair = gaussian(np.random.default_rng(1), 128, 1500, gap=1.5)
    optimum = stats.norm.cdf(1.5 / np.sqrt(2))
    assert optimum - 0.012 < area(attack(x, member, pair).values, member) < optimum + 0.004


def test_scores_are_likelihood_ratios():
    """E[exp(score)] over non-members is 1; with a known gap d the score is N(-d^2/2, d^2) there."""
    x, member, pair = gaussian(np.random.default_rng(2), 256, 400, gap=1.0)
    scores = lira_pooled(x, member, pair).values[member == 0]
    assert np.exp(scores).mean() == pytest.approx(1.0, abs=0.03)
    assert scores.mean() == pytest.approx(-0.5, abs=0.03)
    assert scores.std() == pytest.approx(1.0, abs=0.03)


def test_shrunken_variances_are_best_where_variances_differ():
    rng = np.random.default_rng(3)
    member, pair = half_subset_pairs(rng, 16, 6000)
    x = rng.normal(size=member.shape) * np.sqrt(5 / rng.chisquare(5, 6000)) + rng.exponential(1.0, 6000) * member
    rate = np.array([0.01])
    found = {form: roc(attack(x, member, pair).values, member).at(rate)[0] for form, attack in ONLINE.items()}
    assert found["bayes"] > 1.2 * max(found["pooled"], found["per_example"])


def test_offline_probabilities_are_uniform_over_non_members():
    for spread in (0.0, 0.6):
        x, member, pair = gaussian(np.random.default_rng(4), 12, 4000, gap=3.0, spread=spread)
        first = np.exp(lira_offline(x, member, pair).values[0])
        assert stats.kstest(first[member[0] == 0], "uniform").pvalue > 0.01
        assert np.median(first[member[0] == 1]) > 0.97


def test_constant_models_have_no_score_and_lookup_tables_the_largest():
    member, pair = half_subset_pairs(np.random.default_rng(5), 12, 40)
    constant = np.tile(np.random.default_rng(6).normal(size=40), (12, 1)).astype(np.float32)
    for attack in ONLINE.values():
        np.testing.assert_array_equal(attack(constant, member, pair).values, 0.0)
    for attack in ATTACKS:
        assert area(attack(constant, member, pair).values, member) == pytest.approx(0.5, abs=0.06)
        found = attack(np.where(member == 1, 9.0, -9.0).astype(np.float32), member, pair).values
        assert area(found, member) == 1.0


def test_taking_a_far_target_out_costs_no_digits():
    rng = np.random.default_rng(7)
    x, member, pair = gaussian(rng, 16, 50, gap=1.0)
    far = x + 1000.0
    far[3] = 5000.0
    references = References(far, member, pair)
    others = references_of(3, pair)
    for side in (1, 0):
        moments = references.without(np.array([3]), side)
        for i in range(50):
            values = [far[k, i] for k in others if member[k, i] == side]
            assert moments.mean[0, i] == pytest.approx(np.mean(values), rel=1e-12)
            assert moments.squares[0, i] == pytest.approx(np.var(values) * len(values), rel=1e-8)


def test_left_out_by_hand():
    found = left_out(np.array([5, -1, 5, -1]))
    assert [gone.tolist() for gone in found] == [[0, 2], [1], [0, 2], [3]]


def test_undefined_scores_have_their_reason():
    member = np.tile(np.array([1, 0], np.int8), 4)[:, None].repeat(6, 1)
    pair = np.repeat([0, 1, 2, 3], 2)
    member[:, 1], member[:, 2] = 1, 0
    member[4:, 3] = -1  # two pairs are known, and one of them is a target's own
    member[:6, 4] = 0
    x = np.random.default_rng(8).normal(size=(8, 6))
    x[5, 5] = np.inf
    whole, own = lira(x, member, pair), lira_per_example(x, member, pair)
    reason = [whole.reasons[code] for code in whole.reason_code[0]]
    assert reason[0] == ""
    assert reason[1] == "every reference model was trained on it"
    assert reason[2] == "no reference model was trained on it"
    assert reason[3] == ""
    assert reason[4] == ""
    assert reason[5] == "a model's log-odds are not finite"
    assert own.reasons[own.reason_code[0, 3]] == "too few reference models to know how they vary"
    assert whole.reasons[whole.reason_code[6, 4]] == "no reference model was trained on it"
    np.testing.assert_array_equal(whole.references, 6)


@every_attack
def test_too_few_models_are_refused(attack):
    x, member, pair = gaussian(np.random.default_rng(9), 4, 30, gap=1.0)
    with pytest.raises(TooFewModels, match=r"at least 4 reference models, .* Got 2\. Hint: train at least 6"):
        attack(x, member, pair)


@every_attack
def test_balanced_models_without_pairs_are_refused(attack):
    x, member, pair = gaussian(np.random.default_rng(10), 8, 30, gap=1.0)
    assert np.isfinite(attack(x, member, pair).values).all()
    with pytest.raises(TooFewModels, match=r"exactly 4 of 8 models and no pairs are known.* Hint: name the pairs"):
        attack(x, member, np.full(8, -1))


@every_attack
def test_independent_members_need_no_pairs(attack):
    rng = np.random.default_rng(11)
    member = (rng.random((16, 20_000)) < 0.6).astype(np.int8)
    x = rng.normal(size=member.shape)
    found = attack(x, member, np.full(16, -1))
    np.testing.assert_array_equal(found.references, 15)
    assert area(found.values, member) == pytest.approx(0.5, abs=0.01)


def test_augmented_is_the_mean_over_augmentations():
    rng = np.random.default_rng(12)
    x, member, pair = gaussian(rng, 12, 25, gap=1.0)
    shaken = x[:, None] + rng.normal(0, 0.5, (12, 3, 25))
    shaken[2, 1, 4] = np.nan
    found = lira_augmented(shaken, member, pair)
    each = [lira(shaken[:, a], member, pair).values for a in range(3)]
    np.testing.assert_allclose(found.values, np.mean(each, 0), rtol=1e-12)
    assert np.isnan(found.values[:, 4]).all()
    np.testing.assert_array_equal(lira_augmented(x[:, None], member, pair).values, lira(x, member, pair).values)
    with pytest.raises(BadInput, match=r"at least one augmentation\. Got 0"):
        lira_augmented(shaken[:, :0], member, pair)


def test_more_augmentations_find_more():
    """Each query adds noise of its own, which the mean over queries takes away."""
    rng = np.random.default_rng(13)
    x, member, pair = gaussian(rng, 32, 3000, gap=1.0)
    shaken = x[:, None] + rng.normal(0, 1.5, (32, 6, 3000))
    assert area(lira_augmented(shaken, member, pair).values, member) > 0.03 + area(
        lira(shaken[:, 0], member, pair).values, member
    )


def test_another_variance_is_refused():
    x, member, pair = gaussian(np.random.default_rng(14), 8, 30, gap=1.0)
    with pytest.raises(BadInput, match=r"'variance' .* one of bayes, per_example, pooled\. Got 'fixed'"):
        lira_offline.__wrapped__(x, member, pair, variance="fixed")


def moments_of(samples: np.ndarray) -> Moments:
    count = np.full(samples.shape[1], len(samples))
    return Moments(count, samples.mean(0), samples.var(0) * len(samples))


def test_usual_variance_is_found_again():
    """Variances 6 * 2 / chi^2(6), seen through 10 values each."""
    rng = np.random.default_rng(15)
    sigma = np.sqrt(12 / rng.chisquare(6, 20_000))
    degrees, size = usual_variance(moments_of(sigma * rng.normal(size=(10, 20_000))), np.full(20_000, 1e-12))
    assert degrees == pytest.approx(6, rel=0.05)
    assert size == pytest.approx(2, rel=0.03)
    degrees, size = usual_variance(moments_of(3.0 * rng.normal(size=(10, 2000))), np.full(2000, 1e-12))
    assert degrees > 100
    assert size == pytest.approx(9, rel=0.05)


def test_a_new_value_falls_as_predicted():
    rng = np.random.default_rng(16)
    sigma = np.sqrt(8 / rng.chisquare(4, 5000))
    drawn = sigma * rng.normal(size=(6, 5000))
    rank = np.exp(bayes(moments_of(drawn[1:]), np.full(5000, 1e-12)).log_below(drawn[0]))
    assert stats.kstest(rank, "uniform").pvalue > 0.01


@pytest.mark.parametrize("degrees", [1.5, 7.0, 300.0, np.inf])
def test_densities_and_probabilities_agree_with_scipy(degrees):
    x = np.array([-30.0, -3.0, 0.0, 0.7, 5.0, 40.0])
    found = Predictive(np.full(6, 0.5), np.full(6, 4.0), np.full(6, degrees))
    expected = stats.norm(0.5, 2) if np.isinf(degrees) else stats.t(degrees, 0.5, 2)
    np.testing.assert_allclose(found.log_density(x), expected.logpdf(x), rtol=1e-10)
    np.testing.assert_allclose(found.log_below(x)[:3], np.log(expected.cdf(x[:3])), rtol=1e-8)
    np.testing.assert_allclose(found.log_below(x)[3:], np.log1p(-expected.sf(x[3:])), rtol=1e-8)
