import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

import byrote
from byrote.engine.afterwards import probe
from byrote.errors import BadInput
from two_processes import two_processes

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    transformers = pytest.importorskip("transformers", reason="needs the extra transformers")
    pytest.importorskip("accelerate", reason="needs the extra transformers")
    from byrote.recording.transformers import RecorderCallback

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers' and its callers'
EXAMPLES = 14


class Net(torch.nn.Module):
    """Takes what a model of transformers takes, and nothing else."""

    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(2, 3)
        self.config = transformers.PretrainedConfig()
        self.seen = []

    def forward(self, x, labels=None):
        logits = self.net(x)
        if self.training:
            self.seen.append((x.clone(), logits.detach().float()))
        return {"loss": None if labels is None else F.cross_entropy(logits, labels), "logits": logits}


def data():
    generator = torch.Generator().manual_seed(0)
    return byrote.WithIds([{"x": torch.randn(2, generator=generator), "labels": n % 3} for n in range(EXAMPLES)])


def trainer(folder, model, *callbacks, dataset=None, eval_dataset=None, **options):
    settings = {
        "output_dir": str(folder / "out"),
        "num_train_epochs": 3,
        "per_device_train_batch_size": 4,
        "remove_unused_columns": False,
        "report_to": [],
        "save_strategy": "no",
        "disable_tqdm": True,
        "use_cpu": True,
        "dataloader_pin_memory": False,
        **options,
    }
    return transformers.Trainer(
        model=model,
        args=transformers.TrainingArguments(**settings),
        train_dataset=dataset or data(),
        eval_dataset=eval_dataset,
        callbacks=list(callbacks),
    )


def agrees(run, seen):
    """Who was shown is told by the inputs themselves."""
    inputs, loss = torch.stack([item["x"] for item in data()]), np.zeros(EXAMPLES)
    for x, logits in seen:
        for row, z in zip(x, logits, strict=True):
            example = int((inputs - row).abs().sum(1).argmin())
            loss[example] += F.cross_entropy(z, torch.tensor(example % 3)).item()
    np.testing.assert_allclose(run.load("presentation.loss_sum", [0])[0], loss, rtol=1e-5)


@pytest.mark.parametrize(
    "options",
    [{}, {"gradient_accumulation_steps": 2}, {"label_smoothing_factor": 0.1}, {"bf16": True}],
    ids=["plain", "accumulated", "smoothed", "bf16"],
)
def test_what_trainer_showed(tmp_path, options):
    callback = RecorderCallback(tmp_path / "run", examples=EXAMPLES, labels=np.arange(EXAMPLES) % 3)
    model = Net()
    trainer(tmp_path, model, callback, **options).train()
    run = callback.recorder.run
    assert (run.load("presentation.presentations", [0]) == 3).all()
    assert (run.labels == np.arange(EXAMPLES) % 3).all()
    agrees(run, model.seen)


def test_clean_passes(tmp_path):
    callback = RecorderCallback(tmp_path / "run", examples=EXAMPLES, clean=DataLoader(data(), batch_size=5))
    model = Net()
    trainer(tmp_path, model, callback).train()
    run = callback.recorder.run
    assert run.manifest.checkpoints == (1, 2, 3)
    with torch.no_grad():
        exact = model.net.cpu()(torch.stack([item["x"] for item in data()]))
    np.testing.assert_allclose(run.load("outputs.logits", [0])[0], exact, atol=1e-5)
    assert len(model.seen) == 12


class Bare(torch.nn.Module):
    """The same network as its owner gives it to probes: it takes inputs, and gives logits."""

    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(2, 3)

    def forward(self, inputs):
        return self.net(inputs)


class Watching(transformers.TrainerCallback):
    """Copies the weights after each epoch."""

    def __init__(self):
        self.seen = {}

    def on_epoch_end(self, args, state, control, model=None, **_):
        self.seen[round(state.epoch)] = model.net.weight.detach().cpu().numpy().copy()


def test_weights_are_kept_at_the_epochs_that_are_named_and_can_be_read(tmp_path):
    loader, watching = DataLoader(data(), batch_size=5), Watching()
    callback = RecorderCallback(tmp_path / "run", examples=EXAMPLES, clean=loader, keep_weights_at="1,last")
    trainer(tmp_path, Net(), callback, watching).train()
    run = callback.recorder.run
    assert run.evidence.coordinates("weights_at", "checkpoint", 0, 0) == ("1", "3")
    kept = run.evidence.block("weights_at", 0, 0)["net.weight"]
    np.testing.assert_array_equal(kept, np.stack([watching.seen[1], watching.seen[3]]))
    inputs = torch.stack([item["x"] for item in data()])
    given = byrote.from_arrays(inputs.numpy(), np.arange(EXAMPLES) % 3, class_names=run.class_names)
    read = probe(byrote.Run.open(run.folder).attach(given, byrote.Recipe(network=byrote.Network(Bare))), "el2n")
    p = run.load("outputs.logits", [0])[0]
    p = np.exp(p) / np.exp(p).sum(1, keepdims=True)
    expected = np.linalg.norm(p - np.eye(3)[np.arange(EXAMPLES) % 3], axis=1)
    assert read.load("el2n.epochs", [0]).tolist() == [1, 3]
    np.testing.assert_allclose(read.load("el2n.error", [0])[0, 1], expected, rtol=1e-4)
    assert (read.load("el2n.error", [0])[0, 0] != expected).all()


