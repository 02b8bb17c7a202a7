from __future__ import annotations

import zipfile

import numpy as np
import pytest

import byrote
from byrote.data.applied import apply_decisions
from byrote.data.decisions import Decision
from byrote.errors import BadInput

RNG = np.random.default_rng(0)
N = 12


def arrays(**others):
    return {"inputs": RNG.normal(size=(N, 3)).astype(np.float32), "targets": np.arange(N) % 3, **others}


def npz(path, *, save=np.savez, **held):
    save(path, **held)
    return path


def folder(path, **held):
    path.mkdir()
    for name, array in held.items():
        np.save(path / f"{name}.npy", array)
    return path


def read(path):
    """All arrays of what was written."""
    if path.is_dir():
        return {one.stem: np.load(one) for one in path.glob("*.npy")}
    with np.load(path) as found:
        return {name: found[name] for name in found.files}


def decided(stem):
    return (
        Decision(example=f"{stem}-0001", action="relabel", new="2"),
        Decision(example=f"{stem}-0003", action="remove"),
        Decision(example=f"{stem}-0011", action="remove"),
    )


@pytest.mark.parametrize("kind", ["npz", "compressed", "npy"])
def test_targets_change_and_every_array_of_examples_loses_the_same_rows(tmp_path, kind):
    held = arrays(
        weight=np.arange(N) / 7,
        groups=np.array([f"g{row // 2}" for row in range(N)]),
        heldout_inputs=np.ones((N, 3), np.float32),
        heldout_targets=np.arange(N) % 3,
        heldout_groups=np.arange(N) % 4,
        class_names=np.array(["0", "1", "2"]),
        total=np.array(12.5),
    )
    source = (
        folder(tmp_path / "t", **held)
        if kind == "npy"
        else npz(tmp_path / "t.npz", save=np.savez_compressed if kind == "compressed" else np.savez, **held)
    )
    out = tmp_path / ("out" if kind == "npy" else "out.npz")
    done = apply_decisions(source, out, decided("t"))
    assert [one.action for one in done] == ["relabel", "remove", "remove"]
    found, kept = read(out), [row for row in range(N) if row not in (3, 11)]
    assert found.keys() == held.keys()
    for name in ("inputs", "weight", "groups"):
        np.testing.assert_array_equal(found[name], held[name][kept], err_msg=name)
        assert found[name].dtype == held[name].dtype
    targets = held["targets"].copy()
    targets[1] = 2
    np.testing.assert_array_equal(found["targets"], targets[kept])
    for name in ("heldout_inputs", "heldout_targets", "heldout_groups", "class_names", "total"):
        np.testing.assert_array_equal(found[name], held[name], err_msg=name)
    np.testing.assert_array_equal(read(source)["targets"], held["targets"])
    assert (tmp_path / f"{out.name}.decisions.csv").read_text().count("\n") == 4


def test_examples_are_found_by_their_own_ids_and_classes_keep_how_they_are_written(tmp_path):
    held = arrays(ids=np.array([f"p{row}" for row in range(N)]))
    held["targets"] = np.array(["cat", "dog", "owl"])[held["targets"]]
    source = npz(tmp_path / "pets.npz", **held)
    apply_decisions(source, tmp_path / "out.npz", (Decision(example="p4", action="relabel", new="owl"),))
    found = read(tmp_path / "out.npz")
    assert found["targets"].tolist()[3:6] == ["cat", "owl", "owl"]
    assert len(found["inputs"]) == N
    names = byrote.from_npz(tmp_path / "out.npz", heldout=0.0).training
    assert names.ids.tolist() == held["ids"].tolist()


def test_what_nothing_is_decided_on_stays_byte_for_byte_and_is_never_unpickled(tmp_path):
    held = arrays(mine=np.array([{"a": 1}], object))
    source = npz(tmp_path / "t.npz", **held)
    with zipfile.ZipFile(source, "a") as archive:
        archive.writestr("readme.txt", "kept")
    apply_decisions(source, tmp_path / "out.npz", decided("t"))
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(tmp_path / "out.npz") as new:
        assert old.namelist() == new.namelist()
        for name in ("mine.npy", "readme.txt"):
            assert old.read(name) == new.read(name)


def test_objects_that_would_have_to_be_cut_are_refused(tmp_path):
    source = npz(tmp_path / "t.npz", **arrays(mine=np.array([{"a": row} for row in range(N)], object)))
    with pytest.raises(BadInput, match=r"'mine'.*holds Python objects, which byrote never unpickles"):
        apply_decisions(source, tmp_path / "out.npz", decided("t"))
    assert not (tmp_path / "out.npz").exists()


def test_a_number_is_written_in_the_type_of_the_others(tmp_path):
    held = arrays()
    held["targets"] = np.arange(N, dtype=np.int32) * 3
    source = folder(tmp_path / "t", **held)
    new = (Decision(example="t-0002", action="relabel", new="100"),)
    apply_decisions(source, tmp_path / "out", new, task="regression")
    found = read(tmp_path / "out")["targets"]
    assert (found[2], found.dtype) == (100, np.dtype(np.int32))
    assert np.delete(found, 2).tolist() == np.delete(held["targets"], 2).tolist()
    half = (Decision(example="t-0002", action="relabel", new="1.5"),)
    with pytest.raises(BadInput, match=r"type int32, which does not hold '1\.5'"):
        apply_decisions(source, tmp_path / "other", half, task="regression")


def test_a_folder_keeps_its_other_files_and_is_not_written_into_itself(tmp_path):
    source = folder(tmp_path / "t", **arrays())
    (source / "notes.txt").write_text("mine")
    (source / "more").mkdir()
    (source / "more" / "inputs.npy").write_bytes(b"mine")
    apply_decisions(source, tmp_path / "out", decided("t"))
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"
    assert (tmp_path / "out" / "more" / "inputs.npy").read_bytes() == b"mine"
    with pytest.raises(BadInput, match="lies in the folder"):
        apply_decisions(source, source / "out", decided("t"))


@pytest.mark.parametrize(
    ("decision", "out", "said"),
    [
        (Decision(example="t-0001", action="relabel", new="9"), "out.npz", "have no '9'"),
        (Decision(example="t-0099", action="remove"), "out.npz", "are not in t.npz: 't-0099'"),
        (Decision(example="t-0001", action="remove"), "out.csv", "are not written to 'out.csv'"),
    ],
)
def test_what_cannot_be_done_is_refused(tmp_path, decision, out, said):
    source = npz(tmp_path / "t.npz", **arrays())
    with pytest.raises(BadInput, match=said):
        apply_decisions(source, tmp_path / out, (decision,))
    assert not (tmp_path / out).exists()


def test_inputs_larger_than_a_block_are_cut_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr("byrote.data.applied_arrays._BLOCK", 30)  # two rows at a time
    held = arrays()
    apply_decisions(folder(tmp_path / "t", **held), tmp_path / "out", decided("t"))
    kept = [row for row in range(N) if row not in (3, 11)]
    np.testing.assert_array_equal(read(tmp_path / "out")["inputs"], held["inputs"][kept])
