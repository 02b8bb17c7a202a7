"""What poisons leave in the features of a trained network."""

from __future__ import annotations

from byrote.axes import EXAMPLE, MODEL
from byrote.evidence.kind import OF_CLASSES, Kind, Quantity

_DIMS = (MODEL, EXAMPLE)

POISON_SIGNATURES = Kind(
    name="poison_signatures",
    says="how the features of a model's own training examples lie within their class, at the end; others have none",
    quantities={
        "spectral": Quantity(_DIMS, "float32", "", "squared place along the first singular vector, over its mean"),
        "cluster": Quantity(
            _DIMS, "float32", "", "how far it is in the smaller of two clusters, and how small that is"
        ),
    },
    tasks=OF_CLASSES,
    recorded_by="audit into another folder with --probe poison_signatures",
)
