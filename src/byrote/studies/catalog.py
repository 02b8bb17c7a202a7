"""The catalog of studies: a claim, how it is judged, and what was fixed of it before anything ran.

A study is one file with a function `(bench) -> Verdict` under `@study`. What it reads off its models is a pure function
of arrays, so that its two arms can try it on simulated evidence: one where the effect equals the margin, in which the
claim may hold by chance only, and one with the effect planted, in which it must hold.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from jaxtyping import Float

from byrote.errors import BadInput, find
from byrote.parts import load_package
from byrote.stats.verdicts import Verdict, judge

if TYPE_CHECKING:
    from byrote.recipes.algorithm import TrainingRecipe
    from byrote.studies.bench import Bench

#: So often each arm is tried; how often the claim holds in them, at most and at least.
TRIES: Final = 200
MOST_NULL, LEAST_PLANTED = 16, 190
#: The way in which verdicts are reached; another one makes another version of every study.
FRAME: Final = 1

Arm = Callable[[np.random.Generator, int], Float[np.ndarray, " unit"]]
_REGISTERED: dict[str, Study] = {}


@dataclass(frozen=True, kw_only=True)
class Study:
    """A claim of the survey (Wei et al. 2025), and how it is tried.

    The claim is that the mean `effect` lies above `margin`. `units` are the models, or pairs of models, that the
    effect is measured on; `seed` fixes them. `minutes` is the processor time that it was measured to take on its own
    data; `caveat` says what it does not show. `null` and `planted` give the units of simulated evidence. `recipe` is
    what the digits are trained with, None for the usual one.
    """

    claim: str
    section: str
    says: str
    effect: str
    unit: str
    margin: float
    units: int
    seed: int
    minutes: float
    caveat: str
    null: Arm
    planted: Arm
    function: Callable[[Bench], Verdict]
    recipe: TrainingRecipe | None = None

    def fixed(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """All that is fixed before it runs: claim, effect, margin, seeds, its program, and the data."""
        facts = {name: getattr(self, name) for name in ("claim", "says", "effect", "unit", "margin", "units", "seed")}
        fixed = {**facts, "program": self.program(), "frame": FRAME, "data": dict(data)}
        return dict(json.loads(json.dumps(fixed, default=str)))

    def program(self) -> str:
        """The digest of the file that it stands in.

        Raises:
            BadInput: it does not stand in a file.
        """
        file = inspect.getsourcefile(self.function)
        if file is None or not Path(file).is_file():
            raise BadInput(
                f"The study {self.claim!r} is not in a file, so it is unknown what was fixed beforehand.",
                hint="write it into a .py file and import that.",
            )
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()

    def arms(self) -> tuple[int, int]:
        """In how many of 200 tries the claim holds in the null arm, and in the planted arm."""
        null, planted = (_holds(arm, self.units, self.margin) for arm in (self.null, self.planted))
        return null, planted

    def refuse_unfit(self) -> tuple[int, int]:
        """How often the claim holds in its arms.

        Raises:
            BadInput: that is too often in the null arm, or too seldom in the planted one.
        """
        null, planted = self.arms()
        if null > MOST_NULL or planted < LEAST_PLANTED:
            raise BadInput(
                f"The study {self.claim!r} cannot judge its claim: of {TRIES} tries it holds in {null} where the "
                f"effect equals the margin, and in {planted} where it is planted.",
                hint=f"they must be at most {MOST_NULL}, and at least {LEAST_PLANTED}; mend the effect or the arms.",
            )
        return null, planted


@cache
def _holds(arm: Arm, units: int, margin: float) -> int:
    """In how many of the tries of an arm the claim holds."""
    tries = (judge(arm(np.random.default_rng([number, 5]), units), margin) for number in range(TRIES))
    return sum(one.outcome == "holds" for one in tries)


def digest(fixed: Mapping[str, Any]) -> str:
    """SHA-256 of what was fixed, in one spelling."""
    return hashlib.sha256(json.dumps(fixed, sort_keys=True).encode()).hexdigest()


def study(
    *,
    claim: str,
    section: str,
    says: str,
    effect: str,
    unit: str,
    margin: float,
    minutes: float,
    null: Arm,
    planted: Arm,
    units: int = 8,
    seed: int = 0,
    caveat: str = "",
    recipe: TrainingRecipe | None = None,
) -> Callable[[Callable[[Any], Verdict]], Callable[[Any], Verdict]]:
    """Enter a function `(bench) -> Verdict` into the catalog and hand it back as it is. Fields: see `Study`."""

    def register(function: Callable[[Any], Verdict]) -> Callable[[Any], Verdict]:
        _REGISTERED[claim] = Study(
            claim=claim,
            section=section,
            says=says,
            effect=effect,
            unit=unit,
            margin=margin,
            units=units,
            seed=seed,
            minutes=minutes,
            caveat=caveat,
            null=null,
            planted=planted,
            function=function,
            recipe=recipe,
        )
        return function

    return register


@cache
def _load_all() -> None:
    load_package("byrote.studies", "byrote.studies")


def studies() -> dict[str, Study]:
    """Every study by its claim, in the order of the survey; with those of the entry point group `byrote.studies`."""
    _load_all()
    order = sorted(_REGISTERED, key=lambda claim: (len(claim), claim))
    return {claim: _REGISTERED[claim] for claim in order}


def find_study(claim: str) -> Study:
    """The study of that claim.

    Raises:
        BadInput: no study has that claim; the hint names the closest.
    """
    return find(studies(), claim, "study", "studies")
