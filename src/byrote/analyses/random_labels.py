"""Randomization: what the recipe fits once labels, or inputs, say nothing, and how long that takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from byrote.analyses.catalog import procedure
from byrote.analyses.continued import of_classes, over_seeds
from byrote.analyses.lab import Lab, data_of
from byrote.data.controls import Controls
from byrote.data.dataset import Dataset
from byrote.data.task import refuse_other_tasks
from byrote.designs.full_data import full_data
from byrote.errors import BadInput
from byrote.results import Scalar, Table
from byrote.runs.run import Run

#: Labels are fitted once a model gets this share of them.
FITTED: Final = 0.99
Change = Callable[[Dataset, np.random.Generator], Dataset]


@procedure(
    asks="What does the recipe fit once labels or inputs are random, and how long does it take?",
    needs=("trajectory.correct",),
    section="4.1",
)
def randomization(
    lab: Lab,
    run: Run,
    *,
    models: int = 3,
    examples: int = 400,
    noise: float = 0.2,
    checkpoints: int = 20,
    seed: int = 0,
) -> Table:
    """Final accuracy, epochs until 99 % are fitted, and held-out accuracy, with labels or inputs made random.

    Labels: true, some wrong, all random. Inputs: numbers of all examples in one other order, in an order of each
    example's own, or Gaussian of the data's mean and variance. The recipe is the same for all.

    Formula:
        accuracy on the labels trained on, at the end, the mean over models; epochs: the lower median over models of the
        first checkpoint from which 99 % are right
    Undefined:
        epochs if more than half of the models never reach 99 %; held-out accuracy without held-out examples.

    Args:
        lab: where to train.
        run: whose data, held-out examples and recipe; wrong labels that were planted are put right beforehand.
        models: of each arm, with seeds of their own; 3 to 8.
        examples: of more than these as many are drawn.
        noise: the share of wrong labels of the second arm.
        checkpoints: at which accuracy is asked.
        seed: fixes what is drawn, weights and orders.

    Source: Zhang et al. 2017, arXiv:1611.03530, section 2.
    Differs:
        Wrong labels are drawn from the other classes, and their number is exact; the published code draws from all
        classes, so that some labels stay right. Random labels are a permutation, which keeps the sizes of classes.

    Raises:
        BadInput: data or recipe are not at hand, or examples do not have one class each.
    """
    dataset, recipe = of_classes(run, "randomization", models)
    if not 0 < noise < 1:
        raise BadInput(
            f"The 'noise' argument of randomization must be in (0, 1). Got {noise:g}.", hint="--set noise=0.2"
        )
    plain = _plain(dataset, examples, seed)
    folder = run.folder.with_name(f"{run.folder.name}-randomization-{models}-{len(plain)}-{noise:g}-{seed}")
    rows: dict[str, tuple[Scalar, Scalar, Scalar | None]] = {}
    for number, (name, made) in enumerate(_arms(noise).items()):
        data = made(plain, np.random.default_rng([seed, 10]))
        held = None if run.heldout is None else _like(run.heldout, number, seed)
        one = lab.audit(
            data,
            recipe,
            heldout=held,
            design=full_data(len(data), models),
            out=folder / f"{number}",
            seed=seed,
            checkpoints=checkpoints,
        )
        rows[name] = (*_fit(one), one.heldout_accuracy(role="full"))
    return _table(rows)


def _table(rows: Mapping[str, tuple[Scalar, Scalar, Scalar | None]]) -> Table:
    """A row for each arm: final accuracy, epochs and held-out accuracy."""
    columns = list(zip(*rows.values(), strict=True))
    return Table(
        title="Random labels and inputs",
        rows={"data": tuple(rows)},
        figures=dict(zip(("final accuracy", "epochs to 99 %", "held-out accuracy"), map(tuple, columns), strict=True)),
        notes=("Held-out examples keep their labels; of one order of inputs they have the same order.",),
    )


@procedure(
    asks="How much of the labels of a coin does the recipe fit?",
    needs=("outputs.correct",),
    section="4.1",
)
def random_label_fit(lab: Lab, run: Run, *, draws: int = 8, examples: int = 400, seed: int = 0) -> Table:
    """How much of labels drawn at random the recipe fits: 0 is chance, 1 is all of them.

    For two classes it bounds the empirical Rademacher complexity of what the recipe can learn from below, as a
    training need not find the best fit. For more classes it is an index of fit, and no such complexity.

    Formula:
        (a - 1 / C) / (1 - 1 / C), a the final accuracy on labels drawn from C classes alike, the mean over draws
    Undefined:
        never.

    Args:
        lab: where to train.
        run: whose data and recipe.
        draws: of labels, with a model each; at least 3.
        examples: of more than these as many are drawn.
        seed: fixes what is drawn, weights and orders.

    Source: Zhang et al. 2017, arXiv:1611.03530, section 2.2.

    Raises:
        BadInput: data or recipe are not at hand, or there are fewer than 3 draws or 2 classes.
    """
    dataset, recipe = data_of(run, "ask")
    refuse_other_tasks(dataset.task, dataset.name, "The procedure 'random_label_fit'")
    if draws < 3 or dataset.classes < 2:
        raise BadInput(
            f"random_label_fit takes at least 3 draws of labels of at least 2 classes. Got {draws} of "
            f"{dataset.classes}.",
            hint="--set draws=8, of data with several classes.",
        )
    plain, chance = _plain(dataset, examples, seed), 1 / dataset.classes
    found = np.empty(draws)
    for draw in range(draws):
        labels = np.random.default_rng([seed, 11, draw]).integers(plain.classes, size=len(plain))
        made = plain.replace(name=f"{plain.name}, drawn labels {draw}", targets=labels)
        one = lab.audit(
            made,
            recipe,
            design=full_data(len(made), 1),
            out=run.folder.with_name(f"{run.folder.name}-random-labels-{len(plain)}-{seed}") / f"{draw}",
            seed=seed + draw,
            checkpoints=2,
        )
        accuracy = one.load("outputs.correct", one.models("full")).mean()
        found[draw] = (accuracy - chance) / (1 - chance)
    what = (
        "is a lower bound of the empirical Rademacher complexity" if plain.classes == 2 else "is an index of fit only"
    )
    return Table(
        title="Fit of random labels",
        rows={"labels": ("drawn at random",)},
        figures={"fit": (over_seeds(found, (-1.0, 1.0), examples=len(plain)),)},
        notes=(f"With {plain.classes} classes, the fit {what}. Training may not find the best fit.",),
    )


def _plain(dataset: Dataset, examples: int, seed: int) -> Dataset:
    """At most so many examples, with their true labels and without controls."""
    order = np.random.default_rng([seed, 12]).permutation(len(dataset))[:examples]
    some = dataset.subset(np.sort(order))
    true = some.controls.true_labels(some.ids, some.targets, some.class_names)
    return some.replace(targets=np.where(true >= 0, true, some.targets), controls=Controls())


def _arms(noise: float) -> dict[str, Change]:
    return {
        "true labels": lambda data, rng: data,
        f"{noise:.0%} wrong labels": lambda data, rng: data.replace(targets=_wrong(data, noise, rng)),
        "random labels": lambda data, rng: data.replace(targets=rng.permutation(data.targets)),
        "one order of inputs": lambda data, rng: data.replace(inputs=_ordered(data.inputs, _ORDER)),
        "an order each": lambda data, rng: data.replace(inputs=_shuffled(data.inputs, rng)),
        "Gaussian inputs": lambda data, rng: data.replace(inputs=_gaussian(data.inputs, rng)),
    }


#: Where the seed of the one order of inputs stands among others, and the place of its arm.
_ORDER: Final = 13
_ONE_ORDER: Final = 3


def _like(heldout: Dataset, arm: int, seed: int) -> Dataset:
    return heldout.replace(inputs=_ordered(heldout.inputs, _ORDER)) if arm == _ONE_ORDER else heldout


def _wrong(data: Dataset, noise: float, rng: np.random.Generator) -> np.ndarray:
    """An exact share of the labels, moved to another class."""
    targets = data.targets.copy()
    rows = rng.permutation(len(data))[: round(noise * len(data))]
    targets[rows] = (targets[rows] + rng.integers(1, data.classes, size=len(rows))) % data.classes
    return targets


def _ordered(inputs: np.ndarray, seed: int) -> np.ndarray:
    flat = inputs.reshape(len(inputs), -1)
    return flat[:, np.random.default_rng(seed).permutation(flat.shape[1])].reshape(inputs.shape)


def _shuffled(inputs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.permuted(inputs.reshape(len(inputs), -1), axis=1).reshape(inputs.shape)


def _gaussian(inputs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.normal(inputs.mean(), inputs.std(), inputs.shape).astype(inputs.dtype)


def _fit(run: Run) -> tuple[Scalar, Scalar]:
    """Final accuracy, and epochs until it is that of fitted labels."""
    models = run.models("full")
    shares = run.load("trajectory.correct", models).mean(2)
    epochs = run.load("trajectory.epochs", models).astype(np.float64)
    below = shares < FITTED
    after = np.where(below.any(1), below.shape[1] - below[:, ::-1].argmax(1), 0)
    reached = np.append(epochs, np.inf)[after]
    middle = float(np.sort(reached)[(len(reached) - 1) // 2])
    nan, never = float("nan"), int(np.isinf(reached).sum())
    why = f"{never} of {len(reached)} models never reach {FITTED:.0%} of the labels"
    time = Scalar(
        value=nan if np.isinf(middle) else middle,
        stderr=nan,
        low=float(reached.min()) if np.isfinite(reached.min()) else nan,
        high=float(reached.max()) if never == 0 else nan,
        models=len(reached),
        examples=len(run.ids),
        reason=why if np.isinf(middle) else "",
        note="the interval is from the fastest to the slowest model",
    )
    return over_seeds(shares[:, -1], (0.0, 1.0), examples=len(run.ids)), time
