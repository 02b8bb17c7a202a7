"""Issues: what is wrong with each example of a run's data, and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float, Int, Shaped
from scipy.special import stdtr

from byrote.analyses.catalog import analysis, different, not_following
from byrote.analyses.label_errors import WRONG, LabelErrors, label_errors, probabilities
from byrote.analyses.learned_late import LATE, LearnedLate, learned_late
from byrote.analyses.memorized_share import LEAST_MEMORIZED
from byrote.analyses.votes import Votes, votes
from byrote.blocks import Block, TableBlock, Words, section
from byrote.data.controls import LABEL_NOISE
from byrote.data.copies import ONE_IN, Copies, clusters, copies
from byrote.data.dataset import Dataset
from byrote.data.index.near_duplicates import exact_duplicates, near_duplicates
from byrote.errors import BadInput, MissingEvidence, TooFewModels
from byrote.results import PerExample, Table
from byrote.runs.run import Run
from byrote.stats.multiple import holm

#: The kinds, in the order in which they are told: what explains an example best comes first.
CONFLICTING_COPY: Final = "copy with another label"
RARE_GROUP: Final = "rare group"
LABEL_ERROR: Final = "label error"
EXACT_COPY: Final = "exact copy"
NEAR_COPY: Final = "near copy"
AMBIGUOUS: Final = "ambiguous"
MEMORIZED: Final = "memorized but right"
OUTLIER: Final = "outlier"
KINDS: Final = (CONFLICTING_COPY, RARE_GROUP, LABEL_ERROR, EXACT_COPY, NEAR_COPY, AMBIGUOUS, MEMORIZED, OUTLIER)

#: What the score of a kind is.
SCORES: Final = {
    CONFLICTING_COPY: "label error score",
    RARE_GROUP: "share of the models without it that are wrong",
    LABEL_ERROR: "label error score",
    EXACT_COPY: "1",
    NEAR_COPY: "1 - the chance that one of its neighbours lies so near",
    AMBIGUOUS: "1 where half of the models without it are right",
    MEMORIZED: "label memorization",
    OUTLIER: "robust deviations of its distance to others",
}
#: What it is of these kinds where the run was tested.
PROBABILITY: Final = "probability that the label is wrong"
#: Ambiguous: so large a share of the models without an example are right; and so many models it takes to say that.
UNSURE: Final = (0.25, 0.75)
LEAST_MODELS: Final = 8
#: A group is rare that has at most this share of the examples, and at least so many of them.
RARE_SHARE, LEAST_IN_GROUP = 0.05, 5
#: Levels are called rare groups at this level of significance, adjusted for their number (Holm).
LEVEL: Final = 0.05
#: An outlier lies so many robust standard deviations farther from others than the median, in logarithms.
FAR: Final = 3.5
#: What is looked for in documents.
OF_TEXT: Final = (
    "In documents only copies are looked for. Two documents are near copies where they share four in five of their "
    "runs of five tokens."
)
#: Distances of which at least half spread less in logarithms are equal but for rounding, and tell no outlier.
EVEN: Final = 1e-9


@dataclass(frozen=True, kw_only=True)
class Issue:
    """One thing that is wrong with one example, by positions in the run's order.

    `suggested` is the class that models without the example say, -1 where none is suggested; `other` the example that
    it copies, -1 for none; `low` and `high` bound the score's 95 % interval over models, NaN where it has none. The
    score of a copy with another label is NaN where no models say which label is wrong.
    """

    example: int
    issue: str
    score: float
    why: str
    do: str
    low: float = float("nan")
    high: float = float("nan")
    suggested: int = -1
    other: int = -1
    group: str = ""

    @property
    def rank(self) -> float:
        """What issues of a kind are ordered by: the score, and last what has none."""
        return self.score if self.score == self.score else float("-inf")


@dataclass(frozen=True, kw_only=True, eq=False)
class Issues:
    """All issues of a run, the first to look at first; `notes` say what was not looked for, and why.

    `planted` is how many labels were made wrong on purpose, and `hit` how many of them are flagged; both are 0 if
    label errors could not be estimated. `errors` is how surely each label is wrong, None if that is not known. `late`
    stands in its place where no models without an example judge it: how late its label was learned. `copies` are those
    that were looked for in the data, None where these are not at hand.
    """

    run: Run
    found: tuple[Issue, ...]
    notes: tuple[str, ...]
    planted: int = 0
    hit: int = 0
    errors: LabelErrors | None = None
    late: LearnedLate | None = None
    copies: Copies | None = None

    @property
    def own(self) -> tuple[Issue, ...]:
        """Those of examples on which no control was planted."""
        planted = np.isin(self.run.ids, self.run.controls.example)
        return tuple(one for one in self.found if not planted[one.example])

    def counts(self) -> dict[str, int]:
        """How many of these examples have an issue of each kind."""
        counted = Counter(one.issue for one in self.own)
        return {kind: counted[kind] for kind in KINDS if counted[kind]}


def as_table(issues: Issues) -> Table:
    """One row an issue: the example, what is wrong, the score, labels given and suggested, why, and what to do."""
    run, found = issues.run, issues.found
    names = np.array([*run.class_names, ""], np.str_)
    rows = np.array([one.example for one in found], np.int64)
    ids = np.array([*run.ids.tolist(), ""], np.str_)
    labelled = run.learns.of_classes and not run.of_text
    planted = np.isin(run.ids, run.controls.example)
    calibrated = issues.errors is not None and issues.errors.calibrated
    about = {**SCORES, **dict.fromkeys((LABEL_ERROR, CONFLICTING_COPY), PROBABILITY)} if calibrated else SCORES
    if issues.late is not None:
        about = {**about, LABEL_ERROR: LATE}

    def text(field: str) -> Shaped[np.ndarray, " issue"]:
        return np.array([getattr(one, field) for one in found], np.str_)

    def place(field: str) -> Int[np.ndarray, " issue"]:
        return np.array([getattr(one, field) for one in found], np.int64)

    return Table(
        title="What is wrong with examples, and what to do",
        arrays={
            "example": ids[rows],
            "issue": text("issue"),
            "score": np.array([one.score for one in found], np.float64),
            "low": np.array([one.low for one in found], np.float64),
            "high": np.array([one.high for one in found], np.float64),
            "score_is": np.array([about[one.issue] for one in found], np.str_),
            "given": names[run.labels[rows]] if labelled else np.full(len(rows), "", np.str_),
            "suggested": names[place("suggested")],
            "copy_of": ids[place("other")],
            "group": text("group"),
            "planted": planted[rows],
            "why": text("why"),
            "do": text("do"),
        },
        notes=issues.notes,
    )


def judged(run: Run, kept: pa.Table) -> str:
    """What of a table of issues is not that of the run; what is told from the data alone is not looked at again."""
    lacking = {"example", "issue", "score"} - set(kept.column_names)
    rows = {name: row for row, name in enumerate(run.ids.tolist())}
    if lacking or not set(kept["example"].to_pylist()) <= rows.keys():
        return "it is no table of issues" if lacking else "it is about other examples"
    for issue, key in {LABEL_ERROR: "label_error_probability", MEMORIZED: "label_memorization"}.items():
        mine = kept.filter(pc.equal(kept["issue"], issue))
        if len(mine) and "score_is" in mine.column_names and LATE in mine["score_is"].to_pylist():
            again = pa.table({"score": learned_late(run).score[[rows[name] for name in mine["example"].to_pylist()]]})
            problem = not_following(different(mine.select(["score"]), again))
        elif len(mine):
            result = run.measured_on(key, run.models())
            assert isinstance(result, PerExample)
            if "score_is" in mine.column_names and PROBABILITY in mine["score_is"].to_pylist():
                result = probabilities(run, result)
            again = pa.table({"score": result.values[[rows[name] for name in mine["example"].to_pylist()]]})
            problem = not_following(different(mine.select(["score"]), again))
        else:
            continue
        if problem:
            return problem
    return ""


@analysis(
    asks="What is wrong with each example, and what is to be done about it?",
    needs=("label_memorization", "outputs.logits"),
    section="6.1",
    table=as_table,
    check=judged,
)
def issues(run: Run, *, near_copies: bool = True) -> Issues:
    """Label errors, copies, copies with other labels, rare groups, ambiguous, memorized and outlying examples.

    Copies, rare groups and outliers are found in the data, which must be attached; the others by what models say of an
    example that were not trained on it. Without such models, as in a training that was recorded, label errors are
    labels that were learned late, and nothing is known of ambiguous and memorized examples. Without `near_copies`,
    which take a time that grows with the square of the number of examples, near copies and outliers are not looked for.

    Raises:
        BadInput: nothing can be found: the run has neither its data, nor answers of models without an example, nor the
            losses of a training.
    """
    if run.of_text:
        return Issues(run=run, found=_in_order(_of_text(run)), notes=(OF_TEXT,))
    asked = _outside(run)
    outside, refused = (None, [asked]) if isinstance(asked, str) else (asked, [])
    data = None if run.dataset is None or run.forgotten else copies(run.dataset, near=near_copies)
    late = None if outside is not None or run.learns.numeric else _late(run)
    if outside is None and late is None and not run.learns.numeric:
        refused = [*refused, "Label errors were not looked for."]
    if outside is None and data is None and late is None:
        raise BadInput(
            f"No issues of single examples can be found in the run {str(run.folder)!r}: {refused[0]}",
            hint="byrote audit SOURCE --models 64, or attach the data: byrote ask RUN issues --source FILE.",
        )
    flagged = outside.errors.flagged if outside is not None else late.flagged if late is not None else None
    noise = run.controls.mask(run.ids, LABEL_NOISE) & (flagged is not None)
    return Issues(
        run=run,
        found=_in_order([*_all(run, outside, data), *_of_late(run, late)]),
        notes=(*refused, *_notes(outside, data, near_copies), *([late.note()] if late is not None else [])),
        planted=int(noise.sum()),
        hit=0 if flagged is None else int(flagged[noise].sum()),
        errors=None if outside is None else outside.errors,
        late=late,
        copies=data,
    )


def _late(run: Run) -> LearnedLate | None:
    """How late labels were learned, where that is known."""
    try:
        return learned_late(run) if run.learns.of_classes else None
    except (MissingEvidence, TooFewModels):
        return None


def _of_late(run: Run, late: LearnedLate | None) -> Iterator[Issue]:
    """Labels that were learned late."""
    if late is None:
        return
    for row in np.flatnonzero(late.flagged).tolist():
        yield Issue(
            example=row,
            issue=LABEL_ERROR,
            score=float(late.score[row]),
            why=f"In training its label, {_name(run, int(run.labels[row]))}, was learned late: over the "
            f"{late.shown[row]:.0f} times that it was shown, its probability was {_percent(1 - late.score[row])} "
            "(geometric mean).",
            do="Check its label by hand; models that never saw it suggest another.",
        )


def _in_order(found: Iterable[Issue]) -> tuple[Issue, ...]:
    return tuple(sorted(found, key=lambda one: (KINDS.index(one.issue), -one.rank, one.example)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Outside:
    """By example: the votes of models that were not trained on it, and the label error and memorization that follow."""

    votes: Votes
    errors: LabelErrors
    memorization: PerExample

    @property
    def wrong(self) -> PerExample:
        """How surely each label is wrong."""
        return self.errors.sure

    @cached_property
    def right(self) -> Float[np.ndarray, " example"]:
        """The share of the models not trained on the example that predict its label; NaN if there are none."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.votes.right / self.votes.models)

    def other(self, row: int, label: int) -> int:
        """The class that most of the models name for one example, -1 where that is its label or none names one."""
        most = int(self.votes.most[row])
        return most if most != label else -1

    def words(self, run: Run, row: int) -> str:
        """What the models say of one example."""
        cast, most = self.votes, int(self.votes.most[row])
        if most < 0:
            return "Every model was trained on it."
        name = _name(run, most) + (", as given" if most == run.labels[row] else "")
        seen = (
            f"; {cast.repeat[row]} of {cast.trained[row]} trained on it repeat the label" if cast.trained[row] else ""
        )
        return f"{cast.votes[row]} of {cast.models[row]} models that never saw it say {name}{seen}."


