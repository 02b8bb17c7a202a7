"""Stolen memories: a network uses what is peculiar to its own training data, and that stands in its weights."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, Int8

from byrote.measures._references import (
    FEW_IN_STRATUM,
    References,
    reference_counts,
    refuse_few,
    refuse_leaks,
    scores_of,
)
from byrote.measures._strata import Stratum
from byrote.measures.catalog import measure
from byrote.results import PerModelExample

_SOURCE = "Leino & Fredrikson 2020, arXiv:1906.11798, bayes-wb"
_NOT_FINITE = "a model's answer is not finite"


@measure(
    needs=("last_layer.displacement",),
    unit="logit",
    range=(-np.inf, np.inf),
    higher="more likely a member",
    source=f"{_SOURCE}, at the last layer",
    section="3.3",
    domain="security",
    level="example",
    evaluation="probabilistic",
    by_example=False,
)
def stolen_memories(displacement: Float[np.ndarray, "model example"]) -> PerModelExample:
    r"""How much more the target's last layer makes of the example's features than layers that never saw it would.

    Formula:
        score[t, i] = (W - V)_y . h(x) + (b - c)_y, with (x, y) example i, h(x) what goes into the last layer of the
        target t, W and b that layer, V and c a layer fitted to h and the labels of the half of the examples that i
        is not in, and from both the mean over classes taken off.
        Where features of class y are N(mu_y, S) with one diagonal S, the best layer has W_y = S^-1 mu_y and
        b_y = log p_y - mu_y . S^-1 mu_y / 2. A layer fitted to n members has their mean m_y in place of mu_y, and
        given m_y a member is N(m_y, (1 - 1/n) S). So log N(h; m_y, S) - log N(h; mu_y, S), the log-odds of being a
        member, is the difference of the two layers' outputs for y: the score, with V and c for the best layer.
    Undefined:
        nan where the model's answer is not finite.

    Example:
        >>> stolen_memories(np.array([[0.5, -0.25]])).values
        array([[ 0.5 , -0.25]])

    Differs:
        Softmax determines weights up to a vector common to all classes, so the mean over classes is taken off; with
        classes of one size nothing better can be made of weights known up to that vector. The authors linearise the
        network at any layer and combine layers. With a bias that makes the linear form exact at x, weights times
        input plus bias is the logit again, whatever the layer, and a comparison with networks that share no features
        is that of their logits ("linear"). Only proxies that share the target's features see its weights, and we
        fit them to its last layer. Their data are examples of unknown membership where the authors' attacker has
        non-members. No attack model is learned from networks of the attacker's own (general-wb), and thresholds are
        not chosen.
        We found no public implementation to compare with.
    """
    return _as_recorded(displacement)


@measure(
    needs=("last_layer.log_odds_displacement",),
    unit="nat",
    source=f"{_SOURCE}, at the last layer, by log-odds",
    variant_of="stolen_memories",
    variant="log_odds",
)
def stolen_memories_log_odds(log_odds_displacement: Float[np.ndarray, "model example"]) -> PerModelExample:
    r"""How much surer of the label the target's last layer is than layers that never saw the example would be.

    Formula:
        as `stolen_memories`, with z_y - log(sum over k != y of exp z_k) of each layer's outputs z in place of
        z_y - mean_k z_k
    Undefined:
        nan where the model's answer is not finite.

    Example:
        >>> stolen_memories_log_odds(np.array([[0.5, -0.25]])).values
        array([[ 0.5 , -0.25]])

    Differs:
        Not the source's, whose optimum rests on Gaussian features. With two classes it is twice `stolen_memories`.
        With more it leaves classes out of account that have no chance; on digits that tells members better, AUC
        .61 instead of .58.
    """
    return _as_recorded(log_odds_displacement)


@measure(
    needs=("outputs.logits", "data.label", "design.member", "design.pair", "design.stratum"),
    source=f"{_SOURCE}, for linear softmax models",
    variant_of="stolen_memories",
    variant="linear",
)
def stolen_memories_linear(
    logits: Float[np.ndarray, "model example class"],
    label: Int[np.ndarray, " example"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
    stratum: Stratum = None,
) -> PerModelExample:
    r"""How much more the target makes of the example's inputs than models that were not trained on it.

    Formula:
        score[t, i] = a[t, i] - mean of a[k, i] over the reference models that were not trained on i: every model
        but the target t and its mate, with a = z_y - mean_k z_k, z the logits and y the label
        = (W - V)_y . x + (b - c)_y for linear models W, b and the references' mean V, c, the mean over classes
        taken off
    Undefined:
        nan where every reference model was trained on the example, or a model's answer is not finite.

    Example:
        >>> m = np.array([[1, 1], [0, 0], [1, 0], [0, 1], [1, 1], [0, 0], [1, 0], [0, 1]], np.int8)
        >>> z = np.stack([4.0 * m, -4.0 * m], -1)
        >>> stolen_memories_linear(z, np.array([0, 0]), m, np.repeat([0, 1, 2, 3], 2)).values[0]
        array([4., 4.])

    Differs:
        For a linear softmax model this is the attack and the best there is on Gaussian inputs. For any other network
        weights and biases of the linear form at x give the logits themselves, so that nothing of the weights is
        used: it is then an attack on answers, calibrated by example (Watson et al. 2022, arXiv:2111.08440).
    """
    refuse_few(pair, "The stolen-memories attack")
    refuse_leaks(member, pair, stratum)
    own = _centred_own(logits, label)
    references = References(own, member, pair, stratum)
    scores, code = np.empty(own.shape), np.zeros(own.shape, np.int8)
    for targets in references.targets_alike():
        usual = references.without(targets[:, 0], 0)
        short = references.too_few(targets[:, 0], [0])
        wrong = np.broadcast_arrays(~references.finite, usual.count == 0, short)
        for mates in targets.T:
            scores[mates], code[mates] = references.values[mates] - usual.mean, np.select(wrong, [1, 2, 3], 0)
    reasons = ("", _NOT_FINITE, "every reference model was trained on it", FEW_IN_STRATUM)
    return scores_of(scores, reasons, code, reference_counts(pair))


def _centred_own(logits: np.ndarray, label: np.ndarray) -> np.ndarray:
    """`[model, example]`: the label's logit less the mean over classes, one model at a time."""
    own = np.empty(logits.shape[:2])
    for row, answers in zip(own, logits, strict=True):
        with np.errstate(invalid="ignore"):  # infinite logits have a reason of their own
            row[:] = answers[np.arange(len(label)), label] - answers.mean(-1, dtype=np.float64)
    return own


def _as_recorded(values: np.ndarray) -> PerModelExample:
    scores = values.astype(np.float64)
    code = (~np.isfinite(scores)).astype(np.int8)
    return scores_of(scores, ("", _NOT_FINITE), code, np.zeros(len(scores), np.int64))
