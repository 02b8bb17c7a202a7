"""The exact rank of a secret in its space: how many others a model finds likelier, without asking about each."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from byrote.data.canary_tokens import Node, SecretTree

#: Beginnings that are asked about together.
BATCH: Final = 128
#: No search is tried where the bound on the number of nodes is this many times the budget.
HOPELESS: Final = 16
#: Log-perplexities this close, in bits, are a tie: rounding differs with the company that a row is asked in.
SAME: Final = 1e-3

#: Beginnings of secrets to `-log2 p[beginning, token]` of the token that follows each.
Ask = Callable[[Sequence[Sequence[int]]], Float[np.ndarray, "beginning vocabulary"]]


@dataclass(frozen=True, kw_only=True)
class RankBounds:
    """The rank of a secret, 1 = the likeliest, lies in [least, most]; they are equal where the search came to its end.

    Of secrets as likely as the one in question, `least` counts none and `most` all.
    """

    least: float
    most: float
    nodes: int
    complete: bool


def search_rank(
    tree: SecretTree, span: int, log_perplexity: float, ask: Ask, *, size: float, budget: int
) -> RankBounds:
    """How many secrets have a lower log-perplexity than this one.

    A secret's log-perplexity is at least that of each of its beginnings. So secrets below that of the one in question
    lie under beginnings below it, which are asked about from the likeliest on until none is left, or `budget` were.
    At a node of log-perplexity c at most 2^(x - c) secrets of log-perplexity x or less can hang, since their
    probabilities add up to that of the node at most: so there is a bound above even where the budget ends, and where
    no search is tried at all.

    Args:
        tree: the space.
        span: tokens of the secret.
        log_perplexity: of the secret, in bits.
        ask: the model.
        size: how many secrets of as many tokens there are.
        budget: nodes to ask about, at most.
    """
    ceiling = log_perplexity + SAME
    below = tied = nodes = 0
    frontier: list[tuple[float, tuple[int, ...], int, Node]] = [(0.0, (), 0, tree.pieces[0])]
    worthwhile = min(ceiling, np.log2(size)) <= np.log2(HOPELESS * max(budget, 1))
    while frontier and worthwhile and nodes < budget:
        taken = [heapq.heappop(frontier) for _ in range(min(BATCH, budget - nodes, len(frontier)))]
        nodes += len(taken)
        costs = ask([tokens for _, tokens, _, _ in taken])
        for (cost, tokens, piece, node), row in zip(taken, costs, strict=True):
            for token, further in node.after.items():
                total, path = cost + float(row[token]), (*tokens, token)
                if total > ceiling:
                    continue
                at = piece + (further is None)
                if at < len(tree.pieces):
                    if len(path) < span:
                        heapq.heappush(frontier, (total, path, at, further or tree.pieces[at]))
                elif len(path) == span and tree.contains(path):
                    tied += total >= log_perplexity - SAME
                    below += total < log_perplexity - SAME
    left = sum(_hanging(tree, ceiling - cost, piece, node) for cost, _, piece, node in frontier)
    most = min(size, below + max(1.0, tied + left))
    return RankBounds(least=float(min(1 + below, most)), most=float(most), nodes=nodes, complete=not frontier)


def _hanging(tree: SecretTree, room: float, piece: int, node: Node) -> float:
    """The most secrets that can hang at a node with this much log-perplexity left."""
    return float(min(float(node.ends * tree.ways[piece + 1]), 2.0 ** min(room, 1000.0)))
