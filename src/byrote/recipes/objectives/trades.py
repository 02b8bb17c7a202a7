"""TRADES: the loss of the examples as they are, and how far the answers move under an attack on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from byrote.errors import BadInput
from byrote.recipes import noise
from byrote.recipes.batch import Batch
from byrote.recipes.input_perturbations import Box, ascend
from byrote.recipes.objectives.by_class import cross_entropy
from byrote.recipes.slots import Forward

#: The stream of the attack's start.
_SALT = 2**17


@dataclass(frozen=True, kw_only=True)
class Trades:
    r"""Cross-entropy plus beta times the Kullback-Leibler divergence between the answers to an input and to its attack.

    Formula:
        loss = -log f_y(x) + beta KL(f(x) || f(x')),  x' = argmax within `radius` of x of KL(f(x) || f(x')),
        found by `steps` sign steps of `step_size` (2.5 radius / steps unless given) from x + start N(0, 1)

    The gradient of the divergence goes through both answers, as in the paper. `radius` is in the unit of the inputs as
    the network sees them; no point leaves the range of the data, or `low` to `high`, see `ProjectedGradient`.

    Differs:
        The authors' code takes both answers of the divergence in training mode, so that BatchNorm counts the attack's
        batch and the plain one twice. Here the cross-entropy is taken in training mode, once a step, and both answers
        of the divergence in evaluation mode, in which the attack was found; it is 0 where nothing moved.

    Source: Zhang et al. 2019, arXiv:1901.08573, eq. 5; start .001 and beta 6 as in the authors' code, trades.py.

    Example:
        >>> Trades(beta=6.0, radius=0.1)
        Trades(beta=6.0, radius=0.1, steps=5, step_size=None, start=0.001, low=None, high=None)
    """

    beta: float = 6.0
    radius: float = 0.1
    steps: int = 5
    step_size: float | None = None
    start: float = 0.001
    low: float | None = None
    high: float | None = None
    task: ClassVar[str] = "classes"
    once: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name, value in (("beta", self.beta), ("radius", self.radius), ("start", self.start)):
            if not value >= 0:
                raise BadInput(
                    f"The {name!r} argument of Trades must be at least 0. Got {value}.",
                    hint="byrote.Trades(beta=6.0, radius=0.1, steps=5).",
                )
        if self.steps < 1:
            raise BadInput(
                f"The 'steps' argument of Trades must be at least 1. Got {self.steps}.", hint="steps=5 on small images."
            )

    def memory(self, examples: int, classes: int) -> None:
        """No memory."""
        return

    def loss(self, forward: Forward, batch: Batch, memory: Tensor | None) -> tuple[Tensor, Tensor, None]:
        """One pass in training mode; those of the attack, and the two that it is judged by, in evaluation mode."""
        moved = self.attacked(forward, batch)
        plain = forward(batch.inputs, train=False)
        apart = divergence(plain, forward(moved, train=False))
        logits = forward(batch.inputs, train=True)
        return logits, cross_entropy(logits, batch.targets) + self.beta * apart, None

    def attacked(self, forward: Forward, batch: Batch) -> Tensor:
        """The inputs `[model, batch, ...]` at which the answers are farthest from those to the inputs themselves.

        Raises:
            BadInput: neither the data's range nor `low` and `high` are known.
        """
        assert batch.noise is not None, "a step has random numbers"
        box = Box.around("Trades", batch.inputs, self.radius, batch.extent(), self.low, self.high)
        with torch.no_grad():
            plain = forward(batch.inputs, train=False)
        drawn = noise.normal(batch.noise.keys, batch.inputs[0, 0].numel(), salt=_SALT)
        start = batch.inputs + self.start * drawn.reshape(batch.inputs.shape)
        size = 2.5 * self.radius / self.steps if self.step_size is None else self.step_size
        return ascend(lambda x: divergence(plain, forward(x, train=False)), box.clamp(start), box, self.steps, size)


def divergence(logits: Tensor, others: Tensor) -> Tensor:
    """KL(p || q) in nats of the distributions that two sets of logits `[..., class]` stand for.

    Example:
        >>> round(divergence(torch.tensor([0.0, 0.0]), torch.tensor([0.0, 3.0])).item(), 3)
        0.855
    """
    log_p, log_q = logits.log_softmax(-1), others.log_softmax(-1)
    return (log_p.exp() * (log_p - log_q)).sum(-1)
