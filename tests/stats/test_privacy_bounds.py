import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import linprog
from scipy.special import expit, logit

from byrote.errors import BadInput
from byrote.stats.privacy_bounds import (
    ceiling,
    default_candidates,
    epsilon_of_mu,
    many_runs_epsilon,
    mu_bound,
    one_run_epsilon,
    one_run_gaussian,
    p_value,
)

#: A quarter of the audits by default, and all of them with the slow tests.
AUDITS = [500, pytest.param(2000, marks=pytest.mark.slow)]
FIXED = {"method": "fixed", "k_plus": 50, "k_minus": 50}
METHODS = [FIXED, {"method": "split"}, {"method": "bonferroni"}]


def too_many(audits):
    """With a true rate of .05, more of the audits than this go wrong once in a thousand times."""
    return stats.binom.ppf(0.999, audits, 0.05)


def delta_of_mu(epsilon, mu):
    return stats.norm.cdf(mu / 2 - epsilon / mu) - np.exp(epsilon) * stats.norm.cdf(-mu / 2 - epsilon / mu)


def worst_mechanism(canaries, guesses, correct, deltas, *, upwards_only=False):
    """The largest P[W ≥ correct] of any mechanism with δ = deltas[ε], as a linear program over P[W = w].

    Averaged over relabellings of coins and canaries, a mechanism is the law of its number W of right guesses. A
    flipped coin makes a right guess wrong (`up`) or a wrong one right (`down`).
    """
    r, slacks = guesses, len(deltas) * 2 * guesses
    rows, bounds = [], []
    for index, (epsilon, delta) in enumerate(deltas.items()):
        start = r + 1 + index * 2 * r
        for w in range(1, r + 1):
            up, down = np.zeros(r + 1 + slacks), np.zeros(r + 1 + slacks)
            up[w], up[w - 1], up[start + w - 1] = w, -np.exp(epsilon) * (r - w + 1), -1
            down[w - 1], down[w], down[start + r + w - 1] = r - w + 1, -np.exp(epsilon) * w, -1
            rows += [up] if upwards_only else [up, down]
            bounds += [0.0] if upwards_only else [0.0, 0.0]
        budget = np.zeros(r + 1 + slacks)
        budget[start : start + 2 * r] = 1
        rows.append(budget)
        bounds.append(canaries * delta)
    total, goal = np.zeros(r + 1 + slacks), np.zeros(r + 1 + slacks)
    total[: r + 1], goal[correct : r + 1] = 1, -1
    solved = linprog(goal, A_ub=np.array(rows), b_ub=bounds, A_eq=[total], b_eq=[1.0])
    return -solved.fun


def published(canaries, guesses, correct, epsilon, delta):
    """Steinke et al. as their public implementations have it, term by term."""
    chance = stats.binom.pmf(np.arange(guesses + 1), guesses, expit(epsilon))
    beta = chance[correct:].sum()
    alpha = max((chance[correct - i : correct].sum() / i for i in range(1, correct + 1)), default=0.0)
    return min(1.0, beta + 2 * canaries * delta * alpha)


@st.composite
def outcomes(draw):
    guesses = draw(st.integers(1, 12))
    canaries, correct = guesses + draw(st.integers(0, 8)), draw(st.integers(1, guesses))
    return canaries, guesses, correct, draw(st.sampled_from([0.0, 0.3, 1.0, 2.0, 4.0]))


@pytest.mark.slow
@given(outcomes(), st.sampled_from([0.0, 1e-4, 1e-3, 1e-2, 0.1]))
def test_no_mechanism_guesses_better_than_the_p_value(outcome, delta):
    canaries, guesses, correct, epsilon = outcome
    found = p_value(canaries=canaries, guesses=guesses, correct=correct, epsilon=epsilon, delta=delta)
    assert worst_mechanism(canaries, guesses, correct, {epsilon: delta}) <= found + 1e-6
    reachable = worst_mechanism(canaries, guesses, correct, {epsilon: delta}, upwards_only=True)
    assert found == pytest.approx(reachable, abs=1e-6)


@given(outcomes())
def test_without_delta_it_is_the_binomial_tail_that_randomized_response_reaches(outcome):
    canaries, guesses, correct, epsilon = outcome
    chances = np.array([1 - expit(epsilon), expit(epsilon)])
    tail = sum(np.prod(chances[list(w)]) for w in itertools.product((0, 1), repeat=guesses) if sum(w) >= correct)
    found = p_value(canaries=canaries, guesses=guesses, correct=correct, epsilon=epsilon, delta=0.0)
    assert found == pytest.approx(tail, rel=1e-9)


