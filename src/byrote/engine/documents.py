"""What a phase shows language models: documents packed into rows, anew in every epoch and by each model's own order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import UInt8

from byrote.data.corpus import Corpus
from byrote.engine.packing import PADDING, Row, batch_of, filled, planned
from byrote.recipes.algorithm import Algorithm, Batch, Steps


class Documents:
    """The documents that each of several models is shown: `counts[model][document]` says how often an epoch does.

    Models need unequal numbers of rows, for halves of a corpus have unequal numbers of tokens. A model that has no
    more rows rests while others go on, until the next epoch begins for all.
    """

    def __init__(
        self,
        algorithm: Algorithm,
        epochs: int,
        seeds: Sequence[int],
        counts: Sequence[UInt8[np.ndarray, " document"]],
        corpus: Corpus,
        length: int,
        first_epoch: int,
        device: torch.device,
    ) -> None:
        self.corpus, self.length, self.device = corpus, length, device
        self.epochs, self.size = epochs, algorithm.batch_size
        self.rows: list[list[list[Row]]] = [
            [planned(corpus, algorithm.order(seed, first_epoch + epoch, count), length) for epoch in range(epochs)]
            for seed, count in zip(seeds, counts, strict=True)
        ]

    @property
    def steps(self) -> Steps:
        """Of one model, or of each."""
        each = [max(1, sum(map(self._steps, epochs))) for epochs in self.rows]
        return each[0] if len(each) == 1 else each

    def turns(self, epochs: int) -> int:
        """How many batches so many epochs have: as many as there are steps, where no model rests."""
        return sum(max(map(self._steps, epoch)) for epoch in list(zip(*self.rows, strict=True))[:epochs])

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """The packed rows of each step."""
        rows = [epochs[epoch] for epochs in self.rows]
        for step in range(max(map(self._steps, rows))):
            yield self._batch([each[step * self.size : (step + 1) * self.size] for each in rows])

    def _steps(self, rows: Sequence[Row]) -> int:
        return -(-len(rows) // self.size)

    def _batch(self, rows: Sequence[Sequence[Row]]) -> Batch:
        """One step of all models, `[model, row, token]`; a model with fewer rows gets some that do not count."""
        width = max(map(len, rows))
        tokens = np.full((len(rows), width, self.length + 1), PADDING, np.int64)
        documents = tokens.copy()
        for model, each in enumerate(rows):
            tokens[model, : len(each)], documents[model, : len(each)] = filled(self.corpus, each, self.length)
        batch = batch_of(torch.from_numpy(tokens).to(self.device), torch.from_numpy(documents).to(self.device))
        counts = np.array([len(each) for each in rows])
        if (counts == width).all():
            return batch
        mask = torch.from_numpy(np.arange(width) < counts[:, None]).to(self.device)
        return replace(batch, mask=mask, resting=tuple((counts == 0).tolist()))
