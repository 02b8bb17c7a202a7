"""Neural collapse in time: whether the features of a class shrink onto a point, and where that turns back."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from byrote.measures._over_models import over_models
from byrote.measures.catalog import measure
from byrote.results import Curve

_SOURCE = "Papyan et al. 2020, arXiv:2008.08186"
_GROUPS = ("NC1 within", "NC2 norms", "NC2 angles", "NC3 duality", "NC4 nearest mean")
_WHY = "a class has fewer than 2 training examples, or the features fewer dimensions than the classes less one"
_AFTER = ("neural_collapse.epochs", "design.pair")

Figure = Float[np.ndarray, "model checkpoint"]
Epochs = Int[np.ndarray, " checkpoint"]
Pairs = Int[np.ndarray, " model"]


@measure(
    needs=(
        "neural_collapse.within",
        "neural_collapse.norms",
        "neural_collapse.angles",
        "neural_collapse.duality",
        "neural_collapse.mean_rule",
        *_AFTER,
    ),
    unit="ratio",
    range=(0.0, np.inf),
    higher="farther from collapse; with wrong labels it rises again as they are memorized",
    source=_SOURCE,
    section="2.5",
    domain="generalization",
    level="model",
    evaluation="definition",
    by_example=False,
)
def neural_collapse(
    within: Figure,
    norms: Figure,
    angles: Figure,
    duality: Figure,
    mean_rule: Figure,
    epochs: Epochs,
    pair: Pairs,
) -> Curve:
    r"""How far a model's training examples are from neural collapse, by the labels that they were given.

    Formula:
        of features h that go into the last layer W, with class means mu_k, mu_G their mean, S_W and S_B the covariance
        within and between classes: NC1 tr(S_W S_B^+) / C; NC2 std / mean of |mu_k - mu_G|, and mean of
        |cos + 1 / (C - 1)| over pairs of classes; NC3 | W / |W| - M / |M| |, M of the rows mu_k - mu_G; NC4 the share
        whose nearest class mean is not the prediction. Each is the mean over models, 0 at full collapse
    Undefined:
        nan with fewer than 2 classes, a class with fewer than 2 training examples, fewer features than classes less
        one, or class means of lower rank; the error is nan below 3 pairs.

    Example:
        >>> figure = np.array([[2.0, 0.5]] * 3)
        >>> neural_collapse(*[figure] * 5, np.array([0, 9]), np.full(3, -1)).values[0]
        array([2. , 0.5])

    Differs:
        The authors' notebook leaves out the division of NC1 by C, squares NC3, and divides deviations by C - 1.
    """
    return _curve((within, norms, angles, duality, mean_rule), epochs, pair)


@measure(
    needs=(
        "neural_collapse.within_true",
        "neural_collapse.norms_true",
        "neural_collapse.angles_true",
        "neural_collapse.duality_true",
        "neural_collapse.mean_rule_true",
        *_AFTER,
    ),
    variant_of="neural_collapse",
    variant="true",
    higher="farther from collapse by the true labels",
)
def neural_collapse_true(
    within_true: Figure,
    norms_true: Figure,
    angles_true: Figure,
    duality_true: Figure,
    mean_rule_true: Figure,
    epochs: Epochs,
    pair: Pairs,
) -> Curve:
    r"""How far a model's training examples are from neural collapse, by their labels before wrong ones were planted.

    Formula:
        as neural_collapse, with classes by true labels
    Undefined:
        as neural_collapse.

    Example:
        >>> figure = np.array([[2.0, 0.5]] * 3)
        >>> neural_collapse_true(*[figure] * 5, np.array([0, 9]), np.full(3, -1)).values[0]
        array([2. , 0.5])
    """
    return _curve((within_true, norms_true, angles_true, duality_true, mean_rule_true), epochs, pair)


def _curve(figures: tuple[np.ndarray, ...], epochs: np.ndarray, pair: np.ndarray) -> Curve:
    each = np.stack(figures, axis=1)
    counts = np.isfinite(each).all(2).sum(0)
    return over_models(each, epochs, pair, _GROUPS, counts=counts, bounds=(0.0, np.inf), why=_WHY)
