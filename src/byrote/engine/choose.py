"""Which executor: two models are trained both ways and compared, both ways are timed, and the faster one is taken."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from byrote.engine.block import Learner
from byrote.engine.many import Many
from byrote.engine.one import One
from byrote.engine.rehearsal import Rehearsal, of_model, reordered
from byrote.engine.threads import one_thread
from byrote.recipes.algorithm import Algorithm, Batch

SIZES = (8, 16, 32)
#: One step's largest relative difference between loop and stack that counts as parity.
PARITY = 1e-4
PARITY_STEPS = 2
#: How many other orders of a batch show what rounding does, and how many times that a stack may differ by.
ORDERS, ROUNDING = 3, 5.0
WARM_UP, TIMED = 1, 6
ENOUGH_SECONDS = 0.25
#: Larger blocks are tried while they take less than this share of the time of smaller ones.
WORTH_MORE = 0.95


@dataclass(frozen=True, kw_only=True)
class Choice:
    """How the models are to be trained, why, and how long one takes in one process, by the probe.

    `seconds_alone` is what one model takes in the plain loop, `seconds_pair` what two take together; as a rule a
    stack of few models saves nothing, for each step has costs that do not depend on how many there are.
    """

    stacked: bool
    size: int
    compiled: bool
    reason: str
    seconds_a_model: float
    seconds_alone: float
    seconds_pair: float

    def seconds(self, models: int) -> float:
        """What a block of so many models takes: stacked, a straight line from a pair to a whole block."""
        if not self.stacked or models == 1:
            return models * self.seconds_alone
        whole = self.size * self.seconds_a_model
        pair = min(self.seconds_pair, whole)  # a noisy probe may have it above the block
        return pair + (whole - pair) * (models - 2) / max(1, self.size - 2)


def makespan(seconds: Sequence[float], workers: int) -> float:
    """Seconds until the last of these blocks is trained, each by the first process that is free.

    Example:
        >>> makespan([3.0, 2.0, 2.0], workers=2)
        4.0
    """
    free = [0.0] * workers
    for each in seconds:
        heapq.heappush(free, heapq.heappop(free) + each)
    return max(free)


@runtime_checkable
class Choosable(Protocol):
    """A job whose models may be trained either way."""

    @property
    def device(self) -> str: ...

    @property
    def seeds(self) -> Sequence[int]: ...

    def algorithm(self) -> Algorithm: ...

    def why_not_stacked(self) -> str:
        """Why its models cannot be trained many at once, as far as that is known; empty where they may."""
        ...

    def rehearsal(self) -> Rehearsal:
        """A few steps of the training."""
        ...


def choose(job: Choosable, *, per_worker: int, compiled: bool = False, least: int = SIZES[0]) -> Choice:
    """Probe both ways on the job's own data.

    `per_worker` models fall to each process; blocks of up to `least` models are tried, even where these are more.
    """
    with one_thread():
        return _choice(job, max(per_worker, least), compiled)


def _choice(job: Choosable, most: int, compiled: bool) -> Choice:
    algorithm, rehearsal = job.algorithm(), job.rehearsal()
    loop = _seconds(One(algorithm, job.seeds[0]), 1, rehearsal, job.device)
    obstacle = job.why_not_stacked() or _disparity(algorithm, job, rehearsal)
    if obstacle:
        return _alone(f"one at a time: {obstacle}", loop)

    def stack(size: int) -> float:
        learner = Many(algorithm, list(range(size)), compiled=compiled)
        return _seconds(learner, size, rehearsal, job.device)

    timed: dict[int, float] = {}
    for size in [size for size in SIZES if size <= most] or [most]:
        before = min(timed.values(), default=loop)
        timed[size] = stack(size)
        if timed[size] > WORTH_MORE * before:
            break
    fastest = min(timed.values())
    if loop <= fastest:
        slower = fastest / loop
        slowness = f"took {slower:.1f} times as long" if slower >= 1.05 else "was no faster"
        return _alone(f"one at a time: training models side by side {slowness}", loop)
    size = min(size for size, seconds in timed.items() if seconds <= 1.1 * fastest)
    reason = f"{size} models at once: {loop / timed[size]:.1f} times as fast as one at a time"
    return Choice(
        stacked=True,
        size=size,
        compiled=compiled,
        reason=reason,
        seconds_a_model=timed[size],
        seconds_alone=loop,
        seconds_pair=2 * stack(2),
    )


def _alone(reason: str, seconds: float) -> Choice:
    return Choice(
        stacked=False,
        size=1,
        compiled=False,
        reason=reason,
        seconds_a_model=seconds,
        seconds_alone=seconds,
        seconds_pair=2 * seconds,
    )


def _seconds(learner: Learner, models: int, rehearsal: Rehearsal, device: str) -> float:
    """Seconds that one of these models takes for the whole first phase, clean passes included.

    On a CPU it is the processor's time: by the clock, neighbours on a busy machine would choose.
    """
    clock = time.process_time if device == "cpu" else time.perf_counter
    learner.begin(rehearsal.length(models, WARM_UP + TIMED))
    for number in range(WARM_UP):
        learner.step(rehearsal.batch(number, models))
    times = []
    started = clock()
    for number in range(WARM_UP, WARM_UP + TIMED):
        before = clock()
        learner.step(rehearsal.batch(number, models))
        _wait(device)
        times.append(clock() - before)
        if clock() - started > ENOUGH_SECONDS:
            break
    before = clock()
    learner.predict(rehearsal.some)
    _wait(device)
    clean = clock() - before
    return (min(times) * rehearsal.steps + clean * rehearsal.passes) / models


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def _disparity(algorithm: Algorithm, job: Choosable, rehearsal: Rehearsal) -> str:
    """What differs between two models trained for two steps in the loop and stacked; empty where nothing does.

    Losses, the weights after the steps (and so the gradients) and the buffers are compared. Adam makes whole steps out
    of gradients that are nothing but rounding, as of a bias before BatchNorm; so the loop also trains each model on
    its batches in other orders, and what that alone changes counts as no difference.
    """
    seeds = list(job.seeds[:2])
    shown, some = rehearsal.batches(len(seeds), PARITY_STEPS), rehearsal.some
    try:
        many = Many(algorithm, seeds)
        many.begin(rehearsal.length(len(seeds), PARITY_STEPS))
        together = [many.step(batch).loss for batch in shown]
        answers = many.predict(some)
    except Exception as error:  # whatever vmap makes of a network that is not ours: the loop trains it all the same
        return f"the network cannot be stacked ({(str(error).strip() or type(error).__name__).splitlines()[0][:120]})"
    for row, (seed, stacked) in enumerate(zip(seeds, many.states(), strict=True)):
        batches = [of_model(batch, row) for batch in shown]
        one, losses = _stepped(algorithm, seed, batches)
        if any(_apart(loss[row], alone) for loss, alone in zip(together, losses, strict=True)):
            return "losses differ from those of stacked models"
        others = _Reordered(algorithm, seed, batches)
        if _apart(answers[row], one.predict(some)[0], partial(others.answers, some)):
            return "answers in evaluation mode differ from those of stacked models"
        alone = algorithm.network(one.state).state_dict()
        for name, tensor in algorithm.network(stacked).state_dict().items():
            if _apart(tensor, alone[name], partial(others.tensors, name)):
                return f"{name!r} differs from that of stacked models"
    return ""


@dataclass(frozen=True, eq=False)
class _Reordered:
    """A model that is trained on its batches in other orders, once somebody asks."""

    algorithm: Algorithm
    seed: int
    batches: list[Batch]

    @cached_property
    def learners(self) -> list[One]:
        """One for each order."""
        orders = [[reordered(batch, order) for batch in self.batches] for order in range(ORDERS)]
        return [_stepped(self.algorithm, self.seed, each)[0] for each in orders]

    def answers(self, inputs: Tensor) -> list[Tensor]:
        """What each answers in evaluation mode."""
        return [one.predict(inputs)[0] for one in self.learners]

    def tensors(self, name: str) -> list[Tensor]:
        """That weight or buffer of each."""
        return [self.algorithm.network(one.state).state_dict()[name] for one in self.learners]


def _stepped(algorithm: Algorithm, seed: int, batches: list[Batch]) -> tuple[One, list[Tensor]]:
    """A model of the loop after a step on each batch, and its losses."""
    one = One(algorithm, seed)
    one.begin(len(batches))
    return one, [one.step(batch).loss[0] for batch in batches]


def _apart(a: Tensor, b: Tensor, rounded: Callable[[], Sequence[Tensor]] = tuple) -> bool:
    """Whether a and b differ by more than parity allows, and by more than b does from what differs by rounding.

    `rounded` makes the latter, where parity is not there already.
    """
    if not b.numel():
        return False
    apart = _difference(a, b)
    if bool(apart.isinf().any()):  # no other order of a batch excuses what is no number
        return True
    largest = b.float().nan_to_num(0.0, 0.0, 0.0).abs().amax().clamp_min(1.0)
    if not bool((apart > PARITY * largest).any()):
        return False
    by_order = (_difference(b, other).nan_to_num(posinf=0.0).amax() for other in rounded())
    return not any(bool((apart <= ROUNDING * each).all()) for each in by_order)


def _difference(a: Tensor, b: Tensor) -> Tensor:
    """|a - b|: infinite where one alone is NaN or infinite, and 0 where both are NaN or the same infinity."""
    one, other = a.float(), b.float()
    apart = (one - other).abs().nan_to_num(nan=0.0, posinf=torch.inf)
    return torch.where(one.isnan() != other.isnan(), torch.inf, apart)
