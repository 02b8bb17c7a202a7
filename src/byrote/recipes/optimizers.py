"""Optimizers, as torch has them."""

from __future__ import annotations

import inspect
from dataclasses import dataclass

import torch
from torch import Tensor

from byrote.errors import BadInput


class _NoCompiler(torch.optim.Optimizer):
    """Without what only torch.compile needs of an optimizer: it imports the compiler, 2 seconds of every process."""

    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = inspect.unwrap(torch.optim.Optimizer.zero_grad)


class _Sgd(_NoCompiler, torch.optim.SGD):
    step = torch.no_grad()(inspect.unwrap(torch.optim.SGD.step))


class _AdamW(_NoCompiler, torch.optim.AdamW):
    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))


@dataclass(frozen=True, kw_only=True)
class SGD:
    """Stochastic gradient descent with momentum and L2 weight decay.

    Example:
        >>> SGD(lr=0.1, weight_decay=5e-4)
        SGD(lr=0.1, momentum=0.9, weight_decay=0.0005, nesterov=False)
    """

    lr: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        check_rate("SGD", self.lr)

    def build(self, tensors: list[Tensor]) -> torch.optim.Optimizer:
        """Torch's optimizer over these tensors."""
        return _Sgd(
            tensors,
            lr=self.lr,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            nesterov=self.nesterov,
            fused=True,
        )


@dataclass(frozen=True, kw_only=True)
class AdamW:
    """Adam with decoupled weight decay.

    Example:
        >>> AdamW(lr=0.01)
        AdamW(lr=0.01, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.01)
    """

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        check_rate("AdamW", self.lr)

    def build(self, tensors: list[Tensor]) -> torch.optim.Optimizer:
        """Torch's optimizer over these tensors."""
        return _AdamW(tensors, lr=self.lr, betas=self.betas, eps=self.eps, weight_decay=self.weight_decay, fused=True)


def check_rate(owner: str, lr: float) -> None:
    """Refuse a learning rate that is no positive number."""
    if not 0 < lr < float("inf"):
        raise BadInput(
            f"The 'lr' argument of {owner} must be a positive number. Got {lr}.",
            hint="0.1 is common for SGD, 0.001 for AdamW.",
        )
