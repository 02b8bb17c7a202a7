"""The catalog: every measure with the facts that the command line, the documentation and the planner read."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, ParamSpec, TypedDict, TypeVar, Unpack

import numpy as np

from byrote.errors import BadInput, meant
from byrote.evidence.schema import kind_of
from byrote.parts import load_package
from byrote.results import PerExample, PerModelExample, Result

P = ParamSpec("P")
R = TypeVar("R", bound=Result)
Role = Literal["reference", "full", "target"]
#: Values with each part of the models left out, `[part, example]`, of the part that each model is left out with and
#: of the evidence by parameter.
Without = Callable[[np.ndarray, Mapping[str, Any]], np.ndarray | None]
#: An attack's scores again, of the models kept (whole pairs) where model k has the members of model `given[k]`.
Again = Callable[[np.ndarray, np.ndarray], np.ndarray]
#: The result and these values.
Together = Callable[[np.ndarray, Mapping[str, Any]], tuple[PerExample, np.ndarray] | None]

_REGISTERED: dict[str, Measure] = {}


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A pure function of evidence and what there is to know about it.

    `section`, `domain`, `level` and `evaluation` are the survey's own taxonomy (Wei et al. 2025, Tables 2 and 3).
    `by_example` says that an example's value depends on no other example, so that the measure may run over
    blocks of examples. `without(part, evidence)`, where there is one, gives the values with each part of the models
    left out, `[part, example]`, from sums; None where this evidence has no such form. `together(part, evidence)` gives
    the result and these values at once, where both come from the same sums. `by_model` names parameters of which it is
    given a sequence with an array for each model, so that one of them is in memory at a time.
    """

    name: str
    variant: str
    function: Callable[..., Result]
    needs: tuple[str, ...]
    unit: str
    range: tuple[float, float]
    higher: str
    source: str
    section: str
    domain: Literal["generalization", "security"]
    level: Literal["example", "model", "pair"]
    evaluation: str
    by_example: bool
    without: Without | None = None
    together: Together | None = None
    again: Callable[[Mapping[str, np.ndarray]], Again | None] | None = None
    by_model: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """`name` of the default form, `name[variant]` of any other."""
        return f"{self.name}[{self.variant}]" if self.variant else self.name

    @property
    def title(self) -> str:
        """The first line of the docstring: what the number means."""
        return inspect.getdoc(self.function).splitlines()[0]  # type: ignore[union-attr]

    @property
    def scores_examples(self) -> bool:
        """Whether the result is one value per example."""
        return inspect.signature(self.function).return_annotation in ("PerExample", PerExample)

    @property
    def attacks(self) -> bool:
        """Whether the result is one value a target model and example: the scores of a membership attack."""
        return inspect.signature(self.function).return_annotation in ("PerModelExample", PerModelExample)

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of evidence that it reads."""
        return frozenset(need.split(".")[0] for need in self.needs)

    @property
    def of_text(self) -> bool:
        """Whether it reads evidence that only the run of a language model holds."""
        return bool(self.text_kinds)

    @property
    def text_kinds(self) -> frozenset[str]:
        """The kinds of evidence that it reads and only the run of a language model holds."""
        return frozenset(kind for kind in self.kinds if kind_of(kind).of_text)

    def unasked(self, recorded: Collection[str]) -> frozenset[str]:
        """The probes that record evidence which it needs and the run lacks."""
        lacking = (kind_of(kind) for kind in self.kinds if kind not in recorded)
        return frozenset(kind.probe for kind in lacking if kind.probe)

    def unprobed(self, recorded: Collection[str]) -> frozenset[str]:
        """The same for probes that read weights after the training."""
        lacking = (kind_of(kind) for kind in self.kinds if kind not in recorded)
        return frozenset(kind.probed_later for kind in lacking if kind.probed_later)

    def suits(self, task: str) -> bool:
        """Whether a run of that task ("classes", "labels" or "regression") records what it reads."""
        return self.of_text or all(task in kind_of(need).tasks_of(need.split(".")[1]) for need in self.needs)

    @property
    def parameters(self) -> dict[str, str]:
        """Evidence name by parameter name: `outputs.correct` is handed over as `correct`."""
        return {need.split(".")[1]: need for need in self.needs}


class Facts(TypedDict, total=False):
    """What there is to know about a measure beside its evidence, as `Measure` has it."""

    unit: str
    range: tuple[float, float]
    higher: str
    source: str
    section: str
    domain: Literal["generalization", "security"]
    level: Literal["example", "model", "pair"]
    evaluation: str
    by_example: bool


def measure(
    *,
    needs: Sequence[str],
    variant_of: str = "",
    variant: str = "",
    without: Without | None = None,
    together: Together | None = None,
    again: Callable[[Mapping[str, np.ndarray]], Again | None] | None = None,
    by_model: Sequence[str] = (),
    **facts: Unpack[Facts],
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Enter a function into the catalog and hand it back as it is.

    A variant names the measure that it is a form of: `variant_of="label_memorization", variant="probability"`. It has
    that measure's facts, if that was entered before, apart from those that it states itself.
    `without` is a faster way to the values with parts of the models left out than to run it again, part by part;
    `together` a faster way to the result and these; `again` is a faster way to the scores of an attack without parts of
    the models, or with members swapped; `by_model` names parameters that it goes through a model at a time.
    """
    base = _REGISTERED.get(variant_of)
    known: dict[str, Any] = {} if base is None else {name: getattr(base, name) for name in Facts.__annotations__}

    def register(function: Callable[P, R]) -> Callable[P, R]:
        entry = Measure(
            name=variant_of or function.__name__,
            variant=variant,
            function=function,
            needs=tuple(needs),
            without=without,
            together=together,
            again=again,
            by_model=tuple(by_model),
            **{**known, **facts},
        )
        _REGISTERED[entry.key] = entry
        return function

    return register


@cache
def _load_all() -> None:
    load_package("byrote.measures", "byrote.measures")


def catalog() -> dict[str, Measure]:
    """Every measure by its key, sorted; those of other packages (entry point group `byrote.measures`) included."""
    _load_all()
    return dict(sorted(_REGISTERED.items()))


def find(key: str) -> Measure:
    """The measure of that key.

    Raises:
        BadInput: there is none; the hint names the closest.
    """
    known = catalog()
    if key not in known:
        raise BadInput(
            f"There is no measure {key!r}.",
            hint=f"{meant(key, known)}`byrote measures` lists all {len(known)}, as label_memorization.",
        )
    return known[key]
