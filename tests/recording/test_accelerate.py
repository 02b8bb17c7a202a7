import numpy as np
import pytest

import byrote
from two_processes import two_processes

pytest.importorskip("accelerate", reason="needs the extra transformers")
EXAMPLES, EPOCHS = 13, 3

CODE = """
import sys
import warnings
warnings.filterwarnings("ignore")
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch.utils.data import DataLoader
import byrote

accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2, mixed_precision="bf16")
generator = torch.Generator().manual_seed(0)
dataset = byrote.WithIds([(torch.randn(2, generator=generator), n % 3) for n in range(13)])
torch.manual_seed(1)
network = torch.nn.Linear(2, 3)
model, optimizer, loader = accelerator.prepare(
    network, torch.optim.SGD(network.parameters(), 0.1), DataLoader(dataset, batch_size=2, shuffle=True)
)
recorder = byrote.Recorder(sys.argv[1], examples=len(dataset), epochs=3)
log = []
for epoch in range(3):
    for inputs, targets, ids in loader:
        with accelerator.accumulate(model):
            logits = model(inputs)
            recorder.observe(ids, logits, targets)
            accelerator.backward(F.cross_entropy(logits, targets))
            optimizer.step()
            optimizer.zero_grad()
        losses = F.cross_entropy(logits.detach().float(), targets, reduction="none")
        log += [(epoch, example, loss) for example, loss in zip(ids.tolist(), losses.tolist())]
    recorder.epoch_end()
torch.save(log, f"{sys.argv[1]}.log{accelerator.process_index}")
accelerator.end_training()
"""


@pytest.mark.slow
def test_two_processes(tmp_path):
    """Accelerate fills the last batch up with examples from the start of the epoch."""
    torch = pytest.importorskip("torch")
    two_processes(CODE, tmp_path / "run")
    run = byrote.Run.open(tmp_path / "run")
    assert (run.load("presentation.presentations", [0]) == EPOCHS).all()
    losses = {}
    for rank in range(2):
        for epoch, example, loss in torch.load(tmp_path / f"run.log{rank}"):
            losses.setdefault((epoch, example), []).append(loss)
    assert max(map(len, losses.values())) > 1
    fewest = [sum(min(losses[epoch, n]) for epoch in range(EPOCHS)) for n in range(EXAMPLES)]
    most = [sum(max(losses[epoch, n]) for epoch in range(EPOCHS)) for n in range(EXAMPLES)]
    found = run.load("presentation.loss_sum", [0])[0]
    assert (np.array(fewest) - 1e-5 <= found).all()
    assert (found <= np.array(most) + 1e-5).all()
