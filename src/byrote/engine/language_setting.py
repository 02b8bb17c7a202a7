"""What language models are trained on, how, and what is recorded of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from byrote.data.canary_tokens import CanaryTokens
from byrote.data.corpus import Corpus
from byrote.designs.design import Design
from byrote.engine.job import Finish
from byrote.engine.packing import batch_of, filled, planned
from byrote.engine.rehearsal import Rehearsal
from byrote.probes import contract, registry, tokens
from byrote.probes.contract import Probe
from byrote.probes.kept_weights import Keeping, keeping, numbers_of
from byrote.recipes.algorithm import Algorithm, Batch, Shape
from byrote.recipes.checks import mixing
from byrote.recipes.recipe import BoundRecipe, Recipe

WEIGHTS = "weights"


@dataclass(frozen=True, kw_only=True, eq=False)
class LanguageSetting:
    """What one run's language models are trained on and how, the same in every process that takes part.

    `length` is the context of the networks; `checkpoints` are the epochs at which the whole corpus is read. A model
    trains on one of its `cores` and is read on the others. Its weights are written once it is trained, so that a
    reading that was stopped goes on with them, and deleted once it is read unless they are to be kept. `finish` is
    done to each model once it is trained, before it is read. `readings` are the probes that read it then, beside the
    tokens, and `probes` the names of those that look on before.
    """

    recipe: Recipe
    corpus: Corpus
    design: Design
    seeds: Sequence[int]
    length: int
    folder: Path
    device: str
    checkpoints: tuple[int, ...] = ()
    canaries: CanaryTokens | None = None
    readings: tuple[Probe, ...] = ()
    keep_weights: bool = False
    keep_weights_at: str | None = None
    cores: int = 1
    finish: Finish | None = None
    probes: tuple[str, ...] = ()

    def algorithm(self) -> BoundRecipe:
        """The recipe bound to rows of this length."""
        shape = Shape(inputs=(self.length,), classes=self.corpus.vocabulary, examples=len(self.corpus))
        return self.recipe.bind(shape, torch.device(self.device))

    def why_not_stacked(self) -> str:
        """Why its models cannot be trained many at once, as far as that is known."""
        looking = [probe.name for probe in self.asked() if "step" in probe.when]
        if looking:
            return f"the probe {looking[0]!r} looks at every step"
        algorithm = self.algorithm()
        if layer := mixing(algorithm.build(0)):
            return f"layer {layer}, which would mix rows that only fill up a batch with the others"
        return algorithm.why_not_stackable()

    def rehearsal(self) -> Rehearsal:
        """Steps of the first model's first epoch, again and again; the corpus is read one model after another."""
        algorithm, phase = self.algorithm(), self.design.phases[0]
        count = phase.count[0] if phase.count[0].any() else np.ones(len(self.corpus), np.uint8)
        rows = planned(self.corpus, algorithm.order(0, 0, count), self.length)

        def step(number: int) -> Batch:
            places = np.arange(number * algorithm.batch_size, (number + 1) * algorithm.batch_size) % len(rows)
            tokens, documents = filled(self.corpus, [rows[place] for place in places.tolist()], self.length)
            both = (torch.from_numpy(each.astype(np.int64))[None].to(self.device) for each in (tokens, documents))
            return batch_of(*both)

        steps = -(-len(rows) // algorithm.batch_size) * phase.length(algorithm.epochs)
        return Rehearsal(step=step, some=step(0).inputs[0], steps=steps, passes=0.0, apart=True)

    @cached_property
    def keeping(self) -> Keeping | None:
        """Of which models weights are kept at which checkpoints of the last phase; None for none.

        Raises:
            BadInput, NotEnoughRoom: as `keeping`.
        """
        if self.keep_weights_at is None:
            return None
        algorithm, phase = self.algorithm(), self.design.phases[-1]
        with torch.random.fork_rng(devices=[]):  # `init` seeds torch's generator
            numbers = numbers_of(algorithm.network(algorithm.init(0)))
        points = self.checkpoints_of(len(self.design.phases) - 1, phase.length(self.recipe.epochs))
        return keeping(self.keep_weights_at, points, numbers, self.design.pair, heldout=self.heldout is not None)

    @cached_property
    def heldout(self) -> Corpus | None:
        """The documents that no model trains on; None where there are none of which a token is predicted."""
        return heldout_of(self.corpus, self.design)

    def keeps(self, model: int) -> bool:
        """Whether weights of a model are kept at checkpoints."""
        return self.keeping is not None and model in self.keeping.models

    def asked(self) -> list[Probe]:
        """The probes that look on while the models train, made anew."""
        return [registry.made(name) for name in self.probes]

    def checkpoints_of(self, phase: int, epochs: int) -> tuple[int, ...]:
        """After how many epochs of a phase the corpus is read; of an earlier phase only its end is ever asked."""
        if "document_trajectory" not in self.kinds(phase):
            return ()
        last = phase == len(self.design.phases) - 1
        return tuple(sorted({*(epoch for epoch in self.checkpoints if epoch < epochs and last), epochs}))

    def kinds(self, phase: int) -> tuple[str, ...]:
        """The evidence that every model has of a phase once it is complete."""
        last = len(self.design.phases) - 1
        trajectory = ("document_trajectory",) if self.checkpoints and phase in (0, last) else ()
        weights = (WEIGHTS,) if self.keep_weights else ()
        probed = tuple(kind.name for probe in (*self.readings, *self.asked()) for kind in probe.kinds)
        return (*trajectory, *weights, tokens.KIND, *probed) if phase == last else trajectory

    def block(
        self, models: Sequence[int], algorithm: Algorithm, *, phase: int, epochs: tuple[int, ...] = ()
    ) -> contract.Block:
        """These models, as probes see them at checkpoints and at the end."""
        chosen = list(models)
        nothing = torch.empty((0, self.length), dtype=torch.int64, device=self.device)
        return contract.Block(
            models=tuple(chosen),
            seeds=tuple(self.seeds[model] for model in chosen),
            phase=phase,
            epochs=epochs,
            inputs=nothing,
            targets=nothing,
            member=torch.from_numpy(self.design.member[chosen]).to(self.device),
            classes=self.corpus.vocabulary,
            task="text",
            algorithm=algorithm,
            corpus=self.corpus,
            heldout_corpus=self.heldout,
            context=self.length,
            canaries=self.canaries,
            cores=self.cores,
            few=tuple(chosen),
        )


def heldout_of(corpus: Corpus, design: Design) -> Corpus | None:
    """The documents that no model of a design trains on; None if no token of them is predicted."""
    held = corpus.subset((design.member == 0).all(0))
    return held if held.scored.any() else None
