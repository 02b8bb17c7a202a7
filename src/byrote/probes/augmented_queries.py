"""What a trained network says of augmented forms of each example, as an attacker would ask it more than once."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from byrote.axes import AUGMENTATION
from byrote.errors import BadInput
from byrote.evidence.kinds.augmented import AUGMENTED
from byrote.probes.contract import Block, EndProbe
from byrote.probes.registry import probe
from byrote.probes.signals import signals
from byrote.recipes import noise
from byrote.recipes.algorithm import Algorithm
from byrote.recipes.slots import Augmentation

#: The example as it is, and so many forms less one that the recipe's own augmentation makes of it.
QUERIES = AUGMENTED.lengths[AUGMENTATION]
BATCH = 256


@probe
class AugmentedQueriesProbe(EndProbe):
    """Log-odds of each example and of seven augmented forms of it, the same forms for every model."""

    name: ClassVar[str] = "augmented"
    kinds = (AUGMENTED,)

    def check(self, algorithm: Algorithm, network: nn.Module, inputs: Tensor, targets: Tensor) -> None:
        """Refuse an algorithm without an augmentation; whatever answers at all can be asked again."""
        augmentation_of(algorithm)

    def begin(self, block: Block) -> None:
        """With the recipe's own augmentation."""
        super().begin(block)
        assert block.algorithm is not None, "examples are those of models that byrote trained"
        self.augmentation = augmentation_of(block.algorithm)

    def read(self, network: nn.Module, inputs: Tensor, targets: Tensor, seed: int) -> dict[str, np.ndarray]:
        """`log_odds[augmentation, example]`, the example as it is first."""
        found = np.empty((QUERIES, len(inputs)), np.float32)
        with torch.no_grad():
            for start in range(0, len(inputs), BATCH):
                rows = torch.arange(start, min(start + BATCH, len(inputs)), device=inputs.device)
                for query in range(QUERIES):
                    logits = network(self._form(inputs[rows], query, rows))
                    found[query, start : start + len(rows)] = signals(logits, targets[rows]).log_odds.cpu().numpy()
        return {"log_odds": found}

    def _form(self, inputs: Tensor, query: int, rows: Tensor) -> Tensor:
        if not query:
            return inputs
        keys = noise.keys(torch.zeros(1, dtype=torch.int64, device=inputs.device), query, rows[None])[0]
        return self.augmentation.apply(inputs, noise.uniform(keys, self.augmentation.draws, salt=0))


def augmentation_of(algorithm: Algorithm) -> Augmentation:
    """The augmentation of a recipe.

    Raises:
        BadInput: it has none.
    """
    if algorithm.augmentation is None:
        raise BadInput(
            "The probe 'augmented' asks with the recipe's augmentation, and the recipe has none.",
            hint="Recipe(augmentation=byrote.RandomShift()), or audit without this probe.",
        )
    return algorithm.augmentation
