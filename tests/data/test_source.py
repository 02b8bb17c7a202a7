import numpy as np
import pytest

from byrote.data.source import Reading, kind_of, read_source
from byrote.errors import BadInput


def test_kinds(tmp_path):
    assert kind_of(str(tmp_path)) == "images"
    assert kind_of("a/B.CSV.GZ") == "table"
    assert kind_of("a.pq") == "table"
    assert kind_of("a.npz") == "npz"
    assert kind_of("a.npy") is None


def test_options_that_do_not_fit(tmp_path):
    for name, reading, said in (
        ("t.csv", Reading(target="y", size=8), "--size 8 is for a folder of images, and 't.csv' is a table"),
        ("a.npz", Reading(group="g"), "--group g is for a table, and 'a.npz' is an .npz file"),
    ):
        with pytest.raises(BadInput, match=said):
            read_source(name, reading, seed=0)


def test_a_table_without_a_target_names_its_columns(tmp_path):
    (tmp_path / "t.csv").write_text("x,y\n1,2\n")
    with pytest.raises(BadInput, match="--target COLUMN; its columns are 'x', 'y'"):
        read_source(str(tmp_path / "t.csv"), Reading(), seed=0)


def test_rows_of_an_npz_are_scaled_and_images_are_not(tmp_path):
    rng, targets = np.random.default_rng(0), np.arange(40) % 2
    np.savez(tmp_path / "rows.npz", inputs=rng.normal(50, 1000, (40, 3)), targets=targets)
    made = read_source(str(tmp_path / "rows.npz"), Reading(), seed=0)
    np.testing.assert_allclose(made.training.inputs.std(0), 1, rtol=1e-5)
    assert made.notes[0].startswith("8 of 40 examples are held out")
    assert made.notes[1:] == ("Features are centred and scaled by the training examples.",)
    np.savez(tmp_path / "pics.npz", inputs=rng.integers(0, 256, (40, 5, 5), dtype=np.uint8), targets=targets)
    made = read_source(str(tmp_path / "pics.npz"), Reading(), seed=0)
    assert 0 <= made.training.inputs.min() < made.training.inputs.max() <= 1


def test_what_is_no_data():
    with pytest.raises(BadInput, match="does not have the ending of a data file"):
        read_source("a.txt", Reading(), seed=0)


def test_only_what_was_said_is_described():
    assert Reading(target="y").describe() == {"target": "y", "heldout": 0.2}
    assert Reading(**Reading(target="y", size=3).describe()) == Reading(target="y", size=3)
