"""Weights at checkpoints, of a few models and in bounded disk: what probes after the training look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor, nn

from byrote.axes import CHECKPOINT
from byrote.errors import BadInput, NotEnoughRoom
from byrote.evidence.kinds.weights import WEIGHTS_AT
from byrote.probes import tokens
from byrote.probes.contract import Block, Probe, Shard, When
from byrote.probes.moment import BATCH, Moment, losses

#: Weights at checkpoints take at most so many bytes, and are kept of at most so many models, which are whole pairs.
BYTES, MODELS = 10**9, 8
#: Fewer checkpoints than these are not worth keeping, where their number may be chosen.
FEWEST: Final = 3
EVERY, BEST, LAST = "checkpoints", "best", "last"


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """Of which models weights are kept, and after how many epochs; `best` is where the held-out loss is lowest."""

    models: tuple[int, ...]
    epochs: tuple[int, ...]
    best: bool = False

    @property
    def count(self) -> int:
        """How many sets of weights are kept of each model, at most."""
        return len(self.epochs) + self.best

    def words(self, size: str) -> str:
        """The sentence that says what is kept."""
        epochs = ", ".join(map(str, self.epochs)) + (" and at the lowest held-out loss" if self.best else "")
        return f"Weights of {len(self.models)} models are kept after epochs {epochs}: {size}."


def keeping(
    asked: str, checkpoints: Sequence[int], numbers: int, pair: Int[np.ndarray, " model"], *, heldout: bool
) -> Keeping:
    """What of `asked` ("checkpoints", "best", or epochs as "0,3,last") fits into the bytes that there are for it.

    First checkpoints are left out, where they may be: the first, the last and others in even steps of their number
    stay, which are dense where training is fast. Then models, two by two.

    Args:
        asked: as the command line has it.
        checkpoints: epochs done at each checkpoint of the last phase.
        numbers: weights and buffers of one model.
        pair: of each model, -1 where it has no mate.
        heldout: whether there are held-out examples or documents.

    Raises:
        BadInput: it is neither of these, or names an epoch at which there is no checkpoint.
        NotEnoughRoom: not even two models fit.

    Example:
        >>> keeping("0,3,last", (0, 1, 3, 6), 10, np.array([0, 0, 1, 1]), heldout=False)
        Keeping(models=(0, 1, 2, 3), epochs=(0, 3, 6), best=False)
    """
    if asked == BEST and not heldout:
        raise BadInput(
            "The best checkpoint is the one with the lowest held-out loss, and this audit has no held-out data.",
            hint="--keep-weights-at checkpoints, or hold some examples or documents out of the training.",
        )
    ends = (checkpoints[0], checkpoints[-1])
    epochs = tuple(checkpoints) if asked == EVERY else ends if asked == BEST else _named(asked, checkpoints)
    paired = np.flatnonzero(pair >= 0)
    models = (paired if len(paired) else np.arange(len(pair)))[:MODELS].tolist()
    fit = BYTES // max(1, 4 * numbers * len(models))
    if asked == EVERY and len(epochs) > fit:
        chosen = np.linspace(0, len(epochs) - 1, max(FEWEST, fit)).round().astype(int)
        epochs = tuple(epochs[place] for place in np.unique(chosen))
    found = Keeping(models=tuple(models), epochs=epochs, best=asked == BEST)
    while 4 * numbers * found.count * len(found.models) > BYTES:
        if len(found.models) <= 2:
            raise NotEnoughRoom(
                f"Weights of {len(found.models)} models at {found.count} checkpoints take "
                f"{4 * numbers * found.count * len(found.models) / 1e9:.1f} GB, and {BYTES / 1e9:g} GB is the most.",
                hint="name fewer checkpoints, as --keep-weights-at 0,last, or train a smaller network.",
            )
        found = Keeping(models=found.models[:-2], epochs=epochs, best=found.best)
    return found


def _named(asked: str, checkpoints: Sequence[int]) -> tuple[int, ...]:
    epochs = sorted({checkpoints[-1] if word == LAST else int(word) for word in words_of(asked)})
    missing = [epoch for epoch in epochs if epoch not in checkpoints]
    if missing:
        raise BadInput(
            f"There is no checkpoint after {missing[0]} epochs.",
            hint=f"there are some after {', '.join(map(str, checkpoints))}; --checkpoints takes more of them.",
        )
    return tuple(epochs)


def words_of(asked: str) -> frozenset[str]:
    """The epochs that are named, "last" among them.

    Example:
        >>> sorted(words_of("0, 03,last"))
        ['0', '3', 'last']

    Raises:
        BadInput: other words.
    """
    words = [word.strip() for word in asked.split(",")]
    if not all(word == LAST or word.isdecimal() for word in words):
        raise BadInput(
            f"Weights are kept at checkpoints. Got {asked!r}.",
            hint="--keep-weights-at checkpoints, best, or epochs as 0,3,last.",
        )
    return frozenset(word if word == LAST else str(int(word)) for word in words)


def numbers_of(network: nn.Module) -> int:
    """How many weights and numbers in buffers a network has; one of 8 bytes counts as two.

    Example:
        >>> numbers_of(nn.BatchNorm1d(3))  # 4 times 3, and a count of batches
        14
    """
    return sum(-(-tensor.numel() * tensor.element_size() // 4) for tensor in network.state_dict().values())


def tensors_of(network: nn.Module) -> dict[str, np.ndarray]:
    """Every weight and buffer of a network as it is now, by name; in float32 what NumPy has no type for."""
    return {name: _array(tensor.detach().cpu()) for name, tensor in network.state_dict().items()}


def _array(tensor: Tensor) -> np.ndarray:
    array: np.ndarray = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy().copy()
    return array


def stacked(kept: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Tensors of several checkpoints as `[checkpoint, ...]`."""
    return {name: np.stack([one[name] for one in kept]) for name in sorted(kept[0])}


