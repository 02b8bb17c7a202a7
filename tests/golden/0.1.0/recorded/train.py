"""A loop of one's own with a recorder: two models on the same examples, clean passes at both ends."""

import numpy as np
import torch

import byrote


def make(out):
    rng = np.random.default_rng(0)
    targets = np.arange(30) % 3
    inputs = rng.normal(size=(30, 2)) + 3 * np.array([[0, 0], [1, 0], [0, 1]])[targets]
    inputs, targets = torch.tensor(inputs, dtype=torch.float32), torch.tensor(targets)
    dataset = byrote.WithIds(list(zip(inputs, targets, strict=True)))
    run = None
    for model in range(2):
        torch.manual_seed(model)
        network = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
        optimizer = torch.optim.SGD(network.parameters(), lr=0.2)
        batches = torch.utils.data.DataLoader(dataset, batch_size=6, shuffle=True)
        clean = torch.utils.data.DataLoader(dataset, batch_size=30)
        recorder = byrote.Recorder(out, examples=30, model=model, class_names=("a", "b", "c"), name="blobs")
        recorder.clean_pass(network, clean)
        for _ in range(4):
            for x, y, ids in batches:
                logits = network(x)
                recorder.observe(ids, logits, y)
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(logits, y).backward()
                optimizer.step()
            recorder.epoch_end()
        recorder.clean_pass(network, clean)
        run = recorder.close()
    return run
