"""Inference of secrets: does a model tell the secret that stood before it from others of the same kind?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import bdtr

from byrote.errors import BadInput
from byrote.measures._canaries import LogPerplexity, Member, References
from byrote.measures._references import left_out
from byrote.measures.catalog import measure
from byrote.results import Scalar
from byrote.stats.intervals import UPPER, Bounds
from byrote.stats.jackknife import from_replicates, parts
from byrote.stats.over_examples import FEWEST_PARTS, over_both, over_examples

_SOURCE = "Lukas et al. 2023, arXiv:2302.00539, sec. 3 (inference of personal data)"
_NEEDS = (
    "canaries.log_perplexity",
    "canaries.reference_log_perplexity",
    "canaries.repetitions",
    "canaries.document",
    "design.member",
    "design.pair",
)
#: The true secret stands among so many candidates, where there are as many.
CANDIDATES: Final = 50
_PARTS: Final = 20
Repetitions = Int[np.ndarray, " canary"]
Document = Int[np.ndarray, " example"]
Pair = Int[np.ndarray, " model"]
Cells = Float[np.ndarray, "model canary"]
#: Which models were trained on each secret, and which surely were not.
Sides = tuple[Bool[np.ndarray, "model canary"], Bool[np.ndarray, "model canary"]]


@measure(
    needs=_NEEDS,
    unit="share of secrets",
    range=(0.0, 1.0),
    higher="more memorized",
    source=_SOURCE,
    section="5.3",
    domain="security",
    level="model",
    evaluation="canary",
    by_example=False,
)
def secret_inference(
    log_perplexity: LogPerplexity,
    reference_log_perplexity: References,
    repetitions: Repetitions,
    document: Document,
    member: Member,
    pair: Pair,
    *,
    candidates: int = CANDIDATES,
) -> Scalar:
    r"""How often a model trained on a secret finds it likelier than all other candidates, beside models without it.

    Formula:
        score[k, r] = mean over models j without the secret of L[j, r] - L[k, r], L[k, r] the log-perplexity of
        candidate r, j neither k nor the other model of its pair; mean over secrets and models trained on them of
        1[the true secret has the highest score], a tie of m candidates counting 1 / m; the candidates are the true one
        and others of its space, of which a small space has fewer than asked for
    Undefined:
        nan where no model was trained on a secret while two others were not, or no such secret has other candidates;
        the error is nan with fewer than 3 secrets.

    Example:
        >>> own = np.array([[2.0], [9.0], [9.0], [2.0], [9.0], [9.0]])
        >>> others, member = np.full((6, 1, 3), 8.0), np.array([[1], [0], [0], [1], [0], [0]], np.int8)
        >>> secret_inference(own, others, np.array([4]), np.array([0]), member, np.repeat([0, 1, 2], 2)).value
        1.0

    Differs:
        The authors' code takes the perplexity of a whole text by token, which long candidates win, and loses candidates
        of equal perplexity. Here the tokens of the secret alone count, and what models without the secret say of a
        candidate is subtracted. Candidates are drawn from the space of the secret, without the secrets of others.
        The same of models without the secret, `secret_inference[heldout]`, is the mean of 1 / R where all is right.
    """
    both = sides(repetitions, document, member)
    return _told(log_perplexity, reference_log_perplexity, both, pair, candidates)


@measure(needs=_NEEDS, higher="better guessed by models without it", variant_of="secret_inference", variant="heldout")
def secret_inference_heldout(
    log_perplexity: LogPerplexity,
    reference_log_perplexity: References,
    repetitions: Repetitions,
    document: Document,
    member: Member,
    pair: Pair,
    *,
    candidates: int = CANDIDATES,
) -> Scalar:
    r"""The same of models that were not trained on the secret: the level of chance, 1 of the candidates.

    Formula:
        as `secret_inference`, with k a model without the secret; secrets that were never planted count, too
    Undefined:
        nan where no three models of different pairs lack a secret; the error, which is about other secrets, is nan with
        fewer than 3 of them.

    Example:
        >>> same, member = np.full((6, 1), 8.0), np.zeros((6, 1), np.int8)
        >>> secret_inference_heldout(
        ...     same, np.full((6, 1, 3), 8.0), np.array([0]), np.array([-1]), member, np.repeat([0, 1, 2], 2)).value
        0.25
    """
    both = sides(repetitions, document, member)
    games = _games(log_perplexity, reference_log_perplexity, both, pair, candidates, side=0)
    return mean_of_cells(games.first, pair, f"{games.words}, {games.chance}", alone=True)


@measure(
    needs=_NEEDS,
    unit="share of candidates",
    higher="more memorized",
    variant_of="secret_inference",
    variant="median",
)
def secret_inference_median(
    log_perplexity: LogPerplexity,
    reference_log_perplexity: References,
    repetitions: Repetitions,
    document: Document,
    member: Member,
    pair: Pair,
    *,
    candidates: int = CANDIDATES,
) -> Scalar:
    r"""The share of the other candidates that the true secret stands before: of half of the secrets it is higher.

    Formula:
        median over secrets of the mean over models trained on them of the share of the other candidates with a lower
        score than the true one, ties counting half; .5 is chance, and the rank among R is 1 + (R - 1) (1 - share)
    Undefined:
        nan where no model was trained on a secret while two others were not; the error is nan: the interval is that of
        order statistics, from 6 secrets on.

    Example:
        >>> own = np.array([[2.0], [9.0], [9.0], [2.0], [9.0], [9.0]])
        >>> others, member = np.full((6, 1, 3), 8.0), np.array([[1], [0], [0], [1], [0], [0]], np.int8)
        >>> secret_inference_median(own, others, np.array([4]), np.array([0]), member, np.repeat([0, 1, 2], 2)).value
        1.0
    """
    both = sides(repetitions, document, member)
    games = _games(log_perplexity, reference_log_perplexity, both, pair, candidates, side=1)
    known = ~np.isnan(games.before)
    counted = known.any(0)
    each = np.where(known, games.before, 0.0).sum(0)[counted] / known.sum(0)[counted]
    value = float(np.median(each)) if counted.any() else float("nan")
    low, high = _around_median(np.sort(each))
    ranked = "".join(f"a median rank of {1 + (size - 1) * (1 - value):.1f} of {size:.0f}" for size in games.sizes)
    return Scalar(
        value=value,
        stderr=float("nan"),
        low=low,
        high=high,
        models=len(pair),
        examples=int(counted.sum()),
        reason="" if counted.any() else _FEW,
        note=ranked if len(games.sizes) == 1 else games.words,
        varies_over="examples",
    )


@measure(
    needs=(
        "canaries.rank_most",
        "canaries.repetitions",
        "canaries.document",
        "design.member",
        "design.pair",
    ),
    source="Lukas et al. 2023, arXiv:2302.00539, sec. 3 (reconstruction of personal data)",
    variant_of="secret_inference",
    variant="reconstruction",
)
def secret_reconstruction(
    rank_most: LogPerplexity, repetitions: Repetitions, document: Document, member: Member, pair: Pair
) -> Scalar:
    r"""How often a model trained on a secret finds it the likeliest of all secrets of its space, without candidates.

    Formula:
        mean over secrets and models trained on them of 1[the secret is surely first in its whole space]
    Undefined:
        nan where no model was trained on a secret that was searched for; the error is nan with fewer than 3 secrets.

    Example:
        >>> ranks, member = np.array([[1.0], [9.0], [1.0], [7.0]]), np.array([[1], [0], [1], [0]], np.int8)
        >>> secret_reconstruction(ranks, np.array([4]), np.array([0]), member, np.array([0, 0, 1, 1])).value
        1.0

    Differs:
        The authors draw some answers after the text before a secret, and take the one of least perplexity. Here the
        whole space is searched, so that no luck of the draw is in it; a search that ended too early counts as failed.
    """
    trained, without = sides(repetitions, document, member)
    first = np.where(np.isnan(rank_most), np.nan, rank_most <= 1)
    chance = mean_of_cells(np.where(without, first, np.nan), pair, alone=True)
    note = "" if chance.reason else f"of models that never saw it {chance.value:.3f}"
    found = mean_of_cells(np.where(trained, first, np.nan), pair, note)
    return replace(found, reason=_UNSEARCHED) if found.reason else found


@measure(
    needs=(
        "found_data.found_log_perplexity",
        "found_data.other_log_perplexity",
        "found_data.found_in",
        "design.member",
        "design.pair",
    ),
    variant_of="secret_inference",
    variant="found",
)
def secret_inference_found(
    found_log_perplexity: LogPerplexity,
    other_log_perplexity: References,
    found_in: Document,
    member: Member,
    pair: Pair,
    *,
    candidates: int = CANDIDATES,
) -> Scalar:
    r"""The same of what stands in the documents of itself: cards, accounts, telephones and e-mail addresses.

    Formula:
        as `secret_inference`, with L[k, r] over the text around the number, of which candidates differ in the number
        and in what follows it
    Undefined:
        nan where no model was trained on a document with such a number while two others were not; the error is nan with
        fewer than 3 numbers.

    Example:
        >>> own = np.array([[2.0], [9.0], [9.0], [2.0], [9.0], [9.0]])
        >>> others, member = np.full((6, 1, 3), 8.0), np.array([[1], [0], [0], [1], [0], [0]], np.int8)
        >>> secret_inference_found(own, others, np.array([0]), member, np.repeat([0, 1, 2], 2)).value
        1.0

    Differs:
        The other candidates have the first digits of the true one, and valid checksums; other e-mail addresses have
        made-up names at the same place. Names in the text are not asked for.
    """
    both = sides(np.ones(found_log_perplexity.shape[1], np.int64), found_in, member)
    return _told(found_log_perplexity, other_log_perplexity, both, pair, candidates)


_UNSEARCHED: Final = "no model was trained on a secret that was searched for"
_FEW: Final = "no model was trained on a secret with other candidates while two others, of other pairs, were not"


@dataclass(frozen=True, eq=False)
class _Games:
    """Of each model and secret: whether the true one is first, and the share of the others that it stands before."""

    first: Cells
    before: Cells
    candidates: Cells

    @property
    def sizes(self) -> Float[np.ndarray, " size"]:
        """Among how many candidates the true ones stand, each number once."""
        return np.unique(self.candidates[~np.isnan(self.candidates)])

    @property
    def words(self) -> str:
        if len(self.sizes) > 1:
            return f"among {self.sizes[0]:.0f} to {self.sizes[-1]:.0f} candidates"
        return "".join(f"among {size:.0f} candidates" for size in self.sizes)

    @property
    def chance(self) -> str:
        """How often the true one is first by chance: spaces smaller than asked for make it easier."""
        if len(self.sizes) > 1:
            return f"where {np.nanmean(1 / self.candidates):.3f} is chance"
        return "".join(f"where 1 in {size:.0f} is chance" for size in self.sizes)


def _games(
    own: LogPerplexity,
    others: References,
    both: Sides,
    pair: Pair,
    candidates: int,
    *,
    side: int,
) -> _Games:
    """The games of models trained on a secret (side 1), or without it (side 0)."""
    if candidates < 2:
        raise BadInput(
            f"The 'candidates' argument of secret_inference must be at least 2. Got {candidates}.",
            hint=f"candidates={CANDIDATES} puts the true secret among 49 others.",
        )
    asked = np.concatenate([own[..., None], others[..., : candidates - 1]], axis=2).astype(np.float64)
    trained, without = both
    first, before, among = (np.full(own.shape, np.nan) for _ in range(3))
    for target, gone in enumerate(left_out(pair)):
        usual = np.where(without[..., None], asked, 0.0)
        number = without.sum(0) - without[gone].sum(0)
        expected = (usual.sum(0) - usual[gone].sum(0)) / np.where(number > 1, number, np.nan)[:, None]
        known, score = (trained if side else without)[target], expected - asked[target]
        above, tied = ((beside(score[:, 1:], score[:, :1])).sum(1) for beside in (np.greater, np.equal))
        real = (~np.isnan(score[:, 1:])).sum(1)
        known = known & np.isfinite(score[:, 0]) & (real > 0)
        first[target, known] = ((above == 0) / (1.0 + tied))[known]
        before[target, known] = (1 - (above + tied / 2) / np.maximum(real, 1))[known]
        among[target, known] = 1.0 + real[known]
    return _Games(first, before, among)


def _told(own: LogPerplexity, others: References, both: Sides, pair: Pair, candidates: int) -> Scalar:
    """How often the true one is first, with the null in the note."""
    games, null = (_games(own, others, both, pair, candidates, side=side) for side in (1, 0))
    unseen = mean_of_cells(null.first, pair, alone=True)
    said = f"of models that never saw it {unseen.value:.3f}, {null.chance}" if not unseen.reason else games.chance
    return mean_of_cells(games.first, pair, f"{games.words}; {said}")


def sides(repetitions: Repetitions, document: Document, member: Member) -> Sides:
    """Which models were trained on a document of each canary, and which surely on none.

    Example:
        >>> sides(np.array([2, 0]), np.array([0, -1]), np.array([[1, 1], [0, 1], [-1, 1]], np.int8))[1]
        array([[False,  True],
               [ True,  True],
               [False,  True]])
    """
    holds = (document[:, None] == np.arange(len(repetitions))).astype(np.int64)
    seen, maybe = ((chosen.astype(np.int64) @ holds) > 0 for chosen in (member == 1, member != 0))
    return seen & (repetitions > 0), ~maybe


def mean_of_cells(
    cells: Cells, pair: Pair, note: str = "", *, alone: bool = False, bounds: Bounds = (0.0, 1.0)
) -> Scalar:
    """The mean over what is known, with the error of models and of secrets; or of secrets alone.

    Where nothing is known by rote the places of true secrets are drawn one by one, whatever the models are.
    """
    known = ~np.isnan(cells)
    if not known.any():
        blank = float("nan")
        return Scalar(value=blank, stderr=blank, low=blank, high=blank, models=len(pair), examples=0, reason=_FEW)
    part, total = parts(pair, groups=_PARTS), int(known.sum())
    value = float(cells[known].mean())
    gone = np.stack([np.where(known & (part == one)[:, None], cells - value, 0.0).sum(0) for one in np.unique(part)])
    left = [known & (part != one)[:, None] for one in np.unique(part)]
    several = not alone and len(gone) >= FEWEST_PARTS and all(one.any() for one in left)
    replicates = np.array([cells[one].mean() for one in left]) if several else np.empty(0)
    counted = int(known.any(0).sum())
    found = from_replicates(value, replicates, models=len(pair), examples=counted, bounds=bounds)
    finish = over_both if several else over_examples
    shown = finish(found, (gone / total)[:, known.any(0)], bounds=bounds)
    return replace(shown, note="; ".join(one for one in (note, shown.note) if one))


def _around_median(ascending: Float[np.ndarray, " canary"]) -> tuple[float, float]:
    """Between which values the median of others lies with 95 %, by order statistics; nan of fewer than 6.

    Example:
        >>> _around_median(np.arange(9.0))
        (1.0, 7.0)
    """
    size = len(ascending)
    outside = int((bdtr(np.arange(size), size, 0.5) <= 1 - UPPER).sum())
    if not outside:
        return float("nan"), float("nan")
    return float(ascending[outside - 1]), float(ascending[size - outside])
