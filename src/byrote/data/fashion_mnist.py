"""Fashion-MNIST: 60,000 and 10,000 pictures of clothes, from the four idx files that its authors publish."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from byrote.data.arrays import from_arrays
from byrote.data.dataset import Dataset
from byrote.data.idx import read_idx
from byrote.errors import BadInput

CLASS_NAMES: Final = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


FOUR = "take the four idx files of one release, under the names that they were published with."


def fashion_mnist(data_dir: Path | str) -> tuple[Dataset, Dataset]:
    """The training and the test pictures as [example, 1, 28, 28] in 0..1.

    Raises:
        BadInput: a file is missing or damaged, or pictures and labels do not belong together.

    Example:
        >>> train, test = byrote.fashion_mnist("fashion-mnist")  # a folder with the authors' four files
        >>> train.inputs.shape[1:], train.class_names[:2]
        ((1, 28, 28), ('T-shirt/top', 'Trouser'))
    """
    folder = Path(data_dir)
    if not folder.is_dir():
        raise BadInput(
            f"There is no folder {str(folder)!r} with Fashion-MNIST.",
            hint="`apt install dataset-fashion-mnist` puts it in /usr/share/datasets/fashion-mnist.",
        )
    return _part(folder, "train", "fashion-mnist"), _part(folder, "t10k", "fashion-mnist-held-out")


def _part(folder: Path, prefix: str, name: str) -> Dataset:
    images_file, labels_file = (
        folder / f"{prefix}-images-idx3-ubyte.gz",
        folder / f"{prefix}-labels-idx1-ubyte.gz",
    )
    images, labels = read_idx(images_file), read_idx(labels_file)
    for path, array, axes in ((images_file, images, 3), (labels_file, labels, 1)):
        if array.ndim != axes or array.dtype.name != "uint8":
            got = f"{array.ndim} of {array.dtype.name}"
            raise BadInput(f"The file {str(path)!r} must have {axes} axes of uint8. It has {got}.", hint=FOUR)
    if len(images) != len(labels):
        raise BadInput(
            f"The files {images_file.name!r} and {labels_file.name!r} do not belong together: "
            f"{len(images)} images, {len(labels)} labels.",
            hint=FOUR,
        )
    return from_arrays(images, labels, name=name, class_names=CLASS_NAMES)
