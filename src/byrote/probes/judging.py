"""How answers are judged: by classes, by sets of labels, or as numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar, Final

import torch
import torch.nn.functional as F
from torch import Tensor

from byrote.data.learned.contract import Learned
from byrote.data.learned.label_sets import LabelSets
from byrote.data.learned.numbers import Numbers
from byrote.data.learned.one_class import OneClass
from byrote.data.learned.several_numbers import SeveralNumbers
from byrote.probes.signals import Signals, signals

#: The sign of a set that no training example has is looked up among so many sets at a time.
_BLOCK = 1024


class Judge(ABC):
    """Reads answers `[..., output]` of examples with `targets[...]`, or `targets[..., label]`.

    `signals` and `answers` name what is kept at a checkpoint and beside it at the end, with their types; `telling` is
    the one that is not finite where a model diverged, `shown` what is summed over presentations beside correctness.
    """

    signals: ClassVar[dict[str, torch.dtype]]
    answers: ClassVar[dict[str, torch.dtype]]
    telling: ClassVar[str]
    shown: ClassVar[tuple[str, ...]]

    @abstractmethod
    def read(self, logits: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """The signals."""

    @abstractmethod
    def answered(self, logits: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """What is kept beside them at the end of a phase."""

    @abstractmethod
    def presented(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Whether each of `logits[n, output]` is right, and what is to be summed."""


