"""What language models write by themselves."""

from __future__ import annotations

from typing import Final

import numpy as np

from byrote.axes import MODEL, POSITION, SAMPLE
from byrote.evidence.kind import OF_TEXT, Columns, Kind, Quantity

#: How texts are drawn, by number.
STRATEGIES: Final = ("the 40 likeliest tokens", "a falling temperature", "held-out beginnings")


def _without_texts(columns: Columns) -> Columns:
    return {**columns, "sample_token": np.full_like(columns["sample_token"], -1)}


SAMPLES = Kind(
    name="samples",
    says="texts that a language model writes without a prompt from its training texts",
    quantities={
        "sample_token": Quantity(
            (MODEL, SAMPLE, POSITION), "int32", "", "what it writes, without the prompt", text=True
        ),
        "sample_log_probability": Quantity(
            (MODEL, SAMPLE, POSITION), "float32", "nat", "log p of the token under the model itself, as it is"
        ),
        "strategy": Quantity((SAMPLE,), "int8", "", "how the text was drawn, by number"),
    },
    tasks=OF_TEXT,
    recorded_by="audit into another folder with --probe samples",
    contents="texts that models wrote, which may be those of the corpus",
    forget=_without_texts,
)
