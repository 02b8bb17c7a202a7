"""Holdout retraining: how far an example's answer moves when a model goes on with examples that it never saw."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Float

from byrote.analyses.catalog import procedure
from byrote.analyses.continued import KEPT, Continued, kept, of_classes, over_seeds
from byrote.analyses.lab import Lab
from byrote.data.controls import LABEL_NOISE
from byrote.designs.design import one_phase
from byrote.errors import BadInput
from byrote.recipes.recipe import Recipe
from byrote.recipes.schedules import Constant
from byrote.results import Scalar, Table
from byrote.runs.run import Run
from byrote.stats.intervals import Bounds
from byrote.stats.over_examples import over_both
from byrote.stats.ranking import auroc, influence_of_auroc

NEW, OLD, LOSS = "retrained on new examples", "retrained on members", "final loss"
#: Fewer new examples than these retrain nothing.
FEWEST: Final = 10


@procedure(
    asks="Which examples' answers move when a model goes on with examples that it never saw?",
    needs=("outputs.logits",),
    section="3.1",
)
def holdout_retraining(
    lab: Lab, run: Run, *, models: int = 6, share: float = 0.2, epochs: int = 10, rate: float = 0.3, seed: int = 0
) -> Table:
    """How well the movement of answers finds planted wrong labels, beside two controls that cost no new examples.

    A third split is drawn from the run's examples, apart from its held-out ones, which other figures rest on. Models
    are trained on the rest; then each goes on for some epochs at a constant rate, once on the third split, and once,
    as a control, on as many clean examples that it was trained on. The last control is the loss before all that.

    Formula:
        d_i = sum over classes of (p - q)(log p - log q) / 2, p and q the probabilities before and after; AUROC of d
        for wrong labels against clean ones among members that no arm goes on with, the mean over models; the error is
        that of models and of examples
    Undefined:
        never: wrong labels and clean ones are among the members.

    Args:
        lab: where to train.
        run: whose data and recipe.
        models: trained, with seeds of their own; 3 to 8.
        share: of the examples that are set aside as the third split.
        epochs: of going on.
        rate: the constant learning rate, as a share of the recipe's.
        seed: fixes the split, weights and orders.

    Source: Carlini et al. 2019, arXiv:1910.13427.
    Differs:
        The controls, which the source leaves out: the excess over both is what new examples add.

    Raises:
        BadInput: data or recipe are not at hand, no wrong labels were planted, or the third split is too small.
    """
    dataset, recipe = of_classes(run, "holdout_retraining", models)
    noisy = dataset.controls.mask(dataset.ids, LABEL_NOISE)
    if not noisy.any():
        raise BadInput(
            "Holdout retraining is judged by wrong labels that were planted, and the run has none.",
            hint="audit into another folder with --plant label-noise=0.1.",
        )
    going = Continued.on(dataset, constant(recipe, "holdout_retraining"))
    order = np.random.default_rng([seed, 8]).permutation(np.flatnonzero(~noisy))
    size = _size(share, len(dataset), len(order))
    new, old = (np.isin(np.arange(len(dataset)), some) for some in (order[:size], order[size : 2 * size]))
    base = lab.audit(
        dataset,
        recipe,
        design=one_phase("holdout_retraining", np.tile(~new, (models, 1))),
        out=run.folder.with_name(f"{run.folder.name}-holdout-retraining-{models}-{share:g}-{seed}"),
        seed=seed,
        checkpoints=2,
        keep_weights_at=KEPT,
    )
    scores = {name: np.empty((models, len(dataset))) for name in (NEW, OLD, LOSS)}
    for model in range(models):
        before = going.logits(going.model(seed, kept(base, model, -1)))
        scores[LOSS][model] = -log_p(before)[np.arange(len(dataset)), dataset.targets]
        for name, rows in ((NEW, new), (OLD, old)):
            state = going.model(seed, kept(base, model, -1))
            state = going.train(state, rows, steps=going.steps(size, epochs), seed=seed + model, rate=rate)
            scores[name][model] = half_jeffreys(before, going.logits(state))
    asked = ~new & ~old
    return _table(scores, noisy, asked, dataset.ids, size)


def _size(share: float, examples: int, clean: int) -> int:
    """How many examples are new.

    Raises:
        BadInput: too few, or too few clean ones are left.
    """
    size = round(share * examples)
    if size < FEWEST or 2 * size >= clean:
        raise BadInput(
            f"The 'share' argument of holdout_retraining must leave at least {FEWEST} new examples, and more clean "
            f"members than these. Got {share:g}, which are {size}.",
            hint="--set share=0.2; audit more examples where that is not enough.",
        )
    return size


def _table(
    scores: dict[str, Float[np.ndarray, "model example"]],
    noisy: np.ndarray,
    asked: np.ndarray,
    ids: np.ndarray,
    size: int,
) -> Table:
    found = {name: _areas(each[:, asked], noisy[asked]) for name, each in scores.items()}
    rows = {name: _over_both(*each, (0.0, 1.0)) for name, each in found.items()}
    for control in (OLD, LOSS):
        areas, influence = (one - other for one, other in zip(found[NEW], found[control], strict=True))
        rows[f"excess over {control}"] = _over_both(areas, influence, (-1.0, 1.0))
    arrays = {"example": ids[asked], **{name: each[:, asked].mean(0) for name, each in scores.items()}}
    return Table(
        title="Holdout retraining",
        rows={"score": tuple(rows)},
        figures={"AUROC": tuple(rows.values())},
        arrays=arrays,
        notes=(f"Models went on with {size} new examples, or with as many clean members.",),
    )


def _areas(
    scores: Float[np.ndarray, "model example"], noisy: np.ndarray
) -> tuple[Float[np.ndarray, " model"], Float[np.ndarray, "model example"]]:
    """The AUROC of each model, and how far each example moves it."""
    areas = np.array([auroc(row, noisy) for row in scores])
    return areas, np.array([influence_of_auroc(row, noisy) for row in scores])


def _over_both(
    areas: Float[np.ndarray, " model"], influence: Float[np.ndarray, "model example"], bounds: Bounds
) -> Scalar:
    """The mean over models, with the error that comes from models and from the examples judged."""
    figure = over_seeds(areas, bounds, examples=influence.shape[1])
    return over_both(figure, influence / len(areas), bounds=bounds)


def constant(recipe: object, caller: str) -> Recipe:
    """The recipe with a learning rate that stays.

    Raises:
        BadInput: it is not of slots.
    """
    if not isinstance(recipe, Recipe):
        raise BadInput(
            f"The procedure {caller!r} goes on at a constant learning rate, which {type(recipe).__name__} has no slot "
            "for.",
            hint="audit with a byrote.Recipe.",
        )
    return replace(recipe, schedule=Constant())


def log_p(logits: Float[np.ndarray, "example class"]) -> Float[np.ndarray, "example class"]:
    """Logarithms of the probabilities."""
    top = logits.max(1, keepdims=True)
    return np.asarray(logits - top - np.log(np.exp(logits - top).sum(1, keepdims=True)))


def half_jeffreys(
    before: Float[np.ndarray, "example class"], after: Float[np.ndarray, "example class"]
) -> Float[np.ndarray, " example"]:
    """Half the Jeffreys divergence of two sets of answers, given as logits; 0 where they are the same.

    Example:
        >>> half_jeffreys(np.array([[0.0, 0.0]]), np.array([[0.0, np.log(3.0)]])).round(4)
        array([0.1373])
    """
    p, q = log_p(before), log_p(after)
    return np.asarray(((np.exp(p) - np.exp(q)) * (p - q)).sum(1) / 2)
