"""Corpus: documents with stable ids, their texts, and the tokens that a tokenizer cut them into, end to end."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Int, Int32, Int64, Shaped

from byrote.data.arrays import numbered
from byrote.data.chats import NAME_THE_COLUMN, PLAIN, TEXT, Answers, Joining, columns_of, document_of
from byrote.data.controls import Controls
from byrote.data.parquet import refuse_unpacking
from byrote.data.problems import counted, quoted
from byrote.data.room import text_array
from byrote.data.spelling import plain
from byrote.data.text_file import lines_of
from byrote.data.tokenizers import unencodable
from byrote.errors import CHECK_THE_PATH, BadInput

#: Texts to token numbers of each, without any special token added.
Encode = Callable[[Sequence[str]], Sequence[Sequence[int]]]

READABLE = (".txt", ".jsonl", ".ndjson", ".parquet")
#: Where a row stands, and its values by column.
Row = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Corpus:
    """Documents to learn from. `read_corpus` and `corpus_from_texts` check what they are given; a `Corpus` is trusted.

    `tokens` holds the tokens of all documents end to end and `offsets` where each starts and the last one ends; both
    are empty until `tokenized`. A token that begins each document for the model (BOS) is none of them: `bos` is its
    number where there is one, and then the model predicts a document's first token, too. `answers` says which part of
    chats and pairs is an answer; None where the documents are plain texts.

    Example:
        >>> import byrote
        >>> byrote.corpus_from_texts(['one two', 'three'])
        Corpus('texts', 2 documents)
    """

    name: str
    ids: Shaped[np.ndarray, " document"]
    texts: tuple[str, ...]
    groups: Shaped[np.ndarray, " document"] | None = None
    controls: Controls = field(default_factory=Controls)
    tokens: Int32[np.ndarray, " token"] = field(default_factory=lambda: np.empty(0, np.int32))
    offsets: Int64[np.ndarray, " boundary"] = field(default_factory=lambda: np.zeros(1, np.int64))
    vocabulary: int = 0
    bos: int | None = None
    answers: Answers | None = None

    def __len__(self) -> int:
        return len(self.texts)

    def __repr__(self) -> str:
        size = f", {len(self.tokens)} tokens of {self.vocabulary}" if self.is_tokenized else ""
        return f"Corpus({self.name!r}, {counted(len(self), 'document', 'documents')}{size})"

    @property
    def is_tokenized(self) -> bool:
        """Whether there are tokens."""
        return len(self.offsets) == len(self) + 1

    @property
    def lengths(self) -> Int64[np.ndarray, " document"]:
        """Tokens of each document."""
        return np.diff(self.offsets)

    @property
    def scored(self) -> Bool[np.ndarray, " token"]:
        """Which tokens a model predicts: all but the first of each document, which only a BOS token precedes."""
        scored = np.ones(len(self.tokens), bool)
        if self.bos is None:
            scored[self.offsets[:-1]] = False
        return scored

    def document(self, index: int) -> Int32[np.ndarray, " token"]:
        """The tokens of one document."""
        return self.tokens[self.offsets[index] : self.offsets[index + 1]]

    def fingerprint(self) -> str:
        """SHA-256 of what a model can learn from: texts, ids, groups and tokens, in their order."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        digest = hashlib.sha256(b"byrote corpus 1\n")
        for texts in (self.texts, self.ids, self.groups):
            digest.update(b"none\n" if texts is None else f"{len(texts)}\n".encode())
            for text in () if texts is None else texts:
                encoded = str(text).encode()
                digest.update(f"{len(encoded)}:".encode() + encoded)
        digest.update(f"{self.vocabulary} {self.bos}\n".encode())
        for array in (self.tokens, self.offsets):
            digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)
        return digest.hexdigest()

    def tokenized(self, encode: Encode, *, vocabulary: int, bos: int | None = None) -> Corpus:
        """The corpus with tokens.

        Raises:
            BadInput: the tokenizer fails on a document, gives nothing at all for it, or numbers outside the
                vocabulary.
        """
        pieces = [np.asarray(piece, np.int64) for piece in self._encoded(encode)]
        lengths = np.array([len(piece) for piece in pieces], np.int64)
        if not lengths.all():
            raise BadInput(
                f"The tokenizer gives no token for the document {str(self.ids[np.argmin(lengths)])!r}.",
                hint="leave the document out, or use a tokenizer that knows its characters.",
            )
        tokens = np.concatenate(pieces)
        largest = max(int(tokens.max()), -1 if bos is None else bos)
        if tokens.min() < 0 or largest >= vocabulary:
            raise BadInput(
                f"The tokenizer does not fit the model: it gives the token {largest}, and the model knows "
                f"{vocabulary} tokens.",
                hint="give the folder that holds the model's own tokenizer.",
            )
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return dataclasses.replace(
            self, tokens=tokens.astype(np.int32), offsets=offsets, vocabulary=vocabulary, bos=bos
        )

    def _encoded(self, encode: Encode) -> Sequence[Sequence[int]]:
        """The tokens of every document; one that the tokenizer fails on is named."""
        try:
            return encode(self.texts)
        except Exception:  # tokenizers raise plain exceptions
            for document, text in zip(self.ids.tolist(), self.texts, strict=True):
                try:
                    encode([text])
                except Exception as error:
                    raise unencodable(f"the document {document!r}", error.__cause__ or error) from error
            raise

    def subset(self, indices: Shaped[np.ndarray, " selected"]) -> Corpus:
        """The documents at these positions (or where a mask is true), in that order, with tokens and controls."""
        chosen = np.arange(len(self))[indices]
        ids = self.ids[chosen]
        tokens, offsets = self.tokens, self.offsets
        if self.is_tokenized:
            lengths = self.lengths[chosen]
            offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
            pieces = [self.document(int(index)) for index in chosen]
            tokens = np.concatenate(pieces) if pieces else np.empty(0, np.int32)
        return dataclasses.replace(
            self,
            ids=ids,
            texts=tuple(self.texts[index] for index in chosen),
            groups=None if self.groups is None else self.groups[chosen],
            controls=self.controls.restricted_to(ids),
            tokens=tokens,
            offsets=offsets,
            answers=None if self.answers is None else self.answers.taken(chosen.tolist()),
        )

    def replace(self, **changes: Any) -> Corpus:
        """The same corpus with other fields; tokens and answers of other texts are none."""
        if "texts" in changes:
            answers = self.answers if tuple(changes["texts"]) == self.texts else None
            none = {"tokens": np.empty(0, np.int32), "offsets": np.zeros(1, np.int64), "answers": answers}
            changes = {**none, **changes}
        return dataclasses.replace(self, **changes)

    def joined(self, other: Corpus, name: str) -> Corpus:
        """These documents and then the others; with tokens where both have them, of one vocabulary.

        Raises:
            BadInput: an id stands in both.
        """
        ids = np.concatenate([self.ids, other.ids])
        _refuse_repeated(name, ids)
        groups = None
        if self.groups is not None or other.groups is not None:
            groups = np.concatenate([c.ids if c.groups is None else c.groups for c in (self, other)])
        both = Corpus(
            name=name,
            ids=ids,
            texts=(*self.texts, *other.texts),
            groups=groups,
            controls=self.controls.merged(other.controls),
            answers=self._answers_with(other),
        )
        alike = (self.vocabulary, self.bos) == (other.vocabulary, other.bos)
        if not (self.is_tokenized and other.is_tokenized and alike):
            return both
        return dataclasses.replace(
            both,
            tokens=np.concatenate([self.tokens, other.tokens]),
            offsets=np.concatenate([self.offsets, self.offsets[-1] + other.offsets[1:]]),
            vocabulary=self.vocabulary,
            bos=self.bos,
        )

    def _answers_with(self, other: Corpus) -> Answers | None:
        """The answers of these documents and of others after them."""
        known = [corpus.answers for corpus in (self, other) if corpus.answers is not None]
        if not known:
            return None
        spans = [(None,) * len(c) if c.answers is None else c.answers.spans for c in (self, other)]
        return Answers(joining=known[0].joining, spans=(*spans[0], *spans[1]))


