"""Small data, recipes and jobs. Importable by worker processes, which know nothing of pytest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from byrote.data.blocks import range_of_rows
from byrote.designs.design import Design
from byrote.designs.half_subset_pairs import half_subset_pairs
from byrote.engine.job import Job, Labelled
from byrote.evidence.shards import read_header, read_shard
from byrote.recipes.algorithm import Shape
from byrote.recipes.augmentations import Cutout, FeatureMask, HorizontalFlip, RandomShift
from byrote.recipes.gradient_transforms import ClipNorm
from byrote.recipes.input_perturbations import ProjectedGradient
from byrote.recipes.mixing import CutMix, Mixup
from byrote.recipes.networks.backbone import Backbone
from byrote.recipes.networks.mlp import MLP
from byrote.recipes.networks.network import Network
from byrote.recipes.networks.resnet import ResNet
from byrote.recipes.networks.small_cnn import SmallCNN
from byrote.recipes.objectives.early_learning_regularization import EarlyLearningRegularization
from byrote.recipes.objectives.generalised_cross_entropy import GeneralisedCrossEntropy
from byrote.recipes.optimizers import SGD, AdamW
from byrote.recipes.recipe import BoundRecipe, Recipe
from byrote.recipes.schedules import Triangle

CPU = torch.device("cpu")
ROW, IMAGE = (6,), (1, 8, 8)


def features():
    """A pretrained network with a buffer that training would move."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(6, 40), nn.BatchNorm1d(40), nn.ReLU())


def recipe(network, **slots) -> Recipe:
    return Recipe(**{"network": network, "epochs": 3, "batch_size": 10, "optimizer": SGD(lr=0.05), **slots})


#: Every reference recipe: a name, the shape of its inputs, and the recipe. Some layers are wide and some narrow,
#: because stacked ones multiply in different orders.
RECIPES = {
    "mlp": (ROW, recipe(MLP(hidden=(40,)), schedule=Triangle())),
    "mlp with dropout and masks": (
        ROW,
        recipe(MLP(hidden=(40, 12), dropout=0.3), augmentation=FeatureMask(0.3), optimizer=SGD(nesterov=True)),
    ),
    "mlp with tied and plain dropout": (ROW, recipe(MLP(hidden=(12,), dropout=0.2, tied_dropout=(0.3, 0.2)))),
    "small cnn": (IMAGE, recipe(SmallCNN(width=4))),
    "small cnn with dropout and shifts": (IMAGE, recipe(SmallCNN(width=4, dropout=0.2), augmentation=RandomShift(1))),
    "resnet with batch norm": (IMAGE, recipe(ResNet(depth=8, width=4), augmentation=HorizontalFlip())),
    "resnet with group norm": (IMAGE, recipe(ResNet(depth=8, width=4, norm="group"))),
    "backbone": (ROW, recipe(Backbone(features), optimizer=SGD(lr=0.05, weight_decay=0.01))),
    "frozen backbone": (ROW, recipe(Backbone(features, frozen=True), optimizer=SGD(lr=0.05, weight_decay=0.01))),
    "elr": (ROW, recipe(MLP(hidden=(12,)), objective=EarlyLearningRegularization())),
    "mixed up": (ROW, recipe(MLP(hidden=(12,), dropout=0.2), mixing=Mixup(0.5), objective=GeneralisedCrossEntropy())),
    "cut and mixed": (IMAGE, recipe(SmallCNN(width=4), mixing=CutMix(), augmentation=Cutout(2))),
    "adamw": (ROW, recipe(MLP(hidden=(40,)), optimizer=AdamW(lr=0.01, eps=1e-4))),
    "adversarial and clipped": (
        ROW,
        recipe(MLP(hidden=(40,)), input_perturbation=ProjectedGradient(), gradient_transform=ClipNorm(0.5)),
    ),
    "adversarial with batch norm": (
        IMAGE,
        recipe(
            ResNet(depth=8, width=4),
            augmentation=RandomShift(1),
            input_perturbation=ProjectedGradient(steps=2, low=-1.0),
        ),
    ),
    "adversarial with dropout, masks and memory": (
        ROW,
        recipe(
            MLP(hidden=(12,), dropout=0.3),
            augmentation=FeatureMask(0.3),
            input_perturbation=ProjectedGradient(),
            objective=EarlyLearningRegularization(),
        ),
    ),
}


def data(shape=ROW, examples=40, classes=3) -> Labelled:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(examples, *shape)).astype(np.float32)
    return Labelled(inputs=inputs, targets=inputs.reshape(examples, -1)[:, :classes].argmax(1))


def bound(name: str, examples=40) -> BoundRecipe:
    shape, slots = RECIPES[name]
    inputs = data(shape, examples).inputs
    extent = tuple(torch.from_numpy(end) for end in range_of_rows(inputs))
    return slots.bind(Shape(inputs=shape, classes=3, examples=examples, extent=lambda: extent), CPU)


def job(folder: Path, slots=None, **settings) -> Job:
    """Six models on halves of 40 examples."""
    given = {
        "recipe": slots or RECIPES["mlp"][1],
        "data": data(),
        "heldout": None,
        "classes": 3,
        "design": half_subset_pairs(40, 6, rng=np.random.default_rng(0)),
        "checkpoints": (0, 1, 3),
        "folder": folder,
        "keep_logits": True,
        "keep_weights": False,
        "device": "cpu",
        **settings,
    }
    design: Design = given["design"]
    return Job(**{"seeds": list(range(100, 100 + design.models)), **given})


def contents(folder: Path) -> dict[str, dict[str, object]]:
    """Every shard under a folder: its header, and its columns with their types, shapes and bytes."""
    return {
        str(path.relative_to(folder)): read_header(path)
        | {name: (str(c.dtype), c.shape, c.tobytes()) for name, c in read_shard(path).items()}
        for path in sorted(folder.rglob("*.safetensors"))
    }


class OverX(nn.Module):
    """A linear network with `forward` spoiled by a function of the inputs; it stands for many a user's network."""

    def __init__(self, spoil) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 3)
        self.spoil = spoil

    def forward(self, inputs):
        return self.spoil(self, inputs)


def spoiled(spoil) -> Recipe:
    return recipe(Network(lambda: OverX(spoil)))
