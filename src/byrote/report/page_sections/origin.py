"""Where a report comes from: notes, data, recipe, machine, versions and seeds."""

from __future__ import annotations

from collections.abc import Sequence

from byrote.blocks import Block, Facts, Fold, TableBlock, Words
from byrote.report.page_sections.section import PageSection
from byrote.report.provenance import Provenance
from byrote.report.text import count, plain
from byrote.runs.run import Run


def origin(run: Run, made: Provenance, notes: Sequence[str], models: int) -> PageSection:
    """What a reader needs to judge and to repeat a run."""
    blocks: list[Block] = []
    if notes:
        listed = "\n\n".join(plain(note, 600) for note in notes)
        blocks += [Words(text="Notes", tone="heading"), Words(text=listed, tone="list")]
    blocks.append(Facts(subjects=made.sections))
    if made.seeds:
        seeds = TableBlock(title="The seed of each model", columns=("Model", "Seed"), rows=made.seeds)
        blocks.append(Fold(summary="Seeds of the models", blocks=(seeds,)))
    by = plain(run.manifest.byrote, 80)
    return PageSection(
        name="origin",
        title="Provenance",
        short="Provenance",
        summary=f"Made by byrote {by} from {count(models, 'model')}; cost, seeds and notes",
        blocks=tuple(blocks),
    )