def corpus_from_texts(
    texts: Iterable[str], *, name: str = "texts", ids: Sequence[str] | None = None, groups: Sequence[str] | None = None
) -> Corpus:
    """A corpus from texts, one per document; for a Hugging Face dataset, `dataset["text"]`.

    Raises:
        BadInput: there is none, one is empty or no text, or ids are not unique.

    Example:
        >>> corpus_from_texts(["to be", "or not"], name="hamlet")
        Corpus('hamlet', 2 documents)
    """
    held = tuple(texts)
    if not held:
        raise BadInput(f"The corpus {name!r} holds no document.", hint="give at least one text.")
    named = numbered(name, len(held)) if ids is None else text_array(f"The ids of {name!r}", list(ids))
    parts = None if groups is None else text_array(f"The groups of {name!r}", [plain(one) for one in groups])
    for what, column in (("ids", named), ("groups", parts)):
        if column is not None and len(column) != len(held):
            raise BadInput(
                f"The corpus {name!r} has {len(held)} documents and {len(column)} {what}.",
                hint=f"give one per document, or leave out {what}.",
            )
    for document, text in zip(named, held, strict=True):
        if not isinstance(text, str):
            raise BadInput(
                f"The document {document!r} of the corpus {name!r} is a {type(text).__name__!r}, not a text.",
                hint="give strings; str(…) makes one, and bytes take .decode().",
            )
        if not text.strip():
            raise BadInput(
                f"The document {document!r} of the corpus {name!r} is empty.", hint="remove empty documents."
            )
        _refuse_halves(name, document, text)
    _refuse_repeated(name, named)
    return Corpus(name=name, ids=named, texts=held, groups=parts)