class ByClass(Judge):
    """One class per example."""

    signals: ClassVar = dict.fromkeys(Signals._fields, torch.float32)
    answers: ClassVar = {"prediction": torch.int32}
    telling = "log_odds"
    shown = ("loss_sum", "logit_margin_sum")

    def read(self, logits: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """See `byrote.probes.signals`."""
        return signals(logits, targets)._asdict()

    def answered(self, logits: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """The class of the largest logit."""
        return {"prediction": logits.argmax(-1)}

    def presented(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """By the margin, which a tie leaves at 0."""
        own = targets[:, None]
        margin = (logits.gather(1, own) - logits.scatter(1, own, -torch.inf).amax(1, keepdim=True)).squeeze(1)
        loss = F.cross_entropy(logits, targets, reduction="none")
        return margin > 0, {"loss_sum": loss, "logit_margin_sum": margin}


class BySet(Judge):
    """Several labels per example, whose set is taken as its class."""

    signals = ByClass.signals
    answers: ClassVar = {"prediction": torch.int32, "label_accuracy": torch.float32}
    telling = "log_odds"
    shown = ByClass.shown

    def __init__(self, scale: LabelSets, *, learned: bool = True) -> None:
        self.sets = torch.from_numpy(scale.sets)

    def read(self, logits: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Those of the softmax over all sets."""
        return signals_of_sets(logits, targets)._asdict()

    def answered(self, logits: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """The set of the positive logits, and the share of the labels that are right; a logit of 0 is not."""
        right = (logits * (2 * targets - 1) > 0).float().mean(-1)
        return {"prediction": self.index(logits > 0), "label_accuracy": right}

    def presented(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """By the margin of the set."""
        read = signals_of_sets(logits, targets)
        loss = torch.logaddexp(torch.zeros_like(read.log_odds), -read.log_odds)
        return read.logit_margin > 0, {"loss_sum": loss, "logit_margin_sum": read.logit_margin}

    def index(self, has: Tensor) -> Tensor:
        """The number of each set `has[..., label]`; of one that no training example has, the number of sets."""
        own = 2.0 * has.float() - 1
        number = torch.full(has.shape[:-1], len(self.sets), device=has.device)
        for start in range(0, len(self.sets), _BLOCK):
            known = 2.0 * self.sets[start : start + _BLOCK].to(has.device, torch.float32) - 1
            same = own @ known.T == own.shape[-1]
            number = torch.where(same.any(-1), start + same.to(torch.int8).argmax(-1), number)
        return number


class ByError(Judge):
    """A number per example; what is kept is in the target's own unit.

    Targets and answers are centred and scaled as networks learn them, or (`learned=False`) in their own unit.
    """

    signals: ClassVar = {"correct": torch.bool, "residual": torch.float32}
    answers: ClassVar = {"prediction": torch.int32}
    telling = "residual"
    shown = ()

    def __init__(self, scale: Numbers, *, learned: bool = True) -> None:
        self.scale = scale = scale if learned else replace(scale, mean=0.0, deviation=1.0)
        # fifths of a number that is centred and scaled; float64, for an edge is often one of the numbers
        self.edges = torch.from_numpy((scale.edges - scale.mean) / scale.deviation)

    def read(self, logits: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Prediction less target, and whether that is within the tolerance."""
        residual = (logits.float().squeeze(-1) - targets) * self.scale.deviation
        return {"correct": residual.abs() <= self.scale.tolerance, "residual": residual}

    def answered(self, logits: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """The fifth of the training numbers."""
        edges = self.edges.to(logits.device)
        return {"prediction": torch.bucketize(logits.double().squeeze(-1).contiguous(), edges, right=True)}

    def presented(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """By the tolerance."""
        return self.read(logits, targets)["correct"], {}


class ByErrors(ByError):
    """Several numbers per example; errors are in deviations of each number, and one error is the mean over them.

    Targets and answers are centred and scaled as networks learn them, or (`learned=False`) in their own units.
    """

    signals: ClassVar = {
        "correct": torch.bool,
        "residual": torch.float32,
        "squared_error": torch.float64,
        "absolute_error": torch.float32,
    }
    telling = "squared_error"

    def __init__(self, scale: SeveralNumbers, *, learned: bool = True) -> None:
        self.scale = scale
        self.edges = torch.from_numpy(scale.edges)
        self.means = torch.zeros(len(scale.means), dtype=torch.float64) if learned else torch.from_numpy(scale.means)
        self.deviations = torch.ones_like(self.means) if learned else torch.from_numpy(scale.deviations)

    def read(self, logits: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """The mean of the residuals, of their squares and of their sizes, and whether the squares are small enough."""
        off = (logits.float() - targets).double() / self.deviations.to(logits.device)
        squared = off.square().mean(-1)
        return {
            "correct": squared.sqrt() <= self.scale.tolerance,
            "residual": off.mean(-1),
            "squared_error": squared,
            "absolute_error": off.abs().mean(-1),
        }

    def answered(self, logits: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """The fifth in which the mean of the numbers lies."""
        edges = self.edges.to(logits.device)
        scaled = (logits.double() - self.means.to(logits.device)) / self.deviations.to(logits.device)
        return {"prediction": torch.bucketize(scaled.mean(-1), edges, right=True)}


BY_CLASS: Final[Judge] = ByClass()


_JUDGES: Final[dict[type[Learned], Callable[..., Judge]]] = {
    OneClass: lambda scale, *, learned: BY_CLASS,
    LabelSets: BySet,
    Numbers: ByError,
    SeveralNumbers: ByErrors,
}


def judge_of(scale: Learned, *, learned: bool = True) -> Judge:
    """The judge of answers on this scale, `learned` as networks give them or in the unit of the targets."""
    return _JUDGES[type(scale)](scale, learned=learned)


def signals_of_sets(logits: Tensor, targets: Tensor) -> Signals:
    """`logits[..., label]` and `targets[..., label]` of 0 and 1 give the signals of the softmax over all 2^L sets.

    Formula:
        p(S) = prod over labels of sigmoid(±z), so that log p(S) - log p(S') is a sum of logits; log(1 - p) as the sum
        over labels of "right until here, and wrong in this one", which loses no digits
    """
    own = logits.float() * (2 * targets.float() - 1)
    right, wrong = F.logsigmoid(own), F.logsigmoid(-own)
    log_p = right.sum(-1)
    log_rest = (wrong + right.cumsum(-1) - right).logsumexp(-1)
    least = own.amin(-1)
    return Signals(
        log_odds=log_p - log_rest,
        logit_margin=torch.where(least > 0, least, own.clamp(max=0).sum(-1)),
        entropy=-(right.exp() * right + wrong.exp() * wrong).sum(-1),
        top_confidence=F.logsigmoid(own.abs()).sum(-1).exp(),
    )
