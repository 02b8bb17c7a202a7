"""How well an attack tells members from others: figures pooled over targets, with errors of models and of examples.

A figure is computed anew with a part of the pairs left out, as targets and as references: a model's own ways move all
its scores together, and intervals that take scores as independent cover .65 where 95 % is meant. It stands for more
than the examples attacked, so that their choice is in the error as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Int8, Int16, Integer
from scipy.special import stdtrit

from byrote.errors import BadInput, TooFewModels
from byrote.results import Curve, Scalar
from byrote.stats.attack_influence import Cells, influence_of_area, influence_of_balanced_accuracy, influence_of_rate
from byrote.stats.best_threshold import best
from byrote.stats.intervals import UPPER, mean_interval
from byrote.stats.jackknife import from_replicates, parts, units
from byrote.stats.moments import Moments
from byrote.stats.over_examples import FEWEST_CLUSTERS, over_both, over_examples
from byrote.stats.roc import LEAST_FALSE_POSITIVES, Ordered, Ranked, Roc, RocOfStrata, Tagged, mean_of
from byrote.stats.tagged import ranked, tagged

#: False-positive rates at which attacks are read.
RATES: Final = (0.1, 0.01, 0.001)
#: Shares of members among those attacked at which precision is told.
PRIORS: Final = (0.01, 0.1, 0.5)
#: The same for slices.
SLICE_RATES: Final = (0.01,)
PARTS: Final = 20
LEAST_REFERENCES: Final = 4
_CURVE_POINTS = 40

#: An attack on the models kept, where model k is given out to have the members of model `given[k]`: a score for each
#: of them and each example.
Attack = Callable[[Bool[np.ndarray, " model"], Int[np.ndarray, " model"]], Float[np.ndarray, "kept example"]]
#: Groups of examples, or of (target, example) cells, by name, for the models kept; or these as families.
Slices = Callable[[Bool[np.ndarray, " model"]], "Mapping[str, Bool[np.ndarray, '*cells']] | Sequence[Family]"]


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
    alone: bool = False,
) -> Pooled:
    """AUC, balanced accuracy, true positives and precision at given false-positive rates, and the curve.

    Scores of all targets are pooled under one threshold; of several strata under one for each, at the same rate of
    false positives, and averaged over the strata, weighted by their members. Errors are those of the jackknife over at
    most 20 parts of the pairs, each left out as targets and as references, and of the choice of examples: of whole
    clusters, where examples of one `cluster` belong to one person. Figures that rest on fewer than 3 clusters are about
    these, with the error of models alone. Intervals stay inside [0, 1]. With `alone`, for an attack that needs no
    references on too few models to leave any out, errors are about examples, with these models.

    Undefined:
        nan with its reason where a rate would rest on fewer than 10 false positives, and without members or others.

    Raises:
        TooFewModels: with a part left out, a target has fewer than 4 reference models.
    """
    part = np.zeros(len(pair), np.int64) if alone else _parts_to_leave(pair)
    all_models = np.ones(len(pair), bool)
    if cluster is None:
        cluster = np.arange(member.shape[1])
    strata = _Strata.of(stratum)
    whole = _Reading(attack, member, part, slices, all_models, strata, cluster)
    left_out = [] if alone else np.unique(part).tolist()
    again = [_without(attack, member, part, slices, one, strata, whole.rates) for one in left_out]
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
    all_models, strata = np.ones(len(pair), bool), _Strata.of(stratum)
    areas, scores, cells, all_known = np.empty(draws), np.empty(0), None, bool((member >= 0).all())
    for draw in range(draws):
        given = exchange(pair, rng, level)
        before, scores = scores, attack(all_models, given)
        by_stratum: Sequence[Ranked]
        if all_known and np.array_equal(scores, before, equal_nan=True):  # of the target alone: ranked once
            cells = Ordered.of(scores, member) if cells is None else cells
            by_stratum = _by_stratum(cells.with_members(member[given]), _of(strata, given))
        else:
            numbers = tagged(scores, member[given], np.zeros(len(given), np.int64))
            cells, by_stratum = None, _ranked_by_stratum(numbers, _of(strata, given))
        curve = mean_of(one.roc() for one in by_stratum)
        areas[draw] = math.nan if curve is None else curve.area
    note = "where 95 % of the AUCs fall when membership is swapped within pairs at random"
    return _scatter(areas, len(pair), member.shape[1], note)


def null_of_labels(
    scores: Float[np.ndarray, "model example"],
    member: Int8[np.ndarray, "model example"],
    cluster: Int[np.ndarray, " example"],
    *,
    rng: np.random.Generator,
    draws: int = 20,
) -> Scalar:
    """AUC of scores that stay as they are, where membership is dealt out anew among the clusters at random.

    For models without mates that could exchange their members. The other figures are as those of `null_auc`.
    """
    known = (member >= 0).any(0)
    scores, member = scores[:, known], member[:, known]
    first, cluster = np.unique(cluster[known], return_index=True, return_inverse=True)[1:]
    cells, areas = Ordered.of(scores, member), np.empty(draws)
    for draw in range(draws):
        given = cells.with_members(member[:, rng.permutation(first)[cluster]]).roc()
        areas[draw] = math.nan if given is None else given.area
    note = "where 95 % of the AUCs fall when membership is dealt out anew at random"
    return _scatter(areas, len(scores), len(first), note)


def _scatter(areas: np.ndarray, models: int, examples: int, note: str) -> Scalar:
    """The mean of the draws, their scatter, and the range of most of them."""
    scatter = float(areas.std(ddof=1))
    reach = float(stdtrit(len(areas) - 1, UPPER)) * scatter * math.sqrt(1 + 1 / len(areas))
    mean = float(areas.mean())
    return Scalar(
        value=mean,
        stderr=scatter if scatter > 0 else math.nan,
        low=max(mean - reach, 0.0),
        high=min(mean + reach, 1.0),
        models=models,
        examples=examples,
        reason="there is no member or no non-member" if math.isnan(mean) else "",
        note=note,
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


def references_left(pair: Int[np.ndarray, " model"]) -> int:
    """How many references a target has beside its mate where the largest part of the pairs is left out; 0 of none.

    Example:
        >>> references_left(np.array([0, 0, 1, 1, 2, 2, 3, 3])), references_left(np.array([-1]))
        (4, 0)
    """
    largest = [int(np.bincount(of).max(initial=0)) for of in (parts(pair, groups=PARTS), units(pair))]
    return max(0, len(pair) - sum(largest))


def _parts_to_leave(pair: np.ndarray) -> np.ndarray:
    part, left = parts(pair, groups=PARTS), references_left(pair)
    if left < LEAST_REFERENCES:
        raise TooFewModels(
            f"The figures of an attack need {LEAST_REFERENCES} reference models, apart from a target and the "
            f"other model of its pair, with another pair left out. Got {left} of {len(pair)} models.",
            hint="train at least 8 models in pairs; --models 64 gives an attacker 62.",
        )
    return part


class _Strata(NamedTuple):
    """The number of the stratum of each target and example, from 0, and how many strata there are."""

    code: Int16[np.ndarray, "target example"]
    number: int

    @classmethod
    def of(cls, stratum: np.ndarray | None) -> _Strata | None:
        """None of one stratum alone."""
        if stratum is None or not stratum.size or stratum.min() == stratum.max():
            return None
        names, code = np.unique(stratum, return_inverse=True)
        return cls(code.reshape(stratum.shape).astype(np.int16), len(names))


def _of(strata: _Strata | None, models: np.ndarray) -> _Strata | None:
    """The strata of these models."""
    return None if strata is None else _Strata(strata.code[models], strata.number)


@dataclass(frozen=True, eq=False)
class Family:
    """Groups of examples, or of cells, that share none: the number of each one's group, -1 of none."""

    names: tuple[str, ...]
    group: Integer[np.ndarray, "*cells"]

    def whole(self, cells: Ordered, strata: _Strata | None) -> Iterator[tuple[str, Sequence[Ordered]]]:
        """The cells of each group by stratum."""
        count = 1 if strata is None else strata.number
        group = self.group[cells.column] if self.group.ndim == 1 else cells.among(self.group)
        if strata is not None:
            group = np.where(group >= 0, group * count + cells.among(strata.code), -1)
        group = np.where(group >= 0, group, len(self.names) * count).astype(np.int16)
        found = cells.split(group, len(self.names) * count)
        yield from ((name, found[place * count : (place + 1) * count]) for place, name in enumerate(self.names))

    def again(self, numbers: np.ndarray, strata: _Strata | None) -> Iterator[tuple[str, Sequence[Ranked]]]:
        """The same of tagged scores, each group ranked by itself."""
        if strata is not None:
            group = np.broadcast_to(self.group, numbers.shape)
            for place, name in enumerate(self.names):
                own = group == place
                yield name, [ranked(numbers[own & (strata.code == number)]) for number in range(strata.number)]
            return
        order, ends = self._in_turn
        for name, start, end in zip(self.names, ends, ends[1:], strict=False):
            some = order[start:end]
            yield name, [ranked(numbers.take(some, axis=1 if self.group.ndim == 1 else None))]

    @cached_property
    def _in_turn(self) -> tuple[np.ndarray, np.ndarray]:
        """The places of the groups' cells, group by group, and where each group starts."""
        group = self.group.ravel()
        order = np.argsort(group, kind="stable")  # groups are few: a pass or two
        return order, np.cumsum(np.bincount(group + 1, minlength=len(self.names) + 1))

    def chosen(self, name: str) -> Bool[np.ndarray, " example"]:
        """The examples that are in a group, of cells for any target."""
        own = self.group == self.names.index(name)
        return np.asarray(own if own.ndim == 1 else own.any(0))


