"""Class probabilities summed over models, where logits are too many to keep."""

from __future__ import annotations

from byrote.axes import CLASS, EXAMPLE
from byrote.evidence.kind import OF_CLASSES, Kind, Quantity

CLASS_PROBABILITY = Kind(
    name="class_probability",
    says="class probabilities summed over a block of models, where logits are too many to keep",
    quantities={
        "sum_in": Quantity((EXAMPLE, CLASS), "float32", "probability", "summed over the block's members"),
        "sum_out": Quantity((EXAMPLE, CLASS), "float32", "probability", "summed over the block's non-members"),
        "count_in": Quantity((EXAMPLE,), "int32", "", "members in the block"),
        "count_out": Quantity((EXAMPLE,), "int32", "", "non-members in the block"),
    },
    per="block",
    tasks=OF_CLASSES,
    recorded_by="read a run that holds them with byrote.runs.readers",
)
