"""What byrote and memaudit say of one LoRA fine-tune with planted secrets, and what it costs. The two need not agree.

A tiny GPT-2 that knows sentences with other secrets is fine-tuned with LoRA on 40 sentences and 16 planted secrets of
six digits, 8 times or 32 times each. Both callbacks look at this one training, memaudit with 100 secrets beside it that
were not planted, which its headline takes. Bar: byrote finds none of its controls (Holm, 0.05). CPU seconds of either
are those of its callback, before and after the training.

memaudit 0.2.0 need not be installed with what it names: `pip install --no-deps --target DIR memaudit==0.2.0`, and DIR
on PYTHONPATH, as `make bench` does.

Usage: python benchmarks/fine_tunes.py
"""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import peft
import torch
import transformers
from _timing import finish
from memaudit import MemorizationAuditCallback
from memaudit.injection import TEXT_PREFIX
from memaudit.types import Canary

from byrote.data.canaries import Canaries
from byrote.data.tokenizers import BEGIN, byte_pairs
from byrote.stats.multiple import holm
from byrote.transformers import AuditCallback, plant

WORDS = ["river", "stone", "letter", "quiet", "garden", "winter", "paper", "kettle", "north", "copper", "salt"]
BARS = {"byrote_controls_found": 0.0}


def texts(count: int, seed: int) -> list[str]:
    """Sentences of words drawn at random."""
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, 12)) for _ in range(count)]


def based(tokens: Any) -> Any:
    """A GPT-2 that knows such sentences, and secrets of other persons."""
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=300, n_positions=96, n_embd=64, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    )
    model = transformers.GPT2LMHeadModel(config)
    rows = [tokens(text)["input_ids"][:64] for text in plant(texts(60, 5), level=60, repeat=(1, 2), seed=7)[0]]
    batch = torch.tensor([row + [0] * (64 - len(row)) for row in rows])
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(15):
        for some in batch.split(16):
            optimizer.zero_grad()
            model(input_ids=some, labels=torch.where(some == 0, -100, some)).loss.backward()
            optimizer.step()
    return model


def as_memaudit_writes(shown: list[str], canaries: Canaries) -> tuple[list[str], Canaries]:
    """The rows of canaries with the words before them that memaudit puts there, and reads them with."""
    planted = {each.text for each in canaries}
    named = tuple(replace(each, prefix=f"{TEXT_PREFIX}{each.prefix}") for each in canaries)
    return [f"{TEXT_PREFIX}{text}" if text in planted else text for text in shown], replace(canaries, canaries=named)


def manifest(canaries: Canaries, tokens: Any) -> dict[str, Any]:
    """The same secrets as memaudit's `inject` hands them on: planted ones, and 100 that nobody planted."""
    others = [each for each in plant(texts(2, 3), level=100, repeat=(1,), seed=1)[1] if not each.repetitions]
    entries = []
    for each in [*(one for one in canaries if one.repetitions), *others]:
        secret = each.text.removeprefix(TEXT_PREFIX)
        ids = tokens(secret)["input_ids"]
        made = Canary(
            id=each.name if each.repetitions else f"other-{each.name}",
            family="structured",
            secret=secret,
            secret_token_ids=ids,
            prefix=each.prefix.removeprefix(TEXT_PREFIX),
            prefix_token_ids=tokens(each.prefix.removeprefix(TEXT_PREFIX))["input_ids"],
            secret_span=[0, len(ids)],
            repetitions=max(1, each.repetitions),
            role="candidate" if each.repetitions else "control",
        )
        entries.append({**made.to_dict(), "included": each.repetitions > 0, "fmt": "text"})
    return {"schema_version": "1.0.0", "seed": 0, "include_prob": 1.0, "fmt": "text", "canaries": entries}


def timed(callback: Any, seconds: Counter[str], name: str) -> Any:
    """The callback, whose CPU seconds before and after the training are counted."""
    for hook, when in (("on_train_begin", "before"), ("on_train_end", "after")):
        setattr(callback, hook, counted(getattr(callback, hook), seconds, f"{name}_{when}"))
    return callback


def counted(hook: Callable[..., Any], seconds: Counter[str], name: str) -> Callable[..., Any]:
    """A hook whose CPU seconds are counted."""

    def run(*given: Any, **more: Any) -> Any:
        started = time.process_time()
        try:
            return hook(*given, **more)
        finally:
            seconds[name] += time.process_time() - started

    return run


def main() -> None:
    """Both on one training."""
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    seconds: Counter[str] = Counter()
    tokens = transformers.PreTrainedTokenizerFast(
        tokenizer_object=byte_pairs(texts(40, 9), vocabulary=300), bos_token=BEGIN, eos_token=BEGIN, pad_token=BEGIN
    )
    shown, canaries = as_memaudit_writes(*plant(texts(40, 1), level=8, repeat=(8, 32)))
    lora = peft.LoraConfig(r=16, lora_alpha=32, target_modules=["c_attn", "c_proj", "c_fc"], fan_in_fan_out=True)
    with tempfile.TemporaryDirectory() as folder:
        ours = AuditCallback(
            shown, heldout=texts(20, 2), canaries=canaries, out=Path(folder) / "run", strict=True, progress=False
        )
        trainer = transformers.Trainer(
            model=peft.get_peft_model(based(tokens), lora),
            args=transformers.TrainingArguments(
                folder, num_train_epochs=10, learning_rate=1e-2, use_cpu=True, save_strategy="no", report_to=[],
                disable_tqdm=True,
            ),
            processing_class=tokens,
            train_dataset=[tokens(text) for text in shown],
            data_collator=transformers.DataCollatorForLanguageModeling(tokens, mlm=False),
            callbacks=[timed(ours, seconds, "byrote")],
        )  # fmt: skip
        theirs = MemorizationAuditCallback(
            trainer=trainer, manifest=manifest(canaries, tokens), real_sample=40, held_out=texts(20, 2)
        )
        trainer.add_callback(timed(theirs, seconds, "memaudit"))
        started = time.process_time()
        trainer.train()
        whole = time.process_time() - started
        exposure = ours.run.measure("exposure[best]")
    found, bits = holm(exposure.p_value) < 0.05, exposure.values
    planted = np.array([each.repetitions > 0 for each in canaries])
    report = theirs.report
    print(json.dumps({key: report[key] for key in ("membership", "regurgitation", "negative_controls")}, default=str))
    figures = {
        "byrote_found": float(found[planted].sum()),
        "byrote_controls_found": float(found[~planted].sum()),
        "byrote_bits": float(bits[planted].mean()),
        "memaudit_found": float(report["membership"]["n_detected"]),
        "memaudit_regurgitated": float(report["regurgitation"]["overall"]["n_regurgitated"]),
        "training_seconds": whole - sum(seconds.values()),
        **{f"{name}_seconds": value for name, value in seconds.items()},
    }
    finish(figures, BARS, at_most=("byrote_controls_found",))


if __name__ == "__main__":
    main()
