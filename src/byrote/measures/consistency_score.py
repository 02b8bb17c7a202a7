"""Consistency score: how well an example is predicted from others, as more and more of them are trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Int8
from scipy.special import ndtri

from byrote.measures._groups import CONTROLS, Mask, with_clean
from byrote.measures.assemble import per_example
from byrote.measures.catalog import measure
from byrote.results import Curve, PerExample
from byrote.stats.curves import curve_interval
from byrote.stats.intervals import UPPER, Interval
from byrote.stats.jackknife import parts

_SOURCE = "Jiang et al. 2021, arXiv:2002.03206; survey eq. 8"
#: Ratios closer than this to the next are one ratio: subsets drawn by coins differ a little in size.
_ONE_RATIO = 0.025
#: Gaps between ratios that differ by less than this make an even grid.
_EVEN = 0.01
#: Pairs are left out in at most this many parts.
_PARTS = 20


def _without(part: np.ndarray, evidence: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """The scores with each part of the models left out, from counts; None of several ratios."""
    if len(_levels(evidence["ratio"])) > 1:
        return None
    outside = evidence["member"] == 0
    of_part = part == np.arange(int(part.max(initial=-1)) + 1)[:, None]
    trials = _by_part(outside, of_part)
    missed = _by_part(outside & ~evidence["correct"], of_part)
    return np.asarray(missed / np.where(trials, trials, np.nan))


def _by_part(happened: np.ndarray, of_part: np.ndarray) -> np.ndarray:
    """How often something happened in the models of all parts but one."""
    every = np.stack([np.count_nonzero(happened[models], axis=0) for models in of_part])
    return np.asarray(every.sum(0) - every)


@measure(
    needs=("outputs.correct", "design.member", "design.ratio"),
    unit="probability",
    range=(0.0, 1.0),
    higher="less consistent with other examples, more memorized where it is fitted",
    source=_SOURCE,
    section="3.2",
    domain="generalization",
    level="example",
    evaluation="consistency score",
    by_example=True,
    without=_without,
)
def consistency_score(
    correct: Bool[np.ndarray, "model example"],
    member: Int8[np.ndarray, "model example"],
    ratio: Float[np.ndarray, " model"],
) -> PerExample:
    r"""How often an example's label is missed by models not trained on it, averaged over sizes of the training set.

    Formula:
        1 - C_i, C_i = sum over ratios s of w_s mean(correct[k, i] : ratio[k] = s, member[k, i] = 0),
        with equal w_s on an even grid of ratios and trapezoid weights on an uneven one, summing to 1
    Undefined:
        nan where, at some ratio, every model of known membership was trained on the example.

    Example:
        >>> c = np.array([[1], [1], [0], [1]], bool)
        >>> m, ratio = np.zeros((4, 1), np.int8), np.array([0.2, 0.2, 0.8, 0.8])
        >>> consistency_score(c, m, ratio).values
        array([0.25])

    Differs:
        The source's C is high for typical examples; this is 1 - C, so that higher is more memorized. Ratios that
        lie within .025 of the next count as one. From models of one ratio alone it is the score at that training
        set size, which the note says. Intervals are those of Price & Bonett (2004) for a sum of rates: with m
        ratios, 2/m successes and 2/m failures are added at each. At a ratio s, 1 / (1 - s) models of a ratio grid, or
        some more where subsets are drawn independently, have an answer for every example.
    """
    levels = _levels(ratio)
    trials = np.stack([_counted(member == 0, level.models) for level in levels])
    missed = np.stack([_counted((member == 0) & ~correct, level.models) for level in levels])
    weights = np.array([level.weight for level in levels])
    with np.errstate(invalid="ignore"):
        values = weights @ (missed / np.where(trials, trials, np.nan))
    return per_example(
        values,
        _price_bonett(values, missed, trials, weights),
        [
            (
                f"every model trained on {level.ratio:.0%} of the examples was trained on it{_takes(level)}",
                trials[row] == 0,
            )
            for row, level in enumerate(levels)
        ],
        counts={"nonmembers": trials.sum(0)},
        models=len(member),
        note=_note(levels),
    )


@measure(
    needs=("outputs.correct", "design.member", "design.ratio", "design.pair", *CONTROLS),
    higher="less consistent with other examples, more memorized where they are fitted",
    level="model",
    by_example=False,
    variant_of="consistency_score",
    variant="profile",
)
def consistency_profile(
    correct: Bool[np.ndarray, "model example"],
    member: Int8[np.ndarray, "model example"],
    ratio: Float[np.ndarray, " model"],
    pair: Int[np.ndarray, " model"],
    label_noise: Mask,
    exact_duplicate: Mask,
    near_duplicate: Mask,
    conflicting_duplicate: Mask,
    out_of_distribution: Mask,
    rare_subpopulation: Mask,
    ambiguous: Mask,
    backdoor: Mask,
    clean_label_backdoor: Mask,
    input_noise: Mask,
) -> Curve:
    r"""Share of the examples not trained on whose label is missed, by size of the training set: clean and planted.

    Formula:
        at ratio s: mean over models k with ratio[k] = s of mean(not correct[k, i] : member[k, i] = 0, i in group),
        models without such an example left out; errors by leaving out a pair of models at a time
    Undefined:
        nan where no model of a ratio has a held-out example of the group; the error is nan below 3 pairs of
        models at a ratio.

    Example:
        >>> c = np.array([[1, 0], [1, 0], [1, 0], [1, 1], [1, 1], [1, 1]], bool)
        >>> m, ratio = np.zeros((6, 2), np.int8), np.repeat([0.2, 0.8], 3)
        >>> noisy, no = np.array([False, True]), np.zeros(2, bool)
        >>> consistency_profile(c, m, ratio, np.full(6, -1), noisy, *[no] * 9).values
        array([[0., 0.],
               [1., 0.]])

    Differs:
        One minus the source's profile, as the score is.
    """
    planted = {
        "label_noise": label_noise,
        "exact_duplicate": exact_duplicate,
        "near_duplicate": near_duplicate,
        "conflicting_duplicate": conflicting_duplicate,
        "out_of_distribution": out_of_distribution,
        "rare_subpopulation": rare_subpopulation,
        "ambiguous": ambiguous,
        "backdoor": backdoor,
        "clean_label_backdoor": clean_label_backdoor,
        "input_noise": input_noise,
    }
    groups, levels = with_clean(planted), _levels(ratio)
    shares = [_missed_share(correct, (member == 0) & mask) for mask in groups.values()]
    points = np.array([[_point(share[level.models], pair[level.models]) for level in levels] for share in shares])
    values, stderr, low, high = np.moveaxis(points, -1, 0)
    return Curve(
        axis="ratio",
        at=np.array([level.ratio for level in levels]),
        groups=tuple(groups),
        values=values,
        stderr=stderr,
        low=low,
        high=high,
        counts=np.array([mask.sum() for mask in groups.values()], np.int64),
        models=len(member),
        note=_note(levels),
    )


@dataclass(frozen=True)
class _Level:
    """The models of one inclusion ratio, and the ratio's weight in the score."""

    ratio: float
    models: np.ndarray
    weight: float


