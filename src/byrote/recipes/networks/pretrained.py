"""Causal language models that somebody else trained, from a folder or a GGUF file; nothing is downloaded."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from byrote.data.corpus import Encode
from byrote.data.problems import quoted
from byrote.data.tokenizers import missing
from byrote.errors import BadInput
from byrote.recipes.networks.tiny_gpt import Logits

#: Tokens that are read at once unless told otherwise, as far as the model takes them.
CONTEXT: Final = 1024
#: What a folder or file is recognised by.
WEIGHTS: Final = (".safetensors", ".gguf")


@dataclass(frozen=True, kw_only=True, eq=False)
class Pretrained:
    """A network with float logits, its tokenizer, and what must be known of both.

    `bos` is the token that the tokenizer puts before a text by itself, if any; `begin` one that it only names for that
    purpose, which a training may have put there. `digest` tells the weights apart. `tokenizer` is one of the package
    tokenizers, where the model's is made of one.
    """

    name: str
    network: nn.Module
    encode: Encode
    bos: int | None
    vocabulary: int
    context: int
    digest: str
    tokenizer: Any | None = None
    begin: int | None = None


def load_pretrained(path: str | Path, *, device: str = "cpu", context: int | None = None) -> Pretrained:
    """A causal model of transformers with its tokenizer.

    `path` is a folder with safetensors, one that holds a GGUF file, such a file, or the name of a model that is in
    transformers' cache already. On a CPU the weights are read as float32, elsewhere as they are. What a GGUF file
    holds is written beside it as safetensors once, in float32, and read from there from then on.

    Raises:
        BadInput: the package is missing, there is no such model, it is not causal, or the context is not its.
    """
    try:
        import transformers
    except ImportError:
        raise missing("transformers") from None
    place, gguf = _place(Path(path), str(path))
    dtype = torch.float32 if torch.device(device).type == "cpu" else "auto"
    with _quiet(transformers):
        checksum = None
        if gguf is not None:
            checksum = file_digest(gguf)
            place = str(_converted(gguf, checksum, path, transformers))
        config = _loaded(path, transformers.AutoConfig, place, {})
        if getattr(config, "is_encoder_decoder", False):
            raise not_causal(path, "it is an encoder and a decoder")
        tokenizer = _loaded(path, transformers.AutoTokenizer, place, {})
        weights = {"use_safetensors": True, "dtype": dtype, "output_loading_info": True}
        model, found = _loaded(path, transformers.AutoModelForCausalLM, place, weights)
    lacking = sorted(map(str, found["missing_keys"]))
    if lacking:  # they would be drawn at random
        raise BadInput(
            f"The weights of the model {str(path)!r} are not all there: {quoted(lacking)} missing.",
            hint="save the model with its head, as AutoModelForCausalLM has it.",
        )
    model.to(device).eval()
    most = next((n for n in _limits(config) if n), CONTEXT)
    if context is not None and not 2 <= context <= most:
        raise BadInput(
            f"The context of the model {str(path)!r} is at least 2 and at most {most} tokens. Got {context}.",
            hint="leave the context out to read as much as the model does, up to a default.",
        )
    bos, vocabulary = _bos(tokenizer), int(config.get_text_config().vocab_size)
    named = tokenizer.bos_token_id
    return Pretrained(
        name=Path(path).stem or str(path),
        network=Logits(model),
        encode=_encode(tokenizer),
        bos=bos,
        vocabulary=vocabulary,
        context=context or min(most, CONTEXT),
        digest=checksum or digest(model),
        tokenizer=getattr(tokenizer, "backend_tokenizer", None),
        begin=int(named) if bos is None and named is not None and 0 <= named < vocabulary else None,
    )


def load_tokenizer(path: str | Path) -> Encode:
    """The tokenizer of a model of transformers alone.

    Raises:
        BadInput: the package is missing, or there is none.
    """
    try:
        import transformers
    except ImportError:
        raise missing("transformers") from None
    with _quiet(transformers):
        return _encode(_loaded(path, transformers.AutoTokenizer, str(path), {}))


def not_causal(path: str | Path, why: str) -> BadInput:
    """What to say of a model that does not predict the next token."""
    return BadInput(
        f"The model {str(path)!r} is not causal: {why}.",
        hint="give a model that was trained to predict the next token, such as a GPT or a Llama.",
    )


def digest(model: nn.Module) -> str:
    """SHA-256 over the names and contents of all weights."""
    found = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _converted(gguf: Path, checksum: str, path: str | Path, transformers: Any) -> Path:
    """The folder with what the GGUF file of this checksum holds; in the user's cache where none can be made beside."""
    name = f"{gguf.name}.byrote-{checksum[:16]}"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "byrote"
    places = [gguf.with_name(name), cache / name]
    for place in places:
        if (place / "config.json").exists():
            return place
    options = {"gguf_file": gguf.name}
    tokenizer = _loaded(path, transformers.AutoTokenizer, str(gguf.parent), options)
    model = _loaded(path, transformers.AutoModelForCausalLM, str(gguf.parent), {**options, "dtype": torch.float32})
    place = places[0] if os.access(gguf.parent, os.W_OK) else places[1]
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{name}.") as part:
        made = Path(part) / "made"
        if getattr(model, "hf_quantizer", None) is not None:  # the weights are plain numbers by now
            model.hf_quantizer = None
            del model.config.quantization_config
        model.save_pretrained(made)
        tokenizer.save_pretrained(made)
        if not place.exists():  # another process may have been faster
            made.rename(place)
    return place


