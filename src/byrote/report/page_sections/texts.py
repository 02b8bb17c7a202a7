"""What a language model recites, and what that depends on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from byrote.blocks import Block, Figure, Fold, Gallery, Words
from byrote.report.language_facts import LanguageFacts
from byrote.report.language_words import grown
from byrote.report.page_sections.section import PageSection
from byrote.report.passages import Passage
from byrote.report.text import count

#: So many passages are shown at once, the others when they are asked for.
AT_ONCE: Final = 8
#: Figures of what recitation depends on: on what, what each shows, and a remark, to which what grows with it is added.
DEPENDS: Final = {
    "extraction": (
        "how often it stands there",
        "Documents recited, by how often their text stands there",
        "",
        "copies",
    ),
    "prefix": (
        "how many first tokens are given",
        "Texts recited, by how many of their first tokens are given",
        "Each different text counts once; what is asked for are the tokens that follow.",
        "prefix",
    ),
    "context": (
        "how many tokens before it are given",
        "The same tokens recited, by how many before them are given",
        "Each different text counts once; what is asked for stays the same.",
        "context",
    ),
    "exposure": ("how often a secret stands there", "Secrets exposed, by how often they stand there", "", ""),
    "queries": (
        "the number of answers",
        "Documents that come out with a chance of a half, by the number of answers",
        "Every document counts, copies of a text each.",
        "",
    ),
}
COURSE: Final = (
    "The share of next tokens that are the likeliest ones. Where the line of texts trained on leaves that of texts "
    "never seen, what is gained is learned by rote."
)


def passages(found: LanguageFacts, shown: tuple[Passage, ...], why: str, *, masked: bool) -> PageSection:
    """The texts that are recited, or come nearest to it."""
    recites = bool(found.recitation.of_trained[0])
    blocks: tuple[Block, ...] = (Words(text=f"No passage is shown. {why}", tone="missing"),)
    if shown:
        reading = Words(text=_reading(found), tone="reading")
        blocks = (Words(text=_what(found, shown, masked=masked)), *_galleries(shown), reading)
    return PageSection(
        name="passages",
        title="What it recites" if recites else "What comes nearest to being recited",
        short="Recited" if recites else "Nearest to being recited",
        blocks=blocks,
    )


def _galleries(shown: tuple[Passage, ...]) -> Iterator[Block]:
    yield Gallery(items=shown[:AT_ONCE], first=1)
    if len(shown) > AT_ONCE:
        rest = Gallery(items=shown[AT_ONCE:], first=AT_ONCE + 1)
        yield Fold(summary=f"The next {len(rest.items)}", blocks=(rest,))


def _what(found: LanguageFacts, shown: tuple[Passage, ...], *, masked: bool) -> str:
    recited = found.recitation.of_trained[0]
    text = "Of the texts it was trained on none is recited. These take the fewest answers."
    if recited:
        text = (
            "Texts in the fewest documents first: text in few documents may be private, what many wrote was copied or "
            "is common knowledge."
        )
    more = recited - len(shown)
    if more > 0:
        text += f" {count(more, 'more text')} {'is' if more == 1 else 'are'} recited and not shown."
    text += f" Grey is what was given, then come the {found.lengths[1]} tokens that the model was to go on with."
    if masked:
        text += " Planted secrets, addresses and long numbers are masked; `byrote report --show-secrets` shows them."
    return text


def _reading(found: LanguageFacts) -> str:
    prefix, suffix = found.lengths
    return (
        "Surprise is minus the binary logarithm of the probability that the model gives to the next token, all "
        "before it "
        f"being those of the text: 0 bits is certainty, 1 bit a coin. Answers are drawn {found.drawn}: the product "
        "of the "
        "probabilities that the tokens have then is the chance that an answer is the text, so its reciprocal is the "
        "number of answers it takes on average.\n\n"
        f"What is counted is where the {suffix} tokens after the first {prefix} stand in the documents of this run, "
        "token for token. That they stand nowhere else does not show that the model saw them nowhere else."
    )


def dependence(found: LanguageFacts, figures: Mapping[str, Figure]) -> PageSection:
    """What recitation depends on."""
    drawn = [name for name in DEPENDS if name in figures]
    blocks = [block for name in drawn for block in _figure(found, figures[name], *DEPENDS[name][1:])]
    blocks.append(Words(text=_bands(found, exposure="exposure" in figures), tone="reading"))
    title = "What it depends on"
    summary = f"What is recited or exposed, by {'; by '.join(DEPENDS[name][0] for name in drawn)}"
    return PageSection(name="dependence", title=title, short=title, summary=summary, blocks=tuple(blocks))


def _figure(found: LanguageFacts, figure: Figure, title: str, remark: str, by: str) -> Iterator[Block]:
    yield Words(text=title, tone="heading")
    yield figure
    text = " ".join(part for part in (remark, grown(found, by)) if part)
    if text:
        yield Words(text=text, tone="small")


def _bands(found: LanguageFacts, *, exposure: bool) -> str:
    bits = found.space_bits
    over = "; they do not hold what another training would give"
    if found.inside.models > 1:
        over = ", or over models where these lie farther apart"
    text = (
        f"Bands are 95 % intervals over texts or canaries{over}. In grey, where there are some, texts that the model "
        "never saw: what it gets right of them it did not learn by rote."
    )
    if not exposure:
        return text
    shares = ""
    if len(bits) > 1:
        shares = f"; these have {bits[0]:.1f} to {bits[-1]:.1f} bits, so that it is told in shares of them"
    return (
        f"{text} Exposure is how many bits a model saves in guessing a secret, by its rank among all secrets that "
        f"could have stood in its place{shares}."
    )


def course(figure: Figure) -> PageSection:
    """What is predicted, epoch by epoch."""
    blocks = (figure, Words(text=COURSE, tone="reading"))
    return PageSection(
        name="course",
        title="During training",
        short="During training",
        summary="How many next tokens are predicted, epoch by epoch",
        blocks=blocks,
    )
