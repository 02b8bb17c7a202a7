"""Membership risk: how surely an attacker tells, of one example, the models that trained on it from the others."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from jaxtyping import Float, Int, Int8
from scipy.special import ndtri

from byrote.measures._strata import Stratum, names_of, strata_of
from byrote.measures.assemble import per_example
from byrote.measures.catalog import Together, Without, measure
from byrote.results import PerExample
from byrote.stats.contrasts import too_few
from byrote.stats.intervals import UPPER, Interval, adjusted_rate
from byrote.stats.jackknife import units

LEAST_MODELS = 4
#: About so many (model, example) cells are ranked at a time, which stay in a processor's cache.
BLOCK_CELLS = 2**16
_HALVINGS = 50


def _of_log_odds(part: np.ndarray, evidence: Mapping[str, np.ndarray]) -> tuple[PerExample, np.ndarray] | None:
    return _risk_of(evidence["log_odds"], evidence, part, "log-odds are")


def _risk_of(
    values: np.ndarray, evidence: Mapping[str, np.ndarray], part: np.ndarray, what: str
) -> tuple[PerExample, np.ndarray] | None:
    """The risk and its values with each part left out, of one stratum: models are ranked once."""
    member, pair, stratum = evidence["member"], evidence["pair"], evidence["stratum"]
    if len(names_of(strata_of(stratum, member))) > 1:
        return None
    compared = _comparisons(np.where(np.isfinite(values), values, 0.0), (member == 1, member == 0), units(pair))
    without = risk_without(values, member, pair, compared, part)
    return risk_of(values, member, pair, stratum, what, compared), without


def _without(of: Together) -> Without:
    def without(part: np.ndarray, evidence: Mapping[str, np.ndarray]) -> np.ndarray | None:
        found = of(part, evidence)
        return None if found is None else found[1]

    return without


def _of_errors(part: np.ndarray, evidence: Mapping[str, np.ndarray]) -> tuple[PerExample, np.ndarray] | None:
    return _risk_of(-evidence["absolute_error"], evidence, part, "error is")


@measure(
    needs=("outputs.log_odds", "design.member", "design.pair", "design.stratum"),
    unit="probability",
    range=(0.0, 1.0),
    higher="easier to recognise as a member",
    source="Carlini et al. 2022, arXiv:2112.03570; interval: Newcombe 2006, Stat. Med. 25(4), method 5",
    section="5.1",
    domain="security",
    level="example",
    evaluation="probabilistic",
    by_example=True,
    without=_without(_of_log_odds),
    together=_of_log_odds,
)
def membership_risk(
    log_odds: Float[np.ndarray, "model example"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
    stratum: Stratum = None,
) -> PerExample:
    r"""Chance that a model trained on the example is surer of its label than one that was not; .5 is no risk.

    Formula:
        mean over models k with i and l without it, of its stratum and mates of each other aside, of
        1[x[k, i] > x[l, i]] + 1/2 1[x[k, i] = x[l, i]], x the log-odds; its interval has the variance that Hanley
        & McNeil give it at each of its ends, times the ratio, where above 1, of the variance that its models' shares
        in it show with mates taken together to what they show each alone
    Undefined:
        nan with fewer than 4 models on a side; of several strata, with fewer than 2 on a side of one.

    Example:
        >>> m = np.array([[1], [0], [1], [0], [1], [0], [1], [0]], np.int8)
        >>> x = np.array([[3.0], [1.0], [2.0], [0.0], [0.5], [-1.0], [4.0], [-2.0]])
        >>> membership_risk(x, m, np.repeat([0, 1, 2, 3], 2)).values.round(3)
        array([0.917])

    Differs:
        Within an example LiRA's score with equal variances rises with the log-odds, the direction being known:
        training on an example makes a model surer of it. Scores of different targets, each with a direction of its
        own from its own references, do not compare within one example: their chance is .45 to .46 where
        membership plays no part, simulated with 8 to 64 models. Mates are not compared: they answer an example less
        alike than other models do (on digits with a correlation of -.6), as its neighbours are in one or the other.
        The interval's coverage in simulations with that correlation between -.6 and .4: .90 to .99 with 4 pairs, .92 to
        .99 with 8, .94 to .99 with 32.
    """
    return risk_of(log_odds, member, pair, stratum, "log-odds are")


@measure(
    needs=("outputs.absolute_error", "design.member", "design.pair", "design.stratum"),
    variant_of="membership_risk",
    variant="absolute_error",
    without=_without(_of_errors),
    together=_of_errors,
)
def membership_risk_absolute_error(
    absolute_error: Float[np.ndarray, "model example"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
    stratum: Stratum = None,
) -> PerExample:
    r"""Chance that a model trained on the example comes closer to its number than one that was not; .5 is no risk.

    Formula:
        as `membership_risk`, with x[k, i] = -|f(x_i) - y_i| of model k
    Undefined:
        nan with fewer than 4 models on a side.

    Example:
        >>> m = np.array([[1], [0], [1], [0], [1], [0], [1], [0]], np.int8)
        >>> e = np.array([[0.1], [1.0], [0.2], [2.0], [1.5], [3.0], [0.4], [2.5]])
        >>> membership_risk_absolute_error(e, m, np.repeat([0, 1, 2, 3], 2)).values.round(3)
        array([0.917])

    Differs:
        As `membership_risk`. The source attacks classifiers.
    """
    return risk_of(-absolute_error, member, pair, stratum, "error is")


def risk_of(
    values: np.ndarray,
    member: np.ndarray,
    pair: np.ndarray,
    stratum: Stratum,
    what: str,
    compared_before: tuple[np.ndarray, np.ndarray] | None = None,
) -> PerExample:
    """Chance that the value of a model with the example is above that of one without it; `what` names the values.

    Models of one stratum are compared, each two of them counting alike. The comparisons may be known already, and are
    used up.
    """
    sides = member == 1, member == 0
    counts = [side.sum(0) for side in sides]
    finite = np.isfinite(values)
    broken = (~finite & (member >= 0)).any(0)
    unit, numbers = units(pair), strata_of(stratum, member)
    known, names = np.where(finite, values, 0.0), names_of(numbers)
    one = len(names) == 1
    within = [sides] if one else [tuple(side & (numbers == name) for side in sides) for name in names]
    wins, trials = _comparisons(known, within[0], unit) if compared_before is None else compared_before
    for of_stratum in within[1:]:
        won, made = _comparisons(known, of_stratum, unit)
        wins += won
        trials += made
    cells = [[side.sum(0) for side in reversed(of_stratum)] for of_stratum in within]
    lacking = too_few(np.array(cells))
    compared = trials.sum(0)
    risk = wins.sum(0) / np.where(compared, compared, np.nan)
    few = (np.minimum(*counts) < LEAST_MODELS) | lacking
    share = np.where(few | broken, 0.5, risk)
    trials *= share
    wins -= trials
    wins /= np.maximum(compared, 1.0)
    inflation = _pairs_widen(wins, unit)
    return per_example(
        risk,
        _newcombe(share, compared, counts, inflation),
        [
            (f"fewer than {LEAST_MODELS} models were trained on it", counts[0] < LEAST_MODELS),
            (f"fewer than {LEAST_MODELS} models were not trained on it", counts[1] < LEAST_MODELS),
            ("fewer than 2 models a side within a stratum of the design; it takes more models", lacking),
            (f"a model's {what} not finite", broken),
        ],
        counts={"members": counts[0], "nonmembers": counts[1]},
        models=len(member),
        note="the risk that the models at hand show; an attacker with the logits, or a better attack, may do better",
    )


def risk_without(
    values: np.ndarray, member: np.ndarray, pair: np.ndarray, compared: tuple[np.ndarray, np.ndarray], part: np.ndarray
) -> np.ndarray:
    """The values of `risk_of` with each part left out, of one stratum, from the comparisons of all models.

    What a part's models won against all others is taken from the sum, and what they won against each other put back.
    """
    sides, finite = (member == 1, member == 0), np.isfinite(values)
    broken = ~finite & (member >= 0)
    known = np.where(finite, values, 0.0)
    wins, trials = compared
    counts, won, made = [side.sum(0) for side in sides], wins.sum(0), trials.sum(0)
    found = np.empty((int(part.max(initial=-1)) + 1, member.shape[1]))
    for number in range(len(found)):
        of_part = part == number
        within = _comparisons(known[of_part], tuple(side[of_part] for side in sides), units(pair[of_part]))
        wins_left = won - 2 * wins[of_part].sum(0) + within[0].sum(0)
        left = made - 2 * trials[of_part].sum(0) + within[1].sum(0)
        few = np.min([count - side[of_part].sum(0) for count, side in zip(counts, sides, strict=True)], axis=0)
        undefined = (few < LEAST_MODELS) | broken[~of_part].any(0)
        found[number] = np.where(undefined, np.nan, wins_left / np.where(left, left, np.nan))
    return found


def _comparisons(
    values: np.ndarray, sides: tuple[np.ndarray, np.ndarray], unit: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For each model the half of its comparisons with the other side that the member won, and their half number.

    A comparison counts half with each of its two models; one of mates counts with neither.
    """
    wins, trials = np.empty(values.shape), np.empty(values.shape)
    size = max(1, BLOCK_CELLS // max(len(values), 1))
    for start in range(0, values.shape[1], size):
        block = slice(start, start + size)
        inside, outside = (side[:, block] for side in sides)
        below = _others_below(values[:, block], inside, outside)
        trials[:, block] = inside * outside.sum(0) + outside * inside.sum(0)
        wins[:, block] = inside * below + outside * (trials[:, block] - below)
    mates = [np.flatnonzero(unit == one) for one in np.flatnonzero(np.bincount(unit) > 1)]
    for one, other in (two for of_unit in mates for two in combinations(of_unit.tolist(), 2)):
        split = (sides[0][one] & sides[1][other]) | (sides[0][other] & sides[1][one])
        won = split * (1 + np.sign(values[one] - values[other]) * (2.0 * sides[0][one] - 1)) / 2
        for model in (one, other):
            wins[model] -= won
            trials[model] -= split
    wins /= 2
    trials /= 2
    return wins, trials


def _others_below(values: np.ndarray, inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """How many models of the other side have less than each model, by example; those that tie with it count half."""
    models, examples = values.shape
    by_example = np.ascontiguousarray(values.T)
    place = np.argsort(by_example, axis=1) + models * np.arange(examples)[:, None]
    ordered = by_example.ravel()[place]
    known = [np.ascontiguousarray(side.T).ravel()[place] for side in (inside, outside)]
    up_to = [np.cumsum(side, axis=1, dtype=np.int32) for side in known]
    below = known[0] * up_to[1] + known[1] * up_to[0].astype(np.float64)
    ties = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(1))
    if len(ties):
        first, last = _tied(ordered[ties])
        half = [(_at(count[ties], first - 1) + _at(count[ties], last)) / 2 for count in up_to]
        below[ties] = known[0][ties] * half[1] + known[1][ties] * half[0]
    found = np.empty(models * examples)
    found[place.ravel()] = below.ravel()
    return np.ascontiguousarray(found.reshape(examples, models).T)


def _tied(ordered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of ascending rows the places of the first and of the last value that ties with each."""
    place, last = np.arange(ordered.shape[1]), ordered.shape[1] - 1
    change = ordered[:, 1:] != ordered[:, :-1]
    starts, ends = np.zeros(ordered.shape, np.int64), np.full(ordered.shape, last)
    starts[:, 1:] = change * place[1:]
    ends[:, :-1] = np.where(change, place[:-1], last)
    return np.maximum.accumulate(starts, axis=1), np.minimum.accumulate(ends[:, ::-1], axis=1)[:, ::-1]


def _at(count: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Counts at these places of each row, 0 before the first."""
    return np.where(place < 0, 0, np.take_along_axis(count, np.maximum(place, 0), 1))


def _pairs_widen(influence: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Variance of the risk with models of a unit taken together, over that of independent models; at least 1."""
    together = np.zeros((unit.max(initial=-1) + 1, influence.shape[1]))
    for model, row in enumerate(influence):
        together[unit[model]] += row
    alone = (influence**2).sum(0)
    ratio = (together**2).sum(0) / np.where(alone > 0, alone, 1.0)
    return np.maximum(np.where(alone > 0, ratio, 1.0), 1.0)


def _variance(risk: np.ndarray, compared: np.ndarray, counts: list[np.ndarray]) -> np.ndarray:
    """Hanley & McNeil's, for `compared` pairs of a member and a non-member that share models with each other."""
    number = np.maximum(compared, 1.0)
    more = (number / np.maximum(counts[0], 1) + number / np.maximum(counts[1], 1)) / 2 - 1
    shared = (1 - risk) / (2 - risk) + risk / (1 + risk)
    return np.asarray(risk * (1 - risk) * (1 + np.maximum(more, 0.0) * shared) / number)


def _newcombe(risk: np.ndarray, compared: np.ndarray, counts: list[np.ndarray], inflation: np.ndarray) -> Interval:
    """Ends at which the observed risk is just as far away as their own variance allows, by halving."""
    ends = []
    for outer in (0.0, 1.0):
        near, far = risk.copy(), np.full(risk.shape, outer)
        for _ in range(_HALVINGS):
            middle = (near + far) / 2
            allowed = ndtri(UPPER) * np.sqrt(inflation * _variance(middle, compared, counts))
            within = np.abs(risk - middle) <= allowed
            near, far = np.where(within, middle, near), np.where(within, far, middle)
        ends.append(far)
    fewest = np.minimum(*counts)
    stderr = np.sqrt(inflation * _variance(adjusted_rate(risk * fewest, fewest), compared, counts))
    return Interval(stderr, *ends)