def _place(path: Path, name: str) -> tuple[str, Path | None]:
    """What transformers is to be asked for, and the GGUF file that it is to be made from, if any."""
    if path.is_file():
        if path.suffix == ".gguf":
            return str(path.parent), path
        raise BadInput(f"The file {name!r} is no model.", hint="give its folder, or a .gguf file.")
    if not path.is_dir():
        if path.is_absolute() or name.startswith(".") or name.count("/") > 1:
            raise BadInput(
                f"There is no folder or file {name!r}.", hint="a model is a folder of transformers, or a .gguf file."
            )
        return name, None
    if not (path / "config.json").exists():
        files = sorted(path.glob("*.gguf"))
        if len(files) == 1:
            return str(path), files[0]
        held = f"{len(files)} GGUF files" if files else "no config.json and no GGUF file"
        raise BadInput(
            f"The folder {name!r} holds {held}.",
            hint="give the folder that save_pretrained wrote, or the path of one .gguf file.",
        )
    _refuse_broken(path / "config.json")
    if not any(path.glob("*.safetensors")):
        raise BadInput(
            f"The folder {name!r} holds no .safetensors file, and pickled weights are never read.",
            hint="model.save_pretrained(folder) writes safetensors.",
        )
    return str(path), None


def _refuse_broken(config: Path) -> None:
    try:
        json.loads(config.read_bytes())
    except ValueError as error:
        raise BadInput(
            f"The file {str(config)!r} is not valid JSON: {error}.",
            hint="restore config.json from where the model came from, or write it again with save_pretrained.",
        ) from error


def _loaded(path: str | Path, kind: Any, place: str, options: dict[str, Any]) -> Any:
    what = {"AutoConfig": "configuration", "AutoTokenizer": "tokenizer"}.get(kind.__name__, "weights")
    try:
        return kind.from_pretrained(place, local_files_only=True, **options)
    except ImportError as error:
        raise missing("gguf" if "gguf" in str(error).lower() else "accelerate") from error
    except Exception as error:  # transformers raises OSError, ValueError, KeyError and what its packages raise
        if what == "weights" and "Unrecognized configuration class" in str(error):
            raise not_causal(path, "transformers knows no causal form of it") from error
        if isinstance(error, OSError) and not Path(path).exists():
            raise BadInput(
                f"There is no folder {str(path)!r}, and no model of that name could be loaded.",
                hint="give the folder that save_pretrained wrote, or a .gguf file; nothing is downloaded.",
            ) from error
        first = (str(error).strip().splitlines() or [""])[0].rstrip(".")
        raise BadInput(
            f"The {what} of the model {str(path)!r} cannot be read: {type(error).__name__}: {first}.",
            hint="give a folder with config.json, tokenizer.json and model.safetensors; nothing is downloaded.",
        ) from error


def _limits(config: Any) -> Iterator[int]:
    for name in ("max_position_embeddings", "n_positions", "seq_length", "max_seq_len"):
        yield int(getattr(config.get_text_config(), name, 0) or 0)


def _encode(tokenizer: Any) -> Encode:
    def encode(texts: Sequence[str]) -> list[list[int]]:
        ids: list[list[int]] = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        return ids

    return encode


def _bos(tokenizer: Any) -> int | None:
    first = tokenizer("a", verbose=False)["input_ids"][:1]
    return int(first[0]) if first and first[0] == tokenizer.bos_token_id else None


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Keep transformers from printing while it loads."""
    logging = transformers.utils.logging
    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()
