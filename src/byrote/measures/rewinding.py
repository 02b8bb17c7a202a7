"""Rewinding map: into which layer, and after which epoch, a group's fit was written."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int8, Int32, Int64, Shaped
from scipy.stats import t

from byrote.measures.catalog import measure
from byrote.results import Curve

#: A group with fewer predictions that the final network gets right has no map in that model.
FEWEST = 20
#: Groups are compared within so many parts of the margin, and drawn anew so often.
PARTS, DRAWS = 5, 200
LEVEL = 0.95
#: What every map reads.
REWOUND = (
    "rewinding.wrong",
    "rewinding.wrong_permuted",
    "rewinding.right",
    "rewinding.margin",
    "rewinding.epochs",
    "rewinding.layer",
    "design.member",
    "design.pair",
)


@dataclass(frozen=True, eq=False)
class _Model:
    """One model: `lost[cell, example]` beyond the permuted change, predictions that were right, part of the margin."""

    lost: np.ndarray
    right: np.ndarray
    part: np.ndarray
    group: np.ndarray


@measure(
    needs=(*REWOUND, "controls.label_noise"),
    unit="share of predictions",
    range=(-2.0, 2.0),
    higher="more of what the group alone has learned was written into that layer after that epoch",
    source="Maini et al. 2023, arXiv:2307.09542, with two nulls",
    section="4.5",
    domain="generalization",
    level="model",
    evaluation="localization",
    by_example=False,
)
def rewinding(
    wrong: Int32[np.ndarray, "model layer checkpoint example"],
    wrong_permuted: Float[np.ndarray, "model layer checkpoint example"],
    right: Int32[np.ndarray, "model example"],
    margin: Float[np.ndarray, "model example"],
    epochs: Int64[np.ndarray, " checkpoint"],
    layer: Shaped[np.ndarray, " layer"],
    member: Int8[np.ndarray, "model example"],
    pair: Int64[np.ndarray, " model"],
    label_noise: Bool[np.ndarray, " example"],
) -> Curve:
    """How much of the fit of mislabelled members is lost when a layer goes back, beyond that of clean ones and damage.

    Both groups are members, and clean ones are weighted so that their final margins are those of the mislabelled: in
    fifths of the margins of the latter. The same for a change of equal size whose entries are permuted is taken off,
    as predictions near the boundary fall to any change.

    Formula:
        M_g(l, t) = share of predictions of group g that the final network gets right and loses when layer l is as at t
        P_g(l, t) = the same with the entries of the layer's change permuted
        value = (M_noisy - M_clean) - (P_noisy - P_clean), the clean group matched by margin;
        the interval is Student's t over pairs of models, or over models without pairs
    Undefined:
        nan in a model where fewer than 20 predictions of a group are finally right, or none of the others are of like
        margin; nan where that is every model. At the last checkpoint nothing is rewound, and it is left out.

    Example:
        >>> n, rng = 400, np.random.default_rng(0)
        >>> noisy, one = np.arange(n) < 100, np.ones((2, n), np.int32)
        >>> wrong = np.zeros((2, 1, 2, n), np.int32); wrong[:, 0, 0, :50] = 1
        >>> found = rewinding(wrong, np.zeros(wrong.shape, np.float32), one, rng.random((2, n)), np.array([0, 9]),
        ...     np.array(["head"]), one.astype(np.int8), np.array([-1, -1]), noisy)
        >>> found.groups, found.values.tolist()
        (('head',), [[0.5]])
    """
    trained = member == 1
    return _map(
        wrong, wrong_permuted, right, margin, epochs, layer, pair, trained & label_noise, trained & ~label_noise
    )


@measure(
    needs=REWOUND,
    variant_of="rewinding",
    variant="members",
    unit="share of predictions",
    range=(-2.0, 2.0),
    higher="more of what members alone are fitted by was written into that layer after that epoch",
    source="Maini et al. 2023, arXiv:2307.09542, with two nulls",
    section="4.5",
    domain="generalization",
    level="model",
    evaluation="localization",
    by_example=False,
)
def rewinding_members(
    wrong: Int32[np.ndarray, "model layer checkpoint example"],
    wrong_permuted: Float[np.ndarray, "model layer checkpoint example"],
    right: Int32[np.ndarray, "model example"],
    margin: Float[np.ndarray, "model example"],
    epochs: Int64[np.ndarray, " checkpoint"],
    layer: Shaped[np.ndarray, " layer"],
    member: Int8[np.ndarray, "model example"],
    pair: Int64[np.ndarray, " model"],
) -> Curve:
    """How much of the fit of what was trained on is lost when a layer goes back, beyond that of what was not.

    As `rewinding`, with members as the group and non-members, such as held-out documents, as the others.

    Formula:
        value = (M_members - M_others) - (P_members - P_others), the others matched by margin
    Undefined:
        nan in a model where fewer than 20 predictions of members, or of others, are finally right, or none of the
        others are of like margin; nan where that is every model. At the last checkpoint nothing is rewound, and it is
        left out.

    Example:
        >>> n, rng = 400, np.random.default_rng(0)
        >>> member, one = (np.arange(n) < 100).astype(np.int8) * np.ones((2, 1), np.int8), np.ones((2, n), np.int32)
        >>> wrong = np.zeros((2, 1, 2, n), np.int32); wrong[:, 0, 0, :50] = 1
        >>> rewinding_members(wrong, np.zeros(wrong.shape, np.float32), one, rng.random((2, n)), np.array([0, 9]),
        ...     np.array(["head"]), member, np.array([-1, -1])).values.tolist()
        [[0.5]]
    """
    return _map(wrong, wrong_permuted, right, margin, epochs, layer, pair, member == 1, member == 0)


def _map(
    wrong: np.ndarray,
    wrong_permuted: np.ndarray,
    right: np.ndarray,
    margin: np.ndarray,
    epochs: np.ndarray,
    layer: np.ndarray,
    pair: np.ndarray,
    group: np.ndarray,
    others: np.ndarray,
) -> Curve:
    shape = (len(layer), len(epochs) - 1)
    lost = (wrong - wrong_permuted.astype(np.float64))[:, :, :-1].reshape(len(wrong), -1, wrong.shape[-1])
    models = [_model(lost[row], right[row], margin[row], group[row], others[row]) for row in range(len(wrong))]
    each = np.array([np.full(lost.shape[1], np.nan) if one is None else _beyond(one) for one in models])
    value, stderr, reach = _over_models(each, pair)
    stands_out = _band([one for one in models if one is not None], _unit(models, pair))
    counts = int(sum(one.right[one.group].sum() for one in models if one is not None))
    return Curve(
        axis="epochs",
        at=epochs[:-1].astype(np.float64),
        groups=tuple(str(name) for name in layer),
        values=value.reshape(shape),
        stderr=stderr.reshape(shape),
        low=np.maximum(value - reach, -2.0).reshape(shape),
        high=np.minimum(value + reach, 2.0).reshape(shape),
        counts=np.full(len(layer), counts, np.int64),
        models=len(wrong),
        note=_note(models, stands_out),
    )


def _note(models: list[_Model | None], stands_out: float) -> str:
    if np.isnan(stands_out):
        return f"fewer than {FEWEST} predictions of a group are finally right in every model, or none of like margin"
    left = sum(one is None for one in models)
    fewer = (
        f"; {left} models have fewer than {FEWEST} such predictions of a group, or none of like margin" if left else ""
    )
    return (
        f"a cell stands out from groups drawn among predictions of like margin where it is beyond ±{stands_out:.2g}, "
        f"which no cell of 95 % of such maps is{fewer}"
    )


def _model(
    lost: Float[np.ndarray, "cell example"],
    right: np.ndarray,
    margin: np.ndarray,
    group: np.ndarray,
    others: np.ndarray,
) -> _Model | None:
    """What the map of one model rests on; None where a group is too small, or nobody has margins like its own."""
    counted = (right > 0) & np.isfinite(margin) & (group | others)
    group, others = group & counted, others & counted
    if min(right[group].sum(), right[others].sum()) < FEWEST:
        return None
    edges = np.quantile(margin[group], np.arange(1, PARTS) / PARTS)
    part = np.searchsorted(edges, margin[counted], side="right")
    if not np.intersect1d(part[group[counted]], part[others[counted]]).size:
        return None
    return _Model(lost[:, counted], right[counted].astype(np.float64), part, group[counted])


def _beyond(model: _Model) -> np.ndarray:
    """The map of one model, `[cell]`."""
    return _matched(model, model.group[None])[:, 0]


def _matched(model: _Model, groups: Bool[np.ndarray, "draw example"]) -> np.ndarray:
    """Loss of each group less that of the others, part by part of the margin, `[cell, draw]`.

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