def test_the_published_term_is_larger_where_it_matters_and_too_small_far_below_the_mean():
    for guesses, share, epsilon, delta in itertools.product(
        (5, 40, 200), (0.5, 0.7, 0.9, 1.0), (0.0, 1.0, 3.0), (1e-5, 1e-3)
    ):
        case = {"canaries": 2 * guesses, "guesses": guesses, "correct": round(share * guesses)}
        old = published(*case.values(), epsilon, delta)
        if old <= 0.5:
            assert p_value(**case, epsilon=epsilon, delta=delta) <= old + 1e-12
    # the mechanism of the docstring: every guess of three coins alike, but the all-wrong one
    outputs = list(itertools.product((0, 1), repeat=3))
    chance = {
        s: {t: (0.993 if all(a != b for a, b in zip(s, t, strict=True)) else 1.001) / 8 for t in outputs}
        for s in outputs
    }
    for s, other in itertools.product(outputs, outputs):
        assert sum(chance[s].values()) == pytest.approx(1)
        if sum(a != b for a, b in zip(s, other, strict=True)) == 1:
            assert sum(max(0.0, chance[s][t] - chance[other][t]) for t in outputs) <= 0.001 + 1e-12
    right = np.mean(
        [sum(p for t, p in chance[s].items() if any(a == b for a, b in zip(s, t, strict=True))) for s in outputs]
    )
    assert right == pytest.approx(0.875875)
    assert published(3, 3, 1, 0.0, 0.001) == pytest.approx(0.87575)
    assert p_value(canaries=3, guesses=3, correct=1, epsilon=0.0, delta=0.001) == pytest.approx(right)


@pytest.mark.parametrize("correct", [1, 400, 5000, 9000, 10_000])
def test_the_p_value_stays_a_number_for_many_canaries(correct):
    found = [
        p_value(canaries=20_000, guesses=10_000, correct=correct, epsilon=e, delta=1e-5)
        for e in (0.0, 1.0, 3.0, 9.0, 30.0)
    ]
    assert np.isfinite(found).all()
    assert (np.diff(found) >= -1e-12).all()


def slow_recursion(canaries, guesses, correct, mu, level):
    """The sums r and h of Mahloujifar et al., kept whole; the total mass that the tail of `level` would need."""
    r, h = np.zeros(correct + 1), np.zeros(correct + 1)
    r[correct], h[correct] = level * correct / canaries, level * (guesses - correct) / canaries
    for i in range(correct - 1, -1, -1):
        h[i] = max(h[i + 1], stats.norm.cdf(stats.norm.ppf(min(r[i + 1], 1)) - mu))
        r[i] = r[i + 1] + i / (guesses - i) * (h[i] - h[i + 1])
    return (r[0] + h[0]) * canaries / guesses


@pytest.mark.parametrize(
    ("canaries", "guesses", "correct"), [(10, 10, 10), (100, 50, 40), (60, 60, 45), (400, 100, 80), (40, 20, 20)]
)
def test_the_gaussian_bound_is_where_the_recursion_needs_all_mass(canaries, guesses, correct):
    mu = mu_bound(canaries, guesses, correct, 0.05)
    assert mu > 0
    assert slow_recursion(canaries, guesses, correct, mu, 0.05) == pytest.approx(1, abs=1e-4)
    assert slow_recursion(canaries, guesses, correct, mu + 0.01, 0.05) < 1


@pytest.mark.parametrize(("canaries", "guesses", "correct"), [(8, 8, 8), (16, 12, 11), (12, 12, 10), (20, 10, 10)])
def test_no_gaussian_mechanism_guesses_that_well(canaries, guesses, correct):
    """The program knows δ on a grid of ε only, which allows a little more than a Gaussian mechanism may."""
    mu = 0.99 * mu_bound(canaries, guesses, correct, 0.05)
    deltas = {epsilon: delta_of_mu(epsilon, mu) for epsilon in np.linspace(-3, 3, 61)}
    assert worst_mechanism(canaries, guesses, correct, deltas) <= 0.05


def test_epsilon_of_mu_inverts_delta():
    for mu, delta in itertools.product((0.05, 0.5, 1.0, 4.0), (1e-8, 1e-5, 1e-2)):
        epsilon = epsilon_of_mu(mu, delta)
        assert epsilon == 0 or delta_of_mu(epsilon, mu) == pytest.approx(delta, rel=1e-4)
    assert epsilon_of_mu(0.0, 1e-5) == 0
    assert epsilon_of_mu(0.01, 0.1) == 0
    assert epsilon_of_mu(1.0, 0.0) == np.inf


