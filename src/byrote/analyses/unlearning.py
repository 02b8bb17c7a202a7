"""Whether unlearning worked: unlearned models against models retrained without the examples, and against chance.

All models of the first run held the examples to forget and unlearned them. The gold was trained without them, and so
was a second set, which tells what chance gives; a third was then trained as many steps longer as the unlearning took.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import combinations
from math import comb
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from scipy.stats import mannwhitneyu

from byrote.analyses.catalog import analysis
from byrote.blocks import Block, TableBlock, Tile, Tiles, Words, figure_rows, section
from byrote.errors import BadInput, TooFewModels
from byrote.measures._repetitions import copies_of
from byrote.results import Scalar, Table, decimal
from byrote.runs.run import Run
from byrote.stats.jackknife import from_replicates
from byrote.stats.multiple import holm

#: A difference is shown where its adjusted p-value is at most this.
LEVEL: Final = 0.05
#: Half of a set fits the Gaussians and the other half is judged, and one model is left out for the error.
LEAST_MODELS: Final = 5
#: From so many models on a spread is that of the example; with fewer all examples share one (LiRA's global variance).
OWN_SPREAD: Final = 32
#: Of more ways than this to deal out the models, so many are drawn.
DEALS: Final = 1_999
ALL: Final = "all to forget"
ARMS: Final = ("unlearned", "retrained", "again", "longer")

Scores = Float[np.ndarray, "model example"]


@analysis(
    asks="Do unlearned models answer as if they had never been trained on the examples?",
    needs=("outputs.log_odds", "tokens.log_probability"),
    section="5.6",
    runs=("run", "gold", "again", "longer"),
)
def unlearning(run: Run, gold: Run, again: Run, longer: Run) -> Table:
    """Unlearned models against retrained ones, by group of the examples to forget, and by example where they suffice.

    Formula:
        score: the log-odds of an example; of a document the mean log-probability of its tokens
        AUC: of the log-ratio of two Gaussians of the scores, fitted on one half of the models and judged on the
        other, both ways round, the mean over examples; .5 where the two sets are alike, more where they differ in
        either direction.
        shift: the mean score of the unlearned minus that of the retrained, in standard deviations of the retrained
        p: of the mean over examples of (A - .5)^2, A the Mann-Whitney AUC of an example, with models dealt out to the
        two sets at random: exact where all deals are tried
    Undefined:
        what so few models cannot tell is said with the number that it takes.

    Source: Hayes et al. 2024, arXiv:2403.01218, algorithm 1 (U-LiRA).
    Differs:
        The null is a second set of retrained models. Groups are tested as wholes by dealing out models, which are the
        independent units; single examples only where so many models can show one after Holm's correction.

    Raises:
        BadInput: the runs are not over the same examples, do not name what was to be forgotten, or a document to
            forget has no predicted token.
        TooFewModels: a set has fewer than 5 models.
    """
    runs = dict(zip(ARMS, (run, gold, again, longer), strict=True))
    rows = _rows_to_forget(runs)
    sets = {name: _scores(one, rows) for name, one in runs.items()}
    found = judged(sets, run.ids[rows], _groups(run, rows))
    return replace(found, notes=(*found.notes, *_of_documents(run, rows), _fewer(run, rows)))


def _fewer(run: Run, rows: Int[np.ndarray, " forgotten"]) -> str:
    """How many fewer training steps the retrained models had."""
    size, what = np.ones(len(run.ids)), "examples"
    if run.of_text:
        size, what = np.diff(run.load("corpus.offsets", run.models())).astype(np.float64), "tokens"
    trained = run.design.member[run.models()[0]] == 1
    share = size[rows].sum() / size[trained].sum()
    return (
        f"Retrained models were trained for as many epochs on {share:.1%} fewer {what}, which is as many steps fewer."
    )


def _of_documents(run: Run, rows: Int[np.ndarray, " forgotten"]) -> list[str]:
    """Notes: what a document's score is, and that every set learns a copy that is retained."""
    if not run.of_text:
        return []
    token, offsets = (run.load(f"corpus.{name}", run.models()) for name in ("token", "offsets"))
    stays = run.design.member[run.models()[:1]] == 1
    stays[:, rows] = False
    copied = int((copies_of(token, offsets, stays.astype(np.int8)).seen[0, rows] > 0).sum())
    notes = ["The score of a document is the mean log-probability of its tokens."]
    if copied:
        notes.append(
            f"{copied} of the {len(rows)} documents to forget have the same tokens as one that is retained, so "
            "the retrained models learned them, too."
        )
    return notes


