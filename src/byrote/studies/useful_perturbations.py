"""R71: what makes models vulnerable is a pattern: small changes towards a class teach that class."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from byrote.data.blocks import range_of_rows
from byrote.data.controls import Controls
from byrote.data.dataset import Dataset
from byrote.designs.full_data import full_data
from byrote.engine.networks import kept_state
from byrote.recipes.algorithm import Shape
from byrote.recipes.input_perturbations import Box, ascend
from byrote.recipes.objectives.by_class import cross_entropy
from byrote.runs.run import Run
from byrote.stats.verdicts import Verdict
from byrote.studies.attacks import radius_of
from byrote.studies.bench import Bench
from byrote.studies.catalog import study

#: Inputs are changed by so much of their range, in so many steps.
FAR: Final = 0.2
STEPS: Final = 20
HELD_OUT: Final = 0.3


def towards(network: nn.Module, inputs: Tensor, wanted: Tensor, radius: float) -> Tensor:
    """Inputs of which the network gives another class, changed by at most the radius and within the data's range.

    `network` gives logits `[example, class]` of inputs `[example, ...]`, and `wanted[example]` is that class.
    """
    low, high = range_of_rows(inputs.numpy())
    extent = (torch.from_numpy(low), torch.from_numpy(high))
    box = Box.around("The attack", inputs[None], radius, extent, None, None)
    found = ascend(
        lambda moved: -cross_entropy(network(moved[0])[None], wanted[None]),
        inputs[None],
        box,
        STEPS,
        2.5 * radius / STEPS,
    )
    return found[0]


def drawn(classes: int, count: int, rng: np.random.Generator) -> Int[np.ndarray, " example"]:
    """Classes drawn from all alike, so that they say nothing of the true ones."""
    return np.asarray(rng.integers(classes, size=count), np.int64)


def above_chance(accuracy: Float[np.ndarray, " unit"], classes: int) -> Float[np.ndarray, " unit"]:
    """How far accuracies are above that of guessing."""
    return np.asarray(accuracy - 1 / classes)


def simulated(rng: np.random.Generator, units: int, above: float) -> Float[np.ndarray, " unit"]:
    """The effect where so many more than a tenth of 400 examples are right."""
    of_unit = 0.1 + above + rng.normal(0, 0.03, (units, 1))
    return above_chance((rng.random((units, 400)) < of_unit).mean(1), 10)


@study(
    claim="R71",
    section="5.4",
    says="The memorization effect is not the source of adversarial vulnerability because existing work believes "
    "adversarial vulnerability derives from non-robust features.",
    effect="accuracy on clean held-out data above chance, after training only on inputs that are changed towards "
    "classes drawn at random and labelled with these",
    unit="model, trained on what deceives another one",
    margin=0.1,
    units=6,
    minutes=1.0,
    caveat="It shows that the changes are patterns of their classes. That memorization has no part in the "
    "vulnerability does not follow. Changes are within a fifth of the range of the inputs.",
    null=lambda rng, units: simulated(rng, units, 0.1),
    planted=lambda rng, units: simulated(rng, units, 0.3),
)
def useful_perturbations(bench: Bench) -> Verdict:
    """Train models, let each be deceived about its data, and train others on the changed inputs and wrong classes."""
    data, held = bench.divided(HELD_OUT)
    base = bench.train(data, full_data(len(data), bench.units), name="base", keep_weights=True, checkpoints=2)
    accuracy = []
    for model in base.models("full").tolist():
        wrong = deceiving(base, model, radius_of(bench.dataset, FAR), np.random.default_rng([bench.seed, 16, model]))
        run = bench.train(wrong, full_data(len(wrong), 1), name=f"deceived-{model}", heldout=held, checkpoints=2)
        accuracy.append(run.load("heldout.correct", run.models("full")).mean())
    return bench.verdict(above_chance(np.array(accuracy, np.float64), data.classes))


def deceiving(run: Run, model: int, radius: float, rng: np.random.Generator) -> Dataset:
    """The data of a run as one of its models sees classes drawn at random in it, labelled with these."""
    data = run.dataset
    assert data is not None, "the study has just trained on it"
    assert run.recipe is not None
    shape = Shape(inputs=data.inputs.shape[1:], classes=data.outputs, examples=len(data))
    algorithm = run.recipe.bind(shape, torch.device("cpu"))
    network = algorithm.network(kept_state(run, algorithm, model)).eval()
    wanted = drawn(data.classes, len(data), rng)
    changed = towards(network, torch.from_numpy(np.array(data.inputs)), torch.from_numpy(wanted), radius)
    name = f"{data.name}-deceiving-{model}"
    return data.replace(name=name, inputs=changed.numpy(), targets=wanted, controls=Controls())
