"""Where and when: which layers hold what a network memorized, when it was written there, and where it is visible."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import stdtrit

from byrote.analyses.catalog import analysis
from byrote.analyses.where_groups import Group, groups_of
from byrote.errors import MissingEvidence
from byrote.evidence.kinds.weights import WEIGHTS_AT
from byrote.measures._localization import FEWEST, LEVEL, Localized, by_unit, enough, localized, over_units
from byrote.measures.readout import read_of
from byrote.results import Scalar, Table
from byrote.runs.run import Run
from byrote.stats.jackknife import spread, units

#: What the rows of the table are about.
STORED, LOST, DAMAGED = "stored", "lost when rewound", "lost to equal damage"
VISIBLE, FITTED, WRITTEN = "visible", "fitted", "written so far"
LOSS, CHANCE = "loss on what was not trained on", "largest by chance"
WHOLE = "whole network"
#: What evidence of rewinding is called here, where that is something else.
FIELDS = {"wrong_permuted": "permuted"}
HELD_OUT = "held-out examples"


@dataclass(frozen=True, eq=False)
class Rewound:
    """What rewinding recorded of some models, and what was read of them where it was."""

    wrong: np.ndarray
    permuted: np.ndarray
    right: np.ndarray
    confidence: np.ndarray
    fitted: np.ndarray
    predictions: np.ndarray
    wrong_heldout: np.ndarray
    loss_aside: np.ndarray
    epochs: np.ndarray
    layers: list[str]
    pair: np.ndarray
    read: tuple[list[str], np.ndarray, np.ndarray | None] | None

    @property
    def size(self) -> tuple[int, int]:
        """Layers by checkpoints at which something is rewound."""
        return len(self.layers), len(self.epochs) - 1

    @property
    def best(self) -> int:
        """The checkpoint with the lowest loss on what was not trained on; -1 where it is not known."""
        mean = self.loss_aside.mean(0)
        return int(mean.argmin()) if np.isfinite(mean).all() else -1


@analysis(
    asks="When and where is it written, and where is it visible?",
    needs=("rewinding", "readout"),
    section="4.5",
)
def where(run: Run, *, examples: Sequence[str] = ()) -> Table:
    """The map of a run whose weights were kept: layer by epoch by group.

    Groups are the planted controls, what is memorized (label memorization of 0.25 or more, where the models can tell),
    the `examples` that are named, and what was not trained on; of language models documents that were trained on
    often, once and never. Each is compared with the other members; often with once, and once with never.

    Formula:
        lost M(l, t) = share of a group's final correct predictions that the network loses with layer l as at epoch t
        damaged P(l, t) = the same with the entries of the layer's change permuted
        stored = (M - M_others) - (P - P_others), others of like confidence, in fifths of the group's
        visible = share of the group whose nearest neighbours in layer l at t give the given label; of mislabelled ones
        minus the share for which they give the true label
        written so far(t) = 1 - max of S from t on / max S, S = mean of `stored` over layers
        chance = what the largest cell of `stored` exceeds in 5 % of groups drawn among examples of like confidence
    Undefined:
        a cell of a group with fewer than 20 examples with a final correct prediction in every model, and `stored` also
        where no other example has a similar margin; `written so far` where no cell of the map exceeds chance; errors of
        a single model.

    Source: Maini et al. 2023, arXiv:2307.09542, with two nulls; kNN probes after Anagnostidis et al. 2023.
    Differs:
        A cell counts beyond what equal damage does and beyond what happens to examples of like confidence.

    Raises:
        MissingEvidence: the run was not rewound.
        BadInput: a named example is not there.
    """
    models = rewound_models(run)
    found = load_rewound(run, models)
    groups = groups_of(run, models, examples)
    lines = [line for group in groups for line in _of_group(found, group)]
    lines += _aside(found)
    arrays = by_example(run, found, run.load("design.member", models) == 1)
    return Table(
        title="When and where",
        rows={name: tuple(line[0][place] for line in lines) for place, name in enumerate(("map", "group", "layer"))},
        figures={
            _epoch(epoch): tuple(line[1][place] for line in lines) for place, epoch in enumerate(found.epochs.tolist())
        },
        across="epoch",
        arrays=arrays,
        notes=(*_of_fine_tune(run), *_notes(found, groups, of_text=run.of_text)),
    )


def rewound_models(run: Run) -> np.ndarray:
    """The models that were rewound: reference models, or else those trained on all data.

    Raises:
        MissingEvidence: none was.
        TooFewModels: all of them diverged.
    """
    for role in ("reference", "full", "target"):
        chosen = run.models(role) if len(run.design.models_of(role)) else np.zeros(0, np.int64)
        had = [int(model) for model in chosen if run.evidence.has("rewinding", int(model), run.last_phase)]
        if had:
            return np.array(had, np.int64)
    if run.evidence.has(WEIGHTS_AT.name, 0, run.last_phase):
        raise MissingEvidence(
            f"The run {str(run.folder)!r} was not rewound.",
            hint=f"byrote where {run.folder}, or byrote probe {run.folder} rewinding readout.",
        )
    if run.of_text and run.manifest.origin == "observed":
        raise MissingEvidence(
            f"The model of the run {str(run.folder)!r} was not compared with what it was before its fine-tune.",
            hint=f"byrote where {run.folder} --base DIR, where DIR holds the model that its fine-tune began with.",
        )
    raise MissingEvidence(
        f"The run {str(run.folder)!r} kept no weights at checkpoints, so it is unknown when and where examples "
        f"were memorized.",
        hint=f"{run.keeps_weights_by[:-1]}, then byrote where RUN.",
    )


def load_rewound(run: Run, models: np.ndarray) -> Rewound:
    """What was recorded of these models."""
    names = ("wrong", "wrong_permuted", "right", "confidence", "fitted", "predictions", "wrong_heldout", "loss_aside")
    return Rewound(
        **{FIELDS.get(name, name): run.load(f"rewinding.{name}", models) for name in names},
        epochs=run.load("rewinding.epochs", models),
        layers=run.load("rewinding.layer", models).tolist(),
        pair=run.load("design.pair", models),
        read=_read(run, models),
    )


def _read(run: Run, models: np.ndarray) -> tuple[list[str], np.ndarray, np.ndarray | None] | None:
    """The layers that were read, and the shares of given and of true labels; None where they were not."""
    if not all(run.evidence.has("readout", int(model), run.last_phase) for model in models):
        return None
    true = None if run.of_text else run.load("readout.true", models).astype(np.float64)
    return run.load("readout.layer", models).tolist(), run.load("readout.given", models).astype(np.float64), true


Line = tuple[tuple[str, str, str], list[Scalar | None]]


def _of_group(found: Rewound, group: Group) -> Iterator[Line]:
    """The maps of a group, a line for each layer."""
    count = int(group.rows.any(0).sum())
    if group.others is not None:
        yield from _stored(found, group, count)
    if found.read is not None:
        layers, given, true = found.read
        values = given - true if group.mislabelled and true is not None else given
        low = -1.0 if group.mislabelled else 0.0
        yield from _lines(found, VISIBLE, group.name, layers, read_of(values, group.rows), count, low)
    fitted = _shares(found.fitted, found.predictions, group.rows)
    yield from _lines(found, FITTED, group.name, [WHOLE], fitted[:, None], count, 0.0)
    for name, lost in ((LOST, found.wrong), (DAMAGED, found.permuted)):
        yield from _lines(found, name, group.name, found.layers, share_lost(lost, found.right, group.rows), count, 0.0)


def _stored(found: Rewound, group: Group, count: int) -> Iterator[Line]:
    beyond = localized_in(found, group)
    each = np.pad(beyond.each.reshape(-1, *found.size), ((0, 0), (0, 0), (0, 1)))
    each[np.isnan(beyond.each).any(1)] = np.nan
    yield from _lines(found, STORED, group.name, found.layers, each, count, -2.0, high=2.0, alike=True)
    chance = Scalar(
        value=beyond.band,
        stderr=np.nan,
        low=np.nan,
        high=np.nan,
        models=len(found.pair) - beyond.missing,
        examples=count,
        reason=_few(len(found.pair), alike=True) if np.isnan(beyond.band) else "",
    )
    yield (CHANCE, group.name, WHOLE), [*[chance] * found.size[1], None]
    yield (WRITTEN, group.name, WHOLE), written(found, beyond, count)


def localized_in(found: Rewound, group: Group) -> Localized:
    """What is lost of a group beyond the others and beyond damage, at all checkpoints but the last."""
    assert group.others is not None
    lost = (found.wrong - found.permuted.astype(np.float64))[:, :, :-1]
    flat = lost.reshape(len(lost), -1, lost.shape[-1])
    return localized(flat, found.right, found.confidence, group.rows, group.others, found.pair)


def share_lost(lost: np.ndarray, right: np.ndarray, rows: np.ndarray) -> Float[np.ndarray, "model layer checkpoint"]:
    """The share of a group's final correct predictions; nan where fewer than 20 of its examples have one."""
    made = np.full(lost.shape[:3], np.nan)
    for model, mine in enumerate(rows & (right > 0)):
        if enough(int(mine.sum())):
            made[model] = lost[model][:, :, mine].sum(2) / right[model, mine].sum()
    return made


