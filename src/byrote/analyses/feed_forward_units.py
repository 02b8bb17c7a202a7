"""Keys and values: do feed-forward units of a transformer write the next token of their largest contexts?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from byrote.analyses.catalog import analysis
from byrote.blocks import Block, Words, plain_blocks, section
from byrote.errors import MissingEvidence
from byrote.measures._localization import over_units
from byrote.measures._repetitions import copies_of
from byrote.results import Scalar, Table
from byrote.runs.run import Run
from byrote.stats.jackknife import units as units_of

_COLUMNS = (
    "units that fire",
    "write what comes next",
    "by chance",
    "median rank of what comes next",
    "of one document alone",
    "of one document, by chance",
)


@analysis(
    asks="Do feed-forward units of the transformer write the next token of their largest contexts?",
    needs=("feed_forward_units",),
    section="4.5",
)
def feed_forward_units(run: Run) -> Table:
    """Keys and values of feed-forward units by layer, with the contexts of the largest units of the first model.

    Formula:
        fire = share of units that are above 0 in a context; of these: write what comes next = share whose value gives
        the next token of the largest context the largest logit; chance = mean over units of how often that token
        follows the largest contexts of all; of one document alone = share whose top contexts are all of copies of one
        document; chance = share of the different texts' tokens in documents with as many copies as there are contexts
    Undefined:
        where no unit fires; errors of a single model.

    Source: Geva et al. 2021, arXiv:2012.14913.
    Differs:
        Their code takes the token before the last of each stored record as the next one. Units of one document alone
        are byrote's own.

    Raises:
        MissingEvidence: the run was not probed.
    """
    models = run.models_with("feed_forward_units")
    if not models:
        raise MissingEvidence(
            f"The feed-forward units of the run {str(run.folder)!r} were not read.",
            hint="audit into another folder with --keep-weights-at last, then byrote probe RUN feed_forward_units.",
        )
    place, rank, chance = (run.load(f"feed_forward_units.{name}", models) for name in ("place", "next_rank", "chance"))
    layer = run.load("feed_forward_units.of_layer", models)[0]
    names = run.load("feed_forward_units.layer", models).tolist()
    member, pair = run.load("design.member", models), run.load("design.pair", models)
    copies = copies_of(run.load("corpus.token", [0]), run.offsets, member)
    document = document_of(place, run.offsets)
    rote = of_one(np.where(document < 0, -1, copies.cluster[document]))
    by_chance = [_repeated(run.offsets, copies.cluster, mine == 1, place.shape[2]) for mine in member]
    rows = [("all", np.ones(len(layer), bool)), *((name, layer == number) for number, name in enumerate(names))]
    lines = [_line(rank[:, rows_], chance[:, rows_], rote[:, rows_], by_chance, pair) for _, rows_ in rows]
    return Table(
        title="Keys and values of feed-forward units",
        rows={"layer": tuple(name for name, _ in rows)},
        figures={name: tuple(line[place_] for line in lines) for place_, name in enumerate(_COLUMNS)},
        arrays=_largest(run, models[0], place[0], document[0], layer, names),
        notes=("The last normalisation is left out of what a unit writes.",),
    )


def document_of(
    place: Int[np.ndarray, "model unit rank"], offsets: Int[np.ndarray, " boundary"]
) -> Int[np.ndarray, "model unit rank"]:
    """The document of each token; -1 if there is no token."""
    return np.where(place < 0, -1, np.searchsorted(offsets, place, side="right") - 1)


def of_one(cluster: Int[np.ndarray, "model unit rank"]) -> Bool[np.ndarray, "model unit"]:
    """Units whose contexts are all from one text. A unit with fewer contexts than the others is excluded.

    Example:
        >>> of_one(np.array([[[3, 3], [3, 4], [3, -1]]])).tolist()
        [[True, False, False]]
    """
    return np.asarray((cluster == cluster[..., :1]).all(-1) & (cluster >= 0).all(-1))


def _repeated(offsets: np.ndarray, cluster: np.ndarray, mine: np.ndarray, copies: int) -> float:
    """The share of tokens that are in texts with at least `copies` copies, each different text counted once."""
    lengths, times = np.diff(offsets), np.bincount(cluster[mine], minlength=int(cluster.max()) + 1)
    first = np.zeros(len(cluster), bool)
    rows = np.flatnonzero(mine)
    first[rows[np.unique(cluster[rows], return_index=True)[1]]] = True
    return float(lengths[first & (times[cluster] >= copies)].sum() / max(1, lengths[first].sum()))


def _line(
    rank: Int[np.ndarray, "model unit"],
    chance: Float[np.ndarray, "model unit"],
    rote: Bool[np.ndarray, "model unit"],
    by_chance: Sequence[float],
    pair: np.ndarray,
) -> tuple[Scalar, ...]:
    each = np.full((len(rank), len(_COLUMNS)), np.nan)
    for model, fires in enumerate(rank > 0):
        each[model, 0] = fires.mean()
        if fires.any():
            mine = rank[model, fires]
            each[model, 1:] = (
                (mine == 1).mean(),
                chance[model, fires].mean(),
                np.median(mine),
                rote[model, fires].mean(),
                by_chance[model],
            )
    return tuple(_figure(each[:, [column]], pair, rank.shape[1]) for column in range(len(_COLUMNS)))


def _figure(each: np.ndarray, pair: np.ndarray, count: int) -> Scalar:
    value, stderr, reach = (float(part[0]) for part in over_units(each, units_of(pair)))
    reason = "no unit fires" if np.isnan(value) else ""
    return Scalar(
        value=value,
        stderr=stderr,
        low=max(0.0, value - reach),
        high=value + reach,
        models=len(each),
        examples=count,
        reason=reason,
    )


def _largest(
    run: Run, model: int, place: np.ndarray, document: np.ndarray, layer: np.ndarray, names: list[str]
) -> dict[str, np.ndarray]:
    """The contexts of each unit of a model: which document, and how many of its tokens before the one predicted."""
    activation = run.load("feed_forward_units.activation", [model])[0]
    unit, rank = np.nonzero(place >= 0)
    first = np.searchsorted(layer, layer[unit])
    chosen = document[unit, rank]
    return {
        "unit": (unit - first).astype(np.int64),
        "layer": np.array(names)[layer[unit]],
        "document": run.ids[chosen],
        "position": place[unit, rank] - run.offsets[chosen],
        "activation": activation[unit, rank],
    }


@section(of="feed_forward_units", title="What feed-forward units write", order=76)
def shown(table: Table) -> Iterable[Block]:
    """The table, and how to read it."""
    yield from plain_blocks(table)
    yield Words(
        text="A unit is a key and a value if it writes what follows its largest contexts more often than chance. Units "
        "of one document alone often come from repeated text: compare with the share by chance. Silence them to test "
        "whether they store that text.",
        tone="reading",
    )
