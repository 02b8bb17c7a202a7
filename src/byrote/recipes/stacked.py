"""Many models: a block of one recipe's models, their weights stacked along a leading model axis.

Only the network itself knows of the stack, as a chain of layers of which some run under `vmap`: the loss of the block
is the sum of its models' losses, so one backward pass gives every model its own gradient, and torch's optimizers work
on the stacked weights element by element.
Augmentations and objectives act by example.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from byrote.recipes.batch import Batch, Seen
from byrote.recipes.chain import Chain
from byrote.recipes.dropout import give, keys_of, salt_all
from byrote.recipes.models import Parts
from byrote.recipes.noise import Stream
from byrote.recipes.pace import Pace, under
from byrote.recipes.slots import Optimizer, Slots, Steps
from byrote.recipes.step import backward


class _WeightFirst(nn.Linear):
    """A linear layer as weight @ inputs.

    In torch's own order, inputs @ weight.T, a batched product gives the weight's gradient transposed, and every step
    would copy every gradient into the layout of its weight. Layers of few outputs multiply faster this way, too.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        if inputs.dim() != 2:
            return super().forward(inputs)
        outputs = (self.weight @ inputs.mT).mT
        return outputs if self.bias is None else outputs + self.bias


def weight_first(network: nn.Module) -> None:
    """Let the plain linear layers of a network that is to be stacked compute as `_WeightFirst`."""
    for module in network.modules():
        if type(module) is nn.Linear:
            module.__class__ = _WeightFirst


