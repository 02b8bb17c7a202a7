"""Probes look on while a block trains: what the training loop shows becomes the moments that they see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from byrote.engine.block import Answering
from byrote.errors import BadInput
from byrote.probes.contract import Block, Probe, Shard
from byrote.probes.moment import Models, Moment, of_documents
from byrote.probes.training_probe import TrainingProbe
from byrote.recipes.algorithm import Algorithm, Batch, Seen


class Looking(TrainingProbe):
    """The probes of a block; they share what a moment computes."""

    def __init__(self, probes: Sequence[Probe], block: Block, answering: Answering, *, stacked: bool) -> None:
        few = [row for row, model in enumerate(block.models) if model in block.few]
        asked = [(probe, few if probe.few else None) for probe in probes]
        self.block, self.answering, self.stacked = block, answering, stacked
        self.probes = [(probe, rows) for probe, rows in asked if rows is None or rows]
        self._at: tuple[int, Models] | None = None
        self._trust: dict[str, bool] = {}
        for probe, rows in self.probes:
            probe.begin(block if rows is None else block.only(rows))

    def wants(self, checkpoint: int) -> bool:
        """Where a probe looks at checkpoints."""
        return any("checkpoint" in probe.when for probe, _ in self.probes)

    def observed(self, checkpoint: int, examples: slice, logits: Tensor, targets: Tensor) -> None:
        """Show a batch of a clean pass; the models of one checkpoint are taken out of their stack once."""
        first = self._at is None or self._at[0] != checkpoint
        if first:
            self._at = checkpoint, self._models(self.answering)
        assert self._at is not None
        rows = torch.arange(examples.start, examples.stop, device=targets.device)
        self._show(
            "checkpoint",
            Moment(
                "checkpoint",
                self._at[1],
                self.block.task,
                rows=rows,
                inputs=lambda: self.block.inputs[examples],
                targets=targets,
                logits=lambda: logits,
                checkpoint=checkpoint,
                epoch=self.block.epochs[checkpoint],
                first=first,
                heldout=self.block.heldout,
            ),
        )
        self._at[1].leave()

    def presented(self, ids: Tensor, logits: Tensor, targets: Tensor, mask: Tensor | None = None) -> None:
        """Show what a step saw before its update.

        Raises:
            BadInput: a probe looks at steps, and the models of a block are shown unequal numbers of examples.
        """
        if any("step" in probe.when for probe, _ in self.probes):
            if mask is not None:
                raise BadInput(
                    "A probe looks at every step, and this recipe shows each model another number of examples.",
                    hint="audit without that probe, or leave batches out of the recipe.",
                )
            self._at = None
            at = Moment(
                "step",
                self._models(self.answering),
                self.block.task,
                rows=ids,
                inputs=lambda: self.block.inputs[ids],
                targets=targets,
                logits=lambda: logits,
            )
            self._show("step", at)

    def read(self, checkpoint: int) -> None:
        """Show language models at a checkpoint."""
        if self.wants(checkpoint):
            self._show_text("checkpoint", self._models(self.answering), checkpoint)

    def stepped(self, batch: Batch, seen: Seen) -> None:
        """Show what a step of language models saw before its update."""
        if any("step" in probe.when for probe, _ in self.probes):
            self._at = None
            at = Moment(
                "step",
                self._models(self.answering),
                self.block.task,
                rows=batch.ids if batch.documents is None else batch.documents,
                inputs=lambda: batch.inputs,
                targets=batch.targets,
                logits=lambda: seen.logits,
            )
            self._show("step", at)

    def end(self, answering: Answering) -> None:
        """Show the trained models, all examples at once; `answering` are those after whatever is done at the end."""
        if not any("end" in probe.when for probe, _ in self.probes):
            return
        block, models = self.block, self._models(answering)
        if block.corpus is not None:
            self._show_text("end", models, -1)
            return
        rows = torch.arange(len(block.inputs), device=block.inputs.device)
        at = Moment(
            "end",
            models,
            block.task,
            rows=rows,
            inputs=lambda: block.inputs,
            targets=block.targets,
            heldout=block.heldout,
        )
        self._show("end", at)
        models.leave()

    def shards(self) -> Iterator[Shard]:
        """What all of them found."""
        for probe, _ in self.probes:
            yield from probe.shards()

    def _show(self, when: str, at: Moment) -> None:
        for probe, rows in self.probes:
            if when in probe.when:
                probe.look(at if rows is None else at.only(rows))

    def _show_text(self, when: Literal["checkpoint", "end"], models: Models, checkpoint: int) -> None:
        self._show(when, of_documents(when, models, self.block, checkpoint=checkpoint))
        models.leave()

    def _models(self, answering: Answering) -> Models:
        assert self.block.algorithm is not None, "models that somebody else trained are not trained here"
        return Models(partial(_networks, self.block.algorithm, answering), stacked=self.stacked, trust=self._trust)


def _networks(algorithm: Algorithm, answering: Answering) -> list[nn.Module]:
    return [algorithm.network(state) for state in answering.states()]
