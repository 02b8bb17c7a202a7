"""The axis words. Shapes in signatures, dims in shard headers and columns of tables use these and no others."""

from __future__ import annotations

from typing import Final

MODEL: Final = "model"
PHASE: Final = "phase"
CHECKPOINT: Final = "checkpoint"
AUGMENTATION: Final = "augmentation"
EXAMPLE: Final = "example"
QUERY: Final = "query"
CLASS: Final = "class"
#: The tokens of all documents end to end, in the order of the examples.
TOKEN: Final = "token"
#: Where each document starts in the tokens, and where the last one ends: one more than there are examples.
BOUNDARY: Final = "boundary"
CANARY: Final = "canary"
#: Secrets drawn from the space that a canary's secret came from.
REFERENCE: Final = "reference"
#: The tokens of a continuation, counted from where it begins.
POSITION: Final = "position"
#: Numbers of tokens that are given before one and the same suffix.
CONTEXT: Final = "context"
#: Parts of a network that are rewound, read or changed as a whole, by name and in the order of the network.
LAYER: Final = "layer"
#: Parts of a training, each of several checkpoints, by the epochs at which it begins and ends.
WINDOW: Final = "window"
#: Distances from an example that are tried.
RADIUS: Final = "radius"
#: Single places of what a layer puts out.
UNIT: Final = "unit"
#: Places by size, the largest first.
RANK: Final = "rank"
#: Personal data that were found in documents, one after the other.
ITEM: Final = "item"
#: Texts that a model writes by itself.
SAMPLE: Final = "sample"

AXES: Final = (
    MODEL,
    PHASE,
    CHECKPOINT,
    AUGMENTATION,
    EXAMPLE,
    QUERY,
    CLASS,
    TOKEN,
    BOUNDARY,
    CANARY,
    REFERENCE,
    POSITION,
    CONTEXT,
    LAYER,
    WINDOW,
    RADIUS,
    UNIT,
    RANK,
    ITEM,
    SAMPLE,
)
