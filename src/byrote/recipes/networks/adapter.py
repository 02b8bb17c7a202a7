"""An adapter that peft trained, put into the weights of its base."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path
from typing import Any

from byrote.data.problems import quoted
from byrote.data.tokenizers import missing, reason
from byrote.errors import BadInput
from byrote.recipes.networks.loading import read_json
from byrote.recipes.networks.model_folder import ADAPTER

#: Settings of a LoRA adapter that say what it is and nothing else: none loads code, files or data.
READ = frozenset(
    (
        *("r", "lora_alpha", "lora_dropout", "lora_bias", "bias", "use_rslora", "use_dora", "init_lora_weights"),
        *("target_modules", "exclude_modules", "modules_to_save", "target_parameters", "trainable_token_indices"),
        *("layers_to_transform", "layers_pattern", "rank_pattern", "alpha_pattern", "fan_in_fan_out"),
        *("task_type", "inference_mode", "base_model_name_or_path"),
    )
)
#: What is said about an adapter, or how it was trained.
ASIDE = frozenset(("peft_type", "peft_version", "revision", "auto_mapping", "runtime_config"))
#: Ways to begin that leave the base as it is; others change it, and it would have to be changed again.
BEGINNINGS = (True, False, "gaussian", "eva", "orthogonal")
MERGE = "merge the adapter into its base with peft: model.merge_and_unload().save_pretrained(folder); give that folder."


def with_adapter(model: Any, folder: Path) -> Any:
    """The base with the adapter of this folder in its weights.

    Raises:
        BadInput: peft is not installed, the adapter is of another kind than LoRA or does not fit the base.
    """
    try:
        import peft
    except ImportError:
        raise missing("peft") from None
    config = _config(folder, peft)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # weights that are missing or left over are looked at below
            adapted = peft.PeftModelForCausalLM(model, config)
            found = adapted.load_adapter(str(folder), "default", torch_device=str(model.device))
    except Exception as error:  # peft raises ValueError, KeyError, RuntimeError and what its packages raise
        raise BadInput(
            f"The adapter in {str(folder)!r} does not fit its base: {type(error).__name__}: {reason(error)}.",
            hint=MERGE,
        ) from error
    for what, keys in (("lacks", found.missing_keys), ("has unread", found.unexpected_keys)):
        if keys:
            raise BadInput(f"The adapter in {str(folder)!r} {what} weights: {quoted(sorted(keys))}.", hint=MERGE)
    return adapted.merge_and_unload()


def _config(folder: Path, peft: Any) -> Any:
    """The settings of a LoRA adapter, without any that byrote does not know."""
    given = read_json(folder / ADAPTER)
    kind = given.get("peft_type")
    if kind != "LORA":
        raise BadInput(f"The adapter in {str(folder)!r} is of the type {kind!r}, and byrote reads LORA.", hint=MERGE)
    usual = {field.name: field.default for field in dataclasses.fields(peft.LoraConfig)}
    odd = [name for name in given.keys() - READ - ASIDE if given[name] and given[name] != usual.get(name)]
    if given.get("init_lora_weights", True) not in BEGINNINGS:
        odd.append("init_lora_weights")
    if odd:
        raise BadInput(
            f"The adapter in {str(folder)!r} has settings that byrote does not read: {quoted(sorted(odd))}.", hint=MERGE
        )
    return peft.LoraConfig(**{name: given[name] for name in READ & given.keys() & usual.keys()})
