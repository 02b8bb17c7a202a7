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
            (MODEL, EXAMPLE), "float32", "nat / weight unit", "norm of the loss's gradient over all trained weights"
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
        "norm": Quantity(
            _IN_TIME, "float32", "nat / weight unit", "norm of the loss's gradient over all trained weights"
        ),
        "epochs": _EPOCHS,
    },
    tasks=OF_PROBABILITIES,
    recorded_by="audit into another folder with --probe weight_gradients",
)
INPUT_GRADIENTS: Final = Kind(
    name="input_gradients",
    says="how steep each example's loss is in its inputs at checkpoints, evaluation mode",
    quantities={
        "norm": Quantity(
            _IN_TIME, "float32", "nat / input unit", "Euclidean norm of the loss's gradient in the inputs"
        ),
        "norm_1": Quantity(_IN_TIME, "float32", "nat / input unit", "sum of the absolute values of that gradient"),
        "epochs": _EPOCHS,
    },
    tasks=OF_PROBABILITIES,
    recorded_by="audit into another folder with --probe input_gradients",
)


def _variance(of: str, what: str, unit: str, suffix: str, tasks: frozenset[str]) -> Kind:
    return Kind(
        name=f"variance_of_gradients{suffix}",
        says=f"how much the gradient of {what} in the inputs varies between checkpoints, evaluation mode",
        quantities={
            "spread": Quantity(
                (MODEL, WINDOW, EXAMPLE),
                "float32",
                f"{unit} / input unit",
                "standard deviation over the checkpoints of a window, averaged over the inputs",
            ),
        },
        coordinates={WINDOW: "epochs done at the first and the last checkpoint of each window"},
        lengths={WINDOW: 3},
        tasks=tasks,
        recorded_by=f"audit into another folder with --probe variance_of_gradients{of}",
    )


VARIANCE: Final = _variance("", "the loss", "nat", "", OF_PROBABILITIES)
VARIANCE_OF_PROBABILITY: Final = _variance(
    ",of=probability", "the label's probability", "probability", "_of_probability", OF_CLASSES
)
VARIANCE_OF_LOGIT: Final = _variance(",of=logit", "the label's logit", "logit", "_of_logit", OF_CLASSES)
VARIANCE_OF_MARGIN: Final = _variance(",of=margin", "the label's margin", "logit", "_of_margin", OF_CLASSES)

CURVATURE: Final = Kind(
    name="input_curvature",
    says="how curved each example's loss is in its inputs at checkpoints, evaluation mode",
    quantities={
        "trace": Quantity(_IN_TIME, "float32", "nat / input unit^2", "trace of the loss's Hessian in the inputs"),
        "squared": Quantity(_IN_TIME, "float32", "nat^2 / input unit^4", "sum of the squares of its entries"),
        "draws": Quantity(
            (MODEL, CHECKPOINT), "int32", "draw", "random directions that were needed; 0 where both are exact"
        ),
        "epochs": _EPOCHS,
    },
    tasks=OF_CLASSES,
    sampled=True,
    recorded_by="audit into another folder with --probe input_curvature",
)
CURVATURE_DIFFERENCE: Final = Kind(
    name="input_curvature_difference",
    says="how much the gradient of each example's loss in its inputs changes a small step away, at checkpoints",
    quantities={
        "change": Quantity(_IN_TIME, "float32", "nat / input unit", "norm of the change, mean over random steps"),
        "step": Quantity((MODEL, CHECKPOINT), "float32", "input unit", "length of the step along each input"),
        "epochs": _EPOCHS,
    },
    tasks=OF_CLASSES,
    sampled=True,
    recorded_by="audit into another folder with --probe input_curvature,form=difference",
)
CLASS_COSINE: Final = Kind(
    name="class_cosine",
    says="how each example's gradient in the weights lies to that of the other members of its class, at checkpoints",
    quantities={
        "cosine": Quantity(_IN_TIME, "float32", "cosine", "to the sum of the gradients of other members of the class"),
        "epochs": _EPOCHS,
    },
    tasks=OF_CLASSES,
    sampled=True,
    recorded_by="audit into another folder with --probe class_cosine",
)


def _of_model(meaning: str, unit: str = "cosine") -> Quantity:
    return Quantity((MODEL, CHECKPOINT), "float32", unit, meaning)


GRADIENT_SHARES: Final = Kind(
    name="gradient_shares",
    says="how the gradients of members with a planted wrong label lie to those of the others, at checkpoints",
    quantities={
        "share": _of_model(
            "projection of their sum on the whole, by that of as many examples", "ratio to the share of members"
        ),
        "share_random": _of_model("the same of as many members drawn at random", "ratio to the share of members"),
        "norm_share": _of_model("norm of their sum by the sum of both norms", "share"),
        "cosine": _of_model("between their sum and that of the others"),
        "coherence": _of_model("norm of their sum by the sum of their norms", "share"),
        "coherence_others": _of_model("the same of the others", "share"),
        "alike": _of_model("mean over pairs of them of the same given class"),
        "alike_others": _of_model("the same of the others"),
        "alike_any": _of_model("mean over pairs of them of any classes"),
        "alike_others_any": _of_model("the same of the others"),
        "epochs": _EPOCHS,
    },
    tasks=OF_CLASSES,
    sampled=True,
    recorded_by="audit of data with planted label noise into another folder with --probe gradient_shares",
)
