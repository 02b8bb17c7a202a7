"""The reading of trained models by probes, model by model, by whatever process takes one."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from byrote.engine import job
from byrote.engine.completion import Watch
from byrote.engine.executing import Here, chosen
from byrote.engine.networks import kept_state
from byrote.engine.progress import listening
from byrote.engine.reading import look_at_end
from byrote.engine.shown_again import shown_again
from byrote.evidence.kinds.weights import WEIGHTS, WEIGHTS_AT
from byrote.probes.contract import Block, Probe
from byrote.runs.run import PROBE, READ_FROM, Run


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """What probes, by their names with settings, find in the models that they did not read yet.

    `todo` names those models by probe. `block` gives a model as probes see it: `at_end` by its trained weights alone,
    else by those that were kept at checkpoints.
    """

    run: Run
    asked: Mapping[str, Probe]
    todo: Mapping[str, Sequence[int]]
    block: Callable[[int], Block]
    at_end: bool

    @property
    def device(self) -> str:
        """That of the training for language models; other networks are read on the CPU."""
        return str(self.run.manifest.executor["device"]) if self.run.of_text else "cpu"

    @property
    def folder(self) -> Path:
        """Where the run's evidence is."""
        return self.run.evidence.folder

    @property
    def models(self) -> list[int]:
        """Those that some probe lacks."""
        return sorted({model for models in self.todo.values() for model in models})

    def moved(self, folder: Path) -> Reading:
        """The same with the evidence in another folder of that name."""
        return replace(self, run=replace(self.run, folder=folder.parent))

    def reads(self, block: job.Block) -> list[Path]:
        """The weights of its models."""
        phase, evidence = self.run.last_phase, self.run.evidence
        kinds = (WEIGHTS.name, WEIGHTS_AT.name)
        paths = [evidence.path(kind, model, phase) for kind in kinds for model in block.models]
        return [path for path in paths if path.exists()]

    def makes(self, block: job.Block) -> list[Path]:
        """All evidence of its models."""
        return job.shards_of(self.folder, block)

    def train(self, block: job.Block, progress: Callable[[float], None]) -> list[int]:
        """Read the models of a block; none of them diverges by that."""
        for done, model in enumerate(block.models):
            for name in (name for name, models in self.todo.items() if model in models):
                self._read(name, model)
            progress((done + 1) / len(block.models))
        return []

    def _read(self, name: str, model: int) -> None:
        seed = self.run.manifest.models[model].seed
        header = {} if seed is None else {"seed": str(seed)}
        header |= {PROBE: name} if self.at_end else {PROBE: name, READ_FROM: WEIGHTS_AT.name}
        block, evidence = self.block(model), self.run.evidence
        if block.corpus is not None and self.at_end:
            assert block.algorithm is not None, "a foreign model is read where it is"
            network = block.algorithm.network(kept_state(self.run, block.algorithm, model)).eval()
            look_at_end(network, block, self.asked[name], evidence, header=header)
            return
        for shard in shown_again(self.run, copy.copy(self.asked[name]), block):
            evidence.write(shard.kind.name, shard.model, block.phase, shard.columns, header, shard.coordinates)

    def done(self) -> None:
        """Read all of them: in this process with all of its threads, or model by model where an executor was chosen."""
        executor, models = chosen(), self.models
        if isinstance(executor, Here):
            self.train(job.Block(models=tuple(models), stacked=False), lambda share: None)
            return
        blocks = [job.Block(models=(model,), stacked=False) for model in models]
        listener = listening(True, doing="reading")
        listener.start(len(models), 0, None)
        try:
            executor.run(self, blocks, len(blocks), Watch(blocks, [], listener))
        finally:
            listener.stop()
