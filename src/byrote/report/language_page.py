"""The report of a language model as a page: what it recites, where that stands, and which secrets it knows."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from byrote.data.canaries import FILE as CANARIES
from byrote.data.canaries import Canaries, read_canaries
from byrote.data.index.corpus_index import index_tokens
from byrote.data.tokenizers import FILE as TOKENIZER
from byrote.data.tokenizers import pieces, read_tokenizer
from byrote.errors import BadInput
from byrote.measures._repetitions import copies_of
from byrote.measures.k_eidetic_memorization import RARE
from byrote.report.asked import all_asked, for_page
from byrote.report.facts import changed
from byrote.report.figures import Figure
from byrote.report.language_facts import GROWTH, LanguageFacts, Recitation
from byrote.report.language_first import FIRST, language_first
from byrote.report.language_summary import KNOWS_OTHERS_BETTER, verdict
from byrote.report.missing import RUN
from byrote.report.provenance import provenance
from byrote.report.secrets import MASK, masked
from byrote.report.summary import percent
from byrote.report.templates import environment, head
from byrote.report.text import capital, count, number
from byrote.results import PerCanary
from byrote.runs.run import Run
from byrote.stats.multiple import corrected

#: So many passages are shown, those that come nearest where none is recited, and canaries; and places of a passage.
MOST_PASSAGES: Final = 40
NEAREST: Final = 6
MOST_CANARIES: Final = 400
MOST_PRESENT: Final = 20
PLACES: Final = 3
#: Tokens after a passage that are looked at, to hide a secret that begins in it.
BEYOND: Final = 32
#: Tokens of a text that are shown where it is only named.
BEGINNING: Final = 30
#: Surprise in bits, from which on a token is coloured the next darker.
STEPS: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
LEVEL: Final = 0.05


@dataclass(frozen=True, kw_only=True)
class Token:
    """A piece of a text: `step` is how surprising it was, `missed` whether another token would have come."""

    text: str
    step: int
    missed: bool
    bits: str


@dataclass(frozen=True, kw_only=True)
class Place:
    """A document that holds a passage, and the tokens at which it begins."""

    document: str
    token: int
    held_out: bool


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A text that is recited, or comes near to it: what is given, what follows, and where it stands."""

    given: str
    tokens: tuple[Token, ...]
    documents: int
    occurrences: int
    places: tuple[Place, ...]
    rare: bool
    queries: str
    models: str


