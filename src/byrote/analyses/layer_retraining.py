"""Layer retraining: does a layer that starts anew, with all others as they are, need the wrong labels again?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from byrote.analyses.catalog import procedure
from byrote.analyses.continued import KEPT, Continued, hold, kept, of_classes, over_seeds
from byrote.analyses.lab import Lab
from byrote.data.controls import LABEL_NOISE
from byrote.data.dataset import Dataset
from byrote.designs.full_data import full_data
from byrote.errors import BadInput
from byrote.probes.layers import chosen_layers
from byrote.results import Table
from byrote.runs.run import Run
from byrote.stats.intervals import Bounds

SHARE: Bounds = (0.0, 1.0)


@procedure(
    asks="Which layers must hold the wrong labels, once each is trained anew without them?",
    needs=("outputs.correct",),
    section="4.5",
)
def layer_retraining(
    lab: Lab, run: Run, *, models: int = 4, steps: int = 400, layers: str = "", seed: int = 0
) -> Table:
    """The share of wrong labels that models still give after one layer was trained anew on clean examples alone.

    One layer goes back to where it started; all others are held as they are at the end, running statistics included.
    It is trained for some steps on the clean examples. Wrong labels that are gone were held by that layer, or by it
    together with others: what needs every layer is distributed.

    Formula:
        accuracy on given labels, of planted wrong labels and of clean examples, evaluation mode, the mean over models
    Undefined:
        never: both groups are there.

    Args:
        lab: where to train.
        run: whose data, controls and recipe.
        models: trained on all data; 3 to 8.
        steps: of each layer, at the recipe's learning rate and schedule.
        layers: names of those to retrain, with ";" between them; all by default.
        seed: fixes weights and orders.

    Source: Maini et al. 2023, arXiv:2307.09542, section 4.
    Differs:
        The code published with the source trains all layers, moves running statistics of layers that should stay, and
        goes on with the wrong labels in place of the clean ones. Figures from it are not comparable.

    Raises:
        BadInput: data or recipe are not at hand, no wrong labels were planted, or there is no such layer.
    """
    dataset, recipe = of_classes(run, "layer_retraining", models)
    noisy = _wrong_labels(dataset)
    going = Continued.on(dataset, recipe)
    chosen = chosen_layers(layers, going.layers(going.model(seed)))
    base = lab.audit(
        dataset,
        recipe,
        design=full_data(len(dataset), models),
        out=run.folder.with_name(f"{run.folder.name}-layer-retraining-{models}-{seed}"),
        seed=seed,
        checkpoints=2,
        keep_weights_at=KEPT,
    )
    right = np.stack([_right(going, base, model, chosen, ~noisy, steps, seed) for model in range(models)], axis=1)
    wrong, clean = (
        tuple(over_seeds(each[:, group].mean(1), SHARE, examples=int(group.sum())) for each in right)
        for group in (noisy, ~noisy)
    )
    return Table(
        title="Layers trained anew without wrong labels",
        rows={"layer": ("none", *chosen)},
        figures={"wrong labels given": wrong, "accuracy on clean examples": clean},
        notes=("Read a fall of wrong labels only where clean examples are fitted again.",),
    )


def _wrong_labels(dataset: Dataset) -> Bool[np.ndarray, " example"]:
    """Which labels were planted wrong: some, and not all.

    Raises:
        BadInput: none was.
    """
    noisy = dataset.controls.mask(dataset.ids, LABEL_NOISE)
    if not noisy.any() or noisy.all():
        raise BadInput(
            "Layers are retrained without the wrong labels that were planted, and the run has none.",
            hint="audit into another folder with --plant label-noise=0.1.",
        )
    return noisy


def _right(
    going: Continued,
    base: Run,
    model: int,
    chosen: Sequence[str],
    shown: Bool[np.ndarray, " example"],
    steps: int,
    seed: int,
) -> Bool[np.ndarray, "layer example"]:
    """Which given labels a model predicts as it is, and after each layer was trained anew on the examples shown."""
    order, start, end = going.layers(going.model(seed)), kept(base, model, 0), kept(base, model, -1)
    right = [going.right(going.model(seed, end))]
    for layer in chosen:
        state = going.model(seed, {**end, **{name: start[name] for name in order[layer]}})
        others = [name for name in order if name != layer]
        hold(going.algorithm.network(state), others, [tensor for name in others for tensor in order[name]])
        right.append(going.right(going.train(state, shown, steps=steps, seed=seed + model)))
    return np.stack(right)
