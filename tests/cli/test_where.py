"""`byrote where`: it reads what is not read yet, says when and where, and refuses in a sentence."""

from pathlib import Path

import pytest

from byrote.cli.app import app
from byrote.errors import BadInput, MissingEvidence
from byrote.evidence.shards import read_header
from byrote.runs.run import Run

EXPERIMENT = """
import numpy as np, byrote
def dataset():
    rng = np.random.default_rng(0)
    targets = np.arange(120) % 2
    inputs = rng.normal(size=(120, 8)) + targets[:, None]
    return byrote.from_arrays(inputs.astype(np.float32), targets, name='mine')
def recipe():
    return byrote.Recipe(network=byrote.MLP(hidden=(32,)), epochs=20, batch_size=10)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("where")
    (place / "mine.py").write_text(EXPERIMENT)
    audit = f"audit {place}/mine.py --models 4 --workers 1 --keep-weights-at 0,last --plant none --out {place}/run"
    app(audit.split(), standalone_mode=False)
    return place


@pytest.mark.slow
def test_the_first_call_reads_and_the_next_ones_ask(folder, capsys):
    app(["where", f"{folder}/run"], standalone_mode=False)
    said = " ".join(capsys.readouterr().out.split())
    assert "Groups by place and time" in said
    assert f"Report: {folder}/run/report.html" in said
    run = Run.open(folder / "run")
    shard = run.evidence.path("rewinding", 0, 0)
    before = shard.stat().st_mtime_ns
    ids = folder / "ids.txt"
    ids.write_text("\n".join(run.ids[:60]) + "\n")
    app(["where", f"{folder}/run", "--ids", str(ids)], standalone_mode=False)
    assert "the named examples" in " ".join(capsys.readouterr().out.split())
    assert shard.stat().st_mtime_ns == before
    assert read_header(shard)["probe"] == "rewinding"
    assert "When and where" in (folder / "run" / "report.html").read_text()
    app(["verify", f"{folder}/run"], standalone_mode=False)


@pytest.mark.slow
def test_a_layer_that_does_not_exist_and_a_run_without_weights(folder, tmp_path):
    audit = f"audit {folder}/mine.py --models 4 --workers 1 --plant none --out {tmp_path}/plain"
    app(audit.split(), standalone_mode=False)
    with pytest.raises(MissingEvidence, match="kept no weights at checkpoints") as caught:
        app(["where", f"{tmp_path}/plain"], standalone_mode=False)
    assert caught.value.hint == "audit into another folder with --keep-weights-at checkpoints."
    audit = f"audit {folder}/mine.py --models 4 --workers 1 --plant none --out {tmp_path}/run --keep-weights-at 0,last"
    app(audit.split(), standalone_mode=False)
    with pytest.raises(BadInput, match="The network has no layer 'haed'") as other:
        app(["where", f"{tmp_path}/run", "--layers", "haed"], standalone_mode=False)
    assert other.value.hint == "its layers are 1; 3."
    app(["where", f"{tmp_path}/run", "--layers", "3"], standalone_mode=False)
    assert Run.open(tmp_path / "run").load("rewinding.layer", [0]).tolist() == ["3"]
