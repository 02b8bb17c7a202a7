"""Keys and values: the contexts at which each feed-forward unit is largest, and whether it writes what comes next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from byrote.axes import LAYER, MODEL, RANK, UNIT
from byrote.errors import BadInput
from byrote.evidence.kind import OF_TEXT, Kind, Quantity
from byrote.probes import tokens
from byrote.probes.contract import LaterProbe, Shard
from byrote.probes.feed_forward import listened, output_embedding, second_matrices, values_of
from byrote.probes.history import AskedDocuments, History
from byrote.probes.layers import names_in
from byrote.probes.registry import probe

FEED_FORWARD_UNITS: Final = Kind(
    name="feed_forward_units",
    says="the contexts at which each feed-forward unit of a language model is largest, and what it writes",
    quantities={
        "place": Quantity(
            (MODEL, UNIT, RANK), "int32", "token", "the token of the corpus that is predicted there; -1 if none"
        ),
        "activation": Quantity((MODEL, UNIT, RANK), "float32", "", "the unit after the nonlinearity; nan of none"),
        "next_rank": Quantity(
            (MODEL, UNIT),
            "int32",
            "rank",
            "of the next token of its largest context in the logits that it writes; 0 if none",
        ),
        "chance": Quantity(
            (MODEL, UNIT), "float32", "share", "largest contexts of all units that go on with the token it writes most"
        ),
        "of_layer": Quantity((MODEL, UNIT), "int32", "", "which of the layers the unit is of, from 0"),
        "units": Quantity((MODEL, LAYER), "int32", "unit", "units in each layer"),
    },
    coordinates={LAYER: "the second matrices of the feed-forward layers, in the order of the network"},
    tasks=OF_TEXT,
    sampled=True,
    recorded_by="audit into another folder with --keep-weights-at last, then `byrote probe RUN feed_forward_units`",
)


@probe
@dataclass
class FeedForwardUnitsProbe(LaterProbe):
    """Every unit of every feed-forward layer, over the documents that each model was trained on.

    A unit is an input of the second matrix, after the nonlinearity and, in gated layers, the gate. Its key is the `top`
    contexts at which it is largest; each copy of a document counts. Its value is its column of the second matrix, read
    by the output embedding without the last normalisation. A unit that is never above 0 has no context. `layers` names
    second matrices, separated by semicolons; byrote knows those of models of the transformers library.

    Source: Geva et al. 2021, arXiv:2012.14913.
    Differs: theirs reads contexts that end at any token; here at tokens whose successor is scored.
    """

    top: int = 10
    layers: str = ""

    name: ClassVar[str] = "feed_forward_units"
    kinds = (FEED_FORWARD_UNITS,)

    def __post_init__(self) -> None:
        if self.top < 1:
            raise BadInput(
                f"The 'top' setting of feed_forward_units must be at least 1. Got {self.top}.",
                hint="feed_forward_units,top=10",
            )

    def read(self, at: History, model: int) -> Shard:
        """Each unit's largest contexts, and what it writes."""
        asked = at.asked
        assert isinstance(asked, AskedDocuments), "it is for texts"
        matrices = second_matrices(at.network(model), names_in(self.layers))
        place, activation = contexts(asked, [*matrices.values()], np.flatnonzero(at.member_of(model) == 1), self.top)
        embedding, start = output_embedding(asked.network, asked.corpus.vocabulary), 0
        units, ranks, written = [], [], []
        follows = np.where(place[:, 0] < 0, -1, asked.corpus.tokens[place[:, 0]])
        for matrix in matrices.values():
            count = _width(matrix, embedding.shape[1])
            logits = (values_of(matrix, count) @ embedding.T).cpu().numpy()
            own = follows[start : start + count]
            ranks.append(np.where(own < 0, 0, rank_of(logits, np.maximum(own, 0))).astype(np.int32))
            written.append(logits.argmax(1))
            units.append(count)
            start += count
        columns = {
            "place": place,
            "activation": activation,
            "next_rank": np.concatenate(ranks),
            "chance": share_of(np.concatenate(written), follows[follows >= 0]),
            "of_layer": np.repeat(np.arange(len(units)), units).astype(np.int32),
            "units": np.array(units, np.int32),
        }
        return Shard(kind=FEED_FORWARD_UNITS, model=model, columns=columns, coordinates={LAYER: [*matrices]})


def _width(matrix: torch.nn.Module, width: int) -> int:
    """How many units a second matrix reads."""
    first, second = matrix.weight.shape  # type: ignore[misc]  # a layer with a matrix
    linear = isinstance(matrix, torch.nn.Linear) or (first == width and second != width)
    return int(second if linear else first)


def contexts(
    asked: AskedDocuments, matrices: list[torch.nn.Module], documents: Int[np.ndarray, " document"], top: int
) -> tuple[Int[np.ndarray, "unit rank"], Float[np.ndarray, "unit rank"]]:
    """The tokens at whose prediction each unit is largest, and how large; -1 and nan where it is not above 0."""
    corpus = asked.corpus.subset(documents)
    offsets = asked.corpus.offsets
    everywhere = np.concatenate([np.arange(offsets[one], offsets[one + 1]) for one in documents.tolist()])
    best, where = torch.empty(0, 0), torch.empty(0, 0, dtype=torch.int64)
    for inputs, (row, position, token) in tokens.batches(corpus, asked.context):
        with torch.no_grad(), listened(matrices) as found:
            asked.network(torch.from_numpy(inputs).to(asked.device))
        units = torch.cat([one[torch.from_numpy(row), torch.from_numpy(position)] for one in found], 1).float().cpu()
        best, where = merged(best, where, units, torch.from_numpy(token), top)
    fires = best > 0
    place = np.where(fires, everywhere[where.numpy()], -1).astype(np.int32)
    return place.T.copy(), torch.where(fires, best, torch.nan).numpy().T.copy()


def merged(best: Tensor, where: Tensor, values: Tensor, token: Tensor, top: int) -> tuple[Tensor, Tensor]:
    """The largest values of each unit so far `[rank, unit]` and their tokens, with those of a batch.

    Example:
        >>> merged(torch.tensor([[3.0]]), torch.tensor([[7]]), torch.tensor([[1.0], [5.0]]), torch.tensor([8, 9]), 2)
        (tensor([[5.],
                [3.]]), tensor([[9],
                [7]]))
    """
    units = values.shape[1]
    every = torch.cat([best.reshape(-1, units), values])
    names = torch.cat([where.reshape(-1, units), token[:, None].expand(-1, units)])
    found = every.topk(min(top, len(every)), 0)
    return found.values, names.gather(0, found.indices)


def rank_of(logits: Float[np.ndarray, "unit token"], token: Int[np.ndarray, " unit"]) -> Int[np.ndarray, " unit"]:
    """The rank of a token among all, 1 the largest.

    Example:
        >>> rank_of(np.array([[0.1, 0.7, 0.2]]), np.array([2])).tolist()
        [2]
    """
    own = np.take_along_axis(logits, token[:, None], 1)
    return np.asarray(1 + (logits > own).sum(1))


def share_of(written: Int[np.ndarray, " unit"], follows: Int[np.ndarray, " context"]) -> Float[np.ndarray, " unit"]:
    """How often the token that each unit writes is the next token, over the contexts of all units.

    Example:
        >>> share_of(np.array([4, 5]), np.array([5, 5, 4, 3])).tolist()
        [0.25, 0.5]
    """
    if not len(follows):
        return np.zeros(len(written), np.float32)
    counts = np.bincount(follows, minlength=int(written.max(initial=0)) + 1)
    return np.asarray(counts[written] / len(follows), np.float32)
