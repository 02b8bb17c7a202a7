"""What the callbacks of training frameworks have in common: a recorder that is made when the training starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from byrote.errors import BadInput
from byrote.recording.planted import Given
from byrote.recording.recorder import Forward, Recorder


class Driven:
    """A recorder driven by a framework, which knows which process this is and where a training goes on.

    `clean` is a loader of the training examples without augmentation and with ids, for a clean pass after every
    `clean_every` epochs and after the last one, where `keep_weights_at` keeps the weights, too. The other arguments
    are the recorder's. `recorder.run` is the run, once it is made.
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
        super().__init__()
        if clean_every < 1:
            raise BadInput(
                f"The 'clean_every' argument of RecorderCallback must be at least 1. Got {clean_every}.",
                hint="clean_every=1 makes a clean pass after each epoch.",
            )
        self.clean = clean
        self.clean_every = clean_every
        self._make = partial(
            Recorder,
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
        )
        self._recorder: Recorder | None = None
        self._due: Callable[[], Recorder] | None = None

    @property
    def recorder(self) -> Recorder:
        """The recorder of the training; it writes nothing before there is something to take note of.

        Raises:
            BadInput: the training has not started; or see `Recorder`.
        """
        if self._recorder is None and self._due is not None:
            self._recorder, self._due = self._due(), None
        if self._recorder is None:
            raise BadInput(
                "There is no recorder before the training starts.",
                hint="ask for it after Trainer.train() or Trainer.fit() has begun.",
            )
        return self._recorder

    def _start(self, rank: int, world: int, resume_at: int | None) -> None:
        self._recorder, self._due = None, partial(self._make, rank=rank, world=world, resume_at=resume_at)
        if resume_at is not None:
            self.recorder  # noqa: B018  what was recorded of later epochs is forgotten before they come again

    def _epoch_ended(self, network: nn.Module, forward: Forward | None) -> None:
        self.recorder.epoch_end()
        if self.clean is not None and self.recorder.epochs_done % self.clean_every == 0:
            self.recorder.clean_pass(network, self.clean, forward=forward)

    def _ended(self, network: nn.Module, forward: Forward | None) -> None:
        if self.clean is not None and self.recorder.epochs_done % self.clean_every:
            self.recorder.clean_pass(network, self.clean, forward=forward)
        self.recorder.close()
