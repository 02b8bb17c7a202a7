"""The trained language models of a run: those whose weights byrote kept, or a foreign one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import nn

from byrote.data.canaries import FILE as CANARIES
from byrote.data.canaries import read_canaries
from byrote.data.canary_tokens import CanaryTokens, tokenize_canaries
from byrote.data.corpus import Corpus, Encode
from byrote.data.tokenizers import FILE as TOKENIZER
from byrote.data.tokenizers import encoder, read_tokenizer
from byrote.designs.design import Design
from byrote.engine.language_setting import heldout_of
from byrote.engine.reading import asked_before, readings
from byrote.errors import BadInput, RunMismatch
from byrote.evidence.kinds.weights import WEIGHTS
from byrote.probes.contract import Block, Probe
from byrote.probes.decoding import Decoding
from byrote.recipes.algorithm import Algorithm, Shape, State
from byrote.recipes.networks.pretrained import Pretrained, load_pretrained
from byrote.recipes.recipe import Recipe
from byrote.runs.run import Run


@dataclass(frozen=True, eq=False)
class Networks:
    """The language models of a run with their corpus; `found` is the foreign model, if the run is of one."""

    run: Run
    corpus: Corpus
    found: Pretrained | None = None

    @classmethod
    def of(cls, run: Run, model: str | Path | Pretrained | None = None) -> Networks:
        """The networks of a run whose corpus is at hand.

        Args:
            run: of language models.
            model: a foreign model: its network or its folder (default: the one that the run's source names).

        Raises:
            BadInput: texts, weights or the model are not at hand.
            RunMismatch: the model is another one.
        """
        if run.forgotten:
            raise BadInput(
                f"The texts of the run {str(run.folder)!r} were forgotten, so its models cannot be read on them.",
                hint="audit again into another folder, with --keep-weights where byrote trains the models.",
            )
        if run.corpus is None:
            raise BadInput(
                f"The run {str(run.folder)!r} was opened without its corpus.",
                hint="take the run that byrote.audit_model or byrote.audit_language gave back; on the command line it "
                "is built again.",
            )
        if run.manifest.origin == "trained":
            _refuse_without_weights(run)
            return cls(run, run.corpus)
        model = model if model is not None else (run.source or {}).get("model")
        if model is None:
            raise BadInput(
                f"The model of the run {str(run.folder)!r} is not at hand.",
                hint="give it as model=DIR; on the command line --source names its corpus.",
            )
        device, identity = run.manifest.executor["device"], run.manifest.identity
        found = model
        if not isinstance(found, Pretrained):
            found = load_pretrained(found, device=device, context=int(identity["context"]))
        if found.digest != identity["model"]:
            raise RunMismatch(
                f"The model {found.name!r} is not the one that the run {str(run.folder)!r} was read from.",
                hint="give the same weights, or audit this model into a run of its own.",
            )
        return cls(run, run.corpus, found)

    @property
    def models(self) -> list[int]:
        """The numbers of the models that did not diverge."""
        return usable(self.run)

    @property
    def context(self) -> int:
        """The number of tokens that the models read at once."""
        return int(self.run.manifest.identity["length" if self.found is None else "context"])

    @cached_property
    def canaries(self) -> CanaryTokens | None:
        """The planted canaries by their tokens, if the run has any."""
        folder = self.run.folder
        if not os.path.exists(folder / CANARIES):
            return None
        encode = self.encode()
        assert encode is not None, "canaries are planted in texts"
        return tokenize_canaries(read_canaries(folder / CANARIES), self.corpus, encode, context=self.context)

    def encode(self) -> Encode | None:
        """The tokenizer of the models; None where the corpus came with tokens."""
        if self.found is not None:
            return self.found.encode
        path = self.run.folder / TOKENIZER
        made: Encode | None = encoder(read_tokenizer(path)) if os.path.exists(path) else None
        return made

    @property
    def heldout(self) -> Corpus | None:
        """The documents that no model trains on."""
        return heldout_of(self.corpus, self.run.design)

    def readings(self, *, decoding: Decoding) -> tuple[Probe, ...]:
        """The probes of the audit and of later; `decoding` is how answers are drawn if the run does not record it."""
        asked = asked_before(self.run.manifest.identity)
        later = [self.run.probed_with(kind) for kind in self.run.manifest.evidence]
        asked["named"] = (*asked["named"], *(name for name in later if name))
        asked["decoding"] = asked["decoding"] or decoding
        return readings(
            self.corpus, self.context, canaries=self.canaries, encode=self.encode, heldout=self.heldout, **asked
        )

    def block(self, model: int) -> Block:
        """One of the models, as probes see it at the end."""
        return self.blocks()(model)

    def blocks(self) -> Callable[[int], Block]:
        """Each model by its number, as probes see it at the end; it needs no file of the run."""
        device, phase = str(self.run.manifest.executor["device"]), self.run.last_phase
        block = block_of_documents(self.corpus, self.run.design, self.context, device, self.canaries)
        seeds = [int(entry.seed or 0) for entry in self.run.manifest.models]
        return lambda model: replace(block.only([model]), phase=phase, seeds=(seeds[model],), few=(model,))

    def __iter__(self) -> Iterator[tuple[int, nn.Module]]:
        """Each model's number and network, in evaluation mode."""
        run = self.run
        for model in self.models:
            if self.found is not None:
                yield model, self.found.network.eval()
                continue
            algorithm = self.algorithm()
            yield model, algorithm.network(kept_state(run, algorithm, model)).eval()

    def algorithm(self) -> Algorithm:
        """The recipe of models that byrote trained, bound to rows of this context."""
        assert isinstance(self.run.recipe, Recipe)
        shape = Shape(inputs=(self.context,), classes=self.corpus.vocabulary, examples=len(self.corpus))
        return self.run.recipe.bind(shape, torch.device(str(self.run.manifest.executor["device"])))


def block_of_documents(
    corpus: Corpus, design: Design, context: int, device: str, canaries: CanaryTokens | None
) -> Block:
    """Trained language models, as probes see them at the end."""
    models, nothing = tuple(range(design.models)), torch.empty((0, context), dtype=torch.int64, device=device)
    return Block(
        models=models,
        seeds=(0,) * design.models,
        phase=0,
        epochs=(),
        inputs=nothing,
        targets=nothing,
        member=torch.from_numpy(design.member).to(device),
        classes=corpus.vocabulary,
        task="text",
        algorithm=None,
        corpus=corpus,
        heldout_corpus=heldout_of(corpus, design),
        context=context,
        canaries=canaries,
        few=models,
    )


def fresh_state(algorithm: Algorithm) -> State:
    """A model of seed 0; torch's own generator keeps its state."""
    with torch.random.fork_rng(devices=[]):  # `init` seeds torch's generator
        return algorithm.init(0)


def kept_state(run: Run, algorithm: Algorithm, model: int) -> State:
    """A model with the final weights that the run kept."""
    state, kept = fresh_state(algorithm), run.evidence.block(WEIGHTS.name, model, run.last_phase)
    algorithm.network(state).load_state_dict({name: torch.from_numpy(array) for name, array in kept.items()})
    return state


def usable(run: Run) -> list[int]:
    """The models that did not diverge."""
    return [model for model in range(run.design.models) if model not in run.diverged()]


def _refuse_without_weights(run: Run) -> None:
    kept = all(run.evidence.has(WEIGHTS.name, model, run.last_phase) for model in usable(run))
    if not kept or not isinstance(run.recipe, Recipe):
        raise BadInput(
            f"The run {str(run.folder)!r} did not keep the weights of its models, so they cannot be read again.",
            hint="audit with --keep-weights --out ANOTHER_FOLDER, and use that run.",
        )
