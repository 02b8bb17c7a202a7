"""Adversarial answers: the worst that a strong attack finds near each example, of the trained networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Final

import numpy as np
import torch
from torch import Tensor
from torch.func import grad

from byrote.axes import EXAMPLE, MODEL, QUERY
from byrote.data.blocks import range_of_rows
from byrote.errors import BadInput
from byrote.evidence.kind import OF_CLASSES, Kind, Quantity
from byrote.evidence.kinds._answers import correct_of
from byrote.probes.contract import END, Block, Probe, Shard, When
from byrote.probes.moment import Moment
from byrote.probes.registry import probe
from byrote.recipes import noise
from byrote.recipes.batch import Extent
from byrote.recipes.input_perturbations import Box

#: The stream of the starts; those of trainings are others.
_SALT: Final = 2**20
Call = Callable[[Tensor], Tensor]


def _worst(example: str, prefix: str) -> dict[str, Quantity]:
    """What the attack finds, on training examples or on held-out ones."""
    dims, margin = (MODEL, example), f"{prefix}logit_margin"
    return {
        f"{prefix}log_odds": Quantity(dims, "float32", "nat", "smallest z_y - logsumexp of the other logits"),
        margin: Quantity(dims, "float32", "logit", "smallest z_y - the largest other logit"),
        f"{prefix}correct": Quantity(dims, "bool", "", "the label is predicted at every point", (margin, correct_of)),
    }


ADVERSARIAL: Final = Kind(
    name="adversarial",
    says="the worst answers that an attack finds near each example, evaluation mode, at the end of the training",
    quantities={
        **_worst(EXAMPLE, ""),
        **_worst(QUERY, "heldout_"),
        "radius": Quantity((MODEL,), "float32", "unit of the inputs", "the largest change of each input value"),
        "steps": Quantity((MODEL,), "int32", "", "steps of the attack from each start"),
        "restarts": Quantity((MODEL,), "int32", "", "random starts"),
    },
    tasks=OF_CLASSES,
    recorded_by="audit into another folder with --probe adversarial,radius=0.1",
)


def refuse_weak(name: str, radius: float, steps: int, restarts: int) -> None:
    """Refuse settings that are no attack.

    Raises:
        BadInput: the radius is below 0 or not finite, or there are no steps or starts.
    """
    if not 0 <= radius < float("inf") or steps < 1 or restarts < 1:
        raise BadInput(
            f"The probe {name!r} takes a finite radius of at least 0, and at least 1 step and 1 restart. Got "
            f"{radius}, {steps} and {restarts}.",
            hint=f"{name},radius=0.1,steps=50,restarts=5",
        )


@probe
@dataclass
class AdversarialProbe(Probe):
    """Attack each model by itself: sign steps up the loss from random starts, and keep the worst answers of all points.

    An example counts as right where no point that was looked at changes the prediction: the input, the starts and the
    end of every step. Points stay in the box of half-width `radius` around the input and in the range of the training
    data, by channel of images or feature of rows. A step is 2.5 radius / steps. The gradient is that of the log-odds,
    of which the loss is a falling function: the same signs, and no rounding to 0 where a network is sure. Networks are
    in evaluation mode; starts are the same for all models. A stronger attack may find more: the share of right examples
    is an upper bound of the robust accuracy.

    Source: Madry et al. 2018, arXiv:1706.06083; restarts and the worst case over them, Croce & Hein 2020,
    arXiv:2003.01690.

    Attributes:
        radius: in the unit of the inputs as the network sees them.
        steps: from each start.
        restarts: random starts.
    """

    radius: float = 0.1
    steps: int = 50
    restarts: int = 5

    name: ClassVar[str] = "adversarial"
    when: ClassVar[frozenset[When]] = END
    kinds = (ADVERSARIAL,)

    def __post_init__(self) -> None:
        refuse_weak(self.name, self.radius, self.steps, self.restarts)

    @property
    def passes(self) -> float:
        """A forward and backward pass for each point."""
        return float(self.restarts * (self.steps + 1))

    def begin(self, block: Block) -> None:
        """The range of the data is known."""
        super().begin(block)
        self.attack = attack_on(block, self.radius, self.steps, self.restarts)

    def look(self, at: Moment) -> None:
        """Attack all models, on the training examples and on the held-out ones."""
        nothing = np.empty((len(self.block.models), 0, 2), np.float32)
        self.found = {"": self.attack(at), "heldout_": nothing if at.heldout is None else self.attack(at.heldout)}

    def shards(self) -> Iterator[Shard]:
        """One for each model."""
        for row, model in enumerate(self.block.models):
            columns = strength_columns(self.radius, self.steps, self.restarts)
            for prefix, found in self.found.items():
                columns |= {f"{prefix}log_odds": found[row, :, 0], f"{prefix}logit_margin": found[row, :, 1]}
            yield Shard(kind=ADVERSARIAL, model=model, columns=columns)


def strength_columns(radius: float, steps: int, restarts: int) -> dict[str, np.ndarray]:
    """How strong the attack was, as evidence."""
    return {
        "radius": np.asarray(radius, np.float32),
        **{name: np.asarray(count, np.int32) for name, count in (("steps", steps), ("restarts", restarts))},
    }


def attack_on(block: Block, radius: float, steps: int, restarts: int) -> Callable[[Moment], np.ndarray]:
    """What gives `[model, example, 2]` of a moment: the smallest log-odds and margin in the data's range."""
    low, high = (torch.from_numpy(end).to(block.inputs.device) for end in range_of_rows(block.inputs.cpu().numpy()))
    strength = partial(worst, radius=radius, steps=steps, restarts=restarts, extent=(low, high))

    def attack(at: Moment) -> np.ndarray:
        with torch.no_grad():  # so that no tape is kept for the weights
            found = at.each(lambda network, call, x, y, rows: strength(call, x, y, rows), at.rows)
        return found.float().cpu().numpy()

    return attack


