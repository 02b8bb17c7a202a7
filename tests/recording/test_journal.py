import numpy as np
import pytest

from byrote.errors import BadInput, DamagedShard
from byrote.recording.journal import Journal, Settings
from byrote.recording.recorder import Recorder, recover
from byrote.recording.tally import Shown, Tally

SETTINGS = Settings(examples=4, world=2, repeats=False, name="x", class_names=None)


def shown(epoch, step, example, margin):
    count = len(example)
    return Shown(
        epoch=np.full(count, epoch, np.int32),
        step=np.asarray(step, np.int32),
        example=np.asarray(example, np.int32),
        label=np.zeros(count, np.int32),
        loss=np.ones(count, np.float32),
        logit_margin=np.asarray(margin, np.float32),
    )


def test_an_example_that_changes_processes_has_one_history():
    """Right on process 0, wrong on 1, right on 0: forgotten once, learned at once."""
    mine = Shown.joined([shown(0, [1], [0], [1]), shown(2, [3], [0], [1])])
    tally = Tally(1, repeats=False)
    tally.add([mine, shown(1, [2], [0], [-1])])
    assert (tally.presentations[0], tally.forgetting_count[0], tally.first_learned[0]) == (3, 1, 1)


def test_the_earlier_step_counts_and_then_the_first_process():
    tally = Tally(1, repeats=False)
    tally.add([shown(0, [5], [0], [7.0]), shown(0, [4], [0], [3.0])])
    assert tally.logit_margin_sum[0] == 3
    tally = Tally(1, repeats=False)
    tally.add([shown(0, [4], [0], [7.0]), shown(0, [4], [0], [3.0])])
    assert (tally.logit_margin_sum[0], tally.again) == (7, 1)


def test_adding_up_waits_for_the_slowest_process(tmp_path):
    journal = Journal(tmp_path, 0)
    for rank in range(2):
        journal.begin(rank, SETTINGS)
    journal.write_shown(0, Shown.joined([shown(0, [1], [0], [1]), shown(1, [2], [1], [1])]), epochs=2, classes=2)
    journal.add_up(finished=False)
    assert journal.added().epochs == 0
    journal.write_shown(1, shown(0, [1], [2], [1]), epochs=1, classes=2)
    journal.add_up(finished=False)
    assert journal.added().epochs == 1
    assert journal.added().presentations.tolist() == [1, 0, 1, 0]
    assert [path.name for path in journal.shown_paths()] == ["shown.r00000.n000000.safetensors"]
    assert journal.tally().presentations.tolist() == [1, 1, 1, 0]
    assert journal.classes() == 2


def test_going_on_with_fewer_processes(tmp_path):
    """The one that is left also cuts what the other one wrote, and keeps the rest of it."""
    for rank in range(2):
        recorder = Recorder(tmp_path, examples=4, rank=rank, world=2)
        for _ in range(3):
            recorder.observe([2 * rank, 2 * rank + 1], np_eye(), [0, 1])
            recorder.epoch_end()
        recorder.flush()
    recorder = Recorder(tmp_path, examples=4, rank=0, world=1, resume_at=2)
    recorder.observe([0, 1], np_eye(), [0, 1])
    run = recorder.close()
    assert run.load("presentation.presentations", [0]).tolist() == [[3, 3, 2, 2]]


def np_eye():
    import torch

    return torch.eye(2)


def test_processes_of_different_arguments_are_refused(tmp_path):
    Recorder(tmp_path, examples=4, rank=0, world=2).close()
    other = Recorder(tmp_path, examples=5, rank=1, world=2)
    with pytest.raises(BadInput, match="processes that recorded model 0 were made with different arguments"):
        other.close()


@pytest.mark.parametrize("how", ["cut", "flipped", "foreign"])
def test_damaged_files_are_named(tmp_path, how):
    recorder = Recorder(tmp_path, examples=2)
    recorder.observe([0, 1], np_eye(), [0, 1])
    recorder.epoch_end()
    recorder.flush()
    (path,) = (tmp_path / "recorded" / "m00000").glob("shown.*")
    content = bytearray(path.read_bytes())
    if how == "flipped":
        content[-1] ^= 1
    path.write_bytes({"cut": content[:40], "flipped": content, "foreign": b"nothing of ours"}[how])
    with pytest.raises(DamagedShard, match=r"shown\.r00000"):
        recover(tmp_path)


def test_damaged_settings_are_named(tmp_path):
    Recorder(tmp_path, examples=2)
    (tmp_path / "recorded" / "m00000" / "settings.r00000.json").write_text("[]")
    with pytest.raises(BadInput, match="cannot be read as settings of a recorder"):
        recover(tmp_path)
