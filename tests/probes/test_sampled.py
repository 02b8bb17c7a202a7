import pytest

from byrote.errors import BadInput
from byrote.probes import registry
from byrote.probes.sampled import SampledProbe

NAMES = ("class_cosine", "gradient_shares", "input_curvature")


@pytest.mark.parametrize("name", NAMES)
def test_costly_probes_have_the_same_two_settings(name):
    usual, whole = registry.made(name), registry.made(f"{name},checkpoints=3,models=all")
    assert isinstance(usual, SampledProbe)
    assert (usual.few, usual.chosen(20)) == (True, (0, 3, 5, 8, 11, 14, 16, 19))
    assert (whole.few, whole.chosen(5)) == (False, (0, 2, 4))
    for wrong in ("checkpoints=1", "models=two"):
        with pytest.raises(BadInput, match=f"The probe '{name}' looks at few or all models") as caught:
            registry.made(f"{name},{wrong}")
        assert caught.value.hint == f"{name},checkpoints=8,models=few"
