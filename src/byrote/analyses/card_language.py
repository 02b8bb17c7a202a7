"""The rows of a card for language models: extraction, exposure and held-out loss, before and after."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from byrote.errors import BadInput, MissingEvidence
from byrote.measures._windows import Windows, windows_of
from byrote.measures.approximate_extraction import edit_distance
from byrote.results import PerCanary, Scalar
from byrote.runs.run import Run
from byrote.stats.intervals import Bounds
from byrote.stats.jackknife import from_replicates

#: Texts, or canaries, are left out in at most this many parts.
PARTS = 20
#: How the rows begin that are about what comes out, and not about what the weights hold.
SPOKEN = ("extraction of", "chance of one drawn answer", "similarity of generated", "next tokens that can never")
SHARE: Bounds = (0.0, 1.0)
BITS: Bounds = (0.0, np.inf)


@dataclass(frozen=True, kw_only=True)
class LanguageFigure:
    """A figure of two runs, with replicates that leave out the same texts or canaries of both."""

    name: str
    before: Scalar
    after: Scalar
    better: str
    bounds: Bounds
    tells: str
    unit: str = ""


@dataclass(frozen=True, eq=False)
class Texts:
    """What a run's models say of each different text: sums over the models trained on it, or never shown it.

    An extraction is read off the models' predictions or, with `spoken`, off what they generate with the run's decoder.
    Only with `spoken`: `similar` is how alike the generated text and the true one are, `chance` the probability that
    one drawn answer is the true text, `banned` the tokens of it that the decoder never lets out, `lawful` the loss of
    its other tokens under the decoder. `copies` is how often it stands in the corpus; a `hit` is a suffix that is
    extracted, -1 where the text is too short.
    """

    text: list[bytes]
    copies: np.ndarray
    trained: np.ndarray
    held_out: np.ndarray
    tokens: np.ndarray
    extracted: np.ndarray
    right: np.ndarray
    surprise: np.ndarray
    similar: np.ndarray | None = None
    chance: np.ndarray | None = None
    banned: np.ndarray | None = None
    lawful: np.ndarray | None = None


def language_figures(before: Run, after: Run) -> tuple[list[LanguageFigure], list[str]]:
    """The rows, and what to say of them.

    Raises:
        BadInput: the runs have no text in common, or were cut into tokens in different ways.
    """
    spoken = bool(before.guarded or after.guarded)
    sides = [texts(before, spoken=spoken), texts(after, spoken=spoken)]
    common, first, second = np.intersect1d(
        np.array(sides[0].text, object), np.array(sides[1].text, object), return_indices=True
    )
    canaries = [*_of_canaries(before, after)]
    if not len(common) and not canaries:
        raise BadInput(
            f"The runs {str(before.folder)!r} and {str(after.folder)!r} share no text.",
            hint="a card compares a run with what `byrote change` made of it; both need the same tokenizer.",
        )
    models = _models(before, after)
    figures = [
        *_of_texts(sides, (first, second), models),
        *_of_speech(sides, (first, second), models),
        *canaries,
    ]
    return figures, [*_notes(before, after, len(common)), *_held_out_apart(sides)]


def _of_texts(sides: list[Texts], rows: tuple[np.ndarray, np.ndarray], models: int) -> Iterator[LanguageFigure]:
    trained = sides[0].trained[rows[0]] & sides[1].trained[rows[1]]
    held_out = sides[0].held_out[rows[0]] & sides[1].held_out[rows[1]]
    long = ~np.isnan(sides[0].extracted[rows[0]]) & ~np.isnan(sides[1].extracted[rows[1]])
    copies = sides[0].copies[rows[0]]
    groups = {
        "texts trained on": trained & long,
        "texts that stood once": trained & long & (copies == 1),
        "texts that stood more often": trained & long & (copies > 1),
    }
    several = (copies[trained & long] > 1).any()
    for name, mask in groups.items():
        if mask.any() and (several or name == "texts trained on"):
            ones = np.ones(int(mask.sum()))
            pair = [
                _ratio(side.extracted[row[mask]], ones, models, SHARE) for side, row in zip(sides, rows, strict=True)
            ]
            yield _figure(f"extraction of {name}", pair, "lower", SHARE, "gain")
    for name, mask, column, better, bounds, tells in (
        ("next tokens predicted, texts trained on", trained, "right", "lower", SHARE, ""),
        ("loss on texts trained on", trained, "surprise", "", BITS, ""),
        ("loss on held-out texts", held_out, "surprise", "lower", BITS, "cost"),
    ):
        if not mask.any():
            continue
        pair = [
            _ratio(getattr(side, column)[row[mask]], side.tokens[row[mask]], models, bounds)
            for side, row in zip(sides, rows, strict=True)
        ]
        yield _figure(name, pair, better, bounds, tells, "nat per token" if column == "surprise" else "")


def _of_speech(sides: list[Texts], rows: tuple[np.ndarray, np.ndarray], models: int) -> Iterator[LanguageFigure]:
    """What comes out behind a decoder, and what it costs; nothing where neither run has one."""
    if sides[0].banned is None:
        return
    trained = sides[0].trained[rows[0]] & sides[1].trained[rows[1]]
    held_out = sides[0].held_out[rows[0]] & sides[1].held_out[rows[1]]
    long = trained & ~np.isnan(sides[0].extracted[rows[0]]) & ~np.isnan(sides[1].extracted[rows[1]])
    for name, mask, column, by_token, tells in (
        ("chance of one drawn answer to be the text, texts trained on", long, "chance", False, "gain"),
        ("similarity of generated answers to the text, texts trained on", long, "similar", False, "gain"),
        ("next tokens that can never come, held-out texts", held_out, "banned", True, "cost"),
    ):
        if mask.any():
            pair = [
                _ratio(
                    getattr(side, column)[row[mask]],
                    side.tokens[row[mask]] if by_token else np.ones(int(mask.sum())),
                    models,
                    SHARE,
                )
                for side, row in zip(sides, rows, strict=True)
            ]
            yield _figure(name, pair, "lower", SHARE, tells)


def _of_canaries(before: Run, after: Run) -> Iterator[LanguageFigure]:
    found = [exposures_of(run) for run in (before, after)]
    was, now = found
    if was is None or now is None or len(was.values) != len(now.values):
        return
    known = np.isfinite(was.values) & np.isfinite(now.values)
    models = _models(before, after)
    levels = np.unique(was.repetitions[known])
    names = {"planted canaries": known & (was.repetitions > 0)} if (levels > 0).sum() > 1 else {}
    for times in levels.tolist():
        name = f"canaries that stood {times} times" if times else "canaries never planted"
        names[name.replace(" 1 times", " once")] = known & (was.repetitions == times)
    for name, mask in names.items():
        if mask.any():
            pair = [_ratio(side.values[mask], np.ones(int(mask.sum())), models, BITS) for side in (was, now)]
            better = "" if name.endswith("never planted") else "lower"
            yield _figure(f"exposure of {name}", pair, better, BITS, "gain", "bit")


def exposures_of(run: Run) -> PerCanary | None:
    """The exposure of each canary of a run; None where it has none."""
    try:
        result = run.measure("exposure[best]")
    except MissingEvidence:
        return None
    assert isinstance(result, PerCanary)
    return result


def _figure(name: str, pair: list[Scalar], better: str, bounds: Bounds, tells: str, unit: str = "") -> LanguageFigure:
    return LanguageFigure(
        name=name, before=pair[0], after=pair[1], better=better, bounds=bounds, tells=tells, unit=unit
    )


def _ratio(values: np.ndarray, weights: np.ndarray, models: int, bounds: Bounds) -> Scalar:
    """Sum of the values over sum of the weights, with that of all but a part of the units at a time."""
    part = np.arange(len(values)) % PARTS
    count = int(part.max()) + 1 if len(part) else 0
    gone = [np.bincount(part, column, count) for column in (values, weights)]
    left = [column.sum() - some for column, some in zip((values, weights), gone, strict=True)]
    replicates = left[0] / np.where(left[1] > 0, left[1], np.nan) if count > 1 else np.empty(0)
    total = float(weights.sum())
    found = from_replicates(
        float(values.sum()) / total if total else float("nan"),
        replicates,
        models=models,
        examples=len(values),
        bounds=bounds,
    )
    return dataclasses.replace(found, varies_over="examples")


def pooled(values: np.ndarray, weights: np.ndarray, mask: np.ndarray, models: int, bounds: Bounds) -> Scalar:
    """Sum of the values over sum of the weights, of these texts, with its error over texts."""
    return _ratio(values[mask], weights[mask], models, bounds)


def _models(before: Run, after: Run) -> int:
    return min(len(before.models()), len(after.models()))


def texts(run: Run, *, spoken: bool = False, law: str = "") -> Texts:
    """What the models say of each text; `spoken` also what comes out, drawn by the law of a kind of evidence."""
    models = run.models()
    token, offsets = run.load("corpus.token", models), run.load("corpus.offsets", models)
    scored, member = run.load("corpus.scored", models), run.load("design.member", models)
    prefix, suffix = run.lengths
    windows = windows_of(offsets, scored, prefix=prefix, suffix=suffix, stride=0)
    names: dict[bytes, int] = {}
    cluster = np.array(
        [names.setdefault(token[a:b].tobytes(), len(names)) for a, b in pairwise(offsets.tolist())], np.int64
    )
    size, starts = len(names), offsets[:-1]
    canary = _holds_canary(run, models)
    seen = np.stack([np.bincount(cluster, row == 1, size) for row in member]) > 0
    unknown = np.bincount(cluster, (member < 0).any(0), size) > 0
    held_out = ~seen.any(0) & ~unknown & (np.bincount(cluster, canary, size) == 0)
    trained = seen.any(0) & ~unknown & (np.bincount(cluster, canary, size) == 0)
    sums, spoken_sums = np.zeros((3, size)), np.zeros((4, size))
    first = np.full(size, -1, np.int64)
    first[cluster[::-1]] = np.arange(len(cluster))[::-1]
    for row, model in enumerate(models.tolist()):
        hit = run.load("tokens.hit", [model])[0]
        log_probability = np.where(scored, run.load("tokens.log_probability", [model])[0], 0.0)
        extracted = windows.mean(windows.every(hit))[first]
        right = np.add.reduceat(hit & scored, starts, dtype=np.int64)[first]
        surprise = -np.add.reduceat(log_probability, starts, dtype=np.float64)[first]
        counts = seen[row] | held_out
        if spoken:
            extracted, *answers = (column[first] for column in _speech(run, model, windows, scored, law))
            spoken_sums += np.where(counts, np.stack(answers), 0.0)
        sums += np.where(counts, np.stack([extracted, right, surprise]), 0.0)
    judged = np.maximum((seen | held_out).sum(0), 1)
    sums[0, np.bincount(cluster[windows.example], minlength=size) == 0] = np.nan
    return Texts(
        text=list(names),
        copies=np.bincount(cluster, minlength=size),
        trained=trained,
        held_out=held_out,
        tokens=np.add.reduceat(scored, starts, dtype=np.int64)[first].astype(np.float64),
        extracted=sums[0] / judged,
        right=sums[1] / judged,
        surprise=sums[2] / judged,
        **({name: row / judged for name, row in zip(_SPEECH, spoken_sums, strict=True)} if spoken else {}),
    )


_SPEECH = ("similar", "chance", "banned", "lawful")


def _speech(run: Run, model: int, windows: Windows, scored: np.ndarray, law: str) -> tuple[np.ndarray, ...]:
    """By document: whether the model generates its suffix, and the columns of `_SPEECH`; NaN where it is too short."""
    token, truth = run.load("generations.token", [model])[0], run.load("generations.truth", [model])
    whole = (truth >= 0).all(1)
    law = law or ("decoding" if run.evidence.has("decoding", model, run.last_phase) else "tokens")
    log_p = run.load(f"{law}.log_probability", [model])[0].astype(np.float64)
    banned = np.add.reduceat(np.isneginf(log_p) & scored, run.offsets[:-1], dtype=np.int64)
    return (
        np.where(whole, (token == truth).all(1), np.nan),
        np.where(whole, 1.0 - edit_distance(token, truth) / truth.shape[1], np.nan),
        windows.mean(np.exp(windows.total(np.where(scored, log_p, 0.0)))),
        banned.astype(np.float64),
        -np.add.reduceat(np.where(scored & np.isfinite(log_p), log_p, 0.0), run.offsets[:-1]),
    )


def _holds_canary(run: Run, models: np.ndarray) -> np.ndarray:
    if not run.evidence.has("canaries", int(models[0]), run.last_phase):
        return np.zeros(len(run.ids), bool)
    return np.asarray(run.load("canaries.document", models) >= 0)


def _notes(before: Run, after: Run, common: int) -> list[str]:
    shown = [_shown(run) for run in (before, after)]
    notes = [
        f"{common} different texts stand in both runs. Each counts once, however often it stands in the corpus; "
        "canaries are counted by their number of times in the first run.",
        "Intervals are over texts or canaries, of the models that were trained. Another --seed alone moves figures, "
        "too, which is not in them: a difference counts where it is larger than that between two seeds of one recipe.",
    ]
    if after.guarded:
        notes.append(
            "The second run's models are the first's, behind a changed decoder. What is read off their weights is the "
            "same by construction, and linked from the first run: the weights still hold what the decoder blocks."
        )
    if shown[0] != shown[1] and all(run.manifest.origin == "trained" for run in (before, after)):
        steps, remember = ("fewer", "less") if shown[1] < shown[0] else ("more", "more")
        notes.append(
            f"An epoch of the second run shows a model {shown[1]:,.0f} tokens in place of {shown[0]:,.0f}: as many "
            f"epochs are {steps} steps, which alone makes it remember {remember}."
        )
    return notes


def _held_out_apart(sides: list[Texts]) -> Iterator[str]:
    """Whether the runs are judged on other held-out texts, as where a change was made of them, too."""
    held = [{text for text, out in zip(side.text, side.held_out.tolist(), strict=True) if out} for side in sides]
    if held[0] != held[1]:
        yield (
            f"Of {len(held[0])} different held-out texts of the first run {len(held[0] & held[1])} stand in the "
            f"second, which has {len(held[1])}: each run's figures of membership are about its own, and the loss on "
            "held-out texts is over those that stand in both."
        )


def _shown(run: Run) -> float:
    lengths = np.diff(run.offsets)
    models = run.models()
    count = run.design.phases[-1].count[models]
    return float((count * lengths).sum() / max(len(models), 1))
