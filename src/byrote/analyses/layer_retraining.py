"""Layer retraining: does a layer that starts anew, with all others as they are, need the wrong labels again?"""

from __future__ import annotations

import numpy as np

from byrote.analyses.catalog import procedure
from byrote.analyses.continued import KEPT, Continued, hold, kept, over_seeds, refuse_many
from byrote.analyses.lab import Lab, data_of
from byrote.data.controls import LABEL_NOISE
from byrote.data.task import refuse_other_tasks
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
    dataset, recipe = data_of(run, "ask")
    refuse_other_tasks(dataset.task, dataset.name, "The procedure 'layer_retraining'")
    refuse_many(models, "layer_retraining")
    noisy = dataset.controls.mask(dataset.ids, LABEL_NOISE)
    if not noisy.any() or noisy.all():
        raise BadInput(
            "Layers are retrained without the wrong labels that were planted, and the run has none.",
            hint="audit into another folder with --plant label-noise=0.1.",
        )
    going = Continued.on(dataset, recipe)
    order = going.layers(going.model(seed))
    chosen = chosen_layers(layers, order)
    base = lab.audit(
        dataset,
        recipe,
        design=full_data(len(dataset), models),
        out=run.folder.with_name(f"{run.folder.name}-layer-retraining-{models}-{seed}"),
        seed=seed,
        checkpoints=2,
        keep_weights_at=KEPT,
    )
    rows = ("none", *chosen)
    right = np.empty((len(rows), models, len(dataset)), bool)
    for model in range(models):
        start, end = kept(base, model, 0), kept(base, model, -1)
        right[0, model] = going.right(going.model(seed, end))
        for place, layer in enumerate(chosen, start=1):
            state = going.model(seed, {**end, **{name: start[name] for name in order[layer]}})
            others = [name for name in order if name != layer]
            hold(going.algorithm.network(state), others, [tensor for name in others for tensor in order[name]])
            state = going.train(state, ~noisy, steps=steps, seed=seed + model)
            right[place, model] = going.right(state)
    wrong, clean = (
        tuple(over_seeds(each[:, group].mean(1), SHARE, examples=int(group.sum())) for each in right)
        for group in (noisy, ~noisy)
    )
    return Table(
        title="Layers trained anew without wrong labels",
        rows={"layer": rows},
        figures={"wrong labels given": wrong, "accuracy on clean examples": clean},
        notes=("Read a fall of wrong labels only where clean examples are fitted again.",),
    )
