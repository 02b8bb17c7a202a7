"""The figures of a run in trackers of experiments: MLflow, Weights & Biases, TensorBoard; one function each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from byrote.errors import BadInput
from byrote.runs.exporters.figures import figures_of, report_of
from byrote.runs.run import Run

#: What no tracker takes in a name.
_STRANGE: Final = re.compile(r"[^A-Za-z0-9_\-./ ]")


def numbers_of(run: Run) -> dict[str, float]:
    """Every figure of the report by its name, `byrote/…`, with the ends of its interval beside it.

    Raises:
        MissingEvidence: no report was written yet.
        BadInput: the report was changed.
    """
    return dict(_numbers(run))


def _numbers(run: Run) -> Iterator[tuple[str, float]]:
    for place, figure in figures_of(report_of(run)).items():
        name = f"byrote/{_STRANGE.sub('-', place)}"
        for end, value in (("", figure.value), (".low", figure.low), (".high", figure.high)):
            if value is not None:
                yield f"{name}{end}", value


def log_to_mlflow(run: Run, *, experiment: str | None = None) -> str:
    """Log the figures of a run as metrics to MLflow: into the run that is active, or else into a new one; its id.

    Where MLflow keeps them is its own setting, as `MLFLOW_TRACKING_URI`.

    Raises:
        MissingEvidence, BadInput: as `numbers_of`; or mlflow is not installed.
    """
    mlflow = _package("mlflow", "mlflow-skinny")
    numbers = numbers_of(run)
    active = mlflow.active_run()
    if active is None:
        if experiment is not None:
            mlflow.set_experiment(experiment)
        with mlflow.start_run(run_name=run.folder.resolve().name) as active:
            mlflow.log_metrics(numbers)
    else:
        mlflow.log_metrics(numbers)
    return str(active.info.run_id)


def log_to_wandb(run: Run, *, project: str = "byrote", mode: str = "offline") -> str:
    """Log the figures of a run to Weights & Biases: into the run that is active, or else into a new one; its id.

    A new one is kept on this machine (`mode="offline"`); `wandb sync` uploads it.

    Raises:
        MissingEvidence, BadInput: as `numbers_of`; or wandb is not installed.
    """
    wandb = _package("wandb", "wandb")
    numbers = numbers_of(run)
    if wandb.run is not None:
        wandb.run.summary.update(numbers)
        return str(wandb.run.id)
    made = wandb.init(project=project, mode=mode, name=run.folder.resolve().name)
    try:
        made.summary.update(numbers)
    finally:
        made.finish()
    return str(made.id)


def log_to_tensorboard(run: Run, folder: str | Path, *, step: int = 0) -> None:
    """Write the figures of a run as scalars of one step into a folder of TensorBoard.

    Raises:
        MissingEvidence, BadInput: as `numbers_of`; or tensorboard is not installed.
    """
    _package("tensorboard", "tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    numbers = numbers_of(run)
    with SummaryWriter(str(folder)) as writer:
        for name, value in numbers.items():
            writer.add_scalar(name, value, step)


def _package(name: str, install: str) -> Any:
    """The package of a tracker.

    Raises:
        BadInput: it is not installed.
    """
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise BadInput(f"The figures go to {name}, which is not installed.", hint=f"pip install {install}") from error
