"""A probe sees a training once more: the checkpoints and the end of which a run kept the weights of a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch

from byrote.engine.job import Finished
from byrote.engine.looking import Looking
from byrote.engine.networks import fresh_state
from byrote.evidence.kinds.weights import WEIGHTS, WEIGHTS_AT
from byrote.probes.contract import Block, Probe, Shard
from byrote.runs.run import Run


def shown_again(run: Run, probe: Probe, block: Block) -> Iterator[Shard]:
    """What a probe finds in a block of one model, whose `epochs` are those after which its weights were kept."""
    algorithm, (model,) = block.algorithm, block.models
    assert algorithm is not None, "kept weights are those of a recipe's network"
    state = fresh_state(algorithm)
    network = algorithm.network(state)
    if block.corpus is None:
        probe.check(algorithm, network, block.inputs[:2], block.targets[:2])
    answering = Finished(algorithm, [state])
    looking = Looking([probe], block, answering, stacked=False)
    if "checkpoint" in probe.when:
        kept = run.evidence.block(WEIGHTS_AT.name, model, run.last_phase)
        for number in range(len(block.epochs)):
            network.load_state_dict(_tensors({name: array[number] for name, array in kept.items()}))
            looking.checkpoint(number)
    if "end" in probe.when:
        network.load_state_dict(_tensors(run.evidence.block(WEIGHTS.name, model, run.last_phase)))
        looking.end(answering)
    return looking.shards()


def _tensors(arrays: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.asarray(array)) for name, array in arrays.items()}
