"""Images in files, by themselves or in archives, as one array of inputs."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from byrote.data.arrays import from_arrays
from byrote.data.convert import OPAQUE, SMALLEST_SIDE, Transparent, one_example, scale_together
from byrote.data.inert import inert
from byrote.data.mapped import new
from byrote.data.problems import Problems, counted, quoted
from byrote.data.split import HELD_OUT, Split, held_out, split
from byrote.errors import BadInput

SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
#: Folders, or archives, of a dataset that was split already, in any case, also as `training_set`: one is trained on,
#: and the first that there is of the others held out.
TRAINING: Final = ("train", "training")
HELD: Final = ("test", "testing", "val", "valid", "validation", "eval", "evaluation")
#: What a file may be, whatever its name says: no format whose decoder runs another program.
FORMATS: Final = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
#: An image of more pixels is refused before it is unpacked.
MOST_PIXELS: Final = 50_000_000
LARGEST_SIDE: Final = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageFile:
    """An image: its file, id and class; in an archive also where in that it starts, and how many bytes it has."""

    path: Path
    id: str
    name: str
    start: int = 0
    length: int | None = None

    def content(self) -> Path | BytesIO:
        """What Pillow opens.

        Raises:
            ValueError: it is no plain file.
        """
        if not self.path.is_file():  # opening a pipe would wait for its writer
            raise ValueError("it is a pipe, a device or a broken link")
        if self.length is None:
            return self.path
        with self.path.open("rb") as archive:
            archive.seek(self.start)
            return BytesIO(archive.read(self.length))


def refuse_size(size: int | None) -> None:
    """Refuse a size that images cannot be brought to.

    Raises:
        BadInput: it is one.
    """
    if size is not None and not SMALLEST_SIDE <= size <= LARGEST_SIDE:
        raise BadInput(
            f"The 'size' argument must be pixels from {SMALLEST_SIDE} to {LARGEST_SIDE}. Got {size}.",
            hint="size=32 is enough for the networks here; leave it out where all images have one size.",
        )


def split_images(
    files: Sequence[ImageFile],
    others: Sequence[ImageFile] | None,
    name: str,
    class_names: Sequence[str],
    *,
    size: int | None,
    notes: tuple[str, ...],
    heldout: float = HELD_OUT,
    seed: int = 0,
) -> Split:
    """Images to train on, and `others` held out; where there are none, a share of each class.

    Raises:
        BadInput: see `read_images`.
    """
    label = {one: number for number, one in enumerate(class_names)}
    if others is None:
        held = held_out(np.array([label[file.name] for file in files]), None, share=heldout, seed=seed)
    else:
        files, held = [*files, *others], np.arange(len(files) + len(others)) >= len(files)
    order = np.argsort(held, kind="stable")  # each part lies in one piece, so that it stays in its file
    files, held = [files[row] for row in order], held[order]
    inputs, scaled = read_images(files, name, size)
    whole = from_arrays(
        inputs,
        np.array([label[file.name] for file in files], np.int64),
        name=name,
        ids=[file.id for file in files],
        class_names=[inert(one) for one in class_names],
    )
    if others is None:
        return split(whole, held, notes=(*notes, *scaled))
    parts = [whole.subset(held == one) for one in (False, True)]
    return Split(training=parts[0], heldout=parts[1].replace(name=f"{name}-held-out"), notes=(*notes, *scaled))


def read_images(
    files: Sequence[ImageFile], name: str, size: int | None
) -> tuple[Float[np.ndarray, "image channel height width"], tuple[str, ...]]:
    """All images in one array, and a note of what some were divided by; what is wrong with them is told together.

    Raises:
        BadInput: an image cannot be read, or has another size and none was asked for.
    """
    problems = Problems(name)
    broken: dict[str, str] = {}
    bare: list[str] = []
    unknown: list[int] = []
    inputs = np.zeros((0, 1, 0, 0), np.float32)
    shapes: dict[str, tuple[int, int, bool]] = {}
    for file in files:
        try:
            shapes[file.id] = _shape(file)
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
        inputs = new((len(files), channels, height, width))
        for position, file in enumerate(files):
            if file.id in broken:
                continue
            try:
                image, is_unknown = _decoded(file)
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


def _opened(file: ImageFile) -> Any:
    from PIL import Image

    picture = Image.open(file.content(), formats=FORMATS)
    if picture.width * picture.height > MOST_PIXELS:
        picture.close()
        raise ValueError(f"it has {picture.width} × {picture.height} pixels, more than {MOST_PIXELS:,}")
    return picture


def _shape(file: ImageFile) -> tuple[int, int, bool]:
    """Height, width and whether it has colours, by the image's head."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with _opened(file) as picture:
            turned = picture.getexif().get(0x0112) in (5, 6, 7, 8)
            grey = picture.mode in ("1", "L", "LA", "La", "F") or picture.mode.startswith("I")
            sides = (picture.width, picture.height) if turned else (picture.height, picture.width)
            return *sides, not grey


def _decoded(file: ImageFile) -> tuple[Float[np.ndarray, "channel height width"], bool]:
    """The image as it is meant to be seen, turned as its camera was held; and whether nothing says its range."""
    from PIL import ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with _opened(file) as picture:
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