def _outside(run: Run) -> Outside | str:
    """What models without an example say, or why the run cannot tell."""
    if run.learns.numeric:
        return "The targets are numbers, so that only copies and outliers were looked for."
    try:
        errors, memorization = label_errors(run), run.measure("label_memorization")
        cast = votes(run)
    except (MissingEvidence, TooFewModels) as error:
        return f"Rare groups, ambiguous and memorized examples were not looked for: {error}"
    assert isinstance(memorization, PerExample)
    if not cast.models.any():
        return "Rare groups, ambiguous and memorized examples were not looked for: every model saw every example."
    return Outside(votes=cast, errors=errors, memorization=memorization)


def _all(run: Run, outside: Outside | None, data: Copies | None) -> list[Issue]:
    dataset = run.dataset
    found: list[Issue] = []
    groups = np.full(len(run.ids), "", object)
    copied = np.zeros(len(run.ids), bool)
    if data is not None and dataset is not None:
        found += _copies(run, outside, data)
        copied[[one.example for one in found if one.issue == CONFLICTING_COPY]] = True
        found += _outliers(data)
        if outside is not None:
            groups = rare_groups(dataset, outside.right)
    if outside is not None:
        found += _of_models(run, outside, groups, copied)
    return found


def _percent(share: float) -> str:
    return "less than 1 %" if share < 0.01 else f"{100 * share:.0f} %"