class KeptWeightsProbe(Probe):
    """Keeps the weights themselves. It is not asked for by name, but by `--keep-weights-at`."""

    name: ClassVar[str] = "weights_at"
    when: ClassVar[frozenset[When]] = frozenset({"checkpoint"})
    kinds = (WEIGHTS_AT,)

    def __init__(self, keeping: Keeping) -> None:
        self.keeping = keeping

    def begin(self, block: Block) -> None:
        """Nothing is kept yet."""
        super().begin(block)
        self.rows = [row for row, model in enumerate(block.models) if model in self.keeping.models]
        self.kept: dict[int, dict[int, dict[str, np.ndarray]]] = {row: {} for row in self.rows}
        self.best: dict[int, tuple[float, int]] = {}

    def look(self, at: Moment) -> None:
        """Copy the weights of a checkpoint that is to be kept."""
        if not at.first or not self.rows:
            return
        for row, network in enumerate(at.networks()):
            if row not in self.rows:
                continue
            if at.epoch in self.keeping.epochs:
                self.kept[row][at.epoch] = tensors_of(network)
            if self.keeping.best:
                self._keep_if_best(row, at.epoch, network)

    def _keep_if_best(self, row: int, epoch: int, network: nn.Module) -> None:
        loss = _heldout_loss(network, self.block)
        lowest, before = self.best.get(row, (float("inf"), -1))
        if loss < lowest:
            if before >= 0 and before not in self.keeping.epochs:
                del self.kept[row][before]
            self.best[row] = (loss, epoch)
            self.kept[row].setdefault(epoch, tensors_of(network))

    def unfinished(self) -> dict[str, np.ndarray]:
        """The tensors as `row.epoch.name`, and what is the best so far."""
        kept = {
            f"{row}.{epoch}.{name}": array
            for row, epochs in self.kept.items()
            for epoch, tensors in epochs.items()
            for name, array in tensors.items()
        }
        return kept | {f"best.{row}": np.array(best, np.float64) for row, best in self.best.items()}

    def resume(self, found: Mapping[str, np.ndarray]) -> None:
        """Take them back."""
        for key, array in found.items():
            first, rest = key.split(".", 1)
            if first == "best":
                loss, epoch = array.tolist()
                self.best[int(rest)] = loss, int(epoch)
            else:
                epoch, name = rest.split(".", 1)
                self.kept[int(first)].setdefault(int(epoch), {})[name] = array

    def shards(self) -> Iterator[Shard]:
        """One shard per model, every tensor `[checkpoint, ...]`."""
        for row in self.rows:
            epochs = sorted(self.kept[row])
            yield Shard(
                kind=WEIGHTS_AT,
                model=self.block.models[row],
                columns=stacked([self.kept[row][epoch] for epoch in epochs]),
                coordinates={CHECKPOINT: [str(epoch) for epoch in epochs]},
            )


def _heldout_loss(network: nn.Module, block: Block) -> float:
    """The mean over held-out examples, or over the scored tokens of held-out documents."""
    if block.heldout_corpus is not None:
        corpus = block.heldout_corpus
        read = tokens.signals(network, corpus, device=str(block.inputs.device), context=block.context)
        return -float(read["log_probability"][corpus.scored].mean(dtype=np.float64))
    assert block.heldout is not None, "refused before anything trains"
    inputs, targets = block.heldout
    with torch.no_grad():
        parts = zip(torch.split(inputs, BATCH), torch.split(targets, BATCH), strict=True)
        return float(torch.cat([losses(network(x), y, block.task) for x, y in parts]).mean())