def _takes(level: _Level) -> str:
    """How many models of the ratio leave every example out at least once."""
    return f"; it takes {-(-100 // round(100 * (1 - level.ratio)))} such models or more" if level.ratio < 0.995 else ""


def _levels(ratio: np.ndarray) -> list[_Level]:
    """The ratios in ascending order."""
    order = np.argsort(ratio, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(ratio[order]) > _ONE_RATIO) + 1)
    middles = np.array([np.median(ratio[models]) for models in groups])
    return [_Level(float(s), models, float(w)) for s, models, w in zip(middles, groups, _weights(middles), strict=True)]


def _weights(ratios: np.ndarray) -> np.ndarray:
    """Equal on an even grid, else those of the trapezoid rule; they sum to 1."""
    gaps = np.diff(ratios)
    if not len(gaps) or np.ptp(gaps) < _EVEN:
        return np.full(len(ratios), 1.0 / len(ratios))
    halves = np.concatenate([[0.0], gaps / 2, [0.0]])
    weights: np.ndarray = (halves[:-1] + halves[1:]) / gaps.sum()
    return weights


def _counted(happened: np.ndarray, models: np.ndarray) -> np.ndarray:
    return np.asarray(np.count_nonzero(happened[models], axis=0))


def _price_bonett(values: np.ndarray, successes: np.ndarray, trials: np.ndarray, weights: np.ndarray) -> Interval:
    """Interval of sum_s w_s p_s, after Price & Bonett (2004), Computational Statistics & Data Analysis 45(3)."""
    added = 2.0 / len(weights)
    rates = (successes + added) / (trials + 2 * added)
    stderr = np.sqrt(weights**2 @ (rates * (1 - rates) / (trials + 2 * added)))
    centre, reach = weights @ rates, ndtri(UPPER) * stderr
    low = np.fmin(np.clip(centre - reach, 0.0, 1.0), values)
    return Interval(stderr, low, np.fmax(np.clip(centre + reach, 0.0, 1.0), values))


def _missed_share(correct: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Share missed among each model's chosen examples; NaN for a model without any."""
    counted = np.count_nonzero(chosen, axis=1)
    missed = np.count_nonzero(chosen & ~correct, axis=1)
    return np.asarray(missed / np.where(counted, counted, np.nan))


def _point(share: np.ndarray, pair: np.ndarray) -> np.ndarray:
    """Mean over models, its error over pairs, and its bounds."""
    having = np.isfinite(share)
    share, part = share[having], parts(pair[having], groups=_PARTS)
    if not len(share):
        return np.full(4, np.nan)
    names = np.unique(part)
    left_out = [share[part != name].mean() for name in names] if len(names) > 1 else []
    value = np.array([share.mean()])
    interval = curve_interval(value, np.array(left_out).reshape(-1, 1))
    return np.concatenate([value, interval.stderr, interval.low, interval.high])


def _note(levels: list[_Level]) -> str:
    if len(levels) > 1:
        return ""
    return (
        f"at one training set size only, {levels[0].ratio:.0%} of the examples; "
        "a ratio_grid design gives the average over sizes"
    )
