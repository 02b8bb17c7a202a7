"""Whether a fine-tune gives away what it was trained on, beyond what its base knew already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from byrote.analyses.card_language import PARTS, Texts, exposures_of, texts
from byrote.analyses.catalog import analysis
from byrote.blocks import Block, Words, plain_blocks, section
from byrote.data.problems import counted
from byrote.errors import BadInput
from byrote.results import Scalar, Table
from byrote.runs.run import Run
from byrote.stats.intervals import UNBOUNDED, Bounds
from byrote.stats.jackknife import from_replicates
from byrote.stats.ranking import auroc

SCORES = ("log-probability", "log-probability above that of the base")
_SHARE: Bounds = (0.0, 1.0)


@analysis(
    asks="Does the fine-tune give away what it was trained on?",
    needs=("tokens",),
    section="2.7",
    runs=("run", "base"),
)
def fine_tune(run: Run, base: Run) -> Table:
    """How well the log-probability of a text tells whether a fine-tune was trained on it, alone and above its base's.

    Some texts are easy for any model. What the base already knew is taken away by the second score. Different texts
    count once; documents that hold canaries are left out.

    Formula:
        s_i = sum over the tokens of text i of log p / their number; gain_i = s_i of the fine-tune - s_i of the base;
        AUROC = chance that a text trained on has a larger score than a held-out one
    Undefined:
        the AUROC without held-out texts; errors where leaving texts out changes nothing.

    Source: after Carlini et al. 2021, arXiv:2012.07805, section 5 (a second model as reference), and Mireshghallah et
    al. 2022, arXiv:2203.03929 (the model before its fine-tune).

    Raises:
        BadInput: the two runs are of other documents, or cut into other tokens.
    """
    if run.manifest.dataset["fingerprint"] != base.manifest.dataset["fingerprint"]:
        raise BadInput(
            f"The runs {str(run.folder)!r} and {str(base.folder)!r} are of other documents, or cut into other tokens.",
            hint="audit the base with the same documents, held-out ones included: `byrote audit --model BASE …`.",
        )
    tuned, before = texts(run), texts(base)
    scores = _score(tuned), _score(tuned) - _score(before)
    judged = tuned.trained | tuned.held_out
    figures = {
        "mean over texts trained on": [_mean(score[tuned.trained]) for score in scores],
        "mean over held-out texts": [_mean(score[tuned.held_out]) for score in scores],
        "AUROC": [_area(score[judged], tuned.trained[judged]) for score in scores],
    }
    return Table(
        title="What the fine-tune gives away of its texts",
        rows={"score": SCORES},
        figures={name: tuple(None if np.isnan(one.value) else one for one in row) for name, row in figures.items()},
        notes=(
            f"Log-probabilities are in nats per token; {int(tuned.trained.sum())} different texts were trained on and "
            f"{int(tuned.held_out.sum())} held out. An AUROC of .5 is chance. Intervals are over texts, of the one "
            "model that was trained.",
            *_exposed(run, base),
        ),
    )


@section(of="fine_tune", title="What the fine-tune gives away", order=40)
def shown(table: Table) -> Iterable[Block]:
    """The table and how to read it."""
    yield from plain_blocks(table)
    yield Words(
        text="A text that any model finds easy has a large log-probability, too. What stands above that of the base "
        "was learned by the fine-tune: the second row is the one to judge by.",
        tone="reading",
    )


def _exposed(run: Run, base: Run) -> Iterator[str]:
    """The exposure of planted canaries in both, in a sentence; none if nothing was planted."""
    found = [exposures_of(one) for one in (run, base)]
    if found[0] is None or found[1] is None:
        return
    known = (found[0].repetitions > 0) & np.isfinite(found[0].values) & np.isfinite(found[1].values)
    if known.any():
        tuned, before = (float(one.values[known].mean()) for one in found if one is not None)
        canaries = counted(int(known.sum()), "planted canary", "planted canaries")
        yield (
            f"Exposure of {canaries}: {tuned:.1f} bits on average in the fine-tune and {before:.1f} in its base; "
            "chance gives 1.4."
        )


def _score(found: Texts) -> Float[np.ndarray, " text"]:
    score: np.ndarray = -found.surprise / np.maximum(found.tokens, 1)
    return score


def _mean(values: Float[np.ndarray, " text"]) -> Scalar:
    part = np.arange(len(values)) % PARTS
    left = [float(values[part != gone].mean()) for gone in range(min(PARTS, len(values)))] if len(values) > 1 else []
    value = float(values.mean()) if len(values) else float("nan")
    return _of_texts(value, left, len(values), UNBOUNDED)


def _area(score: Float[np.ndarray, " text"], trained: Bool[np.ndarray, " text"]) -> Scalar:
    place = np.zeros(len(score), np.int64)
    for side in (trained, ~trained):
        place[side] = np.arange(side.sum()) % PARTS
    parts = min(PARTS, int(trained.sum()), int((~trained).sum()))
    left = [auroc(score[place != gone], trained[place != gone]) for gone in range(parts)] if parts > 1 else []
    return _of_texts(auroc(score, trained), left, len(score), _SHARE)


def _of_texts(value: float, left: list[float], texts: int, bounds: Bounds) -> Scalar:
    found = from_replicates(value, np.array(left), models=1, examples=texts, bounds=bounds)
    return replace(found, varies_over="examples")
