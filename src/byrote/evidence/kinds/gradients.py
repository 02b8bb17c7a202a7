"""How hard each example still pulls at the weights, and how steep its loss is in its inputs, as training goes on."""

from __future__ import annotations

from typing import Final

from byrote.axes import CHECKPOINT, EXAMPLE, MODEL, WINDOW
from byrote.evidence.kind import OF_CLASSES, OF_PROBABILITIES, Kind, Quantity

_IN_TIME = (MODEL, CHECKPOINT, EXAMPLE)
_EPOCHS = Quantity((CHECKPOINT,), "int64", "epoch", "epochs done at each checkpoint")

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
EL2N: Final = Kind(
    name="el2n",
    says="how far the probabilities are from the label at checkpoints, evaluation mode",
    quantities={
        "error": Quantity(_IN_TIME, "float32", "probability", "Euclidean norm of probabilities less the label as one"),
        "epochs": _EPOCHS,
    },
    tasks=OF_CLASSES,
    recorded_by="audit into another folder with --probe el2n",
)
WEIGHT_GRADIENTS: Final = Kind(
    name="weight_gradients",
    says="how hard each example pulls at the weights at checkpoints, evaluation mode",
    quantities={
        "norm": Quantity(_IN_TIME, "float32", "nat", "norm of the loss's gradient over all trained weights"),
        "epochs": _EPOCHS,
    },
    tasks=OF_PROBABILITIES,
    recorded_by="audit into another folder with --probe weight_gradients",
)
INPUT_GRADIENTS: Final = Kind(
    name="input_gradients",
    says="how steep each example's loss is in its inputs at checkpoints, evaluation mode",
    quantities={
        "norm": Quantity(_IN_TIME, "float32", "nat", "Euclidean norm of the loss's gradient in the inputs"),
        "norm_1": Quantity(_IN_TIME, "float32", "nat", "sum of the absolute values of that gradient"),
        "epochs": _EPOCHS,
    },
    tasks=OF_PROBABILITIES,
    recorded_by="audit into another folder with --probe input_gradients",
)


def _variance(of: str, what: str, suffix: str, tasks: frozenset[str]) -> Kind:
    return Kind(
        name=f"variance_of_gradients{suffix}",
        says=f"how much the gradient of {what} in the inputs varies between checkpoints, evaluation mode",
        quantities={
            "spread": Quantity(
                (MODEL, WINDOW, EXAMPLE),
                "float32",
                "unit of the gradient",
                "standard deviation over the checkpoints of a window, averaged over the inputs",
            ),
        },
        coordinates={WINDOW: "epochs done at the first and the last checkpoint of each window"},
        lengths={WINDOW: 3},
        tasks=tasks,
        recorded_by=f"audit into another folder with --probe variance_of_gradients{of}",
    )


VARIANCE: Final = _variance("", "the loss", "", OF_PROBABILITIES)
VARIANCE_OF_PROBABILITY: Final = _variance(",of=probability", "the label's probability", "_of_probability", OF_CLASSES)
VARIANCE_OF_LOGIT: Final = _variance(",of=logit", "the label's logit", "_of_logit", OF_CLASSES)
VARIANCE_OF_MARGIN: Final = _variance(",of=margin", "the label's margin", "_of_margin", OF_CLASSES)
