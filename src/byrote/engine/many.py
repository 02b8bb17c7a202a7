"""Many models: a stack of one algorithm's models that step together."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from byrote.recipes.algorithm import Algorithm, Batch, Seen, State, Steps


class Many:
    """Models of an algorithm that can stack them."""

    def __init__(self, algorithm: Algorithm, seeds: Sequence[int], *, compiled: bool = False) -> None:
        self.algorithm = algorithm
        self.state: State = algorithm.stack(seeds, compiled=compiled)

    def begin(self, steps: Steps) -> None:
        """A phase of so many steps is about to start, of all models or of each."""
        self.state = self.algorithm.begin(self.state, steps)

    def step(self, batch: Batch) -> Seen:
        """One update on the models' batches; everything has a leading model axis."""
        self.state, seen = self.algorithm.step(self.state, batch)
        return seen

    def predict(self, inputs: Tensor) -> Tensor:
        """`inputs[batch, ...]` give `logits[model, batch, class]` in evaluation mode."""
        return self.algorithm.predict(self.state, inputs)

    def states(self) -> list[State]:
        """The models one by one, as the plain loop would hold them, for whatever is done to them next."""
        return self.algorithm.unstack(self.state)
