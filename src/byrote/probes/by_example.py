"""Gradients by example need a network that answers each example by itself, and that torch can differentiate."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from byrote.errors import BadInput

#: Answers to an example alone and beside others differ by rounding alone, which is far less.
CLOSE = 1e-3


def any_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """A loss `[example]` of whatever a network answers, to try gradients with."""
    return logits.float().flatten(1).square().sum(1)


def refuse_unfit(name: str, network: nn.Module, inputs: Tensor, take: Callable[[], object]) -> None:
    """Refuse a network whose gradients by example the probe of that name cannot take on these few examples.

    Raises:
        BadInput: an example's answer depends on the others of its batch, inputs are whole numbers, or `take` fails.
    """
    try:
        take()
    except BadInput:
        raise
    except Exception as error:  # whatever a user's network raises must reach the user as a sentence
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BadInput(
            f"The probe {name!r} cannot take the network's gradients by example: {first}",
            hint="layers must work under torch.func.vmap in evaluation mode; or audit without this probe.",
        ) from error
    refuse_batch_statistics(name, network, inputs)


def refuse_batch_statistics(name: str, network: nn.Module, inputs: Tensor) -> None:
    """Refuse a network that answers an example otherwise beside others than alone.

    Raises:
        BadInput: it does.
    """
    with torch.no_grad():
        together = network(inputs)
        try:
            alone = torch.cat([network(one[None]) for one in inputs])
        except ValueError:  # BatchNorm of batch statistics refuses a batch of one
            alone = torch.full_like(together, torch.nan)
    if not torch.allclose(together, alone, rtol=CLOSE, atol=CLOSE, equal_nan=True):
        raise BadInput(
            f"The probe {name!r} takes gradients by example, and here an example's answer depends on the others of "
            "its batch.",
            hint="use track_running_stats=True in BatchNorm, or GroupNorm; or audit without this probe.",
        )
