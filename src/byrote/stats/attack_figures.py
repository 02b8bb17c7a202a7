"""How well an attack tells members from others: figures pooled over targets, with errors of models and of examples.

A figure is computed anew with a part of the pairs left out, as targets and as references: a model's own ways move all
its scores together, and intervals that take scores as independent cover .65 where 95 % is meant. It stands for more
than the examples attacked, so that their choice is in the error as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Int8
from scipy.special import stdtrit

from byrote.errors import BadInput, TooFewModels
from byrote.results import Curve, Scalar
from byrote.stats.attack_influence import Cells, influence_of_area, influence_of_balanced_accuracy, influence_of_rate
from byrote.stats.intervals import UPPER, mean_interval
from byrote.stats.jackknife import from_replicates, parts, units
from byrote.stats.moments import Moments
from byrote.stats.over_examples import FEWEST_CLUSTERS, over_both

#: False-positive rates at which attacks are read.
RATES: Final = (0.1, 0.01, 0.001)
#: Shares of members among those attacked at which precision is told.
PRIORS: Final = (0.01, 0.1, 0.5)
#: A rate is told where at least so many false positives are to be expected at it.
LEAST_FALSE_POSITIVES: Final = 10
#: The same for slices.
SLICE_RATES: Final = (0.01,)
PARTS: Final = 20
LEAST_REFERENCES: Final = 4
#: Thresholds of balanced accuracy are chosen among so many quantiles of the scores.
_QUANTILES = 1000
_CURVE_POINTS = 40

#: An attack on the models kept, where model k is given out to have the members of model `given[k]`: a score for each
#: of them and each example.
Attack = Callable[[Bool[np.ndarray, " model"], Int[np.ndarray, " model"]], Float[np.ndarray, "kept example"]]
#: Groups of examples, or of (target, example) cells, by name, for the models kept.
Slices = Callable[[Bool[np.ndarray, " model"]], Mapping[str, Bool[np.ndarray, "*cells"]]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Roc:
    """Rates of true and false positives as the threshold falls; straight between tied scores."""

    false_positive: Float[np.ndarray, " point"]
    true_positive: Float[np.ndarray, " point"]
    members: int
    nonmembers: int

    @property
    def area(self) -> float:
        """Chance that a member scores above a non-member, a tie counting half."""
        return float(np.trapezoid(self.true_positive, self.false_positive))

    def at(self, rate: Float[np.ndarray, " rate"]) -> Float[np.ndarray, " rate"]:
        """Share of the members found at these rates of false positives; ties are broken by chance."""
        found: np.ndarray = np.interp(rate, self.false_positive, self.true_positive)
        return found


def roc(score: Float[np.ndarray, "*cells"], member: Int8[np.ndarray, "*cells"]) -> Roc | None:
    """The curve of scores whose membership is known; None without a member or without a non-member.

    Example:
        >>> curve = roc(np.array([3.0, 2.0, 1.0, 0.0]), np.array([1, 0, 1, 0], np.int8))
        >>> curve.area, curve.at(np.array([0.5]))
        (0.75, array([1.]))
    """
    known = (member >= 0) & ~np.isnan(score)
    values, positive = score[known], member[known] == 1
    members = int(positive.sum())
    nonmembers = len(positive) - members
    if not members or not nonmembers:
        return None
    order = np.argsort(-values, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(values[order])), len(order) - 1)
    found = np.cumsum(positive[order])[ends]
    false = (ends + 1 - found) / nonmembers
    return Roc(
        false_positive=np.append(0.0, false),
        true_positive=np.append(0.0, found / members),
        members=members,
        nonmembers=nonmembers,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class RocOfStrata:
    """The mean of the curves of several strata at one rate of false positives, weighted by their members."""

    strata: tuple[Roc, ...]

    @property
    def members(self) -> int:
        """How many members there are."""
        return sum(one.members for one in self.strata)

    @property
    def nonmembers(self) -> int:
        """How many non-members a rate can rest on where each stratum is to have a false positive."""
        each = [one.nonmembers for one in self.strata]
        return sum(each) if len(each) == 1 else min(sum(each), LEAST_FALSE_POSITIVES * min(each))

    @property
    def area(self) -> float:
        """Chance that a member scores above a non-member of its stratum, a tie counting half."""
        return sum(one.members * one.area for one in self.strata) / self.members

    def at(self, rate: Float[np.ndarray, " rate"]) -> Float[np.ndarray, " rate"]:
        """Share of the members found at these rates of false positives, the same in every stratum."""
        found: np.ndarray = np.sum([one.members * one.at(rate) for one in self.strata], axis=0) / self.members
        return found


def roc_of_strata(
    score: Float[np.ndarray, "*cells"],
    member: Int8[np.ndarray, "*cells"],
    stratum: Int[np.ndarray, "*cells"] | None,
) -> RocOfStrata | None:
    """The curves of scores within strata; those without a member or without a non-member are left out.

    Example:
        >>> score, member = np.array([[5.0, 4.0], [0.0, 1.0]]), np.array([[1, 0], [1, 0]], np.int8)
        >>> roc_of_strata(score, member, np.array([[0, 0], [1, 1]])).area
        0.5
    """
    masks = [np.ones(score.shape, bool)] if stratum is None else [stratum == name for name in np.unique(stratum)]
    found = [curve for mask in masks if (curve := roc(score[mask], member[mask])) is not None]
    return RocOfStrata(strata=tuple(found)) if found else None


def _balanced_accuracy(
    score: np.ndarray, member: np.ndarray, part: np.ndarray, stratum: np.ndarray | None, curve: RocOfStrata | None
) -> float:
    """That of each stratum, weighted as the curve is."""
    if stratum is None or curve is None or len(curve.strata) == 1:
        return balanced_accuracy(score, member, part)
    masks = [stratum == name for name in np.unique(stratum)]
    found = [balanced_accuracy(np.where(mask, score, math.nan), member, part) for mask in masks]
    members = [int(((member == 1) & mask & ~np.isnan(score)).sum()) for mask in masks]
    return float(np.average(found, weights=members)) if sum(members) else math.nan


def balanced_accuracy(
    score: Float[np.ndarray, "target example"],
    member: Int8[np.ndarray, "target example"],
    part: Int[np.ndarray, " target"],
) -> float:
    """Mean of the rates of true positives and true negatives, each part judged at the best threshold of the others.

    Undefined:
        nan with fewer than two parts, or where the others lack members or non-members.
    """
    threshold = thresholds(score, member, part)
    if threshold is None:
        return math.nan
    called = score >= threshold[:, None]
    known = ~np.isnan(score)
    inside, outside = (called[known & (member == side)] for side in (1, 0))
    return float(inside.mean() + 1 - outside.mean()) / 2


def thresholds(
    score: Float[np.ndarray, "target example"],
    member: Int8[np.ndarray, "target example"],
    part: Int[np.ndarray, " target"],
) -> Float[np.ndarray, " target"] | None:
    """For each target the least score at which it is best to say "member", by the targets of other parts.

    None where they cannot tell.
    """
    known = (member >= 0) & ~np.isnan(score)
    rows = np.unique(part, return_inverse=True)[1]
    if not known.any():
        return None
    grid = np.unique(np.quantile(score[known], np.linspace(0, 1, _QUANTILES + 1), method="inverted_cdf"))
    width = len(grid) + 2
    counts = np.empty((2, rows.max() + 1, width))
    for side in (0, 1):
        chosen = known & (member == side)
        level = np.searchsorted(grid, score[chosen], side="right")
        row = np.broadcast_to(rows[:, None], score.shape)[chosen]
        counts[side] = np.bincount(row * width + level, minlength=counts[side].size).reshape(counts[side].shape)
    # positive at level b: the scores that lie in bin b or above
    false, true = np.flip(np.cumsum(np.flip(counts, 2), 2), 2)
    others_false, others_true = false.sum(0) - false, true.sum(0) - true
    if len(true) < 2 or not others_false[:, 0].all() or not others_true[:, 0].all():
        return None
    # whole numbers, so that equally good thresholds are equal: the lowest of them is taken
    best = (others_true * others_false[:, :1] - others_false * others_true[:, :1]).argmax(1)
    thresholds: np.ndarray = np.concatenate([[-np.inf], grid, [np.inf]])[best][rows]
    return thresholds


def precision(true_positive: float, rate: float, prior: float) -> float:
    """Share of members among those called so, where a share `prior` of those attacked are members.

    Example:
        >>> precision(0.5, 0.01, 0.01).__round__(3)
        0.336
    """
    called = true_positive * prior + rate * (1 - prior)
    return true_positive * prior / called if called else math.nan


def refusal(nonmembers: int, rate: float, examples: int, unit: str = "examples") -> str:
    """Why a rate of false positives cannot be told from so many scores of non-members, or nothing where it can.

    `unit` names what was attacked.
    """
    # 0.1 % of 10,000 is 10.000000000000002 or 9.99…: a nudge keeps the product from falling short
    if nonmembers * rate >= LEAST_FALSE_POSITIVES * (1 - 1e-9):
        return ""
    needed = math.ceil(LEAST_FALSE_POSITIVES / rate * (1 - 1e-9))
    text = (
        f"a false-positive rate of {100 * rate:g} % takes {needed:,} scores of non-members, so that "
        f"{LEAST_FALSE_POSITIVES} false positives are to be expected; there are {nonmembers:,}"
    )
    if nonmembers:
        text += f", and it would take about {math.ceil(examples * needed / nonmembers):,} {unit} with these models"
    return text


@dataclass(frozen=True, kw_only=True, eq=False)
class Pooled:
    """What `attack_figures` finds."""

    figures: dict[str, Scalar]
    slices: dict[str, dict[str, Scalar]]
    curve: Curve


def attack_figures(
    attack: Attack,
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
    slices: Slices | None = None,
    unit: str = "examples",
    stratum: Int[np.ndarray, "model example"] | None = None,
    *,
    cluster: Int[np.ndarray, " example"] | None = None,
) -> Pooled:
    """AUC, balanced accuracy, true positives and precision at given false-positive rates, and the curve.

    Scores of all targets are pooled under one threshold; of several strata under one for each, at the same rate of
    false positives, and averaged over the strata, weighted by their members. Errors are those of the jackknife over at
    most 20 parts of the pairs, each left out as targets and as references, and of the choice of examples: of whole
    clusters, where examples of one `cluster` belong to one person. Figures that rest on fewer than 3 clusters are about
    these, with the error of models alone. Intervals stay inside [0, 1].

    Undefined:
        nan with its reason where a rate would rest on fewer than 10 false positives, and without members or others.

    Raises:
        TooFewModels: with a part left out, a target has fewer than 4 reference models.
    """
    part = _parts_to_leave(pair)
    all_models = np.ones(len(pair), bool)
    if cluster is None:
        cluster = np.arange(member.shape[1])
    whole = _Reading(attack, member, part, slices, all_models, stratum, cluster)
    again = [_Reading(attack, member, part, slices, part != left_out, stratum) for left_out in np.unique(part)]
    return Pooled(
        figures=_scalars(whole, again, "", len(pair), unit),
        slices={name: _scalars(whole, again, name, len(pair), unit) for name in whole.figures if name},
        curve=_curve(whole, again, len(pair)),
    )


def null_auc(
    attack: Attack,
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
    *,
    rng: np.random.Generator,
    draws: int = 20,
    level: Float[np.ndarray, " model"] | None = None,
    stratum: Int[np.ndarray, "model example"] | None = None,
) -> Scalar:
    """AUC of the attack where membership is not true: members swapped between the mates of pairs at random.

    The attack is run anew on what it is then told of its references. `stderr` is the scatter of single draws, `low`
    and `high` bound where 95 % of them fall, `replicates` are the draws. Models without a mate exchange members with
    each other, those of one `level` among themselves. Strata are those of the members that a model is given out to
    have.
    """
    if draws < 2:
        raise BadInput(
            f"The 'draws' argument of null_auc must be an integer in [2, inf). Got {draws}.",
            hint="20 draws show the scatter.",
        )
    all_models = np.ones(len(pair), bool)
    areas = np.empty(draws)
    for draw in range(draws):
        given = exchange(pair, rng, level)
        curve = roc_of_strata(attack(all_models, given), member[given], None if stratum is None else stratum[given])
        areas[draw] = math.nan if curve is None else curve.area
    scatter = float(areas.std(ddof=1))
    reach = float(stdtrit(draws - 1, UPPER)) * scatter * math.sqrt(1 + 1 / draws)
    mean = float(areas.mean())
    return Scalar(
        value=mean,
        stderr=scatter if scatter > 0 else math.nan,
        low=max(mean - reach, 0.0),
        high=min(mean + reach, 1.0),
        models=len(pair),
        examples=member.shape[1],
        reason="there is no member or no non-member" if math.isnan(mean) else "",
        note="where 95 % of the AUCs fall when membership is swapped within pairs at random",
        replicates=areas,
    )


def exchange(pair: np.ndarray, rng: np.random.Generator, level: np.ndarray | None = None) -> np.ndarray:
    """For each model the one whose members it gets: mates exchange theirs at random, models without one among them.

    Models without a mate exchange only with those of their `level`.
    """
    source = np.arange(len(pair))
    single = []
    for unit in range(int(units(pair).max(initial=-1)) + 1):
        mates = np.flatnonzero(units(pair) == unit)
        if len(mates) == 1:
            single.append(mates[0])
        else:
            source[mates] = rng.permutation(mates)
    alone = np.array(single, np.int64)
    of = np.zeros(len(alone)) if level is None else level[alone]
    for one in np.unique(of):
        source[alone[of == one]] = rng.permutation(alone[of == one])
    return source


def _parts_to_leave(pair: np.ndarray) -> np.ndarray:
    part = parts(pair, groups=PARTS)
    largest_part, largest_unit = (int(np.bincount(of).max(initial=0)) for of in (part, units(pair)))
    left = len(pair) - largest_part - largest_unit
    if left < LEAST_REFERENCES:
        raise TooFewModels(
            f"The figures of an attack need {LEAST_REFERENCES} reference models beside a target and its mate with "
            f"another pair left out. Got {max(left, 0)} of {len(pair)} models.",
            hint="train at least 8 models in pairs; --models 64 gives an attacker 62.",
        )
    return part


class _Reading:
    """What one run of the attack on some of the models shows: figures by slice, all scores' slice being "".

    Given the clusters of the examples, it also holds how far these move the figures.
    """

    def __init__(
        self,
        attack: Attack,
        member: np.ndarray,
        part: np.ndarray,
        slices: Slices | None,
        kept: np.ndarray,
        stratum: np.ndarray | None,
        cluster: np.ndarray | None = None,
    ) -> None:
        scores, membership = attack(kept, np.arange(len(member))), member[kept]
        own = None if stratum is None else stratum[kept]
        self.curve = roc_of_strata(scores, membership, own)
        self.figures = {"": _figures(self.curve, RATES, PRIORS)}
        self.figures[""]["balanced_accuracy"] = _balanced_accuracy(scores, membership, part[kept], own, self.curve)
        self.nonmembers = {"": _nonmembers(self.curve)}
        self.examples = {"": member.shape[1]}
        self.moves: tuple[_Stratum, ...] = ()
        self.influences: dict[str, dict[str, np.ndarray]] = {}
        if cluster is not None:
            self.moves = _strata(scores, membership, part, own, cluster, np.ones(scores.shape, bool))
            balanced = _of_balanced_accuracy(scores, membership, part, self.moves)
            self.influences[""] = _influences(self.moves, self.figures[""], RATES, PRIORS) | balanced
        for name, cells in (slices(kept) if slices else {}).items():
            by_example = cells.ndim == 1
            chosen = (slice(None), cells) if by_example else cells
            curve = roc_of_strata(scores[chosen], membership[chosen], None if own is None else own[chosen])
            self.figures[name] = _figures(curve, SLICE_RATES, ())
            self.nonmembers[name] = _nonmembers(curve)
            self.examples[name] = int(cells.sum() if by_example else cells.any(0).sum())
            if cluster is not None:
                moves = _strata(scores, membership, part, own, cluster, np.broadcast_to(cells, scores.shape))
                self.influences[name] = _influences(moves, self.figures[name], SLICE_RATES, ())


class _Stratum(NamedTuple):
    """The cells of a stratum that has members and non-members, its share of the members, and its curve."""

    share: float
    cells: Cells
    curve: Roc
    mask: np.ndarray


def _strata(
    scores: np.ndarray,
    membership: np.ndarray,
    part: np.ndarray,
    stratum: np.ndarray | None,
    cluster: np.ndarray,
    chosen: np.ndarray,
) -> tuple[_Stratum, ...]:
    """The strata whose mean the figures of the chosen cells are."""
    if not chosen.any():
        return ()
    masks = [chosen] if stratum is None else [chosen & (stratum == name) for name in np.unique(stratum[chosen])]
    known = [(mask, curve) for mask in masks if (curve := roc(scores[mask], membership[mask])) is not None]
    number = np.unique(np.where(chosen.any(0), cluster, cluster[chosen.any(0)][:1]), return_inverse=True)[1]
    total = sum(curve.members for _, curve in known)
    return tuple(
        _Stratum(curve.members / total, Cells.of(scores, membership, part, number, mask), curve, mask)
        for mask, curve in known
    )


def _influences(
    strata: Sequence[_Stratum], figures: Mapping[str, float], rates: Sequence[float], priors: Sequence[float]
) -> dict[str, np.ndarray]:
    """How far clusters move the figures of `_figures`."""
    if not strata:
        return {}
    found = {"auc": np.sum([one.share * influence_of_area(one.cells) for one in strata], axis=0)}
    for rate in rates:
        moved = found[tpr_name(rate)] = _of_rate(strata, rate)
        for prior in priors:
            called = figures[tpr_name(rate)] * prior + rate * (1 - prior)
            found[precision_name(rate, prior)] = moved * prior * rate * (1 - prior) / called**2
    return found


def _of_rate(strata: Sequence[_Stratum], rate: float) -> np.ndarray:
    """How far clusters move the rate of true positives; a curve rises as between half the rate and 1.5 of it."""
    around = np.array([0.5 * rate, min(1.5 * rate, 1.0)])
    slopes = [float(np.diff(one.curve.at(around))[0] / np.diff(around)[0]) for one in strata]
    each = zip(strata, slopes, strict=True)
    return np.asarray(np.sum([one.share * influence_of_rate(one.cells, rate, slope) for one, slope in each], axis=0))


def _of_balanced_accuracy(
    scores: np.ndarray, membership: np.ndarray, part: np.ndarray, strata: Sequence[_Stratum]
) -> dict[str, np.ndarray]:
    moved = []
    for one in strata:
        of_stratum = np.where(one.mask, scores, math.nan)
        threshold = thresholds(of_stratum, membership, part)
        if threshold is None:
            return {}
        called = (scores >= threshold[:, None])[one.mask & (membership >= 0) & ~np.isnan(scores)]
        moved.append(one.share * influence_of_balanced_accuracy(one.cells, called))
    return {"balanced_accuracy": np.sum(moved, axis=0)} if moved else {}


def _nonmembers(curve: RocOfStrata | None) -> int:
    return 0 if curve is None else curve.nonmembers


def _figures(curve: RocOfStrata | None, rates: Sequence[float], priors: Sequence[float]) -> dict[str, float]:
    found = {"auc": math.nan if curve is None else curve.area}
    for rate in rates:
        true_positive = math.nan if curve is None else float(curve.at(np.array([rate]))[0])
        found[tpr_name(rate)] = true_positive
        for prior in priors:
            found[precision_name(rate, prior)] = precision(true_positive, rate, prior)
    return found


def tpr_name(rate: float) -> str:
    """The key of the share of members found at a rate of false positives."""
    return f"tpr_at_fpr_{rate:g}"


def precision_name(rate: float, prior: float) -> str:
    """The key of the precision at a rate of false positives where a share `prior` are members."""
    return f"precision_at_fpr_{rate:g}_prior_{prior:g}"


def _scalars(whole: _Reading, again: list[_Reading], name: str, models: int, unit: str) -> dict[str, Scalar]:
    nonmembers, examples = whole.nonmembers[name], whole.examples[name]
    reasons: dict[str, str] = {}
    for rate in RATES:
        refused = refusal(nonmembers, rate, examples, unit)
        reasons |= dict.fromkeys([tpr_name(rate), *(precision_name(rate, prior) for prior in PRIORS)], refused)
    found = {}
    for figure, value in whole.figures[name].items():
        reason = reasons.get(figure, "") if nonmembers else "there is no member or no non-member to score"
        replicates = np.array([one.figures.get(name, {}).get(figure, math.nan) for one in again])
        influence = whole.influences.get(name, {}).get(figure)
        scalar = _scalar(math.nan if reason else value, replicates, models, examples, influence)
        found[figure] = replace(scalar, reason=reason or scalar.reason)
    return found


def _scalar(
    value: float, replicates: np.ndarray, models: int, examples: int, influence: np.ndarray | None = None
) -> Scalar:
    """The figure with its interval in [0, 1]; that of a rate where leaving pairs or examples out changes nothing."""
    found = from_replicates(value, replicates, models=models, examples=examples, bounds=(0.0, 1.0))
    if influence is not None and influence.shape[1] >= FEWEST_CLUSTERS:
        found = over_both(found, influence, bounds=(0.0, 1.0))
    if math.isnan(value) or math.isfinite(found.stderr) or len(replicates) < 3 or np.isnan(replicates).any():
        return found
    same = Moments(np.array([len(replicates)]), np.array([value]), np.zeros(1))
    floor = mean_interval(same, bounds=(0.0, 1.0))
    return replace(
        found,
        stderr=float(floor.stderr[0]),
        low=float(floor.low[0]),
        high=float(floor.high[0]),
        note="leaving models out changes nothing: the interval is that of a rate over as many trials as parts",
    )


def _curve(whole: _Reading, again: list[_Reading], models: int) -> Curve:
    examples = whole.examples[""]
    least = min(LEAST_FALSE_POSITIVES / max(whole.nonmembers[""], 1), 1.0)
    rates = np.geomspace(least, 1.0, _CURVE_POINTS, endpoint=False)
    values, *replicates = (
        np.full(len(rates), math.nan) if one.curve is None else one.curve.at(rates) for one in (whole, *again)
    )
    moved = [_of_rate(whole.moves, float(rate)) if whole.moves else None for rate in rates]
    points = [
        _scalar(float(value), np.array(column), models, examples, influence)
        for influence, value, *column in zip(moved, values, *replicates, strict=True)
    ]
    return Curve(
        axis="false_positive_rate",
        at=rates,
        groups=("attack",),
        values=values[None],
        stderr=np.array([[point.stderr for point in points]]),
        low=np.array([[point.low for point in points]]),
        high=np.array([[point.high for point in points]]),
        counts=np.array([examples], np.int64),
        models=models,
        note="true positives by false positives, from the rate at which 10 false positives are to be expected",
    )
