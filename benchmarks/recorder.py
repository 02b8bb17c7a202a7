"""Claim: a recorder takes less than 5 % of a training step.

Two trainings of the same network in the same plain loop, one of them with `Recorder.observe` after the forward pass and
`epoch_end` after every epoch (its sums and its writing to disk included), change places epoch by epoch. "per cent" is
the median over pairs of epochs of the time with it by the time without it, less 1: of processor time where the network
runs on the CPU, so that other programs do not count, and of the clock where it runs on a GPU. "per cent of the clock"
is what passes inside the recorder's calls, waiting for the disk included, by what passes outside them. Both are held
against the bar. "per cent without any" compares two trainings without a recorder and shows how far the first figure
wanders by itself. A small CNN on pictures of 32 x 32 in batches of 64, and an MLP of 512 x 3 on 784 numbers in batches
of 128: steps of some milliseconds on one core. `--quick` takes fewer epochs and the same bar.

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
FLUSH_SECONDS = 5
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
    """A training that goes on by one epoch a call; `inside` and `outside` are seconds of the clock in its recorder."""

    def __init__(self, make: Callable[[], tuple[nn.Module, Tensor, int]], recorder: Recorder | None) -> None:
        torch.manual_seed(0)
        self.network, self.inputs, self.size = make()
        self.targets = torch.randint(0, CLASSES, (EXAMPLES,), device=DEVICE)
        self.optimizer = torch.optim.SGD(self.network.parameters(), 0.01, momentum=0.9)
        self.recorder = recorder
        self.inside = self.outside = 0.0

    def epoch(self) -> float:
        """Seconds that an epoch took: of the processor on a CPU, of the clock with a GPU."""
        timer = time.process_time if DEVICE.type == "cpu" else time.perf_counter
        order = torch.randperm(EXAMPLES).to(DEVICE)
        inside, clock, started = self.inside, time.perf_counter(), timer()
        for ids in order.split(self.size):
            logits = self.network(self.inputs[ids])
            if self.recorder is not None:
                self._inside(self.recorder.observe, ids, logits, self.targets[ids])
            loss = F.cross_entropy(logits, self.targets[ids])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        if DEVICE.type == "cuda":
            torch.cuda.synchronize()
        if self.recorder is not None:
            self._inside(self.recorder.epoch_end)
        seconds = timer() - started
        self.outside += time.perf_counter() - clock - (self.inside - inside)
        return seconds

    def _inside(self, call: Callable[..., object], *arguments: Tensor) -> None:
        started = time.perf_counter()
        call(*arguments)
        self.inside += time.perf_counter() - started


def overhead(plain: Training, recorded: Training, pairs: int) -> float:
    """Per cent that the second takes more; who goes first changes, and a first pair does not count."""
    ratios = []
    for number in range(pairs + 1):
        if number % 2:
            one, other = plain.epoch(), recorded.epoch()
        else:
            other, one = recorded.epoch(), plain.epoch()
        if number:
            ratios.append(other / one)
    return 100 * (median(ratios) - 1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="fewer epochs, same bar")
    pairs = 15 if parser.parse_args().quick else 60
    figures: dict[str, float] = {"pairs of epochs": pairs, "GPU": float(DEVICE.type == "cuda")}
    bars: dict[str, float] = {}
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for name, make in (("CNN", cnn), ("MLP", mlp)):
            recorder = Recorder(Path(folder) / name, examples=EXAMPLES, flush_seconds=FLUSH_SECONDS)
            plain, recorded = Training(make, None), Training(make, recorder)
            figures[f"{name} per cent"] = overhead(plain, recorded, pairs)
            figures[f"{name} per cent of the clock"] = 100 * recorded.inside / recorded.outside
            steps = (pairs + 1) * -(-EXAMPLES // plain.size)
            figures[f"{name} ms a step"] = 1000 * plain.outside / steps
            figures[f"{name} recorder's ms a step"] = 1000 * recorded.inside / steps
            figures[f"{name} per cent without any"] = overhead(plain, Training(make, None), pairs)
            bars |= {f"{name} per cent": MOST_PERCENT, f"{name} per cent of the clock": MOST_PERCENT}
            recorder.close()
    finish(figures, bars, at_most=tuple(bars))


if __name__ == "__main__":
    main()
