"""Valid files of every kind that byrote reads, and ways to spoil them."""

from __future__ import annotations

import copy
import gzip
import json
import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from safetensors.numpy import save_file

from byrote.analyses.calibration import Calibration
from byrote.data.canaries import plant, read_canaries
from byrote.data.corpus import corpus_from_texts, read_corpus
from byrote.data.idx import read_idx
from byrote.data.image_folder import from_image_folder
from byrote.data.members import read_members
from byrote.data.npz import from_npz
from byrote.data.table import from_table
from byrote.data.text_table import from_text_table
from byrote.data.tokenizers import read_tokenizer
from byrote.engine.given_model import load_weights
from byrote.recipes.algorithm import Shape
from byrote.recipes.networks.mlp import MLP
from byrote.recipes.recipe import Recipe
from byrote.runs import readers
from byrote.runs.run import Run
from report.made import make_run
from runs.readers import folders
from small import blobs

RNG = np.random.default_rng(0)
ROWS = 40


@dataclass(frozen=True)
class Kind:
    """What `make` writes into an empty folder, `read` reads from the path that `make` gives back.

    Of a folder the files of the pattern `only` are spoiled. `quick` says whether reading takes little time.
    """

    make: Callable[[Path], Path]
    read: Callable[[Path, Path], Any]
    only: str = "*"
    quick: bool = True


def npz(folder: Path) -> Path:
    path = folder / "data.npz"
    np.savez_compressed(
        path,
        inputs=RNG.random((ROWS, 4)).astype(np.float32),
        targets=np.arange(ROWS) % 2,
        ids=np.array([f"row-{i}" for i in range(ROWS)]),
        groups=np.arange(ROWS) // 2,
    )
    return path


def idx(folder: Path, *, packed: bool = False) -> Path:
    content = b"\x00\x00\x08\x03" + np.array([ROWS, 4, 4], ">u4").tobytes() + bytes(ROWS * 16)
    path = folder / ("images.gz" if packed else "images")
    path.write_bytes(gzip.compress(content) if packed else content)
    return path


def columns() -> dict[str, Any]:
    return {
        "age": RNG.integers(0, 90, ROWS).tolist(),
        "colour": [("red", "blue", "", "green")[i % 4] for i in range(ROWS)],
        "text": [f"some words about number {i} and nothing else" for i in range(ROWS)],
        "group": [f"g{i // 2}" for i in range(ROWS)],
        "label": [("yes", "no")[i % 2] for i in range(ROWS)],
    }


def csv(folder: Path, *, packed: bool = False) -> Path:
    made = columns()
    lines = [",".join(made), *(",".join(map(str, row)) for row in zip(*made.values(), strict=True))]
    content = ("\n".join(lines) + "\n").encode()
    path = folder / ("table.csv.gz" if packed else "table.csv")
    path.write_bytes(gzip.compress(content) if packed else content)
    return path


def parquet(folder: Path) -> Path:
    pq.write_table(pa.table(columns()), folder / "table.parquet")
    return folder / "table.parquet"


def jsonl(folder: Path) -> Path:
    rows = [{"id": f"d{i}", "text": f"document {i} says this", "group": f"g{i // 2}"} for i in range(ROWS)]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "corpus.jsonl"


def canaries(folder: Path) -> Path:
    made = plant(corpus_from_texts(["to be", "or not"]), level=2, repeat=(1,), rng=np.random.default_rng(0))
    made.canaries.write(folder / "canaries.json")
    return folder / "canaries.json"


def images(folder: Path) -> Path:
    for name in ("cat", "dog"):
        (folder / "pets" / name).mkdir(parents=True)
        for number, suffix in enumerate(("png", "jpg", "gif", "bmp", "webp", "tiff", "ppm")):
            picture = Image.fromarray(RNG.integers(0, 255, (16, 16, 3), np.uint8))
            picture.save(folder / "pets" / name / f"{number}.{suffix}")
    return folder / "pets"


def weights(folder: Path) -> Path:
    algorithm = _algorithm()
    state = algorithm.network(algorithm.init(0)).state_dict()
    save_file({name: tensor.numpy() for name, tensor in state.items()}, folder / "weights.safetensors")
    return folder / "weights.safetensors"


def _algorithm() -> Any:
    return Recipe(network=MLP(hidden=(4,)), epochs=1).bind(
        Shape(inputs=(2,), classes=3, examples=60), torch.device("cpu")
    )


def members(folder: Path) -> Path:
    lines = ["example,member", *(f"{name},{row % 2}" for row, name in enumerate(blobs().ids.tolist()))]
    (folder / "members.csv").write_text("\n".join(lines) + "\n")
    return folder / "members.csv"


def calibration(folder: Path) -> Path:
    numbers = {name: [0.0, 0.5, 1.0] for name in ("knots", "levels", "edges", "below", "above", "coverage")}
    content = {"proxy": "loss", "examples": 3, "models": 4, "about": {}, "proxy_sample": [0.0, 1.0], **numbers}
    (folder / "calibration.json").write_text(json.dumps(content))
    return folder / "calibration.json"


