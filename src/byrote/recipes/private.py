"""DP-SGD: examples join each batch by a coin, their gradients are clipped one by one, and noise is added to the sum."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from byrote.errors import BadInput
from byrote.recipes import noise
from byrote.recipes.batch import Batch
from byrote.recipes.recipe import Recipe
from byrote.recipes.slots import Rows

#: Streams of a step: the coins of the examples, and the noise of the gradients.
_COINS, _NOISE = 2**18, 2**19


@dataclass(frozen=True, kw_only=True)
class Poisson:
    """Each example joins each batch with probability `rate`, by a coin of its own; batches may be empty.

    An epoch has about 1 / rate steps, so that it shows each example once on average. The sum of a batch's gradients is
    divided by the recipe's `batch_size`, which should be the expected size: the rate times the number of members.
    """

    rate: float

    def __post_init__(self) -> None:
        if not 0 < self.rate <= 1:
            raise BadInput(
                f"The 'rate' argument of Poisson must lie in (0, 1]. Got {self.rate}.",
                hint="rate=0.05 shows a twentieth of the examples at a step.",
            )

    @property
    def steps(self) -> int:
        """How many steps make an epoch."""
        return max(1, round(1 / self.rate))

    def at(self, seed: int, step: int, count: UInt8[np.ndarray, " example"]) -> Rows:
        """The rows that join; an example of count c has c coins."""
        joined = [np.zeros(0, np.int64)]
        for copy in range(int(count.max(initial=0))):
            rows = np.flatnonzero(count > copy)
            joined.append(rows[noise.coins(seed, step, rows, salt=_COINS + copy) < round(self.rate * 2**32)])
        return np.sort(np.concatenate(joined)), None


@dataclass(frozen=True)
class ClipByExample:
    """Scale each example's gradient down to Euclidean norm `largest` where it is longer."""

    largest: float = 1.0

    def __post_init__(self) -> None:
        if not self.largest > 0:
            raise BadInput(
                f"The 'largest' argument of ClipByExample must be above 0. Got {self.largest}.",
                hint="about the median norm of the gradients; 1.0 is a usual start.",
            )

    def factors(self, norms: Tensor) -> Tensor:
        """min(1, largest / norm) of `norms[model, batch]`."""
        return (self.largest / norms.clamp_min(1e-12)).clamp_max(1.0)


@dataclass(frozen=True)
class GaussianNoise:
    """Add normal numbers of that standard deviation to the *sum* of a batch's gradients, from the model's own seed.

    What is added to their mean is divided by what the sum is divided by. Each model draws by itself, weight after
    weight in the order of their names, and alike in every executor.
    """

    deviation: float

    def __post_init__(self) -> None:
        if not self.deviation >= 0:
            raise BadInput(
                f"The 'deviation' argument of GaussianNoise must be at least 0. Got {self.deviation}.",
                hint="the noise multiplier times the largest norm of a clipped gradient.",
            )

    def apply(self, gradients: dict[str, Tensor], batch: Batch) -> None:
        """`gradients[name][model, ...]`, changed in place."""
        assert batch.noise is not None, "a step has random numbers"
        names = sorted(gradients)
        sizes = [gradients[name][0].numel() for name in names]
        drawn = batch.noise.normals(sum(sizes), salt=_NOISE)
        size = batch.counted() if batch.normaliser is None else batch.normaliser
        drawn *= self.deviation / (size[:, None] if isinstance(size, Tensor) else size)
        for name, part in zip(names, torch.split(drawn, sizes, 1), strict=True):
            gradients[name].add_(part.reshape(gradients[name].shape))


