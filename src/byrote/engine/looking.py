"""Probes look on while a block trains: what the training loop shows becomes the moments that they see."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import nn

from byrote.engine.block import CLEAN_BATCH, Answering
from byrote.errors import BadInput
from byrote.probes.contract import Block, Probe, Shard
from byrote.probes.moment import Models, Moment, of_documents
from byrote.probes.tokens import silent
from byrote.recipes.algorithm import Algorithm, Batch, Seen


class Looking:
    """The probes of a block, as the onlooker of its training; they share what a moment computes.

    `progress` hears the share of the phase that is behind.
    """

    def __init__(
        self,
        probes: Sequence[Probe],
        block: Block,
        answering: Answering,
        *,
        stacked: bool,
        progress: Callable[[float], None] = silent,
    ) -> None:
        few = [row for row, model in enumerate(block.models) if model in block.few]
        asked = [(probe, few if probe.few else None, probe.chosen(len(block.epochs))) for probe in probes]
        self.block, self.answering, self.stacked, self.progress = block, answering, stacked, progress
        self.probes = [one for one in asked if one[1] is None or one[1]]
        self.stepping = [(probe, rows) for probe, rows, _ in self.probes if "step" in probe.when]
        self._now = partial(self._models, answering)
        self.epoch = 0
        self._trust: dict[str, bool] = {}
        for probe, rows, _ in self.probes:
            probe.begin(block if rows is None else block.only(rows))

    def checkpoint(self, number: int) -> None:
        """Show the models at a checkpoint, examples a batch at a time."""
        if not any("checkpoint" in probe.when and number in places for probe, _, places in self.probes):
            return
        block, models = self.block, self._models(self.answering)
        if block.corpus is not None:
            self._show(of_documents("checkpoint", models, block, checkpoint=number))
            models.leave()
            return
        for start in range(0, len(block.inputs), CLEAN_BATCH):
            self._show(self._batch(number, models, slice(start, min(start + CLEAN_BATCH, len(block.inputs)))))
            models.leave()

    def _batch(self, number: int, models: Models, examples: slice) -> Moment:
        block, inputs = self.block, self.block.inputs[examples]
        logits = self.answering.predict(inputs)
        return Moment(
            "checkpoint",
            models,
            block.task,
            rows=torch.arange(examples.start, examples.stop, device=inputs.device),
            inputs=lambda: inputs,
            targets=block.targets[examples],
            logits=lambda: logits,
            checkpoint=number,
            epoch=block.epochs[number],
            first=examples.start == 0,
            heldout=block.heldout,
        )

    def stepped(self, batch: Batch, seen: Seen) -> None:
        """Show what a step saw before its update.

        Raises:
            BadInput: a probe looks at steps, and the models of a block are shown unequal numbers of examples.
        """
        if not self.stepping:
            return
        if batch.mask is not None and not all(probe.masked for probe, _ in self.stepping):
            raise BadInput(
                "A probe looks at every step, and this recipe shows each model another number of examples.",
                hint="audit without that probe, or leave batches out of the recipe.",
            )
        of_text = self.block.corpus is not None
        at = Moment(
            "step",
            self._now,
            self.block.task,
            rows=batch.ids if batch.documents is None else batch.documents,
            inputs=lambda: batch.inputs if of_text else self.block.inputs[batch.ids],
            targets=batch.targets,
            logits=lambda: seen.logits,
            epoch=self.epoch,
            mask=batch.mask,
        )
        for probe, rows in self.stepping:
            probe.look(at if rows is None else at.only(rows))

    def epoch_ended(self, done: int) -> None:
        """So many epochs of the phase are done."""
        self.epoch = done
        self.progress(done / self.block.epochs[-1])

    def end(self, answering: Answering) -> None:
        """Show the trained models, all examples at once; `answering` are those after whatever is done at the end."""
        if not any("end" in probe.when for probe, *_ in self.probes):
            return
        block, models = self.block, self._models(answering)
        if block.corpus is not None:
            self._show(of_documents("end", models, block))
            models.leave()
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
        self._show(at)
        models.leave()

    def shards(self) -> Iterator[Shard]:
        """What all of them found."""
        for probe, *_ in self.probes:
            yield from probe.shards()

    def _show(self, at: Moment) -> None:
        for probe, rows, places in self.probes:
            if at.when in probe.when and (at.when != "checkpoint" or at.checkpoint in places):
                probe.look(at if rows is None else at.only(rows))

    def _models(self, answering: Answering) -> Models:
        assert self.block.algorithm is not None, "models that somebody else trained are not trained here"
        return Models(partial(_networks, self.block.algorithm, answering), stacked=self.stacked, trust=self._trust)


def _networks(algorithm: Algorithm, answering: Answering) -> list[nn.Module]:
    return [algorithm.network(state) for state in answering.states()]
