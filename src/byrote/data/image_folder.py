"""Folders of images: one subfolder per class, one file per example."""

from __future__ import annotations

import os
import re
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from byrote.data.arrays import from_arrays
from byrote.data.convert import OPAQUE, SMALLEST_SIDE, Transparent, one_example, scale_together
from byrote.data.dataset import Dataset
from byrote.data.inert import inert
from byrote.data.problems import Problems, counted, quoted
from byrote.data.split import HELD_OUT, Split, held_out, split
from byrote.errors import CHECK_THE_PATH, BadInput

SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
#: Folders of a dataset that was split already, in any case, also as `training_set`: one is trained on, and the first
#: that there is of the others held out.
TRAINING: Final = ("train", "training")
HELD: Final = ("test", "testing", "val", "valid", "validation", "eval", "evaluation")
_SET: Final = re.compile(r"[ _-]?(set|data)$")
#: What macOS puts beside the content of an archive.
_REMAINS: Final = "__MACOSX"
#: What a file may be, whatever its name says: no format whose decoder runs another program.
FORMATS: Final = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
#: An image of more pixels is refused before it is unpacked.
MOST_PIXELS: Final = 50_000_000
LARGEST_SIDE: Final = 4096


@dataclass(frozen=True, kw_only=True)
class ImageFile:
    """An image: where it is, its id, and its class as the folder is called."""

    path: Path
    id: str
    name: str


def from_image_folder(path: Path | str, *, size: int | None = None, heldout: float = HELD_OUT, seed: int = 0) -> Split:
    """Read a folder with one subfolder per class; ids are the files' paths in it.

    Images become float32 from 0 to 1, channel-first: one channel where all are grey, else three, without
    transparency; of moving ones the first picture is taken. Where nothing says how bright an image can be (32 bits,
    decimal numbers), all such images are divided by the smallest 2ⁿ − 1 that holds them. A folder that holds `train`
    and `test` (or `training`, `val`, …; in any case) with the classes in each is split already; what stands beside
    them is left out. A folder without an image is no class.

    Args:
        path: the folder.
        size: width and height in pixels that all images are brought to; without it they must all have one size.
        heldout: the share of each class that no model trains on.
        seed: fixes which images these are.

    Raises:
        BadInput: there is no such folder, it has no two classes, or an image cannot be read or has another size.

    Example:
        >>> from PIL import Image
        >>> for number in range(10):
        ...     folder = Path("pets", ("cat", "dog")[number % 2])
        ...     folder.mkdir(parents=True, exist_ok=True)
        ...     Image.new("L", (8, 8), 25 * number).save(folder / f"{number}.png")
        >>> byrote.from_image_folder("pets").training
        Dataset('pets', 8 examples of 1 × 8 × 8, 2 classes)
    """
    folder = Path(path)
    if size is not None and not SMALLEST_SIDE <= size <= LARGEST_SIDE:
        raise BadInput(
            f"The 'size' argument must be pixels from {SMALLEST_SIDE} to {LARGEST_SIDE}. Got {size}.",
            hint="size=32 is enough for the networks here; leave it out where all images have one size.",
        )
    roots, notes = _roots(folder)
    classes = sorted({name for root in roots for name in _subfolders(root)})
    files = [_files(folder, root, classes) for root in roots]
    there = sorted({one.name for images, _ in files for one in images})
    empty = sorted(set(classes) - set(there))
    if len(there) < 2:
        raise BadInput(
            f"The folder {str(path)!r} must have a subfolder with images for each of two or more classes. "
            f"Got {quoted(there) or 'none'}{f', and without an image {quoted(empty)}' if empty else ''}.",
            hint=f"folder/cat/1.png, folder/dog/1.png, …; images end in {', '.join(SUFFIXES)}.",
        )
    if empty:
        holds = counted(len(empty), "folder holds no image and is no class", "folders hold no image and are no classes")
        notes = (*notes, f"{holds}: {quoted(map(inert, empty))}.")
    name = inert(folder.resolve().name) or "images"
    left_out = [one for _, others in files for one in others]
    if left_out:
        are = counted(len(left_out), "file is no image by its name and", "files are no images by their names and")
        notes = (*notes, f"{are} left out: {quoted(left_out)}.")
    found = [one for one, _ in files]
    if not all(found):
        bare = [inert(root.name) for root, part in zip(roots, found, strict=True) if not part]
        raise BadInput(f"The folder {quoted(bare)} in {str(path)!r} holds no image.", hint="remove it, or fill it.")
    inputs, scaled = _read([file for part in found for file in part], name, size)
    notes = (*notes, *scaled)
    parts = np.split(inputs, np.cumsum([len(part) for part in found])[:-1])
    datasets = [_dataset(part, files, name, there) for part, files in zip(parts, found, strict=True)]
    if len(datasets) == 2:
        return Split(training=datasets[0], heldout=datasets[1].replace(name=f"{name}-held-out"), notes=notes)
    return split(datasets[0], held_out(datasets[0].targets, None, share=heldout, seed=seed), notes=notes)