def plain_joining() -> Joining:
    """Messages as lines of `role: text`."""
    return PLAIN


def read_corpus(
    path: str | Path,
    *,
    column: str = TEXT,
    name: str | None = None,
    joining: Callable[[], Joining] = plain_joining,
) -> Corpus:
    """The documents of a file: paragraphs of a text, lines of JSON, rows of a Parquet table, or a saved dataset.

    JSON lines are objects whose `column` is the text, or texts themselves; `id` and `group` are taken where they
    stand beside it. In a text file, empty lines part the documents. A folder is one that Hugging Face's
    `save_to_disk` wrote. Where there is no column `text`, a chat in `messages` or `conversations` is one document, and
    so are `prompt` and `completion`, end to end. Text is UTF-8, or UTF-16 or UTF-32 with its mark.

    Args:
        path: the file or folder.
        column: the one that holds texts, or chats.
        name: of the corpus; the file's unless given.
        joining: asked once, where there is a chat, how its messages make one text.

    Raises:
        BadInput: the file is not there or cannot be read; the line is named.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / 'notes.txt'
        >>> _ = path.write_text('one two')
        >>> read_corpus(path).texts
        ('one two',)
    """
    path = Path(path)
    name = name or path.stem
    rows = _rows_of(path, column)
    return _of_rows(rows, column, name, str(path), cache(joining))


def corpus_from_rows(
    rows: Iterable[Any],
    *,
    column: str = TEXT,
    name: str = "texts",
    joining: Callable[[], Joining] = plain_joining,
) -> Corpus:
    """The documents of rows in memory, as of a Hugging Face dataset: texts, or mappings as `read_corpus` has them.

    Raises:
        BadInput: a row holds no document; the row is named.

    Example:
        >>> corpus_from_rows([{"prompt": "2 + 2 = ", "completion": "4"}]).texts
        ('2 + 2 = 4',)
    """
    named = (
        (f"row {number}", row if isinstance(row, Mapping) else {column: row}) for number, row in enumerate(rows, 1)
    )
    return _of_rows(named, column, name, name, cache(joining))


def _rows_of(path: Path, column: str) -> Iterator[Row]:
    if path.is_dir():
        return _saved_rows(path, column)
    if not path.is_file():
        raise BadInput(f"There is no file {str(path)!r}.", hint=CHECK_THE_PATH)
    ending = path.suffix.lower()
    if ending == ".parquet":
        return _parquet_rows(path, column)
    if ending in (".jsonl", ".ndjson"):
        return _json_rows(path, column)
    if ending == ".txt":
        return _paragraphs(path, column)
    raise BadInput(
        f"The file {str(path)!r} has the suffix {path.suffix!r}.", hint=f"a corpus is one of {', '.join(READABLE)}."
    )


