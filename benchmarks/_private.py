"""Private training: what a step costs beside the plain one, and how often audits find more than it claims.

Steps: 16 stacked MLPs (64-128-10) on batches of 64 expected rows, drawn and gathered as the engine does it, in CPU
seconds, interleaved. A Poisson batch is filled up to the largest of the block; both parts are printed, what filling up
costs and all else.

Audits: 100 trainings on the digits, each with 200 mislabelled canaries that join by coins of their own. The bound is
that of `byrote audit --epsilon`. Trained privately it may exceed the claim in at most 10; with the same noise, and no
gradient clipped, it must in most.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from _timing import ratio

import byrote
from byrote.analyses.privacy import SHARE, privacy_design, with_canaries
from byrote.data.digits import digits
from byrote.engine.block import Examples, side_by_side
from byrote.engine.many import Many
from byrote.recipes.algorithm import Batch, Shape
from byrote.recipes.guarantee import multiplier_of
from byrote.recipes.private import Arm, Poisson
from byrote.recipes.recipe import Recipe
from byrote.stats.privacy_bounds import one_run_epsilon

CPU = torch.device("cpu")
MODELS, CANDIDATES, BATCH = 16, 2048, 64
AUDITS, CANARIES, CLAIM, DELTA = 100, 200, 1.0, 1e-5
LEARNER = byrote.Recipe(network=byrote.MLP(hidden=(64,)), epochs=40, batch_size=64, optimizer=byrote.SGD(lr=0.1))


def steps(rounds: int) -> tuple[dict[str, float], dict[str, float]]:
    """How many times as long as a plain step a private one takes, and the parts of it."""
    members = CANDIDATES // 2
    plain = byrote.Recipe(network=byrote.MLP(hidden=(128,)), epochs=1000, batch_size=BATCH)
    private = byrote.Private(plain, clip=1.0, noise=1.0, rate=BATCH / members, members=members).made(CANDIDATES)
    full = replace(private, batches=None)
    trained = {"plain": Trained(plain), "private": Trained(private), "never filled up": Trained(full)}
    seconds: dict[str, list[float]] = {name: [] for name in trained}
    for number in range(rounds + 1):
        for name, one in trained.items():
            started = time.process_time()
            one.epoch(number)
            if number:
                seconds[name].append((time.process_time() - started) / one.steps)
    times, alone = (ratio(seconds, slow=name, fast="plain") for name in ("private", "never filled up"))
    figures = {
        "a plain step of 16 models, CPU milliseconds": 1000 * float(np.median(seconds["plain"])),
        "a private step: times a plain one": times,
        "a private step: times a plain one, of 64 rows each": alone,
        "a private step: times what it is without filling up": times / alone,
        "rows of a private step, of 64 expected": trained["private"].rows / trained["private"].steps,
    }
    return figures, {"a private step: times a plain one": 2.0}


class Trained:
    """Models of a recipe that are stacked, trained as the engine trains them."""

    def __init__(self, recipe: Recipe) -> None:
        rng = np.random.default_rng(0)
        inputs = torch.from_numpy(rng.normal(size=(CANDIDATES, 64)).astype(np.float32))
        count = np.zeros((MODELS, CANDIDATES), np.uint8)
        for row in count:
            row[rng.permutation(CANDIDATES)[: CANDIDATES // 2]] = 1
        algorithm = recipe.bind(Shape(inputs=(64,), classes=10, examples=CANDIDATES), CPU)
        self.many = Many(algorithm, range(MODELS))
        labels = torch.arange(CANDIDATES) % 10
        self.shown = Examples(algorithm, recipe.epochs, range(MODELS), [*count], inputs, labels, 0)
        self.many.begin(self.shown.steps)

    def epoch(self, number: int) -> None:
        """One epoch; how many steps it had, and how many rows."""
        self.steps = self.rows = 0
        for batch in self.shown.epoch(number):
            self.many.step(batch)
            self.steps, self.rows = self.steps + 1, self.rows + batch.ids.shape[1]


def audits(number: int) -> tuple[dict[str, float], dict[str, float]]:
    """Of so many audits, how many find more than the claim, with both halves of DP-SGD and with noise alone."""
    data, rows = with_canaries(digits()[0], CANARIES, mislabel=True, seed=0)
    rate = BATCH / len(data)
    multiplier = multiplier_of(CLAIM, rate, LEARNER.epochs * Poisson(rate=rate).steps, DELTA)
    figures = {"audits": float(number), "the epsilon that is claimed": CLAIM, "noise, times the norm": multiplier}
    for arm, lr in ARMS.items():
        slots = replace(LEARNER, optimizer=byrote.SGD(lr=lr))
        recipe = byrote.Private(slots, clip=CLIP, noise=multiplier, rate=rate, members=len(data), arm=arm)
        bounds = np.concatenate([*bounded(recipe.made(len(data)), data, rows, number)])
        figures |= {
            f"{arm}: audits above the claim": float((bounds > CLAIM).sum()),
            f"{arm}: median bound": float(np.median(bounds)),
            f"{arm}: largest bound": float(bounds.max()),
        }
        print({name: round(value, 3) for name, value in figures.items()}, file=sys.stderr, flush=True)
    figures["noise: audits that are not above the claim"] = number - figures["noise: audits above the claim"]
    bars = {"both: audits above the claim": number / 10, "noise: audits that are not above the claim": number / 2}
    return figures, bars


#: The learning rate of each arm, and the norm that gradients are clipped to.
ARMS: dict[Arm, float] = {"both": 1.0, "noise": 0.1}
CLIP = 0.1


def bounded(recipe: Recipe, data: byrote.Dataset, rows: np.ndarray, number: int) -> Iterator[np.ndarray]:
    """The bounds of so many audits, of 20 models at a time."""
    design = privacy_design(len(data), rows, models=number, seed=0)
    algorithm = recipe.bind(Shape(inputs=data.inputs.shape[1:], classes=10, examples=len(data)), CPU)
    inputs, labels = torch.from_numpy(np.array(data.inputs)), torch.from_numpy(np.array(data.targets))
    size = round(SHARE * CANARIES)
    for first in range(0, number, 20):
        models = range(first, min(first + 20, number))
        counts = [design.phases[0].count[model] for model in models]
        many = Many(algorithm, [*models])
        many.begin(recipe.epochs * algorithm.steps(0))
        for epoch in range(recipe.epochs):
            drawn = [algorithm.batches(model, epoch, count) for model, count in zip(models, counts, strict=True)]
            for shown in zip(*drawn, strict=True):
                ids, mask = side_by_side(shown, counts, CPU)
                many.step(Batch(inputs=inputs[ids], targets=labels[ids], ids=ids, mask=mask))
        log_p = many.predict(inputs[rows]).double().log_softmax(2)
        of_label = log_p.gather(2, labels[rows].expand(len(models), -1)[..., None])[..., 0].numpy()
        scores = of_label - np.log1p(-np.exp(np.minimum(of_label, -1e-12)))
        yield np.array(
            [
                one_run_epsilon(
                    score,
                    count[rows] == 1,
                    delta=DELTA,
                    k_plus=size,
                    k_minus=size,
                    rng=np.random.default_rng([model, 6]),
                ).epsilon
                for model, score, count in zip(models, scores, counts, strict=True)
            ]
        )


def private(quick: bool) -> tuple[dict[str, float], dict[str, float]]:
    """Steps and audits."""
    one, other = steps(5 if quick else 20), audits(20 if quick else AUDITS)
    return one[0] | other[0], one[1] | other[1]
