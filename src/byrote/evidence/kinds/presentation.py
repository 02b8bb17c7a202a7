"""What the training step itself saw."""

from __future__ import annotations

from byrote.axes import EXAMPLE, MODEL
from byrote.evidence.kind import OF_PROBABILITIES, Kind, Quantity

_DIMS = (MODEL, EXAMPLE)

PRESENTATION = Kind(
    name="presentation",
    says="what the training step itself saw, before its update, in training mode, augmented; reduced as it streamed",
    quantities={
        "presentations": Quantity(_DIMS, "int32", "", "how often the example was shown"),
        "loss_sum": Quantity(_DIMS, "float32", "nat", "sum of the loss over the presentations", tasks=OF_PROBABILITIES),
        "logit_margin_sum": Quantity(
            _DIMS, "float32", "logit", "sum of the margin over the presentations", tasks=OF_PROBABILITIES
        ),
        "forgetting_count": Quantity(_DIMS, "int32", "", "times wrong right after being correct"),
        "first_learned": Quantity(_DIMS, "int32", "presentation", "first correct presentation, from 1; 0 = never"),
    },
    phases="every",
    recorded_by="audit an ensemble (`byrote audit`), or record a training of your own with byrote.Recorder",
    in_training=True,
    judges=True,
    imports=True,
)