def _copies(run: Run, outside: Outside | None, data: Copies) -> Iterator[Issue]:
    """Exact copies, near copies, and those whose label is another than their copy's."""
    together = clusters(len(run.ids), np.concatenate([_links(data.same), data.near]))
    chance = {int(row): part for pair, part in zip(data.near, data.chance, strict=True) for row in pair}
    numbers = run.learns.numeric
    labels = np.asarray(run.numbers if numbers else run.labels).reshape(len(run.ids), -1)
    tolerance = float(run.manifest.dataset["tolerance"]) if numbers else 0.0
    for first in np.flatnonzero(np.bincount(together, minlength=len(together)) > 1):
        rows = np.flatnonzero(together == first)
        others = [_contradicting(labels, int(row), rows, tolerance) for row in rows]
        if max(others) >= 0:
            yield from (
                _conflicting(run, outside, int(row), other, same=bool(data.same[row] == data.same[other]))
                for row, other in zip(rows, others, strict=True)
                if other >= 0
            )
            continue
        for row in rows[1:]:
            exact = data.same[row] != row
            other = int(data.same[row]) if exact else _partner(data.near, int(row))
            yield Issue(
                example=int(row),
                issue=EXACT_COPY if exact else NEAR_COPY,
                score=1.0 if exact else 1 - float(chance[int(row)]),
                other=other,
                why=f"Its input is {'' if exact else 'nearly '}that of {run.ids[other]}, and so is its label.",
                do="Keep one of them, unless the data are meant to hold copies.",
            )


