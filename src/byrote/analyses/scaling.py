"""How memorization grows with a language model's size: runs of models of different size over the same corpus."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Int

from byrote.analyses.catalog import analysis
from byrote.blocks import Block, Cell, TableBlock, notes_of, section
from byrote.errors import BadInput, MissingEvidence
from byrote.evidence.manifest import differences
from byrote.measures._repetitions import copies_of
from byrote.measures._windows import PREFIX, SUFFIX, windows_of
from byrote.measures.exact_memorization import by_document
from byrote.results import PerCanary, Scalar, Table
from byrote.runs.run import Run
from byrote.stats.log_linear import LogLinearFit, log_linear

#: The factor of the fits.
PARAMETERS: Final = "parameters"
#: Two sizes lie on a line whatever the law is.
FEWEST_SIZES: Final = 3
#: Figures of the table beside the values of the runs: the gain with each tenfold, and how well the line fits.
SLOPE: Final = "per tenfold"
FIT: Final = "R²"
#: What is asked of each model: documents it was trained on, or those it never saw.
_SIDES: Final = {"trained on": 1, "held out": 0}


@dataclass(frozen=True, kw_only=True, eq=False)
class Law:
    """One figure against the size of the model: its value in each run, and the line through all models.

    The slope of `fit` is what the figure gains with each tenfold of the parameters.
    """

    name: str
    unit: str
    values: Float[np.ndarray, " run"]
    fit: LogLinearFit

    @property
    def known(self) -> bool:
        """Whether there is a slope: not where all models gave the same answer to everything."""
        return not self.fit.reason and not self.constant

    @property
    def constant(self) -> bool:
        """Whether all answers are the same: all right, or all wrong."""
        return not np.ptp(self.values) and not np.nan_to_num(self.fit.stderr[1])

    def __repr__(self) -> str:
        slope = "undefined" if not self.known else f"{self.fit.values[1]:+.3g} ± {self.fit.stderr[1]:.2g}"
        return f"Law({self.name}: {slope} {self.unit} per tenfold of the parameters)"


@dataclass(frozen=True, kw_only=True, eq=False)
class Scaling:
    """Runs by the number of their models' parameters, the smallest first, and what grows with it."""

    runs: tuple[str, ...]
    parameters: tuple[int, ...]
    laws: tuple[Law, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Answers:
    """What a model makes of documents or canaries, one per row; `cluster` says which depend on each other."""

    outcome: Float[np.ndarray, " answer"]
    weight: Float[np.ndarray, " answer"]
    cluster: Int[np.ndarray, " answer"]


def compare_sizes(runs: Sequence[Run]) -> Scaling:
    """Extraction, exact memorization and exposure of language models against the logarithm of their parameters.

    Formula:
        least squares of each model's answers, on the different texts trained on, on documents by their tokens, or on
        planted canaries, on log10(parameters); errors by leaving out documents or canaries, and models, see
        `log_linear`, with models - 1 degrees of freedom: the interval holds what another training would give
    Undefined:
        a line for which no run has evidence is left out, with its reason among the notes.

    Differs:
        The source states its law for models that differ in more than size. Here corpus, tokenizer and held-out
        documents must be the same, and settings of the training that are not are told.
    Source: Carlini et al. 2022, arXiv:2202.07646, sec. 4.1.

    Raises:
        BadInput: fewer than 3 sizes, a run given twice or of no language model, or runs over different corpora.

    Example:
        >>> corpus = byrote.corpus_from_texts(["to be or not to be", "that is the question"] * 3, name="play")
        >>> networks = [byrote.TinyGPT(layers=1, width=width, heads=1, hidden=16) for width in (4, 8, 16)]
        >>> recipes = [byrote.Recipe(network=each, objective=byrote.NextToken(), epochs=1) for each in networks]
        >>> sizes = [
        ...     byrote.audit_language(
        ...         corpus, recipe, out=f"runs/size-{number}", generate=(2, 2), checkpoints=0, workers=1, progress=False
        ...     )
        ...     for number, recipe in enumerate(recipes)
        ... ]
        >>> byrote.compare_sizes(sizes).runs
        ('size-0', 'size-1', 'size-2')
    """
    for run in runs:
        _refuse_unsized(run)
    places = [run.folder.resolve() for run in runs]
    if len(set(places)) < len(places):
        twice = next(str(place) for place in places if places.count(place) > 1)
        raise BadInput(f"The run {twice!r} is given twice.", hint="give each run once.")
    runs = sorted(runs, key=_size)
    sizes = [_size(run) for run in runs]
    if len(set(sizes)) < FEWEST_SIZES:
        raise BadInput(
            f"A line against model size needs at least {FEWEST_SIZES} sizes. Got {len(set(sizes))}: "
            f"{' and '.join(f'{size:,}' for size in sorted(set(sizes)))} parameters.",
            hint="audit models of other sizes over the same documents, tiny GPTs with --width 64; `byrote diff` and "
            "`byrote card` compare two.",
        )
    for other in runs[1:]:
        _refuse_others(runs[0], other)
    lengths = {run.lengths for run in runs}
    prefix, suffix = lengths.pop() if len(lengths) == 1 else (PREFIX, SUFFIX)
    laws = [
        _law(
            f"texts recited, {prefix} tokens given and {suffix} asked for",
            "share",
            sizes,
            [_recited(run, prefix, suffix) for run in runs],
        ),
        *(
            _law(f"next tokens predicted, {side}", "share", sizes, [_predicted(run, member) for run in runs])
            for side, member in _SIDES.items()
        ),
    ]
    notes = _notes(runs)
    try:
        laws.append(_law("exposure of planted canaries", "bits", sizes, [_exposed(run) for run in runs]))
    except MissingEvidence as error:
        notes.append(f"Exposure is left out: {error.message}")
    for law in laws:
        if not law.known:
            notes.append(f"{law.name.capitalize()}: no line, {law.fit.reason or 'all answers are the same'}.")
    return Scaling(
        runs=tuple(run.folder.resolve().name for run in runs),
        parameters=tuple(sizes),
        laws=tuple(laws),
        notes=tuple(notes),
    )


def as_table(found: Scaling) -> Table:
    """A row for each figure that grows: its value in each run, and the slope of the line with its error."""
    sizes = [f"{size:,} parameters" for size in found.parameters]
    known = [law.known for law in found.laws]
    return Table(
        title="What grows with the number of a model's parameters",
        rows={"what": tuple(law.name for law in found.laws), "unit": tuple(law.unit for law in found.laws)},
        figures={
            **{
                f"{size}, {run}": tuple(_plain(law, float(law.values[at])) for law in found.laws)
                for at, (size, run) in enumerate(zip(sizes, found.runs, strict=True))
            },
            SLOPE: tuple(_slope(law) if there else None for law, there in zip(found.laws, known, strict=True)),
            FIT: tuple(
                _plain(law, law.fit.r_squared) if there else None for law, there in zip(found.laws, known, strict=True)
            ),
        },
        notes=found.notes,
    )


def _plain(law: Law, value: float) -> Scalar:
    nan = float("nan")
    reason = "no answer" if np.isnan(value) else ""
    return Scalar(
        value=value, stderr=nan, low=nan, high=nan, models=len(law.values), examples=law.fit.observations, reason=reason
    )


def _slope(law: Law) -> Scalar:
    parts: dict[str, Any] = {
        name: float(of[1]) for name, of in vars(law.fit).items() if name in ("stderr", "low", "high")
    }
    return Scalar(
        value=float(law.fit.values[1]),
        **parts,
        models=len(law.values),
        examples=law.fit.observations,
        varies_over="models and examples",
    )


@analysis(
    asks="How does memorization grow with the size of the model?",
    needs=("exact_memorization", "discoverable_extraction", "exposure[best]"),
    section="4.2",
    runs=("run", "*others"),
    table=as_table,
)
def scaling(run: Run, *others: Run) -> Scaling:
    """The runs as `compare_sizes` compares them."""
    return compare_sizes([run, *others])


def _refuse_unsized(run: Run) -> None:
    if not run.of_text:
        raise BadInput(
            f"Several runs are compared by the size of their language models. {str(run.folder)!r} is not one.",
            hint="`byrote compare RUN` sets the scores of one run side by side; `byrote diff RUN RUN` tells what "
            "differs between two.",
        )
    if run.manifest.parameters is None:
        raise BadInput(
            f"The run {str(run.folder)!r} does not say how many parameters its model has.",
            hint="it was made by an older version; audit again into another folder.",
        )


def _size(run: Run) -> int:
    assert run.manifest.parameters is not None
    return run.manifest.parameters


def _refuse_others(first: Run, other: Run) -> None:
    """Refuse runs whose documents, tokens or held-out documents differ: then so do the questions."""
    one, two = (run.manifest.dataset for run in (first, other))
    if one["fingerprint"] == two["fingerprint"] and one["heldout_documents"] == two["heldout_documents"]:
        return
    same = np.array_equal(first.ids, other.ids) and one["heldout_documents"] == two["heldout_documents"]
    raise BadInput(
        f"The runs {str(first.folder)!r} and {str(other.folder)!r} are over different corpora: "
        + ("their documents have other texts or tokens." if same else "they hold other documents."),
        hint="audit models with the same tokenizer over the same files.",
    )


def _recited(run: Run, prefix: int, suffix: int) -> list[_Answers]:
    """Which of the different texts that it was trained on each model recites."""
    token, offsets, scored, member = _documents(run)
    windows = windows_of(offsets, scored, prefix=prefix, suffix=suffix, stride=0)
    copies = copies_of(token, offsets, member)
    cluster, first = np.unique(copies.cluster[windows.example], return_index=True)
    found = []
    for row, model in enumerate(run.models().tolist()):
        seen = copies.seen[row, windows.example[first]] > 0
        hits = windows.every(run.load("tokens.hit", [model])[0])[first]
        found.append(_Answers(hits[seen].astype(np.float64), np.ones(int(seen.sum())), cluster[seen]))
    return found


def _predicted(run: Run, side: int) -> list[_Answers]:
    """The share of the next tokens that each model predicts, by document."""
    token, offsets, scored, member = _documents(run)
    cluster = copies_of(token, offsets, member).cluster
    found = []
    for row, model in enumerate(run.models().tolist()):
        hits, sizes = by_document(run.load("tokens.hit", [model]), offsets, scored)
        asked = (member[row] == side) & (sizes > 0)
        found.append(_Answers(hits[0, asked] / sizes[asked], sizes[asked].astype(np.float64), cluster[asked]))
    return found


def _exposed(run: Run) -> list[_Answers]:
    """The exposure of each planted canary in each model that was trained on it."""
    found = []
    for model in run.models():
        result = run.measured_on("exposure[best]", np.array([model]))
        assert isinstance(result, PerCanary)
        asked = (result.reason_code == 0) & (result.repetitions > 0)
        found.append(_Answers(result.values[asked], np.ones(int(asked.sum())), np.flatnonzero(asked)))
    return found


def _documents(run: Run) -> tuple[np.ndarray, ...]:
    names = ("corpus.token", "corpus.offsets", "corpus.scored", "design.member")
    return tuple(run.load(name, run.models()) for name in names)


def _law(name: str, unit: str, sizes: Sequence[int], answers: Sequence[Sequence[_Answers]]) -> Law:
    every = [(size, one) for size, of_run in zip(sizes, answers, strict=True) for one in of_run]
    counts = [len(one.outcome) for _, one in every]
    outcome, weight, cluster = (
        np.concatenate([getattr(one, part) for _, one in every]) for part in ("outcome", "weight", "cluster")
    )
    size = np.repeat([size for size, _ in every], counts)
    fit = log_linear(outcome, {PARAMETERS: size}, [cluster, np.repeat(np.arange(len(every)), counts)], weight=weight)
    return Law(name=name, unit=unit, values=np.array([_mean(of_run) for of_run in answers]), fit=fit)


def _mean(answers: Sequence[_Answers]) -> float:
    """Over the models of a run; NaN where none has an answer."""
    each = [float(np.average(one.outcome, weights=one.weight)) for one in answers if len(one.outcome)]
    return float(np.mean(each)) if each else float("nan")


def _notes(runs: Sequence[Run]) -> list[str]:
    """What else may be behind a slope."""
    trained = [run for run in runs if run.manifest.origin == "trained"]
    notes = [
        "Whatever else differs between the models goes into the slopes."
        if len(trained) < len(runs)
        else "The line is one over these sizes; it need not go on beyond them."
    ]
    unlike = dict.fromkeys(text for run in trained[1:] for text in differences(_settings(trained[0]), _settings(run)))
    if unlike:
        notes.append(f"More than the size differs between the runs: {'; '.join(unlike)}.")
    return notes


def _settings(run: Run) -> dict[str, Any]:
    """How a run was trained, its network and its seed aside."""
    identity = run.manifest.identity
    return {"length": identity["length"], **{name: of for name, of in identity["recipe"].items() if name != "network"}}


@section(of="scaling", title="Memorization and the size of the model", order=56)
def shown(table: Table) -> Iterable[Block]:
    """The value of each figure at each size, what it gains with a tenfold, and how to read that."""
    sizes = [name for name in table.figures if name not in (SLOPE, FIT)]
    columns = ("by the parameters of the model", *(name.partition(" ")[0] for name in sizes), SLOPE, "95 %", FIT)
    rows = []
    for row, what in enumerate(table.rows["what"]):
        values = [table.figures[name][row] for name in sizes]
        line = _slope_words(table.figures[SLOPE][row], table.figures[FIT][row])
        rows.append((what, *("–" if one is None else f"{one.value:.3f}" for one in values), *line))
    yield TableBlock(title="", columns=columns, rows=tuple(rows))
    yield from notes_of(table)


def _slope_words(slope: Scalar | None, fit: Scalar | None) -> tuple[Cell, Cell, Cell]:
    """Slope, its interval, and how well the line fits; dashes where there is no line."""
    if slope is None or fit is None:
        return "–", "–", "–"
    interval = "–" if np.isnan(slope.low) else f"{slope.low:+.3f} to {slope.high:+.3f}"
    return f"{slope.value:+.3f}", interval, fit.value