def families(masks: Mapping[str, Bool[np.ndarray, "*cells"]]) -> tuple[Family, ...]:
    """Groups as families, those that follow each other and share no cell as one."""
    found: list[tuple[list[str], np.ndarray]] = []
    for name, mask in masks.items():
        if not found or found[-1][1].shape != mask.shape or (mask & (found[-1][1] >= 0)).any():
            found.append(([], np.full(mask.shape, -1, np.int16)))
        names, group = found[-1]
        group += mask * np.int16(len(names) + 1)  # from -1, where the mask is the first that has the cell
        names.append(name)
    return tuple(Family(tuple(names), group) for names, group in found)


def _families(slices: Slices | None, kept: np.ndarray) -> Sequence[Family]:
    found = () if slices is None else slices(kept)
    return families(found) if isinstance(found, Mapping) else found


class _Reading:
    """What the attack on all models shows: figures by slice, that of all scores "", and how far clusters move them.

    `rates` are those of false positives at which the curve is told.
    """

    def __init__(
        self,
        attack: Attack,
        member: np.ndarray,
        part: np.ndarray,
        slices: Slices | None,
        kept: np.ndarray,
        strata: _Strata | None,
        cluster: np.ndarray,
    ) -> None:
        cells = Ordered.of(attack(kept, np.arange(len(member))), member)
        by_stratum = _by_stratum(cells, strata)
        self.curve = mean_of(one.roc() for one in by_stratum)
        balanced = _balanced_accuracy([one.of_parts(part) for one in by_stratum], cells.of_parts(part), self.curve)
        self.figures = {"": _figures(self.curve, RATES, PRIORS) | {"balanced_accuracy": balanced}}
        self.nonmembers = {"": _nonmembers(self.curve)}
        self.examples = {"": member.shape[1]}
        least = min(LEAST_FALSE_POSITIVES / max(self.nonmembers[""], 1), 1.0)
        self.rates = np.geomspace(least, 1.0, _CURVE_POINTS, endpoint=False)
        self.moves = _moving(by_stratum, part, cluster)
        moved = _influences(self.moves, self.figures[""], RATES, PRIORS) | _of_balanced_accuracy(self.moves, part)
        self.influences = {"": moved}
        for family in _families(slices, kept):
            for name, of_slice in family.whole(cells, strata):
                curve, chosen = mean_of(one.roc() for one in of_slice), family.chosen(name)
                self.figures[name] = _figures(curve, SLICE_RATES, ())
                self.nonmembers[name] = _nonmembers(curve)
                self.examples[name] = int(chosen.sum())
                moves = _moving(of_slice, part, _numbered(cluster, chosen))
                self.influences[name] = _influences(moves, self.figures[name], SLICE_RATES, ())


