"""EL2N: how far the probabilities are from the label."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, Int8

from byrote.measures._in_time import EARLY, averaged, early
from byrote.measures._members import side_average
from byrote.measures.catalog import measure
from byrote.measures.in_minus_out import in_minus_out
from byrote.results import PerExample
from byrote.stats.intervals import UNBOUNDED

_SOURCE = "Paul et al. 2021, arXiv:2107.07075, definition 2.2"
#: The square root of 2, with room for rounding.
_MOST = 1.4142137


@measure(
    needs=("el2n.error", "el2n.epochs", "design.member"),
    unit="probability",
    range=(0.0, _MOST),
    higher="more memorized",
    source=_SOURCE,
    section="3.6",
    domain="generalization",
    level="example",
    evaluation="proxy",
    by_example=True,
)
def el2n(
    error: Float[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    member: Int8[np.ndarray, "model example"],
    *,
    side: int = 1,
    share: float = EARLY,
) -> PerExample:
    r"""How far an example's probabilities are from its label early in training, in models trained on it.

    Formula:
        mean over members k of ||softmax(z[k, i]) - e_y||, at the checkpoint nearest to a tenth (`share`) of the epochs
        and never before training; `side=0` takes the models that were not trained on the example
    Undefined:
        nan where no model was trained on the example, or a single checkpoint was recorded; the error is nan below 2
        models.

    Example:
        >>> e = np.array([[[0.9], [0.4], [0.0]], [[0.9], [0.6], [0.0]]])
        >>> el2n(e, np.array([0, 1, 10]), np.ones((2, 1), np.int8)).values
        array([0.5])

    Differs:
        The source averages models that train on all data. The survey has no value for the time; the source takes a
        tenth of the epochs. Before training the score says nothing (Kirsch 2023, arXiv:2303.14753).
    """
    return side_average(iter(early(error, epochs, share)), member, side, bounds=(0.0, _MOST))


@measure(
    needs=("el2n.error", "el2n.epochs", "design.member"),
    variant_of="el2n",
    variant="mean",
)
def el2n_mean(
    error: Float[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    member: Int8[np.ndarray, "model example"],
    *,
    side: int = 1,
) -> PerExample:
    r"""How far an example's probabilities are from its label, averaged over the epochs, in models trained on it.

    Formula:
        mean over members k and over epochs of ||softmax(z[k, i]) - e_y||, linear between recorded epochs
    Undefined:
        nan where no model was trained on the example; the error is nan below 2.

    Example:
        >>> e = np.array([[[1.0], [0.5]], [[0.9], [0.0]]])
        >>> el2n_mean(e, np.array([0, 1]), np.ones((2, 1), np.int8)).values
        array([0.6])

    Differs:
        The source takes one early time.
    """
    return side_average(averaged(error, epochs), member, side, bounds=(0.0, _MOST))


@measure(
    needs=("el2n.error", "el2n.epochs", "design.member", "design.pair", "design.stratum"),
    variant_of="el2n",
    variant="counterfactual",
    range=(-_MOST, _MOST),
    higher="more of the fit is due to the example itself",
    evaluation="differential",
)
def el2n_counterfactual(
    error: Float[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
    stratum: Int[np.ndarray, "model example"] | None = None,
) -> PerExample:
    r"""How much farther probabilities are from the label in models without an example than in those trained on it.

    Formula:
        v[k, i] = mean over epochs of ||softmax(z[k, i]) - e_y||;
        mean(v : not trained on i) - mean(v : trained on i), pair by pair; 0 where training on it changes nothing
    Undefined:
        nan where an example is in every model or in none, with fewer than 2 pairs or 2 models a side.

    Example:
        >>> e = np.array([[[0.2]], [[1.0]], [[0.3]], [[0.9]]])
        >>> m = np.array([[1], [0], [1], [0]], np.int8)
        >>> el2n_counterfactual(e, np.array([5]), m, np.array([0, 0, 1, 1])).values.round(6)
        array([0.7])

    Differs:
        The source has no such form: it compares no models with and without an example.
    """
    rows = -np.stack([*averaged(error, epochs)])
    return in_minus_out(rows, member, pair, stratum, bounds=UNBOUNDED, what="distance")
