"""How curved each example's loss is in its inputs: exactly where the network is piecewise linear, else with draws."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import grad, vjp

from byrote.errors import BadInput
from byrote.evidence.kind import Kind
from byrote.evidence.kinds.gradients import CURVATURE, CURVATURE_DIFFERENCE
from byrote.probes.by_example import refuse_unfit
from byrote.probes.contract import Block, CheckpointProbe, Shard
from byrote.probes.moment import Call, Moment, losses
from byrote.probes.registry import probe
from byrote.probes.sampled import SampledProbe
from byrote.recipes.algorithm import Algorithm
from byrote.recipes.noise import mix

AUTO, DIFFERENCE = "auto", "difference"
#: Examples on which it is found out whether logits are curved, and how little a second derivative may be of the first.
TRIED, FLAT = 8, 1e-6


@probe
@dataclass
class InputCurvatureProbe(SampledProbe, CheckpointProbe):
    """Trace and squared Frobenius norm of the Hessian H of the cross-entropy in the inputs.

    Formula:
        H = J' (diag p - p p') J + sum_k (p - e_y)_k d^2 z_k / dx^2, J the gradients of the logits z in the inputs.
        Where z is piecewise linear the second part is 0, and with K = J J', A = diag p - p p' the trace is tr(A K) and
        the squared norm tr(A K A K), exact, from one backward pass a class. Elsewhere the mean over `draws` random
        signs v of v' H v - v' G v, and of |H v|^2 - |G v|^2, is added, G the first part.
        `form=difference`: mean over draws of |g(x + h v) - g(x)|, g the loss's gradient, h = `step` standard
        deviations of all inputs
    Source: Garg et al. 2023, arXiv:2307.05831; Ravikumar et al. 2024.
    Differs: their score is the difference, with 10 draws, h = 1e-3 and a mean over the batch, so that it falls with the
        size of the batch. It sees the kinks of a network, and changes with h, which is a setting of the score.

    Settings:
        form: "auto", or "difference".
        draws: random signs, of a hash of (epochs done, example, draw), where they are needed.
        step: h.
        checkpoints, models: as of other probes that cost much.
    """

    form: str = AUTO
    draws: int = 10
    step: float = 1e-3

    name: ClassVar[str] = "input_curvature"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.form not in (AUTO, DIFFERENCE) or self.draws < 1 or self.step <= 0:
            raise BadInput(
                "The settings of input_curvature are form=auto or difference, draws of at least 1 and a step above 0. "
                f"Got {self.form!r}, {self.draws} and {self.step}.",
                hint="input_curvature,form=difference,step=0.001,draws=10",
            )

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """That of the form."""
        return (CURVATURE_DIFFERENCE if self.form == DIFFERENCE else CURVATURE,)

    @property
    def passes(self) -> float:
        """Of the difference; of the exact form there is one per class."""
        return 1.0 + self.draws if self.form == DIFFERENCE else 0.0

    @property
    def passes_a_class(self) -> float:
        """Of the exact form."""
        return 0.0 if self.form == DIFFERENCE else 1.0

    def check(self, algorithm: Algorithm, network: nn.Module, inputs: Tensor, targets: Tensor) -> None:
        """Refuse a network that cannot be differentiated twice in its inputs, or not by example."""
        network.eval()
        refuse_unfit(self.name, network, inputs, lambda: curved(network, inputs))

    def begin(self, block: Block) -> None:
        """Nothing is known of the network yet."""
        super().begin(block)
        self.length = 0.0
        self.needed: int | None = None

    def read(self, at: Moment) -> dict[str, Tensor]:
        """`trace` and `squared`, or `change`, `[model, example]`."""
        if self.form == DIFFERENCE:
            self.length = self.length or self.step * float(self.block.inputs.float().std(correction=0))
            change = partial(_change, draws=self.draws, length=self.length, salt=at.epoch)
            return {"change": at.each(change, at.rows)}
        if self.needed is None:
            network = next(iter(at.networks()))
            self.needed = self.draws if curved(network, at.inputs[:TRIED]) else 0
        found = at.each(partial(_curvature, draws=self.needed, salt=at.epoch), at.rows)
        return {"trace": found[..., 0], "squared": found[..., 1]}

    def shards(self) -> Iterator[Shard]:
        """With what was drawn, or how far was stepped."""
        facts = {"step": np.float32(self.length)} if self.form == DIFFERENCE else {"draws": np.int32(self.needed or 0)}
        for shard in super().shards():
            columns = {name: np.full(len(self.places), value) for name, value in facts.items()}
            yield dataclasses.replace(shard, columns={**shard.columns, **columns})


def curved(network: nn.Module, inputs: Tensor) -> bool:
    """Whether the logits of these examples bend with the inputs, anywhere but at kinks."""
    rows = torch.arange(len(inputs), device=inputs.device)
    with torch.no_grad():
        weights = 1.0 + _signs(rows, network(inputs)[0], 0, 1) / 3
        direction = _signs(rows, inputs[0], 0, 0)

        def slope(given: Tensor) -> Tensor:
            found: Tensor = grad(lambda one: (network(one) * weights).sum())(given)
            return found

        bent = grad(lambda given: (slope(given) * direction).sum())(inputs)
        return bool(bent.abs().max() > FLAT * slope(inputs).abs().max())


def _signs(rows: Tensor, like: Tensor, draw: int, salt: int) -> Tensor:
    """Random signs `[example, ...]` of the shape of one example, by a hash of (salt, row, draw, place)."""
    keys = mix(mix(rows + 0x7F4A7C15) + mix(torch.tensor(salt * 0x01000193 + draw, device=rows.device)))
    places = mix(torch.arange(like.numel(), device=rows.device) + 0x9E3779B9)
    bits = mix(keys[:, None] ^ places) >> 31
    return (1.0 - 2.0 * bits.to(torch.float32)).reshape(len(rows), *like.shape)


def _curvature(
    network: nn.Module, call: Call, inputs: Tensor, targets: Tensor, rows: Tensor, *, draws: int, salt: int
) -> Tensor:
    """`[example, 2]`: trace and squared norm."""
    logits, pull = vjp(call, inputs)  # type: ignore[misc]  # torch states the three of a call with auxiliary outputs
    classes = logits.shape[-1]
    unit = torch.eye(classes, dtype=logits.dtype, device=logits.device)
    steep = torch.stack([pull(row.expand_as(logits))[0].flatten(1) for row in unit])
    p = logits.softmax(-1)
    products = torch.einsum("cep,dep->ecd", steep, steep)
    m = p[:, :, None] * (products - p[:, None] @ products)
    trace, squared = m.diagonal(dim1=1, dim2=2).sum(1), (m * m.mT).sum((1, 2))
    for draw in range(draws):
        v = _signs(rows, inputs[0], draw, salt)
        bent = grad(lambda given, v=v: (_steepness(call, given, targets) * v).sum())(inputs).flatten(1)
        flat_v = v.flatten(1)
        u = torch.einsum("cep,ep->ec", steep, flat_v)
        first = torch.einsum("cep,ec->ep", steep, p * (u - (p * u).sum(1, keepdim=True)))
        trace = trace + (flat_v * (bent - first)).sum(1) / draws
        squared = squared + (bent.square().sum(1) - first.square().sum(1)) / draws
    return torch.stack([trace, squared], 1)


def _steepness(call: Call, inputs: Tensor, targets: Tensor) -> Tensor:
    found: Tensor = grad(lambda given: losses(call(given), targets, "classes").sum())(inputs)
    return found


def _change(
    network: nn.Module,
    call: Call,
    inputs: Tensor,
    targets: Tensor,
    rows: Tensor,
    *,
    draws: int,
    length: float,
    salt: int,
) -> Tensor:
    """`[example]`: how much the gradient changes a step away."""
    here = _steepness(call, inputs, targets)
    total = inputs.new_zeros(len(inputs))
    for draw in range(draws):
        there = _steepness(call, inputs + length * _signs(rows, inputs[0], draw, salt), targets)
        total = total + (there - here).flatten(1).norm(dim=1)
    return total / draws
