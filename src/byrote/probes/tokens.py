"""Token signals: what a language model says of every token of a corpus, given those before it. One forward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor, nn

from byrote.data.corpus import Corpus, batches_of_rows
from byrote.errors import BadInput
from byrote.evidence.finite import MOST, Verdict, not_finite

KIND: Final = "tokens"
#: Logits of one batch take about so many bytes.
BATCH_BYTES: Final = 2**25
#: So many logits are worked on at once on a CPU, whose caches they soon fill.
CACHED: Final = 2**18
FLOATS: Final = ("log_probability", "mean", "variance", "entropy", "margin")


def silent(share: float) -> None:
    """Ignore the share that is done."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Stretches of documents as a network reads them: tokens `start` to `stop` of all tokens end to end.

    `first` is the first token of a row whose prediction counts. Before a row that `begins` a document stands the BOS
    token, if there is one.
    """

    start: Int64[np.ndarray, " row"]
    stop: Int64[np.ndarray, " row"]
    first: Int64[np.ndarray, " row"]
    begins: Bool[np.ndarray, " row"]


def rows_of(corpus: Corpus, documents: Int[np.ndarray, " document"], context: int) -> Rows:
    """The rows of these documents; one that is longer than the context is read in windows that overlap by half.

    Every token of such a document is predicted from all tokens before it, or from at least half a context of them.

    Example:
        >>> from byrote.data.corpus import corpus_from_texts
        >>> corpus = corpus_from_texts(["abcdefg"]).tokenized(lambda texts: [list(range(7))], vocabulary=7)
        >>> rows = rows_of(corpus, np.array([0]), 4)
        >>> list(zip(rows.start.tolist(), rows.stop.tolist(), rows.first.tolist()))
        [(0, 5, 1), (3, 7, 5)]

    Raises:
        BadInput: the context is shorter than 2 tokens.
    """
    if context < 2:
        raise BadInput(
            f"A context must be of at least 2 tokens. Got {context}.",
            hint="give the number of tokens that the model sees at once.",
        )
    begins = 0 if corpus.bos is None else 1
    found = []
    for document in documents.tolist():
        begin, end = int(corpus.offsets[document]), int(corpus.offsets[document + 1])
        start, first = begin, begin + 1 - begins
        while first < end:
            # a row shows the network all its tokens but the last, and BOS where it starts the document
            stop = min(end, start + context + (1 - begins if start == begin else 1))
            found.append((start, stop, first, start == begin))
            first, start = stop, stop - 1 - (context - 1) // 2 if stop < end else start
    rows = np.array(found, np.int64).reshape(-1, 4).T
    return Rows(rows[0], rows[1], rows[2], rows[3] == 1)


def windowed(corpus: Corpus, context: int) -> str:
    """The sentence that says how many documents are longer than the context; empty where none is."""
    longer = int((corpus.lengths + (corpus.bos is not None) > context + 1).sum())
    if not longer:
        return ""
    are = "1 document is" if longer == 1 else f"{longer} documents are"
    return (
        f"{are} longer than the context of {context} tokens and read in overlapping windows: later tokens are "
        f"predicted from at least {context // 2} tokens before them instead of all."
    )


def signals(
    network: nn.Module,
    corpus: Corpus,
    *,
    device: str = "cpu",
    context: int,
    progress: Callable[[float], None] = silent,
    likelihood_alone: bool = False,
) -> dict[str, np.ndarray]:
    """The columns of `tokens`, in float32 whatever the network's own precision; or `log_probability` alone, for less.

    Rows of like length go through together, padded at their ends, which no earlier token of a causal model sees.
    Documents that are token for token the same are read once.
    """
    network.eval()
    original = originals(corpus)
    rows = rows_of(corpus, np.unique(original), context)
    columns: dict[str, np.ndarray] = {name: np.full(len(corpus.tokens), np.nan, np.float32) for name in FLOATS}
    columns |= {"rank": np.zeros(len(corpus.tokens), np.int32), "hit": np.zeros(len(corpus.tokens), bool)}
    columns = {name: columns[name] for name in FLOATS[:1]} if likelihood_alone else columns
    room = max(1, BATCH_BYTES // (4 * corpus.vocabulary))
    done, total = 0, max(1, int((rows.stop - rows.start).sum()))
    reading = likelihood if likelihood_alone else statistics
    scratch: Tensor | None = None  # fresh memory for every part costs more than the arithmetic
    for batch in batches_of_rows(rows.stop - rows.start, room):
        inputs, at = _batch(corpus, rows, batch)
        with torch.inference_mode():
            logits = network(torch.from_numpy(inputs).to(device)).flatten(0, 1).float()
            flat = torch.from_numpy(at[0] * inputs.shape[1] + at[1]).to(device)
            target = torch.from_numpy(corpus.tokens[at[2]].astype(np.int64)).to(device)
            size = max(1, CACHED // corpus.vocabulary) if logits.device.type == "cpu" else len(flat)
            if scratch is None or scratch.shape[1] < min(size, len(flat)):
                scratch = logits.new_empty(3, min(size, len(flat)), corpus.vocabulary)
            parts = [
                reading(torch.index_select(logits, 0, some, out=scratch[0, : len(some)]), true, scratch[1:])
                for some, true in zip(torch.split(flat, size), torch.split(target, size), strict=True)
            ]
            for name in columns:
                columns[name][at[2]] = torch.cat([part[name] for part in parts]).cpu().numpy()
        done += int((rows.stop[batch] - rows.start[batch]).sum())
        progress(done / total)
    copy_to_copies(columns, corpus.offsets, original)
    return columns


def batches(
    corpus: Corpus, context: int, documents: Int[np.ndarray, " document"] | None = None
) -> Iterator[tuple[np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    """Every document, or these, as a network reads it: inputs, and of each prediction its row, place and token."""
    rows = rows_of(corpus, np.arange(len(corpus)) if documents is None else documents, context)
    for batch in batches_of_rows(rows.stop - rows.start, max(1, BATCH_BYTES // (4 * corpus.vocabulary))):
        yield _batch(corpus, rows, batch)


def _batch(
    corpus: Corpus, rows: Rows, batch: Int[np.ndarray, " chosen"]
) -> tuple[Int64[np.ndarray, "row token"], tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Inputs, and for each prediction that counts its row, its place there, and the token that it is of."""
    pieces, row, place, token = [], [], [], []
    for number, index in enumerate(batch.tolist()):
        start, stop, first = int(rows.start[index]), int(rows.stop[index]), int(rows.first[index])
        shown = corpus.tokens[start : stop - 1]
        has_bos = corpus.bos is not None and bool(rows.begins[index])
        pieces.append(np.concatenate([[corpus.bos], shown]) if has_bos else shown)
        token.append(np.arange(first, stop))
        place.append(token[-1] - start - (0 if has_bos else 1))
        row.append(np.full(stop - first, number))
    inputs = np.zeros((len(batch), max(map(len, pieces))), np.int64)
    for number, piece in enumerate(pieces):
        inputs[number, : len(piece)] = piece
    return inputs, (np.concatenate(row), np.concatenate(place), np.concatenate(token))


