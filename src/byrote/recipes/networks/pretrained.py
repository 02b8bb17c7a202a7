"""Causal language models that somebody else trained, from a folder or a GGUF file; nothing is downloaded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from byrote.data.chats import PLAIN, Joining, Message
from byrote.data.corpus import Encode
from byrote.data.tokenizers import guarded, reason
from byrote.errors import BadInput
from byrote.recipes.networks.adapter import with_adapter
from byrote.recipes.networks.gguf_cache import converted, file_digest
from byrote.recipes.networks.loading import causal, loaded, not_causal, quiet, transformers_package
from byrote.recipes.networks.model_folder import find_model, find_tokenizer, has_tokenizer
from byrote.recipes.networks.tiny_gpt import Logits

#: Tokens that are read at once unless told otherwise, as far as the model takes them.
CONTEXT: Final = 1024


@dataclass(frozen=True, kw_only=True, eq=False)
class Pretrained:
    """A network with float logits, its tokenizer, and what must be known of both.

    `bos` is the token that the tokenizer puts before a text by itself, if any; `begin` one that it only names for that
    purpose, which a training may have put there. `digest` tells the weights apart. `tokenizer` is one of the package
    tokenizers, where the model's is made of one. `notes` say what the network was put together from.
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
    notes: tuple[str, ...] = ()


def load_pretrained(path: str | Path, *, device: str = "cpu", context: int | None = None) -> Pretrained:
    """A causal model of transformers with its tokenizer.

    `path` is a folder with safetensors, one that holds a GGUF file, such a file, a folder with a LoRA adapter of peft
    whose base is at hand, or the name of a model that is in transformers' cache already. On a CPU the weights are read
    as float32, elsewhere as they are. What a GGUF file holds is written as safetensors once, in float32, to
    `byrote/gguf` in the user's cache folder (`XDG_CACHE_HOME`, else `~/.cache`), and read from there from then on. An
    adapter is merged into the weights of its base.

    Raises:
        BadInput: a package is missing; there is no such model; it is not causal, brings code of its own, or has
            weights that would not be read; or the context is not its.
    """
    transformers = transformers_package()
    place = find_model(path)
    dtype = torch.float32 if torch.device(device).type == "cpu" else "auto"
    with quiet(transformers):
        checksum = None if place.gguf is None else file_digest(place.gguf)
        folder, words = place.folder, place.tokenizer
        if place.gguf is not None and checksum is not None:
            folder = words = converted(place.gguf, checksum, path, transformers)
        config = loaded(path, transformers.AutoConfig, folder)
        if getattr(config, "is_encoder_decoder", False):
            raise not_causal(path, "it is an encoder and a decoder")
        tokenizer = _tokenizer(path, words, transformers)
        model = causal(path, transformers, folder, dtype=dtype)
        if place.adapter is not None:
            model = with_adapter(model, place.adapter)
    model.to(device).eval()
    found = pretrained_of(model, tokenizer, str(path), context=context, digest_of=checksum)
    notes = () if place.adapter is None else (_merged(place.adapter, folder),)
    return replace(found, name=Path(path).stem or str(path), notes=notes)


def pretrained_of(
    model: nn.Module, tokenizer: Any, name: str, *, context: int | None = None, digest_of: str | None = None
) -> Pretrained:
    """A causal model of transformers that is in memory, and its tokenizer, to be read as one from a folder is.

    Raises:
        BadInput: the context is not the model's.
    """
    config: Any = model.config
    most = next((n for n in _limits(config) if n), CONTEXT)
    if context is not None and not 2 <= context <= most:
        raise BadInput(
            f"The context of the model {name!r} is at least 2 and at most {most} tokens. Got {context}.",
            hint="leave the context out to read as much as the model does, up to a default.",
        )
    bos, vocabulary = _bos(tokenizer), int(config.get_text_config().vocab_size)
    named = tokenizer.bos_token_id
    return Pretrained(
        name=name,
        network=Logits(model),
        encode=encode_of(tokenizer),
        bos=bos,
        vocabulary=vocabulary,
        context=context or min(most, CONTEXT),
        digest=digest_of or digest(model),
        tokenizer=getattr(tokenizer, "backend_tokenizer", None),
        begin=int(named) if bos is None and named is not None and 0 <= named < vocabulary else None,
    )


