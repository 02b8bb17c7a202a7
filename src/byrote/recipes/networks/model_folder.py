"""Where the parts of somebody else's model are, and what a folder may not hold: whatever would be left unread."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from byrote.data.problems import quoted
from byrote.errors import BadInput
from byrote.recipes.networks.loading import not_causal, read_json

CONFIG, ADAPTER = "config.json", "adapter_config.json"
#: Files in which a model may name code of its own.
SETTINGS = (CONFIG, ADAPTER, "tokenizer_config.json", "generation_config.json", "processor_config.json")
#: What peft writes, beside its `adapter_config.json`.
ADAPTER_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model", "tekken.json")
A_MODEL = "a model is a folder of transformers, or a .gguf file"


@dataclass(frozen=True, kw_only=True)
class Place:
    """`folder` has configuration and weights, unless all is in the file `gguf`; `adapter` is a folder beside them."""

    folder: Path
    gguf: Path | None = None
    adapter: Path | None = None

    @property
    def tokenizer(self) -> Path:
        """The folder that has the tokenizer: an adapter's own comes before that of its base."""
        return self.adapter if self.adapter is not None and has_tokenizer(self.adapter) else self.folder


def has_tokenizer(folder: Path) -> bool:
    """Whether a file stands there that a tokenizer is usually read from."""
    return any((folder / name).is_file() for name in TOKENIZERS)


def find_model(path: str | Path) -> Place:
    """Where a model is: a folder with safetensors, one with a GGUF file, such a file, an adapter, or a cached name.

    Raises:
        BadInput: there is none; or the folder holds code of its own, an adapter beside whole weights, or a model that
            is not causal.
    """
    given = Path(path)
    if given.is_file():
        if given.suffix.lower() == ".gguf":
            return Place(folder=given.parent, gguf=given)
        raise BadInput(f"The file {str(path)!r} is not a model.", hint="give its folder, or a .gguf file.")
    folder = given if given.is_dir() else _cached(str(path))
    _refuse_code(folder, str(path))
    adapted = [name for name in (ADAPTER, *ADAPTER_WEIGHTS) if (folder / name).is_file()]
    if adapted and not _weights(folder):
        return _with_base(folder, adapted, str(path))
    if adapted:
        raise BadInput(
            f"The folder {str(path)!r} holds an adapter ({quoted(adapted)}) beside whole weights. It is unknown "
            "whether these weights contain the adapter already.",
            hint="if they do, remove the adapter's files; if not, move them into a folder of their own, write this "
            "folder into its adapter_config.json as base_model_name_or_path, and give that folder.",
        )
    if not (folder / CONFIG).is_file():
        return Place(folder=folder, gguf=_only_gguf(folder, str(path)))
    _refuse_other_kinds(folder, str(path))
    if not _weights(folder):
        raise BadInput(
            f"The folder {str(path)!r} holds no .safetensors file, and pickled weights are never read.",
            hint="model.save_pretrained(folder) writes safetensors.",
        )
    return Place(folder=folder)


def find_tokenizer(path: str | Path) -> Place:
    """Where the tokenizer of a model is; of a model that is yet to be trained there may be nothing else.

    Raises:
        BadInput: there is none, or it brings code of its own.
    """
    folder = Path(path)
    if folder.is_dir() and has_tokenizer(folder):
        _refuse_code(folder, str(path))
        return Place(folder=folder)
    return find_model(path)


def _cached(name: str) -> Path:
    """The folder of a model of this name in the cache of the hub; nothing is downloaded."""
    path = Path(name)
    if path.is_absolute() or name.startswith(".") or name.count("/") > 1:
        raise BadInput(f"There is no folder or file {name!r}.", hint=f"{A_MODEL}.")
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(name, local_files_only=True))
    except (OSError, ValueError) as error:  # no such folder in the cache, or no name that the hub could have
        raise BadInput(
            f"There is no folder {name!r}, and no model of that name could be loaded.",
            hint=f"{A_MODEL}; nothing is downloaded.",
        ) from error


def _weights(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.safetensors") if path.name not in ADAPTER_WEIGHTS)


def _only_gguf(folder: Path, name: str) -> Path:
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".gguf")
    if len(files) == 1:
        return files[0]
    held = f"{len(files)} GGUF files" if files else "no config.json and no GGUF file"
    raise BadInput(
        f"The folder {name!r} holds {held}.",
        hint="give the folder that save_pretrained wrote, or the path of one .gguf file.",
    )


def _refuse_code(folder: Path, name: str) -> None:
    """Refuse a model that names Python code of its own, or a kernel of the hub, to be read with."""
    for file in (folder / one for one in SETTINGS):
        if not file.is_file():
            continue
        held = read_json(file)
        kernel = any("/" in str(held.get(key) or "") for key in ("attn_implementation", "_attn_implementation"))
        if held.get("auto_map") or kernel:
            raise BadInput(
                f"The model {name!r} brings code of its own, which byrote never runs: see "
                f"{'auto_map' if held.get('auto_map') else 'attn_implementation'!r} in {file.name}.",
                hint="if transformers knows this type of model without that code, take the entry out of a copy of "
                "the file; else save the model as a type that transformers knows, such as a Llama, or as GGUF.",
            )


def _refuse_other_kinds(folder: Path, name: str) -> None:
    """Refuse what config.json says was saved as another kind of model than a causal one."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    config = read_json(folder / CONFIG)
    saved: Any = config.get("architectures") or []
    known = {str(one).lower() for one in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values()}
    if config.get("is_encoder_decoder") is True:
        raise not_causal(name, "it is an encoder and a decoder")
    if isinstance(saved, list) and saved and not any(str(one).lower() in known for one in saved):
        raise not_causal(name, f"its config.json says that it was saved as {quoted(saved)}")


def _with_base(folder: Path, adapted: list[str], name: str) -> Place:
    """An adapter and the model that it is for."""
    if ADAPTER_WEIGHTS[0] not in adapted or ADAPTER not in adapted:
        lacks = ADAPTER if ADAPTER not in adapted else f"{ADAPTER_WEIGHTS[0]}, and pickled weights are never read"
        raise BadInput(
            f"The folder {name!r} holds an adapter without {lacks}.",
            hint="save the adapter with peft: model.save_pretrained(folder).",
        )
    named = read_json(folder / ADAPTER).get("base_model_name_or_path")
    if not isinstance(named, str) or not named:
        raise BadInput(f"The adapter in {name!r} does not name the model that it is for.", hint=_NAME_IT)
    try:
        found = find_model(_base_path(folder, named))
    except BadInput as error:
        raise BadInput(
            f"The folder {name!r} holds an adapter, and its base {named!r} cannot be read: {error.message}",
            hint=_NAME_IT,
        ) from error
    if found.adapter is not None or found.gguf is not None:
        raise BadInput(
            f"The base {named!r} of the adapter in {name!r} is {'a GGUF file' if found.gguf else 'an adapter, too'}.",
            hint="merge the adapter into its base: model.merge_and_unload().save_pretrained(folder).",
        )
    return Place(folder=found.folder, adapter=folder)


_NAME_IT = (
    "write the folder of the base model into adapter_config.json as base_model_name_or_path; or merge the adapter "
    "into it: model.merge_and_unload().save_pretrained(folder)."
)


def _base_path(folder: Path, named: str) -> Path | str:
    """The base as a path: from where byrote runs, or from where the adapter is; else its name."""
    return next((path for path in (Path(named), folder / named) if path.exists()), named)