def write_corpus(corpus: Corpus, path: str | Path) -> None:
    """Write the documents as JSON lines with `id`, `text` and, where there are any, `group`."""
    groups = [None] * len(corpus) if corpus.groups is None else corpus.groups.tolist()
    with Path(path).open("w", encoding="utf-8", newline="\n") as file:
        for document, text, group in zip(corpus.ids.tolist(), corpus.texts, groups, strict=True):
            row = {"id": document, "text": text} | ({} if group is None else {"group": group})
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def refuse_overlap(train: Corpus, heldout: Corpus) -> None:
    """Refuse held-out documents that stand in the training corpus; white space aside.

    Raises:
        BadInput: there is one.
    """
    known = {_plain(text): document for document, text in zip(train.ids.tolist(), train.texts, strict=True)}
    both = [
        (known[_plain(heldout.texts[row])], str(heldout.ids[row]))
        for row in np.flatnonzero(held_out_twice(train, heldout)).tolist()
    ]
    if both:
        pairs = quoted(f"{one} = {other}" for one, other in both)
        are = counted(len(both), "held-out document stands", "held-out documents stand")
        raise BadInput(
            f"{are} in the training corpus {train.name!r}, too: {pairs}.",
            hint="held-out documents must not have been trained on; remove them from one of the two files.",
        )


def held_out_twice(train: Corpus, heldout: Corpus) -> Bool[np.ndarray, " document"]:
    """Which held-out documents stand in the training corpus; white space aside.

    Example:
        >>> held_out_twice(corpus_from_texts(["one two"]), corpus_from_texts(["three", "one  two"])).tolist()
        [False, True]
    """
    known = set(map(_plain, train.texts))
    return np.array([_plain(text) in known for text in heldout.texts], bool)


def _plain(text: str) -> str:
    return " ".join(text.split())


def _of_rows(rows: Iterable[Row], column: str, name: str, path: str, joining: Callable[[], Joining]) -> Corpus:
    texts, ids, groups, answers = [], [], [], []
    for where, row in rows:
        document = document_of(row, column, joining, f"{where[0].upper()}{where[1:]} of {path!r}")
        text = document.text
        if not text.strip():
            raise BadInput(f"The document in {where} of {path!r} is empty.", hint="remove empty documents.")
        _refuse_halves(path, where, text)
        texts.append(text)
        answers.append(document.answers)
        ids.append(row.get("id"))
        groups.append(row.get("group"))
    if not texts:
        raise BadInput(
            f"The file {path!r} holds no document.",
            hint="write one document per line of a .jsonl or per row of a .parquet; in a .txt, separate "
            "documents by empty lines.",
        )
    for word, values in (("id", ids), ("group", groups)):
        if any(value is None for value in values) and any(value is not None for value in values):
            raise BadInput(
                f"Some documents of {path!r} have the field {word!r} and some do not.",
                hint="give it to every document, or to none.",
            )
    corpus = corpus_from_texts(
        texts,
        name=name,
        ids=None if ids[0] is None else [str(value) for value in ids],
        groups=None if groups[0] is None else [str(value) for value in groups],
    )
    if all(spans is None for spans in answers):
        return corpus
    return corpus.replace(answers=Answers(joining=joining().name, spans=tuple(answers)))


def _json_rows(path: Path, column: str) -> Iterator[Row]:
    an_object = f'write an object a line, such as {{{json.dumps(column)}: "…"}}.'
    for number, line in lines_of(path):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadInput(
                f"Line {number} of {str(path)!r} is not valid JSON: {error}.",
                hint=an_object,
            ) from None
        if isinstance(row, str):
            row = {column: row}
        if not isinstance(row, dict):
            raise BadInput(
                f"Line {number} of {str(path)!r} has no {column!r}: it is a {type(row).__name__!r}.",
                hint=an_object,
            )
        yield f"line {number}", row