def _links(same: Int[np.ndarray, " example"]) -> Int[np.ndarray, "pair 2"]:
    rows = np.flatnonzero(same != np.arange(len(same)))
    return np.stack([same[rows], rows], axis=1)


def _partner(near: Int[np.ndarray, "pair 2"], row: int) -> int:
    """The first example that this one is a near copy of."""
    return int(min(other for pair in near[(near == row).any(1)].tolist() for other in pair if other != row))


def _contradicting(
    targets: Shaped[np.ndarray, "example target"], row: int, rows: Int[np.ndarray, " copy"], tolerance: float
) -> int:
    """The first of these copies whose target is another than that of the row by more than a tolerance; -1 for none."""
    other = np.abs(targets[rows] - targets[row]) > tolerance
    return int(rows[other.any(1)][0]) if other.any() else -1


def _conflicting(run: Run, outside: Outside | None, row: int, other: int, *, same: bool) -> Issue:
    score = float("nan") if outside is None else float(outside.wrong.values[row])
    says = "" if outside is None else " " + outside.words(run, row)
    words = f" says {_name(run, int(run.labels[other]))}" if run.learns.of_classes else " has another target"
    return Issue(
        example=row,
        issue=CONFLICTING_COPY,
        score=score,
        low=float("nan") if outside is None else float(outside.wrong.low[row]),
        high=float("nan") if outside is None else float(outside.wrong.high[row]),
        suggested=outside.other(row, int(run.labels[row])) if outside is not None else -1,
        other=other,
        why=f"{run.ids[other]} has {'' if same else 'nearly '}the same input and{words}.{says}",
        do="Decide which label is right, and give it to both.",
    )


def _name(run: Run, label: int) -> str:
    return str(run.class_names[label])


