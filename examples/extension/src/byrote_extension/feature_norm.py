"""A probe: how long the features are that the last layer gets, for each example at the end of the training."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from torch import Tensor, nn

from byrote.axes import EXAMPLE, MODEL
from byrote.evidence.kind import Kind, Quantity
from byrote.probes.contract import EndProbe
from byrote.probes.last_layer import features_of, last_layer
from byrote.probes.registry import probe
from byrote.recipes.algorithm import Algorithm

FEATURE_NORM = Kind(
    name="feature_norm",
    says="how long the features of each training example are, evaluation mode, at the end of the training",
    quantities={"norm": Quantity((MODEL, EXAMPLE), "float32", "", "Euclidean norm of what the last layer is given")},
    recorded_by="audit into another folder with --probe feature_norm",
)


@probe
class FeatureNormProbe(EndProbe):
    """The norm of each example's features. Examples that a network has not learned have short ones.

    Formula:
        norm[k, i] = ||f_k(x_i)||, f_k(x_i) what goes into the linear layer whose outputs are the logits of model k

    Source: Ranjan et al. 2017, arXiv:1703.09507 (the norm of features follows the quality of an image).
    Undefined: never, as answers that are not finite stop a model's training.
    """

    name: ClassVar[str] = "feature_norm"
    kinds = (FEATURE_NORM,)

    def check(self, algorithm: Algorithm, network: nn.Module, inputs: Tensor, targets: Tensor) -> None:
        """Refuse a network that does not end in a linear layer.

        Raises:
            BadInput: it does not.
        """
        last_layer(network.eval(), inputs)

    def read(self, network: nn.Module, inputs: Tensor, targets: Tensor, seed: int) -> dict[str, np.ndarray]:
        """`norm[example]` of one network."""
        features, _ = features_of(network, inputs)
        return {"norm": features.norm(dim=1).float().cpu().numpy()}
