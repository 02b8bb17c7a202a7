"""Answers at the checkpoints of the training."""

from __future__ import annotations

from byrote.axes import CHECKPOINT, EXAMPLE, MODEL
from byrote.evidence.kind import Kind, Quantity
from byrote.evidence.kinds._answers import answers, epochs

_DIMS = (MODEL, CHECKPOINT, EXAMPLE)
_RECORDED_BY = "audit an ensemble (`byrote audit`), or let a Recorder make clean passes after two epochs or more"

TRAJECTORY = Kind(
    name="trajectory",
    says="answers on the training examples in evaluation mode at the checkpoints of the last phase",
    quantities={**answers(_DIMS), "epochs": epochs("epochs of the phase done at each checkpoint; 0 is its start")},
    phases="every",
    recorded_by=_RECORDED_BY,
    recorder="clean passes over all examples after two epochs or more, recorder.clean_pass(model, loader)",
    in_training=True,
    imports=True,
)
FIRST_PHASE = Kind(
    name="first_phase",
    says="the same at the checkpoints of the first phase, which in most designs is the only one",
    quantities={
        "correct": answers(_DIMS)["correct"],
        "epochs": epochs("epochs of the phase done at each checkpoint"),
        "member": Quantity((MODEL, EXAMPLE), "int8", "", "1 shown in the first phase, 0 not, -1 unknown", fact=True),
    },
    phases="first",
    of="trajectory",
    recorded_by=_RECORDED_BY,
    in_training=True,
)
