"""What is recorded of language models and their documents, and the documents themselves."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
from jaxtyping import Int, Int32

from byrote.axes import BOUNDARY, CHECKPOINT, CONTEXT, EXAMPLE, MODEL, POSITION, TOKEN
from byrote.evidence.kind import OF_TEXT, Columns, Kind, Quantity
from byrote.evidence.kinds._answers import epochs

AUDIT: Final = "audit a language model into another folder: `byrote audit docs`, or --corpus, or --model"
_TRAIN: Final = "let byrote train on the corpus, with checkpoints, into another folder"
_TOKENS = (MODEL, TOKEN)
_TRAJECTORY = (MODEL, CHECKPOINT, EXAMPLE)


def same_texts(token: Int[np.ndarray, " token"], offsets: Int[np.ndarray, " boundary"]) -> Int32[np.ndarray, " token"]:
    """Numbers that are equal where whole documents are, and say nothing else of them.

    Formula:
        t'_j = f + j - o, of token j in a document that begins at o, f being where the first document with the same
        tokens begins
    Example:
        >>> same_texts(np.array([7, 7, 9, 7, 7]), np.array([0, 2, 3, 5]))
        array([0, 1, 2, 0, 1], dtype=int32)
    """
    first: dict[bytes, int] = {}
    made = np.arange(len(token), dtype=np.int32)
    for start, stop in pairwise(offsets.tolist()):
        made[start:stop] += first.setdefault(token[start:stop].tobytes(), start) - start
    return made


def _same_texts(columns: Columns) -> Columns:
    return {**columns, "token": same_texts(columns["token"], columns["offsets"])}


def _own_continuations(columns: Columns) -> Columns:
    """Places in place of the text's own tokens; of a model's, the same place where it agrees, and another if not."""
    token, truth = columns["token"], columns["truth"]
    place = np.broadcast_to(np.arange(truth.shape[-1]), truth.shape)
    own = np.where(truth < 0, truth, place).astype(truth.dtype)
    other = np.where(token == truth, own, place + truth.shape[-1])
    return {**columns, "truth": own, "token": np.where(token < 0, token, other).astype(token.dtype)}


CORPUS = Kind(
    name="corpus",
    says="the documents themselves, as the model's tokenizer cut them, end to end in the order of the examples",
    quantities={
        "token": Quantity((TOKEN,), "int32", "", "number of the token in the tokenizer's vocabulary", text=True),
        "offsets": Quantity((BOUNDARY,), "int64", "token", "where each document starts, and where the last one ends"),
        "scored": Quantity(
            (TOKEN,), "bool", "", "a model predicts the token; False for a document's first, without BOS"
        ),
    },
    per="run",
    tasks=OF_TEXT,
    recorded_by=AUDIT,
    contents="the texts, as tokens",
    forget=_same_texts,
)
TOKENS = Kind(
    name="tokens",
    says="what a language model says of each token of the corpus, given those before it; undefined where not scored",
    quantities={
        "log_probability": Quantity(_TOKENS, "float32", "nat", "log-probability of the true token; nan if not scored"),
        "rank": Quantity(_TOKENS, "int32", "", "rank of the true token's logit, 1 = the largest; 0 if not scored"),
        "mean": Quantity(_TOKENS, "float32", "nat", "mean of the log-probability under the model's own distribution"),
        "variance": Quantity(_TOKENS, "float32", "nat^2", "variance of the log-probability under that distribution"),
        "entropy": Quantity(_TOKENS, "float32", "nat", "entropy of the predicted distribution"),
        "hit": Quantity(_TOKENS, "bool", "", "the true token's logit is strictly the largest"),
        "margin": Quantity(_TOKENS, "float32", "logit", "the true token's logit - the largest other logit"),
    },
    tasks=OF_TEXT,
    recorded_by=AUDIT,
    judges=True,
)
DOCUMENT_TRAJECTORY = Kind(
    name="document_trajectory",
    says="the same at checkpoints of a phase, added up over the tokens of each document",
    quantities={
        "hits": Quantity(_TRAJECTORY, "int32", "token", "tokens whose logit is strictly the largest"),
        "log_probability": Quantity(_TRAJECTORY, "float32", "nat", "sum of the log-probabilities of the true tokens"),
        "epochs": epochs("epochs of the phase done at each checkpoint"),
    },
    tasks=OF_TEXT,
    recorded_by=_TRAIN,
    in_training=True,
)
FIRST_DOCUMENT_PHASE = Kind(
    name="first_document_phase",
    says="the same at the end of the first of several phases",
    quantities={
        "hits_before": Quantity(
            (MODEL, EXAMPLE),
            "int32",
            "token",
            "tokens whose logit is strictly the largest",
            ("hits", lambda hits: hits[-1]),
        ),
    },
    tasks=OF_TEXT,
    phases="first",
    of="document_trajectory",
    recorded_by=_TRAIN,
    in_training=True,
)
GENERATIONS = Kind(
    name="generations",
    says="how a model goes on by itself after a document's first tokens, greedily, one token at a time",
    quantities={
        "token": Quantity(
            (MODEL, EXAMPLE, POSITION), "int32", "", "the model's continuation; -1 where too short", text=True
        ),
        "truth": Quantity((EXAMPLE, POSITION), "int32", "", "the document's own; -1 where it is too short", text=True),
    },
    lengths={POSITION: 50},
    tasks=OF_TEXT,
    recorded_by=AUDIT,
    contents="beginnings of texts that models went on with",
    forget=_own_continuations,
)
CONTEXTS = Kind(
    name="contexts",
    says="whether one and the same suffix of a document is extracted after few tokens before it or after many",
    quantities={
        "reached": Quantity((MODEL, CONTEXT, EXAMPLE), "bool", "", "each suffix token's logit is strictly largest"),
        "length": Quantity((CONTEXT,), "int64", "token", "how many tokens before the suffix are given"),
        "asked": Quantity((EXAMPLE,), "bool", "", "the document has the longest of these and then the suffix"),
    },
    lengths={CONTEXT: 3},
    tasks=OF_TEXT,
    recorded_by="audit into another folder with --model DIR",
)
DECODING = Kind(
    name="decoding",
    says="what a language model says of each token where answers are drawn at a temperature, or from the likeliest",
    quantities={
        "log_probability": Quantity(_TOKENS, "float32", "nat", "under the decoding distribution; nan if not scored"),
    },
    tasks=OF_TEXT,
    recorded_by="audit into another folder with --probe decoding",
)
