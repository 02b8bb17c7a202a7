"""Networks that repeat one example: correlations by hand, and depth makes a constant of it."""

from pathlib import Path

import numpy as np
import pytest

from byrote.analyses.identity_or_constant import _figures, identity_or_constant, repeated
from byrote.errors import BadInput
from byrote.runs.run import Run
from made_once import copied
from small import RECIPE, blobs

RNG = np.random.default_rng(0)
TAUGHT, ASKED = RNG.random((3, 12)).astype(np.float32), RNG.random((20, 12)).astype(np.float32)
DONE = np.zeros(3)


def of(found: np.ndarray, errors: np.ndarray = DONE) -> list[float]:
    """The three correlations."""
    return [one.value for one in _figures(np.broadcast_to(found, (3, 20, 12)), errors, TAUGHT, ASKED)[:3]]


def test_the_identity_and_the_constant_are_told_apart() -> None:
    chance = np.mean([np.corrcoef(x, z)[0, 1] for x in TAUGHT for z in ASKED])
    assert of(ASKED[None]) == pytest.approx([1, chance, chance])
    assert of(3 * TAUGHT[:, None] + 1) == pytest.approx([chance, 1, chance])
    assert of(np.ones((3, 20, 12))) == pytest.approx([0, 0, chance])


def test_networks_that_do_not_repeat_their_example_do_not_count() -> None:
    errors = np.array([0, 1e-3, 0])
    rows = [0, 2]
    chance = np.mean([np.corrcoef(TAUGHT[row], z)[0, 1] for row in rows for z in ASKED])
    assert of(ASKED[None], errors)[2] == pytest.approx(chance)
    assert np.isnan(of(ASKED[None], np.ones(3))).all()


@pytest.mark.slow
def test_a_linear_network_keeps_a_part_of_its_input_and_a_deep_one_does_not() -> None:
    """What it answers to the example itself is the example."""
    alike = {}
    for depth in (0, 2):
        found, errors = repeated(TAUGHT, np.concatenate([ASKED, TAUGHT]), depth, 24, 1500, 0)
        assert (errors < 1e-7).all()
        for number, example in enumerate(TAUGHT):
            np.testing.assert_allclose(found[number, 20 + number], example, atol=3e-3)
        alike[depth] = _figures(found[:, :20], errors, TAUGHT, ASKED)[1].value
    assert alike[0] < 0.9 < 0.95 < alike[2]


def test_a_run_is_asked_and_refused(tmp_path: Path) -> None:
    run = Run.open(copied("classes", tmp_path))
    with pytest.raises(BadInput, match="are not at hand"):
        identity_or_constant(run)
    run = run.attach(blobs(noise=0.1), RECIPE, blobs(30, seed=1))
    with pytest.raises(BadInput, match="takes numbers of hidden layers") as told:
        identity_or_constant(run, hidden="0;x")
    assert "hidden=0;1;3;6" in told.value.hint
    with pytest.raises(BadInput, match="more examples whose inputs vary than seeds") as told:
        identity_or_constant(run, seeds=1000)
    assert "--set seeds=" in told.value.hint
    table = identity_or_constant(run, hidden="1", width=8, steps=3)
    assert table.rows["hidden layers"] == ("1",)
    assert np.isnan(table.figures["chance"][0].value), "it does not repeat its example after three steps"
    assert table.figures["squared error"][0].models == 3
