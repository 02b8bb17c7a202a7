"""One step on a few examples before anything trains, so that a slot that does not fit is found at once."""

from __future__ import annotations

import torch
from torch import Tensor

from byrote.engine.unfit import first_line, where
from byrote.errors import BadInput
from byrote.recipes.algorithm import Algorithm, Batch

_LOSS = (
    "an objective's loss(forward, batch, memory) asks logits = forward(batch.inputs, train=True), and returns logits, "
    "loss[model, batch] and new rows of its memory or None."
)
_STEP = f"mend the slot of the recipe that raises it; {_LOSS}"


class Given:
    """Inputs that are tried in a copy, so that whoever writes to them is found and their owner keeps them."""

    def __init__(self, inputs: Tensor) -> None:
        self.inputs = inputs
        self.tried = inputs.clone()
        self._version = self.tried._version

    def refuse_written(self) -> None:
        """Refuse what wrote to the copy: torch counts it, and whoever goes past torch changes numbers.

        Raises:
            BadInput: something did.
        """
        if self.tried._version != self._version or not torch.equal(self.tried, self.inputs):
            raise BadInput(
                "The recipe changes the inputs that it is given, so that later models would be trained on other data.",
                hint="x = x - 1 in place of x.sub_(1), and inplace=False in the layer that gets the inputs first.",
            )


def try_step(algorithm: Algorithm, inputs: Tensor, targets: Tensor) -> None:
    """Train a fresh model, which nobody keeps, for one step.

    Args:
        algorithm: what trains; its state of seed 0 is made and thrown away.
        inputs: `[batch, ...]`, the first examples of the dataset.
        targets: `[batch, ...]`, what is learned of them.

    Raises:
        BadInput: the step fails or writes to the inputs, or the objective does not give one loss per example.
    """
    ids, given = torch.arange(len(inputs), device=inputs.device), Given(inputs)
    try:
        state = algorithm.begin(algorithm.init(0), 1)
        _, seen = algorithm.step(state, Batch(inputs=given.tried, targets=targets, ids=ids))
    except BadInput:
        raise
    except Exception as error:  # whatever a user's slot raises must reach the user as a sentence
        problem = first_line(error).rstrip(".")
        raise BadInput(f"A training step of the recipe fails: {problem}{where(error)}.", hint=_STEP) from error
    given.refuse_written()
    if tuple(seen.loss.shape) != (len(inputs),):
        raise BadInput(
            f"The recipe's objective must give one loss per example, [model, batch]. Got the shape "
            f"{('model', *seen.loss.shape)} of {len(inputs)} examples.",
            hint=_LOSS,
        )
