"""Which cheap proxy can be trusted on this data: every score of a run beside label memorization and the controls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float

from byrote.analyses.catalog import analysis
from byrote.analyses.detection import detected
from byrote.blocks import Block, TableBlock, Words, figure_rows, notes_of, section
from byrote.errors import MissingEvidence, TooFewModels
from byrote.measures.catalog import Measure, catalog
from byrote.results import PerExample, Scalar, Table
from byrote.runs.run import Run
from byrote.stats.contrasts import too_few
from byrote.stats.intervals import Bounds
from byrote.stats.jackknife import from_replicates, parts
from byrote.stats.ranking import ranks
from byrote.stats.rates import rates

#: What the proxies stand in for.
YARDSTICK = "label_memorization"
#: The score that costs nothing: what do others add to it?
GIVEN = "cumulative_sample_loss"
#: Figures of the table: the partial correlation given that score, that of one training, and precision by control.
LEFT_GIVEN = f"rank_correlation_given_{GIVEN}"
ONE_TRAINING = "rank_correlation_of_one_training"
PRECISION = "average_precision."
#: Share of the examples whose overlap is asked.
TOP = 0.05
#: A reliability is the mean over this many random halvings of the pairs.
HALVINGS = 20


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """One score beside the yardstick. Detection figures are by kind of planted control.

    `one_training` is the rank correlation of the score of a single network trained on all data, the mean over those
    that the run has; None where it has none or the score needs an ensemble. `adds` is the rank correlation that is left
    given cumulative sample loss; None for that score itself, and in a run that does not hold it.
    """

    measure: Measure
    rank_correlation: Scalar
    adds: Scalar | None
    top_recall: Scalar
    one_training: Scalar | None
    auroc: dict[str, Scalar] = field(default_factory=dict)
    average_precision: dict[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All scores of a run, the one that agrees best with label memorization first."""

    proxies: tuple[Proxy, ...]
    kinds: tuple[str, ...]
    reliability: float
    models: int
    notes: tuple[str, ...]


def as_table(found: Comparison) -> Table:
    """A row for each score, a column for each figure."""
    proxies = found.proxies
    figures: dict[str, tuple[Scalar | None, ...]] = {
        "rank_correlation": tuple(proxy.rank_correlation for proxy in proxies),
        LEFT_GIVEN: tuple(proxy.adds for proxy in proxies),
        "top_recall": tuple(proxy.top_recall for proxy in proxies),
    }
    if any(proxy.one_training for proxy in proxies):
        figures[ONE_TRAINING] = tuple(proxy.one_training for proxy in proxies)
    for kind in found.kinds:
        figures[f"auroc.{kind}"] = tuple(proxy.auroc[kind] for proxy in proxies)
        figures[f"{PRECISION}{kind}"] = tuple(proxy.average_precision[kind] for proxy in proxies)
    return Table(
        title=f"Every score beside {YARDSTICK}",
        rows={"score": tuple(proxy.measure.key for proxy in proxies)},
        figures=figures,
        notes=found.notes,
    )


@analysis(
    asks="Which cheap score can be trusted here?",
    needs=("label_memorization",),
    section="3.4",
    name="comparison",
    table=as_table,
)
def compare(run: Run) -> Comparison:
    """Every score by example beside label memorization and beside what was planted.

    Rank correlations and overlaps have delete-one-pair intervals, both sides computed anew without each part. What a
    score adds is its partial rank correlation given cumulative sample loss, which any training gives for nothing. The
    scores come from the same models as the yardstick, so that they share its noise; `one_training` does not.

    Raises:
        MissingEvidence, TooFewModels: label memorization cannot be measured.

    Example:
        >>> found = byrote.compare(byrote.Run.open("runs/tiny"))
        >>> [proxy.measure.key for proxy in found.proxies]
        ['consistency_score']
    """
    yardstick = _Ranked.of(run, YARDSTICK)
    given = _Ranked.of(run, GIVEN) if _holds(run, GIVEN) else None
    kinds = {kind: run.controls.mask(run.ids, kind) for kind in run.controls.kinds()}
    clean = ~np.any([np.zeros(len(run.ids), bool), *kinds.values()], axis=0)
    proxies: list[Proxy] = []
    notes: list[str] = []
    unasked: list[Measure] = []
    for key, entry in catalog().items():
        if not entry.scores_examples or entry.of_text or key == YARDSTICK or not entry.suits(run.task):
            continue
        if entry.unasked(run.manifest.evidence) or entry.unprobed(run.manifest.evidence):
            unasked.append(entry)
            continue
        try:
            proxies.append(_proxy(run, entry, kinds, clean, yardstick, given))
        except (MissingEvidence, TooFewModels) as error:
            notes.append(f"{key}: not compared, because {error.message}")
    notes += unasked_words(run, unasked)
    reliability = _reliability(run)
    models = len(run.models())
    notes += [
        _unreliable(run, models)
        if np.isnan(reliability)
        else f"With {models} models label memorization itself has a reliability of {reliability:.2f}: a score "
        f"without any noise of its own that ranks as it does would reach a rank correlation of about "
        f"{np.sqrt(max(reliability, 0)):.2f}.",
        "Each interval holds by itself; the best of many scores looks better than it is.",
    ]
    proxies.sort(key=lambda proxy: -np.nan_to_num(proxy.rank_correlation.value, nan=-2))
    return Comparison(
        proxies=tuple(proxies),
        kinds=tuple(kinds),
        reliability=reliability,
        models=len(run.models()),
        notes=tuple(notes),
    )


