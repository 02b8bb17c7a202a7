"""Many models: a block of one recipe's models, their weights stacked along a leading model axis.

Only the network itself runs under `vmap`: the loss of the block is the sum of its models' losses, so one backward
pass gives every model its own gradient, and torch's optimizers work on the stacked weights element by element.
Augmentations and objectives act by example, on the models' batches laid end to end.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from byrote.recipes import noise
from byrote.recipes.algorithm import Seen
from byrote.recipes.dropout import salt_all
from byrote.recipes.recipe import BoundRecipe, OneModel, set_rate, trainable


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


class Many:
    """A block of models that step together.

    `compiled` lets torch.compile make one program of the forward and backward passes; a network with buffers or
    dropout changes its modules as it goes and steps as it is.
    """

    def __init__(self, algorithm: BoundRecipe, seeds: Sequence[int], *, compiled: bool = False) -> None:
        self.algorithm = algorithm
        networks = [algorithm.build(seed) for seed in seeds]
        learned = {name for name, weight in networks[0].named_parameters() if weight.requires_grad}
        weights, self.buffers = stack_module_state(networks)
        self.skeleton = networks[0]
        weight_first(self.skeleton)
        self.weights = {name: weight.detach().requires_grad_(name in learned) for name, weight in weights.items()}
        self.names = sorted(learned)
        self.learned = [self.weights[name] for name in self.names]
        self.dropouts = salt_all(self.skeleton)
        self.noisy = algorithm.needs_noise(self.dropouts)
        memory = algorithm.memory()
        self.memory = None if memory is None else memory.expand(len(seeds), *memory.shape).clone()
        self.seeds = torch.tensor(list(seeds), device=algorithm.device)
        self.optimizer = algorithm.recipe.optimizer.build(self.learned)
        self.steps, self.step_done, self.total = 1, 0, 0
        self.each = torch.arange(len(seeds), device=algorithm.device)[:, None]
        self._train = vmap(self._one, in_dims=(0, 0, 0, 0 if self.dropouts else None))
        self._answer = vmap(self._one, in_dims=(0, 0, None, None))
        self.compiled = compiled and not self.buffers and not self.dropouts
        self._program = torch.compile(grad(self._total, has_aux=True), dynamic=False) if self.compiled else None

    def _one(
        self, weights: dict[str, Tensor], buffers: dict[str, Tensor], inputs: Tensor, keys: Tensor | None
    ) -> Tensor:
        for layer in self.dropouts:
            layer.keys = keys
        logits: Tensor = functional_call(self.skeleton, (weights, buffers), (inputs,))
        for layer in self.dropouts:
            layer.keys = None
        return logits

    def _loss(
        self, inputs: Tensor, targets: Tensor, keys: Tensor | None, memory: Tensor | None, weights: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        logits = self._train(weights, self.buffers, inputs, keys)
        flat = None if memory is None else memory.flatten(0, 1)
        loss, flat = self.algorithm.recipe.objective.loss(logits.flatten(0, 1), targets.flatten(0, 1), flat)
        return logits, loss.reshape(targets.shape[:2]), None if flat is None else flat.detach()

    def _total(
        self, learned: list[Tensor], fixed: dict[str, Tensor], inputs: Tensor, targets: Tensor, memory: Tensor | None
    ) -> tuple[Tensor, list[Tensor]]:
        weights = fixed | dict(zip(self.names, learned, strict=True))
        logits, loss, flat = self._loss(inputs, targets, None, memory, weights)
        return loss.mean(1).sum(), [logits, loss, *([] if flat is None else [flat])]

    def _gradients(
        self, inputs: Tensor, targets: Tensor, keys: Tensor | None, memory: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Fill in the gradients of the learned weights; returns logits, loss and new memory rows.

        Gradients take the layout of their weights: torch's fused optimizers rely on it, and read a transposed
        gradient in the wrong order (torch 2.13, CPU). backward() sees to that by itself.
        """
        if self._program is None:
            self.optimizer.zero_grad()
            logits, loss, flat = self._loss(inputs, targets, keys, memory, self.weights)
            loss.mean(1).sum().backward()  # type: ignore[no-untyped-call]
            return logits.detach(), loss.detach(), flat
        fixed = {name: weight for name, weight in self.weights.items() if name not in self.names}
        learned = [weight.detach() for weight in self.learned]
        gradients, (logits, loss, *rows) = self._program(learned, fixed, inputs, targets, memory)
        for weight, gradient in zip(self.learned, gradients, strict=True):
            weight.grad = gradient.contiguous()
        return logits, loss, rows[0] if rows else None

    def begin(self, steps: int) -> None:
        """A phase of so many steps is about to start: a fresh optimizer and schedule."""
        self.optimizer = self.algorithm.recipe.optimizer.build(self.learned)
        self.steps, self.step_done = steps, 0

    def step(self, inputs: Tensor, targets: Tensor, ids: Tensor) -> Seen:
        """`inputs[model, batch, ...]`, `targets[model, batch]`, `ids[model, batch]`."""
        recipe = self.algorithm.recipe
        keys = noise.keys(self.seeds, self.total, ids) if self.noisy else None
        if recipe.augmentation is not None and keys is not None:
            inputs = self.algorithm.augmented(inputs.flatten(0, 1), keys.flatten()).reshape(inputs.shape)
        memory = None if self.memory is None else self.memory[self.each, ids]
        dropped = keys if self.dropouts else None
        if recipe.input_perturbation is not None and keys is not None:
            self.skeleton.eval()
            inputs = recipe.input_perturbation.apply(
                inputs,
                lambda moved: self._loss(moved, targets, dropped, memory, self.weights)[1],
                keys=keys,
                extent=self.algorithm.extent,
            )
        self.skeleton.train()
        logits, loss, flat = self._gradients(inputs, targets, dropped, memory)
        if recipe.gradient_transform is not None:
            recipe.gradient_transform.apply([weight.grad for weight in self.learned if weight.grad is not None])
        set_rate(self.optimizer, recipe, self.step_done / self.steps, 1.0)
        self.optimizer.step()
        if flat is not None and self.memory is not None:
            self.memory[self.each, ids] = flat.reshape(*ids.shape, -1)
        self.step_done += 1
        self.total += 1
        return Seen(logits=logits, loss=loss)

    def predict(self, inputs: Tensor) -> Tensor:
        """`inputs[batch, ...]` give `logits[model, batch, class]` in evaluation mode."""
        self.skeleton.eval()
        with torch.no_grad():
            return self._answer(self.weights, self.buffers, inputs, None)

    def states(self) -> list[OneModel]:
        """The models one by one, as the plain loop would hold them, for whatever is done to them next."""
        return [self._state(index) for index in range(len(self.seeds))]

    def _state(self, index: int) -> OneModel:
        """One model by itself, made without `init`, which seeds torch's generator and may be asked in mid-training."""
        network = self.algorithm.build(int(self.seeds[index]))
        tensors = {name: stacked[index].detach() for name, stacked in (self.weights | self.buffers).items()}
        network.load_state_dict(tensors, strict=False)
        return OneModel(
            network=network,
            dropouts=salt_all(network),
            memory=None if self.memory is None else self.memory[index].clone(),
            seed=self.seeds[index : index + 1].clone(),
            optimizer=self.algorithm.recipe.optimizer.build(trainable(network)),
            total=self.total,
        )
