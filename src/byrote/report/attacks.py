"""What memorization puts at risk: membership attacks on every model of a run, whom they find, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property, partial
from typing import Any

import numpy as np
from jaxtyping import Int

from byrote.analyses.membership import AttackFigures, membership_attack
from byrote.axes import EXAMPLE, MODEL
from byrote.evidence.schema import quantity
from byrote.report.missing import Missing, where_possible
from byrote.report.summary import percent
from byrote.report.text import kind_words, number
from byrote.results import Scalar
from byrote.runs.run import OnProgress, Run
from byrote.stats.attack_figures import RATES, precision_name, tpr_name

#: The area under the curve of an attacker who guesses.
GUESSING = 0.5
#: LiRA is the attack that was named before anything was measured; the others stand beside it.
KEYS = ("lira", "rmia", "loss_attack")
KEYS_OF = {"regression": ("lira[residual]",)}
_NAMES = {"lira": "LiRA", "lira[residual]": "LiRA", "rmia": "RMIA", "loss_attack": "loss"}
#: Attacks are made on a sample of the examples where all have more (model, example) cells than this.
MOST_CELLS = 2**18
#: The rate of false accusations that the sentences tell of.
TOLD = 0.01
#: Of those accused at that rate, who is right where so large a share of those attacked are members.
PRIOR = 0.1


@dataclass(frozen=True, kw_only=True)
class Attacks:
    """Attacks that could be made, the one named beforehand first, and why others could not.

    `examples` were attacked out of `total`, drawn at random where these are fewer.
    """

    found: tuple[AttackFigures, ...]
    refused: tuple[tuple[str, Missing], ...]
    examples: int
    total: int

    @property
    def first(self) -> AttackFigures:
        """The attack that the sentences are about."""
        return self.found[0]


@dataclass(frozen=True, kw_only=True)
class AttackRow:
    """One attack as a row of a table."""

    name: str
    key: str
    references: str
    cells: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Some of the examples, and how well they are found."""

    axis: str
    name: str
    examples: int
    auc: Scalar
    found: Scalar


def attacks(run: Run, on_progress: OnProgress) -> Attacks | Missing:
    """The attacks on a run's models; `on_progress` gets the share of them that is done."""
    part = sampled(run)
    found, refused = [], []
    keys = KEYS_OF.get(run.task, KEYS)
    for done, key in enumerate(keys, start=1):
        result = where_possible(partial(membership_attack, part, key))
        if isinstance(result, Missing):
            refused.append((key, result))
        else:
            found.append(result)
        on_progress(done / len(keys))
    if not found:
        return refused[0][1]
    return Attacks(found=tuple(found), refused=tuple(refused), examples=len(part.ids), total=len(run.ids))


def attack_name(found: AttackFigures) -> str:
    """An attack in words."""
    return _NAMES.get(found.attack, kind_words(found.attack))


def risk_words(attacks: Attacks, its: str = "its label") -> str:
    """What an attacker learns, in two sentences."""
    found = attacks.first
    auc, rate = found.figures["auc"], found.figures[tpr_name(TOLD)]
    knows = f" and has {found.references} models of its own, trained like these" if found.references else ""
    who = f"An attacker who knows an example and {its}{knows} ({attack_name(found)})"
    null = f"{number(found.null.value, 3)} where membership was swapped at random"
    area = f"AUC {brief(auc)}, where .5 is guessing and {null}"
    if math.isnan(auc.value):
        return f"{who} could not be judged: {auc.reason}."
    if math.isnan(rate.value):
        return f"{who} tells members from others with {area}. No rate is told: {rate.reason}."
    surer = precision_words(found.figures[precision_name(TOLD, PRIOR)])
    verdict = "That is no more than chance gives, as far as these models can tell."
    if auc.low > found.null.high:
        verdict = "That is more than chance."
    elif auc.low > GUESSING:  # the figure stands off guessing, and the null is too wide to say whether it should
        verdict = (
            f"{found.models} models are too few to tell whether that is more than chance: with membership swapped at "
            f"random the area lies anywhere from {number(found.null.low, 2)} to {number(found.null.high, 2)}."
        )
    return (
        f"{who} recognises {percent(rate)} of the examples that a model was trained on while accusing one in a hundred "
        f"of the others wrongly; guessing would recognise 1 % ({area}). {verdict}{surer}"
    )


def precision_words(right: Scalar) -> str:
    """How many accusations are right where one in ten are members; a sentence to follow another, or none."""
    if math.isnan(right.value):
        return ""
    return f" Where one in ten of those attacked are members, {percent(right)} of such accusations are right."


