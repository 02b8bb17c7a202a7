from __future__ import annotations

import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from byrote.errors import BadInput
from byrote.runs.exporters import trackers
from byrote.runs.exporters.trackers import log_to_mlflow, log_to_tensorboard, log_to_wandb, numbers_of
from runs.exporters.test_figures import reported

NUMBERS = {
    "byrote/memorization/share": 0.2,
    "byrote/memorization/share.low": 0.1,
    "byrote/memorization/share.high": 0.3,
    "byrote/memorization/mean/clean": 0.01,
    "byrote/memorization/accuracy/member": 1.0,
    "byrote/memorization/accuracy/member.low": 0.99,
    "byrote/memorization/accuracy/member.high": 1.0,
    "byrote/attacks/lira/auc": 0.75,
    "byrote/attacks/lira/auc.low": 0.7,
    "byrote/attacks/lira/auc.high": 0.8,
    "byrote/attacks/lira/tpr_at_fpr_0.1": 0.3,
    "byrote/attacks/lira/null": 0.5,
}


def test_every_figure_has_a_name_and_its_interval_stands_beside_it(tmp_path: Path) -> None:
    assert numbers_of(reported(tmp_path / "run")) == NUMBERS


@pytest.mark.parametrize(
    ("log", "package"),
    [
        (log_to_mlflow, "mlflow"),
        (log_to_wandb, "wandb"),
        (lambda run: log_to_tensorboard(run, "folder"), "tensorboard"),
    ],
)
def test_a_package_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: object, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(BadInput, match=f"go to {package}, which is not installed.* pip install {package}"):
        log(reported(tmp_path / "run"))  # type: ignore[operator]


@pytest.mark.filterwarnings("ignore")
def test_mlflow_has_them_as_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # a database takes more packages than mlflow-skinny has
    mlflow.set_tracking_uri((tmp_path / "kept").as_uri())
    run = reported(tmp_path / "run")
    made = log_to_mlflow(run, experiment="memorization")
    assert mlflow.get_run(made).data.metrics == NUMBERS
    with mlflow.start_run() as active:
        assert log_to_mlflow(run) == active.info.run_id
    assert mlflow.get_run(active.info.run_id).data.metrics == NUMBERS


@pytest.mark.filterwarnings("ignore")
def test_weights_and_biases_keeps_them_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.chdir(tmp_path)
    made = log_to_wandb(reported(tmp_path / "run"))
    (kept,) = (tmp_path / "wandb").glob(f"offline-run-*-{made}")
    (written,) = kept.glob("*.wandb")
    lacking, until = list(NUMBERS), time.monotonic() + 60
    while lacking and time.monotonic() < until:  # a process of wandb's own writes, and may still be at it
        time.sleep(0.1)
        lacking = [name for name in NUMBERS if name.encode() not in written.read_bytes()]
    assert lacking == []


def test_an_active_run_of_weights_and_biases_gets_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is called is the summary of that run, and none is begun."""
    summary: dict[str, float] = {}
    active = SimpleNamespace(run=SimpleNamespace(id="mine", summary=summary))
    monkeypatch.setattr(trackers, "_package", lambda *_: active)
    assert log_to_wandb(reported(tmp_path / "run")) == "mine"
    assert summary == NUMBERS


@pytest.mark.filterwarnings("ignore")
def test_tensorboard_has_them_as_scalars(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log_to_tensorboard(reported(tmp_path / "run"), tmp_path / "board", step=7)
    found = EventAccumulator(str(tmp_path / "board")).Reload()
    assert set(found.Tags()["scalars"]) == NUMBERS.keys()
    for name, value in NUMBERS.items():
        (event,) = found.Scalars(name)
        assert (event.step, event.value) == (7, pytest.approx(value))
