"""Chats, and pairs of prompt and completion, as documents; and which part of each a training on answers learns."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from byrote.data.problems import quoted, shown
from byrote.errors import BadInput

#: A message of a chat, with `role` and `content`.
Message = Mapping[str, Any]
#: The text of some messages, up to where the next answer begins if that is asked for.
Render = Callable[[Sequence[Message], bool], str]
Span = tuple[int, int]

#: The column that holds texts, unless another one is named.
TEXT: Final = "text"
MESSAGES: Final = ("messages", "conversations")
PAIR: Final = ("prompt", "completion")
ANSWERING: Final = "assistant"
#: What other files call a role.
_ROLES: Final = {"human": "user", "gpt": ANSWERING, "model": ANSWERING, "bot": ANSWERING}
NAME_THE_COLUMN: Final = (
    "name the column that holds the texts with --column. Without it chats are read from 'messages' or "
    "'conversations', and pairs from 'prompt' and 'completion'."
)


@dataclass(frozen=True, kw_only=True)
class Joining:
    """How messages make one text; `name` says so in a sentence."""

    name: str
    render: Render


@dataclass(frozen=True, kw_only=True)
class Document:
    """A text. `answers` are the spans of its characters that a training on answers alone learns; None if unknown."""

    text: str
    answers: tuple[Span, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Answers:
    """The answers of each document of a corpus, as `Document` has them, and how its messages were joined."""

    joining: str
    spans: tuple[tuple[Span, ...] | None, ...]

    def taken(self, chosen: Iterable[int]) -> Answers:
        """Those of these documents."""
        return Answers(joining=self.joining, spans=tuple(self.spans[index] for index in chosen))

    def note(self, texts: Sequence[str]) -> str:
        """The sentences that say what is counted; empty where no document has answers."""
        known = [(spans, len(text)) for spans, text in zip(self.spans, texts, strict=True) if spans is not None]
        if not known:
            return ""
        share = sum(stop - start for spans, _ in known for start, stop in spans) / sum(size for _, size in known)
        return (
            f"{len(known)} of {len(texts)} documents are chats or pairs of prompt and completion; the messages of a "
            f"chat are joined by {self.joining}. Answers make {share:.0%} of their characters; figures count all "
            "tokens of a document, those of its prompts included."
        )


def plainly(messages: Sequence[Message], begin: bool) -> str:
    r"""Messages as lines of `role: text`.

    Example:
        >>> plainly([{"role": "user", "content": "Hi"}], True)
        'user: Hi\nassistant: '
    """
    lines = [f"{message['role']}: {content_of(message)}" for message in messages]
    return "\n".join([*lines, f"{ANSWERING}: "] if begin else lines)


PLAIN: Final = Joining(name="lines of `role: text`", render=plainly)


def content_of(message: Message) -> str:
    """What a message says, with parts of text one after the other, and calls of tools as JSON."""
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(part["text"] for part in content)
    calls = message.get("tool_calls")
    return f"{content or ''}{json.dumps(calls, ensure_ascii=False, default=str) if calls else ''}"


def columns_of(names: Sequence[str], column: str) -> tuple[str, ...]:
    """The columns that the documents are in: the one that is named, or those of chats or pairs; none where none is."""
    if column in names:
        return (column,)
    chats = tuple(name for name in MESSAGES if name in names)[:1] if column == TEXT else ()
    return chats or (PAIR if column == TEXT and all(name in names for name in PAIR) else ())


def document_of(row: Mapping[str, Any], column: str, joining: Callable[[], Joining], where: str) -> Document:
    """The document of a row: its text, its chat as one text, or its prompt and completion end to end.

    Raises:
        BadInput: the row holds none of these; `where` names it.
    """
    columns = columns_of(list(row), column)
    if not columns:
        raise BadInput(f"{where} has no {column!r}: it has {quoted(sorted(row))}.", hint=NAME_THE_COLUMN)
    values = [row[name] for name in columns]
    if columns == PAIR and all(isinstance(value, str) for value in values):
        prompt, completion = values
        return Document(text=prompt + completion, answers=((len(prompt), len(prompt) + len(completion)),))
    if len(values) == 1 and isinstance(values[0], str):
        return Document(text=values[0])
    if not all(isinstance(value, list) for value in values):
        raise BadInput(
            f"{where} must hold text in {quoted(columns)}. Got {', '.join(map(shown, values))}.",
            hint="name the column that holds the texts with --column, and remove rows without one.",
        )
    messages = [[_message(one, where) for one in value] for value in values]
    return _chat(messages, joining().render, where)


def _message(message: Any, where: str) -> dict[str, Any]:
    """A message with `role` and `content`, whatever its file calls them."""
    if isinstance(message, Mapping):
        role = message.get("role", message.get("from"))
        content = message.get("content", message.get("value"))
        parts = content if isinstance(content, list) else []
        texts = all(isinstance(part, Mapping) and isinstance(part.get("text"), str) for part in parts)
        if isinstance(role, str) and texts and isinstance(content, str | list | None):
            rest = {name: value for name, value in message.items() if name not in ("from", "value")}
            return {**rest, "role": _ROLES.get(role, role), "content": content}
    raise BadInput(
        f"{where} holds a message that is not read: {shown(message)}.",
        hint='a message is an object with "role" and "content", or "from" and "value", whose content is text.',
    )


def _chat(parts: Sequence[Sequence[Message]], render: Render, where: str) -> Document:
    """One document of a chat, or of a prompt and a completion that are chats."""
    messages = [message for part in parts for message in part]
    first = len(parts[0]) if len(parts) > 1 else 0
    if not any(content_of(message).strip() for message in messages):
        raise BadInput(f"The document in {where} is empty.", hint="remove empty documents.")
    try:
        text = render(messages, False)
        learned = [n for n, message in enumerate(messages) if n >= first and message["role"] == ANSWERING]
        spans = [_span(render, messages, number, text) for number in learned]
    except BadInput as error:
        raise BadInput(f"{where}: {error.message}", hint=error.hint) from error
    found = tuple(span for span in spans if span is not None)
    return Document(text=text, answers=found if len(found) == len(spans) else None)


def _span(render: Render, messages: Sequence[Message], number: int, text: str) -> Span | None:
    """Where a message stands in the text: what follows the text of all before it; None where that is another.

    A template that has no words for the beginning of an answer writes the role with it: it begins with its content.
    """
    until = render(messages[: number + 1], False)
    before = ["", *([render(messages[:number], begin) for begin in (False, True)] if number else [])]
    start = max((len(one) for one in before if text.startswith(one)), default=0)
    whole = not number or text.startswith(before[1])
    if before[-1] == before[0 if not number else 1]:
        start = max(start, text.rfind(content_of(messages[number]).strip(), start, len(until)))
    return (start, len(until)) if whole and text.startswith(until) and start <= len(until) else None
