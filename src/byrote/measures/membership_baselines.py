"""Attacks without reference models: what one model says of an example, and nothing beside it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.special import log_softmax

from byrote.measures._references import scores_of
from byrote.measures.catalog import measure
from byrote.results import PerModelExample

_REASONS = ("", "the model's answer is not finite")
#: Logits are turned to probabilities in blocks of about this many cells.
BLOCK_CELLS = 2**22
TINIEST = 5e-324


@measure(
    needs=("outputs.loss",),
    unit="nat",
    range=(-np.inf, 0.0),
    higher="more likely a member",
    source="Yeom et al. 2018, arXiv:1709.01604",
    section="3.3",
    domain="security",
    level="example",
    evaluation="probabilistic",
    by_example=False,
)
def loss_attack(loss: Float[np.ndarray, "model example"]) -> PerModelExample:
    r"""The example's loss, negated: members are fitted better.

    Formula:
        score[t, i] = -loss[t, i]
    Undefined:
        nan where the loss is not finite.

    Example:
        >>> loss_attack(np.array([[0.1, 2.0]])).values
        array([[-0.1, -2. ]])

    Differs:
        The attack is often run at a single threshold, the mean loss on training data; here any may be set.
    """
    return _without_references(-loss.astype(np.float64))


@measure(
    needs=("outputs.entropy",),
    unit="nat",
    range=(-np.inf, 0.0),
    higher="more likely a member",
    source="Salem et al. 2019, arXiv:1806.01246",
    section="3.3",
    domain="security",
    level="example",
    evaluation="probabilistic",
    by_example=False,
)
def entropy_attack(entropy: Float[np.ndarray, "model example"]) -> PerModelExample:
    r"""The entropy of the prediction, negated: of members a model is surer, whatever their label.

    Formula:
        score[t, i] = sum_k p[t, i, k] log p[t, i, k]
    Undefined:
        nan where the entropy is not finite.

    Example:
        >>> entropy_attack(np.array([[0.0, 0.7]])).values
        array([[-0. , -0.7]])

    Differs:
        A confident error counts as membership; the form "modified" looks at the label.
    """
    return _without_references(-entropy.astype(np.float64))


@measure(
    needs=("outputs.logits", "data.label"),
    source="Song & Mittal 2021, arXiv:2003.10595",
    variant_of="entropy_attack",
    variant="modified",
)
def entropy_attack_modified(
    logits: Float[np.ndarray, "model example class"], label: Int[np.ndarray, " example"]
) -> PerModelExample:
    r"""The entropy of the prediction with the label taken in, negated: 0 where the label has all probability.

    Formula:
        score[t, i] = (1 - p_y) log p_y + sum over k != y of p_k log(1 - p_k), y the label
    Undefined:
        nan where a logit is not finite.

    Example:
        >>> z = np.log([[[0.5, 0.5], [0.9, 0.1]]])
        >>> entropy_attack_modified(z, np.array([0, 1])).values.round(4)
        array([[-0.6931, -4.1447]])

    Differs:
        The sources set thresholds by class; here the same for all. log(1 - p) is taken from the other logits, so
        that it stays exact where p rounds to 1.
    """
    models, examples, classes = logits.shape
    scores = np.empty((models, examples))
    size = max(1, BLOCK_CELLS // max(examples * classes, 1))
    for start in range(0, models, size):
        block = slice(start, start + size)
        scores[block] = _modified_entropy(logits[block].astype(np.float64), label)
    return _without_references(scores)


@measure(
    needs=("outputs.logit_margin",),
    unit="logit",
    range=(-np.inf, np.inf),
    higher="more likely a member",
    source="Carlini et al. 2022, arXiv:2112.03570",
    section="3.3",
    domain="security",
    level="example",
    evaluation="probabilistic",
    by_example=False,
)
def margin_attack(logit_margin: Float[np.ndarray, "model example"]) -> PerModelExample:
    r"""How far the label's logit stands above the largest other: members are decided more clearly.

    Formula:
        score[t, i] = z_y - max over k != y of z_k
    Undefined:
        nan where the margin is not finite.

    Example:
        >>> margin_attack(np.array([[3.0, -1.0]])).values
        array([[ 3., -1.]])

    Differs:
        The source compares margins with those of reference models; this is the margin alone.
    """
    return _without_references(logit_margin.astype(np.float64))


def _without_references(scores: np.ndarray) -> PerModelExample:
    code = (~np.isfinite(scores)).astype(np.int8)
    return scores_of(scores, _REASONS, code, np.zeros(len(scores), np.int64))


def _modified_entropy(logits: np.ndarray, label: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        log_p = log_softmax(logits, -1)
    p = np.exp(log_p)
    rest = _sum_of_other_classes(p)
    wrong = p * np.log(np.maximum(rest, TINIEST))
    own = np.broadcast_to(label[:, None], (*p.shape[:-1], 1))
    own_log_p, own_rest = (np.take_along_axis(x, own, -1)[..., 0] for x in (log_p, rest))
    np.put_along_axis(wrong, own, 0.0, -1)
    score: np.ndarray = own_rest * own_log_p + wrong.sum(-1)
    return score


def _sum_of_other_classes(p: np.ndarray) -> np.ndarray:
    """1 - p by sums of the others before and after, exact where p rounds to 1."""
    others = np.zeros_like(p)
    others[..., 1:] = np.cumsum(p[..., :-1], axis=-1)
    others[..., :-1] += np.cumsum(p[..., :0:-1], axis=-1)[..., ::-1]
    return others
