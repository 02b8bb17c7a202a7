"""How language models predict each document as training goes on."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import ClassVar

import numpy as np
from torch import nn

from byrote.data.corpus import Corpus
from byrote.evidence.kinds.documents import DOCUMENT_TRAJECTORY
from byrote.probes.aside import Aside
from byrote.probes.contract import Block, Probe, Shard, When
from byrote.probes.moment import Moment

#: What a network says of every token of the corpus: it, its row in the block, and the epochs that are done.
Read = Callable[[nn.Module, int, int], dict[str, np.ndarray]]


class DocumentTrajectoryProbe(Probe):
    """Hits and log-probabilities by document at every checkpoint. Every training of language models has it.

    Formula:
        hits[k, t, i] = sum over scored tokens s of document i of hit[k, t, s]; log_probability alike

    A network is read `aside`, on a copy of it, while its training goes on.
    """

    name: ClassVar[str] = "document_trajectory"
    when: ClassVar[frozenset[When]] = frozenset({"checkpoint"})
    kinds = (DOCUMENT_TRAJECTORY,)

    def __init__(self, read: Read, aside: Aside) -> None:
        self.tokens, self.aside = read, aside

    def begin(self, block: Block) -> None:
        """Nothing is read yet."""
        super().begin(block)
        self.read: list[list[Callable[[], dict[str, np.ndarray]]]] = []

    def look(self, at: Moment) -> None:
        """Begin to read each model."""
        networks = [copy.deepcopy(one) if self.aside.beside else one for one in at.networks()]
        work = [partial(self._read, network, row, at.epoch) for row, network in enumerate(networks)]
        self.read.append([self.aside.begin(each) for each in work])

    def _read(self, network: nn.Module, row: int, epoch: int) -> dict[str, np.ndarray]:
        assert self.block.corpus is not None, "documents are read of language models"
        return by_document(self.tokens(network, row, epoch), self.block.corpus)

    def unfinished(self) -> dict[str, np.ndarray]:
        """What is read so far, as `checkpoint.row.name`; waits for it."""
        return {
            f"{checkpoint}.{row}.{name}": array
            for checkpoint, models in enumerate(self.read)
            for row, result in enumerate(models)
            for name, array in result().items()
        }

    def resume(self, found: Mapping[str, np.ndarray]) -> None:
        """Take it back."""
        known: dict[tuple[int, int], dict[str, np.ndarray]] = {}
        for key, array in found.items():
            checkpoint, row, name = key.split(".", 2)
            known.setdefault((int(checkpoint), int(row)), {})[name] = array
        rows = range(len(self.block.models))
        checkpoints = 1 + max((checkpoint for checkpoint, _ in known), default=-1)
        self.read = [[partial(dict, known[checkpoint, row]) for row in rows] for checkpoint in range(checkpoints)]

    def shards(self) -> Iterator[Shard]:
        """One for each model."""
        for row, model in enumerate(self.block.models):
            read = [models[row]() for models in self.read]
            columns = {name: np.stack([one[name] for one in read]) for name in read[-1]}
            columns["epochs"] = np.array(self.block.epochs, np.int64)
            yield Shard(kind=DOCUMENT_TRAJECTORY, model=model, columns=columns)


def by_document(columns: Mapping[str, np.ndarray], corpus: Corpus) -> dict[str, np.ndarray]:
    """Hits and log-probabilities added up over the tokens of each document."""
    starts = corpus.offsets[:-1]
    log_probability = np.where(corpus.scored, columns["log_probability"], 0.0)
    return {
        "hits": np.add.reduceat(columns["hit"] & corpus.scored, starts, dtype=np.int32),
        "log_probability": np.add.reduceat(log_probability, starts, dtype=np.float64).astype(np.float32),
    }