class _Without(NamedTuple):
    """What the attack shows with a part of the models left out: figures by slice, and the curve at some rates."""

    figures: dict[str, dict[str, float]]
    curve: Float[np.ndarray, " rate"]


def _without(
    attack: Attack,
    member: np.ndarray,
    part: np.ndarray,
    slices: Slices | None,
    left_out: int,
    strata: _Strata | None,
    rates: np.ndarray,
) -> _Without:
    kept = part != left_out
    numbers, own = tagged(attack(kept, np.arange(len(member))), member[kept], part[kept]), _of(strata, kept)
    by_stratum = _ranked_by_stratum(numbers, own)
    curve = mean_of(one.roc() for one in by_stratum)
    everything = by_stratum[0] if own is None else ranked(numbers)
    figures = {"": _figures(curve, RATES, PRIORS)}
    figures[""]["balanced_accuracy"] = _balanced_accuracy(by_stratum, everything, curve)
    for family in _families(slices, kept):
        for name, of_slice in family.again(numbers, own):
            figures[name] = _figures(mean_of(one.roc() for one in of_slice), SLICE_RATES, ())
    return _Without(figures, np.full(len(rates), math.nan) if curve is None else curve.at(rates))


def _by_stratum(cells: Ordered, strata: _Strata | None) -> Sequence[Ordered]:
    return [cells] if strata is None else cells.split(cells.among(strata.code), strata.number)


