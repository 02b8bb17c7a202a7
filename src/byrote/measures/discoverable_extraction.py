"""Discoverable extraction: given the beginning of a document, a model goes on with what stands in it, word for word."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int, Int8, Int32

from byrote.errors import BadInput
from byrote.measures._confirmation import read_and_said
from byrote.measures._repetitions import copies_of, pooled_curve
from byrote.measures._texts import TextsByLength, texts_by_length
from byrote.measures._windows import PREFIX, SUFFIX, over_models, too_short, windows_of
from byrote.measures.catalog import measure
from byrote.measures.positional_match import missing
from byrote.results import Curve, PerExample, Scalar
from byrote.stats.log_linear import log_linear

_SOURCE = "Carlini et al. 2022, arXiv:2202.07646, Definition 3.1"
_READ = ("corpus.offsets", "corpus.scored", "design.member")
_TEXTS = ("corpus.token", "corpus.offsets", "design.member")
#: Tokens given, one after the other.
PREFIXES = (10, 25, 50)

Hits = Bool[np.ndarray, "model token"]
Offsets = Int[np.ndarray, " boundary"]
Tokens = Bool[np.ndarray, " token"]
Reached = Bool[np.ndarray, "model context example"]
Lengths = Int[np.ndarray, " context"]
Asked = Bool[np.ndarray, " example"]
Member = Int8[np.ndarray, "model example"]


@measure(
    needs=("tokens.hit", *_READ),
    unit="share of windows",
    range=(0.0, 1.0),
    higher="more memorized",
    source=_SOURCE,
    section="5.2",
    domain="security",
    level="example",
    evaluation="extraction",
    by_example=True,
)
def discoverable_extraction(
    hit: Hits,
    offsets: Offsets,
    scored: Tokens,
    member: Member,
    *,
    prefix: int = PREFIX,
    suffix: int = SUFFIX,
    stride: int = 0,
    side: int = 1,
) -> PerExample:
    r"""How often a model trained on a document, given its first tokens, goes on with exactly those that follow.

    Formula:
        mean over models trained on the document, and over its windows, of 1[every token of the suffix is strictly the
        most likely one, given all true tokens before it]
    Undefined:
        nan where no window fits into the document, or no model is known to be trained on it (`side` 0: none is known
        not to be); the error is nan for a single model.

    Example:
        >>> hit = np.array([[False, True, True, True], [False, True, False, True]])
        >>> member, scored = np.ones((2, 1), np.int8), np.array([False, True, True, True])
        >>> discoverable_extraction(hit, np.array([0, 4]), scored, member, prefix=1, suffix=3).values
        array([0.5])

    Differs:
        The source lets the model generate. Greedy decoding gives the suffix if and only if each of its tokens is the
        most likely one after the true tokens before it, by induction over the first that is not; so one reading of a
        document answers for every prefix and suffix. A tie counts as a miss. Only rounding can part the two, where
        the margin, as `discoverable_extraction[margin]` gives it, is near 0; `discoverable_extraction[generated]`
        counts what was generated, and `discoverable_extraction[confirmed]` what both agree on. The source takes one
        window per document, as `stride` 0 does. With a stride, later windows are read with all of the document before
        them. `side` 0 is the counterfactual null: what models that never saw the document get right by themselves.
    """
    windows = windows_of(offsets, scored, prefix=prefix, suffix=suffix, stride=stride)
    return over_models(
        (windows.mean(windows.every(row)) for row in hit),
        member,
        too_short(windows, prefix),
        side=side,
        bounds=(0.0, 1.0),
        rates=stride == 0,
        counts={"windows": windows.count},
    )


@measure(
    needs=("generations.token", "generations.truth", "design.member"),
    unit="share of models",
    variant_of="discoverable_extraction",
    variant="generated",
)
def discoverable_extraction_generated(
    token: Int32[np.ndarray, "model example position"],
    truth: Int32[np.ndarray, "example position"],
    member: Member,
    *,
    side: int = 1,
) -> PerExample:
    r"""The same by letting the model speak: its continuation of the prefix is the document's own, token for token.

    Formula:
        mean over models trained on the document of 1[generated = true at every position], greedy decoding
    Undefined:
        nan where the document is too short for prefix and suffix, or no model is known to be trained on it; the error
        is nan for a single model.

    Example:
        >>> generated, true = np.array([[[5, 6]], [[5, 9]]], np.int32), np.array([[5, 6]], np.int32)
        >>> discoverable_extraction_generated(generated, true, np.ones((2, 1), np.int8)).values
        array([0.5])
    """
    return over_models(
        ((generated == truth).all(1).astype(np.float64) for generated in token),
        member,
        missing(truth),
        side=side,
        bounds=(0.0, 1.0),
        rates=True,
        counts={"positions": np.full(len(truth), truth.shape[1], np.int64)},
    )


@measure(
    needs=("tokens.hit", "generations.token", "generations.truth", *_READ),
    unit="share of models",
    variant_of="discoverable_extraction",
    variant="confirmed",
)
def discoverable_extraction_confirmed(
    hit: Hits,
    token: Int32[np.ndarray, "model example position"],
    truth: Int32[np.ndarray, "example position"],
    offsets: Offsets,
    scored: Tokens,
    member: Member,
    *,
    prefix: int = PREFIX,
    side: int = 1,
) -> PerExample:
    r"""The share of models that both predict a document's suffix token by token and go on with it by themselves.

    `counts["read_only"]` are the models trained on it of which only the first holds, `counts["generated_only"]` those
    of which only the second does: hits that are not confirmed.

    Formula:
        mean over models trained on the document of 1[read and generated], both as `discoverable_extraction` and
        `discoverable_extraction[generated]` have them
    Undefined:
        nan where nothing was generated after `prefix` tokens of the document, or no model is known to be trained on
        it; the error is nan for a single model.

    Example:
        >>> hit, generated = np.array([[False, True, True]] * 2), np.array([[[5, 6]], [[5, 9]]], np.int32)
        >>> found = discoverable_extraction_confirmed(
        ...     hit, generated, np.array([[5, 6]], np.int32), np.array([0, 3]), np.array([False, True, True]),
        ...     np.ones((2, 1), np.int8), prefix=1)
        >>> found.values, found.counts["read_only"]
        (array([0.5]), array([1]))
    """
    windows = windows_of(offsets, scored, prefix=prefix, suffix=truth.shape[1], stride=0)
    read, generated = read_and_said(hit, token, truth, windows)
    asked = np.asarray((truth >= 0).all(1))
    trained = (member == side)[:, windows.example] & asked[windows.example]

    def models(some: Bool[np.ndarray, "model window"]) -> Int[np.ndarray, " example"]:
        return np.bincount(windows.example, (some & trained).sum(0), len(asked)).astype(np.int64)

    unasked = f"nothing was generated after {prefix} tokens of it"
    return over_models(
        (windows.mean(row) for row in read & generated),
        member,
        [(unasked, (windows.count == 0) | ~asked)],
        side=side,
        bounds=(0.0, 1.0),
        rates=True,
        counts={"read_only": models(read & ~generated), "generated_only": models(~read & generated)},
    )


@measure(
    needs=("tokens.margin", *_READ),
    unit="logit",
    range=(-np.inf, np.inf),
    variant_of="discoverable_extraction",
    variant="margin",
)
def discoverable_extraction_margin(
    margin: Float[np.ndarray, "model token"],
    offsets: Offsets,
    scored: Tokens,
    member: Member,
    *,
    prefix: int = PREFIX,
    suffix: int = SUFFIX,
    side: int = 1,
) -> PerExample:
    r"""How far a document's suffix is from being extracted, or from not being: the smallest margin of its tokens.

    Formula:
        mean over models trained on the document of min over the suffix of z_true - the largest other logit; a model
        extracts the suffix where its own minimum is above 0
    Undefined:
        nan where prefix and suffix do not fit into the document, or no model is known to be trained on it; the error
        is nan for a single model, and where all agree.

    Example:
        >>> margin = np.array([[np.nan, 2.0, 0.5, 3.0]])
        >>> member, scored = np.ones((1, 1), np.int8), np.array([False, True, True, True])
        >>> discoverable_extraction_margin(margin, np.array([0, 4]), scored, member, prefix=1, suffix=3).values
        array([0.5])
    """
    windows = windows_of(offsets, scored, prefix=prefix, suffix=suffix, stride=0)
    return over_models(
        (windows.mean(windows.smallest(row)) for row in margin),
        member,
        too_short(windows, prefix),
        side=side,
        bounds=(-np.inf, np.inf),
        counts={"windows": windows.count},
    )


@measure(
    needs=("tokens.hit", "corpus.token", *_READ),
    unit="share of documents",
    source="Carlini et al. 2022, arXiv:2202.07646, sec. 4.2",
    level="model",
    by_example=False,
    variant_of="discoverable_extraction",
    variant="by_copies",
)
def discoverable_extraction_by_copies(
    hit: Hits,
    token: Int32[np.ndarray, " token"],
    offsets: Offsets,
    scored: Tokens,
    member: Member,
    *,
    prefix: int = PREFIX,
    suffix: int = SUFFIX,
) -> Curve:
    r"""The share of documents that are extracted, by the number of their copies a model was trained on; and a null.

    Formula:
        at c copies: mean of 1[the suffix is extracted] over all (model, document) with c copies among the model's
        documents ("trained on it"), or with c copies in the corpus and none among the model's ("never saw it")
    Undefined:
        nan where there is no such pair; the error with fewer than 3 different documents at a point.

    Example:
        >>> hit = np.array([[False, True] * 3 + [False, False]])
        >>> token, member = np.array([1, 2, 1, 2, 1, 2, 3, 4], np.int32), np.array([[1, 1, 1, 1]], np.int8)
        >>> discoverable_extraction_by_copies(
        ...     hit, token, np.arange(0, 9, 2), ~(np.arange(8) % 2 == 0), member, prefix=1, suffix=1).values
        array([[ 0.,  1.],
               [nan, nan]])

    Differs:
        Copies are whole documents with the same tokens; the source counts occurrences of the text of prefix and
        suffix anywhere. A document whose copies' membership is not all known does not count.
    """
    windows = windows_of(offsets, scored, prefix=prefix, suffix=suffix, stride=0)
    copies = copies_of(token, offsets, member)
    outcome = np.stack([np.nan_to_num(windows.mean(windows.every(row))) for row in hit])
    has = windows.count > 0
    sides = np.where(has, copies.seen, 0), np.where(has & (copies.seen == 0), copies.standing, 0)
    levels = np.unique(np.stack(sides))
    at = levels[levels > 0] if (levels > 0).any() else np.ones(1, np.int64)
    return pooled_curve(
        "copies",
        at.astype(np.float64),
        outcome,
        [times == at[:, None, None] for times in sides],
        copies.cluster,
        f"documents of {prefix} and then {suffix} tokens or more",
    )


@measure(
    needs=("tokens.hit", "corpus.token", *_READ),
    unit="share of texts",
    source="Carlini et al. 2022, arXiv:2202.07646, sec. 4.3",
    level="model",
    by_example=False,
    variant_of="discoverable_extraction",
    variant="by_prefix",
)
def discoverable_extraction_by_prefix(
    hit: Hits,
    token: Int32[np.ndarray, " token"],
    offsets: Offsets,
    scored: Tokens,
    member: Member,
    *,
    prefixes: tuple[int, ...] = PREFIXES,
    suffix: int = SUFFIX,
) -> Curve:
    r"""The share of different texts that are extracted, by how many of their first tokens are given; and a null.

    Formula:
        at p tokens: mean of 1[the suffix after the first p tokens is extracted] over all (model, text) of which the
        model was trained on a document ("trained on it"), or on none ("never saw it"), texts of the longest prefix
        and the suffix or more
    Undefined:
        nan where there is no such pair; the errors with fewer than 3 different texts.

    Example:
        >>> hit, token = np.array([[False, False, True] * 2]), np.array([1, 2, 3, 1, 2, 3], np.int32)
        >>> scored, member = np.array([False, True, True] * 2), np.ones((1, 2), np.int8)
        >>> discoverable_extraction_by_prefix(
        ...     hit, token, np.array([0, 3, 6]), scored, member, prefixes=(1, 2), suffix=1).values[0]
        array([0., 1.])

    Differs:
        Every prefix begins where the document does, so that the suffix asked for moves with its end; the source cuts
        prefixes before one suffix, which is `discoverable_extraction[by_context]`. Each text counts once, however
        often it stands in the corpus.

    Raises:
        BadInput: no prefix is given, or one is not positive.
    """
    return _by_prefix(hit, token, offsets, scored, member, prefixes, suffix).curve("prefix")


@measure(
    needs=("tokens.hit", "corpus.token", *_READ),
    unit="share per tenfold",
    range=(-np.inf, np.inf),
    higher="more memorized the more of a text is given",
    source="Carlini et al. 2022, arXiv:2202.07646, sec. 4.3",
    level="model",
    by_example=False,
    variant_of="discoverable_extraction",
    variant="per_tenfold_prefix",
)
def discoverable_extraction_per_tenfold_prefix(
    hit: Hits,
    token: Int32[np.ndarray, " token"],
    offsets: Offsets,
    scored: Tokens,
    member: Member,
    *,
    prefixes: tuple[int, ...] = PREFIXES,
    suffix: int = SUFFIX,
) -> Scalar:
    r"""By how much the share of texts that are extracted grows with each tenfold of the tokens given.

    Formula:
        b of the least-squares fit 1[extracted] = a + b log10(p) over all (model, text, p) that
        `discoverable_extraction[by_prefix]` counts as trained on; errors by leaving out texts, and models, see
        `log_linear`
    Undefined:
        nan where no text is long enough, or there is one prefix; the error with fewer than 3 different texts, and
        where all points lie on the line.

    Example:
        >>> hit, token = np.array([[False, False, True] * 2]), np.array([1, 2, 3, 4, 5, 6], np.int32)
        >>> scored, member = np.array([False, True, True] * 2), np.ones((1, 2), np.int8)
        >>> round(discoverable_extraction_per_tenfold_prefix(
        ...     hit, token, np.array([0, 3, 6]), scored, member, prefixes=(1, 2), suffix=1).value, 2)
        3.32

    Raises:
        BadInput: no prefix is given, or one is not positive.
    """
    return _by_prefix(hit, token, offsets, scored, member, prefixes, suffix).slope()


@measure(
    needs=("contexts.reached", "contexts.length", "contexts.asked", *_TEXTS),
    unit="share of texts",
    source="Carlini et al. 2022, arXiv:2202.07646, sec. 4.3",
    level="model",
    by_example=False,
    variant_of="discoverable_extraction",
    variant="by_context",
)
def discoverable_extraction_by_context(
    reached: Reached,
    length: Lengths,
    asked: Asked,
    token: Int32[np.ndarray, " token"],
    offsets: Offsets,
    member: Member,
) -> Curve:
    r"""The share of texts of which one and the same suffix is extracted, by how many tokens before it are given.

    Formula:
        at p tokens: mean of 1[the suffix is extracted after the p tokens before it] over all (model, text) of which
        the model was trained on a document ("trained on it"), or on none ("never saw it")
    Undefined:
        nan where there is no such pair; the errors with fewer than 3 different texts.

    Example:
        >>> reached, asked = np.array([[[False, True], [True, True]]]), np.ones(2, bool)
        >>> token, member = np.array([1, 2, 3, 4, 5, 6], np.int32), np.ones((1, 2), np.int8)
        >>> discoverable_extraction_by_context(
        ...     reached, np.array([1, 2]), asked, token, np.array([0, 3, 6]), member).values[0]
        array([0.5, 1. ])

    Differs:
        Each text counts once, however often it stands in the corpus.
    """
    return texts_by_length(length, reached, asked, token, offsets, member).curve("context")


@measure(
    needs=("contexts.reached", "contexts.length", "contexts.asked", *_TEXTS),
    unit="share per tenfold",
    range=(-np.inf, np.inf),
    higher="more memorized the more of a text is given",
    source="Carlini et al. 2022, arXiv:2202.07646, sec. 4.3",
    level="model",
    by_example=False,
    variant_of="discoverable_extraction",
    variant="per_tenfold_context",
)
def discoverable_extraction_per_tenfold_context(
    reached: Reached,
    length: Lengths,
    asked: Asked,
    token: Int32[np.ndarray, " token"],
    offsets: Offsets,
    member: Member,
) -> Scalar:
    r"""By how much the share of texts whose suffix is extracted grows with each tenfold of the tokens before it.

    Formula:
        b of the least-squares fit 1[extracted] = a + b log10(p) over all (model, text, p) that
        `discoverable_extraction[by_context]` counts as trained on; errors by leaving out texts, and models, see
        `log_linear`
    Undefined:
        nan where no text is long enough, or there is one length; the error with fewer than 3 different texts, and
        where all points lie on the line.

    Example:
        >>> reached, asked = np.array([[[False, True], [True, True]]]), np.ones(2, bool)
        >>> token, member = np.array([1, 2, 3, 4, 5, 6], np.int32), np.ones((1, 2), np.int8)
        >>> round(discoverable_extraction_per_tenfold_context(
        ...     reached, np.array([1, 10]), asked, token, np.array([0, 3, 6]), member).value, 2)
        0.5
    """
    return texts_by_length(length, reached, asked, token, offsets, member).slope()


@measure(
    needs=("tokens.hit", "corpus.token", *_READ),
    unit="share per tenfold",
    range=(-np.inf, np.inf),
    higher="more memorized the more often it is repeated",
    source="Carlini et al. 2022, arXiv:2202.07646, sec. 4.2",
    level="model",
    by_example=False,
    variant_of="discoverable_extraction",
    variant="per_tenfold",
)
def discoverable_extraction_per_tenfold(
    hit: Hits,
    token: Int32[np.ndarray, " token"],
    offsets: Offsets,
    scored: Tokens,
    member: Member,
    *,
    prefix: int = PREFIX,
    suffix: int = SUFFIX,
) -> Scalar:
    r"""By how much the share of documents that are extracted grows with each tenfold of their copies.

    Formula:
        b of the least-squares fit 1[extracted] = a + b log10(copies the model was trained on) over all (model,
        document) with at least one; errors by leaving out documents with their copies, and models, see `log_linear`
    Undefined:
        nan where no window fits, or all documents have as many copies; the error with fewer than 3 different
        documents, and where all points lie on the line.

    Example:
        >>> token = np.array([(1, 2)] * 10 + [(2, 1)] * 10 + [(3, 4), (5, 6), (7, 8)], np.int32).ravel()
        >>> second, member = np.arange(46) % 2 == 1, np.ones((1, 23), np.int8)
        >>> hit = (second & (np.arange(46) < 42))[None]
        >>> discoverable_extraction_per_tenfold(
        ...     hit, token, np.arange(0, 47, 2), second, member, prefix=1, suffix=1)
        Scalar(0.6667 ± 0.37, 95 % [-0.3471, 1.68])
    """
    windows = windows_of(offsets, scored, prefix=prefix, suffix=suffix, stride=0)
    copies = copies_of(token, offsets, member)
    outcome = np.stack([np.nan_to_num(windows.mean(windows.every(row))) for row in hit])
    model, example = np.nonzero((copies.seen > 0) & (windows.count > 0))
    ways = [copies.cluster[example], model] if len(np.unique(model)) > 2 else [copies.cluster[example]]
    fit = log_linear(outcome[model, example], {"copies": copies.seen[model, example]}, ways)
    return Scalar(
        value=float(fit.values[1]),
        stderr=float(fit.stderr[1]),
        low=float(fit.low[1]),
        high=float(fit.high[1]),
        models=len(hit),
        examples=len(np.unique(example)),
        reason="every document has as many copies, or none is long enough" if fit.reason else "",
        note=f"share at one copy {fit.values[0]:.3g}, R² {fit.r_squared:.2f}; {fit.note}".rstrip("; "),
        varies_over="models and examples" if len(ways) > 1 else "examples",
    )


def _by_prefix(
    hit: np.ndarray,
    token: np.ndarray,
    offsets: np.ndarray,
    scored: np.ndarray,
    member: np.ndarray,
    prefixes: tuple[int, ...],
    suffix: int,
) -> TextsByLength:
    if not prefixes or min(prefixes) < 1:
        raise BadInput(
            f"The 'prefixes' argument of discoverable_extraction must hold positive numbers. Got {prefixes!r}.",
            hint="prefixes=(10, 25, 50)",
        )
    at = np.unique(prefixes)
    each = [windows_of(offsets, scored, prefix=int(prefix), suffix=suffix, stride=0) for prefix in at]
    share = np.stack([[np.nan_to_num(windows.mean(windows.every(row))) for windows in each] for row in hit])
    long = np.all([windows.count > 0 for windows in each], axis=0)
    return texts_by_length(at, share, long, token, offsets, member)
