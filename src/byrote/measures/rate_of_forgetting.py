"""Rate of forgetting: how well membership can still be told, so many epochs after an example was last used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from byrote.errors import BadInput
from byrote.measures.catalog import measure
from byrote.results import Curve, PerModelExample, Scalar
from byrote.stats.attack_figures import refusal
from byrote.stats.curves import curve_interval
from byrote.stats.intervals import Interval
from byrote.stats.jackknife import parts
from byrote.stats.ranking import auroc
from byrote.stats.roc import roc

#: An attack: log-odds `[model, example]`, membership and pairs give a score for every target model and example.
Attack = Callable[[np.ndarray, np.ndarray, np.ndarray], PerModelExample]
#: The success rate of scores `[guess]` at telling the members `[guess]` among them.
Success = Callable[[np.ndarray, np.ndarray], float]
#: Pairs are left out in at most this many parts.
_PARTS = 20


def log_odds_attack(
    log_odds: Float[np.ndarray, "model example"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
) -> PerModelExample:
    """The loss attack without references: scores rank as the negative loss does, and do not saturate.

    Source: Yeom et al. 2018, arXiv:1709.01604.

    Example:
        >>> log_odds_attack(np.array([[2.0, -1.0]]), np.array([[1, 0]], np.int8), np.array([-1])).values
        array([[ 2., -1.]])
    """
    broken = ~np.isfinite(log_odds)
    return PerModelExample(
        values=np.where(broken, np.nan, log_odds.astype(np.float64)),
        references=np.zeros(len(log_odds), np.int64),
        reasons=("", "a model's log-odds are not finite"),
        reason_code=broken.astype(np.int8),
        models=len(log_odds),
    )


def accuracy_at_median(score: Float[np.ndarray, " guess"], member: Bool[np.ndarray, " guess"]) -> float:
    """Share told right when the higher half of the scores is called members; no threshold is fitted.

    Undefined:
        nan without a member or without a non-member.

    Example:
        >>> accuracy_at_median(np.array([3.0, 2.0, 1.0, 0.0]), np.array([True, False, True, False]))
        0.5
    """
    if member.all() or not member.any():
        return float("nan")
    return float(np.mean((score > np.median(score)) == member))


def true_positive_rate_at(rate: float) -> Success:
    """The success rate that is the share of members found at this rate of false positives.

    Undefined:
        nan where fewer than 10 false positives are to be expected at it.

    Example:
        >>> score, member = np.arange(200.0), np.arange(200) >= 100
        >>> true_positive_rate_at(0.1)(score, member), true_positive_rate_at(0.01)(score, member)
        (1.0, nan)
    """

    def success(score: np.ndarray, member: np.ndarray) -> float:
        curve = roc(score, member.astype(np.int8))
        if curve is None or refusal(curve.nonmembers, rate, len(score)):
            return float("nan")
        return float(curve.at(np.array([rate]))[0])

    return success


@measure(
    needs=(
        "trajectory.log_odds",
        "trajectory.epochs",
        "design.withdrawn",
        "design.member",
        "design.repetitions",
        "design.pair",
    ),
    unit="success rate",
    range=(0.0, 1.0),
    higher="less forgotten, more memorized",
    source="Jagielski et al. 2023, arXiv:2207.00099; survey Definition 11",
    section="6.1.2",
    domain="security",
    level="model",
    evaluation="probabilistic",
    by_example=False,
)
def rate_of_forgetting(
    log_odds: Float[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    withdrawn: Bool[np.ndarray, "model example"],
    member: Int8[np.ndarray, "model example"],
    repetitions: Int[np.ndarray, " example"],
    pair: Int[np.ndarray, " model"],
    *,
    alpha: float = 0.55,
    attack: Attack = log_odds_attack,
    success: Success = auroc,
) -> Curve:
    r"""How well an attack tells examples that were withdrawn from ones never shown, by epochs since their last use.

    Formula:
        at k: success(A[t, i], withdrawn[t, i]) over target models t and canaries i, the examples that some model
        was shown and then was not, in every model that was never shown them or had them withdrawn; A the
        attack's scores from log-odds k epochs into the last phase; a line for every number of repetitions;
        errors by leaving out a pair of models at a time, as target and as reference. The note names the smallest
        k whose interval ends at or below alpha (`forgotten_after`)
    Undefined:
        nan where no canary was withdrawn from a model, or none was never shown to one; the error is nan below 3
        pairs of models.

    Example:
        >>> gone = np.tile(np.array([[True, False], [False, True]]), (3, 1))
        >>> x = np.stack([gone * 1.0, np.zeros((6, 2))], axis=1)
        >>> m, pair, once = gone.astype(np.int8), np.arange(6) // 2, np.ones(2, np.int64)
        >>> rate_of_forgetting(x, np.array([0, 8]), gone, m, once, pair).values
        array([[1. , 0.5]])

    Differs:
        Definition 11 leaves the success rate open; it is the AUC, or `accuracy_at_median`, or
        `true_positive_rate_at`. A step is an epoch; the last use is at most one epoch before k = 0. The source
        attacks with calibrated losses; so does `attack=lira`, while the default takes the loss as it is and is
        weaker. Each k has its own 95 % interval, so that many k looked at give more chances to call something
        forgotten that is not. Nothing need be forgotten: where training is deterministic after the last use, the
        source shows that success can stay where it was; here success is over random seeds and orders, and a k
        beyond those watched is not guessed.

    Raises:
        BadInput: alpha is not in (0, 1).
    """
    canary = withdrawn.any(0)
    known_member = np.where((member == 1) & ~withdrawn, -1, member)[:, canary].astype(np.int8)
    answers, shown = log_odds[:, :, canary], repetitions[canary]
    groups = np.unique(shown) if canary.any() else np.array([1])

    def curves(kept: np.ndarray) -> np.ndarray:
        """`[group, checkpoint]` from these models only."""
        lines = [
            _by_group(
                attack(answers[kept, at], known_member[kept], pair[kept]), known_member[kept], shown, groups, success
            )
            for at in range(len(epochs))
        ]
        return np.stack(lines, axis=1)

    values = curves(np.ones(len(pair), bool))
    part = parts(pair, groups=_PARTS)
    names = np.unique(part) if canary.any() else part[:0]
    left_out = np.array([curves(part != name) for name in names]).reshape(len(names), *values.shape)
    intervals = [curve_interval(line, left_out[:, row]) for row, line in enumerate(values)]
    return _noted(_curve(epochs, groups, values, intervals, shown, len(pair)), alpha)


def forgotten_after(curve: Curve, alpha: float) -> tuple[Scalar, ...]:
    """For each line, the smallest k at which the success rate's interval ends at or below alpha.

    `low` is the smallest k at which the interval reaches alpha at all: forgetting by then cannot be excluded.

    Undefined:
        nan, with the reason, where no k that was watched is such a one, or the intervals are too wide for alpha.

    Raises:
        BadInput: alpha is not in (0, 1).
    """
    if not 0 < alpha < 1:
        raise BadInput(
            f"The 'alpha' argument of rate_of_forgetting must lie in (0, 1). Got {alpha}.",
            hint="chance is 0.5 for the AUC; 0.55 is close to it.",
        )
    return tuple(_first_at_most(curve, row, alpha) for row in range(len(curve.groups)))


def _first_at_most(curve: Curve, row: int, alpha: float) -> Scalar:
    possible, sure = (np.flatnonzero(bound[row] <= alpha) for bound in (curve.low, curve.high))
    value = float(curve.at[sure[0]]) if len(sure) else float("nan")
    return Scalar(
        value=value,
        stderr=float("nan"),
        low=float(curve.at[possible[0]]) if len(sure) else float("nan"),
        high=value,
        models=curve.models,
        examples=int(curve.counts[row]),
        reason="" if len(sure) else _why_not(curve, row, alpha),
        note="epochs after the last use; the error of a first passage is not known",
    )


def _why_not(curve: Curve, row: int, alpha: float) -> str:
    values, high = curve.values[row], curve.high[row]
    if np.isnan(values).all():
        return "no canary was both withdrawn from some model and never shown to another"
    if np.isnan(high).all():
        return "the error is unknown: it takes at least 3 pairs of models"
    below = np.flatnonzero((values < alpha) & np.isfinite(high))
    if not len(below):
        return f"not within the {curve.at[-1]:g} epochs watched"
    needed = curve.models * ((high[below] - values[below]) / (alpha - values[below])) ** 2
    return (
        f"the success rate comes below {alpha:g}, but its interval does not: "
        f"that takes about {int(np.ceil(needed.min()))} models"
    )


def _by_group(
    scores: PerModelExample, member: np.ndarray, shown: np.ndarray, groups: np.ndarray, success: Success
) -> np.ndarray:
    """Success on the canaries of each number of repetitions."""
    known = (member >= 0) & (scores.reason_code == 0)
    rates = []
    for repetitions in groups:
        chosen = known & (shown == repetitions)
        rates.append(success(scores.values[chosen], member[chosen] == 1))
    return np.array(rates)


def _curve(
    epochs: np.ndarray,
    groups: np.ndarray,
    values: np.ndarray,
    intervals: list[Interval],
    shown: np.ndarray,
    models: int,
) -> Curve:
    return Curve(
        axis="epoch",
        at=epochs.astype(np.float64),
        groups=tuple("once an epoch" if n == 1 else f"{n} times an epoch" for n in groups),
        values=values,
        stderr=np.stack([interval.stderr for interval in intervals]),
        low=np.stack([interval.low for interval in intervals]),
        high=np.stack([interval.high for interval in intervals]),
        counts=np.array([np.count_nonzero(shown == n) for n in groups], np.int64),
        models=models,
    )


def _noted(curve: Curve, alpha: float) -> Curve:
    notes = [
        f"{group}: {scalar.reason or f'forgotten after {scalar.value:g} epochs'}"
        for group, scalar in zip(curve.groups, forgotten_after(curve, alpha), strict=True)
    ]
    return replace(curve, note=f"success at most {alpha:g}: {'; '.join(notes)}")
