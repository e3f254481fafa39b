"""Every parameter of every recipe's network learns: a loss on all outputs has a gradient in it.

The networks that the paper compares with are asked the same in test_baselines.py.
"""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from topformer_cli.data.catalog import DATASETS
from topformer_cli.engine.tasks import sketched_spec
from topformer_cli.models.build import build_model
from topformer_cli.models.spec import SIZES, ModelSpec
from topformer_cli.recipe import (
    CUSTOM,
    Choices,
    SetFacts,
    baseline_names,
    load_recipe,
    recipe_names,
)

FACTS = SetFacts(name="mine", median_size=(64, 96), train_images=20)
CLASSES = 3


def cards() -> list[Any]:
    """The networks of all recipes in all sizes, each once, called after the first that has it."""
    found: dict[ModelSpec, str] = {}
    for name in sorted({*recipe_names(), *CUSTOM.values()} - {*baseline_names()}):
        for choices in [*map(Choices, SIZES), *others(name)]:
            facts = None if name not in CUSTOM.values() else FACTS
            recipe = load_recipe(name, choices, facts)
            card = replace(sketched_spec(recipe, CLASSES), input_size=(64, 64), dataset="random")
            found.setdefault(card, f"{name}-{recipe.size or recipe.backbone}")
    return [pytest.param(card, id=name) for card, name in found.items()]


def others(name: str) -> list[Choices]:
    """Return the choices of other backbones that a recipe has."""
    if name != "coco-retinanet":
        return []
    return [
        Choices(None, None, (f"model.backbone={backbone}",))
        for backbone in ("shufflenetv2", "mobilenetv3")
    ]


def outputs(found: Any) -> list[Tensor]:
    return (
        [found] if isinstance(found, Tensor) else [one for part in found for one in outputs(part)]
    )


@pytest.mark.parametrize("card", cards())
def test_every_parameter_learns(card: ModelSpec) -> None:
    torch.manual_seed(0)
    network = build_model(card)
    images = torch.randn(2, 3, 128, 128)
    torch.stack([one.square().sum() for one in outputs(network(images))]).sum().backward()
    parameters = dict(network.named_parameters())
    assert {name for name, p in parameters.items() if p.requires_grad and p.grad is None} == set()
    assert all(p.requires_grad for p in parameters.values())


def test_all_sets_and_tasks_have_been_asked() -> None:
    tasks = {param.values[0].task for param in cards()}
    assert tasks == {spec.task for spec in DATASETS.values()} == {*CUSTOM}
