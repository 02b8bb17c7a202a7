"""Dissociations that are planted in losses, and groups that are drawn at random."""

import numpy as np
import pytest

from byrote.analyses.dissociation import Contrasts, contrasts, verdict
from byrote.probes.dissociation import SHARES

MODELS, EXAMPLES = 2, 240


def planted(
    rng: np.random.Generator, group: np.ndarray, memory: tuple[float, float], pattern: tuple[float, float]
) -> Contrasts:
    """Chances of the group and the others to be lost with memory units and with pattern units; random ones: 0.1."""
    size = (MODELS, EXAMPLES)
    lost = {}
    for share in SHARES:
        for arm, (of_group, of_others) in {"memory": memory, "pattern": pattern}.items():
            lost[f"{arm}_{share}"] = (rng.random(size) < np.where(group, of_group, of_others)).astype(float)
        lost[f"random_{share}"] = np.full(size, 0.1)
    groups = np.tile(group, (MODELS, 1))
    margin = rng.random(size)
    return contrasts(lost, np.ones(size, bool), margin, groups, ~groups, np.full(MODELS, -1))


@pytest.mark.parametrize(
    ("memory", "pattern", "said"),
    [
        ((0.6, 0.1), (0.1, 0.6), "double"),
        ((0.6, 0.1), (0.1, 0.1), "single"),
        ((0.6, 0.1), (0.6, 0.6), "single"),
        ((0.3, 0.3), (0.1, 0.7), "none"),
    ],
)
def test_planted_dissociations(memory: tuple[float, float], pattern: tuple[float, float], said: str) -> None:
    group = np.arange(EXAMPLES) % 4 == 0
    found = planted(np.random.default_rng(1), group, memory, pattern)
    assert verdict(found) == said
    np.testing.assert_allclose(found.each.mean(0)[0], (memory[0] - memory[1]), atol=0.15)


def test_what_is_lost_by_margin_alone_is_no_dissociation() -> None:
    rng = np.random.default_rng(2)
    group = np.arange(EXAMPLES) % 4 == 0
    margin = np.where(group, rng.random((MODELS, EXAMPLES)), 3 * rng.random((MODELS, EXAMPLES)))
    lost = {f"{arm}_{share}": (margin < 0.5).astype(float) for share in SHARES for arm in ("memory", "pattern")}
    lost |= {f"random_{share}": np.zeros(margin.shape) for share in SHARES}
    groups = np.tile(group, (MODELS, 1))
    raw = lost["memory_1"][groups].mean() - lost["memory_1"][~groups].mean()
    found = contrasts(lost, np.ones(margin.shape, bool), margin, groups, ~groups, np.full(MODELS, -1))
    assert raw > 0.25
    assert abs(found.each.mean(0)[0]) < 0.12
    assert verdict(found) == "none"


def test_too_few_have_no_verdict() -> None:
    group = np.arange(EXAMPLES) < 15
    assert verdict(planted(np.random.default_rng(3), group, (0.9, 0.1), (0.1, 0.9))) == "unknown"


@pytest.mark.slow
def test_groups_at_random_stand_out_in_one_of_twenty() -> None:
    rng = np.random.default_rng(4)
    out = 0
    for _ in range(200):
        group = np.isin(np.arange(EXAMPLES), rng.permutation(EXAMPLES)[:60])
        found = planted(rng, group, (0.3, 0.3), (0.2, 0.2))
        out += int(np.abs(found.each.mean(0)).max() > found.band)
    assert 4 <= out <= 16
