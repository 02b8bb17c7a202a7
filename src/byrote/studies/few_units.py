"""O13: what is memorized hangs on a few units, which lie in various layers."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int

from byrote.data.controls import LABEL_NOISE
from byrote.designs.full_data import full_data
from byrote.stats.verdicts import Verdict
from byrote.studies.bench import DEEP, Bench
from byrote.studies.catalog import study

#: A small set has at most this share of the hidden units.
SMALL: Final = 0.05


def few_and_elsewhere(
    silenced: Int[np.ndarray, "model layer example"],
    lost: Bool[np.ndarray, "model example"],
    units: Int[np.ndarray, "model layer"],
    asked: Bool[np.ndarray, "model example"],
) -> Float[np.ndarray, " model"]:
    """The mean over examples of the share of silenced units that lie outside of the layer that has most of all.

    An example that is not lost, or takes more than 5 % of the units, counts as 0. So 0 says that a single layer holds
    what is memorized, or no small set does. NaN where nobody is asked about.
    """
    found = np.full(len(silenced), np.nan)
    for row, mine in enumerate(asked):
        if not mine.any():
            continue
        own = silenced[row][:, mine].astype(np.float64)
        count = own.sum(0)
        counted = lost[row, mine] & (count > 0) & (count <= SMALL * units[row].sum())
        most = int(own[:, counted].sum(1).argmax())
        outside = np.divide(count - own[most], count, out=np.zeros(len(count)), where=counted)
        found[row] = outside.mean()
    return found


def simulated(rng: np.random.Generator, units: int, outside: float) -> Float[np.ndarray, " unit"]:
    """The effect on searches that find 1 unit of 100 in three layers, most in the last one, with spread of models."""
    of_model = np.clip(outside + rng.normal(0, 0.03, (units, 1)), 0, 1)
    drawn = rng.random((units, 100))
    layer = np.where(drawn < of_model, (drawn < of_model / 2).astype(np.int64), 2)
    silenced = (layer[:, None] == np.arange(3)[:, None]).astype(np.int64)
    everyone = np.ones((units, 100), bool)
    return few_and_elsewhere(silenced, everyone, np.full((units, 3), 40), everyone)


@study(
    claim="O13",
    section="4.5",
    says="Memorization exists in a small set of neurons in various layers of the model.",
    effect="share of the units whose silencing loses a fitted wrong label that lie outside of the layer with most of "
    "them; 0 of a label that takes more than 5 % of the units",
    unit="model with its own initial weights and order",
    margin=0.1,
    minutes=0.5,
    recipe=DEEP,
    caveat="Right labels of which the network is as little sure take hardly more units: the search says little beyond "
    "the margin. It is greedy, so that fewer units may do. One draw of wrong labels (10 %): the interval is about "
    "other models on these data.",
    null=lambda rng, units: simulated(rng, units, 0.1),
    planted=lambda rng, units: simulated(rng, units, 0.3),
)
def few_units(bench: Bench) -> Verdict:
    """Train on all data with one label in ten wrong, and silence units until each wrong label is lost."""
    dataset = bench.noisy(0.1)
    run = bench.train(dataset, full_data(len(dataset), bench.units), checkpoints=2, keep_weights_at="last")
    bench.probe(run, "unit_search")
    models, noisy = run.models("full"), run.controls.mask(run.ids, LABEL_NOISE)
    silenced, units = (np.asarray(run.load(f"unit_search.{name}", models), np.int64) for name in ("silenced", "units"))
    flipped, right = (np.asarray(run.load(f"unit_search.{name}", models), bool) for name in ("flipped", "right"))
    return bench.verdict(few_and_elsewhere(silenced, flipped, units, right & noisy))
