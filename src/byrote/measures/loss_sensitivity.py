"""Loss sensitivity: how much an example's loss changes with its inputs, over all of the training."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, Int8

from byrote.measures._in_time import averaged
from byrote.measures._members import side_average
from byrote.measures.catalog import measure
from byrote.measures.in_minus_out import in_minus_out
from byrote.results import PerExample, Scalar
from byrote.stats.intervals import UNBOUNDED
from byrote.stats.jackknife import from_replicates, parts

_SOURCE = "Arpit et al. 2017, arXiv:1706.05394, section 3.2"
#: Pairs are left out in at most this many parts.
_PARTS = 20


@measure(
    needs=("input_gradients.norm_1", "input_gradients.epochs", "design.member"),
    unit="nat / input unit",
    range=(0.0, np.inf),
    higher="more memorized",
    source=_SOURCE,
    section="4.4",
    domain="generalization",
    level="example",
    evaluation="proxy",
    by_example=True,
)
def loss_sensitivity(
    norm_1: Float[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    member: Int8[np.ndarray, "model example"],
    *,
    side: int = 1,
) -> PerExample:
    r"""Sum of the absolute values of the loss's gradient in the inputs, averaged over epochs, in models trained on it.

    Formula:
        mean over members k and over epochs of sum_p |d loss[k, c, i] / d x_ip|, linear between recorded epochs;
        `side=0` takes the models that were not trained on the example
    Undefined:
        nan where no model was trained on the example, or a gradient is not finite; the error is nan below 2 models.

    Example:
        >>> g = np.array([[[2.0], [1.0]], [[1.0], [0.0]]])
        >>> loss_sensitivity(g, np.array([0, 1]), np.ones((2, 1), np.int8)).values
        array([1.])

    Differs:
        The source averages over steps of the optimizer; here over epochs.
    """
    return side_average(averaged(norm_1, epochs), member, side, bounds=(0.0, np.inf))


@measure(
    needs=("input_gradients.norm_1", "input_gradients.epochs", "design.member", "design.pair", "design.stratum"),
    variant_of="loss_sensitivity",
    variant="counterfactual",
    range=(-np.inf, np.inf),
    higher="more of what would be a steep loss is fitted because of the example itself",
    evaluation="differential",
)
def loss_sensitivity_counterfactual(
    norm_1: Float[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
    stratum: Int[np.ndarray, "model example"] | None = None,
) -> PerExample:
    r"""How much more sensitive an example's loss is in models without it than in those trained on it.

    Formula:
        v[k, i] = mean over epochs of sum_p |d loss[k, c, i] / d x_ip|;
        mean(v : not trained on i) - mean(v : trained on i), pair by pair; 0 where training on it changes nothing
    Undefined:
        nan where an example is in every model or in none, with fewer than 2 pairs or 2 models a side.

    Example:
        >>> g = np.array([[[1.0]], [[3.0]], [[1.0]], [[4.0]]])
        >>> m = np.array([[1], [0], [1], [0]], np.int8)
        >>> loss_sensitivity_counterfactual(g, np.array([5]), m, np.array([0, 0, 1, 1])).values
        array([2.5])

    Differs:
        The source has no such form. A model without a wrongly labelled example is sure of another label there, and its
        loss is steep; one that was trained on it has fitted it.
    """
    rows = -np.stack([*averaged(norm_1, epochs)])
    return in_minus_out(rows, member, pair, stratum, bounds=UNBOUNDED, what="gradient")


@measure(
    needs=("input_gradients.norm_1", "input_gradients.epochs", "design.member", "design.pair"),
    variant_of="loss_sensitivity",
    variant="gini",
    unit="Gini coefficient",
    range=(0.0, 1.0),
    higher="the sensitivity sits in fewer examples, as on data with structure",
    level="model",
    by_example=False,
)
def loss_sensitivity_gini(
    norm_1: Float[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
) -> Scalar:
    r"""How unequally the loss sensitivity is spread over the examples that a model was trained on.

    Formula:
        mean over models k of sum_i (2 i - n - 1) v_(i) / (n sum_i v_(i)), v_(1) <= ... <= v_(n) the sensitivities of
        the n members of model k, averaged over epochs; 0 where all are alike
    Undefined:
        nan where no model has two members whose sensitivity is finite and not 0; the error is nan below 3 pairs.

    Example:
        >>> g = np.array([[[0.0, 0.0, 0.0, 4.0]]] * 6)
        >>> m, pair = np.ones((6, 4), np.int8), np.repeat([0, 1, 2], 2)
        >>> loss_sensitivity_gini(g, np.array([5]), m, pair).value
        0.75

    Differs:
        The source shows the coefficient along training, of one model; here it is that of the mean over the training.
    """
    rows = averaged(norm_1, epochs)
    each = np.array([gini(row[own == 1]) for row, own in zip(rows, member, strict=True)])
    part = parts(pair, groups=_PARTS)
    known = np.isfinite(each)
    kept = [known & (part != number) for number in np.unique(part)]
    return from_replicates(
        float(each[known].mean()) if known.any() else float("nan"),
        np.array([each[some].mean() if some.any() else np.nan for some in kept]),
        models=len(member),
        examples=int((member == 1).any(0).sum()),
        bounds=(0.0, 1.0),
    )


def gini(values: Float[np.ndarray, " example"]) -> float:
    """The Gini coefficient of values that are not negative; nan of fewer than two, or where all are 0 or one is nan.

    Example:
        >>> gini(np.ones(9)), gini(np.array([0.0, 1.0]))
        (0.0, 0.5)
    """
    total, count = values.sum(), len(values)
    if count < 2 or not np.isfinite(total) or not total > 0:
        return float("nan")
    rank = 2 * np.arange(1, count + 1) - count - 1
    return float(np.clip(rank @ np.sort(values) / (count * total), 0.0, 1.0))
