"""Second-split forgetting time: how soon a learned example is lost for good once only other data is trained on."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int

from byrote.errors import BadInput
from byrote.measures._groups import CONTROLS, Mask, with_clean
from byrote.measures._onset import onset, reciprocal
from byrote.measures.assemble import per_example
from byrote.measures.catalog import measure
from byrote.results import PerExample, Survival
from byrote.stats.intervals import mean_interval
from byrote.stats.moments import RunningMoments
from byrote.stats.survival import survival_by_group

_SOURCE = "Maini et al. 2022, arXiv:2210.15031; survey Definition 10"


@measure(
    needs=("trajectory.correct", "trajectory.epochs", "design.withdrawn"),
    unit="1/epochs",
    range=(0.0, 1.0),
    higher="forgotten sooner, more memorized",
    source=_SOURCE,
    section="6.1.1",
    domain="generalization",
    level="example",
    evaluation="proxy",
    by_example=True,
)
def second_split_forgetting_time(
    correct: Bool[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    withdrawn: Bool[np.ndarray, "model example"],
) -> PerExample:
    r"""How soon a learned example is wrong for good once it is no longer trained on: 1 after an epoch, 0 never.

    Formula:
        mean of 1 / t[k, i] over the models k with withdrawn[k, i] and correct[k, 0, i], t[k, i] = the first
        checkpoint (in epochs of the last phase, from 1) from which correct[k, c, i] fails to the end;
        1 / t = 0 where it holds at the end
    Undefined:
        nan where the example was withdrawn from no model, or none of those had learned it; the error is nan below 2.

    Example:
        >>> c = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0]], bool)[:, :, None]
        >>> second_split_forgetting_time(c, np.array([0, 1, 2]), np.ones((3, 1), bool)).values
        array([0.75])

    Differs:
        The authors print the epoch and count never as one more than the last, so that low is mislabelled; this
        is 1 / epoch, so that higher is more memorized. What was never forgotten is censored: the rate 1 / t of a
        time beyond the last epoch T is under 1 / T whatever it is, and is taken as 0, where a mean of caps
        would depend on when watching stopped. The value is one over the harmonic mean of the times. The survey
        calls the second split held out from the first half; it is the other half of the data, and both ways
        round are used. A time is the end of the gap between checkpoints in which it fell (record every epoch to
        have none). Answers are those of evaluation mode, where the authors' code leaves the network in training
        mode.

    Raises:
        BadInput: the state at the start of the last phase was not recorded, or nothing after it.
    """
    at, lost = _lost(correct, epochs)
    watched = withdrawn & correct[:, 0]
    running = RunningMoments(correct.shape[2])
    for row, chosen in zip(at, watched, strict=True):
        running.add(reciprocal(row, lost), chosen)
    moments = running.result()
    models_with = np.count_nonzero(withdrawn, axis=0)
    return per_example(
        moments.mean,
        mean_interval(moments, bounds=(0.0, 1.0)),
        [
            ("withdrawn from no model", models_with == 0),
            ("learned by no model that it was withdrawn from", moments.count == 0),
        ],
        counts={
            "withdrawn": models_with,
            "learned": moments.count,
            "never_forgotten": np.count_nonzero(watched & (at == len(lost)), axis=0),
        },
        models=len(correct),
        note="averaged over the models that had learned the example before it was withdrawn",
    )


@measure(
    needs=("trajectory.correct", "trajectory.epochs", "design.withdrawn", "design.pair", *CONTROLS),
    unit="share of examples",
    higher="kept longer, less memorized",
    level="model",
    by_example=False,
    variant_of="second_split_forgetting_time",
    variant="survival",
)
def second_split_survival(
    correct: Bool[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    withdrawn: Bool[np.ndarray, "model example"],
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
    r"""Share of the learned examples not yet lost for good, by epoch without them: clean and of every planted kind.

    Formula:
        Kaplan-Meier curve of t[k, i] over the pairs of a model and an example of the group with withdrawn[k, i]
        and correct[k, 0, i], those that are right at the end of the last phase censored there; errors by leaving
        out a pair of models at a time
    Undefined:
        nan on the whole line of a group of which no model had learned an example; the error is nan below 3 pairs
        of models.

    Example:
        >>> c = np.array([[[1, 1], [1, 0], [1, 0]]] * 6, bool)
        >>> noisy, no, gone = np.array([False, True]), np.zeros(2, bool), np.ones((6, 2), bool)
        >>> second_split_survival(c, np.array([0, 1, 2]), gone, np.arange(6) // 2, noisy, *[no] * 9)
        Survival(over epoch, medians: clean nan, label_noise 1, from 6 models)

    Differs:
        The source shows histograms of mean times. Models are pooled, each with the examples that it had learned;
        the event of a gap between checkpoints is put at its end.

    Raises:
        BadInput: the state at the start of the last phase was not recorded, or nothing after it.
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
    at, lost = _lost(correct, epochs)
    watched = withdrawn & correct[:, 0]
    return survival_by_group(at, watched, with_clean(planted), pair, axis="epoch", times=lost.astype(np.float64))


def _lost(correct: np.ndarray, epochs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`[model, example]` index at which each example is lost for good, and the epochs that it points into."""
    if len(epochs) < 2 or epochs[0] != 0:
        raise BadInput(
            "The 'epochs' argument of second_split_forgetting_time must begin with 0, the end of the phase before, "
            f"and go on. Got {epochs.tolist()}.",
            hint="record the evidence after the first phase, too, as epoch 0.",
        )
    return np.stack([onset(~model[1:]) for model in correct]), epochs[1:]
