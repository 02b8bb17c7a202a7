"""Probes after the training: they read the weights that a run kept, and their results join its evidence.

Probes that look at checkpoints or at the end are shown them once more: by the kept weights or, at the end, by a foreign
language model. All others get the weights of all checkpoints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from byrote.axes import CHECKPOINT
from byrote.data.controls import KINDS
from byrote.engine.job import Labelled, few_of, refuse_without_trigger
from byrote.engine.language_setting import heldout_of
from byrote.engine.networks import Networks, fresh_state, usable
from byrote.engine.reading import look_at_end
from byrote.engine.reading_again import Reading
from byrote.errors import BadInput, MissingEvidence
from byrote.evidence.kinds.weights import WEIGHTS, WEIGHTS_AT
from byrote.evidence.manifest import Manifest
from byrote.evidence.store import MAKE_AGAIN
from byrote.probes import registry
from byrote.probes.contract import END, Block, Probe, Shard, TextProbe
from byrote.probes.history import Asked, AskedDocuments, AskedExamples, History, OfStates, Weights
from byrote.probes.judging import judge_of
from byrote.recipes.algorithm import Algorithm, Shape
from byrote.recipes.networks.pretrained import Pretrained, load_pretrained
from byrote.runs.folder import hold
from byrote.runs.run import PROBE, Run

#: The share of examples on which a recorded network may differ from its clean pass, because rounding may differ.
MOST_OTHER = 0.01
#: Where a shard's header has the digest of the model before a fine-tune.
BASE = "base"


def probe(
    run: Run,
    *names: str,
    model: str | Path | Pretrained | None = None,
    base: str | Path | Pretrained | None = None,
) -> Run:
    """Read a run's kept weights with probes, and hand the run back with what they found.

    Args:
        run: with its data and recipe at hand, as an audit gives it back.
        names: of probes that look at trained models, as "generations", at checkpoints, as "el2n", or at the weights of
            all checkpoints, as "rewinding"; or with settings, as "rewinding,permutations=8". What a probe finds at a
            checkpoint is what it would have found in the training. Existing evidence is not made again.
        model: a foreign language model: its network or its folder (default: the one that the run's source names).
        base: the model that a foreign one was fine-tuned from. It then stands for epoch 0, so that "rewinding" tells
            which layers hold what the fine-tune wrote.

    Raises:
        BadInput: there is no such probe, its evidence was made with other settings, data or recipe are not at hand, or
            the base is not that of the model.
        MissingEvidence: the run kept no weights, or they are not of the kind that the probe is for.
        RunMismatch: another process works in the folder, or the model is another one.

    Example:
        >>> from sklearn.datasets import make_classification
        >>> data = byrote.from_arrays(*make_classification(60, random_state=0), name="small")
        >>> recipe = byrote.Recipe(network=byrote.MLP(hidden=(16,)), epochs=2)
        >>> run = byrote.audit(data, recipe, models=24, keep_weights=True, workers=1, progress=False)
        >>> run = byrote.probe(run, "gradient_norm")
        >>> run.load("gradients.gradient_norm", [0]).shape
        (1, 60)
    """
    asked = refuse_unread(run, *names)
    ends = {name: one for name, one in asked if one.when == END}
    history = _history(run, model, base) if len(ends) < len(asked) else None
    with hold(run.folder):
        if ends:
            _read_ends(run, ends, model)
        for name, one in asked:
            if history is not None and name not in ends:
                (_look if "after" in one.when else _look_again)(run, history, name, one)
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
    for _, one in asked:
        if not all(run.learns.task in kind.tasks for kind in one.kinds):
            raise MissingEvidence(
                f"The probe {one.name!r} is not for the models of the run {str(run.folder)!r}.",
                hint=f"probe a run of {' or '.join(sorted(one.kinds[0].tasks))}.",
            )
    for _, one in asked:
        trigger = None if run.dataset is None else run.dataset.trigger
        refuse_without_trigger(one, trigger, heldout=run.heldout is not None)
    foreign = run.of_text and run.manifest.origin == "observed"
    later = [one for _, one in asked if one.when != END and not (foreign and "after" in one.when)]
    if later and not _models(run):
        raise MissingEvidence(f"The run {str(run.folder)!r} kept no weights at checkpoints.", hint=run.keeps_weights_by)
    at_end = any("end" in one.when for _, one in asked)
    if at_end and not foreign and not {*usable(run)} <= {*_models(run, WEIGHTS.name)}:
        raise MissingEvidence(
            f"The run {str(run.folder)!r} did not keep the weights of its trained models.",
            hint=f"{WEIGHTS.recorded_by}." if run.manifest.origin == "trained" else run.keeps_weights_by,
        )
    return asked


def _models(run: Run, kind: str = WEIGHTS_AT.name) -> tuple[int, ...]:
    """The models whose weights were kept."""
    return tuple(run.models_with(kind))


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


def _refuse_other_answers(run: Run, history: History, model: int) -> None:
    """Refuse data or a network if the recorded weights predict otherwise than in the clean pass, beyond rounding."""
    row = list(history.models).index(model)
    kind = next(kind for kind in ("trajectory", "outputs") if run.evidence.has(kind, model, run.last_phase))
    seen = run.load(f"{kind}.correct", [model])[0]
    place = len(history.checkpoints) - 1
    if kind == "trajectory":
        seen = seen[run.load("trajectory.epochs", [model]).tolist().index(history.checkpoints[place])]
    found = history.answers(history.weights(place, [model])).correct[0]
    other = float((found != seen).mean())
    if other > MOST_OTHER:
        raise BadInput(
            f"With the weights of model {history.models[row]} the network differs from the clean pass on {other:.0%} "
            "of the examples.",
            hint="give the dataset and the network of that training: the same inputs in the same order, scaled alike.",
        )


def _lacking(run: Run, name: str, one: Probe, models: Sequence[int]) -> list[int]:
    """The models that a probe has not read yet.

    Raises:
        BadInput: its evidence was recorded with other settings.
    """
    # evidence that the audit recorded does not name a probe
    of_audit = _of_audit(run, one) or one.name
    for kind in one.kinds:
        for model in models:
            wrong = run.evidence.sweep(kind.name, model, run.last_phase)
            there = not wrong and run.evidence.has(kind.name, model, run.last_phase)
            by = run.evidence.header(kind.name, model, run.last_phase).get(PROBE, of_audit) if there else name
            if by != name:
                raise BadInput(
                    f"The run {str(run.folder)!r} holds what the probe {by!r} found, and {name!r} is asked for.",
                    hint=f"remove its folder evidence/{kind.name} first.",
                )
    return [m for m in models if not all(run.evidence.has(kind.name, m, run.last_phase) for kind in one.kinds)]


def _of_audit(run: Run, one: Probe) -> str:
    """The probe with its settings, if the audit ran it; else nothing."""
    asked = run.manifest.identity.get("probes") or ()
    return next((name for name in asked if registry.name_of(name) == one.name), "")


def _look(run: Run, history: History, name: str, one: Probe) -> None:
    base = history.base if isinstance(history, OfStates) else ""
    if not _lacking(run, name, one, history.models):
        _refuse_another_base(run, one, history.models, base)
        return
    one.look(history)
    _write(run, one.shards(), {PROBE: name} | ({BASE: base} if base else {}))


def _refuse_another_base(run: Run, one: Probe, models: Sequence[int], base: str) -> None:
    """Refuse what was found with another model in place of the one before the fine-tune, or with none."""
    for kind in one.kinds:
        for model in models:
            if run.evidence.header(kind.name, model, run.last_phase).get(BASE, "") != base:
                raise BadInput(
                    f"The run {str(run.folder)!r} holds what the probe {one.name!r} found with another base.",
                    hint=f"remove its folder evidence/{kind.name} first.",
                )


def _look_again(run: Run, history: History, name: str, one: Probe) -> None:
    """Show a probe the checkpoints of which weights were kept, one model after another."""
    few = few_of(run.design)
    chosen = [model for model in history.models if model in few] if one.few and not run.of_text else []
    lacking = _lacking(run, name, one, chosen or history.models)
    if not lacking:
        return
    if _of_audit(run, one):
        raise BadInput(
            f"The audit of the run {str(run.folder)!r} recorded what the probe {name!r} found, and model {lacking[0]} "
            "lacks it.",
            hint=MAKE_AGAIN,
        )
    _refuse_unequal_checkpoints(run, history, one)
    block = _block_of_documents(run, history) if run.of_text else _block_of_examples(run, history.checkpoints)
    Reading(run=run, asked={name: one}, todo={name: lacking}, block=block, at_end=False).done()


def _refuse_unequal_checkpoints(run: Run, history: History, one: Probe) -> None:
    """Refuse weights whose checkpoints are not the same in all models: figures by checkpoint have no mean then."""
    kept = {run.evidence.coordinates(WEIGHTS_AT.name, CHECKPOINT, model, run.last_phase) for model in history.models}
    if len(kept) > 1:
        raise BadInput(
            f"The probe {one.name!r} compares models at the same checkpoints, and the weights in the run "
            f"{str(run.folder)!r} are of other checkpoints in each model.",
            hint="audit into another folder with --keep-weights-at checkpoints.",
        )


def _write(run: Run, shards: Iterable[Shard], header: dict[str, str]) -> None:
    for shard in shards:
        run.evidence.write(shard.kind.name, shard.model, run.last_phase, shard.columns, header, shard.coordinates)


def _read_ends(run: Run, asked: Mapping[str, Probe], model: str | Path | Pretrained | None) -> None:
    """Show trained models to the probes that need only these."""
    models, few = usable(run), few_of(run.design)
    todo = {
        name: _lacking(run, name, one, [m for m in models if m in few] if one.few and not run.of_text else models)
        for name, one in asked.items()
    }
    if not any(todo.values()):
        return
    if run.of_text:
        _read_documents(run, asked, todo, Networks.of(run, model))
    else:
        _read_examples(run, asked, todo)


def _read_documents(
    run: Run, asked: Mapping[str, Probe], todo: Mapping[str, Sequence[int]], networks: Networks
) -> None:
    for one in asked.values():
        if isinstance(one, TextProbe):
            one.refuse_unfit(networks.corpus, networks.context, networks.canaries)
    asked = {
        name: one.with_texts(networks.corpus, networks.encode, networks.heldout) if isinstance(one, TextProbe) else one
        for name, one in asked.items()
    }
    if networks.found is None:
        block, algorithm = networks.blocks(), networks.algorithm()
        known = lambda model: replace(block(model), algorithm=algorithm)  # noqa: E731
        Reading(run=run, asked=asked, todo=todo, block=known, at_end=True).done()
        return
    for number, network in networks:
        for name in (name for name, models in todo.items() if number in models):
            header = {**_seed_of(run, number), PROBE: name}
            look_at_end(network, networks.block(number), asked[name], run.evidence, header=header)


def _read_examples(run: Run, asked: Mapping[str, Probe], todo: Mapping[str, Sequence[int]]) -> None:
    Reading(run=run, asked=asked, todo=todo, block=_block_of_examples(run, ()), at_end=True).done()


def _block_of_examples(run: Run, epochs: tuple[int, ...]) -> Callable[[int], Block]:
    """Each model by its number, as probes saw it in the training."""
    if run.dataset is None or run.recipe is None:
        raise _without_data(run)
    dataset, device = run.dataset, torch.device("cpu")
    algorithm, data = _algorithm(run), Labelled.of(dataset)
    inputs, targets = data.tensors(device)
    held = None if run.heldout is None else Labelled.of(run.heldout.replace(scale=dataset.scale)).tensors(device)
    return lambda model: Block(
        models=(model,),
        seeds=(int(_seed_of(run, model).get("seed", 0)),),
        phase=run.last_phase,
        epochs=epochs,
        inputs=inputs,
        targets=targets,
        truth=None if data.truth is None else torch.from_numpy(data.truth),
        member=torch.from_numpy(run.design.member[[model]]),
        classes=dataset.outputs,
        task=run.task,
        algorithm=algorithm,
        heldout=held,
        few=few_of(run.design),
        trigger=dataset.trigger,
    )


def _block_of_documents(run: Run, history: History) -> Callable[[int], Block]:
    """The same for language models."""
    networks = Networks.of(run)
    heldout, block = heldout_of(networks.corpus, run.design), networks.blocks()
    algorithm, epochs = networks.algorithm(), history.checkpoints
    return lambda model: replace(block(model), algorithm=algorithm, epochs=epochs, heldout_corpus=heldout)


def _seed_of(run: Run, model: int) -> dict[str, str]:
    seed = run.manifest.models[model].seed
    return {} if seed is None else {"seed": str(seed)}


def _history(run: Run, model: str | Path | Pretrained | None, base: str | Path | Pretrained | None) -> History:
    models = _models(run)
    if run.of_text and not models:
        return _history_of_foreign(run, Networks.of(run, model), base)
    history = _history_of(run, models)
    for one in models:
        _refuse_other_weights(run, history, one)
        if run.manifest.origin == "observed":
            _refuse_other_answers(run, history, one)
    return history


def _history_of(run: Run, models: tuple[int, ...]) -> History:
    asked, heldout = _documents(run) if run.of_text else _examples(run)
    return History(asked=asked, heldout=heldout, **_of_run(run, models))


def _history_of_foreign(run: Run, networks: Networks, base: str | Path | Pretrained | None) -> History:
    """A foreign language model at its end, and before its fine-tune if its base is given."""
    assert networks.found is not None, "byrote trained no such models"
    states, digest = [_state(networks.found)], ""
    device, context = str(run.manifest.executor["device"]), networks.context
    if base is not None:
        found = base if isinstance(base, Pretrained) else load_pretrained(base, device=device, context=context)
        states.insert(0, _state(found))
        digest = found.digest
        _refuse_other_base(networks.found, found, *states)
    asked = AskedDocuments(networks.found.network, networks.corpus, context, device)
    return OfStates(asked=asked, states=tuple(states), base=digest, **_of_run(run, tuple(networks.models)))


def _state(model: Pretrained) -> dict[str, Tensor]:
    """A copy of its weights and buffers."""
    return {name: tensor.detach().cpu().clone() for name, tensor in model.network.state_dict().items()}


def _refuse_other_base(model: Pretrained, base: Pretrained, before: Weights, after: Weights) -> None:
    shapes = [{name: tensor.shape for name, tensor in one.items()} for one in (before, after)]
    if shapes[0] != shapes[1]:
        raise BadInput(
            f"The model {model.name!r} is not a fine-tune of {base.name!r}: their weights differ in name or shape.",
            hint="give the model that its fine-tune began with; a LoRA adapter names it in adapter_config.json.",
        )
    if all(torch.equal(tensor, after[name]) for name, tensor in before.items()):
        raise BadInput(
            f"The weights of {base.name!r} and {model.name!r} are the same, so that no fine-tune wrote anything.",
            hint="give the model that its fine-tune began with.",
        )


def _of_run(run: Run, models: tuple[int, ...]) -> dict[str, Any]:
    """What a history says of the run."""
    chosen = list(models)
    return {
        "evidence": run.evidence,
        "phase": run.last_phase,
        "models": models,
        "examples": len(run.ids),
        "member": run.design.member[chosen],
        "pair": run.design.pair[chosen],
        "groups": {kind: run.controls.mask(run.ids, kind) for kind in KINDS},
        "seed": int(run.manifest.identity.get("seed") or 0),
        **_labels(run),
    }


def _labels(run: Run) -> dict[str, Any]:
    """The classes of the examples, and those before label noise was planted; nothing of a run without classes."""
    if not run.learns.of_classes:
        return {}
    true = run.controls.true_labels(run.ids, run.labels, run.class_names)
    return {"labels": run.labels.astype(np.int64), "true_labels": true}


def _examples(run: Run) -> tuple[Asked, Asked | None]:
    if run.dataset is None or run.recipe is None:
        raise _without_data(run)
    dataset, device, algorithm = run.dataset, torch.device("cpu"), _algorithm(run)
    blocks = run.manifest.executor.get("blocks", ())
    stacked = any(block["stacked"] for block in blocks)

    def asked(data: Labelled) -> Asked:
        network = algorithm.network(fresh_state(algorithm))
        return AskedExamples(network, *data.tensors(device), judge_of(dataset.scale), stacked=stacked)

    held = None if run.heldout is None else asked(Labelled.of(run.heldout.replace(scale=dataset.scale)))
    return asked(Labelled.of(dataset)), held


def _algorithm(run: Run) -> Algorithm:
    assert run.dataset is not None
    assert run.recipe is not None
    inputs = run.dataset.inputs.shape[1:]
    shape = Shape(inputs=inputs, classes=run.dataset.outputs, examples=len(run.dataset))
    return run.recipe.bind(shape, torch.device("cpu"))


def _documents(run: Run) -> tuple[Asked, Asked | None]:
    if run.corpus is None or run.recipe is None:
        raise _without_data(run)
    length = int(run.manifest.identity["length"])
    shape = Shape(inputs=(length,), classes=run.corpus.vocabulary, examples=len(run.corpus))
    algorithm = run.recipe.bind(shape, torch.device("cpu"))
    return AskedDocuments(algorithm.network(fresh_state(algorithm)), run.corpus, length, "cpu"), None


def _without_data(run: Run) -> BadInput:
    return BadInput(
        f"The run {str(run.folder)!r} was opened without its data and recipe, which a probe needs.",
        hint="run.attach(dataset, recipe), or `byrote probe RUN NAME`, which builds both again.",
    )
