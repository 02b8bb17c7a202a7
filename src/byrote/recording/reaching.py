"""Whether watched texts reach the loss of a fine-tune, and what keeps those from it that do not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from torch import nn

from byrote.data.canaries import Canaries
from byrote.data.corpus import Corpus
from byrote.data.problems import counted, quoted
from byrote.recording.loss_rows import LossRow, plain_text, read_again

#: A text is looked for by so many of its first letters or by all; a canary by those before its secret.
KEY: Final = 32
#: Where a row ends, so many first letters of a text tell that it was cut off there.
STUMP: Final = 8
#: What is wrong with a text, the worst first, and what mends it.
ABSENT: Final = "not in any row"
CUT: Final = "cut off where a row ends"
CHANGED: Final = "there in part"
MASKED: Final = "masked, its labels being -100"
MENDS: Final = {
    ABSENT: "give Trainer the dataset with the canaries in it; filters and chat templates may leave messages out, and "
    "truncation whole documents",
    CUT: "raise max_length (SFTConfig, or that of your tokenizer call), pack without splitting, or shorten the text",
    CHANGED: "look at how the dataset is made into tokens: something is left out, put in or cut inside the text",
    MASKED: "what is learned is the completion, or the turn of the assistant: put there what must be learned, as "
    "byrote.transformers.plant does; or train with completion_only_loss=False and assistant_only_loss=False",
}


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A text as rows show it, its letters that the loss must learn, and in how many places."""

    name: str
    text: str
    spans: tuple[tuple[int, int], ...]
    times: int
    canary: bool


@dataclass(frozen=True, kw_only=True)
class Unreached:
    """A canary or document that reaches the loss less often than it should: `times` in place of `expected`, and why."""

    name: str
    canary: bool
    times: int
    expected: int
    why: str


def watched_of(corpus: Corpus, canaries: Canaries | None, tokenizer: Any) -> list[Watched]:
    """What must reach the loss: each canary that is planted, and each different document that holds none.

    Of a canary the secret must be learned, of a chat or pair its answers, of any other document all but its first
    token, before which there may be nothing.
    """
    found = [
        Watched(
            name=canary.name,
            text=(text := read_again(tokenizer, canary.text)),
            spans=((len(read_again(tokenizer, canary.prefix)), len(text)),),
            times=canary.planted,
            canary=True,
        )
        for canary in canaries or ()
        if canary.planted
    ]
    holds = np.full(len(corpus), -1) if canaries is None else canaries.located(corpus)
    rows = np.flatnonzero(holds < 0).tolist()
    times = Counter(corpus.texts[row] for row in rows)
    answers = (None,) * len(corpus) if corpus.answers is None else corpus.answers.spans
    for row in rows:
        if count := times.pop(corpus.texts[row], 0):
            found.append(_document(str(corpus.ids[row]), corpus.texts[row], answers[row], count, tokenizer))
    return found


def _document(name: str, text: str, answers: tuple[tuple[int, int], ...] | None, times: int, tokenizer: Any) -> Watched:
    whole = read_again(tokenizer, text)
    spans: tuple[tuple[int, int], ...]
    if answers is None:
        tokens = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        spans = ((len(plain_text(tokenizer, tokens[:1])), len(whole)),)
    else:
        spans = tuple((len(read_again(tokenizer, text[:a])), len(read_again(tokenizer, text[:b]))) for a, b in answers)
    return Watched(name=name, text=whole, spans=spans, times=times, canary=False)


@dataclass(kw_only=True)
class Reach:
    """Counts in how many places each watched text is learned, row by row."""

    watched: Sequence[Watched]
    learned: Counter[int] = field(default_factory=Counter)
    troubles: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    #: Texts by the letters that they begin with, by the number of these letters.
    keys: dict[int, dict[str, list[int]]] = field(default_factory=lambda: defaultdict(dict))
    #: Texts by their first few letters.
    stumps: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for number, each in enumerate(self.watched):
            self.stumps[each.text[:STUMP]].append(number)
            size = min(KEY, each.spans[0][0] if each.canary else len(each.text))
            self.keys[size].setdefault(each.text[:size], []).append(number)

    def add(self, row: LossRow) -> None:
        """Another row of the training."""
        for number, start in self._places(row.text):
            trouble = _trouble(self.watched[number], row, start)
            if trouble:
                self.troubles[number].add(trouble)
            else:
                self.learned[number] += 1
        for start in range(max(0, len(row.text) - KEY), len(row.text) - STUMP + 1):
            for number in self.stumps.get(row.text[start : start + STUMP], ()):
                text = self.watched[number].text
                if text != row.text[start:] and text.startswith(row.text[start:]):
                    self.troubles[number].add(CUT)

    def _places(self, text: str) -> Iterator[tuple[int, int]]:
        for size, known in self.keys.items():
            for start in range(len(text) - size + 1):
                for number in known.get(text[start : start + size], ()):
                    yield number, start

    def unreached(self) -> tuple[Unreached, ...]:
        """The texts that are learned in fewer places than they should be."""
        return tuple(
            Unreached(
                name=each.name,
                canary=each.canary,
                times=self.learned[number],
                expected=each.times,
                why=next((why for why in (MASKED, CUT, CHANGED) if why in self.troubles.get(number, ())), ABSENT),
            )
            for number, each in enumerate(self.watched)
            if self.learned[number] < each.times
        )


def _trouble(watched: Watched, row: LossRow, start: int) -> str:
    """Why a text that begins there is not learned there; empty where it is."""
    stop = start + len(watched.text)
    if row.text[start:stop] != watched.text:
        return CUT if watched.text.startswith(row.text[start:]) else CHANGED
    learned = all(row.learned[start + a : start + b].all() for a, b in watched.spans)
    return "" if learned else MASKED


def sentences_of(unreached: Iterable[Unreached], watched: Sequence[Watched]) -> list[str]:
    """What is wrong and what mends it, a sentence or two a cause; names, and no text."""
    groups: dict[tuple[bool, str], list[Unreached]] = defaultdict(list)
    for each in unreached:
        groups[not each.canary, each.why].append(each)
    return [_sentence(each, sum(one.canary == each[0].canary for one in watched)) for _, each in sorted(groups.items())]


def _sentence(group: list[Unreached], of: int) -> str:
    what = counted(of, "canary", "canaries") if group[0].canary else counted(of, "document", "different documents")
    names = quoted(each.name for each in group)
    partly = "" if not any(each.times for each in group) else ", or not as often as they should be"
    why = group[0].why
    return (
        f"{len(group)} of {what} {'does' if len(group) == 1 else 'do'} not reach the loss ({names}): {why}{partly}. "
        f"To mend it, {MENDS[why]}."
    )


def frozen(model: nn.Module, optimizer: Any) -> str:
    """Why the training cannot change the model, by its weights and the optimizer; empty where nothing is seen."""
    trained = [weights for weights in model.parameters() if weights.requires_grad]
    if not trained:
        return (
            "No weight of the model is trained: all are frozen. An adapter that is loaded is frozen, too; "
            "PeftModel.from_pretrained(…, is_trainable=True) trains it."
        )
    held = {id(weights) for group in getattr(optimizer, "param_groups", ()) for weights in group["params"]}
    if held and not any(id(weights) in held for weights in trained):
        return (
            f"The optimizer holds none of the {len(trained)} arrays of weights that are trained. To mend it, make "
            "the optimizer after the adapter is added."
        )
    return ""
