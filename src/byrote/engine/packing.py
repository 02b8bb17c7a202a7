"""Documents packed into rows of one length: what a step shows a language model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Int, Int32
from torch import Tensor

from byrote.data.corpus import Corpus
from byrote.recipes.batch import Batch
from byrote.recipes.objectives.next_token import IGNORED

#: Rows that still have room for another document, at most; fewer leave more padding.
OPEN_ROWS = 32
#: What stands for no token and no document.
PADDING = -1
#: A stretch of a document, its BOS token counted: the document, and where the stretch begins and ends.
Piece = tuple[int, int, int]
Row = list[Piece]


def planned(corpus: Corpus, order: Int[np.ndarray, " shown"], length: int) -> list[Row]:
    """Which pieces of documents stand in each row, one after the other, where documents come in this order.

    A document that fits into a row is never cut. A longer one goes on at the beginning of further rows, with the last
    token of the row before.

    Example:
        >>> from byrote.data.corpus import corpus_from_texts
        >>> letters = corpus_from_texts(["abc", "d"]).tokenized(lambda texts: [[1, 2, 3], [4]], vocabulary=5)
        >>> planned(letters, np.array([0, 1]), 4)
        [[(0, 0, 3), (1, 0, 1)]]
    """
    rows: list[Row] = []
    room: dict[int, int] = {}
    begins = corpus.bos is not None
    sizes = corpus.lengths
    for document in order.tolist():
        size = int(sizes[document]) + begins
        for start in range(0, max(size - 1, 1), length):
            piece = (document, start, min(size, start + length + 1))
            needed = piece[2] - start
            open_rows = () if start else room.items()  # behind others its first token would be learned again
            row = next((row for row, left in open_rows if left >= needed), len(rows))
            if row == len(rows):
                rows.append([])
                room[row] = length + 1
            rows[row].append(piece)
            room[row] -= needed
            if room[row] < 2:
                del room[row]
            elif len(room) > OPEN_ROWS:
                del room[min(room, key=room.__getitem__)]
    return rows


def filled(
    corpus: Corpus, rows: Sequence[Row], length: int
) -> tuple[Int32[np.ndarray, "row place"], Int32[np.ndarray, "row place"]]:
    """The tokens of planned rows, `[row, length + 1]`, and the document of each; both are -1 behind a row's end.

    A BOS token between two documents is the end of the first of them.
    """
    tokens = np.full((len(rows), length + 1), PADDING, np.int32)
    documents = tokens.copy()
    for row, pieces in enumerate(rows):
        at = 0
        for document, start, stop in pieces:
            whole = corpus.document(document)
            if corpus.bos is not None:
                whole = np.concatenate([[corpus.bos], whole])
            end = at + stop - start
            tokens[row, at:end] = whole[start:stop]
            documents[row, at:end] = document
            if corpus.bos is not None and at:
                documents[row, at] = documents[row, at - 1]
            at = end
    return tokens, documents


def packed(corpus: Corpus, order: Int[np.ndarray, " shown"], length: int) -> Int32[np.ndarray, "row place"]:
    """Documents in this order as `rows[row, length + 1]`, padded with -1; in a row, each begins with the BOS token.

    Example:
        >>> from byrote.data.corpus import corpus_from_texts
        >>> letters = corpus_from_texts(["ab", "c"]).tokenized(
        ...     lambda texts: [[ord(letter) - 96 for letter in text] for text in texts], vocabulary=4, bos=0)
        >>> packed(letters, np.array([0, 1, 1]), 4)
        array([[ 0,  1,  2,  0,  3],
               [ 0,  3, -1, -1, -1]], dtype=int32)
    """
    return filled(corpus, planned(corpus, order, length), length)[0]


def batch_of(rows: Tensor, documents: Tensor | None = None) -> Batch:
    """`rows[..., row, length + 1]` as inputs and the tokens that follow them; -1 is padding.

    `documents`, of the same shape, says of which document each token is. What is before the rows is a model axis.
    """
    targets = rows[..., 1:]
    ids = torch.arange(rows.shape[-2], device=rows.device)
    return Batch(
        inputs=rows[..., :-1].clamp_min(0),
        targets=torch.where(targets < 0, IGNORED, targets),
        ids=ids.expand(rows.shape[:-1]),
        documents=None if documents is None else documents[..., 1:],
    )
