import io
import tarfile
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from byrote.data import blocks, room
from byrote.data.applied import apply_decisions
from byrote.data.decisions import Decision
from byrote.data.image_folder import from_image_folder
from byrote.data.mapped import place_of
from byrote.data.source import Reading, kind_of, read_source
from byrote.data.tar_shards import from_tar_shards
from byrote.errors import BadInput

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (60, 12, 12, 3), dtype=np.uint8)


def png(pixels):
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "PNG")
    return written.getvalue()


def shard(path, files):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def shards(folder, count=3, labels=lambda number: str(number % 3), name="part-{:03d}.tar"):
    for number in range(count):
        rows = range(number, len(PIXELS), count)
        files = {f"{row:04d}.png": png(PIXELS[row]) for row in rows} | {
            f"{r:04d}.cls": labels(r).encode() for r in rows
        }
        files["about.json"] = b"{}"
        shard(folder / name.format(number), files)
    return folder


def test_shards_are_read_as_a_folder_of_the_same_images(tmp_path):
    made = from_tar_shards(shards(tmp_path / "pets"), heldout=0.2)
    assert kind_of(str(tmp_path / "pets")) == kind_of("pets.tar") == "shards"
    assert made.training.class_names == ("0", "1", "2")
    assert (len(made.training), len(made.heldout)) == (48, 12)
    for data in (made.training, made.heldout):
        for row, name in enumerate(data.ids):
            part, key = name.split("/")
            assert int(part[-3:]) == int(key) % 3 == data.targets[row]
            np.testing.assert_allclose(data.inputs[row], np.moveaxis(PIXELS[int(key)], -1, 0) / 255, rtol=1e-6)
    for row, pixels in enumerate(PIXELS):
        place = tmp_path / "folder" / str(row % 3) / f"{row:04d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(png(pixels))
    again = from_image_folder(tmp_path / "folder", heldout=0.2)
    np.testing.assert_array_equal(again.training.inputs, made.training.inputs)


def test_classes_that_are_numbers_stand_in_their_order(tmp_path):
    made = read_source(str(shards(tmp_path / "a", labels=lambda n: str(n % 11))), Reading(size=8), seed=0)
    assert made.training.class_names == tuple(map(str, range(11)))
    assert made.training.inputs.shape[1:] == (3, 8, 8)
    named = from_tar_shards(shards(tmp_path / "b", labels=lambda n: f" {'cat' if n % 2 else 'Dog'}\n"))
    assert named.training.class_names == ("Dog", "cat")


def test_shards_that_are_split_already(tmp_path):
    shards(tmp_path / "pets", name="pets-train-{:03d}.tar")
    for kind, key in (("val", "0001"), ("test", "0002")):
        files = {f"{key}.jpg": png(PIXELS[0]), f"{key}.cls": b"0"}
        shard(tmp_path / "pets" / f"pets-{kind}-000.tar", files)
    made = from_tar_shards(tmp_path / "pets")
    assert len(made.training) == 60
    assert made.heldout.ids.tolist() == ["pets-test-000/0002"]
    assert "'pets-val-000.tar'" in made.notes[0]


def test_inputs_that_are_large_are_the_same_and_take_no_memory(tmp_path, monkeypatch):
    folder = shards(tmp_path / "pets")
    expected = from_tar_shards(folder, size=64)
    monkeypatch.setattr(room, "memory", lambda: 2**20)
    monkeypatch.setattr(blocks, "VALUES_PER_BLOCK", 20_000)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    tracemalloc.start()
    made = from_tar_shards(folder, size=64)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert expected.training.inputs.nbytes > 2e6 > peak
    files = [place_of(data.inputs).file for data in (made.training, made.heldout)]
    assert files[0] == files[1]
    assert made.training.fingerprint() == expected.training.fingerprint()
    assert made.heldout.fingerprint() == expected.heldout.fingerprint()


GOOD = {"1.png": png(PIXELS[0]), "1.cls": b"a", "2.png": png(PIXELS[1]), "2.cls": b"b"}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({**GOOD, "3.png": png(PIXELS[2])}, "1 example has no class \\('3'\\)"),
        ({**GOOD, "3.cls": b"a"}, "1 example has no image \\('3'\\)"),
        ({**GOOD, "2.jpg": png(PIXELS[2])}, "1 example has two images \\('2'\\)"),
        ({name: GOOD[name] for name in ("1.png", "1.cls")}, "must hold images of two or more classes. Got 'a'"),
        ({**GOOD, "3.png": b"none", "3.cls": b"a"}, "1 image cannot be decoded"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, files, words):
    path = shard(tmp_path / "pets.tar", files)
    with pytest.raises(BadInput, match=words):
        from_tar_shards(path)


def test_a_shard_that_is_cut_off_or_no_archive(tmp_path):
    path = shard(tmp_path / "pets.tar", GOOD)
    whole = path.read_bytes()
    for content in (b"nothing of the kind" * 100, whole[:1200], b"\x1f\x8b" + bytes(600)):
        path.write_bytes(content)
        with pytest.raises(BadInput, match=r"is damaged, or compressed|cannot be decoded|no class"):
            from_tar_shards(path)
    with pytest.raises(BadInput, match="There is no file of shards"):
        from_tar_shards(tmp_path / "other.tar")


def test_decisions_are_applied_to_shards(tmp_path):
    source = shards(tmp_path / "pets", labels=lambda n: "cat" if n % 2 else "dog")
    before = from_tar_shards(source, heldout=0.0).training
    label = dict(zip(before.ids.tolist(), before.targets.tolist(), strict=True))
    decisions = [
        Decision(example="part-000/0003", action="relabel", new="dog"),
        Decision(example="part-001/0004", action="remove"),
    ]
    apply_decisions(source, tmp_path / "out", decisions)
    after = from_tar_shards(tmp_path / "out", heldout=0.0).training
    expected = {**label, "part-000/0003": before.class_names.index("dog")}
    del expected["part-001/0004"]
    assert dict(zip(after.ids.tolist(), after.targets.tolist(), strict=True)) == expected
    np.testing.assert_array_equal(after.inputs, before.inputs[np.isin(before.ids, after.ids)])
    with tarfile.open(tmp_path / "out" / "part-001.tar") as archive:
        assert "about.json" in archive.getnames()
