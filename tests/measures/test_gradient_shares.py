from __future__ import annotations

import inspect

import numpy as np
import pytest

from byrote.measures.catalog import catalog

RNG = np.random.default_rng(0)
MODELS, CHECKPOINTS, EXAMPLES = 4, 3, 10
NOISE = np.arange(EXAMPLES) < 3
MEMBER = np.ones((MODELS, EXAMPLES), np.int8)
MEMBER[:, 9] = 0  # one of the others, which no model is trained on


@pytest.mark.parametrize(
    ("key", "counts"),
    [
        ("gradient_shares", [3, 3]),
        ("gradient_shares[norm]", [3]),
        ("gradient_shares[cosine]", [3]),
        ("gradient_shares[coherence]", [3, 6]),
        ("gradient_shares[alike]", [3, 6, 3, 6]),
    ],
)
def test_each_line_says_how_many_examples_it_is_about_and_is_a_mean_over_models(key: str, counts: list[int]) -> None:
    measure = catalog()[key]
    given = {"epochs": np.array([0, 2, 5]), "member": MEMBER, "pair": np.full(MODELS, -1), "label_noise": NOISE}
    names = list(inspect.signature(measure.function).parameters)
    each = {name: RNG.uniform(0.1, 0.9, (MODELS, CHECKPOINTS)) for name in names if name not in given}
    curve = measure.function(*({**given, **each}[name] for name in names))
    assert curve.counts.tolist() == counts
    assert len(each) == len(counts)
    for line, values in zip(curve.values, each.values(), strict=True):
        for at in range(CHECKPOINTS):
            assert line[at] == pytest.approx(sum(values[:, at].tolist()) / MODELS)


@pytest.mark.parametrize("form", ["norm", "cosine", "coherence", "alike"])
def test_intervals_end_where_a_share_or_a_cosine_can(form: str) -> None:
    measure = catalog()[f"gradient_shares[{form}]"]
    low, high = measure.range
    member, pair = np.ones((6, EXAMPLES), np.int8), np.repeat([0, 1, 2], 2)
    given = {"epochs": np.array([5]), "member": member, "pair": pair, "label_noise": NOISE}
    each = np.array([low, low, high, high, low, high])[:, None]  # of three pairs, which tell next to nothing
    names = inspect.signature(measure.function).parameters
    curve = measure.function(*(given.get(name, each) for name in names))
    assert np.nanmin(curve.low) == low
    assert np.nanmax(curve.high) == high