def _outliers(data: Copies) -> Iterator[Issue]:
    """Examples far from all others, by the distance to the tenth neighbour."""
    with np.errstate(divide="ignore"):
        far = np.log(data.tenth)
    known = np.isfinite(far)
    if not known.any():
        return
    middle = np.median(far[known])
    spread = 1.4826 * np.median(np.abs(far[known] - middle))
    if not spread > EVEN:
        return
    for row in np.flatnonzero(known & (far - middle > FAR * spread)):
        yield Issue(
            example=int(row),
            issue=OUTLIER,
            score=float((far[row] - middle) / spread),
            why=f"Its tenth neighbour is {np.exp(far[row] - middle):.1f} times as far as that of a typical example.",
            do="See whether it belongs to these data at all.",
        )


def rare_groups(dataset: Dataset, right: Float[np.ndarray, " example"]) -> Shaped[np.ndarray, " example"]:
    """The rare group that each example belongs to and that models without it get wrong more often; empty for none.

    Groups are classes and the levels of a table's columns, of 5 examples or more and at most 5 % of all. A group counts
    where the mean of `right` in it is lower than among the others (Welch's t, one-sided, Holm over all groups).
    """
    known = np.isfinite(right)
    named = [(name, mask & known) for name, mask in _levels(dataset)]
    named = [(name, mask) for name, mask in named if LEAST_IN_GROUP <= mask.sum() <= RARE_SHARE * known.sum()]
    found = np.full(len(dataset), "", object)
    if not named:
        return found
    p = holm(np.array([_lower(right[mask], right[known & ~mask]) for _, mask in named]))
    for place in np.argsort(-p, kind="stable"):  # the clearest last, so that it names the example
        if p[place] <= LEVEL:
            found[named[place][1]] = named[place][0]
    return found


def _levels(dataset: Dataset) -> Iterator[tuple[str, Bool[np.ndarray, " example"]]]:
    """Names and examples of the classes and of the levels of columns."""
    if dataset.scale.of_classes:
        for number, name in enumerate(dataset.class_names):
            yield f"class {name}", dataset.targets == number
    if dataset.display.kind != "row" or dataset.inputs.ndim != 2:
        return
    for column, name in enumerate(dataset.display.feature_names):
        values = np.asarray(dataset.inputs[:, column])
        if " = " in name and np.isin(values, (0, 1)).all():
            yield str(name), values == 1


def _lower(some: Float[np.ndarray, " one"], others: Float[np.ndarray, " other"]) -> float:
    """The one-sided p-value that the mean of some is lower than that of others, by Welch's t."""
    parts = np.array([some.var(ddof=1) / len(some), others.var(ddof=1) / len(others)])
    if len(others) < LEAST_IN_GROUP or not parts.sum() > 0:
        return 1.0
    freedom = parts.sum() ** 2 / (parts**2 / (np.array([len(some), len(others)]) - 1)).sum()
    return float(stdtr(freedom, (some.mean() - others.mean()) / np.sqrt(parts.sum())))


def _of_models(run: Run, outside: Outside, groups: np.ndarray, copied: np.ndarray) -> Iterator[Issue]:
    """What models without an example tell of it: at most one kind each, and a label error beside a rare group."""
    wrong, memorized, named = outside.wrong, outside.memorization, outside.errors.named
    counts = {name: int((groups == name).sum()) for name in set(groups.tolist()) if name}
    for row in range(len(run.ids)):
        group = str(groups[row])
        other = outside.other(row, int(run.labels[row]))
        says = outside.words(run, row)
        strong = memorized.values[row] >= LEAST_MEMORIZED
        if group and (outside.right[row] < 0.5 or strong):
            yield Issue(
                example=row,
                issue=RARE_GROUP,
                score=1 - float(outside.right[row]),
                group=group,
                why=f"One of {counts[group]} with {group}, which models without them get wrong more often. {says}",
                do="Check by hand; collect more like it, or model the group apart. Do not relabel in bulk.",
            )
        if copied[row]:
            continue
        if named[row] and other >= 0:
            yield Issue(
                example=row,
                issue=LABEL_ERROR,
                score=float(wrong.values[row]),
                low=float(wrong.low[row]),
                high=float(wrong.high[row]),
                suggested=other,
                group=group,
                why=says,
                do=f"Relabel as {_name(run, other)}, if you agree."
                if not group
                else f"Check by hand: {group} is rare.",
            )
        elif group:
            continue
        elif UNSURE[0] <= outside.right[row] <= UNSURE[1] and outside.votes.models[row] >= LEAST_MODELS:
            yield Issue(
                example=row,
                issue=AMBIGUOUS,
                score=1 - abs(2 * float(outside.right[row]) - 1),
                suggested=other,
                why=says,
                do="Look at it: its class may be unclear, or its features too few.",
            )
        elif strong and memorized.low[row] > 0:
            yield Issue(
                example=row,
                issue=MEMORIZED,
                score=float(memorized.values[row]),
                low=float(memorized.low[row]),
                high=float(memorized.high[row]),
                why=says,
                do="Keep it: it is hard or unlike the others, and models know it only by having seen it.",
            )