def unasked_words(run: Run, unasked: Sequence[Measure]) -> list[str]:
    """A note on measures whose probes were not requested, and one on those whose probes read weights after training.

    A note names each probe once. Without such a measure there is no note.
    """
    recorded = run.manifest.evidence
    there = [entry for entry in unasked if run.unread(entry)]
    others = [entry for entry in unasked if entry not in there]
    notes = []
    for lacking, how in (
        ({entry.key: run.unread(entry) for entry in there}, "use byrote probe RUN"),
        ({entry.key: entry.unasked(recorded) for entry in others}, "audit into another folder with --probe"),
        ({entry.key: entry.unprobed(recorded) for entry in others}, "keep weights, and then use byrote probe RUN"),
    ):
        names, count = sorted({name for one in lacking.values() for name in one}), sum(map(bool, lacking.values()))
        if names:
            subject = "1 measure was" if count == 1 else f"{count} measures were"
            notes.append(
                f"{subject} not computed, because their probes were not requested. To record them, {how}: "
                f"{', '.join(names)}."
            )
    return notes


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's, over the examples where both are defined; NaN where one of them is constant there.

    Example:
        >>> rank_correlation(np.array([1.0, 2.0, 4.0, np.nan]), np.array([5.0, 6.0, 9.0, 0.0]))
        1.0
    """
    known = np.isfinite(one) & np.isfinite(other)
    if known.sum() < 3 or not np.ptp(one[known]) or not np.ptp(other[known]):
        return float("nan")
    first, second = (ranks(scores[known]) - (known.sum() + 1) / 2 for scores in (one, other))
    return float(np.clip(first @ second / np.sqrt((first @ first) * (second @ second)), -1.0, 1.0))


def partial_rank_correlation(one: np.ndarray, other: np.ndarray, given: np.ndarray) -> float:
    """Spearman's of two scores with what the ranks of a third say of either taken off, where all three are defined.

    Formula:
        (r_xy - r_xz r_yz) / sqrt((1 - r_xz^2) (1 - r_yz^2))
    Undefined:
        nan where one of them is constant, or ranks as the third does.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> given, of_one, of_both = rng.normal(size=(3, 9999))
        >>> round(partial_rank_correlation(given + of_one + of_both, given + of_both, given), 1)
        0.7
    """
    known = np.isfinite(one) & np.isfinite(other) & np.isfinite(given)
    xy, xz, yz = (rank_correlation(a[known], b[known]) for a, b in ((one, other), (one, given), (other, given)))
    return left_given(xy, xz, yz)


def left_given(xy: float, xz: float, yz: float) -> float:
    """What is left of the correlation of x and y where what z says of either is taken off."""
    left = (1 - xz**2) * (1 - yz**2)
    return float(np.clip((xy - xz * yz) / np.sqrt(left), -1.0, 1.0)) if left > 1e-12 else float("nan")


def top_recall(score: np.ndarray, yardstick: np.ndarray, share: float = TOP) -> float:
    """Of the share of the examples that is highest on the yardstick, the part among as many highest on the score.

    Examples tied at the yardstick's cut are all in or all out, whichever comes nearer to the share; of those tied at
    the score's cut the expected part counts. NaN where that leaves no example out of the top, or none in it.

    Example:
        >>> top_recall(np.array([9.0, 8.0, 1.0, 2.0]), np.array([7.0, 1.0, 6.0, 2.0]), 0.5)
        0.5
    """
    known = np.isfinite(score) & np.isfinite(yardstick)
    wanted = round(share * known.sum())
    if not wanted:
        return float("nan")
    cut = np.partition(yardstick[known], -wanted)[-wanted]
    above, tied = yardstick[known] > cut, yardstick[known] >= cut
    top = tied if tied.sum() - wanted <= wanted - above.sum() else above
    count = int(top.sum())
    if count in (0, len(top)):
        return float("nan")
    return float(_in_top(score[known], count)[top].mean())


def _in_top(score: np.ndarray, count: int) -> np.ndarray:
    """The chance of each example to be among the `count` highest, ties broken at random."""
    cut = np.partition(score, len(score) - count)[len(score) - count]
    above, tied = score > cut, score == cut
    chance: np.ndarray = above + tied * ((count - above.sum()) / tied.sum())
    return chance


@dataclass(frozen=True, kw_only=True, eq=False)
class _Ranked:
    """A score on all models and without each part of them, a row each, with its ranks about their mean."""

    values: Float[np.ndarray, "row example"]
    known: Bool[np.ndarray, "row example"]
    rank: Float[np.ndarray, "row example"]
    models: int

    @classmethod
    def of(cls, run: Run, key: str) -> _Ranked:
        whole, values = run.replicates(key)
        return cls.from_rows(np.concatenate([whole.values[None], values]), models=whole.models)

    @classmethod
    def from_rows(cls, values: Float[np.ndarray, "row example"], *, models: int) -> _Ranked:
        known, rank = np.isfinite(values), np.zeros(values.shape)
        for row, some in enumerate(known):
            rank[row, some] = ranks(values[row, some]) - (some.sum() + 1) / 2
        return cls(values=values, known=known, rank=rank, models=models)

    def alike(self, row: int, *others: _Ranked) -> bool:
        """Whether the same examples have a value in all of them, so that ranks need not be taken anew."""
        return self.known[row].sum() >= 3 and all(np.array_equal(self.known[row], o.known[row]) for o in others)

    def correlation(self, row: int, other: _Ranked) -> float:
        """`rank_correlation` in that row, from the ranks."""
        squares = (self.rank[row] @ self.rank[row]) * (other.rank[row] @ other.rank[row])
        product = self.rank[row] @ other.rank[row]
        return float(np.clip(product / np.sqrt(squares), -1.0, 1.0)) if squares else float("nan")


def _correlations(one: _Ranked, other: _Ranked) -> Iterator[float]:
    """`rank_correlation` row by row."""
    for row in range(len(one.values)):
        alike = one.alike(row, other)
        yield one.correlation(row, other) if alike else rank_correlation(one.values[row], other.values[row])


def _correlations_given(one: _Ranked, other: _Ranked, given: _Ranked) -> Iterator[float]:
    """`partial_rank_correlation` row by row."""
    for row in range(len(one.values)):
        if one.alike(row, other, given):
            yield left_given(one.correlation(row, other), one.correlation(row, given), other.correlation(row, given))
        else:
            yield partial_rank_correlation(one.values[row], other.values[row], given.values[row])


def _recalls(one: _Ranked, other: _Ranked) -> Iterator[float]:
    """`top_recall` row by row."""
    for score, yardstick in zip(one.values, other.values, strict=True):
        yield top_recall(score, yardstick)


def _agreement(rows: Iterator[float], *scores: _Ranked, bounds: Bounds = (-1.0, 1.0)) -> Scalar:
    """A figure from what it is in each row."""
    whole, *without = rows
    examples = int(np.all([score.known[0] for score in scores], axis=0).sum())
    return from_replicates(whole, np.array(without), models=scores[0].models, examples=examples, bounds=bounds)


def _proxy(
    run: Run,
    entry: Measure,
    kinds: dict[str, np.ndarray],
    clean: np.ndarray,
    yardstick: _Ranked,
    given: _Ranked | None,
) -> Proxy:
    score = _Ranked.of(run, entry.key)
    found = {kind: detected(run, entry.key, planted, planted | clean) for kind, planted in kinds.items()}
    return Proxy(
        measure=entry,
        rank_correlation=_agreement(_correlations(score, yardstick), score, yardstick),
        adds=None
        if given is None or entry.key == GIVEN
        else _agreement(_correlations_given(score, yardstick, given), score, yardstick, given),
        top_recall=_agreement(_recalls(score, yardstick), score, yardstick, bounds=(0.0, 1.0)),
        one_training=_one_training(run, entry),
        auroc={kind: area for kind, (area, _) in found.items()},
        average_precision={kind: precision for kind, (_, precision) in found.items()},
    )


def _holds(run: Run, key: str) -> bool:
    """Whether a score is among those of the run."""
    try:
        run.replicates(key)
    except (MissingEvidence, TooFewModels):
        return False
    return True


def _one_training(run: Run, entry: Measure) -> Scalar | None:
    """Rank correlation of single networks trained on all data with the yardstick of the ensemble."""
    yardstick, yardsticks = run.replicates(YARDSTICK)
    scores = [score for score in _single_scores(run, entry) if np.isfinite(score).any()]
    if not scores:
        return None

    def of(values: np.ndarray) -> float:
        return float(np.mean([rank_correlation(score, values) for score in scores]))

    return from_replicates(
        of(yardstick.values),
        np.array([of(values) for values in yardsticks]),
        models=len(scores),
        examples=int(np.isfinite(yardstick.values).sum()),
        bounds=(-1.0, 1.0),
    )


def _single_scores(run: Run, entry: Measure) -> Iterator[np.ndarray]:
    sampled = [run.models_with(kind) for kind in entry.kinds if run.is_sampled(kind)]
    for model in (model for model in run.models("full") if all(model in there for there in sampled)):
        result = run.measured_on(entry.key, np.array([model]))
        assert isinstance(result, PerExample)
        yield result.values


def _reliability(run: Run) -> float:
    """Of the yardstick: how its ranks agree between random halves of the pairs, stepped up to the whole.

    Formula:
        2 r / (1 + r), r the mean Spearman correlation of the halves (Spearman 1910, Brown 1910); 0 where r is negative
    Undefined:
        nan where all examples are alike by a half, or with fewer than two pairs, which have no halves.
    """
    models = run.models()
    unit = parts(run.design.pair[models], groups=len(models))
    count = int(unit.max()) + 1
    if count < 2:
        return float("nan")
    rng = np.random.default_rng(0)
    halvings = [np.isin(unit, rng.permutation(count)[: count // 2]) for _ in range(HALVINGS)]
    agreements = [rank_correlation(*halves) for halves in _halves(run, models, halvings)]
    mean = float(np.maximum(np.mean(agreements), 0.0))
    return 2 * mean / (1 + mean)


def _halves(run: Run, models: np.ndarray, halvings: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """`[half, example]`: the yardstick by the models of a halving, and by the others."""
    correct, member = (run.load(name, models) for name in ("outputs.correct", "design.member"))
    for chosen in halvings:
        halves = []
        for side in (chosen, ~chosen):
            stratum = run.load("design.stratum", models[side])
            found = rates(correct[side], member[side], np.zeros(int(side.sum()), np.int64), stratum)
            halves.append(np.where(too_few(found.models[0]) | run.undefined, np.nan, found.difference[0]))
        yield np.stack(halves)


def _unreliable(run: Run, models: int) -> str:
    """Why it is not known how reliably the models rank examples."""
    unknown = f"How reliably {models} models rank examples by label memorization is not known: "
    if len(np.unique(parts(run.design.pair[run.models()], groups=models))) < 2:
        return f"{unknown}it takes two pairs to compare, and there is one."
    return f"{unknown}by some halves of the models every example has the same."


@section(of="comparison", title="Which score to trust", order=54)
def shown(table: Table) -> Iterable[Block]:
    """Every score compared with label memorization and the controls, and how to read the table."""
    headings = {
        "rank_correlation": "rank correlation",
        LEFT_GIVEN: "given the loss",
        "top_recall": f"recall in the top {TOP:.0%}",
        ONE_TRAINING: "one training",
        **{
            name: name.removeprefix(PRECISION).replace("_", " ") for name in table.figures if name.startswith(PRECISION)
        },
    }
    names = [name for name in headings if name in table.figures]
    yield Words(
        text=f"Rank correlation with {YARDSTICK}, ± standard error over models, on these examples, and what is left of "
        f"it given {GIVEN}; average precision on each kind of control, ± over models and examples."
    )
    columns = ("score", *(headings[name] for name in names))
    yield TableBlock(title="", columns=columns, rows=tuple(figure_rows(table, *names)))
    yield from notes_of(table)