def _shares(hits: np.ndarray, of: np.ndarray, rows: np.ndarray) -> Float[np.ndarray, "model checkpoint"]:
    """Correct predictions among all of a group, at each checkpoint."""
    made = np.full(hits.shape[:2], np.nan)
    for model, mine in enumerate(rows):
        if enough(int(mine.sum())):
            made[model] = hits[model][:, mine].sum(1) / of[model, mine].sum()
    return made


def written(found: Rewound, beyond: Localized, count: int) -> list[Scalar | None]:
    """The share of the map's area that was written by each checkpoint, with a jackknife over models or pairs."""
    rows = by_unit(beyond.each, beyond.unit).reshape(-1, *found.size)
    models = int((~np.isnan(beyond.each).any(1)).sum())
    nothing = not len(rows) or not np.abs(rows.mean(0)).max() > beyond.band
    value = _written(rows) if not nothing else np.full(len(found.epochs), np.nan)
    error = np.full(len(value), np.nan)
    if len(rows) >= 3 and not nothing:
        error = spread(np.stack([_written(np.delete(rows, one, 0)) for one in range(len(rows))]))
    reach = error * stdtrit(max(1, len(rows) - 1), 0.5 + LEVEL / 2)
    why = (_few(len(found.pair), alike=True) if not len(rows) else "no cell stands out from chance") if nothing else ""
    return [
        Scalar(
            value=float(value[at]),
            stderr=float(error[at]),
            low=float(max(0.0, value[at] - reach[at])),
            high=float(min(1.0, value[at] + reach[at])),
            models=models,
            examples=count,
            reason=why,
        )
        for at in range(len(value))
    ]


