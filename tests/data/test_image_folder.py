import io
import os
import shutil
import struct
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from byrote.data.image_folder import from_image_folder
from byrote.errors import BadInput, ByroteError


def picture(seed=0, sides=(5, 6), mode="L"):
    rng = np.random.default_rng(seed)
    shape = sides if mode == "L" else (*sides, 3)
    image = Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))
    return image if mode in ("L", "RGB") else image.convert(mode)


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "pets"
    for seed in range(20):
        place = root / ("cat", "dog")[seed % 2]
        place.mkdir(parents=True, exist_ok=True)
        picture(seed).save(place / f"{seed}.png")
    return root


def refusal(folder, **options):
    with pytest.raises(BadInput) as caught:
        from_image_folder(folder, **options)
    return str(caught.value)


def test_what_a_folder_becomes(folder):
    made = from_image_folder(str(folder))
    data = made.training
    assert (data.name, data.class_names, data.inputs.shape[1:]) == ("pets", ("cat", "dog"), (1, 5, 6))
    assert (len(data), len(made.heldout)) == (16, 4)
    assert data.display.kind == "image"
    kind, file = data.ids[0].split("/")
    assert data.class_names[data.targets[0]] == kind
    np.testing.assert_allclose(data.inputs[0, 0] * 255, np.asarray(picture(int(file.removesuffix(".png")))), atol=1e-4)
    (held,) = made.notes
    every = len(made.training) + len(made.heldout)
    assert held.startswith(f"{len(made.heldout)} of {every} examples are held out")


def test_subfolders_hidden_and_other_files(folder):
    (folder / "cat" / "more").mkdir()
    picture(50).save(folder / "cat" / "more" / "50.JPG")
    (folder / "cat" / ".DS_Store").write_text("x")
    (folder / ".hidden").mkdir()
    (folder / "dog" / "readme.txt").write_text("x")
    made = from_image_folder(folder, heldout=0.0)
    assert "cat/more/50.JPG" in made.training.ids
    assert made.notes[0] == "1 file is no image by its name and left out: 'dog/readme.txt'."


def test_links_to_folders_are_not_followed(folder, tmp_path):
    os.symlink(tmp_path, folder / "cat" / "loop")
    assert len(from_image_folder(folder, heldout=0.0).training) == 20


@pytest.mark.parametrize("mode", ["RGB", "P", "RGBA", "CMYK"])
def test_one_coloured_image_gives_all_three_channels(folder, mode):
    picture(99, mode=mode).save(folder / "cat" / "99.tif")
    data = from_image_folder(folder, heldout=0.0).training
    assert data.inputs.shape[1:] == (3, 5, 6)
    grey = data.inputs[list(data.ids).index("dog/1.png")]
    np.testing.assert_array_equal(grey[0], grey[2])


