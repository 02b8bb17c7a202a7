"""Networks of look-up tables: learning that is nothing but memorization, table by table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

#: Tables with more inputs than this do not fit into memory.
MOST = 20


@dataclass(frozen=True, eq=False)
class Layer:
    """Tables side by side: `reads[table, input]` are the places that each reads, `entries[table, row]` its entries."""

    reads: Int[np.ndarray, "table input"]
    entries: Bool[np.ndarray, "table row"]


def rows_of(
    bits: Bool[np.ndarray, "example place"], reads: Int[np.ndarray, "table input"]
) -> Int[np.ndarray, "example table"]:
    """The row of each table that each example falls into: what it reads, as a binary number.

    Example:
        >>> rows_of(np.array([[True, False, True]]), np.array([[0, 1], [2, 0]])).tolist()
        [[2, 3]]
    """
    weight = 1 << np.arange(reads.shape[1])[::-1]
    return np.asarray(bits[:, reads] @ weight)


def entries(
    rows: Int[np.ndarray, " example"], label: Bool[np.ndarray, " example"], size: int, rng: np.random.Generator
) -> Bool[np.ndarray, " row"]:
    """The majority label of the examples in each row; random if there is a tie, or no example in the row.

    Example:
        >>> entries(np.array([0, 0, 0, 1]), np.array([True, True, False, False]), 2, np.random.default_rng(0)).tolist()
        [True, False]
    """
    votes = np.bincount(rows, np.where(label, 1.0, -1.0), minlength=size)
    return np.where(votes == 0, rng.random(size) < 0.5, votes > 0)


def fit(
    bits: Bool[np.ndarray, "example place"],
    label: Bool[np.ndarray, " example"],
    rng: np.random.Generator,
    *,
    layers: int,
    tables: int,
    inputs: int,
) -> list[Layer]:
    """A network of layers of tables; each table reads random places of the layer before; the last layer is one table.

    Formula:
        the entry of a row is the majority label of the training examples in it; random without a majority

    Source: Chatterjee 2018, ICML, "Learning and memorization".

    Example:
        >>> bits = np.array([[False, True], [True, True]])
        >>> made = fit(bits, np.array([False, True]), np.random.default_rng(0), layers=1, tables=4, inputs=2)
        >>> predict(made, bits).tolist()
        [False, True]
    """
    made, shown = [], bits
    for count in (*[tables] * layers, 1):
        reads = np.stack([rng.permutation(shown.shape[1])[:inputs] for _ in range(count)])
        rows = rows_of(shown, reads)
        filled = np.stack([entries(rows[:, table], label, 1 << reads.shape[1], rng) for table in range(count)])
        made.append(Layer(reads, filled))
        shown = filled[np.arange(count), rows]
    return made


def predict(network: list[Layer], bits: Bool[np.ndarray, "example place"]) -> Bool[np.ndarray, " example"]:
    """The prediction of the last table for each example."""
    shown = bits
    for layer in network:
        shown = layer.entries[np.arange(len(layer.entries)), rows_of(shown, layer.reads)]
    return np.asarray(shown[:, 0])


def one_table(
    bits: Bool[np.ndarray, "example place"],
    label: Bool[np.ndarray, " example"],
    asked: Bool[np.ndarray, "other place"],
    rng: np.random.Generator,
) -> tuple[Bool[np.ndarray, " other"], Bool[np.ndarray, " other"]]:
    """The predictions of one table of all inputs, and which examples hit an entry: exact copies of training examples.

    Example:
        >>> bits, label = np.array([[True, False], [False, True]]), np.array([True, False])
        >>> found, hit = one_table(bits, label, np.array([[True, False], [True, True]]), np.random.default_rng(0))
        >>> bool(found[0]), hit.tolist()
        (True, [True, False])
    """
    votes: dict[bytes, int] = {}
    for row, positive in zip(np.packbits(bits, 1), label, strict=True):
        votes[row.tobytes()] = votes.get(row.tobytes(), 0) + (1 if positive else -1)
    found = np.array([votes.get(row.tobytes(), 0) for row in np.packbits(asked, 1)], np.int64)
    hit = np.array([row.tobytes() in votes for row in np.packbits(asked, 1)], bool)
    return np.where(found == 0, rng.random(len(asked)) < 0.5, found > 0), hit