def _written(rows: Float[np.ndarray, "unit layer checkpoint"]) -> Float[np.ndarray, " checkpoint"]:
    left = np.maximum.accumulate(np.append(rows.mean((0, 1)), 0.0)[::-1])[::-1]
    return np.asarray(1 - left / left.max())


def _lines(
    found: Rewound,
    name: str,
    group: str,
    layers: list[str],
    each: Float[np.ndarray, "model layer checkpoint"],
    examples: int,
    low: float,
    high: float = 1.0,
    alike: bool = False,
) -> Iterator[Line]:
    shape = each.shape[1:]
    value, stderr, reach = (part.reshape(shape) for part in over_units(each.reshape(len(each), -1), units(found.pair)))
    models = int((~np.isnan(each).any((1, 2))).sum())
    for row, layer in enumerate(layers):
        cells: list[Scalar | None] = [
            Scalar(
                value=float(value[row, at]),
                stderr=float(stderr[row, at]),
                low=float(max(low, value[row, at] - reach[row, at])),
                high=float(min(high, value[row, at] + reach[row, at])),
                models=models,
                examples=examples,
                reason=_few(len(each), alike=alike) if np.isnan(value[row, at]) else "",
            )
            for at in range(shape[1])
        ]
        yield (name, group, layer), cells


def _few(models: int, *, alike: bool = False) -> str:
    """Why a group has no figure; where it is compared with others (`alike`), none may have a similar margin."""
    others = ", or no others of like confidence," if alike else ""
    return f"fewer than {FEWEST} examples{others} in {'the model' if models == 1 else 'every model'}"


