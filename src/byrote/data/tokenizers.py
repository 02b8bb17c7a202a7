"""Tokenizers: one that is trained on the spot, and how to read a text with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from byrote.errors import BadInput

#: The token that begins every document, number 0.
BEGIN = "<|begin|>"
#: The file of a run folder that holds its tokenizer.
FILE = "tokenizer.json"
#: Letters of what another package says that an error quotes, at most.
LINE = 200


def byte_pairs(texts: Sequence[str], *, vocabulary: int = 1024) -> Any:
    """A byte-level BPE tokenizer trained on these texts; every digit is a token of its own.

    Digits by themselves give secrets of equally many digits equally many tokens.

    Raises:
        BadInput: the package tokenizers is not installed.
    """
    try:
        import tokenizers
    except ImportError:
        raise missing("tokenizers") from None
    from tokenizers import decoders, models, pre_tokenizers, trainers

    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[BEGIN],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def encoder(tokenizer: Any) -> Any:
    """Texts to token numbers, by a tokenizer of the package tokenizers, without special tokens."""

    def encode(texts: Sequence[str]) -> list[list[int]]:
        return [encoded.ids for encoded in tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    return guarded(encode)


def guarded(encode: Any) -> Any:
    """The same, telling in words why a tokenizer fails on a text, as one without a token for unknown words does."""

    def guarded_encode(texts: Sequence[str]) -> Sequence[Sequence[int]]:
        try:
            found: Sequence[Sequence[int]] = encode(texts)
        except Exception as error:  # the package tokenizers raises plain exceptions
            raise unencodable("a text", error) from error
        return found

    return guarded_encode


def unencodable(what: str, error: BaseException) -> BadInput:
    """What to say where a tokenizer fails on a text."""
    return BadInput(
        f"The tokenizer fails on {what}: {reason(error)}.",
        hint="leave out texts with words that it has no token for, or give it a token for unknown words.",
    )


def reason(error: BaseException) -> str:
    r"""The first line of what a package says, cut where it is long.

    Example:
        >>> reason(ValueError("no [UNK] token.\nMore."))
        'no [UNK] token'
    """
    first = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".:")
    return first if len(first) <= LINE else f"{first[: LINE - 1]}…"


def pieces(tokenizer: Any, tokens: Sequence[int]) -> list[str]:
    """What each token adds to the text; a letter of several tokens is the last one's."""
    shown: list[str] = []
    before = ""
    for end in range(1, len(tokens) + 1):
        text: str = tokenizer.decode(list(tokens[:end]), skip_special_tokens=False)
        whole = end == len(tokens) or not text.endswith("\ufffd")
        shown.append(text[len(before) :] if whole else "")
        before = text if whole else before
    return shown


def missing(package: str) -> BadInput:
    """What to say where an optional package is not installed."""
    return BadInput(f"Language models need the package {package}.", hint="pip install 'byrote[language]'.")


def read_tokenizer(path: str | Path) -> Any:
    """A tokenizer from the file that the package tokenizers writes.

    Raises:
        BadInput: the package is not installed, or the file is none.
    """
    try:
        import tokenizers
    except ImportError:
        raise missing("tokenizers") from None
    try:
        return tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the package raises plain exceptions
        raise BadInput(
            f"The file {str(path)!r} cannot be read as a tokenizer: {error}.",
            hint="give a tokenizer.json, as save() of the package tokenizers writes it.",
        ) from error
