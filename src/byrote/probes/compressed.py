"""Compressed sizes of documents: how much there is to say of a text, whatever a model says of it."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import ClassVar

import numpy as np
from torch import nn

from byrote.axes import EXAMPLE, MODEL
from byrote.evidence.kind import OF_TEXT, Kind, Quantity
from byrote.probes.contract import Block, TextProbe
from byrote.probes.registry import probe

COMPRESSED = Kind(
    name="compressed",
    says="how many bytes a document takes once it is compressed; the same for every model",
    quantities={"size": Quantity((MODEL, EXAMPLE), "int32", "byte", "of the text in UTF-8, compressed by zlib")},
    tasks=OF_TEXT,
    recorded_by="audit into another folder with --probe compressed",
)


@probe
class Compressed(TextProbe):
    """The size of each document's text, compressed by zlib at its usual level; no network is asked."""

    name: ClassVar[str] = "compressed"
    kinds = (COMPRESSED,)

    def read(self, network: nn.Module, block: Block, progress: Callable[[float], None]) -> dict[str, np.ndarray]:
        """`size[document]`."""
        assert block.corpus is not None
        sizes = [len(zlib.compress(text.encode())) for text in block.corpus.texts]
        progress(1.0)
        return {"size": np.array(sizes, np.int32)}
