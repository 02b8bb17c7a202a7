"""Probes after the training: what they read off the weights that a run kept joins its evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from byrote.axes import CHECKPOINT
from byrote.data.controls import KINDS
from byrote.engine.job import Labelled
from byrote.errors import BadInput, MissingEvidence
from byrote.evidence.kinds.weights import WEIGHTS_AT
from byrote.evidence.manifest import Manifest
from byrote.probes import registry
from byrote.probes.contract import Probe
from byrote.probes.history import Asked, AskedDocuments, AskedExamples, History
from byrote.probes.judging import judge_of
from byrote.recipes.algorithm import Shape
from byrote.runs.folder import hold
from byrote.runs.run import Run

#: The word in a shard's header that says which probe, with which settings, wrote it.
BY = "probe"


def probe(run: Run, *names: str) -> Run:
    """Read a run's kept weights with probes, and hand the run back with what they found.

    Args:
        run: with its data and recipe at hand, as an audit gives it back.
        names: of probes that look after the training, as "rewinding", or with settings, as
            "rewinding,permutations=8". What is recorded already is not made again.

    Raises:
        BadInput: there is no such probe, its evidence was made with other settings, or data or recipe are not at hand.
        MissingEvidence: the run kept no weights, or they are not of the kind that the probe is for.
        RunMismatch: another process works in the folder.
    """
    asked = refuse_unread(run, *names)
    models = _models(run)
    history = _history(run, models)
    for model in models:
        _refuse_other_weights(run, history, model)
    with hold(run.folder):
        for name, one in asked:
            _look(run, history, name, one)
        manifest = Manifest.read(run.folder)
        kinds = tuple(kind.name for _, one in asked for kind in one.kinds)
        found = tuple(dict.fromkeys((*manifest.evidence, *kinds)))
        if found != manifest.evidence:
            replace(manifest, evidence=found).write(run.folder)
    return replace(run, manifest=Manifest.read(run.folder))


def refuse_unread(run: Run, *names: str) -> list[tuple[str, Probe]]:
    """The probes of these names; refuses those that a run cannot be read by.

    Raises:
        BadInput, MissingEvidence: as `probe`.
    """
    asked = [(name, registry.made(name, after=True)) for name in names]
    task = "text" if run.of_text else run.task
    for _, one in asked:
        if not all(task in kind.tasks for kind in one.kinds):
            raise MissingEvidence(
                f"The probe {one.name!r} is not for the models of the run {str(run.folder)!r}.",
                hint=f"probe a run of {' or '.join(sorted(one.kinds[0].tasks))}.",
            )
    if not _models(run):
        raise MissingEvidence(
            f"The run {str(run.folder)!r} kept no weights at checkpoints.", hint=f"{WEIGHTS_AT.recorded_by}."
        )
    return asked


def _models(run: Run) -> tuple[int, ...]:
    """The models whose weights were kept."""
    return tuple(m for m in range(run.design.models) if run.evidence.has(WEIGHTS_AT.name, m, run.last_phase))


def _refuse_other_weights(run: Run, history: History, model: int) -> None:
    """Refuse weights that are damaged, or not of the recipe's network at the checkpoints that the shard names."""
    kept = run.evidence.block(WEIGHTS_AT.name, model, run.last_phase)
    named = run.evidence.coordinates(WEIGHTS_AT.name, CHECKPOINT, model, run.last_phase)
    wanted = {name: (len(named), *tensor.shape) for name, tensor in history.asked.network.state_dict().items()}
    if {name: array.shape for name, array in kept.items()} != wanted or not all(map(str.isdecimal, named)):
        raise BadInput(
            f"The weights of model {model} in the run {str(run.folder)!r} are not those of its recipe's network.",
            hint=f"remove the folder evidence/{WEIGHTS_AT.name}; the same `byrote audit` command makes it again.",
        )


def _look(run: Run, history: History, name: str, one: Probe) -> None:
    for kind in one.kinds:
        for model in history.models:
            wrong = run.evidence.sweep(kind.name, model, run.last_phase)
            there = not wrong and run.evidence.has(kind.name, model, run.last_phase)
            by = run.evidence.header(kind.name, model, run.last_phase).get(BY) if there else name
            if by != name:
                raise BadInput(
                    f"The run {str(run.folder)!r} holds what the probe {by!r} found, and {name!r} is asked for.",
                    hint=f"remove its folder evidence/{kind.name} first.",
                )
    if all(run.evidence.has(kind.name, m, run.last_phase) for kind in one.kinds for m in history.models):
        return
    one.look(history)
    for shard in one.shards():
        run.evidence.write(shard.kind.name, shard.model, run.last_phase, shard.columns, {BY: name}, shard.coordinates)


def _history(run: Run, models: tuple[int, ...]) -> History:
    asked, heldout = _documents(run) if run.of_text else _examples(run)
    chosen = list(models)
    return History(
        evidence=run.evidence,
        phase=run.last_phase,
        models=models,
        examples=len(run.ids),
        member=run.design.member[chosen],
        pair=run.design.pair[chosen],
        groups={kind: run.controls.mask(run.ids, kind) for kind in KINDS},
        asked=asked,
        heldout=heldout,
        seed=int(run.manifest.identity.get("seed") or 0),
        **_labels(run),
    )


def _labels(run: Run) -> dict[str, Any]:
    """The classes of the examples, and those before label noise was planted; nothing of a run without classes."""
    if run.of_text or run.task != "classes":
        return {}
    true = run.controls.true_labels(run.ids, run.labels, run.class_names)
    return {"labels": run.labels.astype(np.int64), "true_labels": true}


def _examples(run: Run) -> tuple[Asked, Asked | None]:
    if run.dataset is None or run.recipe is None:
        raise _without_data(run)
    dataset, device = run.dataset, torch.device("cpu")
    shape = Shape(inputs=dataset.inputs.shape[1:], classes=dataset.outputs, examples=len(dataset))
    algorithm = run.recipe.bind(shape, device)
    blocks = run.manifest.executor.get("blocks", ())
    stacked = any(block["stacked"] for block in blocks)

    def asked(data: Labelled) -> Asked:
        with torch.random.fork_rng(devices=[]):  # `init` seeds torch's generator
            network = algorithm.network(algorithm.init(0))
        return AskedExamples(network, *data.tensors(device), judge_of(dataset.scale), stacked=stacked)

    held = None if run.heldout is None else asked(Labelled.of(run.heldout.replace(scale=dataset.scale)))
    return asked(Labelled.of(dataset)), held


def _documents(run: Run) -> tuple[Asked, Asked | None]:
    if run.corpus is None or run.recipe is None:
        raise _without_data(run)
    length = int(run.manifest.identity["length"])
    shape = Shape(inputs=(length,), classes=run.corpus.vocabulary, examples=len(run.corpus))
    algorithm = run.recipe.bind(shape, torch.device("cpu"))
    with torch.random.fork_rng(devices=[]):
        network = algorithm.network(algorithm.init(0))
    return AskedDocuments(network, run.corpus, length, "cpu"), None


def _without_data(run: Run) -> BadInput:
    return BadInput(
        f"The run {str(run.folder)!r} was opened without its data and recipe, which a probe needs.",
        hint="run.attach(dataset, recipe), or `byrote probe RUN NAME`, which builds both again.",
    )
