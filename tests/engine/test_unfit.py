from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from byrote.engine.unfit import first_line, unfit

X = torch.zeros(2, 6)


class Asks(nn.Module):
    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return x * mask


class Mistyped(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + undefined  # type: ignore[name-defined]


class Cast(nn.Module):
    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.layer, self.dtype = nn.Linear(6, 3), dtype

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.to(self.dtype))


def why(network: nn.Module) -> tuple[str, str]:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it raises
        network(X)
    told = unfit(caught.value, (6,))  # type: ignore[arg-type]
    return told.message, told.hint or ""


@pytest.mark.parametrize(
    "network", [nn.Linear(5, 3), nn.Conv2d(1, 2, 3), nn.Conv1d(3, 2, 3), nn.BatchNorm2d(3), nn.LayerNorm(5)]
)
def test_shapes(network: nn.Module) -> None:
    message, hint = why(network)
    assert message.startswith("The recipe's network does not take the dataset's inputs of shape (6,): ")
    assert "Dataset.inputs.shape" in hint


@pytest.mark.parametrize("network", [Cast(torch.float64), Cast(torch.int64), nn.Embedding(3, 3)])
def test_types_of_numbers(network: nn.Module) -> None:
    message, hint = why(network)
    assert "a dtype other than float32, that of inputs and weights" in message
    assert "inside forward" in hint


def test_arguments() -> None:
    message, hint = why(Asks())
    assert "must take one batch of inputs and nothing else: TypeError: " in message
    assert "'mask'" in message
    assert hint.startswith("forward(self, x)")


def test_the_networks_own_code_is_named_with_its_line() -> None:
    message, hint = why(Mistyped())
    assert "NameError: name 'undefined' is not defined (line " in message
    assert message.endswith(" of test_unfit.py).")
    assert hint.startswith("fix its forward()")


def test_torchs_plain_errors_go_without_their_kind() -> None:
    assert first_line(RuntimeError("sizes\nmore")) == "sizes"
    assert first_line(ValueError("x")) == "ValueError: x"
    assert first_line(KeyError()) == "KeyError"
