"""Label memorization: what an example's own presence does to its label's predictability."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from byrote.measures._strata import Stratum, counts_by_cell, one_sided, strata_of, subset_note
from byrote.measures.assemble import per_example
from byrote.measures.catalog import measure
from byrote.measures.in_minus_out import differences_without, in_minus_out
from byrote.results import PerExample
from byrote.stats.contrasts import contrast, contrast_of_rates, too_few, weights
from byrote.stats.rates import rates

#: What every result of the probability form says of itself.
ANOTHER_QUANTITY = (
    "another quantity than label_memorization: where that is above .25, this was .11 lower on average where both were "
    "tried, and the two differed by .17 (root mean square)"
)
_SOURCE = "Feldman & Zhang 2020, arXiv:2008.03703, eq. 1"


def _without(part: np.ndarray, evidence: Mapping[str, np.ndarray]) -> np.ndarray:
    """Label memorization with each part of the models left out, from counts."""
    member = evidence["member"]
    every = rates(evidence["correct"], member, part, strata_of(evidence.get("stratum"), member))
    right, models = every.right.sum(0), every.models.sum(0)
    found = np.empty((len(every.right), member.shape[1]))
    for number, (right_of_part, models_of_part) in enumerate(zip(every.right, every.models, strict=True)):
        trials = models - models_of_part
        value = contrast((right - right_of_part) / np.where(trials > 0, trials, np.nan), weights(trials))
        found[number] = np.where((trials.sum(0) == 0).any(0) | too_few(trials), np.nan, value)
    return found


def _differences(values: np.ndarray, evidence: Mapping[str, np.ndarray], part: np.ndarray) -> np.ndarray | None:
    return differences_without(values, evidence["member"], evidence["pair"], evidence["stratum"], part)


def _of_probability(part: np.ndarray, evidence: Mapping[str, np.ndarray]) -> np.ndarray | None:
    return _differences(evidence["probability"], evidence, part)


def _of_label_accuracy(part: np.ndarray, evidence: Mapping[str, np.ndarray]) -> np.ndarray | None:
    return _differences(evidence["label_accuracy"], evidence, part)


@measure(
    needs=("outputs.correct", "design.member", "design.stratum"),
    unit="probability",
    range=(-1.0, 1.0),
    higher="more memorized",
    source=_SOURCE,
    section="2.1",
    domain="generalization",
    level="example",
    evaluation="differential",
    by_example=True,
    without=_without,
)
def label_memorization(
    correct: Bool[np.ndarray, "model example"],
    member: Int8[np.ndarray, "model example"],
    stratum: Stratum = None,
) -> PerExample:
    r"""How much more often an example's label is predicted by the models trained on it than by the others.

    Formula:
        m_i = sum over strata s of w_s (mean(correct[k, i] : member[k, i] = 1, stratum[k, i] = s)
        - mean(correct[k, i] : member[k, i] = 0, stratum[k, i] = s)), w_s the share of the models in s; most designs
        have a single stratum
    Undefined:
        nan where every model of known membership was trained on the example, or none was; of several strata, where
        one has fewer than 2 models on a side.

    Example:
        >>> c = np.array([[1, 1], [1, 0], [0, 0], [0, 1]], bool)
        >>> m = np.array([[1, 1], [1, 1], [0, 1], [0, 1]], np.int8)
        >>> label_memorization(c, m).values
        array([ 1., nan])

    Differs:
        Of an example with several labels the label is the whole set of them, and an answer is correct where all are;
        a number is predicted where the answer misses it by no more than the run's tolerance.
        The authors' code guards the division with a small constant and so gives -p_out or p_in where an
        example is in no model or in every one. The value holds at the size of the subsets trained on, which
        the note states; it is not the leave-one-out difference at full size. Models of different training set sizes,
        and with and without a large group that halves of equal size tie to everybody else, are of different strata:
        pooled over them, a recipe that memorizes nothing gets .12 in a grid of ratios, and .17 beside a group of 40 %
        of the examples. Intervals are those of Agresti and Caffo, of several strata those of Price and Bonett, which
        take rates as independent.
    """
    right, models = counts_by_cell(correct, member, strata_of(stratum, member))
    values, interval = contrast_of_rates(right, models)
    nonmembers, members = models.sum(0)
    return per_example(
        values,
        interval,
        one_sided(models),
        counts={"members": members, "nonmembers": nonmembers},
        models=len(member),
        note=subset_note(models),
    )


@measure(
    needs=("outputs.probability", "design.member", "design.pair", "design.stratum"),
    variant_of="label_memorization",
    variant="probability",
    without=_of_probability,
)
def label_memorization_probability(
    probability: Float[np.ndarray, "model example"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
    stratum: Stratum = None,
) -> PerExample:
    r"""How much more probability an example's label gets from the models trained on it; not label memorization itself.

    Formula:
        m_i = mean(probability[k, i] : member[k, i] = 1) - mean(probability[k, i] : member[k, i] = 0);
        in a design of pairs, over the pairs that have i in one mate and not in the other, with the error of
        the mean of their differences; in any other design, and where a pair has i in both mates, over all
        models of known membership, taken as independent; of several strata as `label_memorization`
    Undefined:
        nan where an example is in every model or in none, or with fewer than 2 such pairs or 2 models a side.

    Example:
        >>> p = np.array([[0.9], [0.2], [0.7], [0.1]])
        >>> m = np.array([[1], [0], [1], [0]], np.int8)
        >>> label_memorization_probability(p, m, np.array([0, 0, 1, 1])).values
        array([0.65])

    Differs:
        Another quantity than `label_memorization`, and no estimate of it with a smaller error. The source counts
        correct predictions; the probability of the label moves before the prediction does, and by less. Where label
        memorization is above .25 this form is .11 lower on average, and the two differ by .17 (root mean square).
        An example that is in every model or in none is nan, and the value holds at the size of the subsets.
        Its interval is Agresti and Caffo's, for values between 0 and 1: a model at 0 and one at 1 are added to either
        side, so that it knows of outcomes that few pairs have missed. Simulated coverage is .93 or better from 4 pairs
        on; .96 to .98 where probabilities scatter widely, and nearly 1 where they hardly do, as for most examples of
        digits. Student's, over the differences, held .2 to .5 where one model in fifty errs.
    """
    found = in_minus_out(probability, member, pair, stratum, bounds=(0.0, 1.0), what="probability")
    return replace(found, note=f"{ANOTHER_QUANTITY}; {found.note}" if found.note else ANOTHER_QUANTITY)


@measure(
    needs=("outputs.label_accuracy", "design.member", "design.pair", "design.stratum"),
    unit="share of labels",
    variant_of="label_memorization",
    variant="label_accuracy",
    without=_of_label_accuracy,
)
def label_memorization_label_accuracy(
    label_accuracy: Float[np.ndarray, "model example"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
    stratum: Stratum = None,
) -> PerExample:
    r"""How many more of an example's several labels the models trained on it get right, as a share, than the others.

    Formula:
        m_i = mean(a[k, i] : member[k, i] = 1) - mean(a[k, i] : member[k, i] = 0), a the share of its labels, those it
        has not included, that are right; in pairs, the mean of the differences between mates
    Undefined:
        nan where an example is in every model or in none, or with fewer than 2 pairs or 2 models a side.

    Example:
        >>> a = np.array([[1.0], [0.5], [1.0], [0.75]])
        >>> m = np.array([[1], [0], [1], [0]], np.int8)
        >>> label_memorization_label_accuracy(a, m, np.array([0, 0, 1, 1])).values
        array([0.375])

    Differs:
        The source has one label per example. Where labels are many and an example has few of them, nearly all are
        right by saying "no": the default form, about the whole set, tells more there.
    """
    return in_minus_out(label_accuracy, member, pair, stratum, bounds=(0.0, 1.0), what="share of right labels")


@measure(
    needs=("adversarial.correct", "design.member", "design.stratum"),
    variant_of="label_memorization",
    variant="adversarial",
    without=_without,
)
def label_memorization_adversarial(
    correct: Bool[np.ndarray, "model example"],
    member: Int8[np.ndarray, "model example"],
    stratum: Stratum = None,
) -> PerExample:
    r"""How much more often the models trained on an example keep its label under attack than the others do.

    Formula:
        m_i as `label_memorization`, with correct[k, i] = the label is predicted at every point near i that an attack
        on model k looked at
    Undefined:
        as `label_memorization`.

    Example:
        >>> c = np.array([[1, 1], [1, 0], [0, 0], [0, 1]], bool)
        >>> m = np.array([[1, 1], [1, 1], [0, 1], [0, 1]], np.int8)
        >>> label_memorization_adversarial(c, m).values
        array([ 1., nan])

    Differs:
        Another quantity than `label_memorization`: models that are trained on attacked inputs may memorize little by
        their clean answers and much by these. The strength of the attack is that of the probe "adversarial".
    """
    return label_memorization(correct, member, stratum)
