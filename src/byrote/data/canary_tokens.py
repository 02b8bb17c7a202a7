"""Canaries as a model's tokenizer cuts them, beside secrets of the same space and as many tokens to rank them among."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from jaxtyping import Float64, Int32, Int64

from byrote.data.canaries import Canaries, Canary
from byrote.data.corpus import Corpus, Encode
from byrote.data.problems import counted, quoted
from byrote.data.secret_spaces import SecretSpace
from byrote.errors import BadInput

#: Secrets to rank each canary among.
REFERENCES: Final = 256
#: A secret of a canary's length must be at least this likely among those of its space.
RAREST: Final = 1 / 64
#: So many secrets show whether a space's pieces are tokens of their own.
CHECKED: Final = 64


@dataclass(frozen=True, eq=False)
class Node:
    """The tokens that may follow within a piece, and where they lead: None where the piece ends."""

    after: Mapping[int, Node | None]

    @cached_property
    def ends(self) -> int:
        """In how many ways the piece can be finished from here."""
        return sum(self.lengths.values())

    @cached_property
    def lengths(self) -> dict[int, int]:
        """In how many ways it can be finished, by the number of further tokens."""
        found: dict[int, int] = {}
        for node in self.after.values():
            for size, choices in ({0: 1} if node is None else node.lengths).items():
                found[1 + size] = found.get(1 + size, 0) + choices
        return found

    @cached_property
    def nodes(self) -> int:
        """This node and all below it within the piece."""
        return 1 + sum(node.nodes for node in self.after.values() if node is not None)


@dataclass(frozen=True, kw_only=True, eq=False)
class SecretTree:
    """A space of secrets by tokens: the choices of every piece, one after the other.

    Not every path is a secret, since checksums bind some tokens to others: `contains` says.
    """

    pieces: tuple[Node, ...]
    contains: Callable[[Sequence[int]], bool]

    @cached_property
    def ways(self) -> tuple[int, ...]:
        """In how many ways a text can be finished from the beginning of each piece, and from the end of the last."""
        after = [1]
        for piece in reversed(self.pieces):
            after.append(after[-1] * piece.ends)
        return tuple(reversed(after))

    @cached_property
    def nodes(self) -> int:
        """Beginnings of all texts: so many a model is asked about at most to know how likely each text is."""
        found, before = 0, 1
        for piece in self.pieces:
            found += before * piece.nodes
            before *= piece.ends
        return found

    def after(self, tokens: Sequence[int]) -> SecretTree | None:
        """The space behind tokens that all its texts begin with; None where some begin otherwise."""
        node: Node | None = self.pieces[0]
        for token in tokens:
            if node is None or set(node.after) != {token}:
                return None
            node = node.after[token]
        if node is None:
            return None
        return SecretTree(pieces=(node, *self.pieces[1:]), contains=lambda rest: self.contains((*tokens, *rest)))


@dataclass(frozen=True, kw_only=True, eq=False)
class TokenizedCanary:
    """What a model is asked about one canary.

    Row 0 of `rows` is the canary and the others are references, all different: the tokens of the text before the
    secret and of the secret, which is `span` tokens long and ends the row. The blank between them belongs to the text
    before, unless the tokenizer joins it to what begins the secret. `space_bits` is log2 of the number of
    secrets in the space with as many tokens, known by counting draws where `estimated`. `tree` is None where the
    tokenizer joins pieces, so that the space cannot be searched token by token.
    """

    rows: Int32[np.ndarray, "row token"]
    span: int
    space_bits: float
    estimated: bool
    tree: SecretTree | None


@dataclass(frozen=True, kw_only=True, eq=False)
class CanaryTokens:
    """Canaries ready to be asked about. `document` says which of them each document of the corpus holds; -1 = none."""

    canaries: tuple[TokenizedCanary, ...]
    repetitions: Int64[np.ndarray, " canary"]
    document: Int32[np.ndarray, " document"]
    bos: int | None

    @property
    def space_bits(self) -> Float64[np.ndarray, " canary"]:
        """log2 of the number of secrets that each canary's could have been."""
        return np.array([canary.space_bits for canary in self.canaries])

    @property
    def references(self) -> int:
        """The most references that a canary has."""
        return max(len(canary.rows) - 1 for canary in self.canaries)


