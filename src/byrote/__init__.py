"""byrote: find what a neural network learned by rote, change something, and measure whether it helped.

The names below are loaded when they are first used, so that `import byrote` stays light and does without torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from byrote.analyses.calibration import Calibration as Calibration
    from byrote.analyses.calibration import calibrate as calibrate
    from byrote.analyses.calibration import estimate as estimate
    from byrote.analyses.card import card as card
    from byrote.analyses.catalog import ask as ask
    from byrote.analyses.comparison import compare as compare
    from byrote.analyses.forgetting import measure_forgetting as measure_forgetting
    from byrote.analyses.lab import Lab as Lab
    from byrote.analyses.membership import membership_attack as membership_attack
    from byrote.analyses.onion import privacy_onion as privacy_onion
    from byrote.analyses.performance import counterfactual_memorization as counterfactual_memorization
    from byrote.analyses.privacy import audit_privacy as audit_privacy
    from byrote.analyses.privacy import audit_privacy_in_many_runs as audit_privacy_in_many_runs
    from byrote.analyses.scaling import compare_sizes as compare_sizes
    from byrote.analyses.target import attack_target as attack_target
    from byrote.analyses.target import audit_target as audit_target
    from byrote.analyses.trace import trace as trace
    from byrote.analyses.triage import triage as triage
    from byrote.changes.child import change as change
    from byrote.changes.planting import plant as plant
    from byrote.changes.registry import parse_change as parse_change
    from byrote.data.arrays import from_arrays as from_arrays
    from byrote.data.corpus import Corpus as Corpus
    from byrote.data.corpus import corpus_from_texts as corpus_from_texts
    from byrote.data.corpus import read_corpus as read_corpus
    from byrote.data.dataset import Dataset as Dataset
    from byrote.data.digits import digits as digits
    from byrote.data.fashion_mnist import fashion_mnist as fashion_mnist
    from byrote.data.frame import from_pandas as from_pandas
    from byrote.data.hugging_face import from_hugging_face as from_hugging_face
    from byrote.data.image_folder import from_image_folder as from_image_folder
    from byrote.data.npy_folder import from_npy_folder as from_npy_folder
    from byrote.data.npz import from_npz as from_npz
    from byrote.data.table import from_table as from_table
    from byrote.data.tar_shards import from_tar_shards as from_tar_shards
    from byrote.data.text_table import from_text_table as from_text_table
    from byrote.data.torch_dataset import from_torch as from_torch
    from byrote.designs.coins import coins as coins
    from byrote.designs.half_subset_pairs import half_subset_pairs as half_subset_pairs
    from byrote.designs.iid_subsets import iid_subsets as iid_subsets
    from byrote.designs.injections import inject as inject
    from byrote.designs.injections import poison as poison
    from byrote.designs.ratio_grid import ratio_grid as ratio_grid
    from byrote.designs.two_splits import two_splits as two_splits
    from byrote.engine.afterwards import probe as probe
    from byrote.engine.audit import audit as audit
    from byrote.engine.language import audit_forgetting as audit_forgetting
    from byrote.engine.language import audit_language as audit_language
    from byrote.engine.language import audit_model as audit_model
    from byrote.engine.ray_cluster import on_ray as on_ray
    from byrote.errors import BadInput as BadInput
    from byrote.errors import ByroteError as ByroteError
    from byrote.recipes.augmentations import Cutout as Cutout
    from byrote.recipes.augmentations import FeatureMask as FeatureMask
    from byrote.recipes.augmentations import HorizontalFlip as HorizontalFlip
    from byrote.recipes.augmentations import RandomShift as RandomShift
    from byrote.recipes.co_teaching import CoTeaching as CoTeaching
    from byrote.recipes.defaults import balanced_weights as balanced_weights
    from byrote.recipes.defaults import recipe_for as recipe_for
    from byrote.recipes.dropout import Dropout as Dropout
    from byrote.recipes.dropout import ExampleTiedDropout as ExampleTiedDropout
    from byrote.recipes.gradient_transforms import ClipNorm as ClipNorm
    from byrote.recipes.input_perturbations import ProjectedGradient as ProjectedGradient
    from byrote.recipes.mixing import CutMix as CutMix
    from byrote.recipes.mixing import Mixup as Mixup
    from byrote.recipes.networks.backbone import Backbone as Backbone
    from byrote.recipes.networks.bag_of_embeddings import BagOfEmbeddings as BagOfEmbeddings
    from byrote.recipes.networks.mlp import MLP as MLP
    from byrote.recipes.networks.network import Network as Network
    from byrote.recipes.networks.resnet import ResNet as ResNet
    from byrote.recipes.networks.small_cnn import SmallCNN as SmallCNN
    from byrote.recipes.networks.tiny_gpt import TinyGPT as TinyGPT
    from byrote.recipes.objectives.binary_cross_entropy import BinaryCrossEntropy as BinaryCrossEntropy
    from byrote.recipes.objectives.cross_entropy import CrossEntropy as CrossEntropy
    from byrote.recipes.objectives.early_learning_regularization import (
        EarlyLearningRegularization as EarlyLearningRegularization,
    )
    from byrote.recipes.objectives.focal import Focal as Focal
    from byrote.recipes.objectives.generalised_cross_entropy import GeneralisedCrossEntropy as GeneralisedCrossEntropy
    from byrote.recipes.objectives.mean_absolute_error import MeanAbsoluteError as MeanAbsoluteError
    from byrote.recipes.objectives.next_token import NextToken as NextToken
    from byrote.recipes.objectives.robust_log_loss import RobustLogLoss as RobustLogLoss
    from byrote.recipes.objectives.squared_error import SquaredError as SquaredError
    from byrote.recipes.objectives.symmetric_cross_entropy import SymmetricCrossEntropy as SymmetricCrossEntropy
    from byrote.recipes.objectives.trades import Trades as Trades
    from byrote.recipes.optimizers import SGD as SGD
    from byrote.recipes.optimizers import AdamW as AdamW
    from byrote.recipes.private import Private as Private
    from byrote.recipes.recipe import Recipe as Recipe
    from byrote.recipes.samplers import ClassBalanced as ClassBalanced
    from byrote.recipes.schedules import Constant as Constant
    from byrote.recipes.schedules import Cosine as Cosine
    from byrote.recipes.schedules import Linear as Linear
    from byrote.recipes.schedules import Triangle as Triangle
    from byrote.recording.recorder import Recorder as Recorder
    from byrote.recording.recorder import recover as recover
    from byrote.recording.with_ids import WithIds as WithIds
    from byrote.report.language_report import write_language_report as write_language_report
    from byrote.report.page import write_report as write_report
    from byrote.runs.imported import import_arrays as import_arrays
    from byrote.runs.run import Run as Run

_HOMES = {
    "ask": "analyses.catalog",
    "audit": "engine.audit",
    "Lab": "analyses.lab",
    "on_ray": "engine.ray_cluster",
    "probe": "engine.afterwards",
    "Calibration": "analyses.calibration",
    "calibrate": "analyses.calibration",
    "estimate": "analyses.calibration",
    "card": "analyses.card",
    "parse_change": "changes.registry",
    "change": "changes.child",
    "plant": "changes.planting",
    "compare": "analyses.comparison",
    "compare_sizes": "analyses.scaling",
    "from_arrays": "data.arrays",
    "Dataset": "data.dataset",
    "digits": "data.digits",
    "fashion_mnist": "data.fashion_mnist",
    "from_hugging_face": "data.hugging_face",
    "from_image_folder": "data.image_folder",
    "from_npy_folder": "data.npy_folder",
    "from_npz": "data.npz",
    "from_pandas": "data.frame",
    "from_table": "data.table",
    "from_tar_shards": "data.tar_shards",
    "from_text_table": "data.text_table",
    "from_torch": "data.torch_dataset",
    "coins": "designs.coins",
    "half_subset_pairs": "designs.half_subset_pairs",
    "iid_subsets": "designs.iid_subsets",
    "inject": "designs.injections",
    "poison": "designs.injections",
    "ratio_grid": "designs.ratio_grid",
    "two_splits": "designs.two_splits",
    "BadInput": "errors",
    "ByroteError": "errors",
    "measure_forgetting": "analyses.forgetting",
    "import_arrays": "runs.imported",
    "membership_attack": "analyses.membership",
    "counterfactual_memorization": "analyses.performance",
    "privacy_onion": "analyses.onion",
    "audit_privacy": "analyses.privacy",
    "audit_privacy_in_many_runs": "analyses.privacy",
    "FeatureMask": "recipes.augmentations",
    "Cutout": "recipes.augmentations",
    "CutMix": "recipes.mixing",
    "Mixup": "recipes.mixing",
    "HorizontalFlip": "recipes.augmentations",
    "RandomShift": "recipes.augmentations",
    "CoTeaching": "recipes.co_teaching",
    "Private": "recipes.private",
    "Dropout": "recipes.dropout",
    "ExampleTiedDropout": "recipes.dropout",
    "ClipNorm": "recipes.gradient_transforms",
    "ProjectedGradient": "recipes.input_perturbations",
    "Backbone": "recipes.networks.backbone",
    "BagOfEmbeddings": "recipes.networks.bag_of_embeddings",
    "MLP": "recipes.networks.mlp",
    "Network": "recipes.networks.network",
    "ResNet": "recipes.networks.resnet",
    "SmallCNN": "recipes.networks.small_cnn",
    "BinaryCrossEntropy": "recipes.objectives.binary_cross_entropy",
    "CrossEntropy": "recipes.objectives.cross_entropy",
    "Focal": "recipes.objectives.focal",
    "GeneralisedCrossEntropy": "recipes.objectives.generalised_cross_entropy",
    "MeanAbsoluteError": "recipes.objectives.mean_absolute_error",
    "RobustLogLoss": "recipes.objectives.robust_log_loss",
    "SymmetricCrossEntropy": "recipes.objectives.symmetric_cross_entropy",
    "SquaredError": "recipes.objectives.squared_error",
    "Trades": "recipes.objectives.trades",
    "balanced_weights": "recipes.defaults",
    "EarlyLearningRegularization": "recipes.objectives.early_learning_regularization",
    "AdamW": "recipes.optimizers",
    "SGD": "recipes.optimizers",
    "recipe_for": "recipes.defaults",
    "Recipe": "recipes.recipe",
    "ClassBalanced": "recipes.samplers",
    "Constant": "recipes.schedules",
    "Cosine": "recipes.schedules",
    "Linear": "recipes.schedules",
    "Triangle": "recipes.schedules",
    "Recorder": "recording.recorder",
    "recover": "recording.recorder",
    "WithIds": "recording.with_ids",
    "write_language_report": "report.language_report",
    "write_report": "report.page",
    "audit_language": "engine.language",
    "audit_model": "engine.language",
    "audit_forgetting": "engine.language",
    "read_corpus": "data.corpus",
    "corpus_from_texts": "data.corpus",
    "Corpus": "data.corpus",
    "TinyGPT": "recipes.networks.tiny_gpt",
    "NextToken": "recipes.objectives.next_token",
    "Run": "runs.run",
    "attack_target": "analyses.target",
    "audit_target": "analyses.target",
    "trace": "analyses.trace",
    "triage": "analyses.triage",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("byrote")
    if name not in _HOMES:
        raise AttributeError(f"module 'byrote' has no attribute {name!r}")
    found = getattr(importlib.import_module(f"byrote.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
