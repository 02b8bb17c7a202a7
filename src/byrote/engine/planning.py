"""The plan: models, time, disk, memory and error to expect of an audit, before anything of it trains.

Time and error come from a pilot: a few models that go through the very executors of the audit, for as many epochs as a
few seconds allow, in a folder that is thrown away. Where epochs take too long for that, they see a part of the data;
then only time is read off them.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from byrote.data.dataset import Dataset
from byrote.engine.choose import Choice, choose, makespan
from byrote.engine.division import blocks_between, per_worker, refuse_budget
from byrote.engine.executing import chosen
from byrote.engine.executors import run_here, run_pool
from byrote.engine.job import Block, Job, Labelled, blocks_of, check_network
from byrote.engine.looks import looks_among
from byrote.engine.preparation import halves, prepare, seeds_of
from byrote.engine.resources import (
    disk_a_model,
    few_bytes,
    kept_bytes,
    memory_a_process,
    probe_words,
    size_words,
    weights_of,
)
from byrote.engine.stopping import (
    COUNTS,
    MARGINS,
    Counts,
    Goal,
    Margins,
    expected_error,
    expected_error_by_margins,
    said,
    worst_error,
)
from byrote.evidence.store import Evidence
from byrote.probes.registry import made
from byrote.probes.trajectory import log_spaced
from byrote.recipes.algorithm import TrainingRecipe
from byrote.stats.intervals import agresti_caffo

#: A pilot takes about so long where the epochs of the recipe allow it.
PILOT_SECONDS = 3.0
#: Fewer epochs tell too little of what an epoch takes.
PILOT_EPOCHS = 4
#: Two pairs: below that nothing is known of how alike the models' answers are.
PILOT_MODELS = 4
#: Rates of right answers settle by epochs rather than by models: larger blocks would get fewer of them.
PILOT_BLOCK = 16
#: After a smaller share of the epochs the answers of a pilot are too much alike, and the error that follows too small.
ENOUGH_EPOCHS = 0.5
#: A process that gets less of a core than this while it computes shares it with others.
OWN_CORE = 0.8
#: Sizes that a plan tells of besides the one asked for.
OTHER_SIZES = (16, 32, 64, 128, 256)


def time_words(seconds: float | int) -> str:
    """A length of time as a person says it.

    Example:
        >>> time_words(42.3), time_words(600), time_words(9000)
        ('42 seconds', '10 minutes', '2.5 hours')
    """
    units = {"hours": 3600.0, "minutes": 60.0, "seconds": 1.0}
    name = next((name for name, length in units.items() if seconds >= 2 * length), "seconds")
    count = seconds / units[name]
    return f"{count:.0f} {name}" if count >= 10 else f"{count:.2g} {name}"


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What an ensemble of so many models, and those on all data beside it, should take and give.

    `seconds` go from the probe to the last shard; measuring and the report come on top. `disk` is that of evidence
    and design. `error` is what the errors of label memorization of 9 of 10 examples should not exceed, by the rates
    of the pilot; `worst_error` what no error exceeds, whatever the rates, by margins where these are normal.
    """

    models: int
    seconds: float
    disk: int
    error: float
    worst_error: float


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to expect of the audit that was asked for, and of other sizes, or of each look.

    `stops` says why the audit should end at these models, where it is to stop by itself. `memory` is that of all its
    processes together, apart from torch itself. `probes` say of each what it looks at and what it takes; the time
    of those that look at a few models alone comes on top of `seconds`. `core` is the share of a core that byrote got
    while it tried out how to train, `epochs` the share of the epochs that the error rests on.
    """

    expected: Expected
    full: int
    workers: int
    memory: int
    how: str
    pilot: str
    stops: str
    others: tuple[Expected, ...]
    probes: tuple[str, ...] = ()
    core: float = 1.0
    epochs: float = 1.0
    estimate: str = COUNTS

    def sentences(self) -> list[str]:
        """What a person wants to know, in order."""
        found = self.expected
        beside = f" and {self.full} on all data" if self.full else ""
        processes = "1 process" if self.workers == 1 else f"{self.workers} processes"
        lines = [
            f"{found.models} models{beside} should take {time_words(found.seconds)} of training in {processes}, "
            f"{size_words(found.disk)} of disk, and {size_words(self.memory)} of memory besides torch's own.",
            self._error(),
            *self._busy(),
            f"How: {self.how}.",
            *self.probes,
        ]
        if self.stops:
            lines.insert(
                0,
                f"The audit should stop after {found.models} of at most {self.others[-1].models} models: {self.stops}.",
            )
        return lines

    def _error(self) -> str:
        """The error to expect, and on what that rests."""
        found, whose = self.expected, f"9 of 10 examples should get an error of {said(self.estimate)} of at most"
        if self.epochs < ENOUGH_EPOCHS:
            return (
                f"{whose} {found.error:.3f} to {found.worst_error:.3f}. The first is by {self.pilot}, which is too few "
                "epochs to promise it: models come to differ as they fit their own data."
            )
        most = f"none can get more than {found.worst_error:.3f}"
        if self.estimate != COUNTS:
            most = f"where margins are normal, {most}"
        return f"{whose} {found.error:.3f}, and {most}; by {self.pilot}."

    def _busy(self) -> Iterator[str]:
        """What there is to say of a machine that others use as well."""
        if self.core < OWN_CORE:
            yield (
                f"The machine is busy: byrote got {100 * self.core:.0f} % of a core while it tried this out. The times "
                f"are for a machine that stays as busy; alone it should need about {100 * self.core:.0f} % of them."
            )


def plan(
    dataset: Dataset,
    recipe: TrainingRecipe,
    *,
    heldout: Dataset | None = None,
    models: int | None = None,
    full: int = 2,
    stderr: float | None = None,
    budget: float | int | str | None = None,
    seed: int = 0,
    workers: int | None = None,
    device: str | None = None,
    compiled: bool = False,
    checkpoints: int = 20,
    keep_weights: bool = False,
    keep_weights_at: str | None = None,
    probes: Sequence[str] = (),
    estimate: str = COUNTS,
) -> Plan:
    """What `byrote.audit` of the same arguments should take and give; a pilot is trained and thrown away.

    Raises:
        BadInput: the audit would refuse the arguments.
    """
    started = time.perf_counter()
    prepared = prepare(
        dataset,
        recipe,
        heldout=heldout,
        models=models,
        full=full,
        stderr=stderr,
        budget=budget,
        seed=seed,
        workers=workers,
        device=device,
        checkpoints=checkpoints,
        keep_weights=keep_weights,
        keep_weights_at=keep_weights_at,
        probes=probes,
        estimate=estimate,
    )
    job, goal, most, running = prepared.job, prepared.goal, prepared.ensemble, prepared.workers
    check_network(job)
    before = time.process_time(), time.perf_counter()
    choice = choose(job, per_worker=per_worker(goal, job.design.models, running), compiled=compiled)
    core = (time.process_time() - before[0]) / max(time.perf_counter() - before[1], 1e-9)
    probed = time.perf_counter() - started
    processes = _processes(goal, job.design.models, choice.size, running)
    pilot = _pilot(job, choice, chosen().beside(processes), seed, estimate)
    forecast = _Forecast(
        job=job, choice=choice, pilot=pilot, workers=running, full=full, probed=probed, seed=seed, estimate=estimate
    )
    sizes = goal.looks if goal else sorted({*OTHER_SIZES, most})
    others = [forecast.expected(size, goal) for size in sizes]
    stop, why = _stop(goal, forecast) if goal else (most, "")
    return Plan(
        expected=next(each for each in others if each.models == stop),
        full=full,
        workers=processes,
        memory=processes * memory_a_process(job, choice.size, weights_of(job)),
        how=choice.reason,
        pilot=pilot.words,
        stops=why,
        others=tuple(others),
        probes=probe_words(job),
        core=1.0 if job.device != "cpu" else min(1.0, core),
        epochs=pilot.epochs,
        estimate=estimate,
    )


def _processes(goal: Goal | None, models: int, size: int, workers: int) -> int:
    """How many processes work at once: on all models, or on those of the largest stage."""
    if goal is None:
        return min(workers, len(_from_look_to_look(models, size)))
    stages = [b - a for a, b in pairwise((0, *goal.looks))]
    return max(min(workers, len(blocks_between(0, stage, size, workers, compiled=False))) for stage in stages)


@dataclass(frozen=True, kw_only=True)
class _Pilot:
    """What a few models showed.

    `start` is the seconds that processes need to start, `slower` what a block takes against the probe's estimate.
    `counts` are right answers and trials of each example as a member, then as a non-member; None where the pilot saw
    a part of the data. `margins` is what is known of theirs, where they are asked for. `epochs` is the share of the
    epochs after which those were counted.
    """

    start: float
    slower: float
    counts: Counts | None
    words: str
    epochs: float = 1.0
    margins: Margins | None = None


@dataclass(frozen=True, kw_only=True)
class _Forecast:
    """From probe and pilot to what any number of models should take and give."""

    job: Job
    choice: Choice
    pilot: _Pilot
    workers: int
    full: int
    probed: float
    seed: int
    estimate: str = COUNTS

    def expected(self, models: int, goal: Goal | None) -> Expected:
        """What the audit takes and gives that ends at so many models."""
        examples, together = len(self.job.data.inputs), models + self.full
        return Expected(
            models=models,
            seconds=self.seconds(models, goal),
            disk=together * (disk_a_model(self.job, self.choice.size) + examples)
            + kept_bytes(self.job)
            + few_bytes(self.job),
            error=self.error(models),
            worst_error=worst_error(models, self.estimate),
        )

    def seconds(self, models: int, goal: Goal | None) -> float:
        """Seconds of training: at once, or from look to look and then the models on all data."""
        if goal is None:
            size = self.choice.size
            return self.probed + self.until(_from_look_to_look(models, size), _lengths(self.full, size))
        behind = [0, *(look for look in goal.looks if look <= models)]
        between = [self.stage(b - a, 0, self.even(b - a)) for a, b in pairwise(behind)]
        return self.probed + sum(between) + self.stage(0, self.full, self.even(self.full))

    def even(self, models: int) -> int:
        """The size of the blocks of a stage of so many models."""
        return max(1, min(self.choice.size, -(-models // self.workers)))

    def stage(self, halves: int, full: int, size: int) -> float:
        """Seconds until these models are trained, those on all data taking twice as long."""
        return self.until(_lengths(halves, size), _lengths(full, size))

    def until(self, halves: Sequence[int], full: Sequence[int]) -> float:
        """The same of blocks of so many models."""
        blocks = [2 * self.choice.seconds(length) for length in full]
        blocks += [self.choice.seconds(length) for length in halves]
        start = self.pilot.start if len(blocks) > 1 else 0.0
        return start + self.pilot.slower * makespan(blocks, self.workers)

    def error(self, models: int) -> float:
        """The expected percentile error; without rates, that of one that members know and half of the others do."""
        rng = np.random.default_rng([self.seed, 4])
        if self.pilot.margins is not None:
            return expected_error_by_margins(self.pilot.margins, models, rng=rng)
        if self.pilot.counts is None:
            side = np.array([models // 2])
            return float(agresti_caffo(side, side, side // 2, side).stderr[0])
        return expected_error(self.pilot.counts, models, rng=rng)


def _from_look_to_look(models: int, size: int) -> list[int]:
    """The lengths of the blocks of an ensemble at which byrote looks as it trains."""
    return [length for a, b in pairwise((0, *looks_among(models), models)) for length in _lengths(b - a, size)]


def _lengths(models: int, size: int) -> list[int]:
    return [min(size, models - first) for first in range(0, models, size)]


def _stop(goal: Goal, forecast: _Forecast) -> tuple[int, str]:
    """At which look the audit should stop, and why; the rule is the audit's own."""
    at_the_end = forecast.stage(0, forecast.full, forecast.even(forecast.full))
    spent = forecast.seconds(goal.looks[0], goal) - at_the_end
    refuse_budget(goal, spent + at_the_end)
    for models, following in pairwise((*goal.looks, goal.looks[-1])):
        ahead = (following - models) * spent / models + at_the_end
        why = goal.verdict(models, forecast.error(models), spent, ahead)
        if why:
            return models, why
        spent += forecast.stage(following - models, 0, forecast.even(following - models))
    raise AssertionError("the last look ends an audit")


