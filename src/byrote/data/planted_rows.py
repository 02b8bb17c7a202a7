"""Canaries planted in the rows of a fine-tune, where they are trained: text, completion or turn of the assistant."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from byrote.data.canaries import Canaries
from byrote.data.canaries import plant as planted
from byrote.data.chats import ANSWERING, MESSAGES, PAIR, TEXT, columns_of
from byrote.data.corpus import Encode, corpus_from_rows
from byrote.data.secret_spaces import RANDOM_DIGITS

#: What stands before a canary in a chat or as a prompt; the same for all, so that it tells nothing of the secret.
QUESTION: Final = "What does the note say?"
#: How often canaries are repeated unless told otherwise; as many controls, repeated 0 times, come with them.
REPEAT: Final = (1, 4, 16)


def plant(
    dataset: Iterable[Any],
    *,
    kinds: Sequence[str] = (RANDOM_DIGITS,),
    level: int = 8,
    repeat: Sequence[int] = REPEAT,
    seed: int = 0,
    digits: int = 6,
    encode: Encode | None = None,
    column: str = TEXT,
) -> tuple[Any, Canaries]:
    """The dataset of a fine-tune with canaries as rows of their own at random places, and the canaries.

    A canary stands where the training learns it: in the text, in the completion, or in the turn of the assistant.
    Where the rows have an `id` or a `group`, its rows have an id each, and a group for each canary. Other columns of
    its rows are empty.

    Args:
        dataset: a Hugging Face dataset, or a list of texts or of rows with `text`, `messages`, or `prompt` and
            `completion`; the same kind comes back.
        kinds: what the secrets are, see `byrote plant`.
        level: canaries at each number of repetitions.
        repeat: the numbers of repetitions; as many canaries again are controls, repeated 0 times.
        seed: fixes everything that is random.
        digits: length of random digits.
        encode: the model's tokenizer as a function; secrets of a kind then have equally many tokens.
        column: the one that holds texts.

    Raises:
        BadInput: the rows are not of one of these forms, or a number is out of its range.

    Example:
        >>> rows, canaries = plant([{"prompt": "2 + 2 = ", "completion": "4"}], level=1, repeat=(2,))
        >>> len(rows), canaries
        (3, Canaries(2 of random_digits; 1 not planted))
    """
    held: Any = dataset if hasattr(dataset, "column_names") else list(dataset)
    corpus = corpus_from_rows(held, column=column)
    rng = np.random.default_rng([seed, 5])
    canaries = planted(corpus, kinds, level=level, repeat=repeat, rng=rng, encode=encode, digits=digits).canaries
    copies = [place for place, canary in enumerate(canaries) for _ in range(canary.planted)]
    texts = [canary.text for canary in canaries]
    named = {name: _unused(held, name, at) for name, at in (("id", range(len(copies))), ("group", copies))}
    rows = [_like(held[0], texts[place], column) for place in copies]
    for name, values in named.items():
        rows = [{**row, name: value} for row, value in zip(rows, values, strict=True)] if values else rows
    order = rng.permutation(len(held) + len(rows)).tolist()
    if isinstance(held, list):
        both = [*held, *rows]
        return [both[place] for place in order], canaries
    return _joined(held, rows).select(order), canaries


def _unused(held: Any, name: str, places: Sequence[int]) -> list[Any]:
    """Names for new rows that no row has yet, of the kind that a column has; none where there is no such column."""
    known = [row[name] for row in held if isinstance(row, Mapping) and row.get(name) is not None]
    if not known:
        return []
    if all(isinstance(value, int) for value in known):
        return [max(known) + 1 + place for place in places]
    free = next(word for word in _stems() if not any(str(value).startswith(word) for value in known))
    return [f"{free}{place}" for place in places]


def _stems() -> Iterator[str]:
    """What the names of canaries may begin with."""
    return (f"canary-{'x' * length}" for length in itertools.count())


def _like(row: Any, text: str, column: str) -> Any:
    """A row that holds a text where rows like this one are learned."""
    if not isinstance(row, Mapping):
        return text
    columns = columns_of(list(row), column)
    values = [row[name] for name in columns]
    if columns == PAIR:
        both = (f"{QUESTION}\n", text) if isinstance(values[0], str) else _turns([*values[0], *values[1]], text)
        return dict(zip(PAIR, both, strict=True))
    if columns[0] in MESSAGES and not isinstance(values[0], str):
        return {columns[0]: [turn for part in _turns(values[0], text) for turn in part]}
    return {columns[0]: text}


def _turns(turns: Sequence[Mapping[str, Any]], text: str) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """A question and its answer, with the names that a conversation has for its roles and contents."""
    names = ("role", "content") if "role" in turns[0] else ("from", "value")
    spoken = {str(turn[names[0]]) for turn in turns}
    roles = ("human", "gpt") if names[0] == "from" and not spoken & {"user", ANSWERING} else ("user", ANSWERING)
    question, answer = (dict(zip(names, turn, strict=True)) for turn in zip(roles, (QUESTION, text), strict=True))
    return [question], [answer]


def _joined(dataset: Any, rows: list[dict[str, Any]]) -> Any:
    """A Hugging Face dataset with more rows of the same columns."""
    import datasets

    full = [{**dict.fromkeys(dataset.column_names), **row} for row in rows]
    more = datasets.Dataset.from_list(full, features=dataset.features)
    return datasets.concatenate_datasets([dataset, more])
