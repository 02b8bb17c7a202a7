"""Reference recipes that tell most: every test of the default run has these, `make test-all` all of them."""

import pytest

from engine.toys import RECIPES

TELLING = (
    *("mlp with dropout and masks", "small cnn", "resnet with batch norm", "backbone"),
    "adversarial with dropout, masks and memory",
)
telling_recipes = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in TELLING else pytest.mark.slow) for name in RECIPES]
)
