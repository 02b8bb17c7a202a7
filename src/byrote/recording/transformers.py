"""A callback for the Trainer of transformers that records what its training shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from byrote.errors import BadInput
from byrote.recording.driven import Driven
from byrote.recording.planted import Given
from byrote.recording.with_ids import KEY

try:
    from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
except ImportError as error:
    raise BadInput(
        "The callback for Trainer needs transformers and accelerate.", hint="pip install 'byrote[transformers]'"
    ) from error


class RecorderCallback(Driven, TrainerCallback):
    """Records a classifier's training by Trainer, in every process of it.

    The training set is `byrote.WithIds(dataset)`, or has a column `example_id` with positions, and
    `remove_unused_columns=False` lets ids through to the model, where a hook takes them out before the model would see
    them. Save checkpoints where epochs end: a training that goes on from one forgets what it saw of the epoch that it
    starts again. For the arguments see `Driven` and `Recorder`; `clean` loads batches with `labels` and `example_id`.
    `labels` are needed where Trainer keeps them from the model, as with label smoothing.
    """

    def __init__(
        self,
        out: str | Path,
        *,
        examples: int,
        model: int = 0,
        repeats: bool = False,
        ids: Sequence[str] | None = None,
        labels: Sequence[Any] | np.ndarray | None = None,
        class_names: Sequence[str] | None = None,
        tolerance: float | None = None,
        controls: Given | None = None,
        name: str = "recorded",
        keep_weights_at: str | None = None,
        clean: Iterable[Any] | None = None,
        clean_every: int = 1,
    ) -> None:
        super().__init__(
            out,
            examples=examples,
            model=model,
            repeats=repeats,
            ids=ids,
            labels=labels,
            class_names=class_names,
            tolerance=tolerance,
            controls=controls,
            name=name,
            keep_weights_at=keep_weights_at,
            clean=clean,
            clean_every=clean_every,
        )
        self._known = None if labels is None else torch.as_tensor(np.asarray(labels))
        self._given: tuple[Any, Any] | None = None
        self._hooks: list[torch.utils.hooks.RemovableHandle] = []

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start the recorder, or let it go on where the checkpoint does, and put the hooks on the model.

        Raises:
            BadInput: Trainer would take the ids out, or spreads batches over devices by threads.
        """
        if args.remove_unused_columns:
            raise BadInput(
                "Trainer takes ids out of the batches before the model could be asked about them.",
                hint="TrainingArguments(…, remove_unused_columns=False).",
            )
        if args.n_gpu > 1:
            raise BadInput(
                f"Trainer spreads every batch over {args.n_gpu} GPUs by threads, where answers lose their ids.",
                hint=f"torchrun --nproc-per-node {args.n_gpu} …, or CUDA_VISIBLE_DEVICES=0.",
            )
        resumed = int(state.epoch or 0) if state.global_step else None
        self._start(args.process_index, args.world_size, resumed)
        model = kwargs["model"]
        self._unhook()
        self._hooks = [
            model.register_forward_pre_hook(self._asked, with_kwargs=True),
            model.register_forward_hook(self._answered),
        ]

    def _asked(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        kept = {name: value for name, value in kwargs.items() if name != KEY}
        self._given = (kwargs.get(KEY), kwargs.get("labels"))
        return args, kept

    def _answered(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        given, self._given = self._given, None
        if not module.training or given is None:
            return
        ids, labels = given
        if ids is None:
            raise BadInput(f"A batch came without {KEY!r}.", hint="Trainer(train_dataset=byrote.WithIds(dataset), …).")
        if labels is None:
            if self._known is None:
                raise BadInput(
                    "Trainer keeps the labels from the model, so that a recorder cannot see them.",
                    hint="RecorderCallback(…, labels=…), in the order of the dataset.",
                )
            labels = self._known.to(ids.device)[ids]
        logits = _by_example(_logits(output))
        self.recorder.observe(ids, logits, labels)

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """An epoch is over; Trainer saves its checkpoints after this."""
        self._epoch_ended(kwargs["model"], _forward)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Write what belongs to the checkpoint."""
        if self.recorder.open:
            self.recorder.flush()

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Make the run."""
        self._unhook()
        self._ended(kwargs["model"], _forward)

    def _unhook(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks = []


def _logits(output: Any) -> Tensor:
    logits = output.get("logits") if isinstance(output, dict) else getattr(output, "logits", None)
    if not isinstance(logits, Tensor):
        raise BadInput(
            f"The model's answer has no logits. Got a {type(output).__name__!r}.",
            hint="record a classifier whose forward gives logits, such as AutoModelForSequenceClassification.",
        )
    return logits


def _by_example(logits: Tensor) -> Tensor:
    """The logits, if the model answers once an example, and not once a token."""
    if logits.ndim > 2:
        raise BadInput(
            f"The model answers token by token: its logits have the shape {tuple(logits.shape)}. A recorder takes note "
            "of classifiers.",
            hint="byrote.transformers.AuditCallback in its place audits a language model; or save the model: `byrote "
            "audit --model DIR --corpus train.jsonl --heldout-documents others.jsonl` reads it once it is trained.",
        )
    return logits


def _forward(model: nn.Module, batch: Any) -> tuple[Any, Tensor, Any]:
    if not isinstance(batch, dict) and not hasattr(batch, "keys"):
        raise BadInput(
            f"A batch of the clean pass must have named values. Got a {type(batch).__name__!r}.",
            hint="let the loader's collate_fn give a dictionary, as transformers.default_data_collator does.",
        )
    given = dict(batch)
    missing = [name for name in (KEY, "labels") if name not in given]
    if missing:
        raise BadInput(f"A batch of the clean pass lacks {', '.join(map(repr, missing))}.", hint="load byrote.WithIds.")
    ids, labels = given.pop(KEY), given.pop("labels")
    place = next(model.parameters()).device
    moved = {name: value.to(place) if isinstance(value, Tensor) else value for name, value in given.items()}
    return ids, _logits(model(**moved)), labels
