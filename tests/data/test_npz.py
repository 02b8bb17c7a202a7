import io
import os
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from byrote.data.npz import from_npz
from byrote.errors import BadInput, ByroteError

ARRAYS = {"inputs": np.arange(60.0).reshape(20, 3), "targets": np.arange(20) % 2}


def written(path, compressed=False, **arrays):
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    return path


def refusal(path):
    with pytest.raises(BadInput) as caught:
        from_npz(path)
    return str(caught.value)


def test_images_of_16_bits_go_from_0_to_1_held_out_ones_by_the_same_number(tmp_path):
    images = np.random.default_rng(0).integers(0, 50_000, (20, 6, 6)).astype(np.uint16)
    more = {"heldout_inputs": images[:4] // 2, "heldout_targets": np.arange(4) % 2}
    made = from_npz(written(tmp_path / "a.npz", inputs=images, targets=np.arange(20) % 2, **more))
    np.testing.assert_array_equal(made.training.inputs[:, 0], images / np.float32(65_535))
    np.testing.assert_array_equal(made.heldout.inputs[:, 0], images[:4] // 2 / np.float32(65_535))
    assert made.notes == ("Images are divided by 65535, so that their numbers go from 0 to 1.",)
    same = {"inputs": images.astype(np.int64) // 200, "heldout_inputs": images[:4].astype(np.int64) // 900}
    made = from_npz(written(tmp_path / "b.npz", targets=np.arange(20) % 2, **(more | same)))
    np.testing.assert_array_equal(made.heldout.inputs[:, 0], images[:4] // 900 / np.float32(255))
    assert made.training.fingerprint() == (
        from_npz(
            written(
                tmp_path / "b.npz",
                targets=np.arange(20) % 2,
                **(more | {name: array.astype(np.uint8) for name, array in same.items()}),
            )
        ).training.fingerprint()
    )


def test_held_out_images_of_another_type_are_refused(tmp_path):
    images = np.ones((20, 6, 6), np.uint8)
    more = {"heldout_inputs": images[:4] / 255, "heldout_targets": np.arange(4) % 2}
    said = refusal(written(tmp_path / "a.npz", inputs=images, targets=np.arange(20) % 2, **more))
    assert "are images of the types 'float64', 'uint8'" in said


def test_minus_one_and_one_are_two_classes_of_both_parts(tmp_path):
    labels = np.array([-1, 1] * 10)
    more = {"heldout_inputs": np.ones((3, 3)), "heldout_targets": np.array([1, -1, 1])}
    made = from_npz(written(tmp_path / "a.npz", inputs=ARRAYS["inputs"], targets=labels, **more))
    assert made.training.class_names == made.heldout.class_names == ("-1", "1")
    assert made.training.targets.tolist() == [0, 1] * 10
    assert made.heldout.targets.tolist() == [1, 0, 1]


def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.npz")
    assert "pipe.npz' is not a file" in refusal(tmp_path / "pipe.npz")


@pytest.mark.parametrize("compressed", [False, True])
def test_what_a_file_becomes(tmp_path, compressed):
    more = {"ids": [f"r{i}" for i in range(20)], "groups": np.arange(20) // 2, "class_names": ["no", "yes"]}
    made = from_npz(written(tmp_path / "mine.npz", compressed, **ARRAYS, **more, other=np.zeros(3)))
    data = made.training
    assert (data.name, data.class_names) == ("mine", ("no", "yes"))
    assert not set(data.groups) & set(made.heldout.groups)
    row = int(data.ids[0][1:])
    np.testing.assert_array_equal(data.inputs[0], ARRAYS["inputs"][row])
    assert made.notes[0] == "The file holds more arrays, which are left out: 'other'."
    assert made.notes[1].startswith("4 of 20 examples are held out")


@pytest.mark.parametrize("order", ["C", "F"])
def test_axes_of_any_order(tmp_path, order):
    made = from_npz(
        written(tmp_path / "a.npz", inputs=np.asarray(ARRAYS["inputs"], order=order), targets=ARRAYS["targets"]),
        heldout=0.0,
    )
    np.testing.assert_array_equal(made.training.inputs, ARRAYS["inputs"])


def test_what_is_held_out_already(tmp_path):
    held = {"heldout_inputs": np.ones((4, 3)), "heldout_targets": [0, 1, 0, 1]}
    made = from_npz(written(tmp_path / "a.npz", **ARRAYS, **held))
    assert (len(made.training), len(made.heldout)) == (20, 4)
    assert "lacks the array 'heldout_targets'" in refusal(
        written(tmp_path / "b.npz", **ARRAYS, heldout_inputs=np.ones((4, 3)))
    )
    assert "the shape (2,) per example" in refusal(
        written(tmp_path / "c.npz", **ARRAYS, **{**held, "heldout_inputs": np.ones((4, 2))})
    )


class Evil:
    def __reduce__(self):
        raise AssertionError


def test_nothing_is_unpickled(tmp_path):
    path = written(tmp_path / "a.npz", inputs=ARRAYS["inputs"], targets=np.array(["a", None] * 10, object))
    assert "holds Python objects, which byrote never unpickles" in refusal(path)
    path.write_bytes(pickle.dumps({"inputs": [1]}))
    assert "is damaged or no .npz" in refusal(path)


def test_what_is_refused(tmp_path):
    assert "There is no file" in refusal(tmp_path / "none.npz")
    assert "lacks the array 'targets'; it holds 'inputs'" in refusal(
        written(tmp_path / "a.npz", inputs=ARRAYS["inputs"])
    )
    assert "one row per example" in refusal(written(tmp_path / "a.npz", inputs=ARRAYS["inputs"], targets=[0, 1]))


def packed(path, header, content):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        stream = io.BytesIO()
        np.lib.format.write_array_header_1_0(stream, header)
        archive.writestr("inputs.npy", stream.getvalue() + content)
        archive.writestr("targets.npy", stream.getvalue() + content)
    return path


@pytest.mark.parametrize("shape", [(10**12, 3), (2**62, 2**62), (10**5, 10**5)])
def test_a_header_that_promises_too_much_takes_no_memory(tmp_path, shape):
    path = packed(tmp_path / "a.npz", {"descr": "<f8", "fortran_order": False, "shape": shape}, bytes(1000))
    tracemalloc.start()
    assert "more than it can hold" in refusal(path)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_bytes_are_text(tmp_path):
    made = from_npz(written(tmp_path / "a.npz", inputs=ARRAYS["inputs"], targets=np.array([b"a", b"\xff\x1b"] * 10)))
    assert made.training.class_names == ("a", "\ufffd\\x1b")


def test_names_cannot_act(tmp_path):
    hostile = ["\x1b[2J", "../../\u202e"]
    made = from_npz(
        written(tmp_path / "a.npz", **ARRAYS, class_names=hostile, groups=hostile * 10, **{"../x\x1b": np.zeros(1)})
    )
    for text in (*made.training.class_names, *made.training.groups, *made.notes):
        assert str(text).isprintable()


FUZZ = settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(st.data())
def test_any_damage_gives_our_own_error(tmp_path, data):
    path = written(tmp_path / "a.npz", data.draw(st.booleans()), **ARRAYS, ids=[f"r{i}" for i in range(20)])
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
    try:
        made = from_npz(path)
    except ByroteError:
        return
    assert np.isfinite(made.training.inputs).all()


TYPES = st.sampled_from(["<f8", ">f4", "<i2", "|b1", "<c8", "<U3", "|S2", "<M8[s]", "|V4", "<f2", "|u1"])


@FUZZ
@given(TYPES, TYPES, st.lists(st.integers(0, 3), max_size=4), st.binary(max_size=12))
def test_arrays_of_every_type_and_shape(tmp_path, one, other, shape, content):
    def array(kind, sides):
        dtype = np.dtype(kind)
        size = int(np.prod(sides)) * dtype.itemsize
        raw = (content * (size // max(len(content), 1) + 1) + bytes(size))[:size]
        return np.frombuffer(raw, dtype).reshape(sides)

    length = shape[0] if shape else 2
    path = written(tmp_path / "a.npz", inputs=array(one, shape), targets=array(other, (length,)))
    try:
        from_npz(path)
    except ByroteError:
        return
