"""How much the gradient of an example varies between the checkpoints of a part of the training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import ClassVar, Final, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import grad

from byrote.axes import WINDOW
from byrote.errors import BadInput
from byrote.evidence.kind import Kind
from byrote.evidence.kinds.gradients import VARIANCE, VARIANCE_OF_LOGIT, VARIANCE_OF_MARGIN, VARIANCE_OF_PROBABILITY
from byrote.probes.by_example import refuse_unfit
from byrote.probes.contract import Block, Probe, Shard, When
from byrote.probes.moment import Moment, Of
from byrote.probes.registry import probe
from byrote.recipes.algorithm import Algorithm

KINDS: Final = {
    "loss": VARIANCE,
    "probability": VARIANCE_OF_PROBABILITY,
    "logit": VARIANCE_OF_LOGIT,
    "margin": VARIANCE_OF_MARGIN,
}
WINDOWS: Final = 3


@probe
@dataclass
class VarianceOfGradientsProbe(Probe):
    """The spread of the input gradient over the checkpoints of each of three windows: early, middle and late.

    Windows are thirds of the checkpoints, which are dense where training is fast. Gradients are summed up as they come
    (Welford 1962), so that none is kept. Of images the channels are averaged first, as the authors do. `of` may name
    several values of an example, between `;`.

    Formula:
        spread[k, w, i] = mean over p of sqrt(mean over t in w of (g[t, p] - mean over t of g[t, p])^2),
        g[t, p] = d value_i / d x_ip at checkpoint t
    Undefined:
        nan in a window of fewer than two checkpoints.
    Source: Agarwal et al. 2022, arXiv:2008.11600.
    """

    of: str = "loss"

    name: ClassVar[str] = "variance_of_gradients"
    when: ClassVar[frozenset[When]] = frozenset({"checkpoint"})

    def __post_init__(self) -> None:
        self.values: list[Of] = [value for value in get_args(Of) if value in self.of.split(";")]
        if not self.values or len(self.values) != len(self.of.split(";")):
            raise BadInput(
                f"The 'of' setting of {self.name} must be of {', '.join(KINDS)}. Got {self.of!r}.",
                hint=f"{self.name},of=loss, or several as of=loss;probability.",
            )

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """One for each value that is differentiated."""
        return tuple(KINDS[value] for value in self.values)

    @property
    def passes(self) -> float:
        """One for each of them."""
        return float(len(self.values))

    def check(self, algorithm: Algorithm, network: nn.Module, inputs: Tensor, targets: Tensor) -> None:
        """Refuse a network that cannot be differentiated in its inputs, or not by example."""
        network.eval()
        refuse_unfit(self.name, network, inputs, lambda: grad(lambda given: network(given).sum())(inputs))

    def memory(self, shape: tuple[int, ...]) -> int:
        """Mean and sum of squares of each value, of all inputs, channels averaged."""
        channels = shape[1] if len(shape) == 4 else 1
        return len(self.values) * 2 * 4 * prod(shape) // channels

    def begin(self, block: Block) -> None:
        """Nothing is summed up yet."""
        super().begin(block)
        self.windows = [part.tolist() for part in np.array_split(np.arange(len(block.epochs)), WINDOWS)]
        size = (len(block.models), WINDOWS, len(block.inputs))
        self.spread = {value: np.full(size, np.nan, np.float32) for value in self.values}
        self.running: dict[Of, tuple[Tensor, Tensor]] = {}

    def look(self, at: Moment) -> None:
        """Sum up, and at the last checkpoint of a window keep its spread."""
        window = next(number for number, places in enumerate(self.windows) if at.checkpoint in places)
        done, places = self.windows[window].index(at.checkpoint), self.windows[window]
        rows = slice(int(at.rows[0]), int(at.rows[-1]) + 1)
        for value in self.values:
            now = _map(at.gradients("inputs", value))
            mean, squares = self._running(value, now)
            mean, squares = mean[:, rows], squares[:, rows]
            if not done:
                mean.copy_(now)
                squares.zero_()
                continue
            off = now - mean
            mean.add_(off, alpha=1 / (done + 1))
            squares.addcmul_(off, now - mean)
            if len(places) == done + 1:
                spread = (squares / len(places)).sqrt().flatten(2).mean(2)
                self.spread[value][:, window, rows] = spread.cpu().numpy()

    def _running(self, value: Of, now: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and sum of squares of all examples, `[model, example, ...]`."""
        if value not in self.running:
            size = (now.shape[0], len(self.block.inputs), *now.shape[2:])
            self.running[value] = torch.zeros(size, device=now.device), torch.zeros(size, device=now.device)
        return self.running[value]

    def shards(self) -> Iterator[Shard]:
        """One shard per model and value."""
        names = [_name(self.block.epochs, places) for places in self.windows]
        for value in self.values:
            for model, spread in zip(self.block.models, self.spread[value], strict=True):
                yield Shard(kind=KINDS[value], model=model, columns={"spread": spread}, coordinates={WINDOW: names})


def _map(gradients: Tensor) -> Tensor:
    """Gradients `[model, example, ...]` with the channels of images averaged."""
    return gradients.mean(2) if gradients.dim() == 5 else gradients


def _name(epochs: tuple[int, ...], places: list[int]) -> str:
    return f"{epochs[places[0]]}-{epochs[places[-1]]}" if places else "none"
