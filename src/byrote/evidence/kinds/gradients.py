"""How hard each example still pulls at the weights."""

from __future__ import annotations

from byrote.axes import EXAMPLE, MODEL
from byrote.evidence.kind import OF_CLASSES, Kind, Quantity

GRADIENTS = Kind(
    name="gradients",
    says="what the weights at the end of training tell of each training example, evaluation mode",
    quantities={
        "gradient_norm": Quantity(
            (MODEL, EXAMPLE), "float32", "nat", "norm of the loss's gradient over all trained weights"
        ),
    },
    tasks=OF_CLASSES,
    recorded_by="audit into another folder with --probe gradient_norm",
)
