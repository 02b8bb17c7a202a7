"""From a cheap proxy to label memorization: a monotone map learned where an ensemble measured both, with a band."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import isotonic_regression
from scipy.stats import ks_2samp

from byrote.analyses.catalog import analysis
from byrote.blocks import Block, Cell, TableBlock, Words, notes_of, section, sentence
from byrote.errors import BadInput, MissingEvidence, TooFewModels
from byrote.evidence.seals import BLANK, KEY, is_broken, write_sealed
from byrote.measures.catalog import find
from byrote.results import PerExample, Scalar, Table
from byrote.runs.run import Run

#: The band holds this often.
COVERAGE = 0.95
#: At most so many strata of the proxy, from its lowest values to its highest; the band holds in each.
STRATA = 5
#: The map is fitted on all but one of so many folds, and judged on that one.
FOLDS = 10
#: The fewest examples of a stratum from which a band of that coverage can be read.
LEAST_IN_STRATUM = 39


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibration:
    """A monotone map from one score of one training to label memorization, with a prediction interval in each stratum.

    Between the knots the map is linear. `edges` divide the proxy into strata; `below` and `above` are what the band
    of each stratum reaches from the map. `coverage` is what the band covered on examples that neither map nor band
    had seen, by stratum; `about` says what training the proxy came from.

    Example:
        >>> calibration = byrote.calibrate(byrote.Run.open("runs/toy"))
        >>> calibration.save("toy.json")
        >>> byrote.Calibration.load("toy.json").proxy
        'cumulative_sample_loss'
    """

    proxy: str
    knots: Float[np.ndarray, " knot"]
    levels: Float[np.ndarray, " knot"]
    edges: Float[np.ndarray, " edge"]
    below: Float[np.ndarray, " stratum"]
    above: Float[np.ndarray, " stratum"]
    coverage: Float[np.ndarray, " stratum"]
    examples: int
    models: int
    about: dict[str, Any]
    proxy_sample: Float[np.ndarray, " quantile"]

    def save(self, path: str | Path) -> None:
        """Write it as JSON, sealed."""
        write_sealed(Path(path), self.text().encode())

    def text(self) -> str:
        """What `save` writes."""
        plain = {name: v.tolist() if isinstance(v, np.ndarray) else v for name, v in asdict(self).items()}
        return json.dumps({KEY: BLANK, **plain}, indent=1)

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """Read what `save` wrote.

        Raises:
            BadInput: the file is no calibration.
        """
        try:
            content = Path(path).read_bytes()
            plain: dict[str, Any] = {} if is_broken(content) else json.loads(content)
            plain.pop(KEY, None)
            arrays: Any = {name: np.array(v, np.float64) if isinstance(v, list) else v for name, v in plain.items()}
            return cls(**arrays)
        except (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise BadInput(
                f"The file {str(path)!r} is not a calibration ({type(error).__name__}).",
                hint="`byrote calibrate RUN` makes one from a run with an ensemble.",
            ) from None

    def apply(self, scores: Float[np.ndarray, " example"]) -> PerExample:
        """Estimated label memorization of examples of which only the proxy is known.

        `low` and `high` are a prediction interval: a new example's label memorization, as an ensemble of the same
        size would measure it, lies there in 95 % of the cases, if examples are exchangeable with those calibrated on.

        Undefined:
            nan where the proxy is, or where it lies outside of all values calibrated on. The standard error is nan:
            the band is none of a mean.
        """
        known = np.isfinite(scores)
        outside = known & ((scores < self.edges[0]) | (scores > self.edges[-1]))
        filled = np.where(known, scores, self.edges[0])
        values = np.interp(filled, self.knots, self.levels)
        stratum = _stratum(filled, self.edges)
        code = np.select([~known, outside], [1, 2], 0)
        blank = code != 0
        return PerExample(
            values=np.where(blank, np.nan, values),
            stderr=np.full(len(scores), np.nan),
            low=np.where(blank, np.nan, np.clip(values - self.below[stratum], -1, 1)),
            high=np.where(blank, np.nan, np.clip(values + self.above[stratum], -1, 1)),
            counts={"stratum": stratum},
            reasons=("", f"its {self.proxy} is undefined", f"its {self.proxy} lies outside of all calibrated values"),
            reason_code=code,
            models=1,
            note=f"estimated from {self.proxy} of one training, with a {COVERAGE:.0%} prediction interval",
        )


def as_table(found: Calibration) -> Table:
    """A row for each stratum of the proxy: how far the band reaches below and above the map, and what it covered."""
    bounds = zip(found.edges, found.edges[1:], strict=False)
    return Table(
        title=f"{found.proxy} against label memorization",
        rows={"stratum of the score": tuple(f"{low:.3g} to {high:.3g}" for low, high in bounds)},
        figures={
            name: tuple(_plain(float(value), found) for value in of)
            for name, of in (
                ("band below", found.below),
                ("band above", found.above),
                ("held-out coverage", found.coverage),
            )
        },
        notes=(
            f"{found.proxy} was set against label memorization on {found.examples} examples and {found.models} models.",
        ),
    )


def _plain(value: float, found: Calibration) -> Scalar:
    nan = float("nan")
    return Scalar(value=value, stderr=nan, low=nan, high=nan, models=found.models, examples=found.examples)


@analysis(
    asks="What label memorization does a score of one training stand for?",
    needs=("label_memorization",),
    section="3.4",
    name="calibration",
    table=as_table,
)
def calibrate(run: Run, proxy: str = "cumulative_sample_loss") -> Calibration:
    """Learn label memorization from a score of a single training, on a run that has both.

    The score is taken from each network trained on all data by itself, the yardstick from the ensemble. Map and band
    are cross-fitted: the residuals that give the band are those of examples that the map was not fitted on.

    Formula:
        isotonic regression of label memorization on the proxy; in each of at most 5 strata of the proxy the band
        runs from the ceil((n + 1) .975)-th largest residual below to that above, residuals of 10 folds
        (Vovk et al. 2005, Barber et al. 2021, arXiv:1905.02928)

    Raises:
        MissingEvidence: the run has no network trained on all data.
        TooFewModels: the examples are too few for a band in each stratum.

    Example:
        >>> calibration = byrote.calibrate(byrote.Run.open("runs/toy"))
        >>> calibration.proxy, calibration.examples
        ('cumulative_sample_loss', 400)
    """
    scores, yardstick = _pairs(run, proxy)
    least = STRATA * LEAST_IN_STRATUM
    if len(scores) < least * 2:
        raise TooFewModels(
            f"A band of {COVERAGE:.0%} in {STRATA} strata takes {least * 2} examples with both scores. "
            f"Got {len(scores)}.",
            hint="calibrate on a run over more examples.",
        )
    order = np.random.default_rng(0).permutation(len(scores))
    fold = np.argsort(order) % FOLDS
    edges = _edges(scores)
    residuals = _cross_fitted(scores, yardstick, fold)
    stratum = _stratum(scores, edges)
    bands = np.array([_band(residuals[stratum == number]) for number in range(len(edges) - 1)])
    knots, levels = monotone(scores, yardstick)
    return Calibration(
        proxy=proxy,
        knots=knots,
        levels=levels,
        edges=edges,
        below=bands[:, 0],
        above=bands[:, 1],
        coverage=_held_out_coverage(residuals, stratum, fold),
        examples=len(scores),
        models=len(run.models()),
        about={"dataset": run.manifest.dataset["name"], "recipe": run.manifest.identity.get("recipe")},
        proxy_sample=np.quantile(scores, np.linspace(0, 1, 201)),
    )


def estimate(run: Run, calibration: Calibration) -> PerExample:
    """Label memorization of a run with a single model, estimated from its proxy.

    The note says where the run's proxy is distributed otherwise than the one calibrated on, and where the recipes
    differ: the band does not hold there.

    Raises:
        TooFewModels: the run has no model that trained on all examples.

    Example:
        >>> run = byrote.Run.open("runs/toy")
        >>> byrote.estimate(run, byrote.calibrate(run))  # as a rule of another run, which has one model
        PerExample(400 examples, 400 defined, median ..., largest ..., from 1 model)
    """
    models = run.models("full")
    if not len(models):
        models = run.models("reference")
    if len(models) != 1 and not len(run.models("full")):
        raise TooFewModels(
            "An estimate from a proxy is for a run of one training; this one is an ensemble.",
            hint="measure label_memorization itself.",
        )
    result = run.measured_on(calibration.proxy, models[:1])
    assert isinstance(result, PerExample)
    found = calibration.apply(result.values)
    warnings = _differences(run, calibration, result.values)
    return PerExample(**{**_fields(found), "note": "; ".join([found.note, *warnings])})


def monotone(
    scores: Float[np.ndarray, " example"], yardstick: Float[np.ndarray, " example"]
) -> tuple[Float[np.ndarray, " knot"], Float[np.ndarray, " knot"]]:
    """Isotonic regression: its knots and levels; equal scores share a level.

    Example:
        >>> monotone(np.array([1.0, 2.0, 2.0, 3.0]), np.array([0.0, 0.4, 0.2, 0.1]))
        (array([1., 2., 3.]), array([0.        , 0.23333333, 0.23333333]))
    """
    knots, where, count = np.unique(scores, return_inverse=True, return_counts=True)
    means = np.bincount(where, yardstick) / count
    return knots, isotonic_regression(means, weights=count).x


def _pairs(run: Run, proxy: str) -> tuple[np.ndarray, np.ndarray]:
    """Proxy of single trainings and label memorization, one after another, where both are defined."""
    if not find(proxy).suits(run.task):
        raise MissingEvidence(
            f"The proxy {proxy!r} is not for the targets of the run {str(run.folder)!r}, which has {run.learns.says}.",
            hint="--proxy forgetting_events is for targets of any kind.",
        )
    if not find(proxy).scores_examples:
        raise BadInput(
            f"The measure {proxy!r} gives no score per example, so it cannot be a proxy.",
            hint="`byrote measures` lists those that score examples, such as cumulative_sample_loss.",
        )
    models = run.models("full")
    if not len(models):
        raise MissingEvidence(
            "The run has no network trained on all data to take the proxy from.", hint="audit with full=2."
        )
    yardstick = run.measure("label_memorization")
    assert isinstance(yardstick, PerExample)
    single = run.measured_on(proxy, models[:1])
    assert isinstance(single, PerExample)
    known = np.isfinite(single.values) & np.isfinite(yardstick.values)
    return single.values[known], yardstick.values[known]


def _edges(scores: np.ndarray) -> np.ndarray:
    """Bounds of the strata; ties that leave one with too few examples join it to the next lower."""
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, STRATA + 1)))
    least = LEAST_IN_STRATUM * FOLDS / (FOLDS - 1)
    while len(edges) > 2:
        count = np.bincount(_stratum(scores, edges), minlength=len(edges) - 1)
        few = np.flatnonzero(count < least)
        if not len(few):
            break
        edges = np.delete(edges, max(few[-1], 1))
    return edges


def _stratum(scores: np.ndarray, edges: np.ndarray) -> Int[np.ndarray, " example"]:
    return np.clip(np.searchsorted(edges, scores, side="right") - 1, 0, len(edges) - 2)


def _cross_fitted(scores: np.ndarray, yardstick: np.ndarray, fold: np.ndarray) -> np.ndarray:
    residuals = np.empty(len(scores))
    for number in range(FOLDS):
        held = fold == number
        residuals[held] = yardstick[held] - np.interp(scores[held], *monotone(scores[~held], yardstick[~held]))
    return residuals


def _band(residuals: np.ndarray) -> tuple[float, float]:
    """How far below and above the map a new residual lies, with half of the error on either side."""
    rank = int(np.ceil((len(residuals) + 1) * (1 + COVERAGE) / 2))
    ordered = np.sort(residuals)
    return max(0.0, -float(ordered[len(ordered) - rank])), max(0.0, float(ordered[rank - 1]))


def _held_out_coverage(residuals: np.ndarray, stratum: np.ndarray, fold: np.ndarray) -> np.ndarray:
    covered, strata = np.empty(len(residuals), bool), int(stratum.max()) + 1
    for number in range(FOLDS):
        for here in range(strata):
            held, others = (stratum == here) & (fold == number), (stratum == here) & (fold != number)
            below, above = _band(residuals[others])
            covered[held] = (residuals[held] >= -below) & (residuals[held] <= above)
    return np.bincount(stratum, covered) / np.bincount(stratum)


def _differences(run: Run, calibration: Calibration, scores: np.ndarray) -> list[str]:
    found = []
    if run.manifest.identity.get("recipe") != calibration.about["recipe"]:
        found.append("the recipe is not the one calibrated on, so the band need not hold")
    known = scores[np.isfinite(scores)]
    distance = ks_2samp(known, calibration.proxy_sample)
    if distance.pvalue < 0.001:
        found.append(
            f"the proxy is distributed otherwise than where it was calibrated (Kolmogorov-Smirnov distance "
            f"{distance.statistic:.2f}), so the band need not hold"
        )
    return found


def _fields(result: PerExample) -> dict[str, Any]:
    return {name: getattr(result, name) for name in result.__dataclass_fields__}


@section(of="calibration", title="Label memorization from a score of one training", order=58)
def shown(table: Table) -> Iterable[Block]:
    """What the score was set against, and the band of each stratum."""
    yield from notes_of(table)
    columns = [[None if one is None else one.value for one in column] for column in table.figures.values()]
    rows: tuple[tuple[Cell, ...], ...] = tuple(zip(*table.rows.values(), *columns, strict=True))
    yield TableBlock(title=table.title, columns=(*table.rows, *table.figures), rows=rows)


def highest(found: PerExample, ids: np.ndarray, top: int = 10) -> Iterable[Block]:
    """The examples of the highest estimates, each with its band, and what to know of it."""
    order = np.argsort(-found.values, kind="stable")[:top]
    values, low, high = (of[order].tolist() for of in (found.values, found.low, found.high))
    rows = tuple(zip(ids[order].tolist(), values, low, high, strict=True))
    yield TableBlock(title="", columns=("example", "value", "low", "high"), rows=rows)
    yield Words(text=sentence(found.note))
