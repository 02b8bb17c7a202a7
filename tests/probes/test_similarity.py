"""Likeness of layers of trained networks, by hand and where it is known."""

from pathlib import Path

import numpy as np
import pytest
import torch

import byrote
from byrote.engine.afterwards import probe
from byrote.errors import BadInput
from byrote.probes.similarity import SimilarityProbe
from byrote.stats.similarity import cka, pwcca, represented, svcca
from probes.layered import RECIPE_OF, clouds, hidden
from small import small_audit

PARTS = {"1": 3, "3": 5, "5": 6}


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> byrote.Run:
    run = small_audit(
        tmp_path_factory.mktemp("compared") / "run",
        dataset=clouds(120, seed=0),
        heldout=clouds(90, seed=1, noise=0.0),
        recipe=RECIPE_OF,
        models=8,
        keep_weights_at="0,last",
    )
    return probe(run, "similarity")


def features(run: byrote.Run, model: int, checkpoint: int, layer: str) -> np.ndarray:
    """What a layer hands on of the held-out inputs."""
    network = RECIPE_OF.network.build((10,), 3)
    kept = run.evidence.block("weights_at", model, 0)
    network.load_state_dict({name: torch.from_numpy(array[checkpoint]) for name, array in kept.items()})
    assert run.heldout is not None
    return hidden(network.eval(), run.heldout.inputs, PARTS[layer])


@pytest.mark.parametrize(("checkpoint", "layer"), [(0, "1"), (1, "3"), (1, "5")])
def test_models_are_compared_with_those_of_other_pairs(compared, checkpoint, layer):
    model, pair = 3, compared.design.pair
    place = compared.load("similarity.layer", [model]).tolist().index(layer)
    own = represented(features(compared, model, checkpoint, layer))
    others = [k for k in range(8) if pair[k] != pair[model]]
    assert len(others) == 6
    each = [represented(features(compared, k, checkpoint, layer)) for k in others]
    expected = {
        "cka": np.mean([cka(own, one) for one in each]),
        "svcca": np.mean([svcca(own, one) for one in each]),
        "pwcca": np.mean([(pwcca(own, one) + pwcca(one, own)) / 2 for one in each]),
    }
    for name, value in expected.items():
        found = compared.load(f"similarity.{name}", [model])[0, checkpoint, place]
        assert found == pytest.approx(value, rel=1e-4), name


def test_how_far_the_likeness_of_a_pair_scatters_over_other_pairs(compared):
    pair, every = compared.design.pair[:8], [represented(features(compared, k, 1, "3")) for k in range(8)]
    place = compared.load("similarity.layer", [2]).tolist().index("3")
    own = np.flatnonzero(pair == pair[2])
    others = [np.flatnonzero(pair == one) for one in np.unique(pair) if one != pair[2]]
    each = [np.mean([cka(every[a], every[b]) for a in own for b in other]) for other in others]
    assert len(each) == 3
    for model in own:
        assert compared.load("similarity.cka_scatter", [model])[0, 1, place] == pytest.approx(np.std(each), rel=1e-3)


def test_at_the_end_every_layer_is_its_own_end_and_before_that_it_is_not(compared):
    for name in ("cka_to_end", "svcca_to_end", "pwcca_to_end", "pwcca_from_end"):
        found = compared.load(f"similarity.{name}", range(8))
        np.testing.assert_allclose(found[:, 1], 1.0, atol=1e-5)
        assert (found[:, 0] < 0.98).all()
    early, late = (represented(features(compared, 5, at, "3")) for at in (0, 1))
    assert compared.load("similarity.pwcca_to_end", [5])[0, 0, 1] == pytest.approx(pwcca(early, late), rel=1e-4)
    assert compared.load("similarity.pwcca_from_end", [5])[0, 0, 1] == pytest.approx(pwcca(late, early), rel=1e-4)
    assert (compared.load("similarity.directions", range(8)) <= 90 // 20).all()


def test_settings_and_too_few_inputs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="must be at least 40") as told:
        SimilarityProbe(most=9)
    assert "most=2000" in told.value.hint
    run = small_audit(tmp_path / "run", keep_weights_at="0,last")
    with pytest.raises(BadInput, match="of 40 that it takes there are 30") as told:
        probe(run, "similarity")
    assert "--heldout 0.2" in told.value.hint
    assert run.manifest.evidence == byrote.Run.open(run.folder).manifest.evidence
