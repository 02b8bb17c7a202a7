"""How the weights of the first layer lie to the principal components of what goes into it, at checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from byrote.axes import CHECKPOINT, MODEL
from byrote.errors import BadInput
from byrote.evidence.kind import OF_EXAMPLES, Kind, Quantity
from byrote.probes.contract import Block, Probe, Shard, When
from byrote.probes.moment import Moment
from byrote.probes.registry import probe
from byrote.recipes.algorithm import Algorithm

#: Components below this part of the largest eigenvalue are left out; eigenvalues that near to each other are one.
LEAST, SAME = 1e-3, 0.01
#: The stream of the random rotations.
SALT = 9


def _of_model(meaning: str) -> Quantity:
    return Quantity((MODEL, CHECKPOINT), "float32", "misalignment", meaning)


FIRST_LAYER: Final = Kind(
    name="first_layer",
    says="how the weights of the first layer lie to the principal components of what goes into it, at checkpoints",
    quantities={
        "misalignment": _of_model("0 where the second moments of the weights are diagonal in the components"),
        "rotated": _of_model("mean of the same in components that are rotated at random"),
        "rotated_least": _of_model("the least of these"),
        "epochs": Quantity((CHECKPOINT,), "int64", "epoch", "epochs done at each checkpoint"),
    },
    tasks=OF_EXAMPLES,
    sampled=True,
    recorded_by="audit into another folder with --probe first_layer",
)


@probe
@dataclass
class FirstLayerProbe(Probe):
    """The misalignment of the first linear or convolutional layer, and that of as many random rotations.

    Formula:
        sqrt(sum_k sqrt(v_k' S v_k . v_k' S^-1 v_k) - d), S = W'W / units in the d components v_k of the inputs whose
        eigenvalues are above a thousandth of the largest; inputs of a convolution are its patches, W its filters
    Undefined:
        nan where the layer has no more units than there are components, or S is singular.
    Source: Maennel et al. 2020, arXiv:2006.10455.
    Differs: they define it as an infimum over aligned matrices; the minimum in closed form is our own. Components of
        eigenvalues within 1 % may be turned among themselves, and are taken as the weights lie best.
    """

    rotations: int = 20

    name: ClassVar[str] = "first_layer"
    when: ClassVar[frozenset[When]] = frozenset({"checkpoint"})
    kinds = (FIRST_LAYER,)
    few = True

    def __post_init__(self) -> None:
        if self.rotations < 1:
            raise BadInput(
                f"The 'rotations' setting of {self.name} must be at least 1. Got {self.rotations}.",
                hint=f"{self.name},rotations=20",
            )

    def check(self, algorithm: Algorithm, network: nn.Module, inputs: Tensor, targets: Tensor) -> None:
        """Refuse a network without a linear or convolutional layer."""
        first_of(network.eval(), inputs)

    def begin(self, block: Block) -> None:
        """Nothing is found yet."""
        super().begin(block)
        size = (len(block.models), len(block.epochs))
        self.found = {name: np.full(size, np.nan, np.float32) for name in FIRST_LAYER.quantities if name != "epochs"}
        self.components: list[tuple[np.ndarray, np.ndarray]] = []

    def look(self, at: Moment) -> None:
        """The weights of every model, once a checkpoint."""
        if not at.first:
            return
        for row, network in enumerate(at.networks()):
            layer, went_in = first_of(network, self.block.inputs)
            if not self.components:
                self.components = [components_of(layer, went_in)]
            values, vectors = self.components[0]
            weights = layer.weight.detach().flatten(1).double().cpu().numpy() @ vectors
            moments = weights.T @ weights / len(weights)
            if len(weights) <= len(values) or np.linalg.cond(moments) > 1e12:
                continue
            rng = np.random.default_rng([self.block.seeds[row], SALT])
            drawn = [misalignment(moments, rotation(rng, len(values))) for _ in range(self.rotations)]
            self.found["misalignment"][row, at.checkpoint] = misalignment(moments, best_basis(values, moments))
            self.found["rotated"][row, at.checkpoint] = np.mean(drawn)
            self.found["rotated_least"][row, at.checkpoint] = np.min(drawn)

    def shards(self) -> Iterator[Shard]:
        """One per model."""
        for row, model in enumerate(self.block.models):
            columns = {name: array[row] for name, array in self.found.items()}
            yield Shard(
                kind=FIRST_LAYER, model=model, columns={**columns, "epochs": np.array(self.block.epochs, np.int64)}
            )


def first_of(network: nn.Module, inputs: Tensor) -> tuple[nn.Linear | nn.Conv2d, Tensor]:
    """The first linear or convolutional layer that an example passes, and what goes into it of all of them.

    Raises:
        BadInput: there is none.
    """
    seen: list[tuple[nn.Linear | nn.Conv2d, Tensor]] = []

    def note(module: nn.Linear | nn.Conv2d, given: tuple[Tensor, ...]) -> None:
        if not seen:
            seen.append((module, given[0].detach()))

    kinds = (nn.Linear, nn.Conv2d)
    hooks = [one.register_forward_pre_hook(note) for one in network.modules() if isinstance(one, kinds)]
    try:
        with torch.no_grad():
            network(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    if not seen:
        raise BadInput(
            f"The probe 'first_layer' needs a linear or convolutional layer; {type(network).__name__} has none.",
            hint="audit without it, or begin the network with nn.Linear or nn.Conv2d.",
        )
    return seen[0]


def components_of(
    layer: nn.Linear | nn.Conv2d, went_in: Tensor
) -> tuple[Float[np.ndarray, " component"], Float[np.ndarray, "put_in component"]]:
    """Eigenvalues, the largest first, and vectors of the covariance of what the layer multiplies."""
    if isinstance(layer, nn.Conv2d):
        pad = layer.padding if not isinstance(layer.padding, str) else 0
        patches = F.unfold(went_in, layer.kernel_size, layer.dilation, pad, layer.stride).mT
        went_in = patches.chunk(layer.groups, 2)[0]  # filters see a part of the channels each
    rows = went_in.flatten(0, -2).double().cpu().numpy()
    values, vectors = np.linalg.eigh(np.cov(rows, rowvar=False).reshape(rows.shape[1], -1))
    kept = values > LEAST * values[-1]
    return values[kept][::-1], vectors[:, kept][:, ::-1]


def misalignment(
    moments: Float[np.ndarray, "component component"], basis: Float[np.ndarray, "component direction"]
) -> float:
    """That of second moments in an orthogonal basis.

    Example:
        >>> misalignment(np.diag([1.0, 4.0]), np.eye(2))
        0.0
    """
    inverse = np.linalg.inv(moments)
    along, against = (np.einsum("cd,ce,ed->d", basis, matrix, basis) for matrix in (moments, inverse))
    return float(np.sqrt(max(float(np.sqrt(along * against).sum()) - len(moments), 0.0)))


def best_basis(
    values: Float[np.ndarray, " component"], moments: Float[np.ndarray, "component component"]
) -> Float[np.ndarray, "component component"]:
    """The components, those of one eigenvalue turned to where the weights' moments are diagonal among them."""
    basis = np.eye(len(values))
    start = 0
    for end in range(1, len(values) + 1):
        if end == len(values) or values[end] < (1 - SAME) * values[start]:
            basis[start:end, start:end] = np.linalg.eigh(moments[start:end, start:end])[1]
            start = end
    return basis


def rotation(rng: np.random.Generator, size: int) -> Float[np.ndarray, "component component"]:
    """A random rotation, all alike likely."""
    q, r = np.linalg.qr(rng.normal(size=(size, size)))
    return np.asarray(q * np.sign(np.diag(r)))
