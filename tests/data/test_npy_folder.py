import subprocess
import sys

import numpy as np
import pytest

import byrote
from byrote.data.mapped import place_of
from byrote.data.npy_folder import from_npy_folder
from byrote.data.source import Reading, kind_of, read_source
from byrote.data.task import TASKS
from byrote.engine import resources
from byrote.errors import BadInput, NotEnoughRoom

RNG = np.random.default_rng(0)


def folder(tmp_path, **arrays):
    path = tmp_path / "mine"
    path.mkdir(exist_ok=True)
    given = {"inputs": RNG.normal(size=(40, 6)).astype(np.float32), "targets": np.arange(40) % 3, **arrays}
    for name, array in given.items():
        if array is not None:
            np.save(path / f"{name}.npy", array)
    return path


def test_inputs_stay_in_their_file(tmp_path):
    path = folder(
        tmp_path,
        ids=np.array([f"r{i}" for i in range(40)]),
        groups=np.arange(40) // 4,
        class_names=np.array(["a", "b", "c"]),
        heldout_inputs=RNG.normal(size=(9, 6)).astype(np.float32),
        heldout_targets=np.arange(9) % 3,
    )
    assert kind_of(str(path)) == "npy"
    made = read_source(str(path), Reading(), seed=0)
    assert place_of(made.training.inputs).file == str(path / "inputs.npy")
    assert made.training.class_names == made.heldout.class_names == ("a", "b", "c")
    assert (made.training.ids[3], made.training.groups[5]) == ("r3", "1")
    assert "centred and scaled" in made.notes[0]


def test_images_without_held_out_ones(tmp_path):
    made = from_npy_folder(folder(tmp_path, inputs=np.zeros((40, 8, 8), np.float32)))
    assert made.training.inputs.shape == (40, 1, 8, 8)
    assert place_of(made.training.inputs) is not None
    assert made.heldout is None
    assert "No example is held out" in made.notes[1]


@pytest.mark.parametrize("task", sorted(TASKS))
def test_any_task(tmp_path, task):
    targets = {"classes": np.arange(40) % 3, "labels": RNG.integers(0, 2, (40, 3)), "regression": RNG.normal(size=40)}
    assert from_npy_folder(folder(tmp_path, targets=targets[task]), task=task).training.task == task


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"targets": None}, "lacks 'targets.npy'"),
        ({"heldout_inputs": np.zeros((3, 6), np.float32)}, "lacks 'heldout_targets.npy'"),
        ({"inputs": np.zeros((40, 6))}, "must be float32, so that they can stay in their file. Got float64"),
        ({"inputs": np.zeros((40, 8, 8, 3), np.float32)}, "images channel-first"),
        ({"targets": np.array([None] * 40)}, "is damaged or holds Python objects"),
        ({"targets": np.arange(39) % 3}, "40 inputs, 39 labels"),
    ],
)
def test_what_is_refused(tmp_path, arrays, words):
    with pytest.raises(BadInput) as caught:
        from_npy_folder(folder(tmp_path, **arrays))
    assert words in str(caught.value)


def test_a_torch_dataset_is_written_to_a_file(tmp_path):
    items = [(np.full(5, i, np.float32), i % 2) for i in range(30)]
    made = byrote.from_torch(items, into=tmp_path / "inputs.npy")
    assert place_of(made.inputs).file == str(tmp_path / "inputs.npy")
    assert made.fingerprint() == byrote.from_torch(items).fingerprint()


def test_a_gpu_without_room_is_told_of(tmp_path, monkeypatch):
    from engine.toys import job

    monkeypatch.setattr(resources.torch.cuda, "mem_get_info", lambda device: (1000, 2000))
    given = job(tmp_path)
    object.__setattr__(given, "device", "cuda")
    with pytest.raises(NotEnoughRoom, match="of the GPU's memory, where all of them are kept"):
        resources.check_memory(given, 1, 100, 1)


#: Audits a folder under a limit on the memory that a process may have for itself; mapped files do not count to it.
SCRIPT = """
import resource, sys
import numpy as np, torch, byrote
from byrote.data.npy_folder import from_npy_folder

recipe = byrote.Recipe(network=byrote.MLP(hidden=(4,)), epochs=1, batch_size=128)
tiny = byrote.from_arrays(np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2)
said = dict(models=4, full=0, workers=1, checkpoints=2, progress=False, device="cpu")
byrote.audit(tiny, recipe, out=sys.argv[2], **said)  # whatever is loaded on the way is loaded now
own = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmData"))
limit = own * 1024 + int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
read = from_npy_folder(sys.argv[1])
if sys.argv[4] == "copied":
    read.training.inputs + 1
run = byrote.audit(read.training, recipe, out=sys.argv[2] + "-large", **said)
print(len(run.ids), run.measure("label_memorization"))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory are Linux's")
@pytest.mark.slow
@pytest.mark.parametrize("how", ["mapped", "copied"])
def test_an_audit_of_more_than_memory(tmp_path, how):
    path = tmp_path / "large"
    path.mkdir()
    inputs = np.lib.format.open_memmap(path / "inputs.npy", "w+", np.float32, (10_000, 6_000))  # 240 MB, as holes
    inputs[:, 0] = np.arange(10_000) / 10_000
    inputs.flush()
    np.save(path / "targets.npy", np.arange(10_000) % 2)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path), str(tmp_path / "run"), str(150 * 2**20), how],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if how == "mapped":
        assert done.returncode == 0, done.stderr[-2000:]
        assert done.stdout.startswith("10000 ")
    else:  # the limit is one
        assert done.returncode != 0
        assert "MemoryError" in done.stderr