def coins_of(canaries, rng):
    return rng.random(canaries) < 0.5


def uncorrected(scores, coins):
    """Whether the largest bound over all k, guessing "in" only, "out" only or both, exceeds 0."""
    ranked = coins[np.argsort(-scores)]
    k = np.arange(1, len(coins) + 1)
    inside, outside, half = np.cumsum(ranked), np.cumsum(~ranked[::-1]), len(coins) // 2
    tails = [stats.binom.sf(right - 1, k, 0.5) for right in (inside, outside)]
    tails.append(stats.binom.sf((inside + outside)[:half] - 1, 2 * k[:half], 0.5))
    return bool((np.concatenate(tails) <= 0.05).any())


@pytest.mark.slow
@pytest.mark.parametrize("audits", AUDITS)
@pytest.mark.parametrize("audit", [one_run_epsilon, one_run_gaussian])
@pytest.mark.parametrize("settings", METHODS, ids=lambda settings: settings["method"])
def test_false_positives_keep_their_level_where_nothing_leaks(settings, audit, audits):
    rng = np.random.default_rng(0)
    found = [
        audit(
            rng.normal(size=200),
            coins_of(200, rng),
            delta=0.0 if audit is one_run_epsilon else 1e-12,
            rng=rng,
            **settings,
        ).epsilon
        for _ in range(audits)
    ]
    assert np.count_nonzero(found) <= too_many(audits)
    assert np.count_nonzero(found) > 0, "a bound that is always 0 would keep any level"


@pytest.mark.parametrize("audits", AUDITS)
def test_the_uncorrected_maximum_does_not(audits):
    rng = np.random.default_rng(0)
    wrong = np.mean([uncorrected(rng.normal(size=200), coins_of(200, rng)) for _ in range(audits)])
    assert 0.3 < wrong < 0.5


def randomized_response(coins, epsilon, rng):
    """Each coin told truly with probability e^ε / (1 + e^ε): ε-DP, and no mechanism tells more."""
    return np.where(rng.random(len(coins)) < expit(epsilon), coins, ~coins) + 0.0


@pytest.mark.parametrize(
    ("settings", "share"),
    [
        ({"method": "fixed", "k_plus": 250, "k_minus": 250}, 0.8),
        ({"method": "split"}, 0.7),
        ({"method": "bonferroni"}, 0.8),
    ],
    ids=["fixed", "split", "bonferroni"],
)
@pytest.mark.parametrize("epsilon", [1.0, pytest.param(2.0, marks=pytest.mark.slow)])
@pytest.mark.parametrize("audits", [60, pytest.param(500, marks=pytest.mark.slow)])
def test_randomized_response_is_bounded_soundly_and_well(epsilon, settings, share, audits):
    rng = np.random.default_rng(1)
    found = []
    for _ in range(audits):
        coins = coins_of(1000, rng)
        scores = randomized_response(coins, epsilon, rng)
        found.append(one_run_epsilon(scores, coins, delta=1e-6, rng=rng, **settings).epsilon)
    assert np.sum(np.array(found) > epsilon) <= too_many(audits)
    assert share * epsilon < np.median(found) < epsilon


@pytest.mark.parametrize(("mu", "share"), [(1.0, 0.5), (2.0, 0.55)])
@pytest.mark.parametrize("audits", [50, pytest.param(200, marks=pytest.mark.slow)])
def test_the_gaussian_mechanism_is_bounded_soundly_and_better_than_by_epsilon(mu, share, audits):
    rng = np.random.default_rng(2)
    gaussian, plain, delta = [], [], 1e-5
    for _ in range(audits):
        coins = coins_of(1000, rng)
        scores = mu * coins + rng.normal(size=1000)
        k = {"k_plus": 100, "k_minus": 100}
        gaussian.append(one_run_gaussian(scores, coins, delta=delta, rng=rng, **k))
        plain.append(one_run_epsilon(scores, coins, delta=delta, rng=rng, **k).epsilon)
    truth, mus = epsilon_of_mu(mu, delta), np.array([bound.mu for bound in gaussian])
    assert np.sum(mus > mu) <= too_many(audits)
    assert np.sum(np.array(plain) > truth) <= too_many(audits)
    assert np.median(mus) > share * mu
    assert np.median([bound.epsilon for bound in gaussian]) > 1.2 * np.median(plain)


