"""Looks at an audit that is still training: what the models that are there tell already.

The looks fall where blocks end, so that evidence is the same with and without them. Models on all data are trained
first, for one training that is watched ranks wrong labels; then the first of the ensemble, in small blocks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from jaxtyping import Int

from byrote.designs.design import Design

#: Numbers of models of the ensemble after which there is a look, if they are at most half of it.
LOOKS: Final = (4, 8, 16, 32)
#: Is told which models are there, how many models are trained, parts of models included, and the seconds to come.
OnLook = Callable[[Sequence[int], float], None]


def looks_of(design: Design) -> tuple[int, ...]:
    """After how many models of the ensemble to look at a training of pairs; never at other trainings.

    Example:
        >>> from byrote.designs.half_subset_pairs import half_subset_pairs
        >>> looks_of(half_subset_pairs(10, 16, rng=np.random.default_rng(0)))
        (4, 8)
    """
    reference = design.models_of("reference")
    if not len(reference) or len(design.phases) > 1 or (design.pair[reference] < 0).any():
        return ()
    return looks_among(len(reference))


def looks_among(models: int) -> tuple[int, ...]:
    """The same of an ensemble of so many models."""
    return tuple(look for look in LOOKS if 2 * look <= models)


def stages(design: Design) -> list[Int[np.ndarray, " model"]]:
    """The models in the order in which they are trained: those on all data, then the ensemble from look to look."""
    looks = looks_of(design)
    if not looks:
        return [np.arange(design.models)]
    reference = design.models_of("reference")
    rest = np.setdiff1d(np.arange(design.models), reference)
    return [part for part in (rest, *np.split(reference, looks)) if len(part)]


def there(design: Design, models: Sequence[int]) -> Int[np.ndarray, " there"]:
    """Of these trained models those to look at: whole pairs, and those without a pair."""
    trained = np.isin(np.arange(design.models), list(models))
    left = design.pair[~trained]
    return np.flatnonzero(trained & ~np.isin(design.pair, left[left >= 0]))


@dataclass(eq=False)
class Looks:
    """Calls `look` when the models for another look are there; those of `done` were there at the beginning."""

    design: Design
    look: OnLook
    done: set[int] = field(default_factory=set)
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.first = float(len(self.done))
        self.last = self._reached()

    def finished(self, models: Sequence[int], trained: float) -> None:
        """Models are done; so many are trained by now, parts of models included."""
        self.done |= set(models)
        reached = self._reached()
        if reached > self.last:
            self.last = reached
            seconds = (time.monotonic() - self.started) / max(trained - self.first, 1e-9)
            self.look(there(self.design, sorted(self.done)).tolist(), seconds * (self.design.models - trained))

    def _reached(self) -> int:
        """The last look whose models are there; 1 is a look at a training on all data, 0 none."""
        here = there(self.design, sorted(self.done))
        ensemble = int((self.design.role[here] == 0).sum())
        looks = looks_of(self.design)
        return max([look for look in looks if look <= ensemble], default=int(bool(looks) and len(here) > ensemble))
