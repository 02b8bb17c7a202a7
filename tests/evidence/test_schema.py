import numpy as np
import pytest

from byrote.axes import AXES
from byrote.errors import BadInput
from byrote.evidence.kind import OF_CLASSES, REGRESSION, Kind
from byrote.evidence.schema import SCHEMA, correct_of, every_kind, kind_of, loss_of, quantity, register


def test_every_quantity_is_complete():
    for kind, columns in SCHEMA.items():
        for name, entry in columns.items():
            assert quantity(f"{kind}.{name}") is entry
            assert set(entry.dims) <= set(AXES)
            assert np.dtype(entry.dtype)
            assert entry.meaning
            if entry.derived:
                assert entry.derived[0] in SCHEMA[kind_of(kind).shards]


@pytest.mark.parametrize("name", ["outputs", "outputs.", "outputs.x", "x.loss", "", "outputs.loss.x", ".loss"])
def test_other_names_are_refused_with_the_valid_ones(name):
    with pytest.raises(BadInput, match=r"There is no evidence named .*the names are .*outputs\.loss"):
        quantity(name)


def test_held_out_examples_are_asked_the_same():
    assert SCHEMA["heldout"].keys() == SCHEMA["outputs"].keys()


def test_derivations_by_hand():
    np.testing.assert_allclose(loss_of(np.array([0.0, 1e4, -1e4])), [np.log(2), 0, 1e4])
    assert correct_of(np.array([-1.0, 0.0, 1.0, np.nan])).tolist() == [False, False, True, False]


def test_every_kind_says_what_it_is_and_how_to_get_it():
    for kind in every_kind():
        assert kind.says
        assert kind.recorded_by or kind.is_fact or kind.weights, kind.name
        assert kind.forget is None or kind.contents
        assert kind_of(f"{kind.name}.x") is kind
    assert {kind.name for kind in every_kind() if kind.contents} == {"corpus", "generations", "samples"}
    assert {kind.name for kind in every_kind() if kind.answers} == {"outputs", "heldout"}


def test_bytes_follow_from_the_quantities_that_a_task_stores():
    lengths = {"example": 100, "class": 10, "checkpoint": 5}
    outputs, trajectory = kind_of("outputs"), kind_of("trajectory")
    assert outputs.bytes(lengths, "classes") == 100 * (5 * 4 + 10 * 4)
    assert outputs.bytes(lengths, "classes", without=("logits",)) == 100 * 5 * 4
    assert outputs.bytes(lengths, "labels") == 100 * 6 * 4
    assert outputs.bytes(lengths, REGRESSION) == 100 * (4 + 1 + 4)  # residual, correct, prediction
    assert trajectory.bytes(lengths, "classes") == 5 * (100 * 4 * 4 + 8)
    assert kind_of("augmented").bytes(lengths, "classes") == 8 * 100 * 4
    assert kind_of("weights").bytes({"weight": 7}, "classes") == 28


def test_a_second_kind_of_the_same_name_or_a_name_of_no_folder_is_refused():
    with pytest.raises(BadInput, match="two kinds of evidence called 'outputs'"):
        register(Kind(name="outputs", says="something else", tasks=OF_CLASSES))
    with pytest.raises(BadInput, match=r"cannot be called '\.\./x'"):
        register(Kind(name="../x", says="something else", tasks=OF_CLASSES))
    with pytest.raises(BadInput, match="There is no kind of evidence named 'xyz'"):
        kind_of("xyz.loss")
