"""Rewinding map: into which layer, and after which epoch, a group's fit was written."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int8, Int32, Int64, Shaped

from byrote.measures._localization import FEWEST, LEVEL, Localized, localized, over_units
from byrote.measures.catalog import measure
from byrote.results import Curve

#: What every map reads.
REWOUND = (
    "rewinding.wrong",
    "rewinding.wrong_permuted",
    "rewinding.right",
    "rewinding.confidence",
    "rewinding.epochs",
    "rewinding.layer",
    "design.member",
    "design.pair",
)


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
    confidence: Float[np.ndarray, "model example"],
    epochs: Int64[np.ndarray, " checkpoint"],
    layer: Shaped[np.ndarray, " layer"],
    member: Int8[np.ndarray, "model example"],
    pair: Int64[np.ndarray, " model"],
    label_noise: Bool[np.ndarray, " example"],
) -> Curve:
    """How much of the fit of mislabelled members is lost when a layer goes back, beyond that of clean ones and damage.

    Both groups are members, and clean ones are weighted so that their final margins are those of the mislabelled: in
    fifths of the margins of the latter. The same for a change of equal size whose entries are permuted is subtracted,
    as predictions near the boundary fall to any change.

    Formula:
        M_g(l, t) = share of predictions of group g that the final network gets right and loses when layer l is as at t
        P_g(l, t) = the same with the entries of the layer's change permuted
        value = (M_noisy - M_clean) - (P_noisy - P_clean), the clean group matched by margin;
        the interval is Student's t over pairs of models, or over models without pairs
    Undefined:
        nan in a model where fewer than 20 examples of a group are finally right, or none of the others are of like
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
        wrong, wrong_permuted, right, confidence, epochs, layer, pair, trained & label_noise, trained & ~label_noise
    )


@measure(
    needs=REWOUND,
    variant_of="rewinding",
    variant="members",
    higher="more of what members alone are fitted by was written into that layer after that epoch",
)
def rewinding_members(
    wrong: Int32[np.ndarray, "model layer checkpoint example"],
    wrong_permuted: Float[np.ndarray, "model layer checkpoint example"],
    right: Int32[np.ndarray, "model example"],
    confidence: Float[np.ndarray, "model example"],
    epochs: Int64[np.ndarray, " checkpoint"],
    layer: Shaped[np.ndarray, " layer"],
    member: Int8[np.ndarray, "model example"],
    pair: Int64[np.ndarray, " model"],
) -> Curve:
    """How much of the fit of what was trained on is lost when a layer goes back, beyond that of what was not.

    As `rewinding`, with members as the group and non-members, such as held-out documents, as the others. Documents
    are matched by the log-probability of all their tokens.

    Formula:
        value = (M_members - M_others) - (P_members - P_others), the others matched by confidence
    Undefined:
        nan in a model where fewer than 20 members, or others, have a prediction that is finally right, or none of the
        others are of like confidence; nan where that is every model. At the last checkpoint nothing is rewound, and it
        is left out.

    Example:
        >>> n, rng = 400, np.random.default_rng(0)
        >>> member, one = (np.arange(n) < 100).astype(np.int8) * np.ones((2, 1), np.int8), np.ones((2, n), np.int32)
        >>> wrong = np.zeros((2, 1, 2, n), np.int32); wrong[:, 0, 0, :50] = 1
        >>> rewinding_members(wrong, np.zeros(wrong.shape, np.float32), one, rng.random((2, n)), np.array([0, 9]),
        ...     np.array(["head"]), member, np.array([-1, -1])).values.tolist()
        [[0.5]]
    """
    return _map(wrong, wrong_permuted, right, confidence, epochs, layer, pair, member == 1, member == 0)


def _map(
    wrong: np.ndarray,
    wrong_permuted: np.ndarray,
    right: np.ndarray,
    confidence: np.ndarray,
    epochs: np.ndarray,
    layer: np.ndarray,
    pair: np.ndarray,
    group: np.ndarray,
    others: np.ndarray,
) -> Curve:
    shape = (len(layer), len(epochs) - 1)
    lost = (wrong - wrong_permuted.astype(np.float64))[:, :, :-1].reshape(len(wrong), -1, wrong.shape[-1])
    found = localized(lost, right, confidence, group, others, pair)
    value, stderr, reach = over_units(found.each, found.unit)
    return Curve(
        axis="epochs",
        at=epochs[:-1].astype(np.float64),
        groups=tuple(str(name) for name in layer),
        values=value.reshape(shape),
        stderr=stderr.reshape(shape),
        low=np.maximum(value - reach, -2.0).reshape(shape),
        high=np.minimum(value + reach, 2.0).reshape(shape),
        counts=np.full(len(layer), found.matched, np.int64),
        models=len(wrong),
        note=_note(found),
    )


def _note(found: Localized) -> str:
    models = len(found.each)
    few = f"fewer than {FEWEST} examples of a group with a prediction that is finally right"
    if found.missing == models:
        return f"{few} in every model, or nobody of like confidence"
    sentences = [
        f"a cell stands out from groups drawn among examples of like confidence where it is beyond ±{found.band:.2g}, "
        f"which no cell of {LEVEL:.0%} of such maps is"
    ]
    if found.missing:
        sentences.append(f"{found.missing} models have {few}, or nobody of like confidence")
    if found.matched < found.asked:
        sentences.append(f"{found.matched} of {found.asked} predictions of the group have others of like confidence")
    return "; ".join(sentences)
