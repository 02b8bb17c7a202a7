"""One model: the plain loop's learner, with the model axis of length one that the rest of the engine expects."""

from __future__ import annotations

from torch import Tensor

from byrote.recipes.algorithm import Algorithm, Batch, Seen, State, Steps


class One:
    """A single model of any algorithm."""

    def __init__(self, algorithm: Algorithm, seed: int) -> None:
        self.algorithm = algorithm
        self.state: State = algorithm.init(seed)

    def begin(self, steps: Steps) -> None:
        """A phase of so many steps is about to start."""
        self.state = self.algorithm.begin(self.state, steps)

    def step(self, batch: Batch) -> Seen:
        """One update on a batch with a model axis of length one; what was seen has the axis too."""
        self.state, seen = self.algorithm.step(self.state, batch.without_axis())
        return Seen(logits=seen.logits[None], loss=seen.loss[None])

    def predict(self, inputs: Tensor) -> Tensor:
        """`inputs[batch, ...]` give `logits[1, batch, class]` in evaluation mode."""
        return self.algorithm.predict(self.state, inputs)[None]

    def states(self) -> list[State]:
        """The state of the one model."""
        return [self.state]
