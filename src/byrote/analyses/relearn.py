"""Whether what was unlearned comes back: by training on a part of it, on the rest, or by rounding the weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.special import stdtr, stdtrit

from byrote.analyses.catalog import procedure
from byrote.analyses.lab import Lab
from byrote.analyses.unlearn import DataToForget, data_to_forget, trained
from byrote.analyses.unlearning import LEVEL, Scores, compared
from byrote.blocks import Block, TableBlock, Words, figure_rows, section
from byrote.changes.change import Change, Context, TrainedModel
from byrote.changes.forget import FORGET_SHARE, Forget
from byrote.changes.model.training import batches, device_of, log_probability, train_on
from byrote.errors import BadInput
from byrote.evidence.kinds.weights import WEIGHTS
from byrote.probes.signals import signals
from byrote.recipes.algorithm import Algorithm
from byrote.recipes.objectives.next_token import IGNORED
from byrote.results import Scalar, Table
from byrote.runs.run import Run
from byrote.stats.intervals import UPPER
from byrote.stats.multiple import holm

#: Bits of the weights that are rounded.
BITS: Final = (8, 4)
AS_IT_IS: Final = "as it is"
ON_HALF, ON_REST = "trained on the other half", "trained on as many of the rest"


@procedure(
    asks="Does what was unlearned come back when the models are trained on a part of it, or their weights are rounded?",
    needs=("outputs.log_odds", "tokens.log_probability"),
    section="5.6",
)
def relearn(
    lab: Lab,
    run: Run,
    *,
    method: str | Change,
    forget: Forget = FORGET_SHARE,
    models: int = 16,
    epochs: int = 5,
    seed: int = 1,
    out: str | Path | None = None,
) -> Table:
    """Unlearn in one set of models, disturb it and a set that was retrained, and compare what each gains.

    Formula:
        what is to be forgotten is halved at random; all is judged on one half
        gain: the mean score of the unlearned models after the disturbance minus that before, less the same of the
        retrained models, in standard deviations of the retrained models' scores; above 0 more comes back than models
        learn that never saw the examples
        shift, AUC: of the disturbed unlearned models against the equally disturbed retrained ones, as in `unlearning`
        p: of the mean gains of the two sets being alike (Welch's t over models)
        rounded: each row of a matrix in whole multiples of its largest entry / (2^(bits - 1) - 1)

    Args:
        lab: where to train.
        run: its data and recipe are used, as in `unlearn`.
        method: a change of models, or its name and settings, e.g. "npo=1,epochs=20".
        forget: ids, a file of ids, or the share of the examples with the highest label memorization; at least 4.
        models: of each set.
        epochs: over the other half, and over as many of the rest.
        seed: of all sets, and of the halves.
        out: folder of the two runs; default: `<run>-relearn-<method>-<digest of the settings>`.

    Source: Hu et al. 2024, arXiv:2406.13356 (relearning); Zhang et al. 2024, arXiv:2410.16454 (quantisation).
    Differs:
        The gain is judged against models that never saw the examples and are disturbed in the same way: training on one
        half teaches some of the other half to anybody.

    Raises:
        BadInput: as in `unlearn`; or fewer than 4 examples are to be forgotten.
        TooFewModels: fewer than 5 models.
    """
    data, change, folder = data_to_forget(run, method, forget, models, seed, out, "relearn")
    if len(data.forget) < 4:
        raise BadInput(
            f"Relearning takes at least 4 examples to forget, 2 in each half. Got {len(data.forget)}.",
            hint="name more of them, or give a larger share: --set forget=0.1.",
        )
    runs = dict(
        trained(lab, run, data, forget, method=change, models=models, folder=folder, seed=seed, keep_weights=True)
    )
    shuffled = np.random.default_rng([seed, 3]).permutation(data.forget)
    judged, other = np.sort(shuffled[::2]), np.sort(shuffled[1::2])
    algorithm = data.algorithm()
    found = {
        name: _scores(algorithm, data, runs[name], judged, other, epochs, seed) for name in ("unlearned", "retrained")
    }
    return _table(found["unlearned"], found["retrained"], len(other))


def _scores(
    algorithm: Algorithm,
    data: DataToForget,
    run: Run,
    judged: Int[np.ndarray, " judged"],
    other: Int[np.ndarray, " other"],
    epochs: int,
    seed: int,
) -> dict[str, Scores]:
    """By what is done to the models: the score of each model for each example that is judged."""
    found: dict[str, list[np.ndarray]] = {}
    for model in run.models().tolist():
        rng = np.random.default_rng([seed, 4, model])
        context = Context(dataset=data.whole, rng=rng, forget=data.forget, retain=data.retain)
        rest = np.sort(rng.permutation(data.retain)[: len(other)])
        for name, disturb in _disturbances(context, other, rest, epochs):
            one = disturb(loaded(algorithm, run, model))
            found.setdefault(name, []).append(scores_of(one, context, judged))
    return {name: np.stack(rows) for name, rows in found.items()}


def _disturbances(
    context: Context, other: Int[np.ndarray, " other"], rest: Int[np.ndarray, " other"], epochs: int
) -> Iterator[tuple[str, Callable[[TrainedModel], TrainedModel]]]:
    """What is done to each model, the models as they are first."""
    yield AS_IT_IS, lambda model: model
    for bits in BITS:
        yield f"{bits} bits", partial(rounded, bits=bits)
    for name, rows in ((ON_HALF, other), (ON_REST, rest)):
        yield name, partial(train_on, context=context, rows=rows, epochs=epochs, rate=1.0, weight=1.0)


def loaded(algorithm: Algorithm, run: Run, model: int) -> TrainedModel:
    """A model of a run with the weights that the run kept."""
    with torch.random.fork_rng(devices=[]):  # `init` seeds torch's generator
        state = algorithm.init(run.manifest.models[model].seed or 0)
    kept = run.evidence.block(WEIGHTS.name, model, run.last_phase)
    algorithm.network(state).load_state_dict({name: torch.from_numpy(np.array(one)) for name, one in kept.items()})
    return TrainedModel(algorithm=algorithm, state=state)


def rounded(model: TrainedModel, bits: int) -> TrainedModel:
    """The model with each row of its matrices in so many bits, by the largest entry of the row."""
    with torch.no_grad():
        for weight in model.algorithm.network(model.state).parameters():
            if weight.ndim > 1:
                rows = weight.flatten(1)
                step = rows.abs().amax(1, keepdim=True) / (2 ** (bits - 1) - 1)
                weight.copy_((torch.where(step > 0, (rows / step).round() * step, rows)).reshape(weight.shape))
    return model


def scores_of(model: TrainedModel, context: Context, rows: Int[np.ndarray, " row"]) -> Float[np.ndarray, " row"]:
    """The log-odds of each example's label, or the mean log-probability of a document's tokens, as in `unlearning`."""
    sums, counts = np.zeros(len(context.dataset)), np.zeros(len(context.dataset))
    network = model.algorithm.network(model.state)
    for batch in batches(model.algorithm, context, rows, device_of(model)):
        if batch.documents is None:
            logits = model.algorithm.predict(model.state, batch.inputs)
            sums[batch.ids.numpy()] = signals(logits, batch.targets).log_odds.double().numpy()
            counts[batch.ids.numpy()] = 1
            continue
        counted = batch.targets != IGNORED
        alone = replace(batch, documents=torch.arange(counted.numel()).reshape(counted.shape))
        np.add.at(sums, batch.documents[counted].numpy(), log_probability(network, alone)[counted].double().numpy())
        np.add.at(counts, batch.documents[counted].numpy(), 1)
    return np.asarray(sums[rows] / counts[rows])


def _table(unlearned: dict[str, Scores], retrained: dict[str, Scores], others: int) -> Table:
    """A row for each disturbance; of a set with more models than the other the first count."""
    count = min(len(unlearned[AS_IT_IS]), len(retrained[AS_IT_IS]))
    sets = [{name: scores[:count] for name, scores in each.items()} for each in (unlearned, retrained)]
    names, examples = tuple(sets[0]), sets[0][AS_IT_IS].shape[1]
    spread = max(float(np.sqrt(sets[1][AS_IT_IS].var(0, ddof=1).mean())), 1e-12)
    gained = [[(each[name] - each[AS_IT_IS]).mean(1) / spread for name in names[1:]] for each in sets]
    gains, p_values = zip(*(_gain(a, b, examples) for a, b in zip(*gained, strict=True)), strict=True)
    verdicts = [_verdict(gain, p_value) for gain, p_value in zip(gains, holm(np.array(p_values)).tolist(), strict=True)]
    both = [compared(sets[0][name], sets[1][name]) for name in names]
    nan = float("nan")
    return Table(
        title="What comes back of what was unlearned",
        rows={"the models": names, "verdict": ("–", *verdicts)},
        figures={
            "gain": (None, *gains),
            "p": (
                None,
                *(
                    Scalar(value=one, stderr=nan, low=nan, high=nan, models=2 * count, examples=examples)
                    for one in p_values
                ),
            ),
            "shift": tuple(one["shift"] for one in both),
            "AUC": tuple(one["AUC"] for one in both),
        },
        notes=(
            f"All is judged on {examples} of the examples to forget; the other half are {others}. Each set has {count} "
            "models.",
            "A gain is what unlearned models gain by the disturbance, less what models gain that never saw the "
            "examples, in standard deviations of the latter: above 0 something was hidden and comes back. Verdicts are "
            "by Holm's correction over the disturbances.",
            "Shift and AUC are of the disturbed unlearned models against the equally disturbed retrained ones; a shift "
            "that is there before any disturbance was never unlearned.",
        ),
    )


def _gain(one: Float[np.ndarray, " model"], other: Float[np.ndarray, " model"], examples: int) -> tuple[Scalar, float]:
    """The mean of the first minus that of the second, with Welch's interval over models, and its p-value."""
    parts = np.array([one.var(ddof=1) / len(one), other.var(ddof=1) / len(other)])
    value, stderr = float(one.mean() - other.mean()), float(np.sqrt(parts.sum()))
    reach, p_value = 0.0, float(value == 0)
    if stderr > 0:
        freedom = parts.sum() ** 2 / (parts**2 / (np.array([len(one), len(other)]) - 1)).sum()
        reach = float(stdtrit(freedom, UPPER)) * stderr
        p_value = float(2 * stdtr(freedom, -abs(value) / stderr))
    found = Scalar(
        value=value,
        stderr=stderr,
        low=value - reach,
        high=value + reach,
        models=len(one) + len(other),
        examples=examples,
    )
    return found, p_value


def _verdict(gain: Scalar, p_value: float) -> str:
    if p_value > LEVEL:
        return "no return shown"
    return "some comes back" if gain.value > 0 else "loses more than retrained models"


@section(of="relearn", title="Whether what was unlearned comes back", order=61)
def shown(table: Table) -> tuple[Block, ...]:
    """A row for each disturbance, and how to read it."""
    rows = tuple(figure_rows(table, missing="–"))
    return (
        TableBlock(title=table.title, columns=(*table.rows, *table.figures), rows=rows),
        Words(text=" ".join(table.notes), tone="reading"),
    )
