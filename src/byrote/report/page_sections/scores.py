"""Sections of scores: how all examples lie, which cheap score to trust, and what finds what was planted."""

from __future__ import annotations

from collections.abc import Iterator

from byrote.analyses.memorized_share import MEMORIZED
from byrote.blocks import Block, Missing, Named, TableBlock, Words
from byrote.report.facts import NAMED, Facts
from byrote.report.findings import Findings
from byrote.report.page_sections.section import PageSection
from byrote.report.sections import Ranking, Sections
from byrote.report.summary import percent
from byrote.report.text import capital, kind_words, plain
from byrote.report.watched import Watched
from byrote.results import decimal


def scores(facts: Facts, shown: Sections) -> PageSection:
    """Every example by its score."""
    reading = (
        f"Every example once, by its {facts.wording.score}. From the dashed line on, at {MEMORIZED}, an example counts "
        "as memorized here (a convention of Feldman and Zhang, 2020); a bar stands for the scores on both sides of its "
        "middle."
    )
    if facts.memorized_corrected is not None:
        reading += (
            " Noise moves more low scores above the line than high ones below, so the share of "
            f"{percent(facts.memorized)} is too high. The excess is estimated from half of the models; without it the "
            f"share is {percent(facts.memorized_corrected)}."
        )
    reading += " Around 0 the width is the noise of a limited number of models, and negative scores are that noise."
    if facts.memorization.note:
        reading += (
            f"\n\nWhat this number does not mean: it was {facts.memorization.note}. With more data beside it an "
            "example is less often memorized, so that a model trained on everything usually memorizes fewer."
        )
    return PageSection(
        name="scores",
        title="All scores",
        short="All scores",
        summary=f"Every example by its {facts.wording.score}; {percent(facts.memorized)} of them reach {MEMORIZED}",
        blocks=(shown.figures["distribution"], Words(text=reading, tone="reading")),
    )


def watched_scores(facts: Watched, shown: Sections) -> PageSection:
    """Every example by the score of training that the page goes by."""
    others = ", ".join(f"`results/{key}.parquet`" for key in facts.scores if key != facts.lead.key)
    reading = f"Every example once, by `{facts.lead.key}`." + (f" Also measured: {others}." if others else "")
    blocks = (shown.figures["distribution"], Words(text=reading, tone="reading"))
    return PageSection(name="scores", title="All scores", short="All scores", blocks=blocks)


def compared(facts: Facts, found: Findings, shown: Sections) -> PageSection:
    """How well cheap scores agree with memorization."""
    return PageSection(
        name="compared",
        title="Agreement with label memorization",
        short="Which score to trust",
        summary=f"How well each cheap score agrees with {facts.wording.score} on this data",
        blocks=tuple(_compared(facts.wording.score, found, shown)),
    )


def _compared(score: str, found: Findings, shown: Sections) -> Iterator[Block]:
    if isinstance(found.comparison, Missing):
        yield found.comparison
        return
    if "scores-map" not in shown.figures:
        yield Words(text=f"No score of this run can be set beside {score}.", tone="missing")
        return
    yield Words(
        text=f"{capital(score)} takes an ensemble. These scores are set beside it: how alike they rank the examples, "
        "how much of its top they find, and how far up they put what was planted."
    )
    yield shown.figures["scores-map"]
    notes = [plain(note.replace("label memorization", score), 400) for note in found.comparison.notes]
    said = "".join(f"{note} " for note in notes if "not compared" not in note)
    yield Words(
        text="1 is the best and darkest. “Of one training” is the score of a single network trained on all data: what "
        f"you would have without an ensemble. {said}\n\n"
        "What these numbers do not mean: agreement here is for this data and recipe, and carries over to no other. "
        f"`byrote calibrate` turns a cheap score into an estimate of {score}.",
        tone="reading",
    )


def ranking(facts: Facts, shown: Sections) -> PageSection:
    """Detection of planted controls; a remark where nothing was."""
    if not shown.rankings:
        why = (
            "No controls were planted in this run, so that no score can be judged by what it finds. "
            f"`--plant {facts.wording.plant}` plants some."
        )
        return PageSection(name="ranking", blocks=(Words(text=why, tone="missing"),))
    first = shown.rankings[0]
    best = first.rows[0]
    return PageSection(
        name="ranking",
        title="Detection of planted controls",
        short="What finds what was planted",
        summary=f"Of {len(first.rows)} scores `{best.measure.key}` ranks planted {kind_words(first.kind)} highest: "
        f"average precision {decimal(best.average_precision)}",
        blocks=tuple(_rankings(facts.memorization.models, shown.rankings)),
    )


def _rankings(models: int, rankings: tuple[Ranking, ...]) -> Iterator[Block]:
    for one in rankings:
        kind, many = kind_words(one.kind), one.planted + one.others
        yield Words(text=f"Planted {kind}: {one.planted:,} among {many:,} examples", tone="heading")
        yield TableBlock(
            title=f"Scores by how well they find planted {kind}, best first, by {models} models. By chance: average "
            f"precision {one.chance}, AUROC (area under the receiver operating characteristic) 0.5.",
            columns=("Score", "Kind", "Average precision", "AUROC"),
            rows=tuple(
                (
                    Named(text=f"`{row.measure.key}`", note=row.measure.title),
                    row.measure.evaluation,
                    row.average_precision,
                    row.auroc,
                )
                for row in one.rows
            ),
            style="ranking",
            bars="Average precision",
        )
    yield Words(
        text=f"Figures and intervals are those of scores from {models} models each: more models scatter less, and put "
        f"planted examples further up. Only `{NAMED}` was named before anything was measured; the first of a long list "
        "looks better than it is.\n\n"
        "Scores are compared by how far up they put the examples whose trouble is known because it was planted. "
        "Proxies "
        "watch models while they are trained on the example; differential scores compare models with and without it, "
        "as "
        "the definition of memorization does. A differential score that ranks planted examples lower is not wrong: "
        "rare "
        "and ambiguous examples with right labels are memorized too. What finds planted trouble best here need not "
        "do so for trouble of another kind.",
        tone="reading",
    )