def private(recipe: Recipe, *, members: int, rate: float, clip: float, multiplier: float) -> Recipe:
    """The recipe with DP-SGD's step in place of its own batches and its own change of gradients.

    `members` is the number of examples that a model is trained on, as anybody may know it: under a design that draws
    it at random, half the number of candidates. `clip` is C and `multiplier` sigma of the formula.

    Formula:
        each member joins a batch B with probability q, by itself;
        g = [ sum_{i in B} min(1, C / ||g_i||) g_i + N(0, sigma^2 C^2 I) ] / (q members)

    Raises:
        BadInput: the recipe has a sampler or a change of gradients of its own.

    Source: Abadi et al. 2016, arXiv:1607.00133, algorithm 1.

    Example:
        >>> from byrote.recipes.networks.mlp import MLP
        >>> made = private(Recipe(network=MLP()), members=500, rate=0.1, clip=1.0, multiplier=2.0)
        >>> made.batch_size, made.batches.steps, made.gradient_transform
        (50, 10, GaussianNoise(deviation=2.0))
    """
    if recipe.gradient_transform is not None:
        raise BadInput(
            f"The recipe changes gradients already, with {recipe.gradient_transform!r}.",
            hint="leave out gradient_transform: noise takes its place.",
        )
    return replace(
        recipe,
        batch_size=max(1, round(rate * members)),
        batches=Poisson(rate=rate),
        example_gradients=ClipByExample(clip),
        gradient_transform=GaussianNoise(multiplier * clip),
    )


@dataclass(frozen=True, kw_only=True)
class Guarantee:
    """What differential privacy promises of one model, for adding or removing one example."""

    epsilon: float
    delta: float
    rate: float
    steps: int
    multiplier: float
    accountant: str
    #: What the promise does not cover.
    outside: ClassVar[str] = (
        "It is that of one model. Each example is in several models of an audit, and the audit's evidence and reports "
        "are outside of it. The architecture, the learning rate and the number of epochs are taken as public. The "
        "random numbers are not cryptographic."
    )

    def __str__(self) -> str:
        return (
            f"({self.epsilon:.3g}, {self.delta:g})-differential privacy for adding or removing one example, over the "
            f"weights at the end and at all checkpoints, for {self.steps} Poisson steps of rate {self.rate:g} with "
            f"noise of {self.multiplier:g} times the clipping norm; {self.accountant}. {self.outside}"
        )


def guarantee(recipe: Recipe, *, delta: float) -> Guarantee:
    """The privacy of a model that the recipe trains through one phase, by opacus' PRV accountant.

    Raises:
        BadInput: the recipe promises nothing, delta is no probability, or opacus is not installed.
    """
    batches, clip, added = recipe.batches, recipe.example_gradients, recipe.gradient_transform
    lacks = {
        "draw its batches by coins": isinstance(batches, Poisson),
        "clip gradients by example": isinstance(clip, ClipByExample),
        "add noise": isinstance(added, GaussianNoise) and added.deviation > 0,
    }
    if not all(lacks.values()):
        missing = " and ".join(what for what, there in lacks.items() if not there)
        raise BadInput(
            f"The recipe promises no privacy: it does not {missing}.",
            hint="byrote.recipes.private.private(recipe, members=500, rate=0.1, clip=1.0, multiplier=2.0).",
        )
    if not 0 < delta < 1:
        raise BadInput(f"The 'delta' argument must lie in (0, 1). Got {delta}.", hint="delta=1e-5 is usual.")
    assert isinstance(batches, Poisson)
    assert isinstance(clip, ClipByExample)
    assert isinstance(added, GaussianNoise)
    multiplier, steps = added.deviation / clip.largest, recipe.epochs * batches.steps
    epsilon, accountant = _accounted(multiplier, batches.rate, steps, delta)
    return Guarantee(
        epsilon=epsilon, delta=delta, rate=batches.rate, steps=steps, multiplier=multiplier, accountant=accountant
    )


def _accounted(multiplier: float, rate: float, steps: int, delta: float) -> tuple[float, str]:
    try:
        from opacus import __version__
        from opacus.accountants import PRVAccountant
    except ImportError as error:
        raise BadInput(
            "No epsilon is given without an accountant, and opacus is not installed.",
            hint="pip install 'byrote[privacy]'.",
        ) from error
    accountant = PRVAccountant()
    accountant.history = [(multiplier, rate, steps)]
    with np.errstate(all="ignore"):  # the accountant takes log(0) where a loss is impossible
        return float(accountant.get_epsilon(delta=delta)), f"PRV accountant of opacus {__version__}"