def _aside(found: Rewound) -> Iterator[Line]:
    """Held-out examples when a layer is rewound, and the loss on what was not trained on."""
    if np.isfinite(found.wrong_heldout).all():
        yield from _lines(found, LOST, HELD_OUT, found.layers, found.wrong_heldout.astype(np.float64), 0, 0.0)
    if np.isfinite(found.loss_aside).all():
        each = found.loss_aside.astype(np.float64)[:, None]
        yield from _lines(found, LOSS, HELD_OUT, [WHOLE], each, 0, 0.0, high=np.inf)


def _of_fine_tune(run: Run) -> Iterator[str]:
    if run.of_text and run.manifest.origin == "observed":
        yield f"{_epoch(0).capitalize()} is the model before its fine-tune, {_epoch(1)} the model."


def _notes(found: Rewound, groups: list[Group], *, of_text: bool) -> Iterator[str]:
    if found.best >= 0:
        epoch = _epoch(found.epochs[found.best])
        yield f"The loss on what was not trained on is lowest at {epoch}."
    yield (
        f"A stored value counts only if it exceeds the chance limit. In {100 * LEVEL:g} % of maps of groups drawn at "
        "random among examples of like confidence some cell exceeds it. ± is a standard error over pairs, or models."
    )
    if found.read is None:
        yield "What is visible was not read; byrote probe RUN readout reads it."
    if not any(group.others is not None for group in groups):
        yield (
            "No group has others to compare it with: audit with --plant label-noise=0.05, with half-split pairs, or "
            "name examples."
        )
    if of_text:
        yield "Each different text counts once; a document is matched by the log-probability of all its tokens."


def by_example(run: Run, found: Rewound, trained: np.ndarray) -> dict[str, np.ndarray]:
    """When and where each example was written that was trained on, over the models that predict it in the end.

    The layer with the largest loss beyond equal damage, on average over epochs; the epochs between which what is lost,
    on average over layers, falls to half of its largest; and the first layer in which its neighbours give its label.
    """
    counted = trained & (found.right > 0)
    right = np.where(counted, found.right, 0).sum(0)
    lost = np.einsum("mlte,me->lte", found.wrong - found.permuted.astype(np.float64), counted)
    share = np.divide(lost, right, out=np.full(lost.shape, np.nan), where=right > 0)
    by_layer, by_time = share[:, :-1].mean(1), share.mean(0)
    place = np.nan_to_num(by_layer, nan=-1.0).argmax(0)
    located = (right > 0) & (np.nan_to_num(by_layer).max(0) > 0)
    low = np.nan_to_num(by_time) <= np.nan_to_num(by_time).max(0) / 2
    first = len(found.epochs) - np.logical_and.accumulate(low[::-1], axis=0).sum(0)
    since = np.clip(first - 1, 0, None)
    until = np.clip(first, 0, len(found.epochs) - 1)
    nowhere = np.where(located & (first > 0), 0.0, np.nan)
    layers = np.array([*found.layers, ""])
    return {
        "example": run.ids.astype(np.str_),
        "models": counted.sum(0),
        "layer": layers[np.where(located, place, -1)],
        "share lost": np.where(located, by_layer.max(0, initial=-2.0), np.nan),
        "written after epoch": found.epochs[since] + nowhere,
        "written by epoch": found.epochs[until] + nowhere,
        "visible from layer": _visible(found, trained),
    }


def _visible(found: Rewound, trained: np.ndarray) -> np.ndarray:
    """The first layer in which most models read the given label, at the last checkpoint; empty where in none."""
    if found.read is None:
        return np.full(trained.shape[1], "", np.str_)
    layers, given, _ = found.read
    last = np.where(trained[:, None], given[:, :, -1], np.nan)
    count = (~np.isnan(last)).sum(0)
    seen = np.divide(np.nansum(last, 0), count, out=np.zeros(count.shape), where=count > 0) >= 0.5
    return np.where(seen.any(0), np.array(layers)[seen.argmax(0)], "")


def _epoch(epoch: int) -> str:
    return f"epoch {epoch}"
