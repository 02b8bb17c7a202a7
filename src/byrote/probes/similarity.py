"""A probe: how alike the layers of different models are, and those of a model to its own end, on held-out inputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from jaxtyping import Float, Int

from byrote.axes import CHECKPOINT, LAYER, MODEL
from byrote.errors import BadInput
from byrote.evidence.kind import OF_EXAMPLES, Kind, Quantity
from byrote.probes.contract import Probe, Shard, When
from byrote.probes.history import History
from byrote.probes.registry import probe
from byrote.stats.jackknife import units
from byrote.stats.shared_models import of_each, scatter_of
from byrote.stats.similarity import Represented, cka, pwcca, represented, svcca

_CELLS: Final = (MODEL, CHECKPOINT, LAYER)
#: Fewer inputs than these tell of no canonical correlation.
FEWEST: Final = 40

SIMILARITY: Final = Kind(
    name="similarity",
    says="how alike what layers hand on of held-out inputs is, between models and to a model's own end",
    quantities={
        "cka": Quantity(_CELLS, "float32", "", "debiased CKA with models of other pairs, the mean over them"),
        "svcca": Quantity(_CELLS, "float32", "", "SVCCA with models of other pairs, the mean over them"),
        "pwcca": Quantity(_CELLS, "float32", "", "PWCCA with models of other pairs, both ways, the mean over them"),
        **{
            f"{name}_scatter": Quantity(
                _CELLS, "float32", "", f"standard deviation over other pairs of the likeness of its pair by {words}"
            )
            for name, words in (("cka", "CKA"), ("svcca", "SVCCA"), ("pwcca", "PWCCA"))
        },
        "cka_to_end": Quantity(_CELLS, "float32", "", "debiased CKA with the same layer at the last checkpoint"),
        "svcca_to_end": Quantity(_CELLS, "float32", "", "SVCCA with the same layer at the last checkpoint"),
        "pwcca_to_end": Quantity(_CELLS, "float32", "", "PWCCA with it, weighted by the earlier features"),
        "pwcca_from_end": Quantity(_CELLS, "float32", "", "PWCCA with it, weighted by the last features"),
        "directions": Quantity(_CELLS, "int32", "", "directions that canonical correlations keep"),
        "epochs": Quantity((CHECKPOINT,), "int64", "epoch", "epochs done at each checkpoint"),
    },
    coordinates={LAYER: "the layers in the order in which the network calls them"},
    tasks=OF_EXAMPLES,
    sampled=True,
    recorded_by="audit with held-out examples into another folder with --keep-weights-at checkpoints, then "
    "`byrote probe RUN similarity`",
)


@probe
@dataclass
class SimilarityProbe(Probe):
    """Debiased CKA, SVCCA and PWCCA of every layer at every checkpoint that was kept.

    The three answer differently, so none of them is recorded alone; the first checkpoint, if it is that of the
    untrained network, is the baseline. Kornblith et al. 2019 (arXiv:1905.00414), Raghu et al. 2017
    (arXiv:1706.05806), Morcos et al. 2018 (arXiv:1806.05759); see `stats.similarity`.

    Attributes:
        most: of more held-out inputs than these as many are drawn.
        layers: names of those to look at, with ";" between them; all by default.
    """

    most: int = 2000
    layers: str = ""

    name: ClassVar[str] = "similarity"
    when: ClassVar[frozenset[When]] = frozenset({"after"})
    kinds = (SIMILARITY,)

    def __post_init__(self) -> None:
        if self.most < FEWEST:
            raise BadInput(
                f"The 'most' setting of similarity must be at least {FEWEST}. Got {self.most}.",
                hint="similarity,most=2000",
            )
        self.found: list[Shard] = []

    def look(self, at: History) -> None:
        """Compare all models at each checkpoint, and each with its own end.

        Raises:
            BadInput: there are too few held-out inputs.
        """
        held = 0 if at.heldout is None else at.heldout.count
        if at.heldout is None or held < FEWEST:
            raise BadInput(
                f"The probe 'similarity' compares layers on held-out inputs, and of {FEWEST} that it takes there are "
                f"{held}.",
                hint="audit with heldout=… or --heldout 0.2 into another folder, with --keep-weights-at checkpoints.",
            )
        layers = list(at.chosen_layers(self.layers))
        rows = np.sort(at.rng(2).permutation(held)[: self.most])
        size = (len(at.models), len(at.checkpoints), len(layers))
        columns = {name: np.full(size, np.nan, np.float32) for name in SIMILARITY.quantities if name not in _OTHERS}
        columns["directions"] = np.zeros(size, np.int32)
        last = len(at.checkpoints) - 1
        end = self._of(at, last, layers, rows)
        for checkpoint in range(len(at.checkpoints)):
            now = end if checkpoint == last else self._of(at, checkpoint, layers, rows)
            for place in range(len(layers)):
                here, there = [one[place] for one in now], [one[place] for one in end]
                for name, values in _between(here, units(at.pair)).items():
                    columns[name][:, checkpoint, place] = values
                for name, ends in _to_end(here, there).items():
                    columns[name][:, checkpoint, place] = ends
                columns["directions"][:, checkpoint, place] = [one.kept.shape[1] for one in here]
        epochs = np.array(at.checkpoints, np.int64)
        self.found = [
            Shard(
                kind=SIMILARITY,
                model=model,
                columns={name: values[row] for name, values in columns.items()} | {"epochs": epochs},
                coordinates={LAYER: layers},
            )
            for row, model in enumerate(at.models)
        ]

    def shards(self) -> Iterator[Shard]:
        """One shard per model."""
        yield from self.found

    @staticmethod
    def _of(at: History, checkpoint: int, layers: list[str], rows: Int[np.ndarray, " row"]) -> list[list[Represented]]:
        """The features of each model and layer."""
        assert at.heldout is not None, "refused before"
        made = []
        for model in at.models:
            features = at.heldout.features(at.weights(checkpoint, [model]), layers, rows)
            made.append([represented(features[layer].cpu().numpy()) for layer in layers])
        return made


_OTHERS: Final = ("directions", "epochs")


def _between(models: list[Represented], unit: Int[np.ndarray, " model"]) -> dict[str, Float[np.ndarray, " model"]]:
    """The mean likeness of each model with the models of other units; nan where there are none.

    And how much that of its unit scatters over the others, by which the error of the mean is judged.
    """
    count = len(models)
    alike = {name: np.full((count, count), np.nan) for name in ("cka", "svcca", "pwcca")}
    for one in range(count):
        for other in range(one + 1, count):
            if unit[one] == unit[other]:
                continue
            a, b = models[one], models[other]
            both = (pwcca(a, b) + pwcca(b, a)) / 2
            for name, value in (("cka", cka(a, b)), ("svcca", svcca(a, b)), ("pwcca", both)):
                alike[name][[one, other], [other, one]] = value
    of_each_model = {name: of_each(values, unit) for name, values in alike.items()}
    return of_each_model | {f"{name}_scatter": scatter_of(values, unit) for name, values in alike.items()}


def _to_end(here: list[Represented], end: list[Represented]) -> dict[str, list[float]]:
    """The likeness of each model with its own last checkpoint."""
    pairs = list(zip(here, end, strict=True))
    return {
        "cka_to_end": [cka(a, b) for a, b in pairs],
        "svcca_to_end": [svcca(a, b) for a, b in pairs],
        "pwcca_to_end": [pwcca(a, b) for a, b in pairs],
        "pwcca_from_end": [pwcca(b, a) for a, b in pairs],
    }
