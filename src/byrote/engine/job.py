"""A job: everything that a training process must have to train any block of a run and to write its evidence."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from byrote.data.blocks import range_of_rows
from byrote.data.controls import WRONG_LABELS
from byrote.data.dataset import Dataset
from byrote.data.learned.one_class import OneClass
from byrote.data.mapped import Place, place_of
from byrote.data.task import TASKS, Learned, Task
from byrote.data.trigger import Trigger
from byrote.designs.design import Design
from byrote.engine.block import Answering, Learner, train_phase
from byrote.engine.looking import Looking
from byrote.engine.many import Many
from byrote.engine.one import One
from byrote.engine.rehearsal import Rehearsal
from byrote.engine.trial import Given, try_step
from byrote.engine.unfit import first_line, unfit
from byrote.errors import BadInput
from byrote.evidence.finite import DIVERGED
from byrote.evidence.kinds.outputs import HELDOUT
from byrote.evidence.kinds.weights import WEIGHTS_AT
from byrote.evidence.store import Evidence
from byrote.probes import contract, registry
from byrote.probes.contract import Shard
from byrote.probes.judging import judge_of
from byrote.probes.kept_weights import Keeping, KeptWeightsProbe, keeping, numbers_of
from byrote.probes.outputs import ClassProbabilityProbe, OutputsProbe
from byrote.probes.presentation import PresentationProbe
from byrote.probes.trajectory import TrajectoryProbe, log_spaced
from byrote.recipes.algorithm import Algorithm, Batch, Extent, Shape, State, TrainingRecipe

#: What is done to each trained model before it is asked anything: (algorithm, state, model) -> state.
Finish = Callable[[Algorithm, State, int], State]


@dataclass(frozen=True, kw_only=True, eq=False)
class Labelled:
    """Inputs `[example, ...]` of one split and what is learned of them: `targets[example]`, or by label 0 and 1.

    `truth` are the targets of classes as they were before wrong ones were planted, where some were, and `trigger` is
    that of a backdoor.
    """

    inputs: np.ndarray
    targets: np.ndarray
    truth: np.ndarray | None = None
    trigger: Trigger | None = None

    @classmethod
    def of(cls, dataset: Dataset) -> Labelled:
        """A dataset's."""
        known = dataset.scale.of_classes and not {*WRONG_LABELS}.isdisjoint(dataset.controls.kinds())
        truth = dataset.controls.true_labels(dataset.ids, dataset.targets, dataset.class_names) if known else None
        return cls(inputs=dataset.inputs, targets=dataset.learned, truth=truth, trigger=dataset.trigger)

    def __reduce__(self) -> tuple[Any, ...]:
        """For other processes: inputs that stay in a file are opened there again instead of being sent."""
        return _labelled, (place_of(self.inputs) or self.inputs, self.targets, self.truth, self.trigger)

    def tensors(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Both as tensors on the device, without a copy on the CPU; `check_network` refuses what writes to them."""
        # an axis of length one may have any stride, and torch takes some of them for another memory format: images of
        # one channel would be computed channels-last, which GroupNorm under vmap refuses
        plain = self.inputs.reshape(-1).reshape(self.inputs.shape)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            inputs = torch.from_numpy(plain)
        kind = np.float32 if self.targets.dtype.kind == "f" else np.int64
        return inputs.to(device), torch.from_numpy(self.targets.astype(kind)).to(device)


def _labelled(
    inputs: Place | np.ndarray, targets: np.ndarray, truth: np.ndarray | None, trigger: Trigger | None
) -> Labelled:
    opened = inputs.opened() if isinstance(inputs, Place) else inputs
    return Labelled(inputs=opened, targets=targets, truth=truth, trigger=trigger)


#: Examples of a clean pass that is timed.
REHEARSED = 64
#: Costly probes look at so many models of the ensemble, which are whole pairs.
FEW = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """One run's training, the same in every process that takes part."""

    recipe: TrainingRecipe
    data: Labelled
    heldout: Labelled | None
    classes: int
    design: Design
    seeds: Sequence[int]
    checkpoints: tuple[int, ...]
    folder: Path
    keep_logits: bool
    keep_weights: bool
    device: str
    finish: Finish | None = None
    probes: tuple[str, ...] = ()
    scale: Learned = field(default_factory=OneClass)
    keep_weights_at: str | None = None

    @property
    def task(self) -> Task:
        """The name of what is learned of an example."""
        return cast(Task, self.scale.task)

    @property
    def sums_probabilities(self) -> bool:
        """Whether class probabilities are summed over models, as logits are too many to keep."""
        return self.scale.of_classes and not self.keep_logits

    def algorithm(self) -> Algorithm:
        """The recipe bound to this data and device."""
        shape = Shape(
            inputs=self.data.inputs.shape[1:],
            classes=self.classes,
            examples=len(self.data.inputs),
            labels=self.data.targets if self.scale.of_classes else None,
            extent=lambda: self._extent,
        )
        return self.recipe.bind(shape, torch.device(self.device))

    @cached_property
    def _extent(self) -> Extent:
        """The range of the inputs, which takes a pass over all of them."""
        low, high = range_of_rows(self.data.inputs)
        return torch.from_numpy(low), torch.from_numpy(high)

    @cached_property
    def keeping(self) -> Keeping | None:
        """Of which models weights are kept at which checkpoints; None for none.

        Raises:
            BadInput, NotEnoughRoom: as `keeping`.
        """
        if self.keep_weights_at is None:
            return None
        usual, last = self.recipe.epochs, self.design.phases[-1]
        return keeping(
            self.keep_weights_at,
            _checkpoints(self.checkpoints, usual, last.length(usual)),
            self.numbers,
            self.design.pair,
            heldout=self.heldout is not None,
        )

    @cached_property
    def few(self) -> tuple[int, ...]:
        """The models that costly probes look at."""
        return few_of(self.design)

    @cached_property
    def few_kinds(self) -> frozenset[str]:
        """The kinds of evidence that only those models have."""
        return frozenset(kind.name for probe in self.asked() if probe.few for kind in probe.kinds)

    @cached_property
    def numbers(self) -> int:
        """How many weights and numbers in buffers one model has."""
        algorithm = self.algorithm()
        with torch.random.fork_rng(devices=[]):  # `init` seeds torch's generator
            return numbers_of(algorithm.network(algorithm.init(0)))

    def kinds(self, phase: int) -> tuple[str, ...]:
        """The evidence that models have of a phase once it is complete, `few_kinds` of a few of them."""
        kinds = ["presentation", "trajectory", "outputs"]
        if self.heldout is not None:
            kinds.append("heldout")
        if self.keep_weights:
            kinds.append("weights")
        if phase == len(self.design.phases) - 1:
            kinds += [kind.name for probe in self.asked() for kind in probe.kinds]
        return tuple(kinds)

    def may_have(self, phase: int) -> tuple[str, ...]:
        """The evidence that models may have of a phase, what stands under the first of a block included."""
        return (*self.kinds(phase), ClassProbabilityProbe.name, WEIGHTS_AT.name)

    def why_not_stacked(self) -> str:
        """Why its models cannot be trained many at once."""
        return self.algorithm().why_not_stackable()

    def rehearsal(self) -> Rehearsal:
        """Steps of the first model's first epoch, again and again."""
        algorithm, phase = self.algorithm(), self.design.phases[0]
        inputs, targets = self.data.tensors(torch.device(self.device))
        order = algorithm.order(0, 0, phase.count[0])
        order = order if len(order) else np.zeros(1, np.int64)

        def step(number: int) -> Batch:
            rows = np.arange(number * algorithm.batch_size, (number + 1) * algorithm.batch_size) % len(order)
            ids = torch.from_numpy(order[rows])[None].to(self.device)
            return Batch(inputs=inputs[ids], targets=targets[ids], ids=ids)

        some = inputs[:REHEARSED]
        return Rehearsal(
            step=step,
            some=some,
            steps=-(-len(order) // algorithm.batch_size) * phase.length(algorithm.epochs),
            passes=len(inputs) / len(some) * len(self.checkpoints),
        )

    def asked(self) -> list[contract.Probe]:
        """The probes that are asked for by name, made anew."""
        return [registry.made(name) for name in self.probes]

    def missing(self, evidence: Evidence, models: Sequence[int]) -> bool:
        """Whether any shard of these models is not there."""
        phases = range(len(self.design.phases))
        lacks = any(
            not evidence.has(k, m, p)
            for m in models
            for p in phases
            for k in self.kinds(p)
            if m in self.few or k not in self.few_kinds
        )
        kept = () if self.keeping is None else self.keeping.models
        lacks |= any(m in kept and not evidence.has(WEIGHTS_AT.name, m, phases[-1]) for m in models)
        return lacks or (self.sums_probabilities and not evidence.has("class_probability", models[0], phases[-1]))

    def train(self, block: Block, progress: Callable[[float], None]) -> list[int]:
        """Train a block and write what is missing of its evidence; returns the models that diverged."""
        return train_block(self, block, progress)

    def moved(self, folder: Path) -> Job:
        """The same with its evidence in another folder."""
        return replace(self, folder=folder)

    def reads(self, block: Block) -> list[Path]:
        """Nothing: a block is trained from the beginning."""
        return []

    def makes(self, block: Block) -> list[Path]:
        """All evidence of its models."""
        return shards_of(self.folder, block)


@dataclass(frozen=True, kw_only=True)
class Block:
    """Models that are trained by one process in one go: stacked, or one after another."""

    models: tuple[int, ...]
    stacked: bool
    compiled: bool = False


def shards_of(folder: Path, block: Block) -> list[Path]:
    """All evidence in a folder of the models of a block."""
    return sorted(path for model in block.models for path in folder.glob(f"*/m{model:05d}.p*.safetensors"))


class Finished:
    """Models to which something was done after training; they only answer."""

    def __init__(self, algorithm: Algorithm, states: list[State]) -> None:
        self.algorithm = algorithm
        self.finished = states

    def predict(self, inputs: Tensor) -> Tensor:
        return torch.stack([self.algorithm.predict(state, inputs) for state in self.finished])

    def states(self) -> list[State]:
        return self.finished


def train_block(job: Job, block: Block, progress: Callable[[float], None]) -> list[int]:
    """Train a block and write what is missing of its evidence; returns the models that diverged."""
    algorithm = job.algorithm()
    inputs, targets = job.data.tensors(torch.device(job.device))
    groups = [block.models] if block.stacked else [(model,) for model in block.models]
    diverged: list[int] = []
    for done, models in enumerate(groups):
        seeds = [job.seeds[model] for model in models]
        learner: Learner = (
            Many(algorithm, seeds, compiled=block.compiled) if block.stacked else One(algorithm, seeds[0])
        )
        phases = len(job.design.phases)

        def on_progress(share: float, done: int = done, phases: int = phases) -> None:
            progress((done + share / phases) / len(groups))

        diverged += _train_models(job, algorithm, learner, models, seeds, inputs, targets, on_progress)
    return diverged


def _train_models(
    job: Job,
    algorithm: Algorithm,
    learner: Learner,
    models: tuple[int, ...],
    seeds: list[int],
    inputs: Tensor,
    targets: Tensor,
    progress: Callable[[float], None],
) -> list[int]:
    evidence, last = Evidence(job.folder), len(job.design.phases) - 1
    judge, first_epoch, stacked = judge_of(job.scale), 0, len(models) > 1
    diverged: list[int] = []
    for index, phase in enumerate(job.design.phases):
        epochs = phase.length(algorithm.epochs)
        checkpoints = _checkpoints(job.checkpoints, algorithm.epochs, epochs)
        about = _block(job, algorithm, models, seeds, inputs, targets, checkpoints, index)
        repeats = bool(phase.count.max() > 1) or algorithm.repeats
        finish = job.finish if index == last else None
        outputs = OutputsProbe(keep_logits=job.keep_logits, judge=judge)
        probes = [PresentationProbe(repeats=repeats, judge=judge), TrajectoryProbe(judge=judge)]
        probes += [*(_named(job) if index == last else []), *([outputs] if finish is None else [])]
        looking = Looking(probes, about, learner, stacked=stacked, progress=_from(progress, index))
        labels = targets if phase.labels is None else _relabelled(targets, phase.labels)
        train_phase(
            learner,
            algorithm,
            phase,
            models,
            seeds,
            inputs,
            labels,
            looking,
            checkpoints=checkpoints,
            first_epoch=first_epoch,
        )
        first_epoch += epochs
        answering: Answering = learner
        further: list[Shard] = []
        if finish is not None:
            states = [finish(algorithm, s, m) for s, m in zip(learner.states(), models, strict=True)]
            answering = Finished(algorithm, states)
            further += at_last(outputs, about, answering, stacked=stacked)
        further += _of_heldout(job, about, answering)
        verdicts = outputs.verdicts()
        diverged = [model for model, each in zip(models, verdicts, strict=True) if each.diverged]
        states = answering.states() if job.keep_weights else []
        looking.end(answering)
        headers = {
            m: {DIVERGED: str(v.diverged).lower(), "seed": str(s)}
            for m, v, s in zip(models, verdicts, seeds, strict=True)
        }
        _write(evidence, index, (*looking.shards(), *further), headers)
        for model, state in zip(models, states, strict=False):
            tensors = algorithm.network(state).state_dict().items()
            weights = {name: tensor.cpu().numpy() for name, tensor in tensors}
            evidence.write("weights", model, index, weights, headers[model])
        if index == last and job.sums_probabilities:
            fine = torch.tensor([not each.diverged for each in verdicts], device=inputs.device)
            for shard in at_last(ClassProbabilityProbe(fine), about, answering, stacked=stacked):
                evidence.write(shard.kind.name, shard.model, index, shard.columns, shard.words)
    return diverged


def _of_heldout(job: Job, about: contract.Block, answering: Answering) -> Iterable[Shard]:
    """What trained models answer on the held-out examples, where there are some."""
    if about.heldout is None:
        return ()
    held = replace(about, inputs=about.heldout[0], targets=about.heldout[1])
    heldout = OutputsProbe(HELDOUT, keep_logits=job.keep_logits, judge=judge_of(job.scale))
    return at_last(heldout, held, answering, stacked=len(about.models) > 1)


def _write(evidence: Evidence, phase: int, shards: Iterable[Shard], headers: Mapping[int, Mapping[str, str]]) -> None:
    for shard in shards:
        header = {**shard.words, **headers[shard.model]}
        evidence.write(shard.kind.name, shard.model, phase, shard.columns, header, shard.coordinates)


def at_last(probe: contract.Probe, block: contract.Block, answering: Answering, *, stacked: bool) -> Iterator[Shard]:
    """What a probe finds at the last checkpoint of models that are trained, on the examples of a block."""
    looking = Looking([probe], block, answering, stacked=stacked)
    looking.checkpoint(len(block.epochs) - 1)
    return looking.shards()


def _named(job: Job) -> list[contract.Probe]:
    """The probes that look on in the last phase because somebody asked for them."""
    return [*job.asked(), *([] if job.keeping is None else [KeptWeightsProbe(job.keeping)])]


def _block(
    job: Job,
    algorithm: Algorithm,
    models: tuple[int, ...],
    seeds: list[int],
    inputs: Tensor,
    targets: Tensor,
    checkpoints: tuple[int, ...],
    phase: int,
) -> contract.Block:
    """The models of a phase, as its probes see them."""
    return contract.Block(
        models=models,
        seeds=tuple(seeds),
        phase=phase,
        epochs=checkpoints,
        inputs=inputs,
        targets=targets,
        truth=None if job.data.truth is None else torch.from_numpy(job.data.truth).to(targets.device),
        member=torch.from_numpy(job.design.member[list(models)]).to(inputs.device),
        classes=job.classes,
        task=job.task,
        algorithm=algorithm,
        heldout=None if job.heldout is None else job.heldout.tensors(inputs.device),
        few=job.few,
        trigger=job.data.trigger,
    )


def _checkpoints(planned: tuple[int, ...], usual: int, epochs: int) -> tuple[int, ...]:
    """Those of a phase: as planned up to its end, and where it is longer than the recipe as many over its length."""
    if epochs > usual:
        return log_spaced(epochs, len(planned))
    return (*(checkpoint for checkpoint in planned if checkpoint < epochs), epochs)


def _from(progress: Callable[[float], None], done: int) -> Callable[[float], None]:
    return lambda share: progress(done + share)


def _relabelled(targets: Tensor, labels: np.ndarray) -> Tensor:
    override = torch.from_numpy(labels).to(targets.device)
    return torch.where(override >= 0, override, targets)


def few_of(design: Design) -> tuple[int, ...]:
    """The models that costly probes look at: those of four pairs, or eight without pairs, and those on all data."""
    reference = design.models_of("reference")
    paired = reference[design.pair[reference] >= 0]
    chosen = (paired if len(paired) else reference)[:FEW]
    return tuple(sorted({*chosen.tolist(), *design.models_of("full").tolist()}))


def blocks_of(
    design: Design, size: int, *, stacked: bool, compiled: bool, among: Int[np.ndarray, " model"] | None = None
) -> tuple[Block, ...]:
    """Divide the models, or those `among` them, into blocks of up to `size` that show equally many examples a phase."""
    shown = np.stack([phase.count.sum(1, dtype=np.int64) for phase in design.phases], axis=1)
    alike: dict[tuple[int, ...], list[int]] = {}
    for model in range(design.models) if among is None else among.tolist():
        alike.setdefault(tuple(shown[model].tolist()), []).append(model)
    blocks = []
    for models in alike.values():
        for start in range(0, len(models), size):
            chosen = tuple(models[start : start + size])
            blocks.append(Block(models=chosen, stacked=stacked and len(chosen) > 1, compiled=compiled))
    return tuple(blocks)


def check_network(job: Job) -> None:
    """Send two examples through a fresh network and train one step, so that what does not fit is found beforehand.

    Raises:
        BadInput: the network does not take the inputs, writes to them, does not give one logit a class, a step fails,
            or a probe cannot read it.
    """
    check_device(job.device)
    job.recipe.check(job.task)
    _check_probes(job)
    algorithm = job.algorithm()
    inputs = job.data.inputs[:2]
    shape = tuple(inputs.shape[1:])
    try:
        state = algorithm.init(0)
    except BadInput:
        raise
    except Exception as error:  # whatever a user's network raises must reach the user as a sentence
        raise BadInput(
            f"The recipe's network cannot be built: {first_line(error)}",
            hint="byrote.Network(MyNet) calls MyNet() without arguments.",
        ) from error
    given = Given(torch.from_numpy(np.array(inputs)).to(job.device))
    try:
        logits = algorithm.predict(state, given.tried)
    except BadInput:
        raise
    except Exception as error:
        raise unfit(error, shape) from error
    if not isinstance(logits, Tensor) or tuple(logits.shape) != (len(inputs), job.classes):
        got = tuple(logits.shape[1:]) if isinstance(logits, Tensor) else type(logits).__name__
        each = {"classes": "logits per example, one per class", "labels": "logits per example, one per label"}
        what = each.get(job.task, "number per example")
        raise BadInput(
            f"The recipe's network must give {job.classes} {what}. Got {got}.",
            hint=f"end it with nn.Linear(…, {job.classes}).",
        )
    given.refuse_written()
    device, size = torch.device(job.device), algorithm.batch_size
    batch = Labelled(inputs=job.data.inputs[:size], targets=job.data.targets[:size])
    try_step(algorithm, *batch.tensors(device))
    few = Labelled(inputs=inputs, targets=job.data.targets[:2]).tensors(device)
    for probe in job.asked():
        probe.check(algorithm, algorithm.network(algorithm.init(0)), *few)


def _check_probes(job: Job) -> None:
    """Refuse probes that are for other targets than the dataset's."""
    for probe in job.asked():
        if not all(job.task in kind.tasks for kind in probe.kinds):
            meant = ", ".join(sorted(TASKS[task] for task in TASKS if all(task in k.tasks for k in probe.kinds)))
            raise BadInput(
                f"The probe {probe.name!r} is about {meant or 'documents'}, and the dataset has {job.scale.says}.",
                hint="audit without it.",
            )
        refuse_without_trigger(probe, job.data.trigger, heldout=job.heldout is not None)


def refuse_without_trigger(probe: contract.Probe, trigger: Trigger | None, *, heldout: bool) -> None:
    """Refuse a probe that stamps held-out examples where there are none, or no trigger.

    Raises:
        BadInput: what is not there.
    """
    if probe.stamps and (trigger is None or not heldout):
        lacking = "no backdoor is planted" if trigger is None else "there are no held-out examples"
        raise BadInput(
            f"The probe {probe.name!r} puts the trigger of a backdoor on held-out examples, and {lacking}.",
            hint="--plant backdoor=0.05, with held-out examples.",
        )


def check_device(device: str) -> None:
    """Refuse a device that does not exist.

    Raises:
        BadInput: it does not.
    """
    kind, _, number = device.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdecimal()):
        raise BadInput(
            f"There is no device {device!r}.", hint="the devices are cpu and cuda, or cuda:1 for a second GPU."
        )
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise BadInput(
            f"The device {device!r} is not there: torch {torch.__version__} sees {torch.cuda.device_count()} GPUs.",
            hint="leave it out, or take cpu.",
        )
