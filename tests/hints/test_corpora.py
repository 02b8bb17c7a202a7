"""Hints of corpora, canaries and indices are followed: each mends the case that brought it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from byrote.data.canaries import FORMAT, canaries_from_json, plant, read_canaries
from byrote.data.canary_tokens import tokenize_canaries
from byrote.data.corpus import Corpus, corpus_from_texts, read_corpus
from byrote.data.index.corpus_index import index_texts, index_tokens
from byrote.data.index.infini_gram import infini_gram
from byrote.data.index.joined import joined_texts, joined_tokens
from byrote.data.index.near_duplicates import near_duplicates
from byrote.data.personal import Detectors
from byrote.data.tokenizers import byte_pairs, encoder
from followed import Case, each, follow, without

PLAIN = corpus_from_texts([f"{word} stands here" for word in ("one", "two", "three", "four")], name="plain")
FEW = {"level": 2, "repeat": (1, 4)}


def bytes_of(texts: Sequence[str]) -> list[list[int]]:
    """A token for each byte."""
    return [[byte + 1 for byte in text.encode()] for text in texts]


def by_word(texts: Sequence[str]) -> list[list[int]]:
    """A token for each word."""
    return [[1 + sum(map(ord, word)) % 200 for word in text.split()] for text in texts]


def made(**options: Any) -> Any:
    """Canaries in four short texts."""
    return plant(PLAIN, **({"rng": np.random.default_rng(0)} | FEW | options))


MADE = made()
GIVEN = json.loads(MADE.canaries.to_json())


def file(**changes: Any) -> Callable[[Path], Any]:
    """A manifest of canaries that is read, of which some entries are others."""
    return lambda _: canaries_from_json(json.dumps(GIVEN | changes))


def first(**changes: Any) -> Callable[[Path], Any]:
    """The same, whose first canary is another."""
    one, *rest = GIVEN["canaries"]
    return file(canaries=[one | changes, *rest])


def manifest(content: bytes | None) -> Callable[[Path], Any]:
    """A file that is read as a manifest of canaries."""

    def read(folder: Path) -> Any:
        if content is not None:
            (folder / "canaries.json").write_bytes(content)
        return read_canaries(folder / "canaries.json")

    return read


def cut(planted: Any = MADE, encode: Any = bytes_of, *, bos: int | None = 0) -> Corpus:
    """The corpus with its controls, in tokens."""
    return planted.corpus.joined(planted.controls, "both").tokenized(encode, vocabulary=257, bos=bos)


def asked(
    planted: Any = MADE, corpus: Corpus | None = None, encode: Any = bytes_of, **more: Any
) -> Callable[[Path], Any]:
    """Canaries in tokens, among others of their space."""
    how = {"context": 200, "references": 20} | more
    return lambda _: tokenize_canaries(planted.canaries, cut(planted) if corpus is None else corpus, encode, **how)


def uneven(texts: Sequence[str]) -> list[list[int]]:
    """A tokenizer that needs from one to forty tokens for a text, as it comes."""
    return [[1] * (1 + sum(map(ord, text)) * 7 % 40) for text in texts]


def odd(texts: Sequence[str]) -> list[list[int]]:
    """One that has five tokens more for a single secret."""
    return [row + [1] * (5 if text.endswith("31415") else 0) for text, row in zip(texts, bytes_of(texts), strict=True)]


def rare(folder: Path) -> Any:
    """A canary with that secret."""
    one = dataclasses.replace(made(digits=5).canaries.canaries[-1], secret="31415")
    canaries = dataclasses.replace(made(digits=5).canaries, canaries=(one,))
    corpus = corpus_from_texts([one.text]).tokenized(odd, vocabulary=257, bos=0)
    return tokenize_canaries(canaries, corpus, odd, context=200)


def with_its_tokenizer(folder: Path) -> Any:
    """Canaries that the same tokenizer chose."""
    planted = made(digits=5, encode=odd)
    return tokenize_canaries(planted.canaries, cut(planted, odd), odd, context=200, references=20)


def backwards(texts: Sequence[str]) -> list[list[int]]:
    """A tokenizer that begins at the end."""
    return [row[::-1] for row in bytes_of(texts)]


def masked(canaries: Any) -> Callable[[Path], Any]:
    """A corpus in which a canary was masked, held against what was planted."""
    texts = [text.replace(MADE.canaries.canaries[2].secret, "***") for text in MADE.corpus.texts]
    return lambda _: canaries.refuse_damaged(MADE.corpus.replace(texts=tuple(texts)))


def documents(name: str, content: str | bytes, **options: Any) -> Callable[[Path], Any]:
    """A file of documents that is read."""

    def read(folder: Path) -> Any:
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return read_corpus(folder / name, **options)

    return read


def chat(*messages: dict[str, Any], **more: Any) -> Callable[[Path], Any]:
    """A file of one chat."""
    return documents("chats.jsonl", json.dumps({"messages": list(messages), **more}) + "\n")


def table(spoil: bool) -> Callable[[Path], Any]:
    """A Parquet file of documents, whose middle is other bytes."""

    def read(folder: Path) -> Any:
        path = folder / "documents.parquet"
        pq.write_table(pa.table({"text": ["one two three"] * 400 + [f"four {n}" for n in range(4000)]}), path)
        if spoil:
            content = bytearray(path.read_bytes())
            content[200:900] = bytes(700)
            path.write_bytes(bytes(content))
        return read_corpus(path)

    return read


def saved(content: Any, **options: Any) -> Callable[[Path], Any]:
    """A folder of Hugging Face's datasets."""

    def read(folder: Path) -> Any:
        place = folder / f"of-{len(list(folder.iterdir()))}"
        if content is None:
            place.mkdir()
        else:
            content.save_to_disk(place)
        return read_corpus(place, **options)

    return read