def tokenizer(folder: Path) -> Path:
    from byrote.data.tokenizers import byte_pairs

    text = byte_pairs(["some words to cut into pieces", "and some more"], vocabulary=270).to_str()
    (folder / "tokenizer.json").write_text(text)
    return folder / "tokenizer.json"


def run(folder: Path) -> Path:
    made = make_run(folder / "run", models=4, examples=12)
    made.measure("label_memorization")
    return made.folder


def old_run(folder: Path) -> Path:
    """A run as version 0.1.0 made it: no digest says whether a file is whole, so that reading it must."""
    made = run(folder)
    content = json.loads((made / "manifest.json").read_text())
    for name in ("checksum", "id", "tables"):
        del content[name]
    (made / "manifest.json").write_text(json.dumps(content))
    return made


def open_run(path: Path, out: Path) -> Any:
    found = Run.open(path)
    repr(found)
    return found.measure("label_memorization")


def foreign_run(format_: str, labels: np.ndarray | None) -> Callable[[Path, Path], Any]:
    def read(path: Path, out: Path) -> Any:
        return readers.read(format_, path, out / "made", labels=labels)

    return read


def _in(make: Callable[[Path], Path], name: str) -> Callable[[Path], Path]:
    return lambda folder: make(folder / name)


KINDS = {
    "npz": Kind(npz, lambda path, _: from_npz(path)),
    "idx": Kind(idx, lambda path, _: read_idx(path)),
    "idx.gz": Kind(lambda folder: idx(folder, packed=True), lambda path, _: read_idx(path)),
    "csv": Kind(csv, lambda path, _: from_table(path, target="label", group="group")),
    "csv.gz": Kind(
        lambda folder: csv(folder, packed=True), lambda path, _: from_table(path, target="label", group="group")
    ),
    "text csv": Kind(csv, lambda path, _: from_text_table(path, text="text", target="label")),
    "parquet": Kind(parquet, lambda path, _: from_table(path, target="label", group="group")),
    "jsonl": Kind(jsonl, lambda path, _: read_corpus(path)),
    "corpus parquet": Kind(parquet, lambda path, _: read_corpus(path)),
    "canaries": Kind(canaries, lambda path, _: read_canaries(path)),
    "images": Kind(images, lambda path, _: from_image_folder(path, size=8), quick=False),
    "weights": Kind(weights, lambda path, _: load_weights(_algorithm(), path)),
    "members": Kind(members, lambda path, _: read_members(path, blobs())),
    "calibration": Kind(calibration, lambda path, _: Calibration.load(path)),
    "tokenizer": Kind(tokenizer, lambda path, _: read_tokenizer(path)),
    "run": Kind(run, open_run),
    "manifest": Kind(old_run, open_run, "manifest.json"),
    "tables": Kind(old_run, open_run, "*.parquet"),
    "shards": Kind(run, open_run, "*.safetensors"),
    "c_score": Kind(_in(folders.c_scores, "c.npz"), foreign_run("c_score", folders.LABELS), quick=False),
    "feldman_zhang": Kind(_in(folders.infl_matrix, "i.npz"), foreign_run("feldman_zhang", folders.LABELS), quick=False),
    "feldman_zhang_runs": Kind(
        _in(folders.aux_arrays, "aux"), foreign_run("feldman_zhang_runs", folders.LABELS), quick=False
    ),
    "mi_lira_2021": Kind(_in(folders.mi_lira, "lira"), foreign_run("mi_lira_2021", folders.LABELS), quick=False),
    "privacy_meter": Kind(_in(folders.privacy_meter, "pm"), foreign_run("privacy_meter", folders.LABELS), quick=False),
    "leakpro": Kind(_in(folders.leakpro, "lp"), foreign_run("leakpro", folders.LABELS), quick=False),
    "carlini_2019": Kind(_in(folders.rankings, "ranks"), foreign_run("carlini_2019", folders.LABELS), quick=False),
}


def files_in(path: Path, only: str) -> list[Path]:
    """The files that make up what was written, in order."""
    return [path] if path.is_file() else sorted(one for one in path.rglob(only) if one.is_file())


def spoiled_bytes(content: bytes, rng: random.Random) -> bytes:
    """The bytes cut, flipped, overwritten, spliced, doubled, or emptied; once or a few times."""
    made = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5))):
        size = len(made)
        at = rng.randrange(size + 1)
        stop = min(size, at + rng.choice((1, 2, 4, 8, 64, 512)))
        way = rng.randrange(8)
        if way == 0:
            del made[at:]
        elif way == 1 and size:
            made[at % size] ^= 1 << rng.randrange(8)
        elif way == 2:
            made[at:stop] = bytes(stop - at)
        elif way == 3:
            made[at:stop] = b"\xff" * (stop - at)
        elif way == 4:
            made[at:at] = rng.randbytes(rng.choice((1, 3, 16, 300)))
        elif way == 5:
            del made[at:stop]
        elif way == 6:
            other = rng.randrange(size + 1)
            made[at:stop] = made[other : other + 64]
        else:
            made[at:stop] = rng.choice(
                (b"\x00", b"\n", b",", b'"', b"[" * 5000, b"9" * 400, b"-1", b"NaN", b"\xed\xa0\x80")
            )
    return bytes(made)