def _notes(outside: Outside | None, data: Copies | None, near_copies: bool) -> Iterator[str]:
    if data is None:
        yield "The run's data are not at hand, so that copies, rare groups and outliers were not looked for."
    if outside is not None:
        yield _about_scores(outside.errors)
    if data is not None:
        yield (
            f"Near copies are so near that chance would put one example in {ONE_IN:,} there (intrinsic dimension "
            f"{data.dimension:.1f})."
            if data.dimension > 0
            else "Near copies and outliers were not looked for: `byrote ask RUN issues` takes the time."
            if not near_copies
            else "Near copies and outliers were not looked for: the inputs name things, fewer than 20 of them differ, "
            "or they lie as evenly as a grid."
        )


def _about_scores(errors: LabelErrors) -> str:
    """What a label error is, and what its number means."""
    if not errors.calibrated:
        return (
            f"A label error is a score above {WRONG:g} (`label_error_probability`), no probability that was tried on "
            "these data: where wrong labels prefer some classes, or groups are rare, too many or too few are flagged."
        )
    mine = errors.named & errors.own
    spared = int(np.count_nonzero(errors.flagged & errors.own & ~mine))
    others = f"; {spared:,} more with such a score are more likely right" if spared else ""
    return (
        f"A label error is a score above {WRONG:g} (`label_error_probability`). Its number is the probability that the "
        "label is wrong, as labels drawn at random tell, which no model saw: of the "
        f"{np.count_nonzero(mine):,} labels that are named and not planted {errors.sure.values[mine].sum():.0f} "
        f"should be wrong{others}. These are random errors. Where classes overlap, or a group is rare, right labels "
        "look like them and fewer are wrong; real errors often look right, and are missed."
    )


def _of_text(run: Run) -> Iterator[Issue]:
    """Copies among documents, by their tokens."""
    models = run.models()
    token, offsets = run.load("corpus.token", models), run.load("corpus.offsets", models)
    documents = [" ".join(map(str, token[start:stop].tolist())) for start, stop in pairwise(offsets.tolist())]
    exact, near = exact_duplicates(documents).cluster, near_duplicates(documents)
    similar = {int(later): float(part) for (_, later), part in zip(near.links, near.similarity, strict=True)}
    for row in np.flatnonzero(near.cluster != np.arange(len(near.cluster))).tolist():
        same = exact[row] != row
        other = int(exact[row] if same else near.cluster[row])
        yield Issue(
            example=row,
            issue=EXACT_COPY if same else NEAR_COPY,
            score=1.0 if same else similar.get(row, 1.0),
            other=other,
            why=f"It is {'' if same else 'nearly '}the document {run.ids[other]}.",
            do="Keep one of them: repeated documents are learned by heart.",
        )


@section(of="issues", title="What is wrong with examples", order=5)
def shown(table: Table) -> tuple[Block, ...]:
    """How many of each kind, and the first examples."""
    kinds = table.arrays["issue"]
    counted = tuple((kind, str(np.count_nonzero(kinds == kind))) for kind in KINDS if (kinds == kind).any())
    columns = ("example", "issue", "given", "suggested", "why", "do")
    rows = tuple(tuple(str(table.arrays[name][row]) for name in columns) for row in range(min(len(kinds), 10)))
    notes = Words(text=" ".join(table.notes), tone="reading")
    if not len(kinds):
        return (Words(text="Nothing was found that is wrong with single examples."), notes)
    return (
        TableBlock(title="Examples by what is wrong", columns=("what is wrong", "examples"), rows=counted),
        TableBlock(title="The first", columns=columns, rows=rows),
        notes,
    )