def worst(
    call: Call,
    inputs: Tensor,
    targets: Tensor,
    rows: Tensor,
    *,
    radius: float,
    steps: int,
    restarts: int,
    extent: Extent,
) -> Tensor:
    """`[example, 2]`: the smallest log-odds and margin of the label over all points that the attack looks at.

    `call` gives logits `[example, class]` of inputs `[example, ...]`; `rows[example]` fix the starts.
    """
    box = Box.around("The attack", inputs, radius, extent, None, None)

    def odds(given: Tensor) -> tuple[Tensor, Tensor]:
        found = of_label(call(given), targets)
        return found[:, 0].sum(), found

    least = odds(inputs)[1]
    for restart in range(restarts):
        keys = noise.keys(torch.zeros(1, dtype=torch.int64, device=rows.device), restart, rows[None])[0]
        drawn = noise.uniform(keys, inputs[0].numel(), salt=_SALT).reshape(inputs.shape)
        moved = box.clamp(inputs + radius * (2 * drawn - 1))
        for _ in range(steps):
            slope, found = grad(odds, has_aux=True)(moved)
            least = torch.minimum(least, found)
            moved = box.clamp(moved - 2.5 * radius / steps * slope.nan_to_num().sign())
        least = torch.minimum(least, odds(moved)[1])
    return least


def of_label(logits: Tensor, targets: Tensor) -> Tensor:
    """`[example, 2]` of `logits[example, class]`: the log-odds of the label, and its margin over the next class.

    Example:
        >>> of_label(torch.tensor([[2.0, 1.0, 1.0]]), torch.tensor([0]))
        tensor([[0.3069, 1.0000]])
    """
    logits, label = logits.float(), targets[:, None]
    own = logits.gather(-1, label)[:, 0]
    others = logits.scatter(-1, label, -torch.inf)
    return torch.stack([own - others.logsumexp(-1), own - others.amax(-1)], -1)