def test_turned_cameras(folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(7, (6, 5)).save(folder / "dog" / "7.png", exif=exif)
    data = from_image_folder(folder, heldout=0.0).training
    row = list(data.ids).index("dog/7.png")
    np.testing.assert_allclose(data.inputs[row, 0] * 255, np.rot90(np.asarray(picture(7, (6, 5))), -1), atol=1e-4)


def test_sizes_that_differ(folder):
    picture(3, (8, 9), "RGB").save(folder / "dog" / "3.png")
    said = refusal(folder)
    assert "its images have 2 sizes; most are 6 × 5, 'dog/3.png' is 9 × 8" in said
    assert "--size 32" in said
    data = from_image_folder(folder, size=7, heldout=0.0).training
    assert data.inputs.shape == (20, 3, 7, 7)
    assert 0 <= data.inputs.min() < data.inputs.max() <= 1


def test_damaged_files_are_named_together(folder):
    (folder / "cat" / "0.png").write_bytes(b"no image")
    whole = (folder / "dog" / "1.png").read_bytes()
    (folder / "dog" / "1.png").write_bytes(whole[: len(whole) - 30])
    said = refusal(folder)
    assert "2 images cannot be decoded" in said
    assert "'cat/0.png': no image that is known" in said
    assert "'dog/1.png': " in said


def test_an_image_that_promises_too_much_is_not_unpacked(folder):
    head = b"IHDR" + struct.pack(">IIBBBBB", 10_000, 10_000, 1, 0, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    (folder / "cat" / "0.png").write_bytes(start + struct.pack(">I", 1_000) + b"IDAT")
    assert "'cat/0.png': it has 10000 × 10000 pixels, more than 50,000,000" in refusal(folder)


def test_what_is_refused(folder, tmp_path):
    assert "There is no folder" in refusal(tmp_path / "none")
    assert "two or more classes. Got 'pets'" in refusal(tmp_path)
    assert "'size' argument must be pixels from 4" in refusal(folder, size=3)
    for name in ("a", "b"):
        (tmp_path / "empty" / name).mkdir(parents=True)
    assert "Got none, and without an image 'a', 'b'" in refusal(tmp_path / "empty")


def test_a_folder_that_is_split_already(folder, tmp_path):
    root = tmp_path / "split"
    for part in ("train", "test", "val"):
        for name in ("cat", "dog"):
            (root / part / name).mkdir(parents=True)
            for seed in range(3):
                picture(seed).save(root / part / name / f"{seed}.png")
    made = from_image_folder(root)
    assert (len(made.training), len(made.heldout)) == (6, 6)
    assert made.training.ids[0] == "train/cat/0.png"
    assert made.heldout.class_names == made.training.class_names
    assert made.notes == ("The folder 'val' is left out, for 'test' is held out.",)


@pytest.mark.parametrize(
    ("training", "held"), [("Train", "Test"), ("TRAINING", "Testing"), ("training_set", "test_set"), ("train", "VAL")]
)
def test_parts_of_a_split_in_any_case_are_no_classes(folder, tmp_path, training, held):
    root = tmp_path / "split"
    shutil.copytree(folder, root / training)
    shutil.copytree(folder, root / held)
    made = from_image_folder(root)
    assert made.training.class_names == made.heldout.class_names == ("cat", "dog")
    assert (len(made.training), len(made.heldout)) == (20, 20)
    assert made.heldout.ids[0].startswith(f"{held}/cat/")
    shutil.copytree(folder / "cat", root / "models")
    made = from_image_folder(root)
    assert (len(made.training), made.training.class_names) == (20, ("cat", "dog"))
    assert made.notes == ("1 folder is no part of the split and left out: 'models'.",)


def test_a_split_of_which_nobody_can_say_what_is_trained_on(folder, tmp_path):
    root = tmp_path / "split"
    shutil.copytree(folder, root / "test")
    shutil.copytree(folder, root / "val")
    assert "holds parts of a split ('test', 'val'), and 0 to train on" in refusal(root)
    for name in ("train", "Training"):
        shutil.copytree(folder, root / name)
    assert "and 2 to train on. Hint: name the one folder that is trained on 'train'" in refusal(root)
    shutil.rmtree(root / "Training")
    assert len(from_image_folder(root).training) == 20


def test_one_part_alone_and_classes_of_such_names(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "one" / "Train")
    (tmp_path / "one" / "__MACOSX").mkdir()
    assert from_image_folder(tmp_path / "one", heldout=0.0).training.class_names == ("cat", "dog")
    shutil.copytree(folder / "cat", folder / "train")
    assert from_image_folder(folder, heldout=0.0).training.class_names == ("cat", "dog", "train")


def test_folders_without_an_image_are_no_classes(folder):
    (folder / "bird").mkdir()
    (folder / "__MACOSX" / "cat").mkdir(parents=True)
    (folder / "__MACOSX" / "cat" / "._1.png").write_bytes(b"x")
    made = from_image_folder(folder, heldout=0.0)
    assert made.training.class_names == ("cat", "dog")
    assert made.notes[0] == "2 folders hold no image and are no classes: '__MACOSX', 'bird'."


def rows_of(data, *names):
    return [data.inputs[list(data.ids).index(name)] for name in names]


def test_images_whose_range_nothing_says_go_from_0_to_1_together(folder):
    pixels = np.random.default_rng(0).random((2, 5, 6)).astype(np.float32) * np.float32(120)
    pixels[0, 0, 0] = 250
    for name, image in zip(("0", "2"), pixels, strict=True):
        Image.fromarray(image).save(folder / "cat" / f"{name}.tif")
    made = from_image_folder(folder, heldout=0.0)
    for image, row in zip(pixels, rows_of(made.training, "cat/0.tif", "cat/2.tif"), strict=True):
        np.testing.assert_array_equal(row[0], image / np.float32(255))
    assert made.notes[0] == (
        "2 images do not say their range (32 bits or decimal numbers): divided by 255, they go from 0 to 1."
    )


@pytest.mark.parametrize(
    ("dtype", "suffix", "largest"),
    [("uint8", "tif", 255), ("uint16", "tif", 65_535), ("uint16", "png", 65_535), ("uint16", "pgm", 65_535)],
)
def test_images_that_say_their_range_keep_it(folder, dtype, suffix, largest):
    pixels = np.arange(30, dtype=dtype).reshape(5, 6)
    Image.fromarray(pixels).save(folder / "cat" / f"new.{suffix}")
    made = from_image_folder(folder, heldout=0.0)
    (row,) = rows_of(made.training, f"cat/new.{suffix}")
    np.testing.assert_allclose(row[0], pixels / largest, rtol=1e-6)
    assert made.notes == ("No example is held out.",)


def test_images_of_32_bits(folder):
    pixels = np.arange(30, dtype=np.int32).reshape(5, 6) * 1_700
    Image.fromarray(pixels).save(folder / "cat" / "new.tif")
    (row,) = rows_of(from_image_folder(folder, heldout=0.0).training, "cat/new.tif")
    np.testing.assert_allclose(row[0], pixels / 65_535, rtol=1e-6)
    Image.fromarray(-pixels).save(folder / "cat" / "new.tif")
    assert "1 image holds numbers below 0, so that nothing says what is black" in refusal(folder)


def test_images_that_are_white_to_begin_with_are_left_alone(folder):
    Image.fromarray(np.full((5, 6), 0.5, np.float32)).save(folder / "cat" / "new.tif")
    made = from_image_folder(folder, heldout=0.0)
    assert rows_of(made.training, "cat/new.tif")[0].max() == 0.5
    assert made.notes == ("No example is held out.",)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_an_image_whose_content_is_its_transparency(folder, mode):
    pixels = np.zeros((5, 6, 4), np.uint8)
    pixels[1:, :, 3] = 255
    Image.fromarray(pixels).convert(mode).save(folder / "cat" / "bare.png")
    said = refusal(folder)
    assert "1 image is of one colour without transparency, which is not read ('cat/bare.png')" in said
    assert "Image.alpha_composite(Image.new('RGBA', image.size, 'white'), image.convert('RGBA'))" in said
    with Image.open(folder / "cat" / "bare.png") as image:
        mended = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    mended.save(folder / "cat" / "bare.png")
    (row,) = rows_of(from_image_folder(folder, heldout=0.0).training, "cat/bare.png")
    assert (row[:, 0].min(), row[:, 1:].max()) == (1, 0)


def test_pipes_and_broken_links_are_named(folder):
    os.mkfifo(folder / "cat" / "pipe.png")
    os.symlink("nowhere", folder / "dog" / "link.png")
    said = refusal(folder)
    assert "'cat/pipe.png': it is a pipe, a device or a broken link" in said
    assert "'dog/link.png': " in said


def test_names_cannot_act(folder):
    name = "\x1b[2J\u202e<img src=x>"
    (folder / "dog").rename(folder / name)
    (folder / name / "1.png").rename(folder / name / "=cmd()\n.png")
    data = from_image_folder(folder, heldout=0.0).training
    for text in (*data.ids, *data.class_names):
        assert str(text).isprintable()
    (folder / name / "3.png").write_bytes(b"x")
    assert "\x1b" not in refusal(folder)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"]), st.data())
def test_any_damage_gives_our_own_error(folder, kind, data):
    stream = io.BytesIO()
    picture(1, mode="RGB").save(stream, kind)
    content = bytearray(stream.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (folder / "dog" / "1.png").write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        made = from_image_folder(folder)
    except ByroteError:
        return
    assert np.isfinite(made.training.inputs).all()
