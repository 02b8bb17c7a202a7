import numpy as np

from byrote.designs.full_data import full_data


def test_everything_in_every_model():
    design = full_data(7, 3)
    assert design.member.shape == (3, 7)
    assert design.member.all()
    np.testing.assert_array_equal(design.models_of("full"), [0, 1, 2])
    np.testing.assert_array_equal(design.pair, -1)
