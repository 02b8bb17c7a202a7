"""Weights that a recorder keeps at clean passes, in limited disk space, for probes after the training."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from byrote.errors import BadInput, NotEnoughRoom
from byrote.evidence.shards import write_shard
from byrote.probes.kept_weights import BEST, BYTES, EVERY, FEWEST, LAST, MODELS, tensors_of, words_of
from byrote.recording.journal import Journal, journals


@dataclass(frozen=True)
class Kept:
    """Which weights of a model are kept: `asked` as for audits, with the clean passes as checkpoints.

    The journal and the run both hold the weights. Together they may take as many bytes as the weights of an audit.
    """

    asked: str

    def __post_init__(self) -> None:
        if self.asked == BEST:
            raise BadInput(
                "A recorder does not see the held-out loss, so it cannot find the best checkpoint.",
                hint='Recorder(…, keep_weights_at="checkpoints"), or epochs as "0,3,last".',
            )
        if self.asked != EVERY:
            words_of(self.asked)

    def keep(self, journal: Journal, network: nn.Module, *, rank: int, epochs: int, classes: int) -> None:
        """Write the weights after so many epochs if these are to be kept, and remove those that are no longer kept.

        Raises:
            NotEnoughRoom: too few would fit.
        """
        if rank or journal.model >= MODELS:
            return
        tensors = tensors_of(network)
        size = sum(array.nbytes for array in tensors.values())
        there = journal.weights()
        places = self._chosen(sorted({*there, epochs}), epochs, max(FEWEST, BYTES // 2 // MODELS // max(1, size)))
        others = [
            path for one in journals(journal.run) if one.model != journal.model for path in one.weights().values()
        ]
        least = FEWEST if self.asked == EVERY else len(words_of(self.asked))
        if least * size + sum(path.stat().st_size for path in others) > BYTES // 2:
            raise NotEnoughRoom(
                f"Weights of model {journal.model} at {least} checkpoints take {least * size / 1e9:.1f} GB, besides "
                f"those of {len({path.parent for path in others})} other models; the limit is {BYTES / 2e9:g} GB.",
                hint='name fewer checkpoints, as keep_weights_at="last", or leave it out.',
            )
        if epochs in places:
            write_shard(journal.weights_path(rank, epochs), tensors, {"epochs": str(epochs), "classes": str(classes)})
        for epoch in there.keys() - {*places}:
            there[epoch].unlink()

    def _chosen(self, epochs: list[int], now: int, most: int) -> list[int]:
        """The epochs whose weights stay; if there are too many, every second one goes, but not the first or last."""
        if self.asked == EVERY:
            while len(epochs) > most:
                epochs = [*epochs[:-1:2], epochs[-1]]
            return epochs
        words = words_of(self.asked)
        return [epoch for epoch in epochs if str(epoch) in words or (LAST in words and epoch == now)]
