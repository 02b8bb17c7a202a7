"""What a decoder lets out of a language model, beside what the weights hold: of one run whose decoder was changed."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from byrote.analyses.card_language import BITS, SHARE, pooled, texts
from byrote.analyses.catalog import analysis
from byrote.blocks import Block, Tile, Tiles, Words, plain_blocks, section
from byrote.errors import MissingEvidence
from byrote.results import Scalar, Table, decimal
from byrote.runs.run import Run

RECITED = "texts trained on that are recited"


@analysis(
    asks="What does the decoder let out, and what do the weights still hold?",
    needs=("generations", "decoding", "tokens"),
    section="5.6",
)
def guard(run: Run) -> Table:
    """Extraction from the weights and behind the decoder, and what the decoder costs on held-out texts.

    Formula:
        recited: the suffix is the likeliest token at every place, or what was generated; chance: the product of the
        probabilities of the suffix's tokens; similarity: 1 - normalised edit distance of the generated tokens;
        banned: the share of next tokens that have no probability; loss: in nats per token, over the others
    Undefined:
        similarity of the weights, which were not asked to generate.

    Source: Ippolito et al. 2023, arXiv:2210.17546.
    Differs:
        That nothing of n tokens comes out holds by construction; what is printed beside it is what is like it.

    Raises:
        MissingEvidence: the run has no changed decoder, or did not record what is generated.
    """
    if not {"generations", "decoding"} <= run.guarded:
        raise MissingEvidence(
            f"The run {str(run.folder)!r} has no changed decoder whose generations were recorded.",
            hint="byrote change RUN --with ngram-guard=8 makes one, of a run that generated.",
        )
    held, out = texts(run, spoken=True, law="tokens"), texts(run, spoken=True)
    weights = texts(run)
    assert held.chance is not None
    assert out.chance is not None
    assert out.similar is not None
    assert out.banned is not None
    models = len(run.models())
    long = out.trained & ~np.isnan(out.extracted)
    ones = np.ones(len(out.copies))
    left = out.tokens - out.banned
    of = {
        RECITED: (
            pooled(weights.extracted, ones, long, models, SHARE),
            pooled(out.extracted, ones, long, models, SHARE),
        ),
        "chance of one drawn answer to be the text": (
            pooled(held.chance, ones, long, models, SHARE),
            pooled(out.chance, ones, long, models, SHARE),
        ),
        "similarity of generated answers to the text": (None, pooled(out.similar, ones, long, models, SHARE)),
        "held-out next tokens that can never come": (None, pooled(out.banned, out.tokens, out.held_out, models, SHARE)),
        "loss on held-out texts, in nats per token": (
            pooled(weights.surprise, out.tokens, out.held_out, models, BITS),
            pooled(out.lawful, left, out.held_out, models, BITS) if out.lawful is not None else None,
        ),
    }
    return Table(
        title="The weights, and what comes out",
        rows={"what": tuple(of)},
        figures={
            "the weights": tuple(pair[0] for pair in of.values()),
            "behind the decoder": tuple(pair[1] for pair in of.values()),
        },
        notes=(
            "± is over texts, of the models at hand.",
            "The weights still hold what the decoder blocks: who has them, or another decoder, gets it out. Exposure "
            "and membership are as before.",
            "A decoder tells, too: a token that never comes where the model is sure is the blocked text's.",
        ),
    )


@section(of="guard", title="What the decoder lets out", order=40)
def shown(table: Table) -> Iterable[Block]:
    """Recitation before and behind the decoder, the table, and what stays."""
    held, out = (table.figures[name][0] for name in ("the weights", "behind the decoder"))
    yield Tiles(
        tiles=(
            Tile(value=_plain(held), label="Recited by the weights", note=RECITED),
            Tile(value=_plain(out), label="Recited behind the decoder", note=RECITED),
        )
    )
    yield Words(text=table.notes[1], tone="warning")
    blocks = list(plain_blocks(table))
    yield blocks[0]
    yield Words(text=f"{table.notes[0]} {table.notes[2]}", tone="reading")


def _plain(figure: Scalar | None) -> str:
    return "–" if figure is None else decimal(figure)