@pytest.mark.slow
def test_a_training_that_goes_on(tmp_path):
    first, model = RecorderCallback(tmp_path / "run", examples=EXAMPLES), Net()
    trainer(tmp_path, model, first, save_strategy="epoch", num_train_epochs=2).train()
    second, more = RecorderCallback(tmp_path / "run", examples=EXAMPLES), Net()
    trainer(tmp_path, more, second, num_train_epochs=3).train(
        resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-8")
    )
    run = second.recorder.run
    assert (run.load("presentation.presentations", [0]) == 3).all()
    agrees(run, model.seen + more.seen)


def test_a_column_of_a_hugging_face_dataset(tmp_path):
    datasets = pytest.importorskip("datasets", reason="needs the extra huggingface")
    items = [data()[n] for n in range(EXAMPLES)]
    columns = {name: [item[name] for item in items] for name in items[0]}
    columns["x"] = [row.tolist() for row in columns["x"]]
    rows = datasets.Dataset.from_dict(columns).with_format("torch")
    callback, model = RecorderCallback(tmp_path / "run", examples=EXAMPLES), Net()
    trainer(tmp_path, model, callback, dataset=rows).train()
    agrees(callback.recorder.run, model.seen)


@pytest.mark.slow
def test_what_cannot_be_recorded(tmp_path):
    def refused(said, *, dataset=None, **options):
        callback = RecorderCallback(tmp_path / said[:8], examples=EXAMPLES)
        with pytest.raises(BadInput, match=said):
            trainer(tmp_path, Net(), callback, dataset=dataset, **options).train()

    refused("Trainer takes ids out", remove_unused_columns=True)
    refused("A batch came without 'example_id'", dataset=data().dataset)
    refused("Trainer keeps the labels from the model", label_smoothing_factor=0.1)


def test_ids_are_taken_out_in_evaluation_too(tmp_path):
    callback, model = RecorderCallback(tmp_path / "run", examples=EXAMPLES), Net()
    trainer(tmp_path, model, callback, eval_dataset=data(), eval_strategy="epoch").train()
    assert (callback.recorder.run.load("presentation.presentations", [0]) == 3).all()


TRAINER = """
import sys
import warnings
warnings.filterwarnings("ignore")
import torch, transformers
import byrote
from byrote.recording.transformers import RecorderCallback

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(2, 3)
        self.config = transformers.PretrainedConfig()

    def forward(self, x, labels=None):
        logits = self.net(x)
        return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}

dataset = byrote.WithIds([{"x": torch.ones(2) * n, "labels": n % 3} for n in range(13)])
arguments = transformers.TrainingArguments(
    sys.argv[1] + ".out", num_train_epochs=3, per_device_train_batch_size=4, remove_unused_columns=False, report_to=[],
    save_strategy="no", disable_tqdm=True, use_cpu=True, dataloader_pin_memory=False,
)
callback = RecorderCallback(sys.argv[1], examples=13)
transformers.Trainer(model=Net(), args=arguments, train_dataset=dataset, callbacks=[callback]).train()
"""


@pytest.mark.slow
def test_two_processes_of_trainer(tmp_path):
    two_processes(TRAINER, tmp_path / "run")
    run = byrote.Run.open(tmp_path / "run")
    assert (run.load("presentation.presentations", [0]) == 3).all()
    assert "in the same epoch" in run.manifest.notes[0]


class Words(torch.nn.Module):
    """Answers once a token, as a language model does."""

    def __init__(self):
        super().__init__()
        self.net = torch.nn.Embedding(9, 9)
        self.config = transformers.PretrainedConfig()

    def forward(self, input_ids, labels=None):
        logits = self.net(input_ids)
        return {"loss": F.cross_entropy(logits.flatten(0, 1), labels.flatten()), "logits": logits}


@pytest.mark.slow
def test_a_language_model_is_refused_before_anything_is_written(tmp_path):
    texts = byrote.WithIds([{"input_ids": torch.tensor([1, 2, 3]), "labels": torch.tensor([2, 3, 4])}] * EXAMPLES)
    for _ in range(2):  # the next try finds nothing in its way
        training = trainer(tmp_path, Words(), RecorderCallback(tmp_path / "run", examples=EXAMPLES), dataset=texts)
        with pytest.raises(BadInput, match=r"answers token by token: its logits have the shape \(4, 3, 9\)") as refused:
            training.train()
        assert "byrote audit --model DIR --corpus train.jsonl" in refused.value.hint
        assert not (tmp_path / "run").exists()
    model = Net()
    callback = RecorderCallback(tmp_path / "run", examples=EXAMPLES)
    trainer(tmp_path, model, callback).train()
    agrees(callback.recorder.run, model.seen)
