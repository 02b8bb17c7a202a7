"""The training of a block of language models, by the loop and the step of the classifiers."""

from __future__ import annotations

import time

import numpy as np
import torch
from torch import nn

from byrote.engine.block import train
from byrote.engine.documents import Documents
from byrote.engine.job import Finished
from byrote.engine.language_setting import LanguageSetting
from byrote.engine.looking import Looking
from byrote.engine.many import Many
from byrote.engine.one import One
from byrote.engine.reading import OnProgress, between, record_tokens
from byrote.engine.unfinished import Columns, Stand, found_by, keep, path_of, recall, restore
from byrote.evidence.store import Evidence
from byrote.probes import contract, tokens
from byrote.probes.aside import Aside, aside
from byrote.probes.document_trajectory import DocumentTrajectoryProbe
from byrote.probes.kept_weights import KeptWeightsProbe
from byrote.recipes.algorithm import Batch, Seen

#: An unfinished training is kept so often.
KEEP_SECONDS = 15.0


def train_language_models(
    job: LanguageSetting, models: tuple[int, ...], progress: OnProgress, *, stacked: bool
) -> list[nn.Module]:
    """Networks that are trained through all phases of the design on the documents that it shows them.

    Now and then they are kept as far as they have come, and go on from there after a stop.
    """
    algorithm, last = job.algorithm(), len(job.design.phases) - 1
    seeds = [job.seeds[model] for model in models]
    learner = Many(algorithm, seeds) if stacked else One(algorithm, seeds[0])
    stand, kept = recall(path_of(job.folder, models[0]), models)
    first_epoch = 0
    with aside(job.cores) as reader:
        for index, phase in enumerate(job.design.phases):
            epochs = phase.length(algorithm.epochs)
            if index >= stand.phase:
                on_progress = between(progress, index / (last + 1), (index + 1) / (last + 1))
                training = _Training(job, learner, models, index, first_epoch, on_progress, reader)
                training.run(stand.epoch if index == stand.phase else 0, kept if index == stand.phase else {})
                if index < last:
                    training.write()
            first_epoch += epochs
        states = learner.states()
        if job.finish is not None:
            states = [job.finish(algorithm, state, model) for state, model in zip(states, models, strict=True)]
        training.looking.end(Finished(algorithm, states))
        training.write()
    return [algorithm.network(state) for state in states]


class _Training:
    """One phase of a block, as its probes see it."""

    def __init__(
        self,
        job: LanguageSetting,
        learner: One | Many,
        models: tuple[int, ...],
        phase: int,
        first_epoch: int,
        progress: OnProgress,
        reader: Aside,
    ) -> None:
        self.job, self.learner, self.models, self.phase, self.progress = job, learner, models, phase, progress
        now = job.design.phases[phase]
        self.is_last = phase == len(job.design.phases) - 1
        self.epochs = now.length(learner.algorithm.epochs)
        self.checkpoints = job.checkpoints_of(phase, self.epochs)
        self.shown = Documents(
            learner.algorithm,
            self.epochs,
            [job.seeds[model] for model in models],
            [now.count[model] for model in models],
            job.corpus,
            job.length,
            first_epoch,
            torch.device(job.device),
        )
        self.done, self.turns = 0, max(1, self.shown.turns(self.epochs))
        self.written = time.monotonic()
        self.probes = self._probes(reader)
        block = job.block(models, learner.algorithm, phase=phase, epochs=self.checkpoints)
        self.looking = Looking(self.probes, block, learner, stacked=len(models) > 1)

    def run(self, start: int, kept: Columns) -> None:
        """Train from that epoch of the phase, with what was kept of a training that had come to it."""
        self.learner.begin(self.shown.steps)
        if kept:
            restore(self.learner.state, kept)
            for probe in self.probes:
                probe.resume(found_by(probe.name, kept))
        self.done, self.looking.epoch = self.shown.turns(start), start
        train(self.learner, self.shown, self, checkpoints=self.checkpoints, start=start)
        self.progress(1.0)

    def checkpoint(self, number: int) -> None:
        """Let the probes read the models."""
        self.looking.checkpoint(number)

    def stepped(self, batch: Batch, seen: Seen) -> None:
        """Tell how far the phase has come."""
        self.looking.stepped(batch, seen)
        self.done += 1
        self.progress(self.done / self.turns)

    def epoch_ended(self, done: int) -> None:
        """Keep the training as far as it has come, now and then, where all probes can go on."""
        self.looking.epoch = done
        if time.monotonic() - self.written < KEEP_SECONDS:
            return
        found = {probe.name: probe.unfinished() for probe in self.probes}
        able = {name: columns for name, columns in found.items() if columns is not None}
        if len(able) == len(found):
            path = path_of(self.job.folder, self.models[0])
            keep(path, self.models, self.learner.state, Stand(self.phase, done), able)
        self.written = time.monotonic()

    def write(self) -> None:
        """Write what the probes found."""
        evidence = Evidence(self.job.folder)
        for shard in self.looking.shards():
            header = {"seed": str(self.job.seeds[shard.model])}
            evidence.write(shard.kind.name, shard.model, self.phase, shard.columns, header, shard.coordinates)

    def _probes(self, reader: Aside) -> list[contract.Probe]:
        trajectory = [DocumentTrajectoryProbe(self._read, reader)] if self.checkpoints else []
        if not self.is_last:
            return [*trajectory]
        kept = [] if self.job.keeping is None else [KeptWeightsProbe(self.job.keeping)]
        return [*trajectory, *kept, *self.job.asked()]

    def _read(self, network: nn.Module, row: int, epoch: int) -> dict[str, np.ndarray]:
        """What a network says of every token; at the end of its training this is kept as it is."""
        job = self.job
        if not self.is_last or epoch < self.epochs or job.finish is not None:
            return tokens.signals(network, job.corpus, device=job.device, context=job.length)
        evidence, model = Evidence(job.folder), self.models[row]
        header = {"seed": str(job.seeds[model])}
        record_tokens(network, job.corpus, evidence, model, self.phase, job.device, job.length, header)
        return evidence.block(tokens.KIND, model, self.phase)
