"""One model: its network as it is, for the plain loop, which trains whatever cannot be stacked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from byrote.recipes.batch import Batch, Seen
from byrote.recipes.dropout import Dropout, give, keys_of
from byrote.recipes.models import Parts
from byrote.recipes.noise import Stream
from byrote.recipes.pace import Pace, under
from byrote.recipes.slots import Optimizer, Slots, Steps
from byrote.recipes.step import backward


@dataclass(kw_only=True, eq=False)
class OneModel(Pace):
    """The state of one model in the plain loop; `step` changes it in place. `seeds[1]`, `memory[example, ...]`."""

    network: nn.Module
    dropouts: list[Dropout]
    memory: Tensor | None
    seeds: Tensor
    total: int = 0

    def begin(self, slot: Optimizer, steps: Steps, rate: float) -> None:
        """A fresh optimizer and schedule over so many steps."""
        self.optimizer = slot.build(self.learned())
        self.steps, self.step, self.rate = steps if isinstance(steps, int) else steps[0], 0, rate

    def with_axis(self, batch: Batch) -> Batch:
        """A batch of this one model as the step takes it."""
        return batch.with_axis()

    def without_axis(self, seen: Seen) -> Seen:
        """What the step saw as this one model has it."""
        return Seen(logits=seen.logits[0], loss=seen.loss[0])

    def learned(self) -> list[Tensor]:
        """The weights that training changes."""
        return trainable(self.network)

    def forward(self, inputs: Tensor, stream: Stream | None, *, train: bool) -> Tensor:
        """`inputs[1, batch, ...]` give `logits[1, batch, ...]`."""
        give(self.dropouts, None if stream is None else [keys[0] for keys in keys_of(self.dropouts, stream)])
        if self.network.training != train:  # to set every layer's mode anew takes as long as a small network's pass
            self.network.train(train)
        logits: Tensor = self.network(inputs[0])
        return logits[None]

    def answers(self, inputs: Tensor) -> Tensor:
        """`inputs[batch, ...]` give `logits[batch, class]` in evaluation mode."""
        with torch.no_grad():
            logits: Tensor = self.network.eval()(inputs)
        return logits

    def backward(self, slots: Slots, batch: Batch, memory: Tensor | None) -> tuple[Seen, Tensor | None]:
        """Fill in the gradients; also gives new rows of the memory."""
        return backward(slots, self, batch, memory)

    def zero_grad(self) -> None:
        """Forget the gradients; torch's own way takes longer than a small step's arithmetic."""
        for weight in self._weights():
            weight.grad = None

    def update(self, slots: Slots, batch: Batch) -> None:
        """One update of the weights."""
        self.advance(slots)
        self.total += 1

    def gradients(self) -> dict[str, Tensor]:
        """Those of the weights that have one, `[1, ...]`."""
        named = self.network.named_parameters()
        return {name: weight.grad[None] for name, weight in named if weight.grad is not None}

    def learn_from(self, gradients: dict[str, Tensor]) -> None:
        """`gradients[name][1, ...]`, each kept in the layout of its weight, which fused optimizers rely on."""
        weights = dict(self.network.named_parameters())
        for name, gradient in gradients.items():
            weights[name].grad = gradient[0].contiguous()

    def parts(self) -> Parts:
        """The network and its tensors, `[1, ...]`."""
        weights = dict(self.network.named_parameters())
        return Parts(
            skeleton=self.network,
            dropouts=self.dropouts,
            weights={name: weight.detach()[None] for name, weight in weights.items()},
            buffers={name: buffer[None] for name, buffer in self.network.named_buffers()},
            learned=[name for name, weight in weights.items() if weight.requires_grad],
        )

    def recalled(self, ids: Tensor) -> Tensor | None:
        """`ids[1, batch]` give the memory's rows `[1, batch, ...]`."""
        return None if self.memory is None else self.memory[ids[0]][None]

    def remember(self, batch: Batch, rows: Tensor) -> None:
        """Keep `rows[1, batch, ...]` of the examples that count."""
        assert self.memory is not None
        if batch.mask is None:
            self.memory[batch.ids[0]] = rows[0].detach()
        else:
            self.memory[batch.ids[batch.mask]] = rows[batch.mask].detach()

    def kept(self) -> dict[str, Tensor]:
        """All that it takes to go on: `network.*`, `optimizer.*`, `memory` and `pace`."""
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"optimizer.{name}": moment for name, moment in self.moments().items()}
        memory = {} if self.memory is None else {"memory": self.memory}
        return {**tensors, **memory, "pace": torch.tensor([self.steps, self.step, self.total])}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from there, once the phase has begun."""
        self.network.load_state_dict(under("network", tensors))
        self.remind(under("optimizer", tensors))
        if self.memory is not None:
            self.memory.copy_(tensors["memory"])
        self.steps, self.step, self.total = tensors["pace"].tolist()


def trainable(network: nn.Module) -> list[Tensor]:
    """The weights that training changes."""
    return [weight for weight in network.parameters() if weight.requires_grad]
