"""Planted secrets and what models say of them."""

from __future__ import annotations

from byrote.axes import CANARY, EXAMPLE, MODEL, REFERENCE
from byrote.evidence.kind import OF_TEXT, Kind, Quantity

_EACH = (MODEL, CANARY)

CANARIES = Kind(
    name="canaries",
    says="planted secrets, judged over their own tokens only: the blank before one counts where its token has it, too",
    quantities={
        "log_perplexity": Quantity(_EACH, "float32", "bit", "sum of -log2 p over the secret's tokens"),
        "reference_log_perplexity": Quantity(
            (*_EACH, REFERENCE), "float32", "bit", "the same of secrets drawn from the canary's space"
        ),
        "repetitions": Quantity((CANARY,), "int64", "", "how often the canary stands in the corpus; 0 = a control"),
        "space_bits": Quantity((CANARY,), "float64", "bit", "log2 of the number of secrets in the space it came from"),
        "rank_least": Quantity(_EACH, "float64", "", "its rank in the space is at least this; nan: no search"),
        "rank_most": Quantity(_EACH, "float64", "", "its rank in the space is at most this; nan: no search"),
        "document": Quantity((EXAMPLE,), "int32", "canary", "the canary that a document holds; -1 = none"),
    },
    tasks=OF_TEXT,
    recorded_by="plant some in a corpus with `byrote plant`, train on it, and audit with --canaries",
)
