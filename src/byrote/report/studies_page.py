"""The page of studies: what each claim's study found, alone and beside the others, and what had been fixed of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final, get_args

from byrote.blocks import Block, TableBlock, Tile, Tiles, Words
from byrote.evidence.made_here import write_own
from byrote.evidence.seals import sealed
from byrote.report.page_sections.section import PageSection
from byrote.report.templates import environment, head
from byrote.report.text import count
from byrote.stats.verdicts import Outcome, Verdict
from byrote.studies.catalog import TRIES, Study, studies
from byrote.studies.results import FOLDER, Found, Standing, kept, standings

FILE: Final = "studies.html"
READING: Final = (
    "A claim holds where the 95 % interval of its effect lies wholly above the margin, fails where it lies wholly "
    "below, and otherwise nobody can tell. The interval is Student's, over models or pairs of models, never over "
    "examples of one model: it is about other models of the same recipe on the same data.",
    "Claim, effect, margin, seeds, program and data were fixed before anything ran; the digest is that of all these. "
    "Among all, a claim counts as clear only where Holm's p-value, over all studies on this page, is at most .05.",
    "The arms are simulated: in the null arm the effect equals the margin, so that the claim holds by chance only; in "
    "the planted arm it is clearly larger.",
)


def write_studies_page(out: Path) -> Path:
    """Write the page of all results of a folder into it.

    Raises:
        BadInput: a result is damaged, or a file of somebody else is there.
    """
    path = out / FOLDER / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    write_own(path, sealed(studies_page(standings(kept(out))).encode()))
    return path


def studies_page(found: Sequence[Standing]) -> str:
    """The page of these results."""
    reading = Words(text="\n\n".join(READING), tone="reading")
    sections = [
        _overview(found),
        *(_one(one) for one in found),
        PageSection(name="reading", title="How to read this", blocks=(reading,)),
    ]
    return (
        environment()
        .get_template("studies.html.jinja")
        .render(
            **head("page.css"),
            byrote=version("byrote"),
            sections=sections,
            title=title(found),
        )
    )


def title(found: Sequence[Standing]) -> str:
    """How many claims hold, fail and are open, in a sentence."""
    counted = [one.among_all for one in found if one.among_all is not None]
    if not counted:
        return "No study has a result yet"
    outcomes = Counter(counted)
    counts = ", ".join(f"{name} {outcomes[name]}" for name in get_args(Outcome))
    return f"Of {count(len(counted), 'claim')}: {counts}"


def _overview(found: Sequence[Standing]) -> PageSection:
    columns = ("Claim", "What the survey says", "Among all", "Alone", "Effect", "95 % interval", "Margin")
    rows: list[tuple[str, ...]] = [
        (
            name_of(one.found),
            str(one.found.fixed["says"]),
            one.among_all or one.why_not,
            one.found.verdict.outcome,
            *figures(one.found.verdict),
            _number(one.found.verdict.margin),
        )
        for one in found
    ]
    rows += [(each.claim, each.says, "not run", "–", "–", "–", _number(each.margin)) for each in not_run(found)]
    blocks = (TableBlock(title="What was found of each claim", columns=columns, rows=tuple(rows)),)
    return PageSection(name="all", title="All studies", blocks=blocks)


def not_run(found: Sequence[Standing]) -> list[Study]:
    """The studies without a result."""
    return [study for claim, study in studies().items() if claim not in {one.found.claim for one in found}]


def name_of(found: Found) -> str:
    """The claim, and the file whose data it was tried on where these are one's own."""
    return f"{found.claim} on {Path(found.source).name}" if found.source else found.claim


def figures(verdict: Verdict) -> tuple[str, str]:
    """The effect and its interval in words."""
    effect = verdict.effect
    interval = "–" if math.isnan(effect.low) else f"{_number(effect.low)} to {_number(effect.high)}"
    return _number(effect.value), interval


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3g}".replace("-", "−")


def would_decide(verdict: Verdict) -> str:
    """What an open verdict lacks, in a sentence; empty of a clear one."""
    if verdict.outcome != "cannot tell":
        return ""
    if verdict.needed is not None:
        return f"Nobody can tell: {verdict.reason}. It would take about {verdict.needed} units as these."
    return f"Nobody can tell: {verdict.reason}."


def _one(standing: Standing) -> PageSection:
    found = standing.found
    blocks = tuple(_blocks(standing, found))
    return PageSection(name=f"study-{Path(found.file).stem}", title=name_of(found), blocks=blocks)


def _blocks(standing: Standing, found: Found) -> Iterable[Block]:
    fixed, verdict = found.fixed, found.verdict
    if standing.why_not:
        text = (
            f"This result is {standing.why_not}: it is not counted."
            if standing.study
            else "There is no such study here."
        )
        yield Words(text=text, tone="warning")
    yield Words(text=f"“{fixed['says']}”")
    effect, interval = figures(verdict)
    yield Tiles(
        tiles=(
            Tile(value=verdict.outcome, label="Alone, at 95 %"),
            Tile(value=standing.among_all or "not counted", label="Among all studies on this page"),
            Tile(value=effect, label=str(fixed["effect"]), note=f"95 % {interval}; margin {_number(verdict.margin)}"),
        )
    )
    if would_decide(verdict):
        yield Words(text=would_decide(verdict))
    data = fixed["data"]
    facts = (
        ("digest", found.digest),
        ("units", f"{verdict.effect.models}, each a {fixed['unit']}; seed {fixed['seed']}"),
        ("data", f"{data['name']}, {data['examples']} examples, {data['fingerprint']}"),
        ("holds in the null arm", f"{found.null} of {TRIES}"),
        ("holds in the planted arm", f"{found.planted} of {TRIES}"),
        ("p-value of an effect equal to the margin", "–" if math.isnan(verdict.p) else f"{verdict.p:.2g}"),
        ("processor seconds", f"{found.cpu_seconds:g}"),
        ("byrote", found.byrote),
    )
    yield TableBlock(title="Fixed before it ran, and measured", columns=("fact", "value"), rows=facts)
    if standing.study is not None and standing.study.caveat:
        yield Words(text=standing.study.caveat, tone="reading")