def attack_columns() -> tuple[str, ...]:
    """The columns of `attack_rows`."""
    rates = [f"TPR at {100 * rate:g} % FPR" for rate in RATES]
    return ("Attack", "Reference models", "AUC", "null AUC", "balanced accuracy", *rates)


def attack_rows(attacks: Sequence[AttackFigures]) -> tuple[AttackRow, ...]:
    """Each attack's figures in words; a rate that cannot be told says why."""
    return tuple(
        AttackRow(
            name=attack_name(found),
            key=found.attack,
            references=f"{found.references:,}",
            cells=(
                brief(found.figures["auc"]),
                f"{number(found.null.value, 3)} ({number(found.null.low, 3)} to {number(found.null.high, 3)})",
                percent(found.figures["balanced_accuracy"]),
                *(_rate(found.figures[tpr_name(rate)]) for rate in RATES),
            ),
        )
        for found in attacks
    )


def refusals(attacks: Sequence[AttackFigures]) -> tuple[str, ...]:
    """Why rates are refused, each reason once."""
    reasons = [found.figures[tpr_name(rate)].reason for found in attacks for rate in RATES]
    return tuple(dict.fromkeys(reason for reason in reasons if reason))


def slices(found: AttackFigures) -> tuple[Slice, ...]:
    """Every slice of an attack, by axis: tenths in their order, all else from the highest risk."""
    return tuple(each for axis, named in found.slices.items() for each in _of_axis(axis, named))


def _of_axis(axis: str, named: Mapping[str, Mapping[str, Scalar]]) -> Iterator[Slice]:
    made = [
        Slice(axis=axis, name=name, examples=values["auc"].examples, auc=values["auc"], found=values[tpr_name(TOLD)])
        for name, values in named.items()
    ]
    if axis == "memorization":
        return iter(sorted(made, key=lambda each: -int(each.name)))
    return iter(sorted(made, key=lambda each: (-np.nan_to_num(each.auc.value, nan=-1.0), each.name)))


def _rate(figure: Scalar) -> str:
    return "refused" if figure.reason else percent(figure)


def brief(figure: Scalar) -> str:
    """A figure with its error, to three decimals."""
    if math.isnan(figure.value):
        return "undefined"
    return number(figure.value, 3) + ("" if math.isnan(figure.stderr) else f" ± {number(figure.stderr, 3)}")


def sampled(run: Run, cells: int = MOST_CELLS) -> Run:
    """The run, or one of some of its examples drawn at random where all would be too many."""
    models = len(run.models())
    if models * len(run.ids) <= cells:
        return run
    count = max(1, cells // models)
    return some(run, np.sort(np.random.default_rng(0).choice(len(run.ids), count, replace=False)))


def some(run: Run, rows: Int[np.ndarray, " row"]) -> Run:
    """The run with these examples only, for what pools over examples."""
    held: dict[str, Any] = {each.name: getattr(run, each.name) for each in fields(run) if each.init}
    held |= {
        "ids": run.ids[rows],
        "labels": run.labels[rows],
        "dataset": None if run.dataset is None else run.dataset.subset(rows),
        "_replicates": {},
    }
    return _Some(rows=rows, **held)


@dataclass(kw_only=True, eq=False)
class _Some(Run):
    """A run of some of the examples of another."""

    rows: np.ndarray

    @property
    def groups(self) -> np.ndarray | None:
        """The groups of these examples."""
        return None if self.all_groups is None else self.all_groups[self.rows]

    @property
    def undefined(self) -> np.ndarray:
        """Which of these examples have no value."""
        return np.asarray(super().undefined[self.rows])

    @cached_property
    def numbers(self) -> np.ndarray:
        """The numbers of these examples."""
        return np.asarray(super().numbers[self.rows])

    def load(self, name: str, models: Sequence[int] | np.ndarray, examples: slice = slice(None)) -> np.ndarray:
        if name.startswith(("data.", "controls.")):
            return super().load(name, models, examples)
        entry, load = quantity(name), super().load
        if EXAMPLE not in entry.dims:
            return load(name, models)
        rows, axis = self.rows[examples], entry.dims.index(EXAMPLE)
        if entry.fact or entry.dims[0] != MODEL or not len(models):
            return np.take(load(name, models), rows, axis)
        # a model at a time: all examples of all models may not fit into memory
        return np.concatenate([np.take(load(name, [int(model)]), rows, axis) for model in models])