def judged(sets: dict[str, Scores], ids: np.ndarray, groups: dict[str, Bool[np.ndarray, " example"]]) -> Table:
    """The verdicts on the scores of four sets of models, `[model, example]` of the examples to forget only.

    Raises:
        TooFewModels: a set has fewer than 5 models.
    """
    count = min(len(values) for values in sets.values())
    if count < LEAST_MODELS:
        raise TooFewModels(
            f"An evaluation of unlearning needs at least {LEAST_MODELS} models in each set. Got {count}.",
            hint=f"train at least {LEAST_MODELS} of each, better 16: --set models=16.",
        )
    sets = {name: values[:count] for name, values in sets.items()}
    pairs = {"": ("unlearned", "retrained"), "null": ("again", "retrained"), "longer": ("unlearned", "longer")}
    found = {
        (group, which): compared(sets[one][:, mask], sets[other][:, mask])
        for group, mask in groups.items()
        for which, (one, other) in pairs.items()
    }
    adjusted = holm(np.array([found[group, ""]["p"].value for group in groups]))
    needed = models_for(len(groups))
    verdicts = [
        _verdict(found[group, ""]["shift"], float(p), count, needed) for group, p in zip(groups, adjusted, strict=True)
    ]
    by_example, note = _by_example(sets["unlearned"], sets["retrained"], ids)
    return Table(
        title="Unlearned models against models retrained without the examples",
        rows={"group": tuple(groups), "verdict": tuple(verdicts)},
        figures={
            f"{name}{f', {words}' if words else ''}": tuple(found[group, which][name] for group in groups)
            for which, words in (("", ""), ("null", "null"), ("longer", "longer training"))
            for name in ("AUC", "shift", "p")
            if which != "longer" or name == "shift"
        },
        arrays=by_example,
        notes=(
            f"Each set has {count} models. AUC is .5 where unlearned and retrained models are alike; the null compares "
            "two sets of retrained models.",
            "A shift is in standard deviations of the retrained models: above 0 something is left, below 0 more was "
            "forgotten than retraining forgets. The last column is against retrained models that were trained as many "
            "steps longer as the unlearning took: what is gone there was longer training.",
            f"p-values are those of dealing out whole models, for {len(groups)} groups at once by Holm's correction in "
            "the verdicts. That no difference is shown does not show that there is none; the interval of the shift "
            "says how large it may be.",
            note,
        ),
    )


def models_for(tests: int) -> int:
    """The fewest models of a set with which one of so many tests can be significant: 2 / C(2N, N) <= .05 / tests.

    Example:
        >>> models_for(1), models_for(40)
        (4, 7)
    """
    models = 2
    while 2 * tests > LEVEL * comb(2 * models, models):
        models += 1
    return models


def _verdict(shift: Scalar, p_value: float, models: int, needed: int) -> str:
    if models < needed:
        return f"cannot tell, needs {needed} models of each set"
    if p_value > LEVEL:
        return "no difference shown"
    if shift.value > 0:
        return "not unlearned: something is left"
    return "not unlearned: more is gone than by retraining"


def compared(one: Scores, other: Scores) -> dict[str, Scalar]:
    """AUC, shift and p of two sets of models, as in `unlearning`."""
    count, examples = one.shape
    without = [(np.delete(one, at, 0), np.delete(other, at, 0)) for at in range(count)]
    figures = {
        name: from_replicates(
            of(one, other),
            np.array([of(*pair) for pair in without]),
            models=2 * count,
            examples=examples,
            bounds=bounds,
        )
        for name, of, bounds in (("AUC", ulira, (0.0, 1.0)), ("shift", shift, (-np.inf, np.inf)))
    }
    nan = float("nan")
    p_value = dealt(one, other)
    figures["p"] = Scalar(value=p_value, stderr=nan, low=nan, high=nan, models=2 * count, examples=examples)
    return figures


def ulira(one: Scores, other: Scores) -> float:
    """Mean AUC over examples of the log-ratio of Gaussians that one half of the models fits and the other is judged by.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> round(ulira(rng.normal(3, 1, (40, 5)), rng.normal(0, 1, (40, 5))), 2) > 0.95
        True
    """
    found = []
    for start in (0, 1):
        fit, judge = (slice(start, None, 2), slice(1 - start, None, 2))
        ratio = _ratio(one[fit], other[fit])
        found.append(_auc(ratio(one[judge]), ratio(other[judge])).mean())
    return float(np.mean(found))