def statistics(
    logits: Float[Tensor, "prediction token"],
    target: Int[Tensor, " prediction"],
    scratch: Float[Tensor, "2 enough token"] | None = None,
) -> dict[str, Tensor]:
    """All that is recorded of predictions; the logits and the scratch, worked in where given, are overwritten.

    Example:
        >>> found = statistics(torch.tensor([[0.0, 0.0]]), torch.tensor([1]))
        >>> [round(float(found[name]), 4) for name in ("log_probability", "entropy", "variance", "margin", "rank")]
        [-0.6931, 0.6931, 0.0, 0.0, 1.0]
    """
    below, weight = logits.new_empty(2, *logits.shape) if scratch is None else scratch[:, : len(logits)]
    own = logits.gather(1, target[:, None])
    most = logits.amax(1, keepdim=True)
    rank = torch.gt(logits, own, out=weight).sum(1).int() + 1  # float32 counts to 2^24 exactly
    torch.sub(logits, most, out=below)
    torch.exp(below, out=weight)  # the softmax but for its sum: one exponential serves all
    total = weight.sum(1)
    logits.scatter_(1, target[:, None], -torch.inf)
    margin = own[:, 0] - logits.amax(1)
    product = torch.mul(weight, below, out=logits)
    average = product.sum(1) / total
    deviation = below.sub_(average[:, None])
    variance = torch.mul(weight, deviation, out=product).mul_(deviation).sum(1) / total
    log_total = total.log()
    mean = average - log_total
    return {
        "log_probability": (own - most)[:, 0] - log_total,
        "rank": rank,
        "mean": mean,
        "variance": variance,
        "entropy": -mean,
        "hit": margin > 0,
        "margin": margin,
    }


def likelihood(
    logits: Float[Tensor, "prediction token"],
    target: Int[Tensor, " prediction"],
    scratch: Float[Tensor, "2 enough token"] | None = None,
) -> dict[str, Tensor]:
    """The log-probability of each target, which takes one pass over the logits.

    Example:
        >>> likelihood(torch.tensor([[0.0, 0.0]]), torch.tensor([1]))["log_probability"].round(decimals=4)
        tensor([-0.6931])
    """
    return {"log_probability": -nn.functional.cross_entropy(logits, target, reduction="none")}


def originals(corpus: Corpus) -> Int64[np.ndarray, " document"]:
    """The first document that each is token for token the same as; its own number where it is the first."""
    first: dict[bytes, int] = {}
    spans = (corpus.document(index).tobytes() for index in range(len(corpus)))
    return np.array([first.setdefault(span, index) for index, span in enumerate(spans)], np.int64)


def copy_to_copies(columns: dict[str, np.ndarray], offsets: np.ndarray, original: np.ndarray) -> None:
    """Give every document what its original has."""
    for index in np.flatnonzero(original != np.arange(len(original))).tolist():
        here, there = (slice(offsets[i], offsets[i + 1]) for i in (index, original[index]))
        for column in columns.values():
            column[here] = column[there]


def judged(columns: dict[str, np.ndarray], corpus: Corpus) -> Verdict:
    """Whether a model diverged: most tokens that it predicts have no finite record; and in how many documents some."""
    bad = not_finite({name: columns[name] for name in FLOATS}) & corpus.scored
    document = np.repeat(np.arange(len(corpus)), corpus.lengths)
    return Verdict(diverged=int(bad.sum()) > MOST * int(corpus.scored.sum()), not_finite=len(np.unique(document[bad])))