def tokens(rows: Any, vocabulary: int = 9) -> Callable[[Path], Any]:
    """Documents that a tokenizer cuts into these tokens."""
    return lambda _: corpus_from_texts(["one", "two"]).tokenized(lambda _: rows, vocabulary=vocabulary)


class Unknowing:
    """A tokenizer without a token for unknown words."""

    def encode_batch(self, texts: Sequence[str], **_: Any) -> Any:
        if any("?" in text for text in texts):
            raise ValueError("WordLevel error: Missing [UNK] token from the vocabulary")
        return [type("Encoding", (), {"ids": [1, 2]})() for _ in texts]


def duplicates(_: Path) -> Any:
    """A search that draws minima of hashes."""
    return near_duplicates(["one two three four five six seven eight nine ten"] * 2)


def sorted_(_: Path) -> Any:
    """An index in memory."""
    return index_texts(["one"], kind="suffix array")


ROWS = datasets.Dataset.from_dict({"text": ["one two", "three"]})
ROLES = {"role": "user", "content": "Hello"}
CORPORA = (
    Case(
        name="a masked canary",
        wrong=masked(MADE.canaries),
        says="without cleaning, masking",
        right=lambda _: MADE.canaries.refuse_damaged(MADE.corpus),
    ),
    Case(
        name="no manifest",
        wrong=manifest(None),
        says="`byrote plant` writes it",
        right=manifest(MADE.canaries.to_json().encode()),
    ),
    Case(
        name="a manifest in latin1",
        wrong=manifest("é".encode("latin1")),
        says="as `byrote plant` wrote it",
        right=manifest(MADE.canaries.to_json().encode()),
    ),
    Case(name="no canaries", wrong=file(canaries=[]), says="as `byrote plant` wrote it", right=file()),
    Case(
        name="another format",
        wrong=file(format="canaries 9"),
        says="that `byrote plant` wrote",
        right=file(format=FORMAT),
    ),
    Case(name="no seed", wrong=file(seed=None), says="that `byrote plant` wrote", right=file()),
    Case(
        name="a space that is not whole",
        wrong=file(spaces={name: {"parts": [[[], 1]]} for name in GIVEN["spaces"]}),
        says="as it was written",
        right=file(),
    ),
    Case(
        name="a name twice",
        wrong=first(name=GIVEN["canaries"][1]["name"]),
        says="as `byrote plant` wrote it",
        right=first(),
    ),
    Case(name="no prefix", wrong=first(prefix=""), says="as `byrote plant` wrote it", right=first()),
    Case(name="repeated -1 times", wrong=first(repetitions=-1), says="as `byrote plant` wrote it", right=first()),
    Case(name="no coin", wrong=first(coin=3), says="as `byrote plant` wrote it", right=first()),
    Case(name="no secret of the space", wrong=first(secret="x"), says="as `byrote plant` wrote it", right=first()),
    Case(
        name="too many names",
        wrong=lambda _: made(level=10**6, repeat=(1,), kinds=("email",)),
        says="plant fewer",
        right=lambda _: made(level=4, kinds=("email",)),
    ),
    Case(
        name="secrets of all lengths",
        wrong=lambda _: made(level=300, repeat=(1,), kinds=("random_digits",), digits=4, encode=uneven),
        says="plant fewer canaries",
        right=lambda _: made(level=4, kinds=("random_digits",), digits=4, encode=uneven),
    ),
    Case(
        name="a secret of a rare length",
        wrong=rare,
        says="plant canaries with the model's own tokenizer",
        right=with_its_tokenizer,
    ),
    Case(name="no references", wrong=asked(references=0), says="leave it out", right=asked()),
    Case(name="a short context", wrong=asked(context=9), says="a longer context", right=asked(context=200)),
    Case(
        name="another tokenizer",
        wrong=asked(corpus=cut(encode=by_word)),
        says="the model's own tokenizer",
        right=asked(corpus=cut()),
    ),
    Case(
        name="a tokenizer that begins at the end",
        wrong=asked(corpus=cut(encode=backwards), encode=backwards),
        says="another kind of canary",
        right=asked(),
    ),
    Case(
        name="a message without words",
        wrong=chat({"role": "user", "content": " "}),
        says="remove empty documents",
        right=chat(ROLES),
    ),
    Case(
        name="a document without words",
        wrong=documents("a.jsonl", '{"text": "one"}\n{"text": " "}\n'),
        says="remove empty documents",
        right=documents("a.jsonl", '{"text": "one"}\n'),
    ),
    Case(
        name="a number as text",
        wrong=documents("a.jsonl", '{"text": 3, "said": "one"}\n'),
        says="--column",
        right=documents("a.jsonl", '{"text": 3, "said": "one"}\n', column="said"),
    ),
    Case(
        name="no texts",
        wrong=lambda _: corpus_from_texts([]),
        says="at least one text",
        right=lambda _: corpus_from_texts(["one"]),
    ),
    Case(
        name="no corpus",
        wrong=lambda folder: read_corpus(folder / "a.jsonl"),
        says="check the path",
        right=documents("a.jsonl", '{"text": "one"}\n'),
    ),
    Case(
        name="splits",
        wrong=saved(datasets.DatasetDict({"train": ROWS, "test": ROWS})),
        says="save one split",
        right=saved(ROWS),
    ),
    Case(name="a folder that is none", wrong=saved(None), says="dataset.save_to_disk(folder)", right=saved(ROWS)),
    Case(
        name="another column",
        wrong=saved(ROWS.rename_column("text", "said")),
        says="--column",
        right=saved(ROWS.rename_column("text", "said"), column="said"),
    ),
    Case(
        name="no Parquet", wrong=documents("a.parquet", b"PAR1"), says="write the file again", right=table(spoil=False)
    ),
    Case(name="spoiled Parquet", wrong=table(spoil=True), says="write the file again", right=table(spoil=False)),
    Case(name="no token", wrong=tokens([[1], []]), says="leave the document out", right=tokens([[1], [2]])),
    Case(
        name="tokens beyond the model's",
        wrong=tokens([[1], [9]]),
        says="the model's own tokenizer",
        right=tokens([[1], [8]]),
    ),
    Case(
        name="an unknown word",
        wrong=lambda _: encoder(Unknowing())(["one?"]),
        says="leave out texts",
        right=lambda _: encoder(Unknowing())(["one"]),
    ),
    Case(
        name="no folder for an index",
        wrong=lambda _: index_texts(["one"], kind="infini-gram"),
        says="kind='suffix array'",
        right=lambda _: index_texts(["one"], kind="suffix array"),
    ),
    Case(
        name="no tokens to look for",
        wrong=lambda _: index_tokens(np.arange(6), np.array([0, 6])).count(np.array([], int)),
        says="at least one token",
        right=lambda _: index_tokens(np.arange(6), np.array([0, 6])).count(np.array([2])),
    ),
    Case(
        name="tokens on disk",
        wrong=lambda folder: infini_gram(joined_tokens(np.arange(6), np.array([0, 6])), folder),
        says="leave out the folder",
        right=lambda _: index_tokens(np.arange(6), np.array([0, 6])),
    ),
    Case(
        name="no such personal data",
        wrong=lambda _: Detectors(kinds=("name",)),
        says="card, iban, email, phone",
        right=lambda _: Detectors(kinds=("card",)),
    ),
    Case(
        name="no such region",
        wrong=lambda _: Detectors(regions=("USA",)),
        says="--region US",
        right=lambda _: Detectors(regions=("US", "DE")),
    ),
    Case(
        name="no phonenumbers",
        wrong=without("phonenumbers", lambda _: Detectors(kinds=("phone",))),
        says="--kind card --kind email",
        right=lambda _: Detectors(kinds=("card", "email")),
    ),
    Case(name="no rensa", wrong=without("rensa", duplicates), says="byrote[language]", right=duplicates),
    Case(name="no pydivsufsort", wrong=without("pydivsufsort", sorted_), says="byrote[language]", right=sorted_),
    Case(name="no datasets", wrong=without("datasets", saved(ROWS)), says="byrote[huggingface]", right=saved(ROWS)),
    Case(
        name="no tokenizers",
        wrong=without("tokenizers", lambda _: byte_pairs(["one two"], vocabulary=260)),
        says="byrote[language]",
        right=lambda _: byte_pairs(["one two"], vocabulary=260),
    ),
    Case(
        name="no documents on disk",
        wrong=lambda folder: infini_gram(joined_texts([]), folder),
        says="leave out the folder",
        right=lambda _: index_texts([]),
    ),
)


@each(*CORPORA)
def test_hints_of_corpora_are_followed(case, tmp_path):
    follow(case, tmp_path)
