import pickle

import cloudpickle
import numpy as np

from byrote.data.mapped import created, held_bytes, opened, place_of
from byrote.engine.job import Labelled


def saved(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    return opened(tmp_path / "a.npy")


def test_views_are_found_again(tmp_path):
    array = np.arange(2000, dtype=np.float32).reshape(50, 8, 5)
    there = saved(tmp_path, array)
    views = (there, there[7:20], there[:, None], there.view(), there[::3, 2], there.reshape(-1).reshape(there.shape))
    for view in views:
        place = pickle.loads(pickle.dumps(place_of(view)))
        again = place.opened()
        np.testing.assert_array_equal(again, view)
        assert place_of(again) == place_of(view)
        assert held_bytes(again) == 0


def test_what_is_in_memory_has_no_place(tmp_path):
    there = saved(tmp_path, np.arange(20.0))
    for array in (np.zeros(3), there[[1, 2]], there + 1, np.array(there)):
        assert place_of(array) is None
        assert held_bytes(array) == array.nbytes


def test_a_new_file_is_filled(tmp_path):
    new = created(tmp_path / "in" / "new.npy", (3, 2))
    new[1] = 5
    new.flush()
    np.testing.assert_array_equal(opened(tmp_path / "in" / "new.npy"), [[0, 0], [5, 5], [0, 0]])


def test_inputs_are_not_sent_to_other_processes(tmp_path):
    there = saved(tmp_path, np.zeros((1000, 100), np.float32))
    sent = cloudpickle.dumps(Labelled(inputs=there, targets=np.arange(1000)))
    assert len(sent) < 20_000
    again = cloudpickle.loads(sent)
    np.testing.assert_array_equal(again.inputs, there)
    np.testing.assert_array_equal(again.targets, np.arange(1000))
    copied = cloudpickle.loads(cloudpickle.dumps(Labelled(inputs=np.ones((2, 2)), targets=np.arange(2))))
    np.testing.assert_array_equal(copied.inputs, np.ones((2, 2)))
