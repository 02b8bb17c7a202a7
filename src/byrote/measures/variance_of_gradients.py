"""Variance of gradients: how much the gradient of an example in its inputs varies along a part of the training."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from byrote.errors import BadInput
from byrote.measures._members import NOTE, OUTSIDE
from byrote.measures.assemble import per_example
from byrote.measures.catalog import measure
from byrote.measures.in_minus_out import in_minus_out
from byrote.results import PerExample
from byrote.stats.intervals import UNBOUNDED, mean_interval
from byrote.stats.moments import RunningMoments

_SOURCE = "Agarwal et al. 2022, arXiv:2008.11600"
WINDOWS = ("early", "middle", "late")


@measure(
    needs=("variance_of_gradients.spread", "data.label", "design.member"),
    unit="standard deviation of the class",
    range=(-np.inf, np.inf),
    higher="more memorized",
    source=_SOURCE,
    section="3.6",
    domain="generalization",
    level="example",
    evaluation="proxy",
    by_example=False,
)
def variance_of_gradients(
    spread: Float[np.ndarray, "model window example"],
    label: Int[np.ndarray, " example"],
    member: Int8[np.ndarray, "model example"],
    *,
    window: str = "late",
    normalised: bool = True,
    side: int = 1,
) -> PerExample:
    r"""How much the gradient of the loss varies late in training, beside that of others of the class.

    Formula:
        v[k, i] = mean over inputs p of sqrt(mean over t of (g_tp - mean over t of g_tp)^2), t the checkpoints of a
        window, g_tp = d loss_i / d x_ip at t;
        mean over members k of (v[k, i] - mean of v[k] in the class of i) / their standard deviation, over members of k
        with the same given label; `window` is "early", "middle" or "late", a third of the checkpoints each;
        `normalised=False` leaves v as it is, `side=0` takes the models not trained on the example, and their own class
    Undefined:
        nan where no model was trained on the example, a window has fewer than 2 checkpoints, a class fewer than 2
        members or none of them differ; the error is nan below 2 models.

    Example:
        >>> v = np.array([[[1.0, 3.0]], [[1.0, 2.0]]])
        >>> variance_of_gradients(v, np.zeros(2, np.int64), np.ones((2, 2), np.int8)).values
        array([-1.,  1.])

    Differs:
        The source differentiates the logit of the label, or of the predicted class, whose variance is low early and its
        meaning turns with the window; the loss's is high for hard examples in every window. Their script for a toy data
        set divides a sum over all checkpoints by the length of a window, and that for ImageNet has the division by
        class commented out. The survey reads the variance over all of the training, which is not offered: it mixes
        windows of opposite sign.
    """
    return _variance(spread, label, member, window, normalised, side)


@measure(
    needs=("variance_of_gradients.spread", "data.label", "design.member"),
    variant_of="variance_of_gradients",
    variant="early",
)
def variance_of_gradients_early(
    spread: Float[np.ndarray, "model window example"],
    label: Int[np.ndarray, " example"],
    member: Int8[np.ndarray, "model example"],
    *,
    window: str = "early",
    normalised: bool = True,
    side: int = 1,
) -> PerExample:
    r"""How much the gradient of the loss varies early in training, beside that of others of the class.

    Formula:
        v[k, i] = mean over inputs p of sqrt(mean over t of (g_tp - mean over t of g_tp)^2), t the checkpoints of a
        window, g_tp = d loss_i / d x_ip at t;
        mean over members k of (v[k, i] - mean of v[k] in the class of i) / their standard deviation, over members of k
        with the same given label; `window` is "early", "middle" or "late", a third of the checkpoints each;
        `normalised=False` leaves v as it is, `side=0` takes the models not trained on the example, and their own class
    Undefined:
        nan where no model was trained on the example, a window has fewer than 2 checkpoints, a class fewer than 2
        members or none of them differ; the error is nan below 2 models.

    Example:
        >>> v = np.array([[[1.0, 3.0]], [[1.0, 2.0]]])
        >>> variance_of_gradients_early(v, np.zeros(2, np.int64), np.ones((2, 2), np.int8)).values
        array([-1.,  1.])

    Differs:
        As `variance_of_gradients`. A low early variance of the loss is that of typical examples; that of the logit is
        low for hard ones.
    """
    return _variance(spread, label, member, window, normalised, side)


@measure(
    needs=("variance_of_gradients_of_probability.spread", "data.label", "design.member"),
    variant_of="variance_of_gradients",
    variant="probability",
)
def variance_of_gradients_probability(
    spread: Float[np.ndarray, "model window example"],
    label: Int[np.ndarray, " example"],
    member: Int8[np.ndarray, "model example"],
    *,
    window: str = "late",
    normalised: bool = True,
    side: int = 1,
) -> PerExample:
    r"""How much the gradient of the label's probability varies late in training, beside others of the class.

    Formula:
        v[k, i] = mean over inputs p of sqrt(mean over t of (g_tp - mean over t of g_tp)^2), t the checkpoints of a
        window, g_tp = d softmax(z)_y / d x_ip at t;
        mean over members k of (v[k, i] - mean of v[k] in the class of i) / their standard deviation, over members of k
        with the same given label; `window` is "early", "middle" or "late", a third of the checkpoints each;
        `normalised=False` leaves v as it is, `side=0` takes the models not trained on the example, and their own class
    Undefined:
        nan where no model was trained on the example, a window has fewer than 2 checkpoints, a class fewer than 2
        members or none of them differ; the error is nan below 2 models.

    Example:
        >>> v = np.array([[[1.0, 3.0]], [[1.0, 2.0]]])
        >>> variance_of_gradients_probability(v, np.zeros(2, np.int64), np.ones((2, 2), np.int8)).values
        array([-1.,  1.])

    Differs:
        For hard examples it is low early and high late: ask of one window, and say which.
    """
    return _variance(spread, label, member, window, normalised, side)


@measure(
    needs=("variance_of_gradients_of_logit.spread", "data.label", "design.member"),
    variant_of="variance_of_gradients",
    variant="logit",
    higher="the gradient of the logit varies more; of hard examples it varies little",
)
def variance_of_gradients_logit(
    spread: Float[np.ndarray, "model window example"],
    label: Int[np.ndarray, " example"],
    member: Int8[np.ndarray, "model example"],
    *,
    window: str = "late",
    normalised: bool = True,
    side: int = 1,
) -> PerExample:
    r"""How much the gradient of the label's logit varies late in training, beside that of others of the class.

    Formula:
        v[k, i] = mean over inputs p of sqrt(mean over t of (g_tp - mean over t of g_tp)^2), t the checkpoints of a
        window, g_tp = d z_y / d x_ip at t;
        mean over members k of (v[k, i] - mean of v[k] in the class of i) / their standard deviation, over members of k
        with the same given label; `window` is "early", "middle" or "late", a third of the checkpoints each;
        `normalised=False` leaves v as it is, `side=0` takes the models not trained on the example, and their own class
    Undefined:
        nan where no model was trained on the example, a window has fewer than 2 checkpoints, a class fewer than 2
        members or none of them differ; the error is nan below 2 models.

    Example:
        >>> v = np.array([[[1.0, 3.0]], [[1.0, 2.0]]])
        >>> variance_of_gradients_logit(v, np.zeros(2, np.int64), np.ones((2, 2), np.int8)).values
        array([-1.,  1.])

    Differs:
        The source's own quantity, by window. For hard examples it is low, early more than late: here it stands as the
        source has it, and not turned around.
    """
    return _variance(spread, label, member, window, normalised, side)


@measure(
    needs=("variance_of_gradients_of_margin.spread", "data.label", "design.member"),
    variant_of="variance_of_gradients",
    variant="margin",
)
def variance_of_gradients_margin(
    spread: Float[np.ndarray, "model window example"],
    label: Int[np.ndarray, " example"],
    member: Int8[np.ndarray, "model example"],
    *,
    window: str = "late",
    normalised: bool = True,
    side: int = 1,
) -> PerExample:
    r"""How much the gradient of the label's margin varies late in training, beside that of others of the class.

    Formula:
        v[k, i] = mean over inputs p of sqrt(mean over t of (g_tp - mean over t of g_tp)^2), t the checkpoints of a
        window, g_tp = d (z_y - the largest other z) / d x_ip at t;
        mean over members k of (v[k, i] - mean of v[k] in the class of i) / their standard deviation, over members of k
        with the same given label; `window` is "early", "middle" or "late", a third of the checkpoints each;
        `normalised=False` leaves v as it is, `side=0` takes the models not trained on the example, and their own class
    Undefined:
        nan where no model was trained on the example, a window has fewer than 2 checkpoints, a class fewer than 2
        members or none of them differ; the error is nan below 2 models.

    Example:
        >>> v = np.array([[[1.0, 3.0]], [[1.0, 2.0]]])
        >>> variance_of_gradients_margin(v, np.zeros(2, np.int64), np.ones((2, 2), np.int8)).values
        array([-1.,  1.])

    Differs:
        Not in the source.
    """
    return _variance(spread, label, member, window, normalised, side)


@measure(
    needs=("variance_of_gradients.spread", "design.member", "design.pair", "design.stratum"),
    variant_of="variance_of_gradients",
    variant="counterfactual",
    unit="nat / input unit",
    higher="more of what would be a loss that moves is fitted because of the example itself",
    evaluation="differential",
    by_example=True,
)
def variance_of_gradients_counterfactual(
    spread: Float[np.ndarray, "model window example"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
    stratum: Int[np.ndarray, "model example"] | None = None,
) -> PerExample:
    r"""How much more the gradient of the loss varies late in training in models without an example than with it.

    Formula:
        v[k, i] of the late window as in `variance_of_gradients`, not compared within the class;
        mean(v : not trained on i) - mean(v : trained on i), pair by pair; 0 where training on it changes nothing
    Undefined:
        nan where an example is in every model or in none, with fewer than 2 pairs or 2 models a side, or where the
        window has fewer than 2 checkpoints.

    Example:
        >>> v = np.array([[[1.0]], [[3.0]], [[1.0]], [[4.0]]])
        >>> m = np.array([[1], [0], [1], [0]], np.int8)
        >>> variance_of_gradients_counterfactual(v, m, np.array([0, 0, 1, 1])).values
        array([2.5])

    Differs:
        The source has no such form: it compares no models with and without an example.
    """
    rows = -spread[:, -1].astype(np.float64)
    return in_minus_out(rows, member, pair, stratum, bounds=UNBOUNDED, what="spread")


def _variance(
    spread: np.ndarray, label: np.ndarray, member: np.ndarray, window: str, normalised: bool, side: int
) -> PerExample:
    if window not in WINDOWS or side not in (0, 1):
        raise BadInput(
            f"The 'window' argument must be early, middle or late, and 'side' 1 or 0. Got {window!r} and {side!r}.",
            hint='window="late", side=1.',
        )
    place = {"early": 0, "middle": spread.shape[1] // 2, "late": -1}[window]
    running, broken = RunningMoments(len(label)), np.zeros(len(label), bool)
    recorded = ~np.isnan(spread[:, place]).all()
    for row, own in zip(spread[:, place].astype(np.float64), member == side, strict=True):
        values = _in_class(row, label, own) if normalised else row
        running.add(np.nan_to_num(values), own & np.isfinite(values))
        broken |= own & ~np.isfinite(row)
    moments = running.result()
    return per_example(
        moments.mean,
        mean_interval(moments, bounds=UNBOUNDED),
        [
            ("a member of no model" if side else "a member of every model", ~(member == side).any(0)),
            ("a window of fewer than 2 checkpoints; --checkpoints 6 is the fewest", ~recorded | np.zeros_like(broken)),
            ("a model's record of it is not finite", broken),
            ("fewer than 2 members of its class, or all alike", moments.count == 0),
        ],
        counts={"members" if side else "nonmembers": moments.count},
        models=len(member),
        note=NOTE if side else OUTSIDE,
    )


def _in_class(row: np.ndarray, label: np.ndarray, own: Bool[np.ndarray, " example"]) -> np.ndarray:
    """Values less the mean of the members of the same given label, over their standard deviation; nan without one."""
    found = np.full(len(row), np.nan)
    for name in np.unique(label[own]):
        same = own & (label == name) & np.isfinite(row)
        deviation = row[same].std() if same.sum() > 1 else 0.0
        if deviation > 0:
            found[same] = (row[same] - row[same].mean()) / deviation
    return found
