"""A Lightning callback that records what its training shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from byrote.errors import BadInput
from byrote.recording.driven import Driven
from byrote.recording.planted import Given
from byrote.recording.recorder import Forward
from byrote.recording.with_ids import KEY

try:
    from lightning.pytorch import Callback, LightningModule, Trainer
except ImportError as error:
    raise BadInput("The Lightning callback needs lightning.", hint="pip install 'byrote[lightning]'") from error


def unpacked(batch: Any) -> tuple[Any, Any]:
    """Ids and targets of a batch of a loader over `byrote.WithIds`.

    Raises:
        BadInput: the batch is of another kind.
    """
    if isinstance(batch, (tuple, list)) and len(batch) == 3:
        return batch[2], batch[1]
    if isinstance(batch, Mapping) and KEY in batch and "labels" in batch:
        return batch[KEY], batch["labels"]
    raise BadInput(
        f"A batch must be (inputs, targets, ids), or have the keys 'labels' and {KEY!r}. Got a "
        f"{type(batch).__name__!r}.",
        hint="load byrote.WithIds(dataset), or pass unpack=…, which gives ids and targets of a batch.",
    )


class RecorderCallback(Driven, Callback):
    """Records the training of a LightningModule, in every process of it.

    Logits are `"logits"` of what `training_step` returns, if it returns them; otherwise what the module, or its part
    named `part`, answered last in that step. Save checkpoints where epochs end: a training that goes on from one
    forgets what it saw of the epoch that it starts again. For the other arguments see `Driven` and `Recorder`.
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
        part: str = "",
        unpack: Callable[[Any], tuple[Any, Any]] = unpacked,
        forward: Forward | None = None,
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
        self.part = part
        self.unpack = unpack
        self.forward = forward
        self._answer: Tensor | None = None
        self._hook: torch.utils.hooks.RemovableHandle | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the recorder, or let it go on where the checkpoint does."""
        resumed = trainer.current_epoch if trainer.global_step else None
        self._start(trainer.global_rank, trainer.world_size, resumed)
        self._hook = pl_module.get_submodule(self.part).register_forward_hook(self._answered)

    def _answered(self, module: nn.Module, inputs: Any, output: Any) -> None:
        if module.training and isinstance(output, Tensor) and output.ndim == 2:
            self._answer = output.detach()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Take note of the batch."""
        returned = outputs.get("logits") if isinstance(outputs, Mapping) else None
        logits, self._answer = self._answer if returned is None else returned, None
        if logits is None:
            raise BadInput(
                "training_step returned no logits.",
                hint='let training_step return {"loss": loss, "logits": logits}, or name with part=… the module that '
                "gives them.",
            )
        ids, targets = self.unpack(batch)
        self.recorder.observe(ids, logits, targets)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """An epoch is over; Lightning saves its checkpoints after this."""
        self._epoch_ended(pl_module, self.forward)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Write what belongs to the checkpoint."""
        if self._recorder is not None and self._recorder.open:
            self._recorder.flush()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Make the run."""
        self._unhook()
        self._ended(pl_module, self.forward)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Keep what there is."""
        self._unhook()
        if self._recorder is not None and self._recorder.open:
            self._recorder.flush()

    def _unhook(self) -> None:
        if self._hook is not None:
            self._hook.remove()
            self._hook = None
