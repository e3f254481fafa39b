"""Recipes that build on another one: precedence, strictness, and what presets set."""

from pathlib import Path

import pytest

from topformer_cli.errors import RecipeError
from topformer_cli.models.spec import SIZES, SizeName
from topformer_cli.recipe import (
    CUSTOM,
    Choices,
    SetFacts,
    differences,
    load_recipe,
    preset_settings,
    recipe_of_set,
    recipes_dir,
    settings,
)


def write(folder: Path, text: str) -> str:
    path = folder / "own.yaml"
    path.write_text(text)
    return str(path)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(RecipeError) as error:
        load_recipe(write(folder, text), Choices())
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_derived_recipe_is_its_base_with_what_it_overrides(tmp_path: Path) -> None:
    text = "base: ade20k\noverrides: {batch: 4, optimizer.betas: [0.9, 0.95]}"
    for size in SIZES:
        own = load_recipe(write(tmp_path, text), Choices(size))
        base = load_recipe("ade20k", Choices(size))
        assert (own.name, base.name) == ("own", "ade20k")
        assert differences(own, base) == {
            "batch": (4, 16),
            "optimizer.betas": ([0.9, 0.95], [0.9, 0.999]),
        }


@pytest.mark.parametrize(
    ("preset", "typed", "lr"),
    [
        (None, (), 0.5),
        ("paper", (), 0.5),
        ("paper", ("optimizer.lr=0.25",), 0.25),
    ],
)
def test_overrides_of_a_file_stand_between_preset_and_command_line(
    tmp_path: Path, preset: str | None, typed: tuple[str, ...], lr: float
) -> None:
    path = write(tmp_path, "base: ade20k\noverrides: {optimizer.lr: 0.5}")
    recipe = load_recipe(path, Choices("tiny", preset, typed))
    assert (recipe.optimizer.lr, recipe.preset) == (lr, preset or "code")
    assert recipe.fuse == ("full" if preset == "paper" else "depthwise")


def test_a_base_may_be_a_file_beside_the_recipe(tmp_path: Path) -> None:
    text = (recipes_dir() / "ade20k.yaml").read_text().replace("batch: 16", "batch: 3")
    (tmp_path / "mine.yaml").write_text(text)
    path = write(tmp_path, "base: mine.yaml\noverrides: {amp: fp32}")
    recipe = load_recipe(path, Choices())
    assert (recipe.name, recipe.batch, recipe.amp) == ("own", 3, "fp32")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("base: ade2k\noverrides: {}", "own.yaml: base: no recipe 'ade2k'; did you mean 'ade20k'?"),
        ("base: 3\noverrides: {}", "base: expected the name of a recipe, got 3"),
        ("base: gone.yaml\noverrides: {}", "own.yaml: base: no recipe file "),
        (
            "base: ade20k-448\noverrides: {batch: 4}",
            "base 'ade20k-448' builds on 'ade20k' itself; a base has none: name 'ade20k' and",
        ),
        ("base: ade20k\nbatch: 4\noverrides: {}", "own.yaml: batch: beside `base` there are only"),
        ("base: ade20k\npresets: {}\n1: 2", "own.yaml: presets, 1: beside `base` there are only"),
        ("base: ade20k", "own.yaml: overrides: expected {key.path: value}, as in {batch: 8}"),
        ("base: ade20k\noverrides: [batch]", "own.yaml: overrides: expected {key.path: value}"),
        ("base: ade20k\noverrides: {1: 2}", "own.yaml: overrides: expected {key.path: value}"),
        ("overrides: {batch: 4}", "own.yaml: overrides: they need a recipe to change; add `base:"),
        (
            "base: ade20k\noverrides: {optimizer.lrr: 1}",
            "own.yaml overrides: optimizer.lrr: unknown key; did you mean 'optimizer.lr'?",
        ),
        (
            "base: ade20k\noverrides: {optimiser.lr: 1.0}",
            "own.yaml overrides optimiser.lr: no section 'optimiser'; did you mean 'optimizer'?",
        ),
        ("base: ade20k\noverrides: {augment: 1}", "own.yaml overrides augment: is a section; set"),
        ("base: ade20k\noverrides: {task: detection}", "own.yaml overrides task: a recipe is for"),
        ("base: ade20k\noverrides: {batch: 0}", "own.yaml overrides: batch: input should be"),
    ],
)
def test_wrong_derived_files_are_explained(tmp_path: Path, text: str, words: str) -> None:
    assert words in refusal(tmp_path, text)


def test_a_mistake_is_told_where_the_last_word_was(tmp_path: Path) -> None:
    path = write(tmp_path, "base: ade20k\noverrides: {batch: 0, model.dropout: 2}")
    with pytest.raises(RecipeError) as error:
        load_recipe(path, Choices(overrides=("batch=-1",)))
    assert str(error.value).startswith("-o batch: ")
    assert "; own.yaml overrides: model.dropout: " in str(error.value)


def test_a_derived_recipe_is_not_the_recipe_of_a_set() -> None:
    assert recipe_of_set("coco") == "coco-retinanet"
    assert recipe_of_set("ade20k") == "ade20k"


@pytest.mark.parametrize("name", ["ade20k", "ade20k-448", "ade20k-batch32"])
@pytest.mark.parametrize("size", SIZES)
def test_presets_of_ade20k_differ_in_what_tiny_alone_has(name: str, size: SizeName) -> None:
    found = preset_settings(name, Choices(size, overrides=("batch=1",)))
    apart = {
        "code": {"optimizer.lr": 3e-4, "model.fuse": "depthwise"},
        "paper": {"optimizer.lr": 1.2e-4, "model.fuse": "full"},
    }
    assert found == (apart if size == "tiny" else {"code": {}, "paper": {}})


def test_presets_of_a_custom_set_are_one() -> None:
    facts = SetFacts("mine", (360, 480), 400)
    assert preset_settings(CUSTOM["segmentation"], Choices(), facts) == {"code": {}}


def test_settings_are_plain_and_name_no_recipe() -> None:
    found = settings(load_recipe("ade20k", Choices("small")))
    assert (found["augment.crop"], found["model.fuse"]) == ([512, 512], "full")
    assert not {"name", "size", "preset", "augment"} & set(found)
