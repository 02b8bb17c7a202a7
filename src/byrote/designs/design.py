"""Design: who is trained on what, fixed before anything trains."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Int8, UInt8

from byrote.errors import BadInput

NO_PAIR = -1
#: The role of a model that is not there yet.
UNTRAINED = -1
ROLES = ("reference", "full", "target")


@dataclass(frozen=True, kw_only=True, eq=False)
class Phase:
    """One stretch of training; a later phase goes on from the network that the earlier one left.

    `count[model, example]` says how often the example is shown per epoch. `labels[example]` overrides labels where
    it is not -1. `epochs` is the length; None takes the recipe's.
    """

    name: str
    count: UInt8[np.ndarray, "model example"]
    epochs: int | None = None
    labels: Int[np.ndarray, " example"] | None = None

    def length(self, otherwise: int) -> int:
        """How many epochs it lasts."""
        return otherwise if self.epochs is None else self.epochs


@dataclass(frozen=True, kw_only=True, eq=False)
class Design:
    """The phases of every model, their pairs and roles.

    `pair[model]` names the complementary pair a model belongs to (-1 = none). `role[model]` indexes `ROLES`:
    reference models make the ensemble, full ones train on all data beside it, targets are what an audit is about.
    """

    name: str
    phases: tuple[Phase, ...]
    pair: Int[np.ndarray, " model"]
    role: Int8[np.ndarray, " model"]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    known: bool = True

    @property
    def models(self) -> int:
        """How many models there are."""
        return len(self.pair)

    @property
    def examples(self) -> int:
        """How many examples the design is about."""
        return int(self.phases[0].count.shape[1])

    @cached_property
    def member(self) -> Int8[np.ndarray, "model example"]:
        """1 where any phase shows the example to the model, 0 where none does, -1 where nobody knows."""
        shown = self.phases[0].count > 0
        for phase in self.phases[1:]:
            shown = shown | (phase.count > 0)
        member = shown.astype(np.int8)
        if not self.known:
            member[self.phases[0].count == UNKNOWN_COUNT] = -1
        return member

    @cached_property
    def level(self) -> Float[np.ndarray, " model"]:
        """The share of the examples that each model was meant to be trained on: equal where sizes differ by accident.

        That of a ratio grid is its ratio; of the other designs that byrote draws, and of full data, models of a role
        have one size. Of any other design sizes count as one where they differ by no more than chance would make them.
        """
        share = (self.member == 1).sum(1) / np.maximum((self.member >= 0).sum(1), 1)
        level = np.full(self.models, np.nan)
        for role in ROLES:
            models = self.models_of(role)
            ratios = self.parameters.get("ratios") if role == "reference" else None
            if ratios is not None and len(models) == len(ratios) * self.parameters["models_per_ratio"]:
                level[models] = np.repeat(np.array(ratios, np.float64), self.parameters["models_per_ratio"])
            elif set(self.name.split("+")) <= ONE_SIZE:
                level[models] = np.median(share[models]) if len(models) else np.nan
            else:
                level[models] = _levels(share[models], self.examples)
        return level

    def models_of(self, role: str) -> Int[np.ndarray, " chosen"]:
        """Indices of the models in that role.

        Raises:
            BadInput: there is no such role.
        """
        if role not in ROLES:
            raise BadInput(f"There is no role {role!r}.", hint=f"the roles are {', '.join(sorted(ROLES))}.")
        return np.flatnonzero(self.role == ROLES.index(role))

    def joined(self, other: Design) -> Design:
        """Both designs' models side by side; pairs keep their partners."""
        lengths = [[phase.epochs for phase in design.phases] for design in (self, other)]
        if lengths[0] != lengths[1]:
            raise BadInput(
                f"Designs of phases of {lengths[0]} and {lengths[1]} epochs cannot be joined.",
                hint="join designs with the same phases.",
            )
        overrides = [[phase.labels for phase in design.phases] for design in (self, other)]
        if not all(np.array_equal(mine, theirs) for mine, theirs in zip(*overrides, strict=True)):
            raise BadInput(
                "Designs with different label overrides cannot be joined.",
                hint="join designs that train on the same labels.",
            )
        phases = tuple(
            replace(a, count=np.concatenate([a.count, b.count])) for a, b in zip(self.phases, other.phases, strict=True)
        )
        shifted = np.where(other.pair >= 0, other.pair + self.pair.max(initial=NO_PAIR) + 1, NO_PAIR)
        return replace(
            self,
            name=f"{self.name}+{other.name}",
            phases=phases,
            pair=np.concatenate([self.pair, shifted]),
            role=np.concatenate([self.role, other.role]),
            parameters={**self.parameters, **other.parameters},
            known=self.known and other.known,
        )

    def restricted_to(self, rows: Int[np.ndarray, " kept"]) -> Design:
        """The same models on these examples only."""
        phases = tuple(
            replace(phase, count=phase.count[:, rows], labels=None if phase.labels is None else phase.labels[rows])
            for phase in self.phases
        )
        return replace(self, phases=phases, parameters={**self.parameters, "restricted": len(rows)})

    def describe(self) -> dict[str, Any]:
        """Name, parameters and phases in plain words, for manifests."""
        return {
            "name": self.name,
            "parameters": dict(self.parameters),
            "models": self.models,
            "phases": [{"name": phase.name, "epochs": phase.epochs} for phase in self.phases],
            "known": self.known,
            "fingerprint": self.fingerprint(),
        }

    def fingerprint(self) -> str:
        """A digest of everything that the design fixes."""
        digest = hashlib.sha256()
        for name, array in self.tensors().items():
            digest.update(f"{name}{array.shape}{array.dtype}".encode())
            digest.update(np.ascontiguousarray(array).data)
        digest.update(json.dumps([[phase.name, phase.epochs] for phase in self.phases]).encode())
        return digest.hexdigest()

    def tensors(self) -> dict[str, np.ndarray]:
        """The arrays as they are written to `design.safetensors`."""
        arrays: dict[str, np.ndarray] = {"pair": self.pair.astype(np.int64), "role": self.role}
        for index, phase in enumerate(self.phases):
            arrays[f"count.{index}"] = phase.count
            if phase.labels is not None:
                arrays[f"labels.{index}"] = phase.labels
        return arrays

    @classmethod
    def from_tensors(cls, arrays: Mapping[str, np.ndarray], described: Mapping[str, Any]) -> Design:
        """What `tensors` and `describe` took apart, put together.

        Raises:
            BadInput: the two do not fit each other, as after an edit by hand.
        """
        try:
            phases = tuple(
                Phase(
                    name=phase["name"],
                    count=arrays[f"count.{index}"],
                    epochs=phase["epochs"],
                    labels=arrays.get(f"labels.{index}"),
                )
                for index, phase in enumerate(described["phases"])
            )
            return cls(
                name=described["name"],
                phases=phases,
                pair=arrays["pair"],
                role=arrays["role"],
                parameters=described["parameters"],
                known=described["known"],
            )
        except (KeyError, TypeError) as error:
            raise BadInput(
                f"The design in the manifest is not that of the run: {type(error).__name__} at {error}.",
                hint="restore the file from a copy, or audit again into another folder; it must not be edited by hand.",
            ) from error


