"""Gradients of documents: how far the weights of a language model would move for a document."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from byrote.axes import EXAMPLE, MODEL
from byrote.evidence.kind import OF_TEXT, Kind, Quantity
from byrote.probes import tokens
from byrote.probes.contract import Block, TextProbe
from byrote.probes.registry import probe

DOCUMENT_GRADIENTS = Kind(
    name="document_gradients",
    says="how steep the loss of a document is in the weights of a trained language model",
    quantities={
        "document_gradient_norm": Quantity(
            (MODEL, EXAMPLE),
            "float32",
            "nat / weight unit",
            "norm of the mean loss's gradient in all weights; nan if none",
        ),
    },
    tasks=OF_TEXT,
    recorded_by="audit into another folder with --probe document_gradients",
)


@probe
class DocumentGradients(TextProbe):
    """The Euclidean norm of the gradient of a document's mean loss in all weights at once; one backward pass each."""

    name: ClassVar[str] = "document_gradients"
    kinds = (DOCUMENT_GRADIENTS,)
    passes = 1.0

    def read(self, network: nn.Module, block: Block, progress: Callable[[float], None]) -> dict[str, np.ndarray]:
        """`document_gradient_norm[document]` of one network."""
        assert block.corpus is not None
        corpus, found = block.corpus, np.full(len(block.corpus), np.nan, np.float32)
        original = tokens.originals(corpus)
        network.eval()
        weights = {one: one.requires_grad for one in network.parameters() if one.is_floating_point()}
        for one in weights:
            one.requires_grad_(True)
        for done, row in enumerate(np.unique(original).tolist()):
            found[row] = _norm(network, [*weights], row, block)
            progress((done + 1) / len(corpus))
        for one, required in weights.items():
            one.requires_grad_(required)
        return {"document_gradient_norm": found[original]}


def _norm(network: nn.Module, weights: list[nn.Parameter], row: int, block: Block) -> float:
    """The norm of one document; nan where nothing of it is predicted."""
    assert block.corpus is not None
    corpus, total, count = block.corpus, torch.zeros((), device=block.device), 0
    with torch.enable_grad():
        for inputs, (place, position, token) in tokens.batches(corpus, block.context, np.array([row])):
            logits = network(torch.from_numpy(inputs).to(block.device)).float()
            true = torch.from_numpy(corpus.tokens[token].astype(np.int64)).to(block.device)
            total = total + nn.functional.cross_entropy(logits[place, position], true, reduction="sum")
            count += len(true)
        if not count:
            return float("nan")
        gradients = torch.autograd.grad(total / count, weights, allow_unused=True)
    return float(torch.stack([one.float().square().sum() for one in gradients if one is not None]).sum().sqrt())
