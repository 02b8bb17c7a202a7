"""How far training has come in a phase: an optimizer over some weights, and its schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from byrote.recipes.slots import Slots


@dataclass(kw_only=True, eq=False)
class Pace:
    """An optimizer that has made `step` of `steps` steps at `rate` times the recipe's learning rate."""

    optimizer: torch.optim.Optimizer
    steps: int = 1
    step: int = 0
    rate: float = 1.0

    def advance(self, slots: Slots) -> None:
        """One update of the weights, at the schedule's learning rate after the share of the steps that is done."""
        rate = slots.optimizer.lr * self.rate * slots.schedule.factor(self.step / self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.step += 1

    def moments(self) -> dict[str, Tensor]:
        """What the optimizer remembers, as `number of the weight.name`."""
        return {
            f"{number}.{key}": value
            for number, weight in enumerate(self._weights())
            for key, value in self.optimizer.state[weight].items()
            if isinstance(value, Tensor)
        }

    def remind(self, moments: Mapping[str, Tensor]) -> None:
        """Let the optimizer remember what `moments` gave."""
        weights = self._weights()
        fused = bool(self.optimizer.param_groups[0].get("fused"))
        for name, value in moments.items():
            number, key = name.split(".", 1)
            weight = weights[int(number)]
            device = weight.device if key != "step" or fused else "cpu"
            self.optimizer.state[weight][key] = value.clone().to(device)

    def _weights(self) -> list[Tensor]:
        return [weight for group in self.optimizer.param_groups for weight in group["params"]]


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those tensors whose names begin with the prefix and a dot, by the rest of their names.

    Example:
        >>> under("a", {"a.b.c": torch.zeros(1), "ab": torch.zeros(1)}).keys()
        dict_keys(['b.c'])
    """
    return {name[len(prefix) + 1 :]: one for name, one in tensors.items() if name.startswith(f"{prefix}.")}
