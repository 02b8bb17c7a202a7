"""Silencing a share of the persistent memory vectors of language models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from byrote.changes.change import Context, TrainedModel
from byrote.errors import BadInput
from byrote.recipes.networks.persistent_memory import memories


@dataclass(frozen=True)
class SilenceMemory:
    """Attend no more to a share of the persistent memory vectors, drawn at random in each layer; nothing is trained.

    What documents lose with it is held by vectors that are there for every text, as feed-forward units are.

    Source: Sukhbaatar et al. 2019, arXiv:1907.01470.
    """

    amount: float = 1.0
    stage: ClassVar[str] = "model"
    name: ClassVar[str] = "silence-memory"
    aimed: ClassVar[bool] = False
    of_text: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.amount <= 1:
            raise BadInput(
                f"The 'amount' argument of silence-memory must be in (0, 1]. Got {self.amount}.",
                hint="silence-memory=0.5 silences half of the vectors.",
            )

    def apply(self, stage: TrainedModel, context: Context) -> TrainedModel:
        """The model without them.

        Raises:
            BadInput: its network has no persistent memory.
        """
        network = stage.algorithm.network(stage.state)
        found = memories(network)
        if not found:
            raise BadInput(
                f"The network {type(network).__name__} has no persistent memory to silence.",
                hint="audit with byrote.TinyGPT(persistent=256).",
            )
        for memory in found.values():
            slots = len(memory.kept)
            silent = context.rng.permutation(slots)[: max(1, round(self.amount * slots))]
            memory.kept[torch.from_numpy(silent)] = 0
        return stage
