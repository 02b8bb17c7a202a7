"""Whether answers hold under an attack as training goes on: robust overfitting is seen here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from byrote.axes import CHECKPOINT, EXAMPLE, MODEL, QUERY
from byrote.evidence.kind import OF_CLASSES, Kind, Quantity
from byrote.evidence.kinds._answers import epochs
from byrote.probes.adversarial import ADVERSARIAL, attack_on, refuse_weak, strength_columns
from byrote.probes.contract import Block, Shard, When
from byrote.probes.moment import Moment
from byrote.probes.registry import probe
from byrote.probes.sampled import SampledProbe

_HOLDS: Final = "the label is predicted at every point that the attack looks at"
ADVERSARIAL_TRAJECTORY: Final = Kind(
    name="adversarial_trajectory",
    says="whether answers hold under an attack at checkpoints, evaluation mode",
    quantities={
        "correct": Quantity((MODEL, CHECKPOINT, EXAMPLE), "bool", "", _HOLDS),
        "heldout_correct": Quantity((MODEL, CHECKPOINT, QUERY), "bool", "", f"{_HOLDS}, of held-out examples"),
        "epochs": epochs("epochs done at each checkpoint"),
        **{name: ADVERSARIAL.quantities[name] for name in ("radius", "steps", "restarts")},
    },
    tasks=OF_CLASSES,
    sampled=True,
    in_training=True,
    recorded_by="audit into another folder with --probe adversarial_trajectory,radius=0.1",
)


@probe
@dataclass
class AdversarialTrajectoryProbe(SampledProbe):
    """The attack of the probe "adversarial" at some of the checkpoints, with fewer steps and one start.

    Source: Rice et al. 2020, arXiv:2002.11569 (robust overfitting).

    Attributes:
        radius: in the unit of the inputs as the network sees them.
        steps: from each start.
        restarts: random starts.
        checkpoints, models: as of other sampled probes.
    """

    radius: float = 0.1
    steps: int = 10
    restarts: int = 1

    name: ClassVar[str] = "adversarial_trajectory"
    when: ClassVar[frozenset[When]] = frozenset({"checkpoint"})
    kinds = (ADVERSARIAL_TRAJECTORY,)

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_weak(self.name, self.radius, self.steps, self.restarts)

    @property
    def passes(self) -> float:
        """A forward and backward pass for each point."""
        return float(self.restarts * (self.steps + 1))

    def begin(self, block: Block) -> None:
        """Nothing was attacked yet."""
        super().begin(block)
        self.attack = attack_on(block, self.radius, self.steps, self.restarts)
        self.places = self.chosen(len(block.epochs))
        queries = 0 if block.heldout is None else len(block.heldout[1])
        sizes = {"correct": len(block.inputs), "heldout_correct": queries}
        self.found = {name: np.zeros((len(block.models), len(self.places), size), bool) for name, size in sizes.items()}

    def look(self, at: Moment) -> None:
        """Attack a batch of examples, and once at each checkpoint the held-out ones."""
        if at.checkpoint not in self.places:
            return
        place = self.places.index(at.checkpoint)
        self.found["correct"][:, place, at.rows.cpu().numpy()] = self.attack(at)[..., 1] > 0
        if at.first and at.heldout is not None:
            self.found["heldout_correct"][:, place] = self.attack(at.heldout)[..., 1] > 0

    def shards(self) -> Iterator[Shard]:
        """One for each model."""
        done = np.array([self.block.epochs[place] for place in self.places], np.int64)
        shared = {"epochs": done, **strength_columns(self.radius, self.steps, self.restarts)}
        for row, model in enumerate(self.block.models):
            own = {name: array[row] for name, array in self.found.items()}
            yield Shard(kind=ADVERSARIAL_TRAJECTORY, model=model, columns=own | shared)