def class_files(folder: Path) -> list[tuple[ImageFile, Path]]:
    """Every image of such a folder, with the folder that its class folder stands in.

    Raises:
        BadInput: there is no such folder, or it is no split that can be read.
    """
    roots, _ = _roots(folder)
    return [(one, root) for root in roots for one in _files(folder, root, _subfolders(root))[0]]


def _dataset(inputs: np.ndarray, files: Sequence[ImageFile], name: str, class_names: Sequence[str]) -> Dataset:
    label = {one: number for number, one in enumerate(class_names)}
    targets = np.array([label[file.name] for file in files], np.int64)
    names = [inert(one) for one in class_names]
    return from_arrays(inputs, targets, name=name, ids=[file.id for file in files], class_names=names)


def _roots(folder: Path) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Where the class folders are: in the folder, or in its parts for training and held out."""
    if not folder.is_dir():
        raise BadInput(f"There is no folder {str(folder)!r}.", hint=CHECK_THE_PATH)
    parts = [name for name in _subfolders(folder) if name != _REMAINS]
    stems = {name: _SET.sub("", name.casefold()) for name in parts}
    training = [name for name in parts if stems[name] in TRAINING]
    held = sorted((name for name in parts if stems[name] in HELD), key=lambda name: HELD.index(stems[name]))
    if not held or (not training and len(held) < len(parts)):
        return (folder / training[0] if len(parts) == len(training) == 1 else folder,), ()
    if len(training) != 1:
        raise BadInput(
            f"The folder {str(folder)!r} holds parts of a split ({quoted(parts)}), and {len(training)} to train on.",
            hint="name the one folder that is trained on 'train', and one that is held out 'test'.",
        )
    notes = [f"The folder {inert(name)!r} is left out, for {inert(held[0])!r} is held out." for name in held[1:]]
    others = [name for name in parts if name not in (*training, *held)]
    if others:
        are = counted(len(others), "folder is no part of the split and", "folders are no parts of the split and")
        notes.append(f"{are} left out: {quoted(map(inert, others))}.")
    return (folder / training[0], folder / held[0]), tuple(notes)


def _subfolders(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(one.name for one in entries if one.is_dir() and not one.name.startswith("."))


def _files(folder: Path, root: Path, classes: Sequence[str]) -> tuple[list[ImageFile], list[str]]:
    """The images below each class, and the other files there; links to folders are not followed."""
    images, others = [], []
    for name in classes:
        for place, folders, names in os.walk(root / name):
            folders[:] = sorted(one for one in folders if not one.startswith("."))
            for file in sorted(one for one in names if not one.startswith(".")):
                path = Path(place) / file
                shown = inert(path.relative_to(folder).as_posix())
                if path.suffix.lower() in SUFFIXES:
                    images.append(ImageFile(path=path, id=shown, name=name))
                else:
                    others.append(shown)
    return images, others


def _read(
    files: Sequence[ImageFile], name: str, size: int | None
) -> tuple[Float[np.ndarray, "image channel height width"], tuple[str, ...]]:
    """All images in one array, and a note of what some were divided by; what is wrong with them is told together."""
    problems = Problems(name)
    broken: dict[str, str] = {}
    bare: list[str] = []
    unknown: list[int] = []
    inputs = np.zeros((0, 1, 0, 0), np.float32)
    shapes: dict[str, tuple[int, int, bool]] = {}
    for file in files:
        try:
            shapes[file.id] = _shape(file.path)
        except Exception as error:  # whatever a decoder makes of a damaged file belongs to that file
            broken[file.id] = _message(error)
    sizes = Counter((height, width) for height, width, _ in shapes.values())
    if size is None and len(sizes) > 1:
        common, _ = sizes.most_common(1)[0]
        other = next(key for key, (height, width, _) in shapes.items() if (height, width) != common)
        height, width, _ = shapes[other]
        problems.add(
            f"its images have {len(sizes)} sizes; most are {common[1]} × {common[0]}, {other!r} is {width} × {height}",
            "--size 32 brings all to 32 × 32",
        )
    if sizes and not problems.clauses:
        height, width = (size, size) if size else next(iter(sizes))
        channels = 3 if any(coloured for *_, coloured in shapes.values()) else 1
        _refuse_too_large(name, len(files), channels, height, width)
        inputs = np.zeros((len(files), channels, height, width), np.float32)
        for position, file in enumerate(files):
            if file.id in broken:
                continue
            try:
                image, is_unknown = _decoded(file.path)
                inputs[position] = _resized(image, height, width)
                unknown += [position] * is_unknown
            except Transparent:
                bare.append(file.id)
            except Exception as error:  # as above
                broken[file.id] = _message(error)
    if broken:
        shown = "; ".join(f"{key!r}: {why}" for key, why in list(broken.items())[:3])
        more = ", …" if len(broken) > 3 else ""
        cannot = counted(len(broken), "image cannot be decoded", "images cannot be decoded")
        problems.add(f"{cannot} ({shown}{more})", "mend or remove these files")
    if bare:
        are = counted(len(bare), "image is", "images are")
        problems.add(f"{are} of one colour without transparency, which is not read ({quoted(bare)})", OPAQUE)
    below = [files[row].id for row in unknown if inputs[row].min() < 0]
    if below:
        hold = counted(len(below), "image holds", "images hold")
        problems.add(
            f"{hold} numbers below 0, so that nothing says what is black and what is white ({quoted(below)})",
            "save them with 8 or 16 bits, or all as arrays in an .npz",
        )
    problems.settle()
    by = scale_together(inputs, unknown)
    if by == 1:
        return inputs, ()
    of = counted(len(unknown), "image does not say its range", "images do not say their range")
    return inputs, (f"{of} (32 bits or decimal numbers): divided by {by:.0f}, they go from 0 to 1.",)


def _opened(path: Path) -> Any:
    from PIL import Image

    if not path.is_file():  # opening a pipe would wait for its writer
        raise ValueError("it is a pipe, a device or a broken link")
    picture = Image.open(path, formats=FORMATS)
    if picture.width * picture.height > MOST_PIXELS:
        picture.close()
        raise ValueError(f"it has {picture.width} × {picture.height} pixels, more than {MOST_PIXELS:,}")
    return picture


def _shape(path: Path) -> tuple[int, int, bool]:
    """Height, width and whether it has colours, by the file's head."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with _opened(path) as picture:
            turned = picture.getexif().get(0x0112) in (5, 6, 7, 8)
            grey = picture.mode in ("1", "L", "LA", "La", "F") or picture.mode.startswith("I")
            sides = (picture.width, picture.height) if turned else (picture.height, picture.width)
            return *sides, not grey