@pytest.mark.parametrize("epsilon", [0.0, 1.0])
@pytest.mark.parametrize("audits", AUDITS)
def test_many_runs_are_sound_and_reach_what_randomized_response_leaks(epsilon, audits):
    rng = np.random.default_rng(3)
    found = []
    for _ in range(audits):
        member = coins_of(500, rng)
        scores = randomized_response(member, epsilon, rng)
        found.append(many_runs_epsilon(scores, member, threshold=0.5, delta=0.0).epsilon)
    assert np.sum(np.array(found) > epsilon) <= too_many(audits)
    if epsilon:
        assert np.median(found) > 0.7 * epsilon


def test_many_runs_by_hand():
    """3 of 10 false positives, 1 of 20 missed; limits by inverting the binomial tails, not by the beta law."""
    member = np.arange(30) < 20
    scores = np.where(member, 1.0, 0.0)
    scores[0], scores[[20, 21, 22]] = 0.0, 1.0
    rates = np.linspace(0, 1, 200_001)
    fpr = rates[np.searchsorted(-stats.binom.cdf(3, 10, rates), -0.025)]
    fnr = rates[np.searchsorted(-stats.binom.cdf(1, 20, rates), -0.025)]
    expected = max(0, np.log((1 - fnr - 0.01) / fpr), np.log((1 - fpr - 0.01) / fnr))
    found = many_runs_epsilon(scores, member, threshold=0.5, delta=0.01)
    assert expected > 0
    assert found.epsilon == pytest.approx(expected, abs=1e-3)
    assert (found.guesses, found.correct, found.canaries) == (30, 26, 1)


def test_more_evidence_gives_a_larger_bound():
    coins = np.arange(400) % 2 == 0
    bounds = {"k_plus": 100, "k_minus": 100, "delta": 1e-5}
    found, gaussian = [], []
    for wrong in range(0, 200, 10):
        scores = coins + 0.0
        scores[np.flatnonzero(coins)[:wrong]] = 0.0
        scores[np.flatnonzero(~coins)[:wrong]] = 1.0
        rng = np.random.default_rng(0)
        found.append(one_run_epsilon(scores, coins, rng=rng, **bounds))
        gaussian.append(one_run_gaussian(scores, coins, rng=rng, **bounds))
    for bounds_ in (found, gaussian):
        by_right = sorted(bounds_, key=lambda bound: bound.correct)
        assert (np.diff([bound.epsilon for bound in by_right]) >= 0).all()
        assert len({bound.ceiling for bound in bounds_}) == 1
        assert by_right[0].epsilon == 0
        assert by_right[-1].epsilon == by_right[-1].ceiling


def test_bounds_fall_with_confidence_and_delta():
    rng = np.random.default_rng(0)
    coins = coins_of(200, rng)
    scores = coins + rng.normal(size=200)

    def found(**changes):
        settings = {"k_plus": 50, "k_minus": 50, "delta": 1e-5, "confidence": 0.95, **changes}
        return one_run_epsilon(scores, coins, rng=np.random.default_rng(0), **settings).epsilon

    assert found(confidence=0.8) > found() > found(confidence=0.99) > 0
    assert found(delta=0.0) > found(delta=1e-4) > found(delta=1e-3) > 0


@pytest.mark.parametrize(("canaries", "delta", "confidence"), [(5, 0.0, 0.95), (100, 1e-5, 0.95), (1000, 1e-3, 0.9)])
def test_the_ceiling_in_closed_form(canaries, delta, confidence):
    """All right: p = q^m + δ (1 - q^m), solved for q."""
    chance = ((1 - confidence - delta) / (1 - delta)) ** (1 / canaries)
    assert ceiling(canaries, delta=delta, confidence=confidence) == pytest.approx(logit(chance), abs=1e-5)


def test_no_audit_passes_the_ceiling_of_its_canaries():
    assert [ceiling(m, delta=0.0) for m in (0, 1, 4)] == [0, 0, 0]
    assert ceiling(1000, delta=0.06) == 0
    rng = np.random.default_rng(0)
    coins = coins_of(200, rng)
    for settings in METHODS:
        found = one_run_epsilon(coins + 0.0, coins, delta=1e-5, rng=rng, **settings)
        assert found.epsilon <= found.ceiling <= ceiling(200, delta=1e-5)
        assert found.epsilon > 0.7 * ceiling(200, delta=1e-5)


