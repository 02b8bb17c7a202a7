"""What a run shows whose models cannot tell what an example's own presence does: how their training went."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from byrote.analyses.comparison import unasked_words
from byrote.errors import MissingEvidence, TooFewModels
from byrote.evidence.schema import every_kind, kind_of
from byrote.measures.catalog import Measure, catalog
from byrote.report.facts import NAMED, Facts, belongs, changed, many_undefined
from byrote.report.headline import Figure, Headline, Tile
from byrote.report.known import FORGOTTEN
from byrote.report.missing import RUN, Missing, where_possible
from byrote.report.next_steps import Step
from byrote.report.summary import percent, sentences
from byrote.report.text import count, number
from byrote.report.wording import CLASSES, Wording, wording_of
from byrote.results import PerExample, Scalar
from byrote.runs.run import OnProgress, Run

#: The score that the page goes by is the first of these that was measured.
LEADS = (
    FORGOTTEN,
    NAMED,
    f"{NAMED}[presentation]",
    "area_under_margin",
    "area_under_margin[checkpoint]",
    "forgetting_events",
)
MOST_COLUMNS = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Watched:
    """Scores of training, the one that the page goes by first; and why label memorization is not there."""

    lead: Measure
    scores: Mapping[str, PerExample]
    models: int
    role: str
    member_accuracy: Scalar | None
    heldout_accuracy: Scalar | None
    why: Missing
    notes: tuple[str, ...]
    wording: Wording = CLASSES

    @property
    def result(self) -> PerExample:
        """The values of the score that the page goes by."""
        return self.scores[self.lead.key]

    @property
    def columns(self) -> dict[str, PerExample]:
        """A few scores for the table: that one, and others of other measures."""
        chosen = {self.lead.key: self.result}
        names = {self.lead.name}
        for key, result in self.scores.items():
            name = key.partition("[")[0]
            if name not in names and len(chosen) < MOST_COLUMNS:
                chosen[key] = result
                names.add(name)
        return chosen


def watched(run: Run, why: Missing, on_progress: OnProgress) -> Watched:
    """Measure all of a run that its evidence carries, label memorization aside.

    Raises:
        MissingEvidence: not a single score by example can be measured.
    """
    role = "reference" if len(run.design.models_of("reference")) else "full"
    every = [entry for entry in catalog().values() if entry.scores_examples and belongs(run, entry)]
    unasked = [entry for entry in every if not _takes(run, entry) and entry.unasked(run.manifest.evidence)]
    entries = [entry for entry in every if entry not in unasked]
    scores: dict[str, PerExample] = {}
    unmeasured: dict[str, list[str]] = {}
    for done, entry in enumerate(entries, start=1):
        result = where_possible(partial(run.measure, entry.key, role=role))
        if isinstance(result, Missing):
            unmeasured.setdefault(_takes(run, entry) or result.why, []).append(entry.key)
        elif isinstance(result, PerExample) and (result.reason_code == 0).any():
            scores[entry.key] = result
        elif isinstance(result, PerExample):
            unmeasured.setdefault(f"It is {result.undefined or 'undefined'}.", []).append(entry.key)
        on_progress(done / len(entries))
    if not scores:
        raise MissingEvidence(
            f"Nothing can be measured by example in the run {str(run.folder)!r}: {why.why}",
            hint="audit with more models, or record more of the training.",
        )
    lead = next((key for key in LEADS if key in scores), next(iter(scores)))
    return Watched(
        lead=catalog()[lead],
        scores=scores,
        models=len(run.models(role)),
        role=role,
        member_accuracy=_accuracy(run, role),
        heldout_accuracy=run.heldout_accuracy(role=role),
        why=Missing(why=_of_memorization(run, why)),
        notes=(
            *changed(run),
            *run.manifest.notes,
            *(f"{', '.join(keys)}: not measured. {reason}" for reason, keys in unmeasured.items()),
            *(f"{key}: {one.undefined}" for key, one in scores.items() if many_undefined(one)),
            *unasked_words(run, unasked),
        ),
        wording=wording_of(run),
    )


def _takes(run: Run, entry: Measure) -> str:
    """What evidence a measure lacks in a recorded run, and how the recorder takes it; empty elsewhere."""
    if run.manifest.origin != "observed":
        return ""
    needed = {kind_of(kind).shards for kind in entry.kinds} - set(run.manifest.evidence)
    lacking = [kind.recorder for kind in every_kind() if kind.recorder and kind.name in needed]
    return f"It takes {' and '.join(lacking)}." if lacking else ""


def trajectory_words(run: Run, why: Missing) -> str:
    """What trajectories take, where there are none."""
    return f"they take {kind_of('trajectory').recorder}." if run.manifest.origin == "observed" else why.why


def _of_memorization(run: Run, why: Missing) -> str:
    if run.manifest.origin != "observed":
        return why.why
    return (
        "It takes models that were trained without an example beside models trained on it, 8 or more of them, each "
        f"with {kind_of('outputs').recorder}."
    )


def _accuracy(run: Run, role: str) -> Scalar | None:
    def share(right: np.ndarray, membership: np.ndarray) -> float:
        judged = right[membership == 1]
        return float(judged.mean()) if len(judged) else float("nan")

    found = where_possible(lambda: run.share("outputs.correct", share, role=role, examples=len(run.ids)))
    return None if isinstance(found, Missing) else found


def watched_headline(run: Run, found: Watched) -> Headline:
    """The headline of a run that was watched."""
    score = found.lead.key
    accuracy = {"trained on": found.member_accuracy, "held out": found.heldout_accuracy}
    known = {name: figure for name, figure in accuracy.items() if figure is not None and not np.isnan(figure.value)}
    tiles = [
        Tile(
            title="Models",
            figures=(Figure(label="watched in training", value=f"{found.models:,}", error=""),),
            note="each on all that it was shown",
        ),
        Tile(
            title="Scores by example",
            figures=(Figure(label="could be measured", value=f"{len(found.scores):,}", error=""),),
            note=f"this page goes by {score}",
        ),
    ]
    if known:
        tiles.append(
            Tile(
                title=found.wording.rate_title,
                figures=tuple(
                    Figure(label=name, value=percent(figure).partition(" ±")[0].removesuffix(" %") + " %", error="")
                    for name, figure in known.items()
                ),
                note="mean over models, at the end of training",
            )
        )
    return Headline(
        title=f"How training went for {len(run.ids):,} examples",
        lead=f"They are ordered by {score}: {found.lead.title[0].lower()}{found.lead.title[1:].rstrip('.')}. A "
        "high score means hard to fit. Memorized examples are hard to fit, but so are examples that are only "
        "difficult.",
        answers=(
            ("What was memorized?", f"It cannot be told from these models. {found.why.why}"),
            ("How precise is this?", _certainty(found)),
            (
                "What is at risk?",
                "Unknown: an attack needs models that were trained without an example beside those trained on it.",
            ),
        ),
        warning="",
        tiles=tuple(tiles),
    )


def _certainty(found: Watched) -> str:
    result = found.result
    text = f"It rests on {count(found.models, 'training')}."
    errors = result.stderr[~np.isnan(result.stderr)]
    if not len(errors):
        return f"{text} How far scores would move in another training is unknown; two trainings or more tell."
    return f"{text} The score of one example has a standard error of about {number(float(np.median(errors)))}."


def watched_steps(run: Run) -> tuple[Step, ...]:
    """What it takes to know more."""
    recorded = run.manifest.origin == "observed"
    halves = (
        "record trainings on random halves of the data into one folder, of each half and of the other, 8 or more of "
        "them (two that complement each other are taken as a pair); or "
    )
    recorder = ('byrote.Recorder("runs/mine", examples=…, model=1)',) if recorded else ()
    return (
        Step(
            why=f"Know what was memorized: {halves if recorded else ''}let byrote train models with and without each "
            "example.",
            commands=(*recorder, "byrote audit SOURCE --models 64"),
        ),
        Step(
            why="Estimate it for this training from an audit of the same data.",
            commands=(f"byrote calibrate AUDITED_RUN --apply {RUN}",),
        ),
        Step(why=f"Look through the top of the table below, and export the ids {wording_of(run).export()}."),
    )


def report_sentences(found: Facts | Watched) -> list[str]:
    """What was found in the words of the terminal, most important first."""
    return sentences(found) if isinstance(found, Facts) else list(_sentences(found))


def _sentences(found: Watched) -> Iterator[str]:
    yield f"Label memorization cannot be told from these models. {found.why.why}"
    yield (
        f"The report shows {count(len(found.scores), 'score')} of how training went, from "
        f"{count(found.models, 'training')}, ordered by {found.lead.key}."
    )
    if found.member_accuracy is not None:
        yield f"{found.wording.rate_title} on what was trained on {percent(found.member_accuracy)}."
    yield from found.notes


def refuse_undefined(result: PerExample) -> PerExample:
    """A result of which some value is defined.

    Raises:
        TooFewModels: none is.
    """
    if (result.reason_code != 0).all():
        why = sorted({result.reason(row) for row in range(min(len(result.values), 1_000))})
        raise TooFewModels(
            f"Label memorization is undefined for all {len(result.values):,} examples: {'; '.join(why)}.",
            hint="train models with and without each example, as byrote audit does.",
        )
    return result
