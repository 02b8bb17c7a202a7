"""Real English text that comes with every CPython: the topics of its own help."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pydoc_data.topics import topics
from typing import Final

import numpy as np

from byrote.data.canaries import REPEAT, Canaries, plant
from byrote.data.controls import EXACT_DUPLICATE, planted
from byrote.data.corpus import Corpus, Encode, corpus_from_texts

#: Shorter paragraphs are headings and signatures.
SHORTEST: Final = 80
HELD_OUT: Final = 0.2
#: Letters of the paragraphs that are repeated: enough for a prefix and a suffix of 50 tokens, and not much more.
REPEATED: Final = (400, 700)
_SPLIT_SEED: Final = 20_250_101


@dataclass(frozen=True, kw_only=True, eq=False)
class Docs:
    """What to train on, with canaries and repeated paragraphs in it, what is held out, and what was planted."""

    training: Corpus
    heldout: Corpus
    canaries: Canaries | None
    notes: tuple[str, ...]


def python_docs() -> Corpus:
    """The paragraphs of Python's help topics, each once, in alphabetical order of the topics.

    They differ between versions of Python; the manifest records their digest.

    Example:
        >>> len(python_docs()) > 500
        True
    """
    paragraphs = [part.strip() for topic in sorted(topics) for part in topics[topic].split("\n\n")]
    unique = dict.fromkeys(part for part in paragraphs if len(part) >= SHORTEST)
    return corpus_from_texts(unique, name="docs")


def digest(corpus: Corpus) -> str:
    """SHA-256 of the texts, in their order."""
    return hashlib.sha256("\0".join(corpus.texts).encode()).hexdigest()


def split(corpus: Corpus, *, share: float = HELD_OUT) -> tuple[Corpus, Corpus]:
    """Documents to train on and held-out ones; the split is fixed."""
    rng = np.random.default_rng(_SPLIT_SEED)
    held_out = np.zeros(len(corpus), bool)
    held_out[rng.permutation(len(corpus))[: round(share * len(corpus))]] = True
    return corpus.subset(~held_out), corpus.subset(held_out)


def planted_docs(
    corpus: Corpus,
    *,
    encode: Encode,
    seed: int = 0,
    repeat: tuple[int, ...] = REPEAT,
    level: int = 8,
    paragraphs: int = 4,
) -> Docs:
    """The corpus, split, with canaries and repeated paragraphs planted in what is trained on.

    `level` canaries and `paragraphs` paragraphs stand in it at each number of times of `repeat`; as many canaries are
    controls among the held-out documents. `level` 0 plants no canary.
    """
    rng = np.random.default_rng([seed, 5])
    training, heldout = split(corpus)
    training = repeated(training, repeat, paragraphs, rng)
    canaries = None
    if level:
        made = plant(training, level=level, repeat=repeat, rng=rng, encode=encode)
        # planting knows documents and no copies of them
        training, canaries = made.corpus.replace(controls=training.controls), made.canaries
        if made.controls is not None:
            heldout = heldout.joined(made.controls, heldout.name)
    notes = (
        f"The text is that of Python's help topics: {len(corpus)} different paragraphs, SHA-256 {digest(corpus)}.",
    )
    return Docs(training=training, heldout=heldout, canaries=canaries, notes=notes)


def repeated(corpus: Corpus, repeat: tuple[int, ...], paragraphs: int, rng: np.random.Generator) -> Corpus:
    """The corpus with copies of some paragraphs, which then stand in it as many times as `repeat` says.

    A paragraph and its copies are a group.
    """
    sizes = np.array([len(text) for text in corpus.texts])
    fitting = rng.permutation(np.flatnonzero((sizes >= REPEATED[0]) & (sizes <= REPEATED[1])))
    times = [count for count in repeat if count > 1 for _ in range(paragraphs)][: len(fitting)]
    if not times:
        return corpus
    chosen = [(int(row), copy) for row, count in zip(fitting, times, strict=False) for copy in range(1, count)]
    ids = [f"{corpus.ids[row]}-copy-{copy:03d}" for row, copy in chosen]
    originals = [str(corpus.ids[row]) for row, _ in chosen]
    copies = corpus_from_texts(
        [corpus.texts[row] for row, _ in chosen],
        name="copies",
        ids=ids,
        groups=[str(corpus.ids[row]) for row, _ in chosen],
    )
    originals = [str(corpus.ids[row]) for row, _ in chosen]
    return corpus.joined(copies, corpus.name).replace(controls=planted(EXACT_DUPLICATE, ids, originals))
