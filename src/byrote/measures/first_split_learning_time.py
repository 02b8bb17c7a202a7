"""First-split learning time: how soon an example is learned for good while its half of the data is trained on."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int, Int8

from byrote.measures._groups import CONTROLS, Mask, with_clean
from byrote.measures._members import Seen, average_without, member_average
from byrote.measures._onset import onset, reciprocal
from byrote.measures.catalog import measure
from byrote.results import PerExample, Survival
from byrote.stats.survival import survival_by_group

_SOURCE = "Maini et al. 2022, arXiv:2210.15031; survey Definition 9"


def _lateness(at: np.ndarray, epochs: np.ndarray, member: np.ndarray) -> Seen:
    return Seen((1.0 - reciprocal(model, epochs) for model in at), member == 1)


def _lateness_of(correct: np.ndarray, epochs: np.ndarray, member: np.ndarray) -> Seen:
    trained = epochs > 0
    return _lateness(np.stack([onset(model[trained]) for model in correct]), epochs[trained], member)


@measure(
    needs=("first_phase.correct", "first_phase.epochs", "first_phase.member"),
    unit="1 - 1/epochs",
    range=(0.0, 1.0),
    higher="learned later, more memorized",
    source=_SOURCE,
    section="6.1.1",
    domain="generalization",
    level="example",
    evaluation="proxy",
    by_example=True,
    without=average_without(_lateness_of),
)
def first_split_learning_time(
    correct: Bool[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    member: Int8[np.ndarray, "model example"],
) -> PerExample:
    r"""How late an example's label is predicted for good: 0 after the first epoch, 1 never.

    Formula:
        mean over members k of 1 - 1 / t[k, i], t[k, i] = the first checkpoint (in epochs, from 1) from which
        correct[k, c, i] holds to the end of the first phase; 1 / t = 0 where it does not hold at the end
    Undefined:
        nan where no model was trained on the example in the first phase; the error is nan below 2.

    Example:
        >>> c = np.array([[0, 1, 1], [0, 0, 1]], bool)[:, :, None]
        >>> first_split_learning_time(c, np.array([0, 1, 2]), np.ones((2, 1), np.int8)).values
        array([0.25])

    Differs:
        The authors average the epochs themselves and count never as one more than the last. What was never
        learned is censored, and a mean of such caps depends on when training stopped; the rate 1 / t of a time
        beyond the last epoch T is under 1 / T whatever it is, and is taken as 0. One minus this score is one
        over the harmonic mean of the times. A time is the end of the gap between checkpoints in which it fell
        (record every epoch to have none), and answers are those of evaluation mode. In a run of one phase, it is
        the learning time in that.
    """
    trained = epochs > 0
    at = np.stack([onset(model[trained]) for model in correct])
    never = np.count_nonzero((member == 1) & (at == trained.sum()), axis=0)
    each = _lateness(at, epochs[trained], member)
    return member_average(*each, bounds=(0.0, 1.0), counts={"never_learned": never})


@measure(
    needs=("first_phase.correct", "first_phase.epochs", "first_phase.member", "design.pair", *CONTROLS),
    unit="share of examples",
    level="model",
    by_example=False,
    variant_of="first_split_learning_time",
    variant="survival",
)
def first_split_survival(
    correct: Bool[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
    label_noise: Mask,
    exact_duplicate: Mask,
    near_duplicate: Mask,
    conflicting_duplicate: Mask,
    out_of_distribution: Mask,
    rare_subpopulation: Mask,
    ambiguous: Mask,
    backdoor: Mask,
    clean_label_backdoor: Mask,
    input_noise: Mask,
) -> Survival:
    r"""Share of the examples trained on that are not yet learned for good, by epoch: clean and of every planted kind.

    Formula:
        Kaplan-Meier curve of t[k, i] over the pairs of a model and its member in the group, those that are wrong
        at the end of the first phase censored there; errors by leaving out a pair of models at a time
    Undefined:
        nan on the whole line of a group that no model was trained on; the error is nan below 3 pairs of models.

    Example:
        >>> c = np.array([[[0, 0], [1, 0], [1, 1]]] * 6, bool)
        >>> noisy, no, m = np.array([False, True]), np.zeros(2, bool), np.ones((6, 2), np.int8)
        >>> first_split_survival(c, np.array([0, 1, 2]), m, np.arange(6) // 2, noisy, *[no] * 9)
        Survival(over epoch, medians: clean 1, label_noise 2, from 6 models)

    Differs:
        The source shows histograms of mean times. Models are pooled, each with the examples it was trained on;
        the event of a gap between checkpoints is put at its end.
    """
    planted = {
        "label_noise": label_noise,
        "exact_duplicate": exact_duplicate,
        "near_duplicate": near_duplicate,
        "conflicting_duplicate": conflicting_duplicate,
        "out_of_distribution": out_of_distribution,
        "rare_subpopulation": rare_subpopulation,
        "ambiguous": ambiguous,
        "backdoor": backdoor,
        "clean_label_backdoor": clean_label_backdoor,
        "input_noise": input_noise,
    }
    trained = epochs > 0
    return survival_by_group(
        np.stack([onset(model[trained]) for model in correct]),
        member == 1,
        with_clean(planted),
        pair,
        axis="epoch",
        times=epochs[trained].astype(np.float64),
    )
