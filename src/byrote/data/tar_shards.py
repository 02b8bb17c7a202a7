"""Shards of images: .tar archives with `key.jpg` and `key.cls` side by side, as WebDataset writes them."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from byrote.data.image_files import HELD, SUFFIXES, TRAINING, ImageFile, refuse_size, split_images
from byrote.data.inert import inert
from byrote.data.problems import Problems, counted, quoted
from byrote.data.spelling import plain
from byrote.data.split import HELD_OUT, Split
from byrote.errors import CHECK_THE_PATH, BadInput

SUFFIX: Final = ".tar"
#: Where a shard says the class of an example: a number, or a name.
LABEL: Final = ".cls"
#: A class takes so many bytes at most.
_LONGEST: Final = 1000
_WRITE: Final = "each example is two files in one shard, key.jpg and key.cls, the second with its class in it."


def is_shards(name: str) -> bool:
    """Whether that is a .tar file by its name, or a folder with some and with no folder in it."""
    path = Path(name)
    if not path.is_dir():
        return path.suffix.lower() == SUFFIX
    return any(True for _ in _of_folder(path)) and not any(one.is_dir() for one in path.iterdir())


def from_tar_shards(path: Path | str, *, size: int | None = None, heldout: float = HELD_OUT, seed: int = 0) -> Split:
    """Read a .tar file, or a folder of them; ids are the shard's name and the key of the example in it.

    `key.jpg` (or .png, …) is the image of an example and `key.cls` its class. Shards whose names hold `train` and `val`
    (or `training`, `test`, …) are split already. Images become what `from_image_folder` makes of them. Nothing is
    unpacked beside the shards; inputs that are large for the machine's memory go to a file of the process.

    Args:
        path: the file or folder; archives are not compressed.
        size: width and height in pixels that all images are brought to; without it they must all have one size.
        heldout: the share of each class that no model trains on, where the shards are not split.
        seed: fixes which images these are.

    Raises:
        BadInput: there is no shard, one is damaged or compressed, an example lacks its image or its class, or an image
            cannot be read or has another size.

    Example:
        >>> import io, tarfile
        >>> from PIL import Image
        >>> with tarfile.open("pets.tar", "w") as shard:
        ...     for number in range(10):
        ...         picture = io.BytesIO()
        ...         Image.new("L", (8, 8), 25 * number).save(picture, "PNG")
        ...         for ending, content in (("png", picture.getvalue()), ("cls", b"dog" if number % 2 else b"cat")):
        ...             member = tarfile.TarInfo(f"{number}.{ending}")
        ...             member.size = len(content)
        ...             shard.addfile(member, io.BytesIO(content))
        >>> byrote.from_tar_shards("pets.tar").training
        Dataset('pets', 8 examples of 1 × 8 × 8, 2 classes)
    """
    refuse_size(size)
    place = Path(path)
    shards = shards_of(place)
    if not shards or not place.exists():
        raise BadInput(
            f"There is no file of shards {str(path)!r}, and no folder of them.",
            hint=f"{CHECK_THE_PATH.rstrip('.')}; shards end in {SUFFIX}.",
        )
    training, held, notes = _parts(shards)
    files = [[one for shard in part for one in examples(shard)] for part in (training, held)]
    names = sorted({one.name for part in files for one in part}, key=_in_order)
    if len(names) < 2 or not files[0]:
        raise BadInput(
            f"The shards {str(path)!r} must hold images of two or more classes. Got {quoted(names) or 'none'}.",
            hint=_WRITE,
        )
    name = inert(place.resolve().name.removesuffix(SUFFIX)) or "images"
    others = files[1] if held else None
    return split_images(files[0], others, name, names, size=size, notes=notes, heldout=heldout, seed=seed)


def _of_folder(folder: Path) -> Iterator[Path]:
    return (one for one in folder.iterdir() if one.suffix.lower() == SUFFIX and not one.name.startswith("."))


def _parts(shards: Sequence[Path]) -> tuple[list[Path], list[Path], tuple[str, ...]]:
    """The shards to train on and those held out, by the words of their names, and which were left out."""
    words = {shard: set(re.split(r"[^a-z]+", shard.stem.casefold())) for shard in shards}
    training = [shard for shard in shards if words[shard] & set(TRAINING)]
    kinds = [kind for kind in HELD if any(kind in words[shard] for shard in shards)]
    if not training or not kinds:
        return list(shards), [], ()
    held = [shard for shard in shards if kinds[0] in words[shard] and shard not in training]
    left_out = [inert(shard.name) for shard in shards if shard not in {*training, *held}]
    if not left_out:
        return training, held, ()
    are = counted(len(left_out), "shard is neither trained on nor", "shards are neither trained on nor")
    return training, held, (f"{are} held out, by their names: {quoted(left_out)}.",)


def named(member: tarfile.TarInfo) -> tuple[str, str] | None:
    """The key of a file in a shard, and its ending in small letters; None of what is no plain file with both.

    Example:
        >>> named(tarfile.TarInfo("part/0001.JPG"))
        ('part/0001', '.jpg')
    """
    folder, _, file = member.name.rpartition("/")
    key, dot, _ = file.partition(".")
    if not member.isreg() or member.issparse() or not key or not dot:
        return None
    return (f"{folder}/{key}" if folder else key), Path(file).suffix.lower()


def members(shard: Path) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """The members of a shard, one after another.

    Raises:
        BadInput: it is damaged, or compressed.
    """
    try:
        with tarfile.open(shard, "r:") as archive:
            for member in archive:
                archive.members = []  # type: ignore[attr-defined]  # it would remember all of them
                yield archive, member
    except (tarfile.TarError, OSError, EOFError) as error:
        raise _damaged(shard, error) from error


def _label(shard: Path, archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    try:
        stream = archive.extractfile(member)
        return "" if stream is None else plain(stream.read(_LONGEST).decode("utf-8", "replace"))
    except (tarfile.TarError, OSError) as error:
        raise _damaged(shard, error) from error


def _damaged(shard: Path, error: Exception) -> BadInput:
    what = inert(str(error))[:200].rstrip(".")
    return BadInput(
        f"The shard {str(shard)!r} is damaged, or compressed: {what}.",
        hint="copy it again, or unpack it as with gunzip: shards are read where they lie.",
    )


def shards_of(place: Path) -> list[Path]:
    """The shards of a folder in the order of their names, or the one that a file is."""
    return sorted(_of_folder(place)) if place.is_dir() else [place]


def examples(shard: Path) -> list[ImageFile]:
    """The examples of a shard in their order, with where their images lie in it.

    Raises:
        BadInput: it is no such shard.
    """
    images, labels = dict[str, tuple[int, int]](), dict[str, str]()
    twice: list[str] = []
    for archive, member in members(shard):
        key, ending = named(member) or ("", "")
        if ending in SUFFIXES:
            twice += [key] * (key in images)
            images[key] = (member.offset_data, member.size)
        elif ending == LABEL:
            labels[key] = _label(shard, archive, member)
    problems = Problems(shard.name)
    lacking = {
        "no class": [key for key in images if not labels.get(key)],
        "no image": [key for key in labels if key not in images],
        "two images": twice,
    }
    for what, keys in lacking.items():
        if keys:
            have = counted(len(keys), "example has", "examples have")
            problems.add(f"{have} {what} ({quoted(map(inert, keys))})", _WRITE.rstrip("."))
    problems.settle()
    return [
        ImageFile(path=shard, id=id_of(shard, key), name=labels[key], start=start, length=length)
        for key, (start, length) in images.items()
    ]


def id_of(shard: Path, key: str) -> str:
    """What an example is called."""
    return inert(f"{shard.stem}/{key}")


def _in_order(name: str) -> tuple[bool, int, str]:
    """Classes that are numbers in the order of these, others by name."""
    number = re.fullmatch(r"-?\d{1,18}", name, re.ASCII)
    return (number is None, int(name) if number else 0, name)