def _pilot(job: Job, choice: Choice, workers: int, seed: int, measure: str = COUNTS) -> _Pilot:
    """Train a few blocks through the audit's executors: one per process, and at least two pairs of models."""
    pooled = workers > 1 and job.device == "cpu"
    size = min(choice.size, PILOT_BLOCK)
    models = max(PILOT_MODELS, workers * size)
    models += models % 2
    turns = -(-models // (workers * size))
    epochs, examples = _extent(job, turns * choice.seconds(size))
    with tempfile.TemporaryDirectory(prefix="byrote-plan-") as folder:
        small = _cut(job, models, epochs, examples, seed, Path(folder))
        blocks = blocks_of(small.design, size, stacked=choice.stacked, compiled=choice.compiled)
        clock = _Clock()
        if pooled:
            run_pool(small, blocks, workers, clock)
        else:
            run_here(small, blocks, clock)
        counts = _counts(small) if examples == len(job.data.inputs) else None
        margins = _margins(small) if counts is not None and measure == MARGINS else None
    share, part = epochs / job.recipe.epochs, examples / len(job.data.inputs)
    expected = choice.seconds(size) * share * part
    # a process's later blocks begin when nobody looks
    timed = [clock.pooled(block, expected) if pooled else clock.here(block, expected) for block in blocks[:workers]]
    whole = [(one.total + one.rate * (1 / share - 1)) / part for one in timed]
    words = f"a pilot of {models} models after {epochs} of {job.recipe.epochs} epochs"
    if counts is None:
        words += f" on {examples:,} of {len(job.data.inputs):,} examples"
    return _Pilot(
        start=min(one.start for one in timed),
        slower=float(np.mean(whole)) / choice.seconds(size),
        counts=counts,
        words=words,
        epochs=1.0 if counts is None else share,
        margins=margins,
    )


def _extent(job: Job, seconds: float) -> tuple[int, int]:
    """Epochs and examples of a pilot that would take so many seconds with all of them."""
    examples, epochs = len(job.data.inputs), job.recipe.epochs
    fewest = min(epochs, PILOT_EPOCHS)
    fitting = int(PILOT_SECONDS / seconds * epochs)
    if fitting >= fewest:
        return min(epochs, fitting), examples
    share = PILOT_SECONDS / (seconds * fewest / epochs)
    return fewest, min(examples, max(2 * PILOT_EPOCHS * job.recipe.batch_size, int(share * examples)))


def _cut(job: Job, models: int, epochs: int, examples: int, seed: int, folder: Path) -> Job:
    """The job with so few models, epochs and examples, and clean passes in proportion to the epochs."""
    rng = np.random.default_rng([seed, 5])
    part, share = examples / len(job.data.inputs), epochs / job.recipe.epochs
    design = halves(examples, models, 0, seed)
    passes = 2 + round((len(job.checkpoints) - 2) * share)
    return replace(
        job,
        data=_sample(job.data, part, rng),
        heldout=None if job.heldout is None else _sample(job.heldout, part, rng),
        design=replace(design, phases=tuple(replace(phase, epochs=epochs) for phase in design.phases)),
        seeds=seeds_of(seed, models),
        checkpoints=log_spaced(epochs, passes),
        probes=tuple(name for name in job.probes if not made(name).few),  # of so few models all would be looked at
        folder=folder,
    )


def _sample(data: Labelled, part: float, rng: np.random.Generator) -> Labelled:
    if part == 1:
        return data
    size = max(1, round(part * len(data.inputs)))
    rows = np.sort(rng.choice(len(data.inputs), size, replace=False))
    return Labelled(inputs=data.inputs[rows], targets=data.targets[rows])


def _counts(job: Job) -> Counts:
    """Right answers and trials of each example as a member, then as a non-member."""
    correct = Evidence(job.folder).load("outputs.correct", range(job.design.models), 0)
    member = job.design.member == 1
    return (correct & member).sum(0), member.sum(0), (correct & ~member).sum(0), (~member).sum(0)


def _margins(job: Job) -> Margins:
    """What is known of the margins of each example as a non-member, then as a member."""
    margin = Evidence(job.folder).load("outputs.logit_margin", range(job.design.models), 0).astype(np.float64)
    sides = [np.where(job.design.member == side, margin, np.nan) for side in (0, 1)]
    above = [(margin > 0) & (job.design.member == side) for side in (0, 1)]
    return (
        np.stack([np.isfinite(one).sum(0) for one in sides]),
        np.stack([np.nanmean(one, axis=0) for one in sides]),
        np.stack([np.nanvar(one, axis=0, ddof=1) for one in sides]),
        np.stack([one.sum(0) for one in above]),
    )


@dataclass(frozen=True, kw_only=True)
class _Timed:
    """Seconds before a block began to train, of the block, and those that its epochs took of them."""

    start: float
    total: float
    rate: float


@dataclass(eq=False)
class _Clock:
    """Hears when blocks report a share that is done, and when they are finished."""

    started: float = field(default_factory=time.perf_counter)
    reports: dict[tuple[int, ...], list[tuple[float, float]]] = field(default_factory=dict)
    ends: dict[tuple[int, ...], float] = field(default_factory=dict)

    def advanced(self, block: Block, share: float) -> None:
        self.reports.setdefault(block.models, []).append((time.perf_counter(), share))

    def finished(self, block: Block, diverged: list[int]) -> None:
        self.ends[block.models] = time.perf_counter()

    def retried(self, block: Block, exit_code: int | None) -> None:
        self.reports.pop(block.models, None)

    def here(self, block: Block, estimate: float) -> _Timed:
        """A block of this process, which begins when the one before it ends."""
        began = max((end for end in self.ends.values() if end < self.ends[block.models]), default=self.started)
        return _Timed(start=0.0, total=self.ends[block.models] - began, rate=self._rate(block, estimate))

    def pooled(self, block: Block, estimate: float) -> _Timed:
        """The first block of another process, which has to start."""
        rate = self._rate(block, estimate)
        first, share = self.reports.get(block.models, [(self.started + estimate, 1.0)])[0]
        total = self.ends[block.models] - first + rate * share
        return _Timed(start=max(0.0, first - self.started - rate * share), total=total, rate=rate)

    def _rate(self, block: Block, estimate: float) -> float:
        """Seconds of the epochs, from the first report to the last; the estimate where there was only one."""
        reports = self.reports.get(block.models, [])
        if len(reports) < 2 or reports[-1][1] == reports[0][1]:
            return estimate
        return (reports[-1][0] - reports[0][0]) / (reports[-1][1] - reports[0][1])
