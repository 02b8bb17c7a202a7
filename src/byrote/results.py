"""What a measure returns: values with their errors, the counts they rest on, and a reason where one is undefined."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeVar

import numpy as np
from jaxtyping import Bool, Float, Int, Int8, Shaped

from byrote.markup import table_html
from byrote.parts import public
from byrote.tabular import Tabular

PerResult = TypeVar("PerResult", "PerExample", "PerModelExample")

#: Reasons by code; code 0 is "defined".
Reasons = tuple[str, ...]
#: What other values of a figure would come from: other models on the same examples, other examples, or both.
VariesOver = Literal["models", "examples", "models and examples"]
#: What is kept of a figure: its value, its error, and what both rest on.
PARTS: Final = ("value", "stderr", "low", "high", "varies_over", "models", "examples", "reason")
#: A notebook shows so many rows of a result.
SHOWN: Final = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class PerExample(Tabular):
    """One value per example, higher = more memorized.

    `low` and `high` bound a 95 % confidence interval (they need not be symmetric around the value);
    `reason_code` is 0 where the value is defined and otherwise points into `reasons`, where the value is NaN. `ids` are
    the names of the examples, where it came from `Run.measure`.
    """

    values: Float[np.ndarray, " example"]
    stderr: Float[np.ndarray, " example"]
    low: Float[np.ndarray, " example"]
    high: Float[np.ndarray, " example"]
    counts: Mapping[str, Int[np.ndarray, " example"]] = field(default_factory=dict)
    reasons: Reasons = ("",)
    reason_code: Int[np.ndarray, " example"]
    models: int
    note: str = ""
    ids: Shaped[np.ndarray, " example"] | None = None

    def __post_init__(self) -> None:
        assert np.array_equal(np.isnan(self.values), self.reason_code != 0), "a NaN needs a reason, and only a NaN"

    def __repr__(self) -> str:
        defined = self.values[self.reason_code == 0]
        if not len(defined):
            why = self.reason(0) if len(self.values) else "there are none"
            return f"PerExample({len(self.values)} examples, all undefined: {why})"
        return (
            f"PerExample({len(self.values)} examples, {len(defined)} defined, median {np.median(defined):.3g}, "
            f"largest {defined.max():.3g}, from {_models(self.models)})"
        )

    def columns(self) -> Mapping[str, Any]:
        """`example`, `value`, its error and interval, the counts it rests on, and the reason where there is none."""
        return {
            "example": _names(self.ids, len(self.values)),
            **_with_error(self),
            **self.counts,
            "reason": np.array(self.reasons)[self.reason_code],
        }

    def _repr_html_(self) -> str:
        return _html(self, (self.undefined, self.note), highest=True)

    def reason(self, example: int) -> str:
        """Why the value of this example is undefined; empty where it is defined."""
        return self.reasons[int(self.reason_code[example])]

    @property
    def undefined(self) -> str:
        """Which share of the examples has no value, and for most of them why; empty where all have one."""
        count = np.bincount(self.reason_code, minlength=2)[1:]
        if not count.any():
            return ""
        why = self.reasons[1 + int(count.argmax())]
        return f"undefined for {count.sum() / len(self.values):.1%} of the examples, most often because: {why}"


@dataclass(frozen=True, kw_only=True, eq=False)
class PerPair(Tabular):
    """Values of selected (training example, query) pairs, sorted from the largest of each query.

    `counts` are numbers of models that a pair rests on; an unknown error has its reason in `note`.
    """

    example: Int[np.ndarray, " pair"]
    query: Int[np.ndarray, " pair"]
    values: Float[np.ndarray, " pair"]
    stderr: Float[np.ndarray, " pair"]
    low: Float[np.ndarray, " pair"]
    high: Float[np.ndarray, " pair"]
    counts: Mapping[str, Int[np.ndarray, " pair"]] = field(default_factory=dict)
    models: int
    note: str = ""
    ids: Shaped[np.ndarray, " example"] | None = None

    def columns(self) -> Mapping[str, Any]:
        """`example`, `query`, `value`, its error and interval, the counts it rests on, and why an error is unknown."""
        names = self.example if self.ids is None else self.ids[self.example].astype(object)
        return {
            "example": names,
            "query": self.query,
            **_with_error(self),
            **self.counts,
            "reason": np.where(np.isnan(self.values + self.stderr), self.note, ""),
        }

    def _repr_html_(self) -> str:
        return _html(self, (self.note,))

    def __repr__(self) -> str:
        top = f"largest {self.values.max():.3g}, " if len(self.values) else ""
        return f"PerPair({len(self.values)} pairs kept, {top}from {_models(self.models)})"


@dataclass(frozen=True, kw_only=True, eq=False)
class PerModelExample(Tabular):
    """One value for each target model and example, higher = more likely a member: the scores of an attack.

    `references` counts the models that an attacker on this target had; `reason_code` is 0 where the value is
    defined and otherwise points into `reasons`, where the value is NaN.
    """

    values: Float[np.ndarray, "model example"]
    references: Int[np.ndarray, " model"]
    reasons: Reasons = ("",)
    reason_code: Int8[np.ndarray, "model example"]
    models: int
    note: str = ""
    ids: Shaped[np.ndarray, " example"] | None = None

    def __post_init__(self) -> None:
        assert np.array_equal(np.isnan(self.values), self.reason_code != 0), "a NaN needs a reason, and only a NaN"

    def columns(self) -> Mapping[str, Any]:
        """`example`, and the scores of each target model: `model_0` and so on."""
        scores = {f"model_{row}": values for row, values in enumerate(self.values)}
        return {"example": _names(self.ids, self.values.shape[1]), **scores}

    def _repr_html_(self) -> str:
        return _html(self, (self.note,))

    def __repr__(self) -> str:
        models, examples = self.values.shape
        defined = int((self.reason_code == 0).sum())
        return (
            f"PerModelExample({models} target models, {examples} examples, {defined} scores defined, "
            f"{int(np.median(self.references))} reference models)"
        )


def blanked(result: PerResult, bad: Bool[np.ndarray, " example"], reason: str) -> PerResult:
    """A result without values of these examples, for this reason.

    Example:
        >>> one = np.array([0.5])
        >>> found = PerExample(values=one, stderr=one, low=one, high=one, reason_code=np.zeros(1, np.int64), models=2)
        >>> blanked(found, np.array([True]), "who knows").undefined
        'undefined for 100.0% of the examples, most often because: who knows'
    """
    columns = ("values", "stderr", "low", "high") if isinstance(result, PerExample) else ("values",)
    code = np.where(bad, len(result.reasons), result.reason_code).astype(result.reason_code.dtype)
    blank: dict[str, Any] = {name: np.where(bad, np.nan, getattr(result, name)) for name in columns}
    return replace(result, reasons=(*result.reasons, reason), reason_code=code, **blank)


@dataclass(frozen=True, kw_only=True, eq=False)
class PerCanary(Tabular):
    """One value per canary, higher = more memorized, with the chance of one as high for a secret that was never seen.

    `at_least` says where the evidence ends before the value does; the value is then a bound. `p_value` is NaN where
    `values` is. `repetitions` says how often each canary was planted, 0 being a control.
    """

    values: Float[np.ndarray, " canary"]
    stderr: Float[np.ndarray, " canary"]
    low: Float[np.ndarray, " canary"]
    high: Float[np.ndarray, " canary"]
    at_least: Bool[np.ndarray, " canary"]
    p_value: Float[np.ndarray, " canary"]
    repetitions: Int[np.ndarray, " canary"]
    reasons: Reasons = ("",)
    reason_code: Int[np.ndarray, " canary"]
    models: int
    note: str = ""

    def __post_init__(self) -> None:
        assert np.array_equal(np.isnan(self.values), self.reason_code != 0), "a NaN needs a reason, and only a NaN"

    def columns(self) -> Mapping[str, Any]:
        """`canary`, `repetitions`, `value`, its error and interval, whether it is a bound, and its chance."""
        return {
            "canary": np.arange(len(self.values)),
            "repetitions": self.repetitions,
            **_with_error(self),
            "at_least": self.at_least,
            "p_value": self.p_value,
            "reason": np.array(self.reasons)[self.reason_code],
        }

    def _repr_html_(self) -> str:
        return _html(self, (self.note,), highest=True)

    def __repr__(self) -> str:
        defined = self.reason_code == 0
        if not defined.any():
            why = self.reason(0) if len(self.values) else "there are none"
            return f"PerCanary({len(self.values)} canaries, all undefined: {why})"
        top = int(np.nanargmax(self.values))
        return (
            f"PerCanary({len(self.values)} canaries, {int(defined.sum())} defined, median "
            f"{np.nanmedian(self.values):.3g}, largest {'≥ ' * bool(self.at_least[top])}{self.values[top]:.3g}, "
            f"from {_models(self.models)})"
        )

    def reason(self, canary: int) -> str:
        """Why the value of this canary is undefined; empty where it is defined."""
        return self.reasons[int(self.reason_code[canary])]


@dataclass(frozen=True, kw_only=True, eq=False)
class Survival(Tabular):
    """Kaplan-Meier curves, one per group: the share of examples to which an event has not happened by each time.

    `censored` counts the examples of a group to which it never happened while they were watched; `median` is NaN
    where less than half of a group had the event.
    """

    axis: str
    at: Float[np.ndarray, " point"]
    groups: tuple[str, ...]
    values: Float[np.ndarray, "group point"]
    stderr: Float[np.ndarray, "group point"]
    low: Float[np.ndarray, "group point"]
    high: Float[np.ndarray, "group point"]
    median: Float[np.ndarray, " group"]
    counts: Int[np.ndarray, " group"]
    censored: Int[np.ndarray, " group"]
    models: int
    note: str = ""

    def columns(self) -> Mapping[str, Any]:
        """A row a point of each line: `group`, the axis, `value`, its error and interval, `count`, and the reason."""
        return _points(self)

    def _repr_html_(self) -> str:
        return _html(self, (self.note,))

    def __repr__(self) -> str:
        medians = ", ".join(f"{g} {m:.3g}" for g, m in zip(self.groups, self.median, strict=True))
        return f"Survival(over {self.axis}, medians: {medians}, from {_models(self.models)})"


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve(Tabular):
    """Lines over a common axis, one per group; NaN where the group is empty, with the reason in `note`."""

    axis: str
    at: Float[np.ndarray, " point"]
    groups: tuple[str, ...]
    values: Float[np.ndarray, "group point"]
    stderr: Float[np.ndarray, "group point"]
    low: Float[np.ndarray, "group point"]
    high: Float[np.ndarray, "group point"]
    counts: Int[np.ndarray, " group"]
    models: int
    note: str = ""

    def columns(self) -> Mapping[str, Any]:
        """A row a point of each line: `group`, the axis, `value`, its error and interval, `count`, and the reason."""
        return _points(self)

    def _repr_html_(self) -> str:
        return _html(self, (self.note,))

    def __repr__(self) -> str:
        ends = ", ".join(f"{g} {v[-1]:.3g}" for g, v in zip(self.groups, self.values, strict=True))
        return f"Curve(over {self.axis}, at the end: {ends}, from {_models(self.models)})"


@dataclass(frozen=True, kw_only=True, eq=False)
class Scalar(Tabular):
    """One number; NaN with a reason where the data cannot support it.

    `varies_over` says what the error is about: another draw of models on the same examples, of examples, or of both.
    `replicates` are the values with a part of the models left out; `influence` is how far each cluster of examples
    moves the figure, in each part of the models, and is empty where the error is not about examples.
    """

    value: float
    stderr: float
    low: float
    high: float
    models: int
    examples: int
    reason: str = ""
    note: str = ""
    replicates: Float[np.ndarray, " left_out"] = field(default_factory=lambda: np.empty(0))
    varies_over: VariesOver = "models"
    influence: Float[np.ndarray, "part cluster"] = field(default_factory=lambda: np.empty((0, 0)))

    def columns(self) -> Mapping[str, Any]:
        """One row: `value`, `stderr`, `low`, `high`, what it varies over and rests on, and the reason."""
        return {part: [getattr(self, part)] for part in PARTS}

    def _repr_html_(self) -> str:
        return _html(self, (self.note,))

    def __repr__(self) -> str:
        if self.reason:
            return f"Scalar(undefined: {self.reason})"
        return f"Scalar({self.value:.4g} ± {self.stderr:.2g}, 95 % [{self.low:.4g}, {self.high:.4g}])"


@dataclass(frozen=True, kw_only=True, eq=False)
class Table(Tabular):
    """What an analysis found, in the one form that is kept, checked, printed and shown: rows by figures.

    `rows` names what each row is about, a column of words each. `figures` holds one figure per row, with its error;
    None where a row has no such figure. `across` says what the figures are, as "figure" or "arm". `arrays` are columns
    of plain values of equal length; the first names the units, such as examples. `of` names the analysis whose section
    a notebook shows.

    Example:
        >>> auc = Scalar(value=0.75, stderr=0.02, low=0.7, high=0.8, models=8, examples=90)
        >>> Table(title="Attacks", rows={"attack": ("lira",)}, figures={"AUC": (auc,)})
        Attacks
        attack  AUC
        lira    0.750 ± 0.020
    """

    title: str = ""
    rows: Mapping[str, Sequence[str]] = field(default_factory=dict)
    figures: Mapping[str, Sequence[Scalar | None]] = field(default_factory=dict)
    across: str = "figure"
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    of: str = ""

    def __post_init__(self) -> None:
        lengths = {len(column) for column in (*self.rows.values(), *self.figures.values())}
        assert len(lengths) <= 1, "every row has a name and a figure of each kind"
        assert not {*self.rows} & {self.across, *PARTS}, "another column of the kept table has that name"
        assert len({len(array) for array in self.arrays.values()}) <= 1, "arrays are equally long"
        assert self.figures or self.arrays, "a table holds figures, or arrays"

    def cells(self, most: int = 10) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
        """Columns and rows as words: the figures, or, where there are none, the first rows of the arrays."""
        if self.figures:
            names = zip(*self.rows.values(), strict=True)
            values = zip(*self.figures.values(), strict=True)
            made = [
                (*name, *("–" if one is None else decimal(one) for one in line))
                for name, line in zip(names, values, strict=True)
            ]
            return (*self.rows, *self.figures), tuple(made)
        columns = [array[:most].tolist() for array in self.arrays.values()]
        lines = zip(*columns, strict=True)
        return tuple(self.arrays), tuple(tuple(plain_number(value) for value in line) for line in lines)

    def __repr__(self) -> str:
        columns, rows = self.cells()
        widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
        lines = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in (columns, *rows)]
        return "\n".join([*([self.title] if self.title else []), *lines, *_more(self, len(rows)), *self.notes])

    def columns(self) -> Mapping[str, Any]:
        """The figures, a row for each with its parts; of a table without figures its arrays.

        Example:
            >>> auc = Scalar(value=0.75, stderr=0.02, low=0.7, high=0.8, models=8, examples=90)
            >>> found = Table(rows={"attack": ("lira",)}, figures={"AUC": (auc,)}).columns()
            >>> found["attack"], found["figure"], found["low"]
            (['lira'], ['AUC'], [0.7])
        """
        if not self.figures:
            return {key: _objects(array) for key, array in self.arrays.items()}
        names = list(zip(*self.rows.values(), strict=True))
        lines = [
            (*names[row], figure, *(getattr(one, part) for part in PARTS))
            for row in range(len(names))
            for figure, column in self.figures.items()
            if (one := column[row]) is not None
        ]
        return dict(zip((*self.rows, self.across, *PARTS), map(list, zip(*lines, strict=True)), strict=bool(lines)))

    def _repr_html_(self) -> str:
        section: str = public("report.notebook", "section_html")(self) if self.of else ""
        if section:
            return section
        columns, rows = self.cells(SHOWN)
        return table_html(self.title, columns, rows, (*_more(self, len(rows)), *self.notes))


def decimal(figure: Scalar) -> str:
    """A figure with its standard error, to two or three digits of that error."""
    if math.isnan(figure.value):
        return f"undefined ({figure.reason})" if figure.reason else "undefined"
    if math.isnan(figure.stderr):
        return f"{figure.value:.3g}"
    places = min(4, max(2, 1 - math.floor(math.log10(figure.stderr)) if figure.stderr > 0 else 2))
    return f"{figure.value:.{places}f} ± {figure.stderr:.{places}f}"


def plain_number(value: object) -> str:
    """A number without an error, to three digits, and anything else as it is; a dash of what is not known."""
    if isinstance(value, float):
        return "–" if math.isnan(value) else f"{value:.3g}"
    return "–" if value is None else str(value)


Result = PerExample | PerModelExample | PerPair | PerCanary | Curve | Survival | Scalar


def _models(number: int) -> str:
    return f"{number} model{'' if number == 1 else 's'}"


def _more(table: Table, shown: int) -> tuple[str, ...]:
    """How many rows of its arrays are not shown."""
    more = 0 if table.figures else max((len(array) for array in table.arrays.values()), default=0) - shown
    return (f"and {more:,} more",) if more > 0 else ()


def _objects(array: np.ndarray) -> np.ndarray:
    """Texts as Python's, for Arrow ends a text of NumPy's own type at its first null character."""
    return array.astype(object) if array.dtype.kind == "U" else array


def _names(ids: np.ndarray | None, count: int) -> np.ndarray:
    """Ids of examples, or their positions where these are not known."""
    return np.arange(count) if ids is None else _objects(ids)


def _with_error(result: PerExample | PerPair | PerCanary) -> dict[str, np.ndarray]:
    return {"value": result.values, "stderr": result.stderr, "low": result.low, "high": result.high}


def _points(lines: Curve | Survival) -> dict[str, np.ndarray]:
    points = len(lines.at)
    return {
        "group": np.repeat(np.array(lines.groups), points),
        lines.axis: np.tile(lines.at, len(lines.groups)),
        "value": lines.values.ravel(),
        "stderr": lines.stderr.ravel(),
        "low": lines.low.ravel(),
        "high": lines.high.ravel(),
        "count": np.repeat(lines.counts, points),
        "reason": np.where(np.isnan(lines.values + lines.stderr), lines.note, "").ravel(),
    }


def _html(result: Result, notes: Sequence[str], *, highest: bool = False) -> str:
    """A result for a notebook: its first rows, or those of the `highest` values, with intervals and reasons."""
    columns = {name: np.asarray(column) for name, column in result.columns().items()}
    count = len(next(iter(columns.values())))
    chosen = np.arange(count)
    if highest:
        chosen = np.argsort(-np.nan_to_num(columns["value"], nan=-np.inf, posinf=np.inf), kind="stable")
    cells = {name: [_shown(value) for value in column[chosen[:SHOWN]].tolist()] for name, column in columns.items()}
    if "low" in cells:
        ends = zip(cells.pop("low"), cells.pop("high"), strict=True)
        bounds = ["–" if "–" in pair else " to ".join(pair) for pair in ends]
        cells = {
            ("95 % interval" if name == "stderr" else name): bounds if name == "stderr" else cell
            for name, cell in cells.items()
        }
    names = list(cells)[:SHOWN]
    more = f"and {count - SHOWN:,} more" if count > SHOWN else ""
    title = repr(result).partition("(")[2][:-1]
    return table_html(title, names, zip(*(cells[name] for name in names), strict=True), (more, *notes))


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) and not math.isnan(value) else plain_number(value)
