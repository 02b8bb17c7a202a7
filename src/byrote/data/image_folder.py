"""Folders of images: one subfolder per class, one file per example."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from byrote.data.image_files import HELD, SUFFIXES, TRAINING, ImageFile, refuse_size, split_images
from byrote.data.inert import inert
from byrote.data.problems import counted, quoted
from byrote.data.split import HELD_OUT, Split
from byrote.errors import CHECK_THE_PATH, BadInput

_SET: Final = re.compile(r"[ _-]?(set|data)$")
#: What macOS puts beside the content of an archive.
_REMAINS: Final = "__MACOSX"


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
    refuse_size(size)
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
    if len(found) == 1:
        return split_images(found[0], None, name, there, size=size, heldout=heldout, seed=seed, notes=notes)
    return split_images(found[0], found[1], name, there, size=size, notes=notes)


def class_files(folder: Path) -> list[tuple[ImageFile, Path]]:
    """Every image of such a folder, with the folder that its class folder stands in.

    Raises:
        BadInput: there is no such folder, or it is no split that can be read.
    """
    roots, _ = _roots(folder)
    return [(one, root) for root in roots for one in _files(folder, root, _subfolders(root))[0]]


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
