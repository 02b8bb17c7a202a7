from __future__ import annotations

from pathlib import Path

import pytest

import byrote
from byrote.recipes.recipe import Recipe
from byrote.studies.attacks import judged_by, on_attacks, radius_of, with_trades
from studies.tiny import RECIPE, bench_of


def test_attacks_reach_over_a_share_of_the_range_of_all_inputs(tmp_path: Path) -> None:
    bench = bench_of("O36", tmp_path)
    inputs = bench.dataset.inputs
    radius = 0.1 * (inputs.max() - inputs.min())
    assert radius_of(bench.dataset) == pytest.approx(radius)
    assert judged_by(bench.dataset) == f"adversarial,radius={radius_of(bench.dataset):g},steps=20,restarts=1"
    pgd, trades = on_attacks(bench), with_trades(bench, 0.2)
    assert isinstance(pgd, Recipe)
    assert isinstance(trades, Recipe)
    assert pgd.input_perturbation == byrote.ProjectedGradient(radius=radius_of(bench.dataset), steps=5)
    assert trades.objective == byrote.Trades(radius=radius_of(bench.dataset, 0.2), steps=5)
    assert pgd.network == trades.network == RECIPE.network
