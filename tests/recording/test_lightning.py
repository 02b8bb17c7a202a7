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
    lightning = pytest.importorskip("lightning.pytorch", reason="needs the extra lightning")
    from byrote.recording.lightning import RecorderCallback

pytestmark = pytest.mark.filterwarnings("ignore")  # lightning's and its callers'
EXAMPLES = 18


class Module(lightning.LightningModule):
    """Logits by a return value, by the module's own forward, or by a part."""

    def __init__(self, how="forward"):
        super().__init__()
        self.net = torch.nn.Sequential(
            torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Dropout(), torch.nn.Linear(8, 3)
        )
        self.how = how
        self.log_of = []

    def forward(self, inputs):
        return self.net(inputs)

    def training_step(self, batch):
        inputs, targets, ids = batch
        logits = self(inputs) if self.how == "forward" else self.net(inputs)
        loss = F.cross_entropy(logits, targets)
        self.log_of.append((self.current_epoch, ids, logits.detach().float(), targets))
        return {"loss": loss, "logits": logits} if self.how == "returned" else loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def data():
    generator = torch.Generator().manual_seed(0)
    return byrote.WithIds([(torch.randn(2, generator=generator), n % 3) for n in range(EXAMPLES)])


def loader(**options):
    return DataLoader(data(), batch_size=4, **options)


def trainer(folder, epochs, *callbacks, **options):
    return lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        callbacks=list(callbacks),
        **{"enable_checkpointing": False, **options},
    )


def agrees(run, log):
    loss, margin = np.zeros(EXAMPLES), np.zeros(EXAMPLES)
    for _, ids, logits, targets in log:
        for example, z, y in zip(ids, logits, targets, strict=True):
            loss[example] += F.cross_entropy(z, y).item()
            margin[example] += (z[y] - torch.cat([z[:y], z[y + 1 :]]).max()).item()
    np.testing.assert_allclose(run.load("presentation.loss_sum", [0])[0], loss, rtol=1e-5)
    np.testing.assert_allclose(run.load("presentation.logit_margin_sum", [0])[0], margin, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("how", ["forward", "returned", "part"])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_what_the_training_step_saw(tmp_path, how, precision):
    callback = RecorderCallback(tmp_path / "run", examples=EXAMPLES, part="net" if how == "part" else "")
    module = Module(how)
    options = {"accumulate_grad_batches": 3, "precision": precision}
    trainer(tmp_path, 3, callback, **options).fit(module, loader(shuffle=True))
    run = callback.recorder.run
    assert (run.load("presentation.presentations", [0]) == 3).all()
    agrees(run, module.log_of)


def test_clean_passes(tmp_path):
    callback = RecorderCallback(
        tmp_path / "run", examples=EXAMPLES, clean=loader(), clean_every=2, keep_weights_at="checkpoints"
    )
    module = Module()
    trainer(tmp_path, 5, callback).fit(module, loader(shuffle=True))
    run = callback.recorder.run
    assert run.manifest.checkpoints == (2, 4, 5)
    with torch.no_grad():
        exact = module.eval()(torch.stack([item[0] for item in data()]))
    np.testing.assert_allclose(run.load("outputs.logits", [0])[0], exact, atol=1e-5)
    inputs = np.stack([item[0].numpy() for item in data()])
    dataset = byrote.from_arrays(inputs, np.array([item[1] for item in data()]), name="its data")
    recipe = byrote.Recipe(network=byrote.Network(Module), epochs=5)
    probed = probe(run.attach(dataset, recipe), "rewinding,permutations=1")
    assert probed.load("rewinding.layer", [0]).tolist() == ["net.0", "net.3"]
    np.testing.assert_array_equal(probed.load("rewinding.fitted", [0]), run.load("trajectory.correct", [0]).astype(int))


def test_a_training_that_goes_on(tmp_path):
    keep = lightning.callbacks.ModelCheckpoint(tmp_path / "kept", save_last=True)
    first = RecorderCallback(tmp_path / "run", examples=EXAMPLES)
    module = Module()
    trainer(tmp_path, 2, first, keep, enable_checkpointing=True).fit(module, loader())
    second = RecorderCallback(tmp_path / "run", examples=EXAMPLES)
    more = Module()
    trainer(tmp_path, 5, second).fit(more, loader(), ckpt_path=tmp_path / "kept" / "last.ckpt")
    run = second.recorder.run
    assert (run.load("presentation.presentations", [0]) == 5).all()
    agrees(run, module.log_of + more.log_of)


def test_a_training_that_fails_keeps_what_there_is(tmp_path):
    class Failing(Module):
        def training_step(self, batch):
            if self.current_epoch == 2:
                raise ZeroDivisionError
            return super().training_step(batch)

    callback = RecorderCallback(tmp_path / "run", examples=EXAMPLES)
    with pytest.raises(ZeroDivisionError):
        trainer(tmp_path, 3, callback).fit(Failing(), loader())
    assert (byrote.recover(tmp_path / "run").load("presentation.presentations", [0]) == 2).all()


def test_what_cannot_be_recorded(tmp_path):
    callback = RecorderCallback(tmp_path / "a", examples=EXAMPLES)
    with pytest.raises(BadInput, match="returned no logits"):
        trainer(tmp_path, 1, callback).fit(Module("part"), loader())
    callback = RecorderCallback(tmp_path / "b", examples=EXAMPLES, unpack=lambda batch: batch.nothing)
    with pytest.raises(AttributeError):
        trainer(tmp_path, 1, callback).fit(Module(), loader())
    with pytest.raises(BadInput, match="no recorder before the training starts"):
        _ = RecorderCallback(tmp_path / "c", examples=EXAMPLES).recorder
    with pytest.raises(BadInput, match=r"'clean_every' argument of RecorderCallback must be at least 1\. Got 0"):
        RecorderCallback(tmp_path / "c", examples=EXAMPLES, clean_every=0)


DDP = """
import sys
import warnings
warnings.filterwarnings("ignore")
import torch
import lightning.pytorch as lightning
import byrote
from byrote.recording.lightning import RecorderCallback

class Module(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(2, 3)

    def forward(self, inputs):
        return self.net(inputs)

    def training_step(self, batch):
        return torch.nn.functional.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)

dataset = byrote.WithIds([(torch.ones(2) * n, n % 3) for n in range(13)])
callback = RecorderCallback(sys.argv[1], examples=13)
lightning.Trainer(
    max_epochs=3, accelerator="cpu", devices=2, strategy="ddp", logger=False, enable_progress_bar=False,
    enable_model_summary=False, enable_checkpointing=False, callbacks=[callback],
).fit(Module(), torch.utils.data.DataLoader(dataset, batch_size=4, shuffle=True))
"""


@pytest.mark.slow
def test_two_processes_of_lightning(tmp_path):
    """Lightning puts in a sampler that pads."""
    two_processes(DDP, tmp_path / "run")
    run = byrote.Run.open(tmp_path / "run")
    assert (run.load("presentation.presentations", [0]) == 3).all()
    assert "3 times an example that it had seen in the same epoch" in run.manifest.notes[0]
