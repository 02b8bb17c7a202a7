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

AXES: Final = (MODEL, PHASE, CHECKPOINT, AUGMENTATION, EXAMPLE, QUERY, CLASS)
