"""The feed-forward layers of transformers as memories: the units between their two matrices, and what each writes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from byrote.errors import BadInput

#: Names of the second matrix of a feed-forward layer in models of the transformers library.
_SECOND: Final = re.compile(r"(^|\.)(down_proj|mlp\.c_proj|dense_4h_to_h|fc2|ff\.net\.2|wo)$")
#: Names of the output embedding; in most models it is the input embedding, too.
_OUTPUT: Final = ("lm_head", "embed_out", "head", "decoder")

Change = Callable[[Tensor], Tensor]


def second_matrices(network: nn.Module, named: Sequence[str] = ()) -> dict[str, nn.Module]:
    """The second matrix of each feed-forward layer, by name: the module that reads its units; `named` ones, if given.

    Raises:
        BadInput: there are none, or none of that name.
    """
    modules = dict(network.named_modules())
    found = {name: module for name, module in modules.items() if _SECOND.search(name)}
    if named:
        found = {name: modules[name] for name in named if name in modules}
    if not found or len(found) < len(named):
        raise BadInput(
            f"{type(network).__name__} has no feed-forward layer {', '.join(named) or 'that is known by its name'}.",
            hint='name the second matrix of each, as "feed_forward_units,layers=0.down_proj;1.down_proj".',
        )
    return found


def values_of(matrix: nn.Module, units: int) -> Float[Tensor, "unit width"]:
    """What each unit writes: the columns of a linear layer, or the rows of transformers' Conv1D."""
    weight: Tensor = matrix.weight  # type: ignore[assignment]  # a layer with a matrix
    by_column = isinstance(matrix, nn.Linear) or weight.shape[0] != units
    return (weight.T if by_column else weight).detach().float()


def output_embedding(network: nn.Module, vocabulary: int) -> Float[Tensor, "token width"]:
    """The matrix that turns a hidden state into a logit for each token.

    Raises:
        BadInput: no part of the network is such a matrix.
    """
    modules = dict(network.named_modules())
    for ending in _OUTPUT:
        for name, module in modules.items():
            weight = getattr(module, "weight", None)
            if name.rpartition(".")[2] == ending and isinstance(weight, Tensor) and len(weight) >= vocabulary:
                return weight[:vocabulary].detach().float()
    raise BadInput(
        f"{type(network).__name__} has no output embedding that is known by its name.",
        hint=f"call the linear layer that gives the logits {' or '.join(map(repr, _OUTPUT))}.",
    )


@contextmanager
def gated(matrices: Sequence[nn.Module], changes: Sequence[Change]) -> Iterator[None]:
    """Apply a change to the input of each of these matrices: `[row, position, unit]`, after the nonlinearity."""
    with ExitStack() as stack:
        for module, change in zip(matrices, changes, strict=True):
            hook = module.register_forward_pre_hook(lambda _, given, change=change: (change(given[0]), *given[1:]))
            stack.callback(hook.remove)
        yield


@contextmanager
def listened(matrices: Sequence[nn.Module]) -> Iterator[list[Tensor]]:
    """The input of each of these matrices in the last pass within the block."""
    found = [torch.empty(0)] * len(matrices)

    def keep(place: int) -> Change:
        def seen(given: Tensor) -> Tensor:
            found[place] = given
            return given

        return seen

    with gated(matrices, [keep(place) for place in range(len(matrices))]):
        yield found
