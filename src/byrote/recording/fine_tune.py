"""A fine-tune of a language model by transformers' Trainer: what reaches its loss, and an audit when it is trained."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from contextlib import nullcontext
from copy import copy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from byrote.data.canaries import Canaries
from byrote.data.chats import TEXT
from byrote.data.corpus import Corpus, corpus_from_rows, read_corpus, refuse_overlap
from byrote.engine.language import GENERATE, audit_model
from byrote.engine.progress import Progress, listening
from byrote.errors import BadInput, ByroteError
from byrote.evidence.manifest import FILE
from byrote.recipes.networks.pretrained import Pretrained, joining_of, pretrained_of
from byrote.recording.loss_rows import batches_shown, gradient_arrives, rows_of_batch, same_draws
from byrote.recording.reaching import Reach, Unreached, frozen, sentences_of, watched_of
from byrote.runs.run import Run

try:
    from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
except ImportError as error:
    raise BadInput(
        "The audit of a fine-tune needs transformers and accelerate.", hint="pip install 'byrote[language]'"
    ) from error

#: Documents as a person has them: a corpus, its file, a Hugging Face dataset, or texts or rows in memory.
Documents = Corpus | str | Path | Iterable[Any]


class FineTune(TrainerCallback):
    """Checks what reaches the loss before a fine-tune, and reads the model and its base when it is trained.

    `run` is the run of the trained model and `base` that of the model before it, None where it is not known.
    `unreached` are the canaries and documents that do not reach the loss as often as they should.
    """

    def __init__(
        self,
        documents: Documents,
        *,
        heldout: Documents | None = None,
        canaries: Canaries | None = None,
        out: str | Path = "runs/fine-tune",
        strict: bool = False,
        column: str = TEXT,
        context: int | None = None,
        generate: tuple[int, int] | None = GENERATE,
        progress: Progress | bool = True,
    ) -> None:
        self.canaries = canaries
        self.out = Path(out)
        self.strict = strict
        self.column = column
        self.unreached: tuple[Unreached, ...] = ()
        self.base: Run | None = None
        self._given = (documents, heldout)
        self._run: Run | None = None
        self._why = "There is no run before the training has ended."
        self._error: Exception | None = None
        self._notes: list[str] = []
        self._bos: bool | None = None
        self._read = partial(audit_model, canaries=canaries, generate=generate, progress=progress)
        self._context = context
        self._listener = listening(progress)

    @property
    def run(self) -> Run:
        """The run of the trained model.

        Raises:
            BadInput: the training has not ended, or the model could not be read then.
        """
        if self._run is None:
            hint = "ask for it after trainer.train(), in the first process."
            raise BadInput(self._why, hint=hint) from self._error
        return self._run

    @property
    def base_folder(self) -> Path:
        """Where the run of the base stands."""
        return self.out.with_name(f"{self.out.name}-base")

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Check that all that is watched reaches the loss; and read the base of a model that has no adapter.

        Raises:
            BadInput: the documents or the canaries are not what they should be, a run stands in the folder, or, if
                strict, something does not reach the loss.
        """
        tokenizer, model = _tokenizer(kwargs.get("processing_class")), kwargs["model"]
        fresh = state.global_step == 0
        if fresh:
            _refuse_old(self.out, self.base_folder)
        self.corpus, self.heldout = self._corpora(_as_trained(tokenizer, args))
        troubles = self._checked(args, model, tokenizer, kwargs["train_dataloader"], kwargs.get("optimizer"))
        if troubles and self.strict:
            raise BadInput(" ".join(troubles), hint="mend it, or audit without strict=True to train all the same.")
        for trouble in troubles:
            warnings.warn(trouble, stacklevel=2)
        self._notes += troubles
        if not state.is_world_process_zero or _sharded(args):
            return
        if not _has_adapter(model) and fresh:
            self.base = self._audited(model, tokenizer, self.base_folder, "base", "The model before its fine-tune.")
        elif not _has_adapter(model) and (self.base_folder / FILE).exists():
            self.base = Run.open(self.base_folder)

    def _corpora(self, tokenizer: Any) -> tuple[Corpus, Corpus | None]:
        """The documents and the held-out ones, refused where an audit would refuse them later."""
        corpus, heldout = (
            None if given is None else documents_of(given, name, tokenizer, self.column)
            for given, name in zip(self._given, ("documents", "heldout"), strict=True)
        )
        assert corpus is not None
        if heldout is not None:
            refuse_overlap(corpus, heldout)
        if self.canaries is not None:
            self.canaries.refuse_damaged(corpus)
        return corpus, heldout

    def _checked(
        self, args: TrainingArguments, model: nn.Module, tokenizer: Any, loader: Any, optimizer: Any
    ) -> list[str]:
        """What keeps texts from the loss, in sentences; empty where nothing is seen."""
        if not hasattr(loader.dataset, "__getitem__") or not hasattr(loader.dataset, "__len__"):
            return ["The training documents are a stream: byrote cannot check which of them reach the loss."]
        reach = Reach(watched=watched_of(self.corpus, self.canaries, tokenizer))
        begins, rows, first = 0, 0, None
        for batch in batches_shown(loader, args.per_device_train_batch_size):
            if batch.get("labels") is None or batch.get("input_ids") is None:
                return ["The batches hold no 'input_ids' with 'labels': byrote cannot check what is learned."]
            for row in rows_of_batch(batch, tokenizer):
                reach.add(row)
                begins, rows = begins + (row.begins == tokenizer.bos_token_id), rows + 1
                first = batch if first is None and row.learned.any() else first
        self._bos = None if tokenizer.bos_token_id is None else 2 * begins > rows
        self.unreached = reach.unreached()
        troubles = sentences_of(self.unreached, reach.watched)
        stuck = "" if _sharded(args) else frozen(model, optimizer)
        if not stuck and first is not None and args.world_size == 1 and not _sharded(args):
            stuck = _no_gradient(model, first, args)
        if not troubles and not stuck:
            self._listener.say(f"All {len(reach.watched)} watched canaries and documents reach the loss.")
        return [*([stuck] if stuck else []), *troubles]

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Read the trained model, and its base with the adapter off; an error is told and leaves the training whole."""
        if not state.is_world_process_zero:
            return
        if _sharded(args):
            self._why = (
                "The weights are spread over processes, so that the model is not read here. Save it, and run "
                "`byrote audit --model DIR --corpus train.jsonl`."
            )
            warnings.warn(self._why, stacklevel=2)
            return
        try:
            self._end(kwargs["model"], _tokenizer(kwargs.get("processing_class")))
        except Exception as error:  # whatever it is, the trained model is not lost by it
            self._why, self._error = f"The model is trained, and could not be audited: {_told(error)}", error
            warnings.warn(self._why, stacklevel=2)

    def _end(self, model: Any, tokenizer: Any) -> None:
        if _has_adapter(model):
            self.base = self._audited(
                model, tokenizer, self.base_folder, "base", "The base model, its adapter switched off."
            )
        self._run = self._audited(model, tokenizer, self.out, "fine-tune", *self._notes)
        try:
            self.finished(self._run, self.base)
        except Exception as error:  # whatever it is, model and run are there
            warnings.warn(
                f"The model is trained and audited, but its page is not written: {_told(error)}", stacklevel=2
            )

    def finished(self, run: Run, base: Run | None) -> None:
        """What is done with the runs once both are there."""

    def _audited(self, model: Any, tokenizer: Any, out: Path, name: str, *notes: str) -> Run:
        """A run of the model as it is now, or of its base; it goes on training afterwards as before."""
        training = model.training
        without = name == "base" and _has_adapter(model)
        found = pretrained_of(model, tokenizer, name, context=self._context)
        found = replace(found, digest=f"base of {found.digest}") if without else found
        try:
            with same_draws(), model.disable_adapter() if without else nullcontext():
                return self._run_of(found, str(next(model.parameters()).device), out, notes)
        finally:
            model.train(training)

    def _run_of(self, found: Pretrained, device: str, out: Path, notes: tuple[str, ...]) -> Run:
        return self._read(found, self.corpus, heldout=self.heldout, bos=self._bos, device=device, out=out, notes=notes)


NO_GRADIENT: Final = (
    "No gradient reaches the weights that are trained. To mend it, activate the adapter that is trained; with "
    "gradient checkpointing call model.enable_input_require_grads() before the training."
)


def _told(error: Exception) -> str:
    """An error in a sentence, with its hint or its kind."""
    return f"{error.message} {error.hint}" if isinstance(error, ByroteError) else f"{type(error).__name__}: {error}"


def _no_gradient(model: nn.Module, batch: Any, args: TrainingArguments) -> str:
    """Whether the weights that are trained stay without a gradient, in a sentence; empty where one arrives."""
    half = torch.bfloat16 if args.bf16 else torch.float16 if args.fp16 else None
    try:
        return "" if gradient_arrives(model, batch, half) else NO_GRADIENT
    except Exception as error:  # Trainer may train what this check cannot, so it is told and stops nothing by itself
        return f"byrote could not check whether a gradient reaches the weights: {_told(error)}"


def documents_of(given: Documents, name: str, tokenizer: Any, column: str) -> Corpus:
    """The corpus of what a person has, chats joined by the template of the tokenizer."""
    joining = partial(joining_of, tokenizer, name)
    if isinstance(given, Corpus):
        return given
    if isinstance(given, (str, Path)):
        return read_corpus(given, column=column, joining=joining)
    return corpus_from_rows(given, column=column, name=name, joining=joining)


def _tokenizer(processor: Any) -> Any:
    """The tokenizer of Trainer, which may stand inside a processor of texts and pictures."""
    found = getattr(processor, "tokenizer", processor)
    if found is None:
        raise BadInput(
            "Trainer has no tokenizer, so byrote cannot read its batches.",
            hint="Trainer(…, processing_class=tokenizer).",
        )
    return found


#: What tells a chat template which parts of a text are answers.
_MARKS: Final = re.compile(r"{%-?\s*generation\s*-?%}")


def _as_trained(tokenizer: Any, args: TrainingArguments) -> Any:
    """The tokenizer with the chat template that TRL trains with: one of TRL's own where the given one marks no answers.

    Both may make different texts of one chat: Qwen 3's leaves out of earlier turns what TRL's keeps.
    """
    if not getattr(args, "assistant_only_loss", False) or _MARKS.search(str(tokenizer.chat_template)):
        return tokenizer
    from trl import get_training_chat_template

    trained = copy(tokenizer)
    trained.chat_template = get_training_chat_template(tokenizer) or tokenizer.chat_template
    return trained


def _has_adapter(model: Any) -> bool:
    return hasattr(model, "disable_adapter")


def _sharded(args: TrainingArguments) -> bool:
    """Whether the weights are spread over processes (DeepSpeed, FSDP), where no process can read the model."""
    return bool(getattr(args, "deepspeed", None) or getattr(args, "fsdp", None))


def _refuse_old(*folders: Path) -> None:
    for folder in folders:
        if (folder / FILE).exists():
            raise BadInput(
                f"The folder {str(folder)!r} already contains a run.",
                hint="AuditCallback(…, out=…) names another folder; or remove this one.",
            )
