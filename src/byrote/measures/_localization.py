"""What is lost of a group when a part of a network goes back, beyond what damage and being near the boundary explain.

The shared part of the rewinding maps: groups matched by how sure the final network is, and what chance gives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import t

from byrote.stats.jackknife import units

#: A group with fewer examples that the final network predicts correctly has no map in that model.
FEWEST = 20
#: Groups are compared within so many parts of the confidence, and drawn anew so often.
PARTS, DRAWS = 5, 200
LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class Localized:
    """The map of a group: `each[model, cell]`, nan of a model without one, and what stands out from chance.

    `band` is what the largest cell of a map exceeds in 5 % of the draws of the group; `matched` and `asked` count the
    group's correct predictions, over models, that had others of like confidence, and all of them. `unit` numbers the
    pair of each model, or itself where it has no mate.
    """

    each: Float[np.ndarray, "model cell"]
    band: float
    matched: int
    asked: int
    unit: np.ndarray

    @property
    def missing(self) -> int:
        """How many models have no map."""
        return int(np.isnan(self.each).any(1).sum())


@dataclass(frozen=True, eq=False)
class _Model:
    """One model: `lost[cell, example]` of the examples at `rows`, how many predictions were right, how surely."""

    lost: np.ndarray
    right: np.ndarray
    confidence: np.ndarray
    part: np.ndarray
    group: np.ndarray
    rows: np.ndarray


def localized(
    lost: Float[np.ndarray, "model cell example"],
    right: np.ndarray,
    confidence: np.ndarray,
    group: Bool[np.ndarray, "model example"],
    others: Bool[np.ndarray, "model example"],
    pair: np.ndarray,
) -> Localized:
    """The map of a group against others of like confidence, model by model.

    Others that the network is surer of than of all of the group, or less sure, are left out.
    """
    models = [_model(lost[row], right[row], confidence[row], group[row], others[row]) for row in range(len(lost))]
    each = np.array([np.full(lost.shape[1], np.nan) if one is None else beyond(one) for one in models])
    known, unit = [one for one in models if one is not None], units(pair)
    defined = np.array([one is not None for one in models], bool)
    asked = [right[row][group[row] & (right[row] > 0)].sum() for row in np.flatnonzero(defined)]
    return Localized(
        each=each,
        band=_band(known, unit[defined], group, others),
        matched=int(sum(_comparable(one).sum() for one in known)),
        asked=int(sum(asked)),
        unit=unit,
    )


def enough(examples: int) -> bool:
    """Whether a group of so many examples has a map."""
    return examples >= FEWEST


def over_units(each: Float[np.ndarray, "model cell"], unit: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over pairs or models, its error, and how far the interval reaches; nan where one is there, or none varies.

    Example:
        >>> [part.round(3).tolist() for part in over_units(np.array([[1.0], [2.0], [3.0]]), np.array([0, 0, 1]))]
        [[2.25], [0.75], [9.53]]
    """
    rows = by_unit(each, unit)
    if not len(rows):
        return (np.full(each.shape[1], np.nan),) * 3
    value = rows.mean(0)
    if len(rows) < 2:
        return value, np.full(len(value), np.nan), np.full(len(value), np.nan)
    stderr = rows.std(0, ddof=1) / np.sqrt(len(rows))
    stderr[stderr == 0] = np.nan
    return value, stderr, stderr * t.ppf(0.5 + LEVEL / 2, len(rows) - 1)


def by_unit(each: Float[np.ndarray, "model cell"], unit: np.ndarray) -> Float[np.ndarray, "unit cell"]:
    """The means over the models of each pair; models without a map are left out."""
    defined = ~np.isnan(each).any(1)
    rows = [each[defined & (unit == one)].mean(0) for one in np.unique(unit[defined])]
    return np.array(rows).reshape(-1, each.shape[1])


