"""The models themselves: as they were at the end of each phase, and while they train."""

from __future__ import annotations

from byrote.axes import CHECKPOINT
from byrote.evidence.kind import EVERY_TASK, Kind

#: The number of weights and buffers of a model, among the lengths from which a size is estimated.
WEIGHT = "weight"
#: The number of checkpoints at which they are kept, among the same.
KEPT = "kept"

WEIGHTS = Kind(
    name="weights",
    says="every tensor of a network at the end of a phase, by its own name",
    tasks=EVERY_TASK,
    phases="every",
    recorded_by="audit into another folder with --keep-weights",
    weights="trained weights, which may know contents by rote",
    size=lambda lengths: 4 * lengths.get(WEIGHT, 0),
)
WEIGHTS_AT = Kind(
    name="weights_at",
    says="every tensor of a network, by its own name, at checkpoints of the last phase: [checkpoint, ...]",
    coordinates={CHECKPOINT: "epochs of the phase done at each checkpoint that is kept"},
    tasks=EVERY_TASK,
    sampled=True,
    in_training=True,
    recorded_by="audit into another folder with --keep-weights-at checkpoints",
    recorder='record the training again with Recorder(…, keep_weights_at="checkpoints"), and call '
    "recorder.clean_pass(model, loader) after its epochs",
    weights="weights at checkpoints, which may know contents by rote",
    size=lambda lengths: 4 * lengths.get(WEIGHT, 0) * lengths.get(KEPT, 0),
)
UNFINISHED = Kind(
    name="unfinished",
    says="a model while it trains, and all that it takes to go on with it after a stop",
    tasks=EVERY_TASK,
    weights="weights of a training that was stopped, which may know contents by rote",
    size=lambda lengths: 0,  # it goes as soon as the model is trained
)