#: A count that stands for "nobody knows whether this was shown"; only in designs of imported or observed runs.
UNKNOWN_COUNT = 255


#: Designs whose models of a role are meant to have one size.
ONE_SIZE = frozenset({"half_subset_pairs", "iid_subsets", "two_splits", "inject", "poison", "coins", "full_data"})
#: Sizes that differ by less than this share of the examples are one; where they scatter, by three standard deviations.
ONE_LEVEL = 0.025
#: Levels that somebody meant have this many models each, on average.
LEAST_OF_A_LEVEL = 3
#: Sizes of one level that differ by more than this are of examples drawn one by one.
EXACT = 0.005


def _levels(share: np.ndarray, examples: int) -> np.ndarray:
    """The median of each run of sizes that lie close together; how close, says whether they scatter by chance."""
    if not len(share):
        return share
    order = np.argsort(share, kind="stable")
    least = max(ONE_LEVEL, 1.5 / max(examples, 1))  # at an odd number halves differ by one example
    pieces = _split(share[order], least)
    if len(pieces) * LEAST_OF_A_LEVEL > len(share) or any(np.ptp(piece) > EXACT for piece in pieces):
        spread = float(np.sqrt(np.mean(share * (1 - share)) / max(examples, 1)))
        wide = _split(share[order], max(least, 3 * spread))
        pieces = [part for piece in wide for part in _narrow(piece, spread)]
    level = np.empty(len(share))
    level[order] = np.concatenate([np.full(len(piece), np.median(piece)) for piece in pieces])
    return level


def _narrow(ascending: np.ndarray, spread: float) -> list[np.ndarray]:
    """Sizes that lie farther apart than chance would have them, in parts of four standard deviations each."""
    if np.ptp(ascending) <= 6 * spread:
        return [ascending]
    part = ((ascending - ascending[0]) / (4 * spread)).astype(np.int64)
    return np.split(ascending, np.flatnonzero(np.diff(part)) + 1)


def _split(ascending: np.ndarray, gap: float) -> list[np.ndarray]:
    return np.split(ascending, np.flatnonzero(np.diff(ascending) > gap) + 1)


def observed(member: Int[np.ndarray, "model example"], pair: Int[np.ndarray, " model"]) -> Design:
    """The design of models that somebody else trained: membership 1, 0 or -1 = unknown, as told."""
    count = member.astype(np.uint8)
    count[member < 0] = UNKNOWN_COUNT
    return Design(
        name="observed",
        phases=(Phase(name="train", count=count),),
        pair=pair.astype(np.int64),
        role=np.zeros(len(member), np.int8),
        known=False,
    )


def one_phase(
    name: str,
    member: np.ndarray,
    *,
    pair: np.ndarray | None = None,
    role: str = "reference",
    **parameters: Any,
) -> Design:
    """A design of a single phase that shows each member once an epoch."""
    models = len(member)
    return Design(
        name=name,
        phases=(Phase(name="train", count=member.astype(np.uint8)),),
        pair=np.full(models, NO_PAIR, np.int64) if pair is None else pair.astype(np.int64),
        role=np.full(models, ROLES.index(role), np.int8),
        parameters=parameters,
    )


def check_sizes(name: str, examples: int, models: int, *, at_least: int) -> None:
    """Refuse a design of too few examples or models, in one sentence."""
    if models < at_least:
        raise BadInput(
            f"The 'models' argument of {name} must be at least {at_least}, so that every example has 2 models trained "
            f"with it and 2 without it. Got {models}.",
            hint="64 models give errors of at most .12 an example; `--models 64`.",
        )
    if examples < 2:
        raise BadInput(
            f"The 'examples' argument of {name} must be at least 2. Got {examples}.",
            hint="give a dataset of more examples.",
        )
