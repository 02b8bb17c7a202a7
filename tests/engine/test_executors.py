import json
import os
import signal
import subprocess
import sys
from multiprocessing import active_children

import pytest
import torch

from byrote.engine.executors import ATTEMPTS, run_here, run_pool
from byrote.engine.job import Block, blocks_of
from byrote.errors import BadInput, WorkerFailed
from byrote.evidence.store import Evidence
from byrote.recipes.networks.mlp import MLP
from byrote.recipes.objectives.trades import Trades
from byrote.recipes.private import private
from engine.toys import RECIPES, contents, data, job, recipe, spoiled


class Notes:
    """A listener that remembers, and that may kill the workers when the first epoch is over."""

    def __init__(self, kills=0):
        self.kills = kills
        self.heard = []

    def advanced(self, block, share):
        self.heard.append(("advanced", block.models, share))
        if self.kills:
            self.kills -= 1
            (worker,) = active_children()
            os.kill(worker.pid, signal.SIGKILL)
            worker.join()

    def finished(self, block, diverged):
        self.heard.append(("finished", block.models, diverged))

    def retried(self, block, exit_code):
        self.heard.append(("retried", block.models, exit_code))

    def all(self, what):
        return [one[1:] for one in self.heard if one[0] == what]


def blocks(given, size=2, *, stacked=True):
    return blocks_of(given.design, size, stacked=stacked, compiled=False)


#: A recipe for every slot, DP-SGD's three and an objective that looks several times among them.
SLOTS = RECIPES | {
    "private": (
        RECIPES["mlp"][0],
        private(recipe(MLP(hidden=(8,))), members=20, rate=0.25, clip=0.5, multiplier=1.0),
    ),
    "trades": (RECIPES["mlp"][0], recipe(MLP(hidden=(8,)), objective=Trades(steps=2))),
}


@pytest.mark.slow
@pytest.mark.parametrize("stacked", [False, True], ids=["loop", "stack"])
@pytest.mark.parametrize("name", SLOTS)
def test_every_slot_does_the_same_in_a_pool(tmp_path, name, stacked):
    """Byte for byte, where the blocks are the same; how loop and stack differ is measured in `test_many.py`."""
    shape, slots = SLOTS[name]
    for place, run in (("here", run_here), ("pool", lambda given, those, notes: run_pool(given, those, 2, notes))):
        given = job(tmp_path / place, slots, data=data(shape), keep_weights=True)
        run(given, blocks(given, 2 if stacked else 1, stacked=stacked), Notes())
    expected = contents(tmp_path / "here")
    assert any("weights" in path for path in expected)
    assert contents(tmp_path / "pool") == expected