def _model(
    lost: Float[np.ndarray, "cell example"],
    right: np.ndarray,
    confidence: np.ndarray,
    group: np.ndarray,
    others: np.ndarray,
) -> _Model | None:
    """What the map of one model rests on; None where a group is too small, or nobody is of like confidence."""
    counted = (right > 0) & np.isfinite(confidence)
    group, others = group & counted, others & counted
    if not enough(min(int(group.sum()), int(others.sum()))):
        return None
    others &= (confidence >= confidence[group].min()) & (confidence <= confidence[group].max())
    rows = np.flatnonzero(group | others)
    part = fifths(confidence[rows], confidence[group])
    if not np.intersect1d(part[group[rows]], part[others[rows]]).size:
        return None
    return _Model(lost[:, rows], right[rows].astype(np.float64), confidence[rows], part, group[rows], rows)


def fifths(values: np.ndarray, of_group: np.ndarray) -> np.ndarray:
    """The fifth of the group's values in which each value lies."""
    return np.searchsorted(np.quantile(of_group, np.arange(1, PARTS) / PARTS), values, side="right")


def beyond(model: _Model) -> Float[np.ndarray, " cell"]:
    """The map of one model."""
    return _matched(model, model.group[None])[:, 0]


def _comparable(model: _Model) -> np.ndarray:
    """Right predictions of the group in parts that others are in."""
    shared = np.intersect1d(model.part[model.group], model.part[~model.group])
    return model.right[model.group & np.isin(model.part, shared)]


def _matched(model: _Model, groups: Bool[np.ndarray, "draw example"]) -> Float[np.ndarray, "cell draw"]:
    """Loss of each group minus that of the others, part by part of the confidence.

    A part in which there are none of the others is left out.
    """
    total, weights = np.zeros((len(model.lost), len(groups))), np.zeros(len(groups))
    for number in np.unique(model.part):
        here = model.part == number
        own = groups[:, here].T.astype(np.float64)
        in_group, in_all = model.right[here] @ own, model.right[here].sum()
        lost, all_lost = model.lost[:, here] @ own, model.lost[:, here].sum(1, keepdims=True)
        fine = (in_group > 0) & (in_group < in_all)
        apart = lost[:, fine] / in_group[fine] - (all_lost - lost[:, fine]) / (in_all - in_group[fine])
        total[:, fine] += in_group[fine] * apart
        weights[fine] += in_group[fine]
    return np.divide(total, weights, out=np.full_like(total, np.nan), where=weights > 0)


def _band(models: list[_Model], unit: np.ndarray, group: np.ndarray, others: np.ndarray) -> float:
    """What the largest cell of a map exceeds in 5 % of the draws of groups within parts of the confidence.

    A group of examples is drawn once for all models, as what an example loses is much the same in each of them. Where
    an example is in the group of one model and among the others of another, each model draws for itself.
    """
    if not models:
        return float("nan")
    rng = np.random.default_rng(0)
    if (group.any(0) & others.any(0)).any():
        draws = [_drawn(model.part, model.group, rng) for model in models]
    else:
        drawn = _drawn_once(models, np.asarray(group.any(0)), rng)
        draws = [drawn[:, model.rows] for model in models]
    maps = np.array([_matched(model, drawn) for model, drawn in zip(models, draws, strict=True)])
    means = np.array([maps[unit == one].mean(0) for one in np.unique(unit)]).mean(0)
    return float(np.nanquantile(np.abs(means).max(0), LEVEL)) if means.size else float("nan")


def _drawn_once(models: list[_Model], group: np.ndarray, rng: np.random.Generator) -> Bool[np.ndarray, "draw example"]:
    """Groups of examples that are of like confidence, over the models, as those of the group."""
    total, count = np.zeros(len(group)), np.zeros(len(group))
    for model in models:
        total[model.rows] += model.confidence
        count[model.rows] += 1
    there = np.flatnonzero(count)
    mean = total[there] / count[there]
    made = np.zeros((DRAWS, len(group)), bool)
    made[:, there] = _drawn(fifths(mean, mean[group[there]]), group[there], rng)
    return made


def _drawn(part: np.ndarray, group: np.ndarray, rng: np.random.Generator) -> Bool[np.ndarray, "draw example"]:
    """Groups of as many examples, drawn within each part."""
    made = np.zeros((DRAWS, len(group)), bool)
    for number in np.unique(part):
        here = np.flatnonzero(part == number)
        order = rng.random((DRAWS, len(here))).argsort(1)[:, : int(group[here].sum())]
        made[np.arange(DRAWS)[:, None], here[order]] = True
    return made
