"""Canaries: secrets drawn at random and planted in a corpus, to see afterwards whether a model knows them by rote."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Bool, Int32

from byrote.data.corpus import Corpus, Encode, corpus_from_texts
from byrote.data.problems import counted, quoted
from byrote.data.secret_spaces import (
    CARD,
    EMAIL,
    IBAN,
    KEY,
    KINDS,
    PHONE,
    RANDOM_DIGITS,
    RANDOM_TOKENS,
    SENTENCE_ATYPICAL,
    SENTENCE_TYPICAL,
    SecretSpace,
    secret_space,
    single_token_words,
)
from byrote.data.words import FIRST_NAMES, LAST_NAMES
from byrote.errors import BadInput

#: How often the canaries of each level are repeated, unless told otherwise; controls, repeated 0 times, come with them.
REPEAT: Final = (1, 2, 4, 8, 16, 32, 64)
#: So many draws show which number of tokens is the most common in a space.
DRAWS: Final = 1024
#: A space holds so many secrets per canary: those that nobody planted are what a planted one is compared with.
LEAST_SECRETS: Final = 2
FORMAT: Final = "byrote canaries 1"
#: No secret is drawn from more parts than this of one kind.
MOST_DRAWN: Final = 1000
#: What their manifest is called in a run folder, and beside a corpus.
FILE: Final = "canaries.json"

#: What stands before a secret, by its kind; every canary has a name of its own.
PREFIX: Final = {
    RANDOM_DIGITS: "The access code of {name} is",
    RANDOM_TOKENS: "The pass phrase of {name} is",
    CARD: "The card number of {name} is",
    IBAN: "The account number of {name} is",
    PHONE: "The telephone number of {name} is",
    EMAIL: "The electronic address of {name} is",
    KEY: "The interface key of {name} is",
    SENTENCE_TYPICAL: "What {name} wrote down is:",
    SENTENCE_ATYPICAL: "What {name} wrote down is:",
}


@dataclass(frozen=True, kw_only=True)
class Canary:
    """A secret and what stands before it. `coin` is None where no coin decided whether it is planted."""

    name: str
    kind: str
    prefix: str
    secret: str
    repetitions: int
    coin: bool | None = None

    @property
    def text(self) -> str:
        """The document that holds it."""
        return f"{self.prefix} {self.secret}"

    @property
    def planted(self) -> int:
        """How often it stands in the training corpus: not at all where its coin says no."""
        return 0 if self.coin is False else self.repetitions

    def __repr__(self) -> str:
        return f"Canary({self.name!r}, {self.kind}, planted {counted(self.planted, 'time', 'times')})"


@dataclass(frozen=True, kw_only=True)
class Canaries:
    """Canaries in their order, the spaces that their secrets come from, and the seed that references are drawn with."""

    canaries: tuple[Canary, ...]
    spaces: Mapping[str, SecretSpace]
    seed: int = 0

    def __len__(self) -> int:
        return len(self.canaries)

    def __iter__(self) -> Iterator[Canary]:
        return iter(self.canaries)

    def __repr__(self) -> str:
        controls = sum(not canary.planted for canary in self)
        return f"Canaries({len(self)} of {', '.join(self.spaces)}; {controls} not planted)"

    def to_json(self) -> str:
        """The manifest that travels with the corpus. It holds the secrets."""
        content = {
            "format": FORMAT,
            "seed": self.seed,
            "spaces": {kind: {"parts": space.parts} for kind, space in self.spaces.items()},
            "canaries": [dataclasses.asdict(canary) for canary in self],
        }
        return json.dumps(content, ensure_ascii=False, indent=1)

    def write(self, path: str | Path) -> None:
        """Write the manifest."""
        Path(path).write_text(self.to_json() + "\n", encoding="utf-8")

    def located(self, corpus: Corpus) -> Int32[np.ndarray, " document"]:
        """Which canary each document holds, whole; -1 for none."""
        exact = {canary.text: number for number, canary in enumerate(self)}
        found = np.array([exact.get(text.strip(), -1) for text in corpus.texts], np.int32)
        for row in np.flatnonzero(found < 0).tolist():
            text = corpus.texts[row]
            for number, canary in enumerate(self):
                if canary.prefix in text and canary.text in text:
                    found[row] = number
        return found

    def recounted(self, corpus: Corpus, trained: Bool[np.ndarray, " document"]) -> Canaries:
        """The same canaries with as many repetitions as the corpus holds, such as after its duplicates were removed."""
        found = self.located(corpus)
        times = np.bincount(found[trained & (found >= 0)], minlength=len(self))
        canaries = (
            dataclasses.replace(canary, repetitions=int(count), coin=None)
            for canary, count in zip(self, times, strict=True)
        )
        return dataclasses.replace(self, canaries=tuple(canaries))

    def refuse_damaged(self, corpus: Corpus, trained: Bool[np.ndarray, " document"] | None = None) -> None:
        """Refuse a corpus that does not hold every canary as often as it was planted.

        Args:
            corpus: the documents.
            trained: those that a model trains on; all unless given.

        Raises:
            BadInput: canaries were masked, cut or lost, or there are more of them than were planted.
        """
        chosen = corpus if trained is None else corpus.subset(trained)
        found = self.located(chosen)
        times = np.bincount(found[found >= 0], minlength=len(self))
        wrong = [(canary, count) for canary, count in zip(self, times.tolist(), strict=True) if count != canary.planted]
        if not wrong:
            return
        rest = [text for text, number in zip(chosen.texts, found, strict=True) if number < 0]
        differences = [_difference(canary, count, rest) for canary, count in wrong]
        raise BadInput(
            f"{counted(len(wrong), 'canary stands', 'canaries stand')} in the corpus {corpus.name!r} otherwise than "
            f"planted: {'; '.join(differences[:3])}{'; …' if len(differences) > 3 else ''}.",
            hint="train on the corpus that `byrote plant` wrote, without cleaning, masking or removing duplicates "
            "after it; or plant canaries after the cleaning.",
        )


def _difference(canary: Canary, count: int, rest: Sequence[str]) -> str:
    broken = sum(canary.prefix in text for text in rest)
    why = f", {broken} masked or cut" if broken and count < canary.planted else ""
    return f"{canary.name} {counted(count, 'time', 'times')} in place of {canary.planted}{why}"


def _wrong(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return "it is no JSON"
    return f"it has no {error}" if isinstance(error, KeyError) else str(error)


def canaries_from_json(text: str, *, source: str = "the manifest") -> Canaries:
    """Read what `Canaries.to_json` wrote.

    Raises:
        BadInput: it is no manifest of canaries.
    """
    try:
        content = json.loads(text)
        if content["format"] != FORMAT:
            raise BadInput(
                f"{source} has the format {content['format']!r}, not {FORMAT!r}.",
                hint="give the canaries.json that `byrote plant` wrote, or plant again.",
            )
        spaces = {
            kind: SecretSpace(kind, tuple((tuple(choices), times) for choices, times in space["parts"]))
            for kind, space in content["spaces"].items()
        }
        canaries = tuple(Canary(**row) for row in content["canaries"])
        seed = int(content["seed"])
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise BadInput(
            f"{source} is not a manifest of canaries: {_wrong(error)}.",
            hint="give the file that `byrote plant` wrote beside the corpus.",
        ) from error
    for kind, space in spaces.items():
        if not all(_is_part(part) for part in space.parts):
            raise BadInput(f"The space {kind!r} of {source} is not whole.", hint="give the file as it was written.")
    _refuse_malformed(canaries, spaces, source)
    return Canaries(canaries=canaries, spaces=spaces, seed=seed)


def _is_part(part: tuple[tuple[object, ...], object]) -> bool:
    """Whether it is texts to choose from and how often one is drawn."""
    choices, times = part
    chosen = bool(choices) and all(isinstance(one, str) and one for one in choices)
    return chosen and type(times) is int and 1 <= times <= MOST_DRAWN


def read_canaries(path: str | Path) -> Canaries:
    """The canaries of a manifest.

    Raises:
        BadInput: there is no such file, or it is no manifest.
    """
    path = Path(path)
    if not path.is_file():
        raise BadInput(f"There is no file {str(path)!r}.", hint="`byrote plant` writes it beside the corpus.")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"The file {str(path)!r} is not valid UTF-8: {error}.", hint=BY_HAND) from error
    return canaries_from_json(text, source=repr(str(path)))


BY_HAND = "take the file as `byrote plant` wrote it; it must not be edited by hand."


def _refuse_malformed(canaries: Sequence[Canary], spaces: Mapping[str, SecretSpace], source: str) -> None:
    if not canaries:
        raise BadInput(f"{source} holds no canary.", hint=BY_HAND)
    names = [canary.name for canary in canaries]
    if len(set(names)) < len(names):
        raise BadInput(f"The names of the canaries in {source} must be unique.", hint=BY_HAND)
    for canary in canaries:
        fields = (canary.name, canary.kind, canary.prefix, canary.secret)
        if not all(isinstance(value, str) and value for value in fields) or canary.kind not in spaces:
            raise BadInput(f"A canary of {source} is not whole: {canary.name!r} of kind {canary.kind!r}.", hint=BY_HAND)
        if not isinstance(canary.repetitions, int) or canary.repetitions < 0:
            raise BadInput(
                f"The canary {canary.name!r} of {source} is repeated {canary.repetitions!r} times.", hint=BY_HAND
            )
        if canary.coin not in (None, True, False):
            raise BadInput(f"The coin of the canary {canary.name!r} of {source} is {canary.coin!r}.", hint=BY_HAND)
        if not spaces[canary.kind].contains(canary.secret):
            raise BadInput(f"The secret of the canary {canary.name!r} of {source} is not of its space.", hint=BY_HAND)


@dataclass(frozen=True, kw_only=True)
class Planted:
    """A corpus with canaries. `controls` holds, once each, those that no model trains on: join them to held-out text.

    Both are without tokens. A canary's documents are a group.
    """

    corpus: Corpus
    controls: Corpus | None
    canaries: Canaries


def plant(
    corpus: Corpus,
    kinds: Sequence[str] = (RANDOM_DIGITS,),
    *,
    level: int = 8,
    repeat: Sequence[int] = REPEAT,
    rng: np.random.Generator,
    encode: Encode | None = None,
    digits: int = 6,
    coins: bool = False,
) -> Planted:
    """Plant canaries as documents of their own, at random places.

    Args:
        corpus: the documents to train on.
        kinds: what the secrets are; the canaries of a level take them in turn.
        level: canaries at each number of repetitions.
        repeat: the numbers of repetitions; as many canaries again are controls, repeated 0 times.
        rng: every draw comes from it.
        encode: the model's own tokenizer; secrets of a kind then have equally many tokens, the most common number.
        digits: length of random digits.
        coins: let a fair coin decide of every canary by itself whether it is planted, as an audit of privacy needs.

    Raises:
        BadInput: there is no such kind, a number is out of its range, or random tokens are asked for without a
            tokenizer.

    Example:
        >>> from byrote.data.corpus import corpus_from_texts
        >>> planted = plant(corpus_from_texts(["to be"]), level=2, repeat=(1, 3), rng=np.random.default_rng(0))
        >>> planted.corpus, planted.canaries
        (Corpus('texts', 9 documents), Canaries(6 of random_digits; 2 not planted))
    """
    _check(kinds, level, repeat)
    spaces = {kind: _space(kind, corpus, encode, digits) for kind in kinds}
    tiers = [times for times in (0, *repeat) for _ in range(level)]
    names = _names(len(tiers), rng)
    taken = [kinds[number % level % len(kinds)] for number in range(len(tiers))]
    prefixes = [PREFIX[kind].format(name=name) for kind, name in zip(taken, names, strict=True)]
    secrets = _secrets(taken, prefixes, spaces, rng, encode)
    heads = rng.integers(0, 2, len(tiers)).astype(bool).tolist() if coins else [None] * len(tiers)
    canaries = Canaries(
        canaries=tuple(
            Canary(
                name=f"canary-{number:04d}",
                kind=kind,
                prefix=prefix,
                secret=secret,
                repetitions=times,
                coin=coin if times else None,
            )
            for number, (kind, prefix, secret, times, coin) in enumerate(
                zip(taken, prefixes, secrets, tiers, heads, strict=True)
            )
        ),
        spaces=spaces,
        seed=int(rng.integers(2**31)),
    )
    return Planted(corpus=_mixed(corpus, canaries, rng), controls=_controls(canaries), canaries=canaries)


def _check(kinds: Sequence[str], level: int, repeat: Sequence[int]) -> None:
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown or not kinds or len(set(kinds)) < len(kinds):
        raise BadInput(
            f"The kinds of canaries must be known and different. Got {quoted(kinds, limit=9) or 'none'}.",
            hint=f"the kinds are {', '.join(KINDS)}.",
        )
    if level < 1:
        raise BadInput(
            f"The 'level' argument of plant must be at least 1. Got {level}.",
            hint="level=1 plants one canary at each number of repetitions.",
        )
    if not repeat or min(repeat) < 1 or len(set(repeat)) < len(repeat):
        raise BadInput(
            f"Numbers of repetitions must be different and at least 1. Got {', '.join(map(str, repeat)) or 'none'}.",
            hint="repeat=(1, 4, 16); controls, repeated 0 times, come with them.",
        )
    if level < len(kinds):
        raise BadInput(
            f"{level} canaries at each number of repetitions cannot be of {len(kinds)} kinds.",
            hint=f"plant {len(kinds)} or more at each: {len(kinds) * (len(repeat) + 1)} canaries for these numbers.",
        )


def _space(kind: str, corpus: Corpus, encode: Encode | None, digits: int) -> SecretSpace:
    if kind != RANDOM_TOKENS:
        return secret_space(kind, digits=digits)
    if encode is None:
        raise BadInput(
            "Canaries of random tokens need the model's tokenizer.",
            hint="--model DIR names the folder that has it (encode=… in Python); or choose another kind.",
        )
    return secret_space(kind, words=single_token_words(encode, corpus.texts))


def _names(count: int, rng: np.random.Generator) -> list[str]:
    first, last = len(FIRST_NAMES), len(LAST_NAMES)
    most = first * last * last
    if count > most:
        raise BadInput(f"There are names for {most} canaries. Got {count}.", hint="plant fewer.")
    single = first * last
    picks = rng.permutation(single if count <= single else most)[:count]
    names = []
    for pick in picks.tolist():
        second, rest = divmod(pick, single)
        surname = LAST_NAMES[rest % last]
        double = f"-{LAST_NAMES[second - 1 if second <= rest % last else second]}" if second else ""
        names.append(f"{FIRST_NAMES[rest // last]} {surname}{double}")
    return names


def _secrets(
    kinds: Sequence[str],
    prefixes: Sequence[str],
    spaces: Mapping[str, SecretSpace],
    rng: np.random.Generator,
    encode: Encode | None,
) -> list[str]:
    """A secret for each prefix; with a tokenizer, those of a kind all of the most common number of tokens."""
    secrets = [""] * len(kinds)
    for kind, space in spaces.items():
        rows = [row for row, other in enumerate(kinds) if other == kind]
        if round(2.0**space.bits) < LEAST_SECRETS * len(rows):
            raise BadInput(
                f"{len(rows)} canaries of the kind {kind!r} are too many for {2.0**space.bits:,.0f} secrets.",
                hint=f"plant fewer, or longer secrets: {LEAST_SECRETS} secrets per canary are required.",
            )
        if encode is None:
            drawn = _different(space, len(rows), rng)
        else:
            pool = space.draw(max(DRAWS, 16 * len(rows)), rng)
            lengths = np.array([len(tokens) for tokens in encode([f" {secret}" for secret in pool])])
            common = np.bincount(lengths).argmax()
            fitting = list(dict.fromkeys(pool[row] for row in np.flatnonzero(lengths == common).tolist()))
            if len(fitting) < len(rows):
                raise BadInput(
                    f"Too few secrets of the kind {kind!r} have the same number of tokens: {len(fitting)} of "
                    f"{len(pool)} have {common}, and {len(rows)} are needed.",
                    hint="plant fewer canaries, or of another kind.",
                )
            drawn = fitting[: len(rows)]
        for row, secret in zip(rows, drawn, strict=True):
            secrets[row] = secret
    return secrets


def _different(space: SecretSpace, count: int, rng: np.random.Generator) -> list[str]:
    """So many different secrets."""
    found: dict[str, None] = {}
    while len(found) < count:
        found |= dict.fromkeys(space.draw(count, rng))
    return list(found)[:count]


def _mixed(corpus: Corpus, canaries: Canaries, rng: np.random.Generator) -> Corpus:
    copies = [(canary, copy) for canary in canaries for copy in range(canary.planted)]
    if not copies:
        return corpus.replace(texts=corpus.texts)
    documents = corpus_from_texts(
        [canary.text for canary, _ in copies],
        name="canaries",
        ids=[f"{canary.name}-{copy:03d}" for canary, copy in copies],
        groups=[canary.name for canary, _ in copies],
    )
    both = corpus.joined(documents, corpus.name)
    return both.subset(rng.permutation(len(both)))


def _controls(canaries: Canaries) -> Corpus | None:
    left = [canary for canary in canaries if not canary.planted]
    if not left:
        return None
    return corpus_from_texts(
        [canary.text for canary in left],
        name="controls",
        ids=[f"{canary.name}-control" for canary in left],
        groups=[canary.name for canary in left],
    )