@pytest.mark.parametrize("audits", AUDITS)
def test_ties_do_not_leak_the_order_of_the_canaries(audits):
    coins = np.arange(200) < 100
    found = [
        one_run_epsilon(np.zeros(200), coins, delta=0.0, rng=np.random.default_rng(seed), **FIXED).epsilon
        for seed in range(audits)
    ]
    assert np.count_nonzero(found) <= too_many(audits)
    ranked = np.repeat([1.0, 0.0], 100)  # as many ties, and told apart
    assert one_run_epsilon(ranked, coins, delta=0.0, rng=np.random.default_rng(0), **FIXED).correct == 100


def test_a_split_measures_on_half_and_bonferroni_pays_for_its_candidates():
    rng = np.random.default_rng(0)
    coins = coins_of(400, rng)
    scores = coins + rng.normal(size=400)
    split = one_run_epsilon(scores, coins, delta=1e-5, method="split", rng=rng)
    assert (split.canaries, split.candidates) == (200, 4)
    assert split.guesses in [sum(k) for k in default_candidates(200)]
    one, three = [(50, 50)], [(50, 50), (0, 9), (9, 0)]
    few = one_run_epsilon(scores, coins, delta=1e-5, method="bonferroni", candidates=one, rng=rng)
    many = one_run_epsilon(scores, coins, delta=1e-5, method="bonferroni", candidates=three, rng=rng)
    assert few.epsilon > many.epsilon > 0
    given_ = one_run_epsilon(scores, coins, delta=1e-5, confidence=1 - 0.05 / 3, k_plus=50, k_minus=50, rng=rng)
    assert many.epsilon == pytest.approx(given_.epsilon, abs=1e-5)
    assert (many.guesses, many.correct, many.candidates) == (100, given_.correct, 3)


def test_guesses_on_one_side_only():
    coins = np.arange(200) % 2 == 0
    scores = np.where(coins, 1.0, 0.0)
    for k in ({"k_plus": 30, "k_minus": 0}, {"k_plus": 0, "k_minus": 30}):
        found = one_run_epsilon(scores, coins, delta=0.0, rng=np.random.default_rng(0), **k)
        assert (found.guesses, found.correct) == (30, 30)
        assert found.epsilon == pytest.approx(logit(0.05 ** (1 / 30)), abs=1e-5)


HALF = np.arange(40) % 2 == 0


@pytest.mark.parametrize(
    ("coins", "changes", "sentence"),
    [
        (np.ones(40, bool), {}, r"40 of 40 canaries are in, which fair coins would not give"),
        (np.zeros(40, bool), {}, r"0 of 40 canaries are in"),
        (HALF[:4], {"k_plus": 2, "k_minus": 2}, r"4 guesses on 4 canaries cannot show any ε at δ = 0 .*at least 5"),
        (HALF[:0], {}, r"between 1 and 0 guesses"),
        (HALF, {"k_plus": 0, "k_minus": 0}, r"between 1 and 40 guesses.*\(0, 0\)"),
        (HALF, {"k_plus": 21, "k_minus": 20}, r"between 1 and 40 guesses.*\(21, 20\)"),
        (HALF, {"k_plus": -1}, r"Got k_plus and k_minus of \(-1, 10\)"),
        (HALF, {"k_plus": None}, r"'fixed' needs k_plus and k_minus"),
        (HALF, {"method": "split"}, r"'split' chooses k itself"),
        (HALF, {"method": "bonferroni", "k_plus": None, "k_minus": None, "candidates": []}, r"no candidate"),
        (HALF, {"method": "best"}, r"no method 'best'.*bonferroni, fixed, split"),
        (HALF, {"delta": 1.0}, r"'delta' .* \[0, 1\)\. Got 1\.0"),
        (HALF, {"delta": 0.2}, r"cannot show any ε at δ = 0\.2"),
        (HALF, {"confidence": 1.0}, r"'confidence' .* Got 1\.0"),
        (HALF, {"scores": np.full(40, np.nan)}, r"40 of 40 scores are NaN"),
    ],
)
def test_what_cannot_be_audited_is_refused(coins, changes, sentence):
    settings = {"delta": 0.0, "k_plus": 10, "k_minus": 10, "rng": np.random.default_rng(0), **changes}
    scores = settings.pop("scores", np.zeros(len(coins)))
    with pytest.raises(BadInput, match=sentence):
        one_run_epsilon(scores, coins, **settings)


def test_too_few_runs_are_refused():
    with pytest.raises(BadInput, match="Got 0 with and 3 without"):
        many_runs_epsilon(np.zeros(3), np.zeros(3, bool), threshold=0.5, delta=0.0)
    with pytest.raises(BadInput, match="1 runs with and 1 without the canary cannot show any ε"):
        many_runs_epsilon(np.zeros(2), np.array([True, False]), threshold=0.5, delta=0.0)