def _paragraphs(path: Path, column: str) -> Iterator[Row]:
    first, gathered = 0, list[str]()
    for number, line in lines_of(path):
        if line.strip():
            first = first if gathered else number
            gathered.append(line)
        elif gathered:
            yield f"line {first}", {column: "\n".join(gathered)}
            gathered = []
    if gathered:
        yield f"line {first}", {column: "\n".join(gathered)}


def _parquet_rows(path: Path, column: str) -> Iterator[Row]:
    try:
        file = pq.ParquetFile(path, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"The file {str(path)!r} cannot be read as Parquet: {error}.", hint=WRITE_AGAIN) from error
    names = file.schema_arrow.names
    wanted = [*_columns(names, column, str(path)), *(name for name in ("id", "group") if name in names)]
    number = 0
    try:
        refuse_unpacking(path, file, f"The corpus {str(path)!r}", wanted)
        for batch in file.iter_batches(columns=wanted, use_threads=False):
            for row in batch.to_pylist():
                number += 1
                yield f"row {number}", row
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"The file {str(path)!r} cannot be read as Parquet after row {number}: {error}.", hint=WRITE_AGAIN
        ) from error


def _saved_rows(path: Path, column: str) -> Iterator[Row]:
    held = saved_dataset(path)
    _columns(held.column_names, column, str(path))
    for number, row in enumerate(held, start=1):
        yield f"row {number}", dict(row)


def saved_dataset(path: Path) -> Any:
    """The dataset in a folder that Hugging Face's `save_to_disk` wrote.

    Raises:
        BadInput: it is none or has several splits, or the package datasets is not installed.
    """
    try:
        import datasets
    except ImportError:
        raise BadInput(
            f"The folder {str(path)!r} can only be read with the package datasets.",
            hint="pip install 'byrote[huggingface]'.",
        ) from None
    try:
        held = datasets.load_from_disk(str(path))
    except (FileNotFoundError, ValueError, OSError) as error:
        raise BadInput(
            f"The folder {str(path)!r} was not written by save_to_disk: {error}.",
            hint="dataset.save_to_disk(folder) writes one; or give a .jsonl, .parquet or .txt file.",
        ) from error
    if not isinstance(held, datasets.Dataset):
        raise BadInput(f"The dataset in {str(path)!r} has several splits: {quoted(held)}.", hint="save one split.")
    return held


def _columns(names: Sequence[str], column: str, path: str) -> tuple[str, ...]:
    """The columns that hold the documents."""
    found = columns_of(names, column)
    if not found:
        raise BadInput(
            f"{path!r} has no column {column!r}; it has {quoted(sorted(names), limit=20)}.", hint=NAME_THE_COLUMN
        )
    return found


WRITE_AGAIN = "write the file again, or give the documents as .jsonl with a column 'text'."


def _refuse_halves(name: str, document: str, text: str) -> None:
    """Refuse halves of characters (lone surrogates), which no file can hold."""
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise BadInput(
            f"The document {document!r} of {name!r} is not valid text: it contains half a character.",
            hint="text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace') mends it.",
        )


def _refuse_repeated(name: str, ids: Shaped[np.ndarray, " document"]) -> None:
    values, counts = np.unique(ids, return_counts=True)
    twice = values[counts > 1]
    if len(twice):
        is_ = counted(len(twice), "is", "are")
        raise BadInput(
            f"The ids of the corpus {name!r} must be unique, but {is_} repeated ({quoted(twice)}).",
            hint="give each document an id of its own, or leave out the ids.",
        )


def batches_of_rows(lengths: Int[np.ndarray, " row"], room: int) -> list[Int[np.ndarray, " chosen"]]:
    """Rows in batches of like length, the longest first, none of more than `room` padded tokens unless one row is.

    Example:
        >>> [batch.tolist() for batch in batches_of_rows(np.array([2, 5, 1, 4]), 8)]
        [[1], [3, 0], [2]]
    """
    order = np.argsort(-lengths, kind="stable")
    batches, start = [], 0
    while start < len(order):
        size = max(1, room // max(1, int(lengths[order[start]])))
        batches.append(order[start : start + size])
        start += size
    return batches
