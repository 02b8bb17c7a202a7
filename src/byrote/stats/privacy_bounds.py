"""Lower bounds for the ε of differential privacy, from guesses which canaries were trained on.

A canary joins the training data by a fair coin. Guess the `k_plus` highest scores "in", the `k_minus` lowest "out" and
abstain on the rest; the more guesses are right, the larger must ε be. Adding or removing one canary is the
neighbouring relation. `confidence` bounds the chance that a bound exceeds the truth, for every true ε.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import betainc, betaincinv, expit, log_ndtr, ndtr, ndtri
from scipy.stats import binomtest

from byrote.errors import BadInput

METHODS: Final = ("bonferroni", "fixed", "split")
#: Without other candidates, a split and Bonferroni try these shares of the canaries, on either side.
SHARES: Final = (0.4, 0.2, 0.1, 0.05)
#: Coins this unlikely were not fair.
UNFAIR: Final = 1e-6
#: Bounds are found to this.
PRECISION: Final = 1e-6

Guesses = tuple[int, int]
#: (canaries, guesses, correct, level) → the largest parameter that so many right guesses refute.
Bound = Callable[[int, int, int, float], float]


@dataclass(frozen=True, kw_only=True)
class EpsilonBound:
    """A lower bound for ε at δ. `ceiling` is what the same guesses would have shown had all been right."""

    epsilon: float
    delta: float
    confidence: float
    ceiling: float
    canaries: int
    guesses: int
    correct: int
    method: str
    candidates: int = 1

    def __repr__(self) -> str:
        return (
            f"ε ≥ {self.epsilon:.3g} at δ = {self.delta:g} with {self.confidence:.0%} confidence "
            f"({self.correct} of {self.guesses} guesses right; all right would show {self.ceiling:.3g})"
        )


@dataclass(frozen=True, kw_only=True, repr=False)
class GaussianBound(EpsilonBound):
    """A lower bound for the μ of Gaussian DP, and the ε that μ means at δ.

    It holds for mechanisms whose privacy is that of a Gaussian one; of others it says only that they are not
    better than `mu`-Gaussian DP, and `epsilon` then bounds nothing.
    """

    mu: float

    def __repr__(self) -> str:
        return f"μ ≥ {self.mu:.3g}, {super().__repr__()}"


def p_value(*, canaries: int, guesses: int, correct: int, epsilon: float, delta: float) -> float:
    r"""The largest chance, under (ε, δ)-DP, of at least so many right guesses.

    Formula:
        f = P[B ≥ v] for B ~ Binomial(r, q), q = 1 / (1 + e^-ε), v = correct, r = guesses, m = canaries:
        p = min(1, f + m δ f (1 - f) / (v P[B = v]))

    It is derived here. W counts right guesses, b is B's probability mass, x_w = P[W = w] / b_w. Apply (ε, δ)-DP to
    the events "guess j is right and W in A" and add over the canaries j: flipping coin j turns that into "guess j is
    wrong and W in A - 1", so Σ_{w in A} (w P[W = w] - e^ε (r - w + 1) P[W = w - 1]) ≤ m δ for every set A. Since
    w b_w = e^ε (r - w + 1) b_{w-1}, this reads Σ_w w b_w max(0, x_w - x_{w-1}) ≤ m δ. And
    P[W ≥ v] - f = Cov(1[B ≥ v], x_B) = Σ_k (x_k - x_{k-1}) Cov(1[B ≥ v], 1[B ≥ k]); no covariance is negative, so
    it is at most m δ max_k min(f_k, f) (1 - max(f_k, f)) / (k b_k). As b is log-concave, the maximum is at k = v.
    Differs:
        The published term of δ is 2 m δ max_i P[v > B ≥ v - i] / i. Wherever p is small enough to matter it is the
        larger one. Far below the mean it is too small: three canaries, ε = 0, δ = .001, v = 1, and the mechanism that
        outputs each of the eight guesses alike but the all-wrong one with .993 / 8 (it is (0, .001)-DP) guess one
        right with probability .875875, not .87575.

    Example:
        >>> round(p_value(canaries=5, guesses=5, correct=5, epsilon=0.0, delta=0.0), 5) == 0.5**5
        True
    """
    if correct == 0:
        return 1.0
    chance = expit(epsilon)
    above = betainc(correct, guesses - correct + 1, chance)
    below = betainc(guesses - correct + 1, correct, 1 - chance)
    if above < below:  # divide the smaller tail by P[B = v], ratio by ratio: neither overflows
        steps = np.arange(correct, guesses)
        ratios = (guesses - steps) / (steps + 1) * np.exp(epsilon)
        odds = below * (1 + np.cumprod(ratios).sum())
    else:
        steps = np.arange(correct, 0, -1)
        ratios = steps / (guesses - steps + 1) * np.exp(-epsilon)
        odds = above * np.cumprod(ratios).sum()
    return float(min(1.0, above + canaries * delta * odds / correct))


def one_run_epsilon(
    scores: Float[np.ndarray, " canary"],
    coins: Bool[np.ndarray, " canary"],
    *,
    delta: float,
    confidence: float = 0.95,
    method: str = "fixed",
    k_plus: int | None = None,
    k_minus: int | None = None,
    candidates: Sequence[Guesses] | None = None,
    rng: np.random.Generator,
) -> EpsilonBound:
    """How private a single training run cannot be, from scores that are higher for canaries thought to be in.

    Formula:
        The largest ε with `p_value` ≤ 1 - confidence.

    Methods, named before the scores are seen:
        "fixed": `k_plus` and `k_minus` are given beforehand.
        "split": the candidate (k_plus, k_minus) with the largest bound on one half of the canaries, drawn by `rng`,
            is measured on the other half.
        "bonferroni": the largest bound over all candidates, each at (1 - confidence) / (number of candidates).

    Ties are broken by `rng`: the order of the canaries, which may follow their coins, never decides.

    Undefined:
        Raises where the guesses are too few to show any ε, where scores are NaN, and where fewer or more coins fell
        on "in" than fair ones do. Coins that are forced to be exactly half in are not independent, and no test on a
        single draw can tell.
    Source:
        Steinke, Nasr & Jagielski 2023, arXiv:2305.08846, with the term of δ of `p_value`.

    Example:
        >>> coins = np.random.default_rng(0).random(100) < 0.5
        >>> one_run_epsilon(coins + 0.0, coins, delta=1e-5, k_plus=25, k_minus=25, rng=np.random.default_rng(1))
        ε ≥ 2.78 at δ = 1e-05 with 95% confidence (50 of 50 guesses right; all right would show 2.78)
    """
    bound = _epsilon_bound(delta)
    return _one_run(scores, coins, bound, delta, confidence, method, k_plus, k_minus, candidates, rng)


def one_run_gaussian(
    scores: Float[np.ndarray, " canary"],
    coins: Bool[np.ndarray, " canary"],
    *,
    delta: float,
    confidence: float = 0.95,
    method: str = "fixed",
    k_plus: int | None = None,
    k_minus: int | None = None,
    candidates: Sequence[Guesses] | None = None,
    rng: np.random.Generator,
) -> GaussianBound:
    r"""How private a run cannot be if its privacy is that of a Gaussian mechanism: a sharper claim about less.

    Formula:
        With G(y) = Φ(Φ^-1(y) - μ), r guesses, v right, m canaries and τ = 1 - confidence, start from
        R = τ v / m, H = τ (r - v) / m and go down i = v - 1, …, 0:
        H' = max(H, G(R)), R' = R + i / (r - i) (H' - H). μ is refuted where R + H ends above r / m.

    Why: let p_w = P[W = w], R_i = Σ_{w ≥ i} w p_w / m, H_i = Σ_{w ≥ i} (r - w) p_w / m. The events of `p_value` with
    A = {i + 1, …} give H_i ≥ G(R_{i+1}), as G's inverse is concave. Suppose P[W ≥ v] ≥ τ. By induction downwards,
    R_i and R_i + H_i are at least those of the recursion: where it stands still, at once; where it moves, with
    κ = i / (r - i), H_i ≥ G(R_{i+1}) ≥ H' and R_i - κ H_i ∝ E[(W - i)+] = Σ_{l > i} P[W ≥ l], which is not below the
    recursion's. But R_0 + H_0 = r / m for every mechanism.

    Methods, ties, what is refused: as in `one_run_epsilon`.

    Source:
        Mahloujifar, Melis & Chaudhuri 2024, arXiv:2410.22235, the recursion with a cap on guesses; ε from μ by
        Dong, Roth & Su 2019, arXiv:1905.02383, corollary 2.13.

    Example:
        >>> coins = np.random.default_rng(0).random(100) < 0.5
        >>> one_run_gaussian(coins + 0.0, coins, delta=1e-5, k_plus=25, k_minus=25, rng=np.random.default_rng(1))
        μ ≥ 1.28, ε ≥ 5.84 at δ = 1e-05 with 95% confidence (50 of 50 guesses right; all right would show 5.84)
    """
    found = _one_run(scores, coins, mu_bound, delta, confidence, method, k_plus, k_minus, candidates, rng)
    inside = {**vars(found), "epsilon": epsilon_of_mu(found.epsilon, delta), "mu": found.epsilon}
    return GaussianBound(**{**inside, "ceiling": epsilon_of_mu(found.ceiling, delta)})


def many_runs_epsilon(
    scores: Float[np.ndarray, " run"],
    member: Bool[np.ndarray, " run"],
    *,
    threshold: float,
    delta: float,
    confidence: float = 0.95,
) -> EpsilonBound:
    """How private the training cannot be, from many runs that differ in a single canary.

    `scores[run]` is the canary's score in a run, and above `threshold`, fixed beforehand, the guess is "in".

    Formula:
        max(0, log((1 - FNR - δ) / FPR), log((1 - FPR - δ) / FNR)), with Clopper & Pearson's upper limits of both
        rates, each at (1 - confidence) / 2: then both hold together.
    Undefined:
        Raises without a run on either side, and where even faultless guesses could not show any ε.
    Source:
        Kairouz, Oh & Viswanath 2015, arXiv:1311.0776, theorem 2.1; Nasr et al. 2021, arXiv:2101.04535.

    Example:
        >>> member = np.arange(200) % 2 == 0
        >>> many_runs_epsilon(member + 0.0, member, threshold=0.5, delta=1e-5)
        ε ≥ 3.28 at δ = 1e-05 with 95% confidence (200 of 200 guesses right; all right would show 3.28)
    """
    _check(delta, confidence, scores)
    inside, outside = int(member.sum()), int((~member).sum())
    if not inside or not outside:
        raise BadInput(
            f"A bound from many runs needs runs with and without the canary. Got {inside} with and {outside} without.",
            hint="train as many runs with the canary as without.",
        )
    guess = scores > threshold
    missed, false = int((~guess & member).sum()), int((guess & ~member).sum())
    ceiling_ = _of_rates(0, outside, 0, inside, delta, confidence)
    if ceiling_ <= 0:
        least = _fewest(delta, confidence)
        raise BadInput(
            f"{inside} runs with and {outside} without the canary cannot show any ε at δ = {delta:g} with "
            f"{confidence:.0%} confidence, even if every guess is right.",
            hint=f"train at least {least} runs, half of them with the canary; by a fair coin, {2 * least}.",
        )
    return EpsilonBound(
        epsilon=_of_rates(false, outside, missed, inside, delta, confidence),
        delta=delta,
        confidence=confidence,
        ceiling=ceiling_,
        canaries=1,
        guesses=len(scores),
        correct=len(scores) - missed - false,
        method="many runs",
    )


def ceiling(canaries: int, *, delta: float, confidence: float = 0.95) -> float:
    """The largest ε that a single run with so many canaries can show: all are guessed, and all are right.

    Example:
        >>> [round(ceiling(m, delta=1e-5), 2) for m in (4, 5, 100, 1000)]
        [0.0, 0.2, 3.49, 5.81]
    """
    _check(delta, confidence, np.zeros(0))
    return _epsilon_bound(delta)(canaries, canaries, canaries, 1 - confidence)


@lru_cache(maxsize=2**14)
def epsilon_of_mu(mu: float, delta: float) -> float:
    """The ε at δ of a mechanism with exactly μ-Gaussian DP.

    Formula:
        δ = Φ(-ε/μ + μ/2) - e^ε Φ(-ε/μ - μ/2), solved for ε ≥ 0; infinite at δ = 0.

    Example:
        >>> round(epsilon_of_mu(1.0, 1e-5), 3)
        4.377
    """
    if mu == 0:
        return 0.0
    if delta == 0:
        return float("inf")

    def not_yet(epsilon: float) -> bool:
        away = epsilon / mu
        return float(ndtr(mu / 2 - away) - np.exp(epsilon + log_ndtr(-mu / 2 - away))) > delta

    return _last(not_yet)


@lru_cache(maxsize=2**14)
def mu_bound(canaries: int, guesses: int, correct: int, level: float) -> float:
    """The largest μ that so many right guesses refute at this level: the recursion of `one_run_gaussian`.

    Example:
        >>> round(mu_bound(100, 50, 40, 0.05), 3)
        0.392
    """

    def refuted(mu: float) -> bool:
        right, wrong = level * correct / canaries, level * (guesses - correct) / canaries
        for i in range(correct - 1, -1, -1):
            least = float(ndtr(ndtri(min(right, 1.0)) - mu))
            if least <= wrong:  # nothing moves from here on
                break
            right, wrong = right + i / (guesses - i) * (least - wrong), least
        return right + wrong > guesses / canaries

    return _last(refuted)


def _epsilon_bound(delta: float) -> Bound:
    return lambda canaries, guesses, correct, level: _epsilon(canaries, guesses, correct, level, delta)


@lru_cache(maxsize=2**14)
def _epsilon(canaries: int, guesses: int, correct: int, level: float, delta: float) -> float:
    def refuted(epsilon: float) -> bool:
        found = p_value(canaries=canaries, guesses=guesses, correct=correct, epsilon=epsilon, delta=delta)
        return found <= level

    return _last(refuted)


def _last(holds: Callable[[float], bool]) -> float:
    """The largest number ≥ 0 up to which something holds, by bisection; 0 where it never does."""
    if not holds(0.0):
        return 0.0
    low, high = 0.0, 1.0
    while holds(high):
        low, high = high, 2 * high
    while high - low > PRECISION:
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _one_run(
    scores: np.ndarray,
    coins: np.ndarray,
    bound: Bound,
    delta: float,
    confidence: float,
    method: str,
    k_plus: int | None,
    k_minus: int | None,
    candidates: Sequence[Guesses] | None,
    rng: np.random.Generator,
) -> EpsilonBound:
    _check(delta, confidence, scores)
    _check_coins(coins)
    order = rng.permutation(len(scores))
    scores, coins, half = scores[order], coins[order], len(scores) // 2
    tried = _candidates(method, half if method == "split" else len(scores), k_plus, k_minus, candidates)
    considered, level = len(tried), 1 - confidence
    if method == "split":
        seen = [bound(half, sum(k), _correct(scores[:half], coins[:half], k), level) for k in tried]
        tried = [tried[int(np.argmax(seen))]]
        scores, coins = scores[half:], coins[half:]
    found = [_measured(scores, coins, k, bound, level / len(tried)) for k in tried]
    best = max(range(len(tried)), key=lambda index: found[index][0])
    ceiling_ = max(found[index][1] for index in range(len(tried)))
    if ceiling_ <= 0:
        raise BadInput(
            f"{max(sum(k) for k in tried)} guesses on {len(scores)} canaries cannot show any ε at δ = {delta:g} with "
            f"{confidence:.0%} confidence, even if all are right.",
            hint=f"guess at least {int(-np.log2(level / len(tried))) + 1}, and choose a δ far below {level:.2g}.",
        )
    return EpsilonBound(
        epsilon=found[best][0],
        delta=delta,
        confidence=confidence,
        ceiling=ceiling_,
        canaries=len(scores),
        guesses=sum(tried[best]),
        correct=_correct(scores, coins, tried[best]),
        method=method,
        candidates=considered,
    )


def _measured(scores: np.ndarray, coins: np.ndarray, k: Guesses, bound: Bound, level: float) -> tuple[float, float]:
    """The bound that these guesses give, and what they would have given had all been right."""
    canaries, guesses = len(scores), sum(k)
    return bound(canaries, guesses, _correct(scores, coins, k), level), bound(canaries, guesses, guesses, level)


def _candidates(
    method: str, canaries: int, k_plus: int | None, k_minus: int | None, candidates: Sequence[Guesses] | None
) -> list[Guesses]:
    if method not in METHODS:
        raise BadInput(f"There is no method {method!r}.", hint=f"the methods are {', '.join(METHODS)}.")
    if method == "fixed" and (k_plus is None or k_minus is None or candidates is not None):
        raise BadInput(
            "The method 'fixed' needs k_plus and k_minus, named before the scores are seen, and no candidates.",
            hint="k_plus=25, k_minus=25, or method='split' or 'bonferroni' to choose among candidates.",
        )
    if method != "fixed" and (k_plus is not None or k_minus is not None):
        raise BadInput(f"The method {method!r} chooses k itself.", hint="pass candidates=[(k_plus, k_minus), …].")
    if k_plus is not None and k_minus is not None:
        tried = [(k_plus, k_minus)]
    else:
        tried = default_candidates(canaries) if candidates is None else list(candidates)
    wrong = [k for k in tried if min(k) < 0 or not 0 < sum(k) <= canaries]
    if wrong or not tried:
        raise BadInput(
            f"There must be between 1 and {canaries} guesses, one per canary. Got k_plus and k_minus of "
            f"{', '.join(map(str, wrong)) or 'no candidate'}.",
            hint=f"let k_plus + k_minus be at least 1 and at most {canaries}, and neither below 0.",
        )
    return tried


def default_candidates(canaries: int) -> list[Guesses]:
    """As many guesses "in" as "out", in four sizes.

    Example:
        >>> default_candidates(100)
        [(40, 40), (20, 20), (10, 10), (5, 5)]
    """
    sizes = dict.fromkeys(max(1, round(share * canaries)) for share in SHARES)
    return [(k, k) for k in sizes]


def _correct(scores: np.ndarray, coins: np.ndarray, k: Guesses) -> int:
    order = np.argsort(-scores, kind="stable")
    k_plus, k_minus = k
    return int(coins[order[:k_plus]].sum() + (~coins[order[len(order) - k_minus :]]).sum())


def _of_rates(false: int, outside: int, missed: int, inside: int, delta: float, confidence: float) -> float:
    level = (1 - confidence) / 2
    fpr, fnr = (
        1.0 if errors == runs else float(betaincinv(errors + 1, runs - errors, 1 - level))
        for errors, runs in ((false, outside), (missed, inside))
    )
    ratios = ((1 - fnr - delta) / fpr, (1 - fpr - delta) / fnr)
    return float(np.log(max(1.0, *ratios)))


def _fewest(delta: float, confidence: float) -> int:
    """The least even number of runs whose faultless guesses show an ε, half of them with the canary."""
    return next(2 * half for half in itertools.count(1) if _of_rates(0, half, 0, half, delta, confidence) > 0)


def _check(delta: float, confidence: float, scores: np.ndarray) -> None:
    if not 0 <= delta < 1:
        raise BadInput(
            f"The 'delta' argument of a privacy bound must lie in [0, 1). Got {delta}.",
            hint="δ is commonly below one over the number of examples; 1e-5.",
        )
    if not 0 < confidence < 1:
        raise BadInput(
            f"The 'confidence' argument of a privacy bound must lie in (0, 1). Got {confidence}.",
            hint="0.95 means that the bound holds in 95 % of audits.",
        )
    if np.isnan(scores).any():
        raise BadInput(
            f"{np.isnan(scores).sum()} of {len(scores)} scores are NaN.",
            hint="leave these canaries out; where all are NaN the model diverged: lower its learning rate.",
        )


def _check_coins(coins: np.ndarray) -> None:
    inside = int(coins.sum())
    if len(coins) and binomtest(inside, len(coins)).pvalue < UNFAIR:
        raise BadInput(
            f"{inside} of {len(coins)} canaries are in, which fair coins would not give.",
            hint="let each canary join with probability 1/2, as byrote.coins does.",
        )
