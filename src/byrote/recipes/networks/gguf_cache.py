"""What a GGUF file holds as safetensors, made once and kept in the user's cache folder under the file's digest."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from byrote.errors import BadInput
from byrote.recipes.networks.loading import causal, loaded

#: Names the GGUF file by its digest, and has the digest of every file made of it.
INDEX = "byrote.json"
#: Tensors whose names begin so follow from the settings: angles of positions.
COMPUTED = "rope_"


def converted(gguf: Path, checksum: str, name: str | Path, transformers: Any) -> Path:
    """The folder with what the GGUF file of this checksum holds; it is made where it is not there whole.

    Raises:
        BadInput: the file cannot be read, or the cache folder not be written.
    """
    cache = cache_folder()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f"{checksum}.lock"):
            if not _whole(cache / checksum, checksum):
                _make(gguf, checksum, cache, name, transformers)
    except OSError as error:
        raise BadInput(
            f"The weights of {str(name)!r} cannot be kept in {str(cache)!r}: {error}.",
            hint="XDG_CACHE_HOME=DIR byrote … keeps them in another folder.",
        ) from error
    return cache / checksum


def cache_folder() -> Path:
    """Where the user's cache keeps what was made of GGUF files."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "byrote" / "gguf"


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _whole(folder: Path, checksum: str) -> bool:
    """Whether the folder was made of this file, and every file in it is as it was made."""
    try:
        index = json.loads((folder / INDEX).read_bytes())
        return bool(index == {"gguf": checksum, "files": _digests(folder)})
    except (FileNotFoundError, ValueError):
        return False


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: file_digest(path) for path in sorted(folder.iterdir()) if path.name != INDEX}


def _make(gguf: Path, checksum: str, cache: Path, name: str | Path, transformers: Any) -> None:
    """Read the file from a folder where nothing else is, and write it as safetensors."""
    with tempfile.TemporaryDirectory(dir=cache, prefix=f".{checksum[:16]}.") as part:
        alone, made = Path(part) / "alone", Path(part) / "made"
        alone.mkdir()
        (alone / "model.gguf").symlink_to(gguf.resolve())
        options = {"gguf_file": "model.gguf"}
        tokenizer = loaded(name, transformers.AutoTokenizer, alone, **options)
        model = causal(name, transformers, alone, dtype=torch.float32, **options)
        _refuse_unread(gguf, model, name)
        if getattr(model, "hf_quantizer", None) is not None:  # the weights are plain numbers by now
            model.hf_quantizer = None
            del model.config.quantization_config
        model.save_pretrained(made)
        tokenizer.save_pretrained(made)
        (made / INDEX).write_text(json.dumps({"gguf": checksum, "files": _digests(made)}), encoding="utf-8")
        shutil.rmtree(cache / checksum, ignore_errors=True)
        made.rename(cache / checksum)


def _refuse_unread(gguf: Path, model: torch.nn.Module, name: str | Path) -> None:
    """Refuse a file with more weights than the model made of it has; transformers passes over them in silence."""
    from gguf import GGUFReader

    held = sum(int(one.n_elements) for one in GGUFReader(gguf).tensors if not one.name.startswith(COMPUTED))
    read = sum({tensor.data_ptr(): tensor.numel() for tensor in model.state_dict().values()}.values())
    if held > read:
        raise BadInput(
            f"The GGUF file {str(name)!r} holds {held:,} weights, and transformers reads {read:,} of them.",
            hint="give the model as a folder of transformers, from which the file was made.",
        )
