import pickle
import re
from pathlib import Path

import numpy as np
import pytest

from byrote.errors import BadInput
from byrote.runs.readers import _files
from byrote.runs.readers._files import CONVERT, names_in, natural, read_array, read_arrays, text


class Trap:
    """Whoever unpickles it has run its code."""

    def __reduce__(self):
        return (open, ("sprung", "w"))


def test_plain_arrays(tmp_path):
    array = np.arange(6).reshape(2, 3)
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", a=array, b=array + 1)
    np.testing.assert_array_equal(read_array(tmp_path / "a.npy"), array)
    assert names_in(tmp_path / "a.npz") == ("a", "b")
    np.testing.assert_array_equal(read_arrays(tmp_path / "a.npz", ("b",))["b"], array + 1)


@pytest.mark.parametrize("form", ["object array", "object archive", "pickle"])
def test_nothing_is_unpickled(tmp_path, monkeypatch, form):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "bad"
    with path.open("wb") as file:
        if form == "object array":
            np.save(file, np.array([Trap()], object), allow_pickle=True)
        elif form == "object archive":
            np.savez(file, a=np.array([Trap()], object))
        else:
            pickle.dump(Trap(), file)
    with pytest.raises(
        BadInput, match=r"^The file '.*bad' cannot be read as plain NumPy arrays: .* Hint: .*byrote unpickles"
    ):
        read_arrays(path, ("a",)) if form == "object archive" else read_array(path)
    assert not (tmp_path / "sprung").exists()


def test_every_load_in_the_package_forbids_pickles():
    texts = [path.read_text() for path in Path(_files.__file__).parent.glob("*.py")]
    calls = [call for text in texts for call in re.findall(r"np\.load\(.*", text)]
    assert calls == ["np.load(file, allow_pickle=False)"] * 2
    assert not any(re.search(r"^(import|from) (pickle|joblib|cloudpickle|torch)", text, re.M) for text in texts)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00", b"PK\x03\x04 and no archive"])
def test_damage_is_told_in_one_sentence(tmp_path, content):
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    for reader in (read_array, names_in):
        with pytest.raises(BadInput) as raised:
            reader(path)
        assert raised.value.hint == CONVERT
        assert raised.value.message.endswith(".")
        assert "\n" not in raised.value.message


def test_a_cut_array(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(1000))
    cut = (tmp_path / "a.npy").read_bytes()[:500]
    (tmp_path / "a.npy").write_bytes(cut)
    with pytest.raises(BadInput, match="cannot be read as plain NumPy arrays"):
        read_array(tmp_path / "a.npy")


def test_other_files_than_wanted(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(3))
    np.savez(tmp_path / "a.npz", a=np.arange(3))
    with pytest.raises(BadInput, match=r"^There is no file '.*nowhere\.npy'\. Hint: "):
        read_array(tmp_path / "nowhere.npy")
    with pytest.raises(BadInput, match="holds several arrays where one is wanted"):
        read_array(tmp_path / "a.npz")
    with pytest.raises(BadInput, match=r"holds one array where an \.npz with several is wanted"):
        names_in(tmp_path / "a.npy")
    with pytest.raises(BadInput, match=r"holds no array 'b', 'c'; it holds 'a'\."):
        read_arrays(tmp_path / "a.npz", ("b", "a", "c"))
    with pytest.raises(BadInput, match="cannot be read: "):
        read_array(tmp_path)


def test_names(tmp_path):
    names = [tmp_path / name for name in ("experiment-10_16", "experiment-9_16", "experiment-1_16")]
    assert [path.name for path in sorted(names, key=natural)] == [
        "experiment-1_16",
        "experiment-9_16",
        "experiment-10_16",
    ]
    assert text(np.array([b"n01/a.JPEG", b"b"])) == text(np.array(["n01/a.JPEG", "b"])) == ("n01/a.JPEG", "b")


def test_a_table_is_no_file_of_arrays(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("labels,scores\n1,2\n")
    for reader in (read_array, names_in):
        with pytest.raises(BadInput, match=r"scores\.csv' is not a file of NumPy arrays \(\.npy, \.npz\)"):
            reader(path)