def load_tokenizer(path: str | Path) -> Encode:
    """The tokenizer of a model of transformers alone.

    Raises:
        BadInput: the package is missing, or there is none.
    """
    transformers = transformers_package()
    return encode_of(_tokenizer_alone(path, transformers))


def _tokenizer_alone(path: str | Path, transformers: Any) -> Any:
    place = find_tokenizer(path)
    with quiet(transformers):
        folder = place.tokenizer
        if place.gguf is not None:
            folder = converted(place.gguf, file_digest(place.gguf), path, transformers)
        return _tokenizer(path, folder, transformers)


def chat_joining(path: str | Path) -> Joining:
    """How the chat template of a model's tokenizer makes one text of a chat; lines of `role: text` where it has none.

    A BOS token that the template begins with is left out: documents are read with it or without as any others.

    Raises:
        BadInput: the package is missing, or there is no tokenizer.
    """
    return joining_of(_tokenizer_alone(path, transformers_package()), str(path))


def joining_of(tokenizer: Any, name: str) -> Joining:
    """How the chat template of a tokenizer makes one text of a chat; `name` is the model's, for errors."""
    if tokenizer.chat_template is None:
        return PLAIN

    def render(messages: Sequence[Message], begin: bool) -> str:
        try:
            text: str = tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=begin)
        except Exception as error:  # templates raise errors of their own
            raise BadInput(
                f"the chat template of the model {name!r} does not take this chat: {reason(error)}.",
                hint="mend the order of its roles; or write the chat as one text into a column, named with --column.",
            ) from error
        return text.removeprefix(tokenizer.bos_token or "")

    return Joining(name="the model's chat template", render=render)


def digest(model: nn.Module) -> str:
    """SHA-256 over the names and contents of all weights."""
    found = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def _merged(adapter: Path, base: Path) -> str:
    return f"The LoRA adapter of the folder {adapter.name!r} is merged into the weights of its base {base.name!r}."


def _limits(config: Any) -> Iterator[int]:
    for name in ("max_position_embeddings", "n_positions", "seq_length", "max_seq_len"):
        yield int(getattr(config.get_text_config(), name, 0) or 0)


def _tokenizer(path: str | Path, folder: Path, transformers: Any) -> Any:
    """The tokenizer of a folder; transformers makes one that knows nothing where there is none."""
    none = BadInput(
        f"The folder of the model {str(path)!r} holds no tokenizer.",
        hint="tokenizer.save_pretrained(folder) writes it; it must be the one that the model was trained with.",
    )
    try:
        tokenizer = loaded(path, transformers.AutoTokenizer, folder)
    except BadInput as error:
        raise (error if has_tokenizer(folder) else none) from error
    if not set(tokenizer.get_vocab()) - set(tokenizer.get_added_vocab()) - set(tokenizer.all_special_tokens):
        raise none
    return tokenizer


def encode_of(tokenizer: Any) -> Encode:
    """Texts to their tokens, by a tokenizer of transformers."""

    def encode(texts: Sequence[str]) -> list[list[int]]:
        ids: list[list[int]] = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        return ids

    whole: Encode = guarded(encode)
    return whole


def _bos(tokenizer: Any) -> int | None:
    """The token that the tokenizer puts before a text by itself; found with a text that it has a token for."""
    special = set(tokenizer.all_special_ids)
    known = next(number for number in sorted(tokenizer.get_vocab().values()) if number not in special)
    first = tokenizer(tokenizer.decode([known]), verbose=False)["input_ids"][:1]
    return int(first[0]) if first and first[0] == tokenizer.bos_token_id else None