def _unit(models: list[_Model | None], pair: np.ndarray) -> np.ndarray:
    """The pair of each model that has a map; its own number where it has no mate."""
    own = np.where(pair >= 0, pair, -1 - np.arange(len(pair)))
    return np.asarray(own[np.array([one is not None for one in models], bool)])


def _over_models(each: Float[np.ndarray, "model cell"], pair: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over pairs, its error, and how far the interval reaches; nan where there is one pair, or none varies."""
    unit = np.where(pair >= 0, pair, -1 - np.arange(len(pair)))
    defined = ~np.isnan(each).any(1)
    rows = np.array([each[defined & (unit == one)].mean(0) for one in np.unique(unit[defined])])
    if not len(rows):
        return (np.full(each.shape[1], np.nan),) * 3
    value = rows.mean(0)
    if len(rows) < 2:
        return value, np.full(len(value), np.nan), np.full(len(value), np.nan)
    stderr = rows.std(0, ddof=1) / np.sqrt(len(rows))
    stderr[stderr == 0] = np.nan
    return value, stderr, stderr * t.ppf(0.5 + LEVEL / 2, len(rows) - 1)


def _band(models: list[_Model], unit: np.ndarray) -> float:
    """What the largest cell of a map exceeds in 5 % of the draws, where groups are drawn within parts of the margin."""
    if not models:
        return float("nan")
    rng = np.random.default_rng(0)
    maps = np.array([_matched(model, _drawn(model, rng)) for model in models])
    means = np.array([maps[unit == one].mean(0) for one in np.unique(unit)]).mean(0)
    return float(np.nanquantile(np.abs(means).max(0), LEVEL)) if means.size else float("nan")


def _drawn(model: _Model, rng: np.random.Generator) -> Bool[np.ndarray, "draw example"]:
    """Groups of as many examples, drawn within each part of the margin."""
    made = np.zeros((DRAWS, len(model.group)), bool)
    for number in np.unique(model.part):
        here = np.flatnonzero(model.part == number)
        order = rng.random((DRAWS, len(here))).argsort(1)[:, : int(model.group[here].sum())]
        made[np.arange(DRAWS)[:, None], here[order]] = True
    return made
