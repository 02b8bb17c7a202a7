"""Which texts are memorized: those with many capitals, digits or marks, of another script, or made by a template."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int

from byrote.analyses.catalog import analysis
from byrote.blocks import Block, Words, plain_blocks, section
from byrote.errors import BadInput
from byrote.measures._localization import FEWEST, LEVEL, fifths
from byrote.results import Scalar, Table
from byrote.runs.run import Run
from byrote.stats.intervals import Bounds

#: How often each trait is drawn anew.
DRAWS: Final = 200
_DIFFERENCE: Bounds = (-2.0, 2.0)
_OTHERS = "without it, of like length"


@analysis(
    asks="Which traits do memorized documents have?",
    needs=("counterfactual_memorization",),
    section="4.5",
)
def text_profile(run: Run, *, measure: str = "counterfactual_memorization") -> Table:
    """How much more documents with a trait are memorized than documents of like length without it.

    Traits: the quarter of the documents with the largest share of capitals among letters, of digits, and of marks
    that are neither letters, digits, spaces nor simple punctuation ("structure"); another script than most documents;
    and a template, which is the text without numbers and capitalised words, if another document has the same one. Equal
    texts count once, so that copies do not support a trait.

    Formula:
        difference = mean of the measure over documents with the trait - mean over those without it, weighted by fifths
        of the length of the former; chance = the value that the largest difference of all traits exceeds in 5 % of
        draws, each of which shuffles the traits among documents of similar length
    Undefined:
        a trait that fewer than 20 documents have or lack, or that all documents of similar length have; where the
        measure is undefined.

    Source: after Zhang et al. 2023, arXiv:2112.12938, section 4, and Lee et al. 2022, arXiv:2107.06499 (templates).
    Differs:
        They look at examples; here each trait is compared with documents of like length and with chance.

    Raises:
        BadInput: the documents are not at hand, or the measure gives no value by document.
    """
    corpus = run.corpus
    if corpus is None:
        raise BadInput(
            f"Traits are looked for in the texts, and those of the run {str(run.folder)!r} are not at hand.",
            hint="byrote ask RUN text_profile --source FILE, with the documents that the run was made from.",
        )
    place = {name: row for row, name in enumerate(corpus.ids.tolist())}
    rows = np.array([place[name] for name in run.ids.tolist()], np.int64)
    texts = [corpus.texts[row] for row in rows]
    traits = traits_of(texts)
    first = np.zeros(len(texts), bool)
    first[np.unique(np.array(texts, dtype=object).astype(str), return_index=True)[1]] = True
    length = np.array([len(text) for text in texts])
    drawn = _drawn(traits, fifths(length, length), first, np.random.default_rng(0))

    def differences(values: Float[np.ndarray, " example"]) -> list[float]:
        known = np.isfinite(values) & first
        return [apart(values, trait & known, ~trait & known, length) for trait in traits.values()]

    figures = run.all_pooled(measure, differences, examples=int(first.sum()), bounds=_DIFFERENCE)
    whole, _ = run.replicates(measure)
    known = np.isfinite(whole.values) & first
    band = _band(whole.values, drawn, known, length)
    return Table(
        title="Who is memorized",
        rows={"trait": tuple(traits), "documents": tuple(str(int((one & known).sum())) for one in traits.values())},
        figures={f"more memorized than {_OTHERS}": tuple(_defined(one) for one in figures)},
        notes=(
            f"A difference stands out beyond ±{band:.2g}: in {LEVEL:.0%} of the draws that shuffle the traits among "
            "documents of similar length, no difference is that large.",
        ),
    )


def _defined(found: Scalar) -> Scalar | None:
    return None if np.isnan(found.value) else found


def traits_of(texts: Sequence[str]) -> dict[str, Bool[np.ndarray, " document"]]:
    """Which documents have each trait.

    Example:
        >>> found = traits_of(["call 12 now", "call 345 now", "LOUD NEWS", "plain words here"])
        >>> {name: has.astype(int).tolist() for name, has in found.items()}["by a template"]
        [1, 1, 0, 0]
    """
    shares: dict[str, Callable[[str], float]] = {
        "many capitals": _capitals,
        "many digits": lambda text: _share(text, str.isdigit),
        "structure": lambda text: _share(text, _structural),
    }
    made = {name: _top(np.array([of(text) for text in texts])) for name, of in shares.items()}
    script = np.array([_script(text) for text in texts])
    names, counts = np.unique(script, return_counts=True)
    made["another script"] = script != names[np.argmax(counts)]
    templates = [_template(text) for text in texts]
    different: dict[str, set[str]] = {}
    for template, text in zip(templates, texts, strict=True):
        different.setdefault(template, set()).add(text)
    made["by a template"] = np.array([len(different[template]) > 1 for template in templates])
    return made


def _capitals(text: str) -> float:
    letters = sum(map(str.isalpha, text))
    return sum(map(str.isupper, text)) / letters if letters else 0.0


def _share(text: str, of: Callable[[str], bool]) -> float:
    return sum(map(of, text)) / max(1, len(text))


def _structural(mark: str) -> bool:
    return not (mark.isalnum() or mark == " " or mark in ".,;:!?'\"-()")


def _top(share: Float[np.ndarray, " document"]) -> Bool[np.ndarray, " document"]:
    """The quarter with the largest share, of those above 0."""
    return np.asarray((share > 0) & (share >= np.quantile(share, 0.75)))


def _script(text: str) -> str:
    """The script of most letters, by the first word of their Unicode names.

    Example:
        >>> _script("hello"), _script("мир"), _script("12")
        ('LATIN', 'CYRILLIC', '')
    """
    counts: dict[str, int] = {}
    for mark in filter(str.isalpha, text):
        name = unicodedata.name(mark, "").partition(" ")[0]
        counts[name] = counts.get(name, 0) + 1
    return max(counts, key=lambda name: (counts[name], name)) if counts else ""


def _template(text: str) -> str:
    """The text without numbers and capitalised words; one of fewer than 5 letters is its own template.

    Example:
        >>> _template("Dear Ann, call 555-12 today"), _template("Dear Bob, call 555-99 today")
        ('*, call #-# today', '*, call #-# today')
    """
    without = re.sub(r"\d+", "#", re.sub(r"\b[^\W\d_a-z][^\W\d_]*(?:\s+[^\W\d_a-z][^\W\d_]*)*", "*", text))
    return without if sum(map(str.isalpha, without)) >= 5 else text


def apart(
    values: Float[np.ndarray, " document"],
    trait: Bool[np.ndarray, " document"],
    others: Bool[np.ndarray, " document"],
    length: Int[np.ndarray, " document"],
) -> float:
    """The mean with a trait less that of others, in fifths of the length of the former; nan of too few.

    Example:
        >>> values, trait = np.repeat([1.0, 0.25], 30), np.arange(60) < 30
        >>> apart(values, trait, ~trait, np.tile(np.arange(30), 2))
        0.75
    """
    if min(int(trait.sum()), int(others.sum())) < FEWEST:
        return float("nan")
    part = fifths(length, length[trait])
    total, weight = 0.0, 0
    for number in np.unique(part[trait]):
        mine, theirs = trait & (part == number), others & (part == number)
        if theirs.any():
            total += float(mine.sum() * (values[mine].mean() - values[theirs].mean()))
            weight += int(mine.sum())
    return total / weight if weight else float("nan")


def _drawn(
    traits: dict[str, np.ndarray], part: Int[np.ndarray, " document"], first: np.ndarray, rng: np.random.Generator
) -> list[list[np.ndarray]]:
    """The traits, shuffled among different texts of similar length."""
    made = []
    for _ in range(DRAWS):
        place = np.arange(len(part))
        for number in np.unique(part):
            here = np.flatnonzero(first & (part == number))
            place[here] = rng.permutation(here)
        made.append([trait[place] for trait in traits.values()])
    return made


def _band(values: np.ndarray, drawn: list[list[np.ndarray]], known: np.ndarray, length: np.ndarray) -> float:
    largest = []
    for traits in drawn:
        found = np.abs([apart(values, trait & known, ~trait & known, length) for trait in traits])
        if np.isfinite(found).any():
            largest.append(float(np.nanmax(found)))
    return float(np.quantile(largest, LEVEL)) if largest else float("nan")


@section(of="text_profile", title="Who is memorized", order=78)
def shown(table: Table) -> Iterable[Block]:
    """The table, and how to read it."""
    yield from plain_blocks(table)
    yield Words(
        text="A trait that stands out is correlated with memorization; it need not be the cause. Traits overlap: "
        "a form with numbers has digits, structure and a template at once.",
        tone="reading",
    )
