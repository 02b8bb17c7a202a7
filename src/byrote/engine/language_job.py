"""The work on language models: they are trained, and each is read, by whatever process takes a block of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from byrote.engine.job import Block, shards_of
from byrote.engine.language_setting import WEIGHTS, LanguageSetting
from byrote.engine.language_training import train_language_models
from byrote.engine.reading import OnProgress, between, check_causal, parameters_of, read_network
from byrote.engine.unfinished import path_of
from byrote.evidence.kinds.weights import WEIGHTS_AT
from byrote.evidence.store import Evidence
from byrote.probes import tokens
from byrote.recipes.checks import check_text

#: The share of a model's time that its training takes; the rest is reading.
TRAINING = 0.9


@dataclass(frozen=True, kw_only=True, eq=False)
class LanguageJob(LanguageSetting):
    """The training and reading of one run's language models.

    A model's weights are written once it is trained, so that a reading that was stopped goes on with them, and deleted
    once it is read unless they are to be kept.
    """

    def may_have(self, phase: int) -> tuple[str, ...]:
        """The evidence that models may have of a phase, weights from which a reading goes on included."""
        return tuple(dict.fromkeys((*self.kinds(phase), WEIGHTS, WEIGHTS_AT.name)))

    def missing(self, evidence: Evidence, models: Sequence[int]) -> bool:
        """Whether any shard of these models is not there."""
        return any(self._lacks(evidence, model) for model in models)

    def _lacks(self, evidence: Evidence, model: int) -> bool:
        phases = range(len(self.design.phases))
        last = phases[-1]
        if evidence.has(tokens.KIND, model, last) and evidence.header(tokens.KIND, model, last)["diverged"] == "true":
            return False
        if self.keeps(model) and not evidence.has(WEIGHTS_AT.name, model, last):
            return True
        return any(not evidence.has(kind, model, phase) for phase in phases for kind in self.kinds(phase))

    def moved(self, folder: Path) -> LanguageJob:
        """The same with its evidence in another folder."""
        return replace(self, folder=folder)

    def reads(self, block: Block) -> list[Path]:
        """All that there is of its models, weights from which a reading goes on and unfinished training included."""
        named = [self.folder.glob(f"*/m{model:05d}*.safetensors") for model in block.models]
        return sorted(path for paths in named for path in paths)

    def makes(self, block: Block) -> list[Path]:
        """All evidence of its models."""
        return shards_of(self.folder, block)

    def train(self, block: Block, progress: OnProgress) -> list[int]:
        """Train the models of a block, stacked or one after another, and read them; returns those that diverged."""
        groups = [block.models] if block.stacked else [(model,) for model in block.models]
        diverged = []
        for done, models in enumerate(groups):
            on_progress = between(progress, done / len(groups), (done + 1) / len(groups))
            diverged += self._train(models, on_progress, stacked=block.stacked)
        return diverged

    def _train(self, models: tuple[int, ...], progress: OnProgress, *, stacked: bool) -> list[int]:
        evidence, last = Evidence(self.folder), len(self.design.phases) - 1
        networks = self._networks(evidence, models, between(progress, 0.0, TRAINING), stacked=stacked)
        for done, (model, network) in enumerate(networks.items()):
            share = (1 - TRAINING) / len(networks)
            read_network(
                network,
                self.block([model], self.algorithm(), phase=last),
                self.readings,
                evidence,
                header={"seed": str(self.seeds[model])},
                progress=between(progress, TRAINING + done * share, TRAINING + (done + 1) * share),
            )
            self.drop_weights(evidence, model)
        return [model for model in models if evidence.header(tokens.KIND, model, last)["diverged"] == "true"]

    def drop_weights(self, evidence: Evidence, model: int) -> None:
        """Delete the weights of a model that is read, unless they are to be kept."""
        if not self.keep_weights and not self._lacks(evidence, model):
            evidence.path(WEIGHTS, model, len(self.design.phases) - 1).unlink(missing_ok=True)

    def _networks(
        self, evidence: Evidence, models: tuple[int, ...], progress: OnProgress, *, stacked: bool
    ) -> dict[int, nn.Module]:
        """The trained networks of the models that are not read, from their weights where these are there."""
        last = len(self.design.phases) - 1
        unread = [model for model in models if self._lacks(evidence, model)]
        if all(self._is_trained(evidence, model) for model in unread):
            return {model: self._kept_network(evidence, model) for model in unread}
        networks = dict(zip(models, train_language_models(self, models, progress, stacked=stacked), strict=True))
        for model, network in networks.items():
            weights = {name: tensor.cpu().numpy() for name, tensor in network.state_dict().items()}
            evidence.write(WEIGHTS, model, last, weights, {"seed": str(self.seeds[model])})
        path_of(self.folder, models[0]).unlink(missing_ok=True)
        return networks

    def _is_trained(self, evidence: Evidence, model: int) -> bool:
        """Whether all is there that comes of a model's training, its weights included."""
        last = len(self.design.phases) - 1
        needed = [(WEIGHTS, last), *((WEIGHTS_AT.name, last) for _ in range(self.keeps(model)))]
        needed += [(kind.name, last) for probe in self.asked() for kind in probe.kinds]
        needed += [("document_trajectory", p) for p in range(last + 1) if "document_trajectory" in self.kinds(p)]
        return all(evidence.has(kind, model, phase) for kind, phase in needed)

    def _kept_network(self, evidence: Evidence, model: int) -> nn.Module:
        algorithm = self.algorithm()
        network = algorithm.network(algorithm.init(self.seeds[model]))
        kept = evidence.block(WEIGHTS, model, len(self.design.phases) - 1)
        network.load_state_dict({name: torch.from_numpy(array) for name, array in kept.items()})
        return network


def check_network(job: LanguageJob) -> int:
    """Send two tokens more or less through a fresh network before anything trains, and count its weights.

    Raises:
        BadInput: the network, the recipe or a probe does not fit.
    """
    check_text(job.recipe)
    algorithm = job.algorithm()
    network = algorithm.network(algorithm.init(0))
    check_causal(network, job.corpus.vocabulary, job.device)
    for probe in (*job.readings, *job.asked()):
        few = job.rehearsal().step(0)
        probe.check(algorithm, network, few.inputs[0], few.targets[0])
    return parameters_of(network)