def _ratio(one: Scores, other: Scores) -> Callable[[Scores], Scores]:
    """Log-density of a Gaussian fitted to the first, minus that of one fitted to the second."""
    means, spreads = [], []
    for values in (one, other):
        variance = values.var(0, ddof=1)
        variance = variance if len(values) >= OWN_SPREAD // 2 else np.full_like(variance, variance.mean())
        means.append(values.mean(0))
        spreads.append(np.sqrt(np.maximum(variance, 1e-12)))

    def log_density(values: Scores, side: int) -> Scores:
        return np.asarray(-np.log(spreads[side]) - ((values - means[side]) / spreads[side]) ** 2 / 2)

    return lambda values: np.asarray(log_density(values, 0) - log_density(values, 1))


def _auc(one: Scores, other: Scores) -> Float[np.ndarray, " example"]:
    """The chance that a value of the first is above one of the second, ties half, by example."""
    above = (one[:, None] > other[None]).mean((0, 1))
    tied = (one[:, None] == other[None]).mean((0, 1))
    return np.asarray(above + tied / 2)


def shift(one: Scores, other: Scores) -> float:
    """How far the mean of the first is above that of the second, in standard deviations of the second."""
    spread = np.sqrt(other.var(0, ddof=1).mean())
    return float((one.mean(0) - other.mean(0)).mean() / max(float(spread), 1e-12))


def dealt(one: Scores, other: Scores) -> float:
    """The p-value of the two sets being alike, by dealing out their models; two-sided, with the deal at hand counted.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> dealt(rng.normal(3, 1, (5, 8)), rng.normal(0, 1, (5, 8)))
        0.007936507936507936
    """
    ranks = _ranks(np.concatenate([one, other]))
    count = len(one)

    def far(chosen: Bool[np.ndarray, "deal model"]) -> Float[np.ndarray, " deal"]:
        auc = (chosen.astype(np.float64) @ ranks - count * (count + 1) / 2) / (count * len(other))
        return np.asarray(((auc - 0.5) ** 2).mean(1))

    first = np.arange(len(ranks)) < count
    observed = float(far(first[None])[0])
    if comb(len(ranks), count) <= DEALS:
        deals = np.zeros((comb(len(ranks), count), len(ranks)), bool)
        for row, chosen in enumerate(combinations(range(len(ranks)), count)):
            deals[row, list(chosen)] = True
        return float((far(deals) >= observed - 1e-12).mean())
    rng = np.random.default_rng(0)
    deals = np.stack([rng.permutation(first) for _ in range(DEALS)])
    return float((1 + (far(deals) >= observed - 1e-12).sum()) / (1 + DEALS))


def _ranks(values: Scores) -> Scores:
    """Ranks from 1 over the models, of ties the middle."""
    below = (values[:, None] > values[None]).sum(1)
    tied = (values[:, None] == values[None]).sum(1)
    return np.asarray(below + (tied + 1) / 2, np.float64)


def _by_example(one: Scores, other: Scores, ids: np.ndarray) -> tuple[dict[str, np.ndarray], str]:
    """A verdict on each example, where so many models could reach one; else how many it takes."""
    count, examples = one.shape
    p_value = mannwhitneyu(one, other, axis=0, method="exact").pvalue
    adjusted, needed = holm(np.atleast_1d(p_value)), models_for(examples)
    differs = np.where(one.mean(0) > other.mean(0), "something is left", "more is gone than by retraining")
    can_tell = count >= needed
    verdict = np.where(adjusted <= LEVEL, differs, "no difference shown")
    note = (
        f"{int((adjusted <= LEVEL).sum())} of {examples} examples differ by themselves (Mann and Whitney, Holm)."
        if can_tell
        else f"Of single examples nothing can be told: among {examples} it takes {needed} models of each set."
    )
    spread = np.sqrt(np.maximum(other.var(0, ddof=1), 1e-24))
    return {
        "example": ids,
        "auc": _auc(one, other),
        "shift": (one.mean(0) - other.mean(0)) / spread,
        "p": adjusted if can_tell else np.full(examples, np.nan),
        "verdict": verdict if can_tell else np.full(examples, f"cannot tell, needs {needed} models of each set"),
    }, note


