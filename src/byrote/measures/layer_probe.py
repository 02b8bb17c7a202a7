"""Layer probes: which label a simple classifier reads off each layer, and so where it is visible."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Int, Int8, Shaped

from byrote.measures._over_models import over_models
from byrote.measures.catalog import measure
from byrote.results import Curve

_SOURCE = "Alain & Bengio 2016, arXiv:1610.01644"
_DESIGN = ("layer_probes.epochs", "layer_probes.layer", "design.member", "design.pair")
_EMPTY = "no model was trained on an example of it that the probe looked at"

Answers = Int[np.ndarray, "model checkpoint layer example"]
Epochs = Int[np.ndarray, " checkpoint"]
Layers = Shaped[np.ndarray, " layer"]
Members = Int8[np.ndarray, "model example"]
Pairs = Int[np.ndarray, " model"]
Labels = Int[np.ndarray, " example"]


def _probe(
    needs: tuple[str, ...], variant: str = "", *, higher: str
) -> Callable[[Callable[..., Curve]], Callable[..., Curve]]:
    return measure(
        needs=needs,
        variant_of="layer_probe",
        variant=variant,
        unit="share of examples",
        range=(0.0, 1.0),
        higher=higher,
        source=_SOURCE,
        section="4.5",
        domain="generalization",
        level="model",
        evaluation="representation",
        by_example=False,
    )


@_probe(
    ("layer_probes.neighbours_true", "data.true_label", *_DESIGN),
    higher="the true label is easier to read off the layer",
)
def layer_probe(
    neighbours_true: Answers, true_label: Labels, epochs: Epochs, layer: Layers, member: Members, pair: Pairs
) -> Curve:
    r"""Share of training examples whose true label the nearest other training examples have, by layer.

    "inputs" is the same on the inputs: what they show already a layer need not have learned. Epoch 0 is the untrained
    network.

    Formula:
        mean over models k of mean(vote[k, t, l, i] = y_i : member[k, i] = 1), vote the most frequent true label
        of the 5 nearest members by the angle of what layer l hands on, i left out
    Undefined:
        nan where a model was trained on none of the examples that were looked at; the error is nan below 3 pairs.

    Example:
        >>> votes, y = np.array([[[[0, 1]]], [[[0, 0]]], [[[0, 1]]]]), np.array([0, 1])
        >>> layer_probe(votes, y, np.array([0]), np.array(["inputs"]), np.ones((3, 2), np.int8), np.full(3, -1)).values
        array([[0.83333333]])

    Differs:
        The source fits linear classifiers, which `layer_probe[ridge]` does.
    """
    return _share(neighbours_true, true_label, member == 1, epochs, layer, pair)


@_probe(
    ("layer_probes.neighbours_given", "data.label", *_DESIGN), "given", higher="the given label is easier to read off"
)
def layer_probe_given(
    neighbours_given: Answers, label: Labels, epochs: Epochs, layer: Layers, member: Members, pair: Pairs
) -> Curve:
    r"""Share of training examples whose given label the nearest other training examples have, by layer.

    Formula:
        as layer_probe, with given labels
    Undefined:
        as layer_probe.

    Example:
        >>> votes, y = np.array([[[[0, 1]]], [[[0, 0]]], [[[0, 1]]]]), np.array([0, 1])
        >>> one = np.ones((3, 2), np.int8)
        >>> layer_probe_given(votes, y, np.array([0]), np.array(["inputs"]), one, np.full(3, -1)).values
        array([[0.83333333]])
    """
    return _share(neighbours_given, label, member == 1, epochs, layer, pair)


@_probe(
    ("layer_probes.ridge_true", "data.true_label", *_DESIGN), "ridge", higher="the true label is easier to read off"
)
def layer_probe_ridge(
    ridge_true: Answers, true_label: Labels, epochs: Epochs, layer: Layers, member: Members, pair: Pairs
) -> Curve:
    r"""Share of training examples whose true label ridge regression on a layer answers, the example left out.

    Formula:
        as layer_probe, with the largest answer of ridge regression onto class indicators, in the closed form of
        fits without the example (`stats.ridge`)
    Undefined:
        as layer_probe.

    Example:
        >>> answers, y = np.array([[[[0, 1]]], [[[0, 0]]], [[[0, 1]]]]), np.array([0, 1])
        >>> one = np.ones((3, 2), np.int8)
        >>> layer_probe_ridge(answers, y, np.array([0]), np.array(["inputs"]), one, np.full(3, -1)).values
        array([[0.83333333]])
    """
    return _share(ridge_true, true_label, member == 1, epochs, layer, pair)


@_probe(
    ("layer_probes.ridge_given", "data.label", *_DESIGN), "ridge_given", higher="the given label is easier to read off"
)
def layer_probe_ridge_given(
    ridge_given: Answers, label: Labels, epochs: Epochs, layer: Layers, member: Members, pair: Pairs
) -> Curve:
    r"""Share of training examples whose given label ridge regression on a layer answers, the example left out.

    Formula:
        as layer_probe[ridge], with given labels
    Undefined:
        as layer_probe.

    Example:
        >>> answers, y = np.array([[[[0, 1]]], [[[0, 0]]], [[[0, 1]]]]), np.array([0, 1])
        >>> one = np.ones((3, 2), np.int8)
        >>> layer_probe_ridge_given(answers, y, np.array([0]), np.array(["inputs"]), one, np.full(3, -1)).values
        array([[0.83333333]])
    """
    return _share(ridge_given, label, member == 1, epochs, layer, pair)


def _share(
    answers: np.ndarray, labels: np.ndarray, chosen: np.ndarray, epochs: np.ndarray, layer: np.ndarray, pair: np.ndarray
) -> Curve:
    """Share of each model's chosen examples whose answer is their label; the mean over models by layer and epoch."""
    counted = chosen[:, None, None] & (answers >= 0)
    count = counted.sum(3)
    share = ((answers == labels) & counted).sum(3) / np.where(count, count, np.nan)
    names, counts = [str(name) for name in layer], np.full(len(layer), chosen.any(0).sum(), np.int64)
    return over_models(share.transpose(0, 2, 1), epochs, pair, names, counts=counts, bounds=(0.0, 1.0), why=_EMPTY)
