import pickle
import shutil
from pathlib import Path
from types import SimpleNamespace

import cloudpickle
import numpy as np
import pytest

from byrote.data import room
from byrote.data.arrays import from_arrays
from byrote.data.mapped import copied, created, held_bytes, joined, new, opened, place_of, taken
from byrote.data.torch_dataset import from_torch
from byrote.engine.job import Labelled
from byrote.errors import NotEnoughRoom


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


@pytest.fixture
def short_of_memory(monkeypatch, tmp_path):
    """A machine with a megabyte of memory, and where its scratch files are."""
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(room, "memory", lambda: 2**20)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    return tmp_path / "scratch"


def test_a_large_array_is_in_a_file_that_goes_with_it(short_of_memory):
    small, large = new((100, 10)), new((100, 1000))
    assert place_of(small) is None
    assert Path(place_of(large).file).parent == short_of_memory
    part = large[10:20]
    del large
    part[:] = 7
    assert (part == 7).all()
    assert len(list(short_of_memory.iterdir())) == 1
    del part
    assert not list(short_of_memory.iterdir())


def test_what_a_killed_process_left_is_removed(short_of_memory):
    left, alive = short_of_memory / "byrote-inputs-left.npy", new((100, 1000))
    left.touch()
    other = new((100, 1000))
    assert not left.exists()
    assert place_of(alive).opened().shape == place_of(other).opened().shape == (100, 1000)


def test_a_full_disk_is_told_before_anything_is_written(short_of_memory, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=2**19))
    with pytest.raises(NotEnoughRoom, match=r"take 0\.0 GiB, .*has 0\.0 free"):
        new((1000, 1000))
    assert not list(short_of_memory.iterdir())


def test_rows_are_the_same_wherever_they_lie(short_of_memory):
    array = np.random.default_rng(0).normal(size=(500, 30, 20)).astype(np.float32)
    there = copied(array)
    assert place_of(there) is not None
    np.testing.assert_array_equal(there, array)
    follow, scattered = np.arange(20, 480), np.random.default_rng(1).permutation(500)
    for rows in (follow, scattered):
        np.testing.assert_array_equal(taken(there, rows), array[rows])
    assert place_of(taken(there, follow)).file == place_of(there).file != place_of(taken(there, scattered)).file
    np.testing.assert_array_equal(joined(there, array[:3] + 1), np.concatenate([array, array[:3] + 1]))


def test_the_same_dataset_from_every_way_in(short_of_memory, monkeypatch):
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (300, 20, 20, 3), dtype=np.uint8), np.arange(300) % 3
    pairs = [(image.astype(np.float32), int(label)) for image, label in zip(pixels, labels, strict=True)]

    def ways():
        yield "whole numbers, channels last", from_arrays(pixels, labels)
        yield "items", from_torch(pairs)
        yield "a part", from_arrays(pixels, labels).subset(np.arange(299, 10, -1))

    found = dict(ways())
    monkeypatch.setattr(room, "memory", lambda: 2**40)
    for name, dataset in ways():
        assert place_of(dataset.inputs) is None
        mapped = found[name].inputs
        assert place_of(mapped) is not None, name
        assert mapped.flags.c_contiguous  # else a block would be copied to be trained on
        assert found[name].fingerprint() == dataset.fingerprint(), name
        assert found[name].divided_by == dataset.divided_by
