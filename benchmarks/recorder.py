"""Claim: a recorder takes less than 5 % of a training step.

Two trainings of the same network in the same plain loop, one of them with `Recorder.observe` after the forward pass,
change places step by step. The figure is the median over pairs of steps of the time with it by the time without it,
less 1, and on top of that what `epoch_end` takes (its sums and its writing to disk included) by all the steps of the
other training. "without any" compares two trainings without a recorder: so far the figure wanders by itself on a
machine that does other things, too. A small CNN on pictures of 32 x 32 in batches of 64, and an MLP of 512 x 3 on 784
numbers in batches of 128: steps of some milliseconds on one core. `--quick` takes fewer epochs and the same bar.

Usage: python benchmarks/recorder.py [--quick]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F
from _timing import finish
from torch import Tensor, nn

from byrote.recording.recorder import Recorder

MOST_PERCENT = 5.0
EXAMPLES, CLASSES = 2048, 10
#: More often than a recorder writes by itself, so that it does so in the time that is measured.
FLUSH_SECONDS = 10
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def cnn() -> tuple[nn.Module, Tensor, int]:
    """A small convolutional network, its inputs, and the size of a batch."""
    layers = [nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU()]
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(512, CLASSES))
    return network.to(DEVICE), torch.randn(EXAMPLES, 3, 32, 32, device=DEVICE), 64


def mlp() -> tuple[nn.Module, Tensor, int]:
    """A multi-layer perceptron, its inputs, and the size of a batch."""
    layers = [nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, CLASSES)]
    return nn.Sequential(*layers).to(DEVICE), torch.randn(EXAMPLES, 784, device=DEVICE), 128


class Training:
    """A training that goes on by one step a call."""

    def __init__(self, make: Callable[[], tuple[nn.Module, Tensor, int]], recorder: Recorder | None) -> None:
        torch.manual_seed(0)
        self.network, self.inputs, self.size = make()
        self.targets = torch.randint(0, CLASSES, (EXAMPLES,), device=DEVICE)
        self.optimizer = torch.optim.SGD(self.network.parameters(), 0.01, momentum=0.9)
        self.recorder = recorder

    def step(self, ids: Tensor) -> float:
        """Seconds that a step on these examples took."""
        started = time.perf_counter()
        logits, targets = self.network(self.inputs[ids]), self.targets[ids]
        if self.recorder is not None:
            self.recorder.observe(ids, logits, targets)
        loss = F.cross_entropy(logits, targets)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        if DEVICE.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - started

    def end(self) -> float:
        """Seconds that the end of an epoch took."""
        started = time.perf_counter()
        if self.recorder is not None:
            self.recorder.epoch_end()
        return time.perf_counter() - started


def overhead(plain: Training, other: Training, epochs: int) -> tuple[float, float]:
    """Per cent that the other training takes more, and milliseconds of a plain step; a first epoch does not count."""
    ratios, seconds, ends = [], [], 0.0
    for epoch in range(epochs + 1):
        for number, ids in enumerate(torch.randperm(EXAMPLES).to(DEVICE).split(plain.size)):
            if number % 2:
                one, two = plain.step(ids), other.step(ids)
            else:
                two, one = other.step(ids), plain.step(ids)
            if epoch:
                ratios.append(two / one)
                seconds.append(one)
        end = other.end()
        ends += end if epoch else 0.0
    return 100 * (median(ratios) - 1 + ends / sum(seconds)), 1000 * median(seconds)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="fewer epochs, same bar")
    epochs = 15 if parser.parse_args().quick else 60
    figures: dict[str, float] = {"epochs": epochs, "GPU": float(DEVICE.type == "cuda")}
    bars: dict[str, float] = {}
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for name, make in (("CNN", cnn), ("MLP", mlp)):
            recorder = Recorder(Path(folder) / name, examples=EXAMPLES, flush_seconds=FLUSH_SECONDS)
            plain = Training(make, None)
            figures[f"{name} per cent"], figures[f"{name} ms a step"] = overhead(
                plain, Training(make, recorder), epochs
            )
            figures[f"{name} per cent without any"], _ = overhead(plain, Training(make, None), epochs)
            bars[f"{name} per cent"] = MOST_PERCENT
            recorder.close()
    finish(figures, bars, at_most=tuple(bars))


if __name__ == "__main__":
    main()
