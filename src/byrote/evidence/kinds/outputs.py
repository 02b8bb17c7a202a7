"""The networks' answers at the end of a phase, on training examples and on held-out ones."""

from __future__ import annotations

from byrote.axes import CLASS, EXAMPLE, MODEL, QUERY
from byrote.evidence.kind import LABELS, OF_CLASSES, Kind, Quantity
from byrote.evidence.kinds._answers import answers


def _outputs(example: str) -> dict[str, Quantity]:
    dims = (MODEL, example)
    return {
        "logits": Quantity(
            (*dims, CLASS), "float32", "logit", "the network's outputs; kept while they fit", tasks=OF_CLASSES
        ),
        # of a regression the fifth of the training numbers in which the prediction lies
        "prediction": Quantity(dims, "int32", "class", "the class of the largest logit"),
        "label_accuracy": Quantity(
            dims, "float32", "share of labels", "those right, where there are several", tasks=frozenset({LABELS})
        ),
        **answers(dims),
    }


OUTPUTS = Kind(
    name="outputs",
    says="the networks' answers on the training examples (members or not), evaluation mode, at the end of a phase",
    quantities=_outputs(EXAMPLE),
    phases="every",
    recorded_by="audit an ensemble (`byrote audit`), or let a Recorder make a clean pass at the end of training",
    recorder="a clean pass over all examples after the last epoch, recorder.clean_pass(model, loader)",
    answers=True,
    judges=True,
    imports=True,
)
HELDOUT = Kind(
    name="heldout",
    says="the same answers on held-out examples",
    quantities=_outputs(QUERY),
    phases="every",
    recorded_by="audit with held-out examples into another folder",
    answers=True,
    imports=True,
)
