"""A moment of the training, as probes see it: whatever several of them ask for is computed once, and only if asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import Any, Final, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from byrote.data.task import learned_of
from byrote.errors import BadInput
from byrote.probes.contract import About, Block, When
from byrote.probes.ghost import ghost_norms, slow_norms, trusted, weight_gradients
from byrote.probes.handed import handed_on, part_of, read_of
from byrote.probes.layers import INPUTS
from byrote.probes.tokens import silent

#: Examples that go through a network together.
BATCH = 256
Call = Callable[[Tensor], Tensor]
#: What is computed of some examples: it gets a network, what calls it, inputs, targets and what else it is about, and
#: gives `[example, ...]`.
Function = Callable[..., Tensor]
#: What of an example has a gradient: its loss, or its label's probability, logit or margin over the next logit.
Of = Literal["loss", "probability", "logit", "margin"]


def losses(logits: Tensor, targets: Tensor, task: About) -> Tensor:
    """The loss of each example: cross-entropy, its sum over labels, or the squared error summed over numbers."""
    return _LOSSES[task](logits.float(), targets)


def _of_classes(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits, targets, reduction="none")


def _of_labels(logits: Tensor, targets: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, targets.float(), reduction="none").sum(-1)


def _of_numbers(logits: Tensor, targets: Tensor) -> Tensor:
    return (logits.reshape(len(logits), -1) - targets.reshape(len(targets), -1)).square().sum(-1)


_LOSSES: Final[dict[About, Callable[[Tensor, Tensor], Tensor]]] = {
    "classes": _of_classes,
    "labels": _of_labels,
    "regression": _of_numbers,
}


def value_of(logits: Tensor, targets: Tensor, of: Of, task: About = "classes") -> Tensor:
    """`[example]` of `logits[example, class]`: the loss, or the label's probability, logit, or margin.

    Example:
        >>> logits, targets = torch.tensor([[2.0, 0.5, 1.0]]), torch.tensor([0])
        >>> value_of(logits, targets, "margin"), value_of(logits, targets, "logit")
        (tensor([1.]), tensor([2.]))
    """
    if of == "loss":
        return losses(logits, targets, task)
    if not learned_of(task).of_classes:
        raise BadInput(
            f"The {of} of an example's label needs one class per example.", hint="take the gradient of the loss."
        )
    label = targets[:, None]
    if of == "probability":
        return logits.float().softmax(-1).gather(-1, label)[:, 0]
    own = logits.float().gather(-1, label)[:, 0]
    return own if of == "logit" else own - logits.float().scatter(-1, label, -torch.inf).amax(-1)


class Models:
    """The models of a block as they are at a moment, in evaluation mode; `stacked` ones are computed side by side.

    Stacked or one by one, every figure is the same but for rounding.
    """

    def __init__(
        self, networks: Callable[[], Sequence[nn.Module]], *, stacked: bool, trust: dict[str, bool] | None = None
    ) -> None:
        self._networks, self.stacked = networks, stacked
        self._trust = {} if trust is None else trust
        self._parts: dict[tuple[int, ...], Models] = {}
        #: What ghost norms know of each network.
        self.layers: dict[int, Any] = {}
        self._modes: list[tuple[nn.Module, bool]] = []

    def only(self, rows: Sequence[int]) -> Models:
        """These of the models."""
        return self._parts.setdefault(tuple(rows), _Part(self, tuple(rows), self._trust))

    @cached_property
    def _taken(self) -> Sequence[nn.Module]:
        return self._networks()

    @property
    def networks(self) -> Sequence[nn.Module]:
        """The networks in evaluation mode; `leave` puts them back into the mode in which they were."""
        if not self._modes:
            self._modes = [(module, module.training) for network in self._taken for module in network.modules()]
            for network in self._taken:
                network.eval()
        return self._taken

    def leave(self) -> None:
        """Put every layer back into its mode."""
        for module, training in self._modes:
            module.training = training
        self._modes = []

    def trusts(self, inputs: Tensor, targets: Tensor, task: About) -> bool:
        """Whether ghost norms hold for this kind of network, which is found out once: `trust` may outlive a moment."""
        if task not in self._trust:
            self._trust[task] = trusted(self.networks[0], inputs, targets, partial(losses, task=task))
        return self._trust[task]

    @cached_property
    def stack(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Weights and buffers by name, `[model, ...]`."""
        weights, buffers = stack_module_state(list(self.networks))
        return {name: tensor.detach() for name, tensor in weights.items()}, buffers

    def each(self, function: Callable[[nn.Module, Call], Tensor]) -> Tensor:
        """What the function gives of each model, with the model axis first: it gets a network and what calls it."""
        if not self.stacked:
            return torch.stack([function(network, network).detach() for network in self.networks])
        skeleton = self.networks[0]

        def one(weights: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
            return function(skeleton, lambda inputs: functional_call(skeleton, (weights, buffers), (inputs,)))

        return vmap(one, randomness="error")(*self.stack).detach()


class _Part(Models):
    """Some of the models, whose modes are those of the whole."""

    def __init__(self, whole: Models, rows: tuple[int, ...], trust: dict[str, bool]) -> None:
        super().__init__(lambda: whole.networks, stacked=whole.stacked and len(rows) > 1, trust=trust)
        self._whole, self._rows = whole, rows

    @property
    def networks(self) -> Sequence[nn.Module]:
        return [self._whole.networks[row] for row in self._rows]


class Moment:
    """Some examples at a step, a checkpoint or the end; everything computed has the model axis first.

    `rows` are their numbers, `[example]`, or `[model, example]` at a step, where `logits` are what the step itself
    computed and rows where `mask` is False only fill up a batch; None: there are none. `checkpoint` counts the
    checkpoints and is -1 elsewhere, `epoch` is how many epochs of the phase are done, -1 at the end. `first` says that
    no other examples of this checkpoint were shown before. `progress` may be told the share of a look that is
    done.

    Of language models a step has its rows of tokens, and `rows[model, row, token]` are the documents that its targets
    are of. At a checkpoint and at the end there are `networks()` alone, which read documents as
    `byrote.probes.tokens.signals` does.
    """

    def __init__(
        self,
        when: When,
        models: Models | Callable[[], Models],
        task: About,
        *,
        rows: Tensor,
        inputs: Callable[[], Tensor],
        targets: Tensor,
        logits: Callable[[], Tensor] | None = None,
        checkpoint: int = -1,
        epoch: int = -1,
        first: bool = True,
        mask: Tensor | None = None,
        heldout: tuple[Tensor, Tensor] | None = None,
        progress: Callable[[float], None] = silent,
    ) -> None:
        self.progress = progress
        self.when, self.rows, self.targets = when, rows, targets
        self.checkpoint, self.epoch, self.first, self.mask = checkpoint, epoch, first, mask
        self._made, self._task = models, task
        self._inputs, self._logits = inputs, logits
        self._known: dict[tuple[str, str], Tensor] = {}
        self._handed: dict[str, Tensor] = {}
        self._heldout = heldout
        self._parts: dict[tuple[int, ...], Moment] = {}

    @property
    def models(self) -> Models:
        """The models themselves."""
        return self._models

    @cached_property
    def _models(self) -> Models:
        return self._made if isinstance(self._made, Models) else self._made()

    def before(self, inputs: Tensor, targets: Tensor) -> Moment:
        """The same models before other examples, such as all of a block."""
        rows = torch.arange(len(inputs), device=inputs.device)
        return Moment(
            self.when,
            self._models,
            self._task,
            rows=rows,
            inputs=lambda: inputs,
            targets=targets,
            checkpoint=self.checkpoint,
            epoch=self.epoch,
        )

    def only(self, rows: Sequence[int]) -> Moment:
        """The same moment of these of the models; several probes share it."""
        chosen = tuple(rows)
        if chosen not in self._parts:
            self._parts[chosen] = Moment(
                self.when,
                lambda: self._models.only(chosen),
                self._task,
                rows=self.rows,
                inputs=lambda: self.inputs,
                targets=self.targets,
                logits=lambda: self.logits[list(chosen)],
                checkpoint=self.checkpoint,
                epoch=self.epoch,
                first=self.first,
                heldout=self._heldout,
            )
        return self._parts[chosen]

    @cached_property
    def inputs(self) -> Tensor:
        """`[example, ...]`, or `[model, example, ...]` at a step, without augmentation."""
        return self._inputs()

    @cached_property
    def logits(self) -> Tensor:
        """`[model, example, class]`: in evaluation mode, or what a step saw before its update."""
        if self._logits is not None:
            return self._logits()
        with torch.no_grad():
            return self.each(lambda network, call, inputs, targets: call(inputs))

    def networks(self) -> Iterator[nn.Module]:
        """The models one by one, in evaluation mode; they must not be changed."""
        yield from self._models.networks

    def gradients(self, of: Literal["inputs", "weights", "norm"], value: Of = "loss") -> Tensor:
        """Gradients of each example's own loss, in evaluation mode; in the inputs also of another `value`.

        Of the inputs `[model, example, ...]`; of all trained weights, laid end to end, `[model, example, weight]`,
        which takes much memory; or the norm of the latter, `[model, example]`, which takes little.
        """
        if (of, value) not in self._known:
            self._known[of, value] = self._in_inputs(value) if of == "inputs" else self._in_weights(of)
        return self._known[of, value]

    def _in_inputs(self, value: Of) -> Tensor:
        read = partial(value_of, of=value, task=self._task)
        with torch.no_grad():  # so that no tape is kept for the weights
            return self.each(lambda net, call, x, y: grad(lambda given: read(call(given), y).sum())(x))

    def _in_weights(self, of: str) -> Tensor:
        loss = partial(losses, task=self._task)
        networks = self._models.networks
        if of == "weights":
            return torch.stack([weight_gradients(net, self.inputs, self.targets, loss) for net in networks])
        if self._models.trusts(self.inputs, self.targets, self._task):
            with torch.no_grad():
                return self.each(lambda net, call, x, y: ghost_norms(net, call, x, y, loss, self._models.layers))
        return torch.stack([slow_norms(net, self.inputs, self.targets, loss) for net in networks])

    @cached_property
    def heldout(self) -> Moment | None:
        """The same models before the held-out examples, all at once; None where there are none."""
        if self._heldout is None:
            return None
        return self.before(*self._heldout)

    def handed(self) -> dict[str, Tensor]:
        """What each layer with weights hands to the next, in the order in which they are called, `inputs` first.

        Each is `[model, example, unit]`; one pass serves all layers. See `probes.handed`.
        """
        if not self._handed:
            layers = read_of(self._models.networks[0], self.inputs[:1])
            widths: list[int] = []
            with torch.no_grad():
                flat = self.each(partial(handed_on, layers, widths))
            self._handed = dict(zip((INPUTS, *layers), torch.split(flat, widths, 2), strict=True))
        return self._handed

    def features(self, layer: str) -> Tensor:
        """What a layer, by its name in the network, puts out: `[model, example, ...]`.

        Raises:
            BadInput: the network has no layer of that name.
        """
        if ("layer", layer) not in self._known:
            with torch.no_grad():
                self._known["layer", layer] = self.each(partial(_features, layer))
        return self._known["layer", layer]

    def each(self, function: Function, *more: Tensor) -> Tensor:
        """What the function gives of each model and its examples, `[model, example, ...]`.

        It is called with some examples at a time, under `vmap` where models are stacked, and gets those rows of `more`.

        Raises:
            BadInput: at a step.
        """
        if self.when == "step":
            raise BadInput(
                "At a step a probe sees its logits, and neither gradients nor features of the models.",
                hint='look at a checkpoint or at the end: when = frozenset({"checkpoint"}).',
            )
        parts = zip(*(torch.split(tensor, BATCH) for tensor in (self.inputs, self.targets, *more)), strict=True)
        found = [self._models.each(lambda net, call, part=part: function(net, call, *part)) for part in parts]  # type: ignore[misc]
        return torch.cat(found, 1)


def of_documents(
    when: Literal["checkpoint", "end"],
    models: Models,
    block: Block,
    *,
    checkpoint: int = -1,
    progress: Callable[[float], None] = silent,
) -> Moment:
    """Language models at a checkpoint or at the end."""
    assert block.corpus is not None
    return Moment(
        when,
        models,
        block.task,
        rows=torch.arange(len(block.corpus), device=block.member.device),
        inputs=_no_inputs,
        targets=block.targets,
        logits=_no_inputs,
        checkpoint=checkpoint,
        epoch=-1 if checkpoint < 0 else block.epochs[checkpoint],
        progress=progress,
    )


def _no_inputs() -> Tensor:
    raise BadInput(
        "Language models read documents of many lengths, so that a probe of them is shown no inputs and no logits.",
        hint="byrote.probes.tokens.signals(network, block.corpus, context=block.context), for each of at.networks().",
    )


def _features(layer: str, network: nn.Module, call: Call, inputs: Tensor, targets: Tensor) -> Tensor:
    seen: list[Tensor] = []
    hook = part_of(network, layer).register_forward_hook(lambda *given: seen.append(given[2]))
    try:
        call(inputs)
    finally:
        hook.remove()
    return seen[0]