def _rows_to_forget(runs: dict[str, Run]) -> Int[np.ndarray, " forgotten"]:
    """Rows of what was to be forgotten; every model of the first run was trained on it, and none of the others."""
    first = runs["unlearned"]
    forget = np.array((first.manifest.parent or {}).get("forget", []), np.str_)
    if not len(forget):
        raise BadInput(
            f"The run {str(first.folder)!r} does not say what was to be forgotten.",
            hint="byrote ask RUN unlearn --set method=gradient-ascent trains the four sets.",
        )
    rows = np.flatnonzero(np.isin(first.ids, forget)).astype(np.int64)
    for name, run in runs.items():
        same = np.array_equal(run.ids, first.ids) and _alike(run, first)
        member = 1 if name == "unlearned" else 0
        if not same or not (run.design.member[run.models()][:, rows] == member).all():
            was = "trained on all of the examples to forget" if member else "trained without the examples to forget"
            raise BadInput(
                f"The run {str(run.folder)!r} is not one of models that were {was}, over the same examples.",
                hint="byrote ask RUN unlearn --set method=gradient-ascent trains the four sets.",
            )
    return rows


def _alike(one: Run, other: Run) -> bool:
    """Whether examples with the same ids have the same content."""
    if one.of_text or other.of_text:
        return bool(one.manifest.dataset["fingerprint"] == other.manifest.dataset["fingerprint"])
    return np.array_equal(one.labels, other.labels)


def _scores(run: Run, rows: Int[np.ndarray, " forgotten"]) -> Scores:
    if not run.of_text:
        return np.asarray(run.load("outputs.log_odds", run.models())[:, rows], np.float64)
    offsets, scored = (run.load(f"corpus.{name}", run.models()) for name in ("offsets", "scored"))
    refuse_unpredicted(run.ids[rows], offsets, scored, rows)
    found = np.empty((len(run.models()), len(rows)))
    for row, model in zip(found, run.models().tolist(), strict=True):
        of_token = run.load("tokens.log_probability", [model])[0].astype(np.float64)
        for at, document in enumerate(rows.tolist()):
            span = slice(*offsets[document : document + 2].tolist())
            row[at] = of_token[span][scored[span]].mean()
    return found


def refuse_unpredicted(
    ids: Shaped[np.ndarray, " forgotten"],
    offsets: Int[np.ndarray, " boundary"],
    scored: Bool[np.ndarray, " token"],
    rows: Int[np.ndarray, " forgotten"],
) -> None:
    """Refuse documents without a predicted token.

    Raises:
        BadInput: one is such.
    """
    before = np.concatenate([[0], np.cumsum(scored)])
    bare = ids[np.diff(before[offsets])[rows] == 0]
    if len(bare):
        raise BadInput(
            f"{len(bare)} of the {len(ids)} documents to forget have no predicted token, the first is "
            f"{str(bare[0])!r}, so it cannot be tested whether they are forgotten.",
            hint="leave them out of the documents to forget: one token alone has nothing before it.",
        )


def _groups(run: Run, rows: Int[np.ndarray, " forgotten"]) -> dict[str, Bool[np.ndarray, " example"]]:
    """All examples to forget; and, where some were planted, those of each kind and the others."""
    ids = run.ids[rows]
    kinds = {kind.replace("_", " "): run.controls.mask(ids, kind) for kind in run.controls.kinds()}
    kinds = {f"planted {kind}": mask for kind, mask in kinds.items() if mask.any()}
    found = {ALL: np.ones(len(ids), bool)}
    if not kinds:
        return found
    clean = ~np.any(list(kinds.values()), axis=0)
    return found | kinds | ({"without a planted control": clean} if clean.any() else {})


@section(of="unlearn", title="Unlearning, judged against retraining", order=60)
@section(of="unlearning", title="Unlearning, judged against retraining", order=60)
def shown(table: Table) -> Iterable[Block]:
    """Verdict and shift of all examples, the groups, and how to read them."""
    verdict, moved, area = table.rows["verdict"][0], table.figures["shift"][0], table.figures["AUC"][0]
    yield Tiles(
        tiles=(
            Tile(value=verdict, label="All examples to forget"),
            Tile(value=f"{_plain(moved)} sd", label="Shift against retrained models", note="0 is as if never seen"),
            Tile(value=_plain(area), label="AUC against retrained models", note=".5 is as if never seen"),
        )
    )
    rows = tuple(figure_rows(table, missing="–"))
    yield TableBlock(title=table.title, columns=(*table.rows, *table.figures), rows=rows)
    yield Words(text=" ".join(table.notes), tone="reading")


def _plain(figure: Scalar | None) -> str:
    return "–" if figure is None else decimal(figure)
