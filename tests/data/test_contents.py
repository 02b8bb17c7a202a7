import numpy as np

from byrote.data.contents import contents


def test_equal_inputs_have_equal_digests_and_others_have_others():
    inputs = np.random.default_rng(0).normal(size=(50, 3, 4)).astype(np.float32)
    twice = np.concatenate([inputs, inputs[:10]])
    digests = contents(twice)
    np.testing.assert_array_equal(digests[:10], digests[50:])
    assert len(set(digests)) == 50


def test_memory_order_does_not_matter_and_shape_does():
    inputs = np.random.default_rng(0).normal(size=(6, 4, 4))
    turned = np.asfortranarray(inputs)
    np.testing.assert_array_equal(contents(turned), contents(inputs))
    np.testing.assert_array_equal(contents(inputs.astype(">f8")), contents(inputs))
    assert not np.isin(contents(inputs.reshape(6, 16)), contents(inputs)).any()


def test_no_examples_have_no_digests():
    assert contents(np.empty((0, 2))).shape == (0,)
