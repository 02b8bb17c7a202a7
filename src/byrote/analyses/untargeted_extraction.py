"""Which training texts come out of a language model that is given none of them?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from byrote.analyses.catalog import analysis
from byrote.analyses.scan import share
from byrote.errors import BadInput, MissingEvidence, TooFewModels
from byrote.evidence.kinds.samples import STRATEGIES
from byrote.measures.secret_inference import mean_of_cells
from byrote.results import Scalar, Table
from byrote.runs.run import Run
from byrote.stats.intervals import Bounds
from byrote.stats.token_runs import apart, holding

OWN, MATES, MORE = "holds text trained on", "holds text of its mate alone", "difference"
#: The difference of two shares.
_BOUNDS: Bounds = (-1.0, 1.0)
RANKINGS = ("likelihood", "likeliest stretch")


@dataclass(frozen=True, eq=False)
class _Written:
    """What models wrote, and which of it holds a run of tokens of documents that they, or their mates, trained on."""

    log_probability: Float[np.ndarray, "model sample position"]
    texts: Int[np.ndarray, "model sample position"]
    strategy: Int[np.ndarray, " sample"]
    pair: Int[np.ndarray, " model"]
    own: Float[np.ndarray, "model sample"]
    mates: Float[np.ndarray, "model sample"]
    documents: Float[np.ndarray, "side model"]
    width: int


@analysis(
    asks="Which training texts come out without a prompt?",
    needs=("samples.sample_token", "corpus.token", "design.member"),
    section="5.2",
)
def untargeted_extraction(run: Run, *, width: int = 0, most: int = 100) -> Table:
    """How many of a model's own texts hold a run of tokens of a document that it, and not its mate, was trained on.

    The same of documents of the mate alone is the null: what both find is language. Of each strategy the texts that a
    ranking puts first are judged, at most `most`, those left out that share half of their trigrams with one before
    them. `width` tokens make a run; 0 is half of a text.

    Formula:
        mean over models and texts of 1[a run of `width` tokens stands in a document of the model alone], the same with
        its mate's, and the difference; rankings: mean of log p, and the highest mean of log p of `width` tokens
    Undefined:
        nothing: a run with samples has texts.

    Source: Carlini et al. 2021, arXiv:2012.07805, sections 4-6.
    Differs:
        They search the training data of one model, and have no null. Their code scores the prompt as well, and draws
        without a falling temperature. Rankings by other models, by zlib and by small letters are not built.

    Raises:
        MissingEvidence: the run is not of language models, or has no samples.
        TooFewModels: a model has no mate.
        BadInput: `width` is out of its range.
    """
    if not run.of_text:
        raise MissingEvidence(
            f"The models of the run {str(run.folder)!r} write no texts.",
            hint="ask a run of language models, as of `byrote audit docs`.",
        )
    found = _written(run, width)
    names, cells = [("all", "none")], [np.ones(found.own.shape, bool)]
    for number in np.unique(found.strategy).tolist():
        for ranking in RANKINGS:
            names.append((STRATEGIES[number], ranking))
            cells.append(_first(found, ranking, found.strategy == number, most))
    sides = {OWN: found.own, MATES: found.mates}
    more = [mean_of_cells(np.where(one, found.own - found.mates, np.nan), found.pair, bounds=_BOUNDS) for one in cells]
    per_model = found.documents.mean(1)
    return Table(
        title=f"Texts without a prompt that hold {found.width} tokens of a document",
        rows={"drawn from": tuple(name for name, _ in names), "ranked by": tuple(name for _, name in names)},
        figures={
            **{name: tuple(_share(side, one, found.pair) for one in cells) for name, side in sides.items()},
            MORE: tuple(more),
        },
        notes=(
            f"a model's {found.own.shape[1]:,} texts hold runs of {per_model[0]:.1f} documents of its own, and of "
            f"{per_model[1]:.1f} of its mate's, on average",
            "more texts find more: this is a lower bound, and none found is no proof of safety",
        ),
    )


def _written(run: Run, width: int) -> _Written:
    run.refuse_forgotten("untargeted_extraction", ("samples.sample_token", "corpus.token"))
    models = run.models()
    pair, member, texts, log_p, strategy, token = (
        run.load(name, models)
        for name in (
            "design.pair",
            "design.member",
            "samples.sample_token",
            "samples.sample_log_probability",
            "samples.strategy",
            "corpus.token",
        )
    )
    mate = [np.flatnonzero((pair == one) & (np.arange(len(pair)) != row)) for row, one in enumerate(pair.tolist())]
    if (pair < 0).any() or any(len(one) != 1 for one in mate):
        raise TooFewModels(
            f"The null is what a model's mate was trained on, and models of the run {str(run.folder)!r} have none.",
            hint="--models 8 trains pairs on complementary halves.",
        )
    size = texts.shape[2]
    width = width or size // 2
    if not 1 <= width <= size:
        raise BadInput(
            f"The 'width' option of untargeted_extraction must be in [1, {size}]. Got {width}.",
            hint=f"width={size // 2} is half of a text.",
        )
    own, mates = np.zeros(texts.shape[:2]), np.zeros(texts.shape[:2])
    documents = np.zeros((2, len(models)))
    for row, (other,) in enumerate(mate):
        text, document = holding(texts[row], token, run.offsets, width)
        for side, cells, (has, lacks) in ((0, own, (row, other)), (1, mates, (other, row))):
            alone = (member[has] == 1) & (member[lacks] == 0)
            cells[row, text[alone[document]]] = 1.0
            documents[side, row] = len(np.unique(document[alone[document]]))
    return _Written(log_p, texts, strategy, pair, own, mates, documents, width)


def _first(found: _Written, ranking: str, chosen: np.ndarray, most: int) -> np.ndarray:
    """Which texts of each model a ranking puts first, of those chosen, without those that are nearly the same."""
    kept, rows = np.zeros(found.own.shape, bool), np.flatnonzero(chosen)
    for model in range(len(found.own)):
        log_p, width = found.log_probability[model, rows].astype(np.float64), found.width
        if ranking == RANKINGS[1]:
            total = np.cumsum(np.pad(log_p, ((0, 0), (1, 0))), axis=1)
            score = (total[:, width:] - total[:, :-width]).max(1)
        else:
            score = log_p.mean(1)
        order = np.argsort(-score, kind="stable")
        stay = apart(found.texts[model, rows], order)
        kept[model, rows[order[stay[order]][:most]]] = True
    return kept


def _share(side: np.ndarray, chosen: np.ndarray, pair: np.ndarray) -> Scalar:
    """The share of the chosen texts; where none or all hold a run, with the error of so many texts."""
    found = mean_of_cells(np.where(chosen, side, np.nan), pair)
    if np.isnan(found.stderr) and not found.reason and found.value in (0.0, 1.0):
        return share(int(side[chosen].sum()), int(chosen.sum()))
    return found