def test_the_pool_writes_what_this_process_writes(tmp_path):
    name = "mlp with dropout and masks"
    here = job(tmp_path / "here", RECIPES[name][1], keep_weights=True, heldout=data(examples=7))
    pool = job(tmp_path / "pool", RECIPES[name][1], keep_weights=True, heldout=data(examples=7))
    notes = Notes()
    run_here(here, blocks(here), notes)
    assert [models for models, _ in notes.all("finished")] == [(0, 1), (2, 3), (4, 5)]
    notes = Notes()
    run_pool(pool, blocks(pool), 1, notes)  # with two workers: the slow test above
    assert sorted(models for models, _ in notes.all("finished")) == [(0, 1), (2, 3), (4, 5)]
    assert not notes.all("retried")
    assert all(0 < share <= 1 for _, share in notes.all("advanced"))
    expected = contents(tmp_path / "here")
    assert len(expected) == 6 * 5
    assert contents(tmp_path / "pool") == expected
    for name in expected:
        assert (tmp_path / "pool" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()
    assert not active_children()


def test_this_process_gets_its_threads_back(tmp_path):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        given = job(tmp_path, spoiled(lambda _net, _inputs: 1 / 0))
        with pytest.raises((ZeroDivisionError, WorkerFailed)):
            run_here(given, blocks(given, stacked=False), Notes())
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_no_blocks_no_workers(tmp_path):
    run_pool(job(tmp_path), [], 2, Notes())
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_the_run_completes(tmp_path):
    given, quiet = job(tmp_path / "killed"), job(tmp_path / "quiet")
    notes = Notes(kills=1)
    run_pool(given, blocks(given, 3), 1, notes)
    ((models, code),) = notes.all("retried")
    assert code == -signal.SIGKILL
    assert models == notes.all("advanced")[0][0]
    assert sorted(models for models, _ in notes.all("finished")) == [(0, 1, 2), (3, 4, 5)]
    run_here(quiet, blocks(quiet, 3), Notes())
    assert contents(tmp_path / "killed") == contents(tmp_path / "quiet")
    assert not active_children()


@pytest.mark.slow
def test_a_block_that_kills_every_worker_is_named(tmp_path):
    given = job(tmp_path)
    notes = Notes(kills=ATTEMPTS)
    with pytest.raises(
        WorkerFailed, match=r"trained models 0-5 ended 3 times without a result, last with exit code -9"
    ):
        run_pool(given, blocks(given, 6), 1, notes)
    assert notes.all("retried") == [((0, 1, 2, 3, 4, 5), -9)] * (ATTEMPTS - 1)
    assert not notes.all("finished")
    assert not active_children()
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.slow
def test_what_a_network_raises_arrives_as_a_sentence_and_what_is_done_stays(tmp_path):
    def fails_late(net, inputs):
        if net.training and abs(float(net.linear.bias.detach()[0]) - net.start) > 0.01:
            raise LookupError("no such word")
        return net.linear(inputs)

    def build():
        from engine.toys import OverX

        net = OverX(fails_late)
        net.start = float(net.linear.bias.detach()[0]) if float(net.linear.weight.detach()[0, 0]) > 0 else float("nan")
        return net

    from byrote.recipes.networks.network import Network

    given = job(tmp_path, recipe(Network(build)))
    fine = [bool(given.algorithm().build(seed).start != given.algorithm().build(seed).start) for seed in given.seeds]
    order = sorted(blocks(given, 1), key=lambda block: not fine[block.models[0]])
    notes = Notes()
    with pytest.raises(
        WorkerFailed,
        match=r"Training models \d raised LookupError: no such word\. Hint: it happened in fails_late, line",
    ):
        run_pool(given, order, 1, notes)
    assert [models[0] for models, _ in notes.all("finished")] == [model for model in range(6) if fine[model]] != []
    for model in range(6):
        assert Evidence(tmp_path).has("outputs", model, 0) == fine[model]
    assert not active_children()


@pytest.mark.slow
def test_our_own_refusals_arrive_as_they_are(tmp_path):
    given = job(tmp_path, RECIPES["small cnn with dropout and shifts"][1])
    with pytest.raises(BadInput, match=r"SmallCNN takes images .*Hint: use MLP") as caught:
        run_pool(given, blocks(given), 1, Notes())
    assert caught.value.hint


SCRIPT = """
import sys
import numpy as np
import torch
import beside
import byrote
from byrote.recipes.recipe import Recipe
from byrote.recipes.networks.network import Network

print("the script runs")

class Mine(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 2)
        self.dropout = torch.nn.Dropout(0.1)  # one model a block, so that both workers have some
    def forward(self, inputs):
        return beside.twice(helper(self.linear(self.dropout(inputs))))

def helper(x):
    return x * 2

rng = np.random.default_rng(0)
inputs = rng.normal(size=(40, 4)).astype("float32")
data = byrote.from_arrays(inputs, (inputs[:, 0] > 0).astype(int))
run = byrote.audit(data, Recipe(network=Network(Mine), epochs=2), models=4, full=0, workers=2, out=sys.argv[1],
                   progress=False, device="cpu")
print(len(run.models()), "models")
"""


@pytest.mark.slow
def test_a_script_without_a_main_guard(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    (tmp_path / "beside.py").write_text("def twice(x):\n    return x + x\n")
    done = subprocess.run(
        [sys.executable, script, tmp_path / "run"],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["the script runs", "4 models"]
    assert "Traceback" not in done.stderr
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert [block["models"] for block in manifest["executor"]["blocks"]] == [[0], [1], [2], [3]]


def test_what_a_network_raises_in_this_process_is_a_sentence_too(tmp_path):
    with pytest.raises(WorkerFailed, match=r"Training models 0 raised ZeroDivisionError"):
        run_here(job(tmp_path, spoiled(lambda _net, _inputs: 1 / 0)), [Block(models=(0,), stacked=False)], Notes())
