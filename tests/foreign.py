"""Small models of transformers as somebody else would have saved them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers

from byrote.data.tokenizers import BEGIN, byte_pairs

TEXTS = ["the quick brown fox", "jumps over the lazy dog", "and runs away from it"]


def saved(folder: Path, model: Any) -> Path:
    """The folder with the model, and a tokenizer trained on the texts."""
    tokenizer = byte_pairs(TEXTS, vocabulary=280)
    with_bos = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=BEGIN)
    with_bos.save_pretrained(folder)
    bars = transformers.utils.logging
    bars.disable_progress_bar()
    model.save_pretrained(folder)
    bars.enable_progress_bar()
    return folder


def small_gpt(folder: Path) -> Any:
    """An untrained GPT-2, saved there."""
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=280, n_positions=64, n_embd=32, n_layer=1, n_head=2, resid_pdrop=0.0, embd_pdrop=0.0,
        attn_pdrop=0.0, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    model = transformers.GPT2LMHeadModel(config)
    saved(folder, model)
    return model.eval()