def _decoded(path: Path) -> tuple[Float[np.ndarray, "channel height width"], bool]:
    """The image as it is meant to be seen, turned as its camera was held; and whether nothing says its range."""
    from PIL import ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with _opened(path) as picture:
            ImageOps.exif_transpose(picture, in_place=True)
            return one_example(picture)


def _resized(
    image: Float[np.ndarray, "channel height width"], height: int, width: int
) -> Float[np.ndarray, "channel height2 width2"]:
    if image.shape[1:] == (height, width):
        return image
    from PIL import Image

    sides = (width, height)
    return np.stack([np.asarray(Image.fromarray(one).resize(sides, Image.Resampling.BILINEAR)) for one in image])


def _message(error: Exception) -> str:
    """A decoder's complaint in a few words, without the path."""
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return "no image that is known" if "cannot identify" in first else inert(first)[:100]


def _refuse_too_large(name: str, images: int, channels: int, height: int, width: int) -> None:
    """Refuse before anything is unpacked what this machine's memory cannot hold."""
    needed = images * channels * height * width * 4
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory:
        raise BadInput(
            f"The {images} images of {name!r} take {needed / 2**30:.1f} GiB at {width} × {height} pixels, this machine "
            f"has {memory / 2**30:.1f}.",
            hint="--size 64 makes them smaller.",
        )