@dataclass(frozen=True, kw_only=True)
class Presence:
    """A text whose own presence in training matters much: by how much, how often it stands there, how it begins."""

    document: str
    value: str
    interval: str
    copies: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Secret:
    """A canary, its secret masked unless asked for."""

    name: str
    kind: str
    prefix: str
    secret: str
    times: int
    exposure: str
    p_value: str
    known: bool


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A key figure."""

    title: str
    figures: tuple[tuple[str, str], ...]
    note: str


def language_page(
    run: Run,
    found: LanguageFacts,
    figures: Mapping[str, Figure],
    *,
    show_secrets: bool = False,
    redact: bool = False,
) -> str:
    """The page of a run whose facts were measured, and drawn by `figures_of`.

    `redact` leaves texts, and what stands before secrets, out of it.
    """
    path = run.folder / CANARIES
    canaries = read_canaries(path) if path.exists() and not redact else None
    trained = (run.design.member[run.models()] != 0).any(0)
    shown, why = _passages(run, found, canaries, show_secrets=show_secrets, redact=redact)
    secrets = _secrets(found, canaries, show_secrets=show_secrets)
    return (
        environment()
        .get_template("language.html.jinja")
        .render(
            asked=for_page(all_asked(run)),
            **head("page.css", "trace.css", "language.css"),
            byrote=version("byrote"),
            run=run,
            found=found,
            title=title(found),
            first_look=language_first(found),
            first=shown[:FIRST],
            models=found.inside.models,
            lead=lead(run, found),
            present=_present(run, found, canaries, show_secrets=show_secrets, redact=redact),
            warnings=warnings(run, found),
            changed=next(iter(changed(run)), ""),
            tiles=tiles(found),
            recites=bool(found.recitation.of_trained[0]),
            passages=shown,
            no_passages=why,
            left_out=max(found.recitation.of_trained[0] - len(shown), 0),
            growth={name: grown(found, name) for name in GROWTH},
            dependence=bool({"extraction", "prefix", "context", "exposure", "queries"} & set(figures)),
            trained=int(trained.sum()),
            held_out=int((~trained).sum()),
            figures=figures,
            verdict=[sentence.split("`") for sentence in verdict(run, found, RUN)],
            secrets=secrets[:MOST_CANARIES],
            more_secrets=max(len(secrets) - MOST_CANARIES, 0),
            masked=not show_secrets,
            prefix=found.lengths[0],
            suffix=found.lengths[1],
            steps=STEPS,
            rare=RARE,
            provenance=provenance(run),
            notes=run.manifest.notes,
        )
    )


def title(found: LanguageFacts) -> str:
    """What was found, in a sentence that a person can read aloud."""
    recited, texts = found.recitation.of_trained
    suffix, models = found.lengths[1], found.inside.models
    if unlearned(found):
        return f"{'This model has' if models == 1 else 'These models have'} learned nothing of the texts trained on"
    recite = "It recites" if models == 1 else f"{models} models recite"
    if not texts:
        sentence = f"None of {count(found.judged.documents, 'document')} could be judged"
    elif recited:
        sentence = f"{recite} {recited:,} of {count(texts, 'text')}, {suffix} tokens word for word"
    else:
        sentence = f"{recite} none of the {count(texts, 'text')} that could be judged"
    if found.exposures is None:
        return sentence
    known, planted = known_secrets(found)
    same = (recited > 0) == (known > 0)
    join = ", but" if not same else ", and" if recited else " and"
    return f"{sentence}{join} know{'s' * (models == 1)} {known:,} of {count(planted, 'planted secret')}"


def unlearned(found: LanguageFacts) -> bool:
    """Whether nothing was learned, no secret either."""
    return found.learned_nothing and (found.exposures is None or not known_secrets(found)[0])


def lead(run: Run, found: LanguageFacts) -> str:
    """What was asked, and what models that never saw the text do."""
    if unlearned(found) and not found.knows_nothing:
        predicts = "It predicts" if found.inside.models == 1 else "They predict"
        return (
            f"{predicts} {percent(found.inside)} of the next tokens there, no better than a guess that only uses how "
            "often each token occurs. What a model did not learn it cannot recite: train longer, or with a larger "
            "network, and audit again."
        )
    recited, texts = found.recitation.of_others
    prefix, suffix = found.lengths
    sentence = (
        f"A text is recited where {'the model' if found.inside.models == 1 else 'one of the models'}, given its first "
        f"{prefix} tokens, goes on with exactly the {suffix} that follow in it, taking the likeliest token each time."
    )
    if texts:
        never = "it was never trained on it recites" if found.inside.models == 1 else "none was trained on they recite"
        sentence += f" Of {count(texts, 'text')} that {never} {recited:,}: what chance gives."
    elif found.recitation.of_trained[1]:
        sentence += " No text is known to be new to it, so that nothing tells what it would get right by itself."
    if run.manifest.origin == "observed":
        sentence += " Which texts it was trained on is taken on the word of whoever called."
    return sentence


def warnings(run: Run, found: LanguageFacts) -> list[str]:
    """What makes the figures doubtful."""
    warnings = []
    if run.guarded:
        warnings.append(
            "What is generated has gone through a changed decoder. Predicted tokens, surprise and exposure are read "
            "off the weights, which still hold what the decoder blocks."
        )
    if found.knows_nothing:
        warnings.append(
            f"At {found.surprise:.2f} nats a token the model knows no more than a uniform guess ({found.guess:.2f}): "
            "the tokenizer may not be its own."
        )
    if found.knows_others_better:
        warnings.append(capital(KNOWS_OTHERS_BETTER))
    checked = found.confirmation
    if checked is not None and checked.read_only + checked.generated_only:
        warnings.append(
            f"{checked.read_only + checked.generated_only} recitations were read off the probabilities or generated, "
            f"and not both; {checked.confirmed} were both. They lie within {checked.disputed_margin:.2g} of a tie "
            "between two tokens."
        )
    if found.memorized is not None and found.memorized.reason:
        warnings.append(f"How many secrets are memorized has no figure: {found.memorized.reason}.")
    return warnings


def tiles(found: LanguageFacts) -> list[Tile]:
    """Key figures."""
    shown = []
    if found.recitation.trained.any():
        note = _confirmed(found)
        often = found.recitation.copies > 1
        trained = found.recitation.trained
        groups = [("texts that stand once", trained & ~often), ("texts that stand more often", trained & often)]
        texts = tuple(
            (f"{int((found.recitation.recited & mask).sum()):,} of {int(mask.sum()):,}", name)
            for name, mask in groups
            if mask.any()
        )
        shown.append(Tile(title="Recited", figures=texts, note=f"Each different text counts once; {note}."))
    if found.exposures is not None:
        sides = {"planted canaries": True, "controls that were not planted": False}
        rows = []
        for label, planted in sides.items():
            known, asked = known_secrets(found, planted=planted)
            if asked:
                rows.append((f"{known:,} of {asked:,}", label))
        note = "Chance refuted at 5 % over all canaries (Holm)."
        shown.append(Tile(title="Secrets known", figures=tuple(rows), note=note))
    shown.append(
        Tile(
            title="Next tokens predicted",
            figures=((percent(found.inside), "of texts trained on"),)
            + (() if np.isnan(found.outside.value) else ((percent(found.outside), "of held-out texts"),)),
            note="Repeated texts count as often as they stand in the corpus.",
        )
    )
    return shown


def _confirmed(found: LanguageFacts) -> str:
    checked = found.confirmation
    if checked is None:
        return "not confirmed by generating"
    hits = checked.confirmed + checked.read_only + checked.generated_only
    if not hits:
        return "generating agrees"
    return (
        "all confirmed by generating" if checked.confirmed == hits else f"{checked.confirmed} of {hits} hits confirmed"
    )


def grown(found: LanguageFacts, name: str) -> str:
    """By how much recitation grows with each tenfold, in a sentence."""
    figure = found.growth.get(name)
    if figure is None or (figure.value == 0 and np.isnan(figure.low)):
        return ""
    reach = "" if np.isnan(figure.low) else f" ({percent_points(figure.low)} to {percent_points(figure.high)})"
    return f"With each tenfold the share changes by {percent_points(figure.value)}{reach} in a straight fit."


def percent_points(share: float) -> str:
    """A difference of shares, with its sign.

    Example:
        >>> percent_points(0.123), percent_points(-0.04)
        ('+12 points', '−4 points')
    """
    points = round(100 * share)
    return f"{points:+d} points".replace("-", "−") if points else "0 points"


def adjusted(exposures: PerCanary) -> Float[np.ndarray, " canary"]:
    """The p-values of canaries, corrected over those planted, and over the controls (Holm); NaN where there is none."""
    p_values = np.full(len(exposures.values), np.nan)
    for planted in (True, False):
        chosen = np.isfinite(exposures.p_value) & ((exposures.repetitions > 0) == planted)
        p_values[chosen] = corrected(exposures.p_value[chosen], "holm")
    return p_values


def known_secrets(found: LanguageFacts, *, planted: bool = True) -> tuple[int, int]:
    """How many canaries are certainly known, and of how many: those planted, or the controls."""
    assert found.exposures is not None
    p_values = adjusted(found.exposures)[(found.exposures.repetitions > 0) == planted]
    return int((p_values <= LEVEL).sum()), int(np.isfinite(p_values).sum())


def _secrets(found: LanguageFacts, canaries: Canaries | None, *, show_secrets: bool) -> list[Secret]:
    exposures = found.exposures
    if exposures is None or canaries is None or len(canaries) != len(exposures.values):
        return []
    p_values = adjusted(exposures)
    order = np.lexsort((np.arange(len(p_values)), -np.nan_to_num(exposures.values, nan=-1), -exposures.repetitions))
    listed = list(canaries)
    return [
        Secret(
            name=listed[row].name,
            kind=listed[row].kind.replace("_", " "),
            prefix=listed[row].prefix,
            secret=listed[row].secret if show_secrets else MASK * len(listed[row].secret),
            times=int(exposures.repetitions[row]),
            exposure=("≥ " if exposures.at_least[row] else "") + number(float(exposures.values[row]), 1),
            p_value=_p_value(float(p_values[row])),
            known=bool(p_values[row] <= LEVEL),
        )
        for row in order.tolist()
    ]


def _p_value(value: float) -> str:
    return "–" if np.isnan(value) else "< 0.001" if value < 0.001 else number(value, 3)


def _passages(
    run: Run, found: LanguageFacts, canaries: Canaries | None, *, show_secrets: bool, redact: bool
) -> tuple[list[Passage], str]:
    if run.forgotten:
        return [], "The texts of this run were forgotten."
    if redact:
        return [], "Texts are left out of this page."
    recitation = found.recitation
    if not len(recitation.document):
        return [], f"No document has {sum(found.lengths)} tokens."
    try:
        tokenizer = _tokenizer(run)
    except BadInput as error:
        return [], error.message
    models = run.models()
    token, offsets = run.load("corpus.token", models), run.load("corpus.offsets", models)
    index = index_tokens(token, offsets)
    secrets = [] if canaries is None else [canary.secret for canary in canaries]
    held_out = (run.design.member[models] == 0).all(0)
    shown = []
    for row in chosen(recitation).tolist():
        document, model = int(recitation.document[row]), int(recitation.model[row])
        begin = int(offsets[document])
        given, stop = (begin + length for length in itertools.accumulate(found.lengths))
        end = min(stop + BEYOND, int(offsets[document + 1]))
        parts = pieces(tokenizer, token[begin:end].tolist())
        if not show_secrets:
            parts = masked(parts, secrets)
        surprisal = run.load("tokens.log_probability", [model])[0][given:stop] / -np.log(2.0)
        right = run.load("tokens.hit", [model])[0][given:stop]
        query = token[given:stop].astype(np.int64)
        holding, first = index.documents(query), index.locate_first(query, PLACES)
        shown.append(
            Passage(
                given="".join(parts[: given - begin]),
                tokens=tuple(
                    Token(
                        text=text,
                        step=int(np.searchsorted(STEPS, bits, side="right")),
                        missed=not hit,
                        bits=number(float(bits), 1),
                    )
                    for text, bits, hit in zip(parts[given - begin : stop - begin], surprisal, right, strict=True)
                ),
                documents=len(holding),
                occurrences=index.count(query),
                places=tuple(
                    Place(document=str(run.ids[where]), token=int(start) + 1, held_out=bool(held_out[where]))
                    for where, start in zip(first.document.tolist(), first.start.tolist(), strict=True)
                ),
                rare=len(holding) <= RARE,
                queries=answers(float(recitation.log10_queries[row])),
                models="" if len(models) == 1 else f"{int(recitation.reciting[row])} of {len(models)} models recite it",
            )
        )
    return shown, ""


def _tokenizer(run: Run) -> Any:
    """The tokenizer that writes out the tokens of a run.

    Raises:
        BadInput: there is none, or it cannot be read.
    """
    path = run.folder / TOKENIZER
    if not path.exists():
        raise BadInput("The run holds no tokenizer to write its tokens out with.", hint="audit again with tokenizer=…")
    return read_tokenizer(path)


def _present(
    run: Run, found: LanguageFacts, canaries: Canaries | None, *, show_secrets: bool, redact: bool
) -> list[Presence]:
    """The different texts whose own presence matters most, without their words where those are not to be shown."""
    result = found.counterfactual
    if result is None:
        return []
    models = run.models()
    token, offsets, member = (run.load(name, models) for name in ("corpus.token", "corpus.offsets", "design.member"))
    copies = copies_of(token, offsets, member)
    rows = np.flatnonzero(result.reason_code == 0)
    rows = rows[np.argsort(-result.values[rows], kind="stable")]
    rows = rows[np.sort(np.unique(copies.cluster[rows], return_index=True)[1])][:MOST_PRESENT]
    try:
        tokenizer = None if redact or run.forgotten else _tokenizer(run)
    except BadInput:
        tokenizer = None  # the passages say why
    secrets = [] if canaries is None else [canary.secret for canary in canaries]

    def beginning(row: int) -> str:
        if tokenizer is None:
            return ""
        begin, end = offsets[row], offsets[row + 1]
        parts = pieces(tokenizer, token[begin : min(end, begin + BEGINNING + BEYOND)].tolist())
        shown = parts if show_secrets else masked(parts, secrets)
        return " ".join("".join(shown[:BEGINNING]).split()) + "…" * (len(parts) > BEGINNING)

    return [
        Presence(
            document=str(run.ids[row]),
            value=number(float(result.values[row])),
            interval=f"{number(float(result.low[row]))} to {number(float(result.high[row]))}"
            if np.isfinite(result.low[row])
            else "–",
            copies=int(copies.standing[row]),
            text=beginning(row),
        )
        for row in rows.tolist()
    ]


def chosen(recitation: Recitation) -> np.ndarray:
    """What is shown: texts trained on that are recited, the rarest first; or those that come nearest."""
    rows = np.flatnonzero(recitation.recited & recitation.trained)
    if len(rows):
        order = np.lexsort((recitation.log10_queries[rows], recitation.copies[rows]))
        return np.asarray(rows[order][:MOST_PASSAGES])
    rows = np.flatnonzero(recitation.trained)
    return np.asarray(rows[np.argsort(recitation.log10_queries[rows], kind="stable")][:NEAREST])


def answers(log10_queries: float) -> str:
    """How many answers one expects to draw until one is the text, in words.

    Example:
        >>> answers(0.04), answers(2.5), answers(9.2), answers(float("inf"))
        ('in 1.1 answers', 'in 320 answers', 'in 10^9 answers', 'in no number of answers')
    """
    if not np.isfinite(log10_queries):
        return "in no number of answers"
    if log10_queries > 6:
        return f"in 10^{log10_queries:.0f} answers"
    queries = 10**log10_queries
    return f"in {number(queries, 1)} answers" if queries < 100 else f"in {float(f'{queries:.2g}'):,.0f} answers"
