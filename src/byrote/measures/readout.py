"""Readout map: in which layer, and after which epoch, the label that was trained on can be read off."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int8, Int64, Shaped

from byrote.measures._localization import FEWEST, enough, over_units
from byrote.measures.catalog import measure
from byrote.results import Curve
from byrote.stats.jackknife import units

_READ = ("readout.given", "readout.epochs", "readout.layer", "design.member", "design.pair")


@measure(
    needs=("readout.true", *_READ, "controls.label_noise"),
    unit="share of examples",
    range=(-1.0, 1.0),
    higher="the wrong label is read there, and not the true one",
    source="kNN probes by layer, as Anagnostidis et al. 2023 read them, of given and of true labels",
    section="4.5",
    domain="generalization",
    level="model",
    evaluation="localization",
    by_example=False,
)
def readout(
    true: Float[np.ndarray, "model layer checkpoint example"],
    given: Float[np.ndarray, "model layer checkpoint example"],
    epochs: Int64[np.ndarray, " checkpoint"],
    layer: Shaped[np.ndarray, " layer"],
    member: Int8[np.ndarray, "model example"],
    pair: Int64[np.ndarray, " model"],
    label_noise: Bool[np.ndarray, " example"],
) -> Curve:
    """How much more often neighbours of mislabelled members give the wrong label that was trained on than the true one.

    It says where the wrong label is visible; `rewinding` says where it is stored, which is something else.

    Formula:
        Q(l, t) = P(5 nearest neighbours in layer l at t give the given label) - P(they give the true label), over the
        mislabelled members of each model; the interval is Student's t over pairs, or over models without pairs
    Undefined:
        nan in a model with fewer than 20 such members; nan where that is every model.

    Example:
        >>> given, true = np.ones((2, 1, 1, 30)), np.zeros((2, 1, 1, 30))
        >>> found = readout(true, given, np.array([9]), np.array(["head"]), np.ones((2, 30), np.int8),
        ...     np.array([-1, -1]), np.ones(30, bool))
        >>> found.groups, found.values.tolist()
        (('head',), [[1.0]])
    """
    return _curve(given.astype(np.float64) - true, epochs, layer, pair, (member == 1) & label_noise, (-1.0, 1.0))


@measure(
    needs=_READ,
    variant_of="readout",
    variant="members",
    unit="share of predictions",
    range=(0.0, 1.0),
    higher="what was trained on is read there",
    source="kNN probes by layer, as Anagnostidis et al. 2023 read them",
)
def readout_members(
    given: Float[np.ndarray, "model layer checkpoint example"],
    epochs: Int64[np.ndarray, " checkpoint"],
    layer: Shaped[np.ndarray, " layer"],
    member: Int8[np.ndarray, "model example"],
    pair: Int64[np.ndarray, " model"],
) -> Curve:
    """How often neighbours of members give the label that was trained on; of documents the next token.

    Formula:
        P(5 nearest neighbours in layer l at t, the example itself left out, give the given label), over the members
    Undefined:
        nan in a model with fewer than 20 members that are read; nan where that is every model.

    Example:
        >>> readout_members(np.ones((2, 1, 1, 30)), np.array([9]), np.array(["head"]), np.ones((2, 30), np.int8),
        ...     np.array([-1, -1])).values.tolist()
        [[1.0]]
    """
    return _curve(given.astype(np.float64), epochs, layer, pair, member == 1, (0.0, 1.0))


def read_of(
    values: Float[np.ndarray, "model layer checkpoint example"], group: Bool[np.ndarray, "model example"]
) -> Float[np.ndarray, "model layer checkpoint"]:
    """The mean over a group in each model; nan where fewer than 20 of it are read."""
    made = np.full(values.shape[:3], np.nan)
    for row, mine in enumerate(group):
        own = values[row][:, :, mine]
        known = ~np.isnan(own).any((0, 1))
        if enough(int(known.sum())):
            made[row] = own[:, :, known].mean(2)
    return made


def _curve(
    values: np.ndarray,
    epochs: np.ndarray,
    layer: np.ndarray,
    pair: np.ndarray,
    group: np.ndarray,
    bounds: tuple[float, float],
) -> Curve:
    each = read_of(values, group)
    shape = each.shape[1:]
    value, stderr, reach = over_units(each.reshape(len(each), -1), units(pair))
    none = np.isnan(each).all()
    return Curve(
        axis="epochs",
        at=epochs.astype(np.float64),
        groups=tuple(str(name) for name in layer),
        values=value.reshape(shape),
        stderr=stderr.reshape(shape),
        low=np.maximum(value - reach, bounds[0]).reshape(shape),
        high=np.minimum(value + reach, bounds[1]).reshape(shape),
        counts=np.full(len(layer), int(group.sum()), np.int64),
        models=len(values),
        note=f"fewer than {FEWEST} examples of the group are read in every model" if none else "",
    )
