"""How far an input must move until the trained network answers otherwise: critical samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import grad

from byrote.axes import EXAMPLE, MODEL, RADIUS
from byrote.errors import BadInput
from byrote.evidence.kind import OF_CLASSES, Kind, Quantity
from byrote.probes.by_example import refuse_unfit
from byrote.probes.contract import Block, Probe, Shard, When
from byrote.probes.moment import Call, Moment, value_of
from byrote.probes.registry import probe
from byrote.recipes.algorithm import Algorithm
from byrote.recipes.noise import keys, normal

#: Of the radius: how far a step goes along the sign of the gradient, and the deviation of its noise.
ALONG, NOISE = 0.25, 0.2
SALT = 10

CRITICAL_SAMPLES: Final = Kind(
    name="critical_samples",
    says="within which distance of each training example the trained network was found to answer otherwise",
    quantities={
        "radius": Quantity(
            (MODEL, EXAMPLE), "float32", "input unit", "the least radius at which it was; inf where at none"
        ),
        "heldout_share": Quantity((MODEL, RADIUS), "float32", "share", "of the held-out examples; nan without any"),
        "radii": Quantity((RADIUS,), "float32", "input unit", "the radii that were tried"),
    },
    lengths={RADIUS: 5},
    tasks=OF_CLASSES,
    sampled=True,
    recorded_by="audit into another folder with --probe critical_samples",
)


@probe
@dataclass
class CriticalSamplesProbe(Probe):
    """The least of several radii within which another answer is found, in the largest change of a single input.

    What is found proves it; what is not proves nothing, so that shares are lower bounds. `radii` are parts of the
    range of all inputs, between `;`.

    Formula:
        x' <- the box |x' - x| <= r of x' - r (sign of the margin's gradient / 4 + noise / 5), the margin that of the
        answer at x, for `steps` steps from x
    Source: Arpit et al. 2017, arXiv:1706.05394, section 4.
    Differs: noise is a hash of (step, example), so that it is the same in every executor.
    """

    radii: str = "0.01;0.02;0.05;0.1;0.2"
    steps: int = 10

    name: ClassVar[str] = "critical_samples"
    when: ClassVar[frozenset[When]] = frozenset({"end"})
    kinds = (CRITICAL_SAMPLES,)
    few = True

    def __post_init__(self) -> None:
        try:
            self.parts = sorted(float(part) for part in self.radii.split(";"))
        except ValueError:
            self.parts = []
        if not self.parts or self.parts[0] <= 0 or self.steps < 1:
            raise BadInput(
                f"The settings of {self.name} are radii above 0 and steps of at least 1. Got {self.radii!r} and "
                f"{self.steps}.",
                hint=f"{self.name},radii=0.02;0.05;0.1,steps=10",
            )

    @property
    def passes(self) -> float:
        """One for each step at each radius."""
        return float(len(self.parts) * self.steps)

    def check(self, algorithm: Algorithm, network: nn.Module, inputs: Tensor, targets: Tensor) -> None:
        """Refuse a network that cannot be differentiated in its inputs, or not by example."""
        network.eval()
        refuse_unfit(self.name, network, inputs, lambda: grad(lambda given: network(given).sum())(inputs))

    def begin(self, block: Block) -> None:
        """The radii in units of the inputs."""
        super().begin(block)
        width = float(block.inputs.max() - block.inputs.min())
        self.lengths = [part * width for part in self.parts]
        self.radius = torch.empty(0)
        self.heldout_share = np.full((len(block.models), len(self.parts)), np.nan, np.float32)

    def look(self, at: Moment) -> None:
        """Search around all examples, and around held-out ones."""
        search = partial(_least, radii=self.lengths, steps=self.steps)
        self.radius = at.each(search, at.rows)
        if self.block.heldout is not None:
            held = at.before(*self.block.heldout)
            found = held.each(search, held.rows)
            shares = [(found <= length).float().mean(1).cpu().numpy() for length in self.lengths]
            self.heldout_share = np.stack(shares, 1)

    def shards(self) -> Iterator[Shard]:
        """One per model."""
        for row, model in enumerate(self.block.models):
            columns = {
                "radius": self.radius[row].float().cpu().numpy(),
                "heldout_share": self.heldout_share[row],
                "radii": np.array(self.lengths, np.float32),
            }
            yield Shard(kind=CRITICAL_SAMPLES, model=model, columns=columns)


def _least(
    network: nn.Module,
    call: Call,
    inputs: Tensor,
    targets: Tensor,
    rows: Tensor,
    *,
    radii: list[float],
    steps: int,
) -> Tensor:
    """`[example]`: the least radius at which another answer was found."""
    answer = call(inputs).argmax(-1)
    found = torch.full((len(inputs),), torch.inf, device=inputs.device)

    def margin(given: Tensor) -> tuple[Tensor, Tensor]:
        logits = call(given)
        return value_of(logits, answer, "margin").sum(), logits.detach()

    for number, radius in enumerate(radii):
        moved = inputs
        other = torch.zeros_like(answer, dtype=torch.bool)
        for step in range(steps):
            slope, logits = grad(margin, has_aux=True)(moved)
            other = other | (logits.argmax(-1) != answer)
            key = keys(torch.zeros(1, dtype=torch.int64, device=rows.device), number * steps + step, rows[None])[0]
            noise = normal(key, inputs[0].numel(), salt=SALT).reshape(inputs.shape)
            moved = moved - radius * (ALONG * slope.sign() - NOISE * noise)
            moved = torch.maximum(torch.minimum(moved, inputs + radius), inputs - radius)
        other = other | (call(moved).argmax(-1) != answer)
        found = torch.where(other & found.isinf(), radius, found)
    return found
