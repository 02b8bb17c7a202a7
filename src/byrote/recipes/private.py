"""DP-SGD: examples join each batch by a coin, their gradients are clipped one by one, and noise is added to the sum."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from byrote.data.task import Task
from byrote.errors import BadInput
from byrote.recipes import noise
from byrote.recipes.algorithm import Shape
from byrote.recipes.batch import Batch
from byrote.recipes.recipe import BoundRecipe, Recipe
from byrote.recipes.samplers import Shuffle
from byrote.recipes.slots import ADDED, Rows, described

#: Streams of a step: the coins of the examples, and the noise of the gradients.
_COINS, _NOISE = 2**18, 2**19
#: Coins that are drawn at a time.
_AT_A_TIME = 2**20


@dataclass(frozen=True, kw_only=True)
class Poisson:
    """Each example joins each batch with probability `rate`, by a coin of its own; batches may be empty.

    An epoch has about 1 / rate steps, so that it shows each example once on average. The sum of a batch's gradients is
    divided by `expected`, which should be the expected size, the rate times the number of members; unless it is given,
    by the recipe's `batch_size`.
    """

    rate: float
    expected: float | None = field(default=None, metadata=ADDED)

    def __post_init__(self) -> None:
        if not 0 < self.rate <= 1:
            raise BadInput(
                f"The 'rate' argument of Poisson must lie in (0, 1]. Got {self.rate}.",
                hint="rate=0.05 shows a twentieth of the examples at a step.",
            )
        if self.expected is not None and not 0 < self.expected < math.inf:
            raise BadInput(
                f"The 'expected' argument of Poisson must be above 0 and finite. Got {self.expected}.",
                hint="leave it out: the recipe's batch_size is taken.",
            )

    @property
    def steps(self) -> int:
        """How many steps make an epoch."""
        return max(1, round(1 / self.rate))

    def at(self, seed: int, step: int, count: UInt8[np.ndarray, " example"]) -> Rows:
        """The rows that join; an example of count c has c coins."""
        return self.between(seed, step, step + 1, count)[0]

    def between(self, seed: int, first: int, last: int, count: UInt8[np.ndarray, " example"]) -> list[Rows]:
        """The rows that join at each of these steps, the last one not included."""
        bound, joined = round(self.rate * 2**32), [[np.zeros(0, np.int64)] for _ in range(first, last)]
        for copy, (rows, mixed) in enumerate(_drawable(count.tobytes())):
            size = max(1, _AT_A_TIME // max(1, len(rows)))
            for start in range(first, last, size):
                steps = np.arange(start, min(start + size, last))
                hit = noise.coins(seed, steps, mixed, salt=_COINS + copy) < bound
                for step, shown in zip(steps - first, hit, strict=True):
                    joined[step].append(rows[shown])
        return [(each[1] if len(each) == 2 else np.sort(np.concatenate(each)), None) for each in joined]


@lru_cache(maxsize=256)
def _drawable(count: bytes) -> list[tuple[np.ndarray, np.ndarray]]:
    """The rows that have a first copy, a second and so on, and what coins are made of: the same at every step."""
    counts = np.frombuffer(count, np.uint8)
    every = [np.flatnonzero(counts > copy) for copy in range(int(counts.max(initial=0)))]
    return [(rows, noise.mixed_ids(rows)) for rows in every]


@dataclass(frozen=True)
class ClipByExample:
    """Scale each example's gradient down to Euclidean norm `largest` where it is longer."""

    largest: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.largest < math.inf:
            raise BadInput(
                f"The 'largest' argument of ClipByExample must be above 0 and finite. Got {self.largest}.",
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
        size = batch.counted() if batch.normaliser is None else batch.normaliser
        scale = self.deviation / (size[:, None] if isinstance(size, Tensor) else size)
        drawn = batch.noise.normals(sum(sizes), salt=_NOISE)
        drawn *= scale
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
    size, expected = max(1, round(rate * members)), rate * members
    return replace(
        recipe,
        batch_size=size,
        batches=Poisson(rate=rate, expected=None if math.isclose(size, expected) else expected),
        example_gradients=ClipByExample(clip),
        gradient_transform=GaussianNoise(multiplier * clip),
    )


#: What of the two a recipe does: both, or one alone, which guarantees nothing and shows what each contributes.
Arm = Literal["both", "clip", "noise"]


@dataclass(frozen=True)
class Private:
    """DP-SGD in place of a recipe's own batches: `private`, with all that the engine needs to know of its guarantee.

    Args:
        recipe: the network, the objective, the optimizer and whatever else acts on each example by itself.
        clip: the largest norm C that an example's gradient may have.
        noise: sigma, what the standard deviation of the noise is in multiples of C.
        rate: q, the probability with which an example joins a batch.
        members: how many examples a model is trained on, as anybody may know it; all candidates unless given. The
            clipped sum is divided by q times this number.
        arm: "clip" adds no noise, and "noise" clips nothing. Neither guarantees anything.
        delta: of the guarantee; a tenth of one divided by the number of candidates unless given.

    Models on all data have the rate, the noise and the divisor of those on a part: the guarantee is the same, and their
    sums are as much larger as they have more examples.

    Raises:
        BadInput: the recipe mixes examples, or has batches or a change of gradients of its own; a clip that is not
            above 0, a rate outside of (0, 1], no noise.

    Source: Abadi et al. 2016, arXiv:1607.00133, algorithm 1. Sums by book-keeping: Bu et al. 2022, arXiv:2210.00038.

    Example:
        >>> import byrote
        >>> recipe = byrote.Recipe(network=byrote.MLP(hidden=(8,)), epochs=3)
        >>> byrote.Private(recipe, clip=1.0, noise=2.0, rate=0.1).made(500).batch_size
        50
    """

    recipe: Recipe
    clip: float = 1.0
    noise: float = 1.0
    rate: float = 0.05
    members: int | None = None
    arm: Arm = "both"
    delta: float | None = None

    def __post_init__(self) -> None:
        _refuse_recipe(self.recipe)
        if self.arm not in get_args(Arm):
            raise BadInput(
                f"The 'arm' argument of Private must be one of {', '.join(get_args(Arm))}. Got {self.arm!r}.",
                hint="arm='both' is DP-SGD; the others guarantee nothing.",
            )
        if self.members is not None and self.members < 1:
            raise BadInput(
                f"The 'members' argument of Private must be at least 1. Got {self.members}.",
                hint="leave it out: all candidates count.",
            )
        if not 0 < self.noise < math.inf:
            raise BadInput(
                f"The 'noise' argument of Private must be above 0 and finite. Got {self.noise}.",
                hint="noise=1.0 is a usual start; arm='clip' clips without noise, and guarantees nothing.",
            )
        if self.delta is not None and not 0 < self.delta < 1:
            raise BadInput(
                f"The 'delta' argument of Private must lie in (0, 1). Got {self.delta}.",
                hint="leave it out: it is then a tenth of one divided by the number of examples.",
            )
        self.made(1)

    @property
    def epochs(self) -> int:
        """The recipe's."""
        return self.recipe.epochs

    @property
    def batch_size(self) -> int:
        """How many examples a batch is expected to have, where that is known; else the recipe's."""
        return self.recipe.batch_size if self.members is None else self.made(self.members).batch_size

    def made(self, examples: int) -> Recipe:
        """The recipe of slots for so many candidates."""
        made = private(
            self.recipe, members=self.members or examples, rate=self.rate, clip=self.clip, multiplier=self.noise
        )
        if self.arm == "clip":
            return replace(made, gradient_transform=None)
        return replace(made, example_gradients=None) if self.arm == "noise" else made

    def bind(self, shape: Shape, device: torch.device) -> BoundRecipe:
        """The algorithm for data of that shape."""
        return self.made(shape.examples).bind(shape, device)

    def check(self, task: Task) -> None:
        """Refuse slots of the recipe that do not fit."""
        self.recipe.check(task)

    def describe(self) -> dict[str, Any]:
        """Every setting by its slot, in JSON's types."""
        settings: dict[str, Any] = described(self)
        return settings


def _refuse_recipe(recipe: object) -> None:
    """Refuse what has no slots, mixes the examples of a batch, or shows them by other rules than coins.

    Raises:
        BadInput: it is one of these.
    """
    if not isinstance(recipe, Recipe):
        raise BadInput(
            f"Private takes a recipe that treats each example by itself. Got {type(recipe).__name__}.",
            hint="Private(byrote.Recipe(network=byrote.MLP()), clip=1.0, noise=1.0, rate=0.05).",
        )
    own = [name for name in ("batches", "example_gradients") if getattr(recipe, name) is not None]
    if own or not isinstance(recipe.sampler, Shuffle):
        raise BadInput(
            "Private draws batches by coins and clips gradients by example, and the recipe has "
            f"{' and '.join(own) or 'a sampler'} of its own.",
            hint="leave batches, example_gradients and sampler out of the recipe.",
        )
