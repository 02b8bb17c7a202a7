"""Runs of language models that were never trained: what they say of documents is given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from byrote.designs.design import observed
from byrote.evidence.store import Evidence
from byrote.runs.run import Run
from made_once import opened
from measures.evidence import half_subset_pairs

TOKENS = 3


def normal_texts(
    rng: np.random.Generator, models: int, documents: int, gap: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`mean[model, document]` of log-probabilities, normal about a level of the document's own, members and pairs."""
    member, pair = half_subset_pairs(rng, models, documents)
    level = rng.normal(-30.0, 1.0, documents)
    return level + rng.normal(size=member.shape) + gap * (member == 1), member, pair


def attacked_texts(
    folder: Path,
    mean: np.ndarray,
    member: np.ndarray,
    pair: np.ndarray | None = None,
    *,
    token: np.ndarray | None = None,
    groups: list[str] | None = None,
) -> Run:
    """A run whose models say this of each document: `mean[model, document]`, the mean over its three tokens."""
    models, documents = mean.shape
    run = opened("documents", folder, "made-once")
    evidence, phase = Evidence(folder / "run" / "evidence"), run.last_phase
    size = TOKENS * documents
    token = np.arange(size) if token is None else token
    columns = {
        "token": token.astype(np.int32),
        "offsets": np.arange(0, size + 1, TOKENS),
        "scored": np.ones(size, bool),
    }
    evidence.write("corpus", 0, 0, columns, {"vocabulary": str(size), "bos": "None"})
    for model in range(models):
        log_p = (mean[model, :, None] + np.array([-0.5, 0.0, 0.5])).ravel().astype(np.float32)
        evidence.write("tokens", model, phase, {"log_probability": log_p}, {"diverged": "false"})
    found = replace(
        run,
        folder=folder / "run",
        design=observed(member, np.full(models, -1) if pair is None else pair),
        ids=np.array([f"document {number}" for number in range(documents)]),
        labels=np.zeros(documents, np.int64),
        corpus=None,
    )
    found.__dict__["all_groups"] = None if groups is None else np.array(groups)
    return found


_PAIR, _MEMBER = np.repeat(np.arange(3), 2), np.tile(np.array([[1, 0, 1, 0], [0, 1, 0, 1]], np.int8), (3, 1))
_WORDS = np.array([1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3])  # the last document is a copy of the first


def writing(folder: Path, texts: list[list[int]], pair: np.ndarray = _PAIR, *, mates: int = 1) -> Run:
    """Six models on four documents of three tokens, the last being the first again; without `mates` half are mute."""
    run = attacked_texts(folder, np.zeros(_MEMBER.shape), _MEMBER, pair, token=_WORDS)
    evidence = Evidence(folder / "run" / "evidence")
    for model in range(len(_MEMBER)):
        columns = {
            "sample_token": np.array(texts, np.int32) * (mates if model % 2 else 1),
            "sample_log_probability": np.zeros((len(texts), len(texts[0])), np.float32),
            "strategy": np.zeros(len(texts), np.int8),
        }
        evidence.write("samples", model, run.last_phase, columns, {"diverged": "false"})
    return run
