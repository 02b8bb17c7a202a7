"""Hints of fine-tunes that are audited are followed: each mends the case that brought it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers
from transformers import TrainerControl, TrainerState, TrainingArguments

import byrote
from byrote.data.tokenizers import byte_pairs
from byrote.recording import fine_tune
from documents import small_language_audit, words
from followed import Case, each, follow, without

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers'
TEXTS = ["the kettle is copper", "a river runs north"]


def begun(
    *, shown: Any = TEXTS, tokenizer: bool = True, out: str = "tuned", stands: bool = False
) -> Callable[[Path], Any]:
    """A training that begins, of these texts; `stands` leaves a run in the folder."""

    def begin(folder: Path, strict: bool = True) -> Any:
        made = transformers.PreTrainedTokenizerFast(tokenizer_object=byte_pairs(TEXTS, vocabulary=280))
        callback = fine_tune.FineTune(TEXTS, out=folder / out, strict=strict, progress=False)
        if stands:
            (folder / "tuned").mkdir(exist_ok=True)
            (folder / "tuned" / "manifest.json").write_text("{}")
        rows = [torch.tensor(made(text)["input_ids"]) for text in shown]
        loader = SimpleNamespace(
            dataset=rows, collate_fn=lambda some: {"input_ids": some[0][None], "labels": some[0][None]}
        )
        arguments = TrainingArguments(output_dir=str(folder), per_device_train_batch_size=1, report_to=[], use_cpu=True)
        model = Adapted()
        callback.on_train_begin(
            arguments, TrainerState(is_world_process_zero=True), TrainerControl(), model=model,
            processing_class=made if tokenizer else None, train_dataloader=loader, optimizer=None,
        )  # fmt: skip
        return callback

    return begin


class Adapted(torch.nn.Module):
    """A model with an adapter, as far as a training that begins looks at it."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(280, 280)

    def disable_adapter(self) -> None:
        """Is there."""

    def forward(self, input_ids: torch.Tensor, labels: torch.Tensor) -> Any:
        """The loss of a table of logits."""
        logits = self.table(input_ids)[:, :-1].flatten(0, 1)
        return SimpleNamespace(loss=torch.nn.functional.cross_entropy(logits, labels[:, 1:].flatten()))


def imported(_: Path) -> Any:
    """The module, imported anew."""
    name = "byrote.recording.fine_tune"
    module = sys.modules.pop(name)
    try:
        return importlib.import_module(name)
    finally:
        sys.modules[name] = module


def asked(done: bool) -> Callable[[Path], Any]:
    """The run of a fine-tune that has or has not ended."""

    def ask(folder: Path) -> Any:
        callback = fine_tune.FineTune(TEXTS, out=folder)
        callback._run = small_language_audit(folder / "run", generate=None) if done else None
        return callback.run

    return ask


def beside(other: bool) -> Callable[[Path], Any]:
    """A fine-tune beside a base that was read over other documents, or over the same."""

    def ask(folder: Path) -> Any:
        run = small_language_audit(folder / "run", generate=None)
        base = small_language_audit(folder / "other", corpus=words(5, seed=4), generate=None) if other else run
        return byrote.ask(run, "fine_tune", base)

    return ask


@each(
    Case(
        name="no transformers for a fine-tune",
        wrong=without("transformers", imported),
        says="byrote[language]",
        right=imported,
    ),
    Case(name="no tokenizer", wrong=begun(tokenizer=False), says="processing_class=tokenizer", right=begun()),
    Case(name="a run in the folder", wrong=begun(stands=True), says="out=…", right=begun(out="other")),
    Case(
        name="a text that is not shown",
        wrong=begun(shown=TEXTS[:1]),
        says="without strict=True",
        right=lambda folder: begun(shown=TEXTS[:1])(folder, strict=False),
    ),
    Case(name="a training that goes on", wrong=asked(False), says="after trainer.train()", right=asked(True)),
    Case(
        name="a base of other documents",
        wrong=beside(True),
        says="the same documents",
        right=beside(False),
        slow=True,
    ),
)
def test_hints_of_fine_tunes_are_followed(case: Case, tmp_path: Path) -> None:
    follow(case, tmp_path)
