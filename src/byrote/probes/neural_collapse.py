"""A probe: how far the features of each class have collapsed onto a point, at checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from typing import Any, ClassVar, Final

import numpy as np
from torch import Tensor, nn

from byrote.axes import CHECKPOINT, MODEL
from byrote.errors import BadInput
from byrote.evidence.kind import OF_CLASSES, Kind, Quantity
from byrote.probes.contract import Block, Shard
from byrote.probes.handed import FeaturesProbe, Gathered, epochs_of, read_of
from byrote.probes.last_layer import last_layer
from byrote.probes.registry import probe
from byrote.recipes.algorithm import Algorithm
from byrote.stats.neural_collapse import collapse

_SAYS: Final = {
    "within": "scatter within classes by that between them (NC1)",
    "norms": "how unequal the distances of class means from their centre are (NC2)",
    "angles": "how far the angles of class means are from equal (NC2)",
    "duality": "distance of the last layer from the class means (NC3)",
    "mean_rule": "share whose nearest class mean is not the prediction (NC4)",
}
#: By given labels, and by true ones.
_FIGURES: Final = {
    name + end: says + by for end, by in (("", ""), ("_true", ", by true labels")) for name, says in _SAYS.items()
}

NEURAL_COLLAPSE: Final = Kind(
    name="neural_collapse",
    says="how far the features of a model's own training examples have collapsed onto class means, evaluation mode",
    quantities={
        **{name: Quantity((MODEL, CHECKPOINT), "float32", "", says) for name, says in _FIGURES.items()},
        "epochs": Quantity((CHECKPOINT,), "int64", "epoch", "epochs done at each checkpoint"),
    },
    tasks=OF_CLASSES,
    in_training=True,
    recorded_by="audit into another folder with --probe neural_collapse",
)


@probe
@dataclass
class NeuralCollapseProbe(FeaturesProbe):
    """NC1 to NC4 of the features that go into the last layer, by given labels and by true ones.

    Source: Papyan et al. 2020, arXiv:2008.08186; see `stats.neural_collapse`.
    """

    name: ClassVar[str] = "neural_collapse"
    kinds = (NEURAL_COLLAPSE,)

    def check(self, algorithm: Algorithm, network: nn.Module, inputs: Tensor, targets: Tensor) -> None:
        """Refuse a network that does not end in a linear layer."""
        refuse_other_ends(self.name, network, inputs)

    def begin(self, block: Block) -> None:
        """Nothing is known of its features yet."""
        super().begin(block)
        self.found = np.full((len(block.models), len(block.epochs), len(_FIGURES)), np.nan, np.float32)

    def wanted(self, layers: Sequence[str]) -> Sequence[str]:
        """What goes into the last layer."""
        return layers[-2:-1]

    def beside(self, at: Any, rows: Tensor) -> dict[str, Tensor]:
        """The predictions."""
        return {"predicted": at.logits[:, rows].argmax(-1)}

    def read(self, seen: Gathered) -> None:
        """The figures of each model."""
        (features,) = seen.features.values()
        for row, network in enumerate(seen.at.networks()):
            weights = last_layer(network, self.block.inputs[:1]).weight.detach().cpu().numpy()
            mine = self.member[row]
            if not np.isfinite(features[row][mine]).all():
                continue
            predicted = seen.beside["predicted"][row][mine]
            found = [collapse(features[row][mine], y[mine], weights, predicted) for y in (self.given, self.true)]
            self.found[row, seen.at.checkpoint] = [*astuple(found[0]), *astuple(found[1])]

    def shards(self) -> Iterator[Shard]:
        """One for each model."""
        for model, found in zip(self.block.models, self.found, strict=True):
            columns = dict(zip(_FIGURES, found.T.copy(), strict=True))
            yield Shard(kind=NEURAL_COLLAPSE, model=model, columns=columns | epochs_of(self.block))


def refuse_other_ends(name: str, network: nn.Module, inputs: Tensor) -> None:
    """Refuse a network whose last layer is not linear and called by itself.

    Raises:
        BadInput: so it is.
    """
    linear = last_layer(network.eval(), inputs, name)
    last = read_of(network, inputs)[-1]
    if network.get_submodule(last) is not linear:
        raise BadInput(
            f"The probe {name!r} needs a network whose last layer is nn.Linear; {type(network).__name__} has it within "
            f"{last!r}.",
            hint="give nn.Linear a name of its own at the top of the network; or audit without this probe.",
        )
