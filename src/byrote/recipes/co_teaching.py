"""Co-teaching: two networks, each learning from the examples that the other finds easy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor, nn

from byrote.data.task import Task
from byrote.errors import BadInput
from byrote.recipes.algorithm import Batch, Seen, Shape
from byrote.recipes.recipe import BoundRecipe, Recipe
from byrote.recipes.single import OneModel
from byrote.recipes.slots import Augmentation, Rows, Steps, described


@dataclass(frozen=True, kw_only=True)
class CoTeaching:
    """Two networks of one recipe; of each batch, each trains on the share that its peer has the smallest loss on.

    Formula:
        share kept at epoch t = 1 - noise_rate * min(t / ramp, 1),
        where a phase counts as the recipe's number of epochs, however long it is

    Differs: the authors' code divides an already averaged loss by the number kept once more; we do not.

    Source: Han et al. 2018, arXiv:1804.06872, algorithm 1. The first network is the one that answers.

    Example:
        >>> import byrote
        >>> CoTeaching(recipe=byrote.Recipe(network=byrote.MLP()), noise_rate=0.2).describe()['noise_rate']
        0.2
    """

    recipe: Recipe
    noise_rate: float = 0.05
    ramp: int = 10

    def __post_init__(self) -> None:
        if self.recipe.batches is not None or self.recipe.example_gradients is not None:
            raise BadInput(
                "CoTeaching chooses among the examples of a batch, and the recipe draws or clips examples one by one.",
                hint="leave out batches and example_gradients.",
            )
        if not 0 <= self.noise_rate < 1:
            raise BadInput(
                f"The 'noise_rate' argument of CoTeaching must lie in [0, 1). Got {self.noise_rate}.",
                hint="give the share of wrong labels that you expect, such as 0.05.",
            )

    @property
    def epochs(self) -> int:
        """The recipe's."""
        return self.recipe.epochs

    @property
    def batch_size(self) -> int:
        """The recipe's."""
        return self.recipe.batch_size

    def bind(self, shape: Shape, device: torch.device) -> BoundCoTeaching:
        """The algorithm for data of that shape."""
        return BoundCoTeaching(self, self.recipe.bind(shape, device))

    def check(self, task: Task) -> None:
        """Refuse slots of the recipe that do not fit."""
        self.recipe.check(task)

    def describe(self) -> dict[str, Any]:
        """Every setting by its slot, in JSON's types."""
        settings: dict[str, Any] = described(self)
        return settings


class BoundCoTeaching:
    """Co-teaching over a bound recipe; the state is the states of the two networks."""

    def __init__(self, settings: CoTeaching, single: BoundRecipe) -> None:
        self.settings = settings
        self.single = single
        self.epochs = single.epochs
        self.batch_size = single.batch_size

    def init(self, seed: int) -> tuple[OneModel, OneModel]:
        """Two networks of different seeds."""
        return self.single.init(seed), self.single.init((seed + 1) % 2**62)

    def begin(self, state: tuple[OneModel, OneModel], steps: Steps, *, rate: float = 1.0) -> tuple[OneModel, OneModel]:
        """Fresh optimizers for both."""
        first, second = state
        return self.single.begin(first, steps, rate=rate), self.single.begin(second, steps, rate=rate)

    def step(self, state: tuple[OneModel, OneModel], batch: Batch) -> tuple[tuple[OneModel, OneModel], Seen]:
        """Both networks rank the batch, exchange what they find easy, and step."""
        losses = [self.single.losses(one, batch) for one in state]
        epoch = state[0].step / max(state[0].steps / self.epochs, 1.0)
        share = 1 - self.settings.noise_rate * min(epoch / self.settings.ramp, 1.0)
        keep = max(1, round(share * len(batch.ids)))
        for one, peer in zip(state, reversed(losses), strict=True):
            easy = peer.loss.argsort()[:keep]
            weights = None if batch.weights is None else batch.weights[easy]
            chosen = Batch(inputs=batch.inputs[easy], targets=batch.targets[easy], ids=batch.ids[easy], weights=weights)
            self.single.step(one, chosen)
        return state, losses[0]

    def predict(self, state: tuple[OneModel, OneModel], inputs: Tensor) -> Tensor:
        """The first network's logits."""
        return self.single.predict(state[0], inputs)

    def network(self, state: tuple[OneModel, OneModel]) -> nn.Module:
        """The first network."""
        return state[0].network

    def order(self, seed: int, epoch: int, count: UInt8[np.ndarray, " example"]) -> Int[np.ndarray, " shown"]:
        """The sampler's order of that epoch."""
        return self.single.order(seed, epoch, count)

    def steps(self, shown: int) -> int:
        """As the recipe's."""
        return self.single.steps(shown)

    def batches(self, seed: int, epoch: int, count: UInt8[np.ndarray, " example"]) -> list[Rows]:
        """The recipe's."""
        return self.single.batches(seed, epoch, count)

    @property
    def repeats(self) -> bool:
        """Whether an epoch may show an example more often than its count says."""
        return self.single.repeats

    @property
    def augmentation(self) -> Augmentation | None:
        """The recipe's."""
        return self.single.augmentation

    def why_not_stackable(self) -> str:
        """Why these models cannot be trained many at once."""
        return "co-teaching trains two networks that choose each other's examples"

    def stack(self, seeds: Sequence[int], *, compiled: bool = False) -> Any:
        """Never: see `why_not_stackable`."""
        raise NotImplementedError(self.why_not_stackable())

    def unstack(self, state: Any) -> list[Any]:
        """Never: see `why_not_stackable`."""
        raise NotImplementedError(self.why_not_stackable())
