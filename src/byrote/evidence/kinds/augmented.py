"""Answers to augmented forms of the training examples."""

from __future__ import annotations

from byrote.axes import AUGMENTATION, EXAMPLE, MODEL
from byrote.evidence.kind import OF_CLASSES, Kind, Quantity

AUGMENTED = Kind(
    name="augmented",
    says="answers to augmented forms of the training examples, evaluation mode, at the end of the training",
    quantities={
        "log_odds": Quantity((MODEL, AUGMENTATION, EXAMPLE), "float32", "nat", "z_y - logsumexp of the other logits"),
    },
    lengths={AUGMENTATION: 8},
    tasks=OF_CLASSES,
    recorded_by="audit into another folder with --probe augmented",
    imports=True,
)