@contextmanager
def one_by_one() -> Iterator[None]:
    """Let operations that torch cannot stack, as some attention, be done model by model without a warning.

    Whether stacking pays all the same is found out by the clock.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "There is a performance drop because we have not yet implemented")
        yield


class Stacked:
    """The state of many models that step together. `memory[model, example, ...]`.

    `compiled` lets torch.compile make one program of the forward and backward passes; a network with buffers or
    dropout changes its modules as it goes and steps as it is, and so does an objective that looks more than once.
    """

    def __init__(
        self,
        networks: Sequence[nn.Module],
        seeds: Sequence[int],
        memory: Tensor | None,
        slots: Slots,
        *,
        compiled: bool,
    ) -> None:
        learned = {name for name, weight in networks[0].named_parameters() if weight.requires_grad}
        weights, self.buffers = stack_module_state(list(networks))
        self.skeleton = networks[0].train()
        self.weights = {name: weight.detach().requires_grad_(name in learned) for name, weight in weights.items()}
        self.names = sorted(learned)
        self.dropouts = salt_all(self.skeleton)
        self.chain = Chain(self.skeleton, self.weights | self.buffers, self.dropouts)
        weight_first(self.skeleton)
        self.memory = None if memory is None else memory.expand(len(seeds), *memory.shape).clone()
        device = next(iter(self.weights.values())).device
        self.seeds = torch.tensor(list(seeds), device=device)
        self.total: int | Tensor = 0
        self.begin(slots.optimizer, 1, 1.0)
        self.each = torch.arange(len(seeds), device=device)[:, None]
        self._train = vmap(self._one, in_dims=(0, 0, 0, 0 if self.dropouts else None))
        self.objective = slots.objective
        self.compiled = compiled and not self.buffers and not self.dropouts and self.objective.once
        self._program = torch.compile(grad(self._total, has_aux=True), dynamic=False) if self.compiled else None

    def begin(self, slot: Optimizer, steps: Steps, rate: float) -> None:
        """A fresh optimizer and schedule for all models, or one for each where each has its own number of steps."""
        learned = self.learned()
        self.own: list[list[Tensor]] = []
        if isinstance(steps, int):
            self.paces = [Pace(optimizer=slot.build(learned), steps=steps, rate=rate)]
            return
        self.own = [[weight[model].detach().requires_grad_() for weight in learned] for model in range(len(steps))]
        self.paces = [
            Pace(optimizer=slot.build(own), steps=each, rate=rate) for own, each in zip(self.own, steps, strict=True)
        ]
        self.total = torch.zeros_like(self.seeds) + self.total

    def with_axis(self, batch: Batch) -> Batch:
        """A batch of these models is one already."""
        return batch

    def without_axis(self, seen: Seen) -> Seen:
        """What was seen keeps its model axis."""
        return seen

    def learned(self) -> list[Tensor]:
        """The stacked weights that training changes."""
        return [self.weights[name] for name in self.names]

    def _one(
        self, weights: dict[str, Tensor], buffers: dict[str, Tensor], inputs: Tensor, keys: list[Tensor] | None
    ) -> Tensor:
        give(self.dropouts, keys)
        logits: Tensor = functional_call(self.skeleton, (weights, buffers), (inputs,))
        give(self.dropouts, None)
        return logits

    def forward(self, inputs: Tensor, stream: Stream | None, *, train: bool) -> Tensor:
        """`inputs[model, batch, ...]` give `logits[model, batch, ...]`."""
        if self.skeleton.training != train:
            self.skeleton.train(train)
        keys = keys_of(self.dropouts, stream) if self.dropouts and stream is not None else None
        with one_by_one():
            if torch.is_grad_enabled() and (inputs.requires_grad or not train):  # the gradients may be others'
                return self._train(self.weights, self.buffers, inputs, keys)
            return self.chain(inputs, keys)

    def answers(self, inputs: Tensor) -> Tensor:
        """`inputs[batch, ...]` give `logits[model, batch, class]` in evaluation mode."""
        self.skeleton.eval()
        with torch.no_grad(), one_by_one():
            return self.chain.shared(inputs, len(self.seeds))

    def backward(self, slots: Slots, batch: Batch, memory: Tensor | None) -> tuple[Seen, Tensor | None]:
        """Fill in the gradients of the learned weights; also gives new rows of the memory.

        Gradients take the layout of their weights: torch's fused optimizers rely on it, and read a transposed
        gradient in the wrong order (torch 2.13, CPU). backward() sees to that by itself.
        """
        plain = batch.mask is None and batch.weights is None and batch.normaliser is None
        if self._program is None or not plain:
            return backward(slots, self, batch, memory)
        self.skeleton.train()
        fixed = {name: weight for name, weight in self.weights.items() if name not in self.names}
        learned = [weight.detach() for weight in self.learned()]
        gradients, (logits, loss, *rows) = self._program(learned, fixed, batch.inputs, batch.targets, batch.ids, memory)
        for weight, gradient in zip(self.learned(), gradients, strict=True):
            weight.grad = gradient.contiguous()
        return Seen(logits=logits, loss=loss), rows[0] if rows else None

    def _total(
        self,
        learned: list[Tensor],
        fixed: dict[str, Tensor],
        inputs: Tensor,
        targets: Tensor,
        ids: Tensor,
        memory: Tensor | None,
    ) -> tuple[Tensor, list[Tensor]]:
        weights = fixed | dict(zip(self.names, learned, strict=True))

        def forward(inputs: Tensor, *, train: bool) -> Tensor:
            return self._train(weights, self.buffers, inputs, None)

        batch = Batch(inputs=inputs, targets=targets, ids=ids)
        logits, loss, rows = self.objective.loss(forward, batch, memory)
        return batch.total(loss), [logits, loss, *([] if rows is None else [rows])]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for weight in self.weights.values():
            weight.grad = None

    def update(self, slots: Slots, batch: Batch) -> None:
        """One update of the weights, of every model that does not rest."""
        if not self.own:
            self.paces[0].advance(slots)
            self.total = self.total + 1
            return
        resting = batch.resting or (False,) * len(self.own)
        for row, (pace, own) in enumerate(zip(self.paces, self.own, strict=True)):
            if not resting[row]:
                for mine, weight in zip(own, self.learned(), strict=True):
                    mine.grad = None if weight.grad is None else weight.grad[row]
                pace.advance(slots)
        self.total = self.total + torch.tensor([not rests for rests in resting], device=self.seeds.device)

    def gradients(self) -> dict[str, Tensor]:
        """Those of the weights that have one, `[model, ...]`."""
        named = [(name, self.weights[name].grad) for name in self.names]
        return {name: gradient for name, gradient in named if gradient is not None}

    def learn_from(self, gradients: dict[str, Tensor]) -> None:
        """Take these gradients, each in the layout of its weight."""
        for name, gradient in gradients.items():
            self.weights[name].grad = gradient.contiguous()

    def parts(self) -> Parts:
        """The network and the stacked tensors."""
        return Parts(
            skeleton=self.skeleton,
            dropouts=self.dropouts,
            weights={name: weight.detach() for name, weight in self.weights.items()},
            buffers=dict(self.buffers),
            learned=self.names,
        )

    def recalled(self, ids: Tensor) -> Tensor | None:
        """`ids[model, batch]` give the memory's rows `[model, batch, ...]`."""
        return None if self.memory is None else self.memory[self.each, ids]

    def remember(self, batch: Batch, rows: Tensor) -> None:
        """Keep the new rows of the examples that count."""
        assert self.memory is not None
        if batch.mask is None:
            self.memory[self.each, batch.ids] = rows.detach()
        else:
            models = self.each.expand_as(batch.ids)[batch.mask]
            self.memory[models, batch.ids[batch.mask]] = rows[batch.mask].detach()

    def kept(self) -> dict[str, Tensor]:
        """All that it takes to go on: `weights.*`, `buffers.*`, `optimizer.*`, `memory` and `pace`."""
        tensors = {f"weights.{name}": tensor for name, tensor in self.weights.items()}
        tensors |= {f"buffers.{name}": tensor for name, tensor in self.buffers.items()}
        for row, pace in enumerate(self.paces):
            tensors |= {f"optimizer.{row}.{name}": moment for name, moment in pace.moments().items()}
        memory = {} if self.memory is None else {"memory": self.memory}
        totals = (torch.zeros_like(self.seeds) + self.total).tolist()
        paces = [[pace.steps, pace.step, totals[row]] for row, pace in enumerate(self.paces)]
        return {**tensors, **memory, "pace": torch.tensor(paces)}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from there, once the phase has begun."""
        for kind, here in (("weights", self.weights), ("buffers", self.buffers)):
            for name, tensor in under(kind, tensors).items():
                here[name].detach().copy_(tensor)
        for row, (pace, counted) in enumerate(zip(self.paces, tensors["pace"].tolist(), strict=True)):
            pace.remind(under(f"optimizer.{row}", tensors))
            pace.steps, pace.step, _ = counted
        if self.memory is not None:
            self.memory.copy_(tensors["memory"])
        totals = tensors["pace"][:, 2].to(self.seeds.device)
        self.total = totals if self.own else int(totals[0])
