"""Two large audits planned from measured steps: 4,000 models of CIFAR-10-sized data, 2,000 of ImageNet-sized data.

    python benchmarks/large_plans.py

A step and a clean pass of one model are timed in CPU seconds on one thread, on 16 random images of that size; a step of
the recipe's batch takes so many times as long. All else is counted. Disk is what `byrote audit` asks for before it
trains. `docs/scale.md` has what it printed.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import byrote
from byrote.designs.full_data import full_data
from byrote.engine.job import Job, Labelled
from byrote.engine.one import One
from byrote.engine.resources import disk_a_model, logits_fit, size_words, weights_of
from byrote.probes.trajectory import log_spaced
from byrote.recipes.algorithm import Batch

HOUR = 3600.0
STEPS, IMAGES = 3, 16


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is planned."""

    name: str
    examples: int
    shape: tuple[int, int, int]
    classes: int
    models: int
    block: int
    recipe: byrote.Recipe
    checkpoints: int


SETTINGS = (
    Setting(
        name="CIFAR-10-sized, ResNet-20",
        examples=50_000,
        shape=(3, 32, 32),
        classes=10,
        models=4_000,
        block=1,
        recipe=byrote.Recipe(network=byrote.ResNet(depth=20), epochs=30, batch_size=128),
        checkpoints=10,
    ),
    Setting(
        name="ImageNet-sized at 64 x 64, ResNet-20 four times as wide",
        examples=1_281_167,
        shape=(3, 64, 64),
        classes=1_000,
        models=2_000,
        block=1,
        recipe=byrote.Recipe(network=byrote.ResNet(depth=20, width=64), epochs=20, batch_size=128),
        checkpoints=5,
    ),
)


def job_of(setting: Setting, examples: int, models: int) -> Job:
    """A job of that size, whose inputs take no memory where they are only counted."""
    inputs = np.broadcast_to(np.zeros(setting.shape, np.float32), (examples, *setting.shape))
    if examples < 1000:
        inputs = np.random.default_rng(0).normal(size=inputs.shape).astype(np.float32)
    return Job(
        recipe=setting.recipe,
        data=Labelled(inputs=inputs, targets=np.arange(examples) % setting.classes),
        heldout=None,
        classes=setting.classes,
        design=full_data(examples, models),
        seeds=range(models),
        checkpoints=log_spaced(setting.recipe.epochs, setting.checkpoints),
        folder=Path(),
        keep_logits=logits_fit(setting.models, setting.examples, setting.classes),
        keep_weights=False,
        device="cpu",
    )


def seconds(setting: Setting) -> tuple[float, float]:
    """CPU seconds of a step, and of an example of a clean pass."""
    torch.set_num_threads(1)
    job = job_of(setting, IMAGES, 2)
    inputs, targets = job.data.tensors(torch.device("cpu"))
    learner, ids = One(job.algorithm(), 0), torch.arange(IMAGES)
    learner.begin(STEPS + 1)
    batch = Batch(inputs=inputs[None], targets=targets[None], ids=ids[None])
    times = []
    for _ in range(STEPS + 1):
        before = time.process_time()
        learner.step(batch)
        times.append(time.process_time() - before)
    looks = []
    for _ in range(STEPS):
        before = time.process_time()
        learner.predict(inputs)
        looks.append(time.process_time() - before)
    return min(times[1:]) * setting.recipe.batch_size / IMAGES, min(looks) / IMAGES


def main() -> None:
    """Print both plans."""
    for setting in SETTINGS:
        recipe, half = setting.recipe, setting.examples // 2
        step, look = seconds(setting)
        steps = -(-half // recipe.batch_size) * recipe.epochs
        looks = len(log_spaced(recipe.epochs, setting.checkpoints))
        training, passes = steps * step, looks * setting.examples * look
        job = job_of(setting, setting.examples, 8)
        disk, shared = disk_a_model(job, setting.block), disk_a_model(job, 10**9)
        data = setting.examples * int(np.prod(setting.shape)) * 4
        hours = (training + passes) / HOUR
        lines = (
            f"{setting.name}: {weights_of(job):,} weights, batches of {recipe.batch_size}, {recipe.epochs} epochs",
            f"  a step {step:.3f} CPU seconds, {steps:,} steps a model: {training / HOUR:.2f} core hours",
            f"  a clean pass {look * setting.examples:.0f} CPU seconds, {looks} a model: {passes / HOUR:.2f} hours",
            f"  a model {hours:.2f} core hours, all {setting.models:,} models {setting.models * hours:,.0f}",
            f"  evidence {size_words(disk)} a model, {size_words(setting.models * disk)} in all",
            f"  of that {size_words(disk - shared)} a block are sums of class probabilities",
            f"  data {size_words(data)} to each node",
        )
        sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
