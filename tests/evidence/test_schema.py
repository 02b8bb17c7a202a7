import numpy as np
import pytest

from byrote.axes import AXES
from byrote.errors import BadInput
from byrote.evidence.schema import SCHEMA, correct_of, loss_of, quantity


def test_every_quantity_is_complete():
    for kind, columns in SCHEMA.items():
        for name, entry in columns.items():
            assert quantity(f"{kind}.{name}") is entry
            assert set(entry.dims) <= set(AXES)
            assert np.dtype(entry.dtype)
            assert entry.meaning
            if entry.derived:
                assert entry.derived[0] in columns


@pytest.mark.parametrize("name", ["outputs", "outputs.", "outputs.x", "x.loss", "", "outputs.loss.x", ".loss"])
def test_other_names_are_refused_with_the_valid_ones(name):
    with pytest.raises(BadInput, match=r"There is no evidence named .*the names are .*outputs\.loss"):
        quantity(name)


def test_held_out_examples_are_asked_the_same():
    assert SCHEMA["heldout"].keys() == SCHEMA["outputs"].keys()


def test_derivations_by_hand():
    np.testing.assert_allclose(loss_of(np.array([0.0, 1e4, -1e4])), [np.log(2), 0, 1e4])
    assert correct_of(np.array([-1.0, 0.0, 1.0, np.nan])).tolist() == [False, False, True, False]