def tokenize_canaries(
    canaries: Canaries, corpus: Corpus, encode: Encode, *, context: int, references: int = REFERENCES
) -> CanaryTokens:
    """The canaries and their references by the model's own tokenizer, checked against the tokens of the corpus.

    References are drawn with the canaries' seed, so that all models are asked about the same ones.

    Args:
        canaries: what was planted.
        corpus: documents with tokens, as the model was or will be trained on them, and held-out ones.
        encode: the tokenizer that the corpus was cut with.
        context: tokens that the model sees at once.
        references: secrets to rank each canary among; a smaller space gives as many as it has.

    Raises:
        BadInput: a canary's tokens are not those of its document, or do not fit into the context; its secret cannot
            be told from the text before it; or too few secrets have as many tokens.
    """
    if references < 1:
        raise BadInput(
            f"The 'references' argument of tokenize_canaries must be at least 1. Got {references}.",
            hint="leave it out, or give how many secrets each canary is ranked among.",
        )
    rng = np.random.default_rng(canaries.seed)
    document = canaries.located(corpus)
    canaries = _after_their_beginning(canaries, corpus, document)
    _refuse_lost(canaries, corpus, document, encode, context)
    spaces = {kind: _Space(space, encode, rng) for kind, space in canaries.spaces.items()}
    return CanaryTokens(
        canaries=tuple(spaces[canary.kind].asked(canary, references, rng) for canary in canaries),
        repetitions=np.array([canary.planted for canary in canaries], np.int64),
        document=document,
        bos=corpus.bos,
    )


def _after_their_beginning(canaries: Canaries, corpus: Corpus, document: Int32[np.ndarray, " document"]) -> Canaries:
    """The canaries with what stands before them, where that is the same in all their documents, as in chats."""
    every = tuple(canaries)
    beginnings = {
        corpus.texts[row].partition(every[document[row]].prefix)[0] for row in np.flatnonzero(document >= 0).tolist()
    }
    before = beginnings.pop() if len(beginnings) == 1 else ""
    if not before.strip():
        return canaries
    asked = tuple(dataclasses.replace(canary, prefix=f"{before}{canary.prefix}") for canary in every)
    return dataclasses.replace(canaries, canaries=asked)


def _refuse_lost(
    canaries: Canaries, corpus: Corpus, document: Int32[np.ndarray, " document"], encode: Encode, context: int
) -> None:
    """Refuse canaries that tokenisation, packing or truncation changed."""
    alone = [np.asarray(tokens, np.int64) for tokens in encode([canary.text for canary in canaries])]
    room = context + (corpus.bos is None)
    cut, lost = list[str](), list[str]()
    for row in np.flatnonzero(document >= 0).tolist():
        canary, held = alone[document[row]], corpus.document(row)
        name = str(corpus.ids[row])
        if len(held) > room:
            cut.append(name)
        elif not _within(canary, held):
            lost.append(name)
    cut += [canary.name for canary, tokens in zip(canaries, alone, strict=True) if len(tokens) > room]
    if cut:
        raise BadInput(
            f"{counted(len(cut), 'canary document does', 'canary documents do')} not fit into the context of {context} "
            f"tokens: {quoted(cut)}.",
            hint="give a longer context, or plant canaries of a shorter kind.",
        )
    if lost:
        raise BadInput(
            f"The tokens of {counted(len(lost), 'canary', 'canaries')} are not those that the tokenizer gives: "
            f"{quoted(lost)}.",
            hint="the corpus must be cut by the model's own tokenizer, and canaries must be left whole.",
        )


def _within(part: np.ndarray, whole: np.ndarray) -> bool:
    places = np.flatnonzero(whole == part[0])
    return any(np.array_equal(whole[place : place + len(part)], part) for place in places.tolist())