def _ranked_by_stratum(numbers: np.ndarray, strata: _Strata | None) -> list[Tagged]:
    if strata is None:
        return [ranked(numbers)]
    return [ranked(numbers[strata.code == number]) for number in range(strata.number)]


def _balanced_accuracy(by_stratum: Sequence[Tagged], everything: Tagged, curve: RocOfStrata | None) -> float:
    """That of each stratum, weighted as the curve is."""
    if curve is None or len(curve.strata) == 1:
        called = best(everything)
        return math.nan if called is None else called.accuracy
    found = [one for one in by_stratum if len(one.score)]
    each = [math.nan if (called := best(one)) is None else called.accuracy for one in found]
    return float(np.average(each, weights=[int(one.inside.sum()) for one in found]))


def _numbered(cluster: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The clusters of the chosen examples, from 0; the others count as of the first."""
    if not chosen.any():
        return np.zeros(len(cluster), np.int64)
    return np.unique(np.where(chosen, cluster, cluster[chosen][:1]), return_inverse=True)[1]


class _Moving(NamedTuple):
    """A stratum that has members and non-members: its share of the members, its curve, and where its cells belong."""

    share: float
    ordered: Ordered
    cells: Cells
    curve: Roc


def _moving(by_stratum: Sequence[Ordered], part: np.ndarray, cluster: np.ndarray) -> tuple[_Moving, ...]:
    """The strata whose mean the figures are."""
    known = [(one, curve) for one in by_stratum if (curve := one.roc()) is not None]
    total = sum(curve.members for _, curve in known)
    return tuple(_Moving(curve.members / total, one, Cells.ordered(one, part, cluster), curve) for one, curve in known)


def _influences(
    strata: Sequence[_Moving], figures: Mapping[str, float], rates: Sequence[float], priors: Sequence[float]
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


def _of_rate(strata: Sequence[_Moving], rate: float) -> np.ndarray:
    """How far clusters move the rate of true positives; a curve rises as between half the rate and 1.5 of it."""
    around = np.array([0.5 * rate, min(1.5 * rate, 1.0)])
    slopes = [float(np.diff(one.curve.at(around))[0] / np.diff(around)[0]) for one in strata]
    each = zip(strata, slopes, strict=True)
    return np.asarray(np.sum([one.share * influence_of_rate(one.cells, rate, slope) for one, slope in each], axis=0))


def _of_balanced_accuracy(strata: Sequence[_Moving], part: np.ndarray) -> dict[str, np.ndarray]:
    moved = []
    for one in strata:
        cells = one.ordered.of_parts(part)
        called = best(cells)
        if called is None:
            return {}
        above = cells.score >= called.threshold[cells.part]
        moved.append(one.share * influence_of_balanced_accuracy(one.cells, above))
    return {"balanced_accuracy": np.sum(moved, axis=0)} if moved else {}


def _nonmembers(curve: RocOfStrata | None) -> int:
    return 0 if curve is None else curve.nonmembers


def _figures(curve: RocOfStrata | None, rates: Sequence[float], priors: Sequence[float]) -> dict[str, float]:
    found = {"auc": math.nan if curve is None else curve.area}
    true_positives = np.full(len(rates), math.nan) if curve is None else curve.at(np.array(rates))
    for rate, true_positive in zip(rates, true_positives.tolist(), strict=True):
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


def _scalars(whole: _Reading, again: Sequence[_Without], name: str, models: int, unit: str) -> dict[str, Scalar]:
    nonmembers, examples = whole.nonmembers[name], whole.examples[name]
    reasons: dict[str, str] = {}
    for rate in RATES:
        refused = refusal(nonmembers, rate, examples, unit)
        reasons |= dict.fromkeys([tpr_name(rate), *(precision_name(rate, prior) for prior in PRIORS)], refused)
    found = {}
    for figure, value in whole.figures[name].items():
        if not again and figure == "balanced_accuracy":
            continue  # its threshold is that of the other parts
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
    if influence is not None and not len(replicates):
        return found if math.isnan(value) else over_examples(found, influence, bounds=(0.0, 1.0))
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


def _curve(whole: _Reading, again: Sequence[_Without], models: int) -> Curve:
    examples, rates = whole.examples[""], whole.rates
    values = np.full(len(rates), math.nan) if whole.curve is None else whole.curve.at(rates)
    moved = [_of_rate(whole.moves, float(rate)) if whole.moves else None for rate in rates]
    points = [
        _scalar(float(value), np.array(column), models, examples, influence)
        for influence, value, *column in zip(moved, values, *(one.curve for one in again), strict=True)
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
