"""Transfer by layer: how much of what a network learned of some classes serves others, from the first layer on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Int

from byrote.analyses.catalog import procedure
from byrote.analyses.continued import KEPT, Continued, hold, kept, of_classes, over_seeds
from byrote.analyses.lab import Lab
from byrote.data.controls import Controls
from byrote.data.dataset import Dataset
from byrote.designs.full_data import full_data
from byrote.errors import BadInput
from byrote.recipes.algorithm import TrainingRecipe
from byrote.results import Scalar, Table
from byrote.runs.run import Run

#: Where the first layers come from, and what becomes of them.
TRUE, RANDOM, UNTRAINED, SELF, TUNED = "true labels", "random labels", "untrained", "own classes", "true labels, tuned"
ARMS: Final = (TRUE, RANDOM, UNTRAINED, SELF, TUNED)
#: Classes with fewer examples teach nothing.
FEWEST: Final = 4


@procedure(
    asks="Up to which layer does what was learned of some classes serve other classes?",
    needs=("outputs.correct",),
    section="4.5",
)
def transfer_by_layer(lab: Lab, run: Run, *, models: int = 3, examples: int = 60, seed: int = 0) -> Table:
    """Accuracy on half of the classes of networks whose first layers were trained on the other half, by their number.

    The classes are split in two. Networks are trained on the first half, with true labels and with random ones. Then
    the first k layers are copied and held, and the rest is trained on a few examples of the second half. Beside them
    stand layers that were never trained, which is the floor; layers from a network of the same few examples, which
    tells what holding costs; and layers that go on learning.

    Formula:
        accuracy on the examples of the second half that were not trained on, the mean over models
    Undefined:
        never.

    Args:
        lab: where to train.
        run: whose data and recipe.
        models: of each arm, with seeds of their own; 3 to 8.
        examples: of the second half that are trained on, as many of each class.
        seed: fixes the classes, the examples, weights and orders.

    Source: Yosinski et al. 2014, arXiv:1411.1792.

    Raises:
        BadInput: data or recipe are not at hand, or classes or examples are too few.
    """
    dataset, recipe = of_classes(run, "transfer_by_layer", models)
    rng = np.random.default_rng([seed, 9])
    first, second = _halves(dataset, rng)
    shown = _few(second, examples, rng)
    learned = {
        TRUE: first,
        RANDOM: first.replace(name=f"{first.name}, random", targets=rng.permutation(first.targets)),
        SELF: second.subset(shown),
    }
    folder = run.folder.with_name(f"{run.folder.name}-transfer-{models}-{examples}-{seed}")
    sources = {
        name: lab.audit(
            data,
            recipe,
            design=full_data(len(data), models),
            out=folder / name.replace(" ", "-"),
            seed=seed,
            checkpoints=2,
            keep_weights_at=KEPT,
        )
        for name, data in learned.items()
    }
    return _table(_Trial(sources, second, recipe, shown, seed), models)


def _table(trial: _Trial, models: int) -> Table:
    """Accuracy by arm and number of layers that are copied."""
    rows, shown, second = trial.numbers(), trial.shown, trial.second
    figures: dict[str, tuple[Scalar | None, ...]] = {}
    for arm in ARMS:
        found = [np.array([trial.accuracy(arm, count, model) for model in range(models)]) for count in rows]
        figures[arm] = tuple(over_seeds(each, (0.0, 1.0), examples=int((~shown).sum())) for each in found)
    return Table(
        title="Transfer by layer",
        rows={"layers copied": tuple(str(count) for count in rows)},
        figures=figures,
        notes=(
            f"Second classes: {', '.join(second.class_names)}; {int(shown.sum())} examples are trained on.",
            "Compare with untrained layers: where copied layers do not exceed them, no transfer is shown.",
        ),
    )


@dataclass(frozen=True, eq=False)
class _Trial:
    """The second classes, the examples shown of them, and where layers come from."""

    sources: dict[str, Run]
    second: Dataset
    recipe: TrainingRecipe
    shown: Bool[np.ndarray, " example"]
    seed: int

    def numbers(self) -> tuple[int, ...]:
        """How many layers are copied, the last one never."""
        going = Continued.on(self.second, self.recipe)
        return tuple(range(len(going.layers(going.model(self.seed)))))

    def accuracy(self, arm: str, count: int, model: int) -> float:
        """The accuracy on examples not shown, with so many layers copied from that model of the arm."""
        going = Continued.on(self.second, self.recipe)
        state = going.model(1_000 * (self.seed + 1) + model)
        network, layers = going.algorithm.network(state), going.layers(state)
        copied = list(layers)[:count]
        tensors = [name for layer in copied for name in layers[layer]]
        run = self.sources[TRUE if arm in (UNTRAINED, TUNED) else arm]
        source = kept(run, model, 0 if arm == UNTRAINED else -1)
        own = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
        state = going.model(1_000 * (self.seed + 1) + model, {**own, **{name: source[name] for name in tensors}})
        if arm != TUNED:
            hold(going.algorithm.network(state), copied, tensors)
        steps = going.steps(int(self.shown.sum()), self.recipe.epochs)
        state = going.train(state, self.shown, steps=steps, seed=self.seed + model)
        return float(going.right(state)[~self.shown].mean())


def _halves(dataset: Dataset, rng: np.random.Generator) -> tuple[Dataset, Dataset]:
    """The examples of either half of the classes, of equal numbers of classes, without planted wrong labels."""
    clean = dataset.subset(~dataset.controls.mask(dataset.ids, "label_noise"))
    count = np.bincount(clean.targets, minlength=clean.classes)
    usable = rng.permutation(np.flatnonzero(count >= FEWEST))
    if len(usable) < 4:
        raise BadInput(
            f"Transfer takes 4 classes of at least {FEWEST} examples each. Got {len(usable)}.",
            hint="audit data with more classes.",
        )
    half = len(usable) // 2
    return _of(clean, usable[:half]), _of(clean, usable[half : 2 * half])


def _of(dataset: Dataset, classes: Int[np.ndarray, " chosen"]) -> Dataset:
    """The examples of these classes, which are numbered anew."""
    classes = np.sort(classes)
    some = dataset.subset(np.isin(dataset.targets, classes))
    return some.replace(
        targets=np.searchsorted(classes, some.targets),
        class_names=tuple(dataset.class_names[label] for label in classes),
        controls=Controls(),
    )


def _few(dataset: Dataset, examples: int, rng: np.random.Generator) -> Bool[np.ndarray, " example"]:
    """As many examples of each class, of which others are left.

    Raises:
        BadInput: a class has too few.
    """
    each, fewest = max(1, examples // dataset.classes), int(np.bincount(dataset.targets).min())
    if each >= fewest:
        raise BadInput(
            f"The 'examples' argument of transfer_by_layer must leave some of each class to judge by. Got {examples}, "
            f"{each} a class, of which one has {fewest}.",
            hint=f"--set examples={dataset.classes * max(1, fewest // 2)}",
        )
    shown = np.zeros(len(dataset), bool)
    for label in range(dataset.classes):
        shown[rng.permutation(np.flatnonzero(dataset.targets == label))[:each]] = True
    return shown
