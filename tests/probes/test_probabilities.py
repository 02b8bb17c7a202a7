import numpy as np
import pytest
import torch

from byrote.errors import BadInput
from byrote.probes.probabilities import Suspicion, are_probabilities

LOGITS = torch.randn(40, 5, generator=torch.Generator().manual_seed(0)) * 4


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_what_a_softmax_gives(dtype):
    answers = LOGITS.softmax(1).to(dtype).float()
    assert are_probabilities(answers)
    assert are_probabilities(answers.numpy()[None])


@pytest.mark.parametrize(
    "rows",
    [
        LOGITS,
        LOGITS.log_softmax(1),
        LOGITS.sigmoid(),
        torch.zeros(40, 5),
        torch.full((40, 5), 0.25),
        torch.eye(5).repeat(8, 1),  # made up, as in an example
        LOGITS.softmax(1)[:7],  # too few to be sure
        torch.cat([LOGITS.softmax(1), torch.tensor([[0.5, 0.2, 0.4, 0.0, 0.0]])]),
        torch.full((40, 5), torch.nan),
    ],
)
def test_what_no_softmax_gives(rows):
    assert not are_probabilities(rows)
    suspicion = Suspicion()
    for row in rows.split(3):
        suspicion.see(row)
    suspicion.settle()


def test_a_training_is_refused_once_there_is_no_doubt():
    suspicion = Suspicion()
    suspicion.see(LOGITS[:5].softmax(1))
    suspicion.settle()
    suspicion.see(LOGITS[5:].softmax(1))
    with pytest.raises(BadInput, match=r"All 40 rows of logits so far are probabilities: .* Hint: give answers before"):
        suspicion.settle()


def test_logarithms_of_probabilities_are_logits():
    answers = np.array([[1.0, 0.0], [0.25, 0.75]] * 8)
    assert are_probabilities(answers)
    logits = np.log(np.maximum(answers, 1e-12))
    assert np.isfinite(logits).all()
    assert not are_probabilities(logits)
