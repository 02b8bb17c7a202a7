"""The texts that a language model recites, or comes nearest to reciting: token by token, and where each stands."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from byrote.blocks import Item
from byrote.data.canaries import Canaries
from byrote.data.index.corpus_index import index_tokens
from byrote.data.tokenizers import FILE as TOKENIZER
from byrote.data.tokenizers import pieces, read_tokenizer
from byrote.errors import BadInput
from byrote.measures.k_eidetic_memorization import RARE
from byrote.report.language_facts import LanguageFacts, Recitation
from byrote.report.secrets import masked
from byrote.report.text import number
from byrote.runs.run import Run

#: So many passages are shown, and those that come nearest where none is recited; and places of a passage.
MOST_PASSAGES: Final = 40
NEAREST: Final = 6
PLACES: Final = 3
#: Tokens after a passage that are looked at, to hide a secret that begins in it.
BEYOND: Final = 32
#: Surprise in bits, from which on a token is coloured the next darker.
STEPS: Final = (0.5, 1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True, kw_only=True)
class Token:
    """A piece of a text: `step` is how surprising it was, `missed` whether another token would have come."""

    text: str
    step: int
    missed: bool
    bits: str


@dataclass(frozen=True, kw_only=True)
class Place:
    """A document that holds a passage, and the tokens at which it begins."""

    document: str
    token: int
    held_out: bool


@dataclass(frozen=True, kw_only=True)
class Passage(Item):
    """A text that is recited, or comes near to it: what is given, what follows, and where it stands.

    `prefix` is how many tokens are given. Its name is that of the first document that holds it.
    """

    recited: bool
    prefix: int
    given: str
    tokens: tuple[Token, ...]
    documents: int
    occurrences: int
    places: tuple[Place, ...]
    rare: bool
    queries: str
    models: str


def passages(
    run: Run, found: LanguageFacts, canaries: Canaries | None, *, show_secrets: bool, redact: bool
) -> tuple[tuple[Passage, ...], str]:
    """The passages that are shown, or why there are none."""
    if run.forgotten:
        return (), "The texts of this run were forgotten."
    if redact:
        return (), "Texts are left out of this page."
    recitation = found.recitation
    if not len(recitation.document):
        return (), f"No document has {sum(found.lengths)} tokens."
    try:
        tokenizer = tokenizer_of(run)
    except BadInput as error:
        return (), error.message
    models = run.models()
    token, offsets = run.load("corpus.token", models), run.load("corpus.offsets", models)
    index = index_tokens(token, offsets)
    secrets = [] if canaries is None else [canary.secret for canary in canaries]
    held_out = (run.design.member[models] == 0).all(0)
    shown = []
    for row in chosen(recitation).tolist():
        document, model = int(recitation.document[row]), int(recitation.model[row])
        begin = int(offsets[document])
        given, stop = (begin + length for length in itertools.accumulate(found.lengths))
        end = min(stop + BEYOND, int(offsets[document + 1]))
        parts = pieces(tokenizer, token[begin:end].tolist())
        if not show_secrets:
            parts = masked(parts, secrets)
        surprisal = run.load("tokens.log_probability", [model])[0][given:stop] / -np.log(2.0)
        right = run.load("tokens.hit", [model])[0][given:stop]
        query = token[given:stop].astype(np.int64)
        holding, first = index.documents(query), index.locate_first(query, PLACES)
        places = tuple(
            Place(document=str(run.ids[where]), token=int(start) + 1, held_out=bool(held_out[where]))
            for where, start in zip(first.document.tolist(), first.start.tolist(), strict=True)
        )
        shown.append(
            Passage(
                name=places[0].document,
                recited=bool(recitation.of_trained[0]),
                prefix=found.lengths[0],
                given="".join(parts[: given - begin]),
                tokens=tuple(
                    Token(
                        text=text,
                        step=int(np.searchsorted(STEPS, bits, side="right")),
                        missed=not hit,
                        bits=number(float(bits), 1),
                    )
                    for text, bits, hit in zip(parts[given - begin : stop - begin], surprisal, right, strict=True)
                ),
                documents=len(holding),
                occurrences=index.count(query),
                places=places,
                rare=len(holding) <= RARE,
                queries=answers(float(recitation.log10_queries[row])),
                models="" if len(models) == 1 else f"{int(recitation.reciting[row])} of {len(models)} models recite it",
            )
        )
    return tuple(shown), ""


def tokenizer_of(run: Run) -> Any:
    """The tokenizer that writes out the tokens of a run.

    Raises:
        BadInput: there is none, or it cannot be read.
    """
    path = run.folder / TOKENIZER
    if not path.exists():
        raise BadInput("The run holds no tokenizer to write its tokens out with.", hint="audit again with tokenizer=…")
    return read_tokenizer(path)


def chosen(recitation: Recitation) -> np.ndarray:
    """What is shown: texts trained on that are recited, the rarest first; or those that come nearest."""
    rows = np.flatnonzero(recitation.recited & recitation.trained)
    if len(rows):
        order = np.lexsort((recitation.log10_queries[rows], recitation.copies[rows]))
        return np.asarray(rows[order][:MOST_PASSAGES])
    rows = np.flatnonzero(recitation.trained)
    return np.asarray(rows[np.argsort(recitation.log10_queries[rows], kind="stable")][:NEAREST])


def answers(log10_queries: float) -> str:
    """How many answers one expects to draw until one is the text, in words.

    Example:
        >>> answers(0.04), answers(2.5), answers(9.2), answers(float("inf"))
        ('in 1.1 answers', 'in 320 answers', 'in 10^9 answers', 'in no number of answers')
    """
    if not np.isfinite(log10_queries):
        return "in no number of answers"
    if log10_queries > 6:
        return f"in 10^{log10_queries:.0f} answers"
    queries = 10**log10_queries
    return f"in {number(queries, 1)} answers" if queries < 100 else f"in {float(f'{queries:.2g}'):,.0f} answers"