HOSTILE = (None, True, -1, 2**70, 1e400, float("nan"), "", "x", "\ud800", [], {}, [None], {"x": 1}, [[]], ["a", 1], 0.5)


def spoiled_json(content: bytes, rng: random.Random) -> bytes:
    """The JSON with some of its values replaced, dropped or doubled."""
    tree = json.loads(content)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at, parent, key = tree, None, None
        while isinstance(at, dict | list) and at and (parent is None or rng.random() < 0.75):
            parent, key = at, rng.choice(list(at)) if isinstance(at, dict) else rng.randrange(len(at))
            at = parent[key]
        if parent is None:
            return json.dumps(rng.choice(HOSTILE)).encode()
        if rng.random() < 0.2:
            del parent[key]
        else:
            parent[key] = copy.deepcopy(rng.choice(HOSTILE))
    return json.dumps(tree).encode()


def spoiled_array(array: np.ndarray, rng: random.Random) -> np.ndarray:
    """The array with another type, shape or hostile values."""
    way = rng.randrange(9)
    if way == 0:
        kind = rng.choice(("c16", "M8[s]", "m8[s]", "S3", "U3", "f2", "i1", "u8", "?", "V4", "f4", "i4,f4"))
        return np.zeros(array.shape, kind)
    if way == 1:
        return array[..., None]
    if way == 2:
        return array[: len(array) // 2] if array.ndim else array
    if way == 3:
        return array.ravel()
    if way == 4:
        return np.empty((0, *array.shape[1:]), array.dtype)
    if way == 5:
        return np.asarray(array.ravel()[0] if array.size else 0)
    if way == 6 and array.dtype.kind == "f":
        made = array.copy()
        made.ravel()[rng.randrange(max(array.size, 1)) :] = rng.choice((np.nan, np.inf, -np.inf))
        return made
    if way == 7 and array.dtype.kind in "iuf":
        made = array.astype(np.float64 if array.dtype.kind == "f" else np.int64)
        made.ravel()[: rng.randrange(1, 4)] = rng.choice((-1, 2**62, 10**9, -(2**62)))
        return made
    return np.concatenate([array, array]) if array.ndim else array


def spoiled_file(path: Path, rng: random.Random) -> None:
    """Spoil one file by its bytes, or, where it is JSON or of arrays, by what it holds."""
    deep = rng.random() < 0.5
    if deep and path.suffix == ".json":
        path.write_bytes(spoiled_json(path.read_bytes(), rng))
    elif deep and path.suffix == ".npy":
        np.save(path, spoiled_array(np.load(path), rng))
    elif deep and path.suffix == ".npz":
        with np.load(path) as archive:
            arrays = dict(archive)
        name = rng.choice(sorted(arrays))
        arrays[name] = spoiled_array(arrays[name], rng)
        if rng.random() < 0.2:
            arrays.pop(name)
        np.savez(path, **arrays)
    elif deep and path.suffix == ".gz":
        path.write_bytes(gzip.compress(spoiled_bytes(gzip.decompress(path.read_bytes()), rng)))
    elif deep and path.suffix == ".parquet":
        pq.write_table(spoiled_table(pq.read_table(path), rng), path)
    else:
        path.write_bytes(spoiled_bytes(path.read_bytes(), rng))


def spoiled_table(table: pa.Table, rng: random.Random) -> pa.Table:
    """The table with a column of another type, missing, of nulls, or nested."""
    name = rng.choice(table.column_names)
    rows = len(table)
    column = rng.choice(
        (
            pa.nulls(rows),
            pa.array([[1, 2]] * rows),
            pa.array([{"a": 1}] * rows),
            pa.array([b"\xff\xfe"] * rows, pa.binary()),
            pa.array([float("nan")] * rows),
            pa.array([2**62] * rows),
            pa.array([-1] * rows),
            pa.array(["\x00"] * rows),
            pa.array([0] * rows, pa.timestamp("ns")),
            pa.array([True] * rows),
            pa.array([None, *["x"] * (rows - 1)]) if rows else pa.nulls(0),
        )
    )
    at = table.column_names.index(name)
    changed = table.remove_column(at) if rng.random() < 0.2 else table.set_column(at, name, column)
    return changed.slice(0, rng.choice((rows, rows, 0, 1)))


def spoil(path: Path, rng: random.Random, only: str = "*") -> str:
    """Spoil what stands there, in a file or two; says which."""
    files = files_in(path, only)
    chosen = rng.sample(files, min(len(files), rng.choice((1, 1, 2))))
    for one in chosen:
        if len(files) > 1 and rng.random() < 0.1:
            one.unlink()
        elif len(files) > 1 and rng.random() < 0.1:
            one.write_bytes(rng.choice([other for other in files if other.exists()]).read_bytes())
        else:
            spoiled_file(one, rng)
    return ", ".join(one.name for one in chosen)


def zip_of(path: Path, members: dict[str, bytes]) -> None:
    """A zip file with these members, packed."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
