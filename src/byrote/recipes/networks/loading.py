"""One way of asking transformers for a part of a model: nothing is downloaded, no code of the model's own runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from byrote.data.problems import quoted
from byrote.data.tokenizers import missing, reason
from byrote.errors import BadInput

#: What a part of a model is called, by the class that reads it.
PARTS = {"AutoConfig": "configuration", "AutoTokenizer": "tokenizer"}


def transformers_package() -> Any:
    """The package transformers.

    Raises:
        BadInput: it is not installed.
    """
    try:
        import transformers
    except ImportError:
        raise missing("transformers") from None
    return transformers


def loaded(name: str | Path, kind: Any, folder: Path, **options: Any) -> Any:
    """What a class of transformers reads from a folder; `name` is what the person called the model.

    Raises:
        BadInput: it cannot be read, or a package for it is missing.
    """
    what = PARTS.get(kind.__name__, "weights")
    try:
        return kind.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False, **options)
    except ImportError as error:
        raise _lacking(name, error) from error
    except Exception as error:  # transformers raises OSError, ValueError, KeyError and what its packages raise
        if what == "weights" and "Unrecognized configuration class" in str(error):
            raise not_causal(name, "transformers has no causal model of this type") from error
        raise BadInput(
            f"The {what} of the model {str(name)!r} cannot be read: {type(error).__name__}: {reason(error)}.",
            hint=_mend(what, folder),
        ) from error


def causal(name: str | Path, transformers: Any, folder: Path, **options: Any) -> Any:
    """The causal model of a folder with safetensors, or of a GGUF file, all of whose weights have a place in it.

    Raises:
        BadInput: the model is not causal, or weights are missing or left over.
    """
    options |= {"use_safetensors": True} if "gguf_file" not in options else {}
    model, found = loaded(name, transformers.AutoModelForCausalLM, folder, output_loading_info=True, **options)
    lacking, unread = (sorted(map(str, found[kind])) for kind in ("missing_keys", "unexpected_keys"))
    if lacking:  # they would be drawn at random
        raise BadInput(
            f"The weights of the model {str(name)!r} are not all there: {quoted(lacking)} missing.",
            hint="save the model with its head, as AutoModelForCausalLM has it.",
        )
    if unread:  # what is read would not be the model that was trained
        raise BadInput(
            f"The model {str(name)!r} has weights that a causal model of its type has no place for: {quoted(unread)}.",
            hint="if these are no part of the language model, save it without them: "
            "AutoModelForCausalLM.from_pretrained(folder).save_pretrained(another_folder).",
        )
    return model


def not_causal(name: str | Path, why: str) -> BadInput:
    """What to say of a model that does not predict the next token."""
    return BadInput(
        f"The model {str(name)!r} is not causal: {why}.",
        hint="give a model that was trained to predict the next token, such as a GPT or a Llama.",
    )


def read_json(path: Path) -> dict[str, Any]:
    """What a file of a model's settings holds.

    Raises:
        BadInput: it is no JSON object.
    """
    try:
        held = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise BadInput(
            f"The file {str(path)!r} is not valid JSON: {error}.",
            hint=f"restore {path.name} from where the model came from, or write it again with save_pretrained.",
        ) from error
    if not isinstance(held, dict):
        raise BadInput(
            f"The file {str(path)!r} holds a {type(held).__name__!r} instead of named settings.",
            hint=f"restore {path.name} from where the model came from.",
        )
    return held


def _lacking(name: str | Path, error: ImportError) -> BadInput:
    """Which package is missing: byrote's own extras by their name, others in the words of transformers."""
    for package in ("gguf", "accelerate"):
        if package in str(error).lower() and find_spec(package) is None:
            return missing(package)
    return BadInput(
        f"The model {str(name)!r} cannot be read with the packages at hand: {reason(error)}.",
        hint="install what is named there; or give the model without quantization, such as the one that it was made "
        "from, or a GGUF file.",
    )


def _mend(what: str, folder: Path) -> str:
    config = folder / "config.json"
    if what == "weights" and config.is_file() and "quantization_config" in read_json(config):
        return "give the model without quantization, such as the one that it was made from, or a GGUF file."
    if what == "weights":
        return "config.json and the .safetensors must be of one model: save_pretrained(folder) writes both."
    return f"give a folder with the {what} as save_pretrained(folder) writes it; nothing is downloaded."


@contextmanager
def quiet(transformers: Any) -> Iterator[None]:
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
