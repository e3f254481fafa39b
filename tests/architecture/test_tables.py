"""What is one file plus one line in a table: forgetting the line fails here.

Data sets, layers, emitters and passes: tests/contract.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import get_args

import click
import pytest

import topformer_cli.bench.runners
import topformer_cli.commands
import topformer_cli.models.backbones
import topformer_cli.models.heads
from topformer_cli.bench.runner import RUNNERS
from topformer_cli.cli import COMMANDS
from topformer_cli.models.backbones import CLASSIFIERS, DETECTORS
from topformer_cli.models.baselines.files import CLASSIFIER_FILES
from topformer_cli.models.heads import HEADS
from topformer_cli.models.spec import BACKBONES, SIZES, BackboneName, SizeName
from topformer_cli.recipe import (
    CUSTOM,
    RECIPES,
    Choices,
    SetFacts,
    baseline_names,
    load_recipe,
    recipe_names,
)
from topformer_cli.recipe.settings import preset_names
from topformer_cli.sections.detection import DetectionModel
from topformer_cli.sections.segmentation import SegmentationModel

FACTS = SetFacts("mine", (360, 480), 400)


def submodules(package: ModuleType) -> Iterator[ModuleType]:
    for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        yield importlib.import_module(info.name)


def test_every_command_is_listed() -> None:
    written = {
        module.__name__
        for module in submodules(topformer_cli.commands)
        if isinstance(getattr(module, "command", None), click.Command)
    }
    assert written == {place for place, _ in COMMANDS.values()}


@pytest.mark.parametrize("name", COMMANDS)
def test_command_has_its_name_and_a_sentence(name: str) -> None:
    place, text = COMMANDS[name]
    command = importlib.import_module(place).command
    assert command.name == name
    assert text.endswith(".")
    assert command.help
    assert command.help.endswith(".") or "." in command.help


def test_every_head_is_listed_and_offered_by_recipes() -> None:
    written = {
        module.__name__.rpartition(".")[2] for module in submodules(topformer_cli.models.heads)
    }
    assert written == set(HEADS)
    choices = SegmentationModel.model_fields["head"].annotation
    assert set(get_args(choices)) == set(HEADS)


def test_every_backbone_is_listed_and_offered_by_recipes() -> None:
    written = {
        module.__name__.rpartition(".")[2] for module in submodules(topformer_cli.models.backbones)
    }
    assert written == set(DETECTORS) == set(BACKBONES) == set(get_args(BackboneName))
    assert DetectionModel.model_fields["backbone"].annotation == BackboneName
    # What is not TopFormer is another library's, and its ImageNet weights are known.
    assert set(BACKBONES) - {"topformer"} <= set(CLASSIFIERS) == set(CLASSIFIER_FILES)


def test_every_runner_is_listed() -> None:
    written = set(submodules(topformer_cli.bench.runners))
    assert written == set(RUNNERS.values())


def test_sizes_are_what_recipes_know() -> None:
    assert set(SIZES) == set(get_args(SizeName))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", sorted({*recipe_names(), *CUSTOM.values()} - {*baseline_names()}))
def test_every_recipe_loads_for_every_size_and_preset(name: str, size: SizeName) -> None:
    for preset in preset_names(name):
        recipe = load_recipe(
            name, Choices(size, preset), FACTS if name in CUSTOM.values() else None
        )
        assert (recipe.size, recipe.preset) == (size, preset)
        assert isinstance(recipe, RECIPES[recipe.task])
        assert (recipe.fuse is None) == (recipe.head != "simple")
        assert recipe.evaluation.every <= recipe.schedule.iterations
