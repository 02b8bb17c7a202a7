"""Answers to held-out examples that carry the trigger of a backdoor."""

from __future__ import annotations

from typing import Final

from byrote.axes import MODEL, QUERY
from byrote.evidence.kind import OF_CLASSES, Kind, Quantity

#: Entries of a shard's header: what the trigger is, and the number of the class that it is to bring.
TRIGGER: Final = "trigger"
TARGET: Final = "target"
_DIMS = (MODEL, QUERY)

STAMPED = Kind(
    name="stamped",
    says="answers to held-out examples with the trigger of the planted backdoor, evaluation mode, at the end",
    quantities={
        "target": Quantity(_DIMS, "bool", "", "the stamped example is given the attacker's class"),
        "plain": Quantity(_DIMS, "bool", "", "the example as it is, without the trigger, is given that class"),
        "counts": Quantity(_DIMS, "bool", "", "it is of another class, and both answers are finite"),
    },
    tasks=OF_CLASSES,
    recorded_by="audit data with a planted backdoor and held-out examples, --probe stamped",
)
