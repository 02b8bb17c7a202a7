"""What the last layer tells, against layers fitted to the same network's features of other examples."""

from __future__ import annotations

from byrote.axes import EXAMPLE, MODEL
from byrote.evidence.kind import OF_CLASSES, Kind, Quantity

_DIMS = (MODEL, EXAMPLE)

LAST_LAYER = Kind(
    name="last_layer",
    says="the last layer at the end of training, against layers fitted to the same network's features of others",
    quantities={
        "displacement": Quantity(_DIMS, "float32", "logit", "z_y - mean of all z, less what such a layer gives"),
        "log_odds_displacement": Quantity(_DIMS, "float32", "nat", "log-odds, less what such a layer gives"),
        "gradient_norm": Quantity(
            _DIMS, "float32", "nat / weight unit", "norm of the loss's gradient over the last layer"
        ),
    },
    tasks=OF_CLASSES,
    recorded_by="audit into another folder with --probe last_layer",
)