class _Space:
    """One space of secrets under one tokenizer."""

    def __init__(self, space: SecretSpace, encode: Encode, rng: np.random.Generator) -> None:
        self.space, self.encode = space, encode
        self.tree = _tree_of(space, encode, rng)

    def asked(self, canary: Canary, references: int, rng: np.random.Generator) -> TokenizedCanary:
        """The canary among references of as many tokens."""
        texts = [canary.text, canary.prefix, f"{canary.prefix} ", f" {canary.secret}"]
        own, before, spaced, alone = (tuple(tokens) for tokens in self.encode(texts))
        others, bits, estimated = self._others(canary, len(own), references, rng)
        rows = np.array([own, *others], np.int32)
        start = max(_common(before, rows), _common(spaced, rows))
        if not start:
            raise BadInput(
                f"The tokenizer leaves nothing of the text before the secret of {canary.name!r} as it is.",
                hint="choose another kind of canary for this tokenizer.",
            )
        tree = None
        if self.tree is not None and own == before + alone and start >= len(before):
            tree = self.tree.after(own[len(before) : start])
        if tree is not None and estimated and self.space.free:
            bits, estimated = math.log2(_paths(tree.pieces, len(own) - start)), False
        return TokenizedCanary(
            rows=rows,
            span=len(own) - start,
            space_bits=bits,
            estimated=estimated,
            tree=tree,
        )

    def _others(
        self, canary: Canary, length: int, references: int, rng: np.random.Generator
    ) -> tuple[list[tuple[int, ...]], float, bool]:
        """References; log2 of the secrets of so many tokens; and whether they are known by counting draws only."""
        if self.space.size <= 4 * references:
            texts = list(self.space.all())
            tokens = self._of(canary, texts)
            fitting = [(text, row) for text, row in zip(texts, tokens, strict=True) if len(row) == length]
            others = [row for text, row in fitting if text != canary.secret]
            chosen = rng.permutation(len(others))[:references].tolist()
            self._refuse_few(canary, len(others), len(texts))
            return [others[pick] for pick in chosen], math.log2(len(fitting)), False
        found: dict[str, tuple[int, ...]] = {}
        drawn = hits = 0
        while len(found) < references and (not drawn or hits >= drawn * RAREST):
            texts = self.space.draw(references, rng)
            drawn += len(texts)
            for text, row in zip(texts, self._of(canary, texts), strict=True):
                if len(row) == length:
                    hits += 1
                    if text != canary.secret:
                        found.setdefault(text, row)
        self._refuse_few(canary, len(found) - references + 1, drawn)
        bits = self.space.bits + math.log2(hits / drawn)
        return list(found.values())[:references], bits, hits < drawn

    def _of(self, canary: Canary, secrets: Sequence[str]) -> list[tuple[int, ...]]:
        return [tuple(tokens) for tokens in self.encode([f"{canary.prefix} {secret}" for secret in secrets])]

    def _refuse_few(self, canary: Canary, enough: int, drawn: int) -> None:
        if enough < 1:
            raise BadInput(
                f"Too few secrets have as many tokens as that of the canary {canary.name!r} of kind "
                f"{canary.kind!r}, among {drawn} drawn.",
                hint="plant canaries with the model's own tokenizer, which gives them the most common number.",
            )


def _common(before: tuple[int, ...], rows: Int32[np.ndarray, "row token"]) -> int:
    """The number of first tokens that all rows share with the text before the secret."""
    size = min(len(before), rows.shape[1] - 1)
    same = (rows[:, :size] == np.array(before[:size], np.int32)).all(0)
    return int(size if same.all() else same.argmin())


def _paths(pieces: Sequence[Node], length: int) -> int:
    """In how many ways the pieces make a text of so many tokens."""
    ways = {0: 1}
    for piece in pieces:
        longer: dict[int, int] = {}
        for before, count in ways.items():
            for size, choices in piece.lengths.items():
                longer[before + size] = longer.get(before + size, 0) + count * choices
        ways = longer
    return ways[length]


def _tree_of(space: SecretSpace, encode: Encode, rng: np.random.Generator) -> SecretTree | None:
    """The space by tokens, or None where the tokenizer joins pieces of it."""
    slots = space.written
    texts = [[f" {choice}" for choice in slots[0]], *map(list, slots[1:])]
    known: dict[tuple[str, ...], dict[tuple[int, ...], str]] = {}
    for choices in texts:
        if tuple(choices) not in known:
            tokens = [tuple(pieces) for pieces in encode(choices)]
            known[tuple(choices)] = dict(zip(tokens, choices, strict=True))
            if len(set(tokens)) < len(tokens) or not all(tokens):
                return None
    by_slot = [known[tuple(choices)] for choices in texts]
    nodes = {id(table): _node(list(table)) for table in known.values()}
    pieces = [nodes[id(table)] for table in by_slot]
    if any(piece is None for piece in pieces):
        return None

    def spelled(tokens: Sequence[int]) -> str | None:
        rest, words = tuple(tokens), list[str]()
        for table in by_slot:
            size = next((size for size in range(1, len(rest) + 1) if rest[:size] in table), 0)
            if not size:
                return None
            words.append(table[rest[:size]])
            rest = rest[size:]
        return None if rest else "".join(words)[1:]

    def contains(tokens: Sequence[int]) -> bool:
        text = spelled(tokens)
        return text is not None and space.contains(text)

    drawn = space.draw(CHECKED, rng)
    whole = encode([f" {secret}" for secret in drawn])
    if any(spelled(row) != secret for row, secret in zip(whole, drawn, strict=True)):
        return None
    return SecretTree(pieces=tuple(piece for piece in pieces if piece is not None), contains=contains)


def _node(choices: Sequence[tuple[int, ...]]) -> Node | None:
    """The choices as a tree; None where one of them begins another."""
    groups: dict[int, list[tuple[int, ...]]] = {}
    for choice in choices:
        groups.setdefault(choice[0], []).append(choice[1:])
    after: dict[int, Node | None] = {}
    for token, rests in groups.items():
        if () in rests:
            if len(rests) > 1:
                return None
            after[token] = None
        else:
            after[token] = _node(rests)
            if after[token] is None:
                return None
    return Node(after)
