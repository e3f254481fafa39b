"""Recipes: numbers, precedence, strictness, and messages that name the way out."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from topformer_cli.errors import RecipeError
from topformer_cli.recipe import (
    CUSTOM,
    Choices,
    Recipe,
    SetFacts,
    baseline_names,
    load_recipe,
    load_resolved,
    parse_resolved,
    recipe_names,
    recipes_dir,
    settings,
)
from topformer_cli.sections.classification import ClassificationRecipe
from topformer_cli.sections.detection import DetectionRecipe

FACTS = SetFacts("mine", (360, 480), 400)


def load(*overrides: str, size: str = "tiny", preset: str | None = None) -> Recipe:
    return load_recipe("ade20k", Choices(size, preset, overrides))  # type: ignore[arg-type]


def refusal(*overrides: str) -> str:
    with pytest.raises(RecipeError) as error:
        load(*overrides)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [("3e-4", 3e-4), ("1E-3", 1e-3), ("2.5e-4", 2.5e-4), ("4e+0", 4.0), (".5", 0.5), ("1", 1.0)],
)
def test_numbers_are_numbers(text: str, value: float) -> None:
    assert load(f"optimizer.lr={text}").optimizer.lr == value


@pytest.mark.parametrize("text", ["3e4x", "off", "on", "yes", "no", "No", "truest"])
def test_text_that_looks_like_something_else_stays_text(text: str) -> None:
    assert load(f"dataset={text}").dataset == text


@pytest.mark.parametrize("text", ["true", "True", "FALSE", "false"])
def test_truth_values_are_true_and_false(text: str) -> None:
    found = settings(load(f"augment.photometric={text}"))["augment.photometric"]
    assert found is (text.lower() == "true")


@pytest.mark.parametrize(
    ("size", "preset", "lr", "fuse"),
    [
        ("tiny", None, 3e-4, "depthwise"),
        ("small", None, 1.2e-4, "full"),
        ("base", "code", 1.2e-4, "full"),
        ("tiny", "paper", 1.2e-4, "full"),
        ("base", "paper", 1.2e-4, "full"),
    ],
)
def test_where_code_and_paper_differ(size: str, preset: str | None, lr: float, fuse: str) -> None:
    recipe = load(size=size, preset=preset)
    assert (recipe.optimizer.lr, recipe.fuse, recipe.preset) == (lr, fuse, preset or "code")
    assert (recipe.batch, recipe.schedule.iterations) == (16, 160_000)


@pytest.mark.parametrize(
    ("overrides", "size", "rate", "run"),
    [
        ((), "tiny", 0.1, "coco-retinanet-tiny"),
        (("model.drop_path=0.2",), "tiny", 0.2, "coco-retinanet-tiny"),
        (("model.backbone=mobilenetv3",), None, 0.0, "coco-retinanet-mobilenetv3"),
        (("model.backbone=shufflenetv2", "model.drop_path=0"), None, 0.0,
         "coco-retinanet-shufflenetv2"),
    ],
)  # fmt: skip
def test_only_topformer_has_sizes_and_branches_to_drop(
    overrides: tuple[str, ...], size: str | None, rate: float, run: str
) -> None:
    recipe = load_recipe("coco-retinanet", Choices(None, None, overrides))
    assert isinstance(recipe, DetectionRecipe)
    assert (recipe.size, recipe.drop_path, recipe.run_name) == (size, rate, run)
    assert settings(recipe)["model.drop_path"] == rate
    assert parse_resolved(recipe.model_dump(mode="json"), "it") == recipe


@pytest.mark.parametrize(
    ("overrides", "size", "said"),
    [
        (("model.backbone=resnet",), None, "-o model.backbone: input should be 'topformer', "),
        (("model.backbone=mobilenetv3", "model.drop_path=0.1"), None,
         "-o model.drop_path: got 0.1; "
         "mobilenetv3 has no transformer blocks to drop branches of; take auto or 0"),
        (("model.backbone=mobilenetv3",), "small",
         "--size small: mobilenetv3 comes in one size; drop it"),
        (("model.drop_path=1.5",), None, "-o model.drop_path: input should be less than 1, got"),
        (("size=base",), None, "-o size: is no setting; give --size"),
    ],
)  # fmt: skip
def test_a_backbone_that_does_not_go_with_the_rest(
    overrides: tuple[str, ...], size: str | None, said: str
) -> None:
    with pytest.raises(RecipeError) as error:
        load_recipe("coco-retinanet", Choices(size, None, overrides))  # type: ignore[arg-type]
    assert str(error.value).startswith(said)
    assert "; -o" not in str(error.value)


def test_a_resolved_recipe_of_a_backbone_has_no_size() -> None:
    values = load_recipe("coco-retinanet", Choices()).model_dump(mode="json")
    del values["model"]["backbone"]
    assert parse_resolved(values, "it") == load_recipe("coco-retinanet", Choices())
    values["model"]["backbone"] = "mobilenetv3"
    words = "it: size tiny does not go with backbone mobilenetv3"
    with pytest.raises(RecipeError, match=f"^{words}$"):
        parse_resolved(values, "it")


def test_the_command_line_beats_preset_and_size() -> None:
    assert load("optimizer.lr=1.0", preset="paper").optimizer.lr == 1.0
    assert load("batch=4", "batch=8").batch == 8
    assert load("model.fuse=depthwise", preset="paper").fuse == "depthwise"


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("optimizer.lrr=1", "optimizer.lrr: unknown key; did you mean 'optimizer.lr'?"),
        ("optimiser.lr=1", "no section 'optimiser'; did you mean 'optimizer'?"),
        ("batchh=4", "batchh: unknown key; did you mean 'batch'?"),
        ("iterations=40", "-o iterations: unknown key; did you mean 'schedule.iterations'?"),
        ("lr=1", "-o lr: unknown key; did you mean 'optimizer.lr'?"),
        ("weight_decay=0", "weight_decay: unknown key; did you mean 'optimizer.weight_decay'?"),
        ("crop=[64,64]", "crop: unknown key; did you mean 'augment.crop'?"),
        ("schedule.lr=1", "schedule.lr: unknown key; did you mean 'optimizer.lr'?"),
        ("scale=1", "scale: unknown key; did you mean 'evaluation.scale' or 'augment.scale'?"),
        ("iteration=4", "iteration: unknown key; did you mean 'schedule.iterations'?"),
        ("epochs=3", "unknown key; did you mean 'schedule.iterations', which counts steps?"),
        ("zzzz=4", "zzzz: unknown key"),
        (
            "augment.erase=0.1",
            "-o augment.erase: unknown key; recipes of classification have it, this one is for "
            "segmentation",
        ),
        ("augment.erasee=0.1", "-o augment.erasee: unknown key"),
        ("evaluation.short_side=1", "recipes of classification have it, this one is for segm"),
        ("schedule.steps=[0.5]", "; recipes of detection have it, this one is for segmentation"),
        ("optimizer=4", "is a section; set one of optimizer.kind, optimizer.lr, optimizer.w"),
        ("batch.global=4", "no section 'batch'"),
        ("batch", "expected key.path=value, as in -o optimizer.lr=3e-4"),
        ("=4", "expected key.path=value"),
        ("batch=[", "the value is not YAML"),
        ("batch=0", "batch: input should be greater than or equal to 1, got 0"),
        ("batch=two", "batch: input should be a valid integer, got 'two'"),
        ("batch=4.0", "batch: input should be a valid integer"),
        ("batch=", "batch: input should be a valid integer, got None"),
        ("optimizer.lr=.inf", "optimizer.lr"),
        ("optimizer.lr=.nan", "optimizer.lr"),
        ("optimizer.lr=-1", "optimizer.lr: input should be greater than 0, got -1"),
        ("augment.crop=[500,512]", "augment.crop.0: input should be a multiple of 32, got 500"),
        ("augment.crop=512", "augment.crop: expected a list, as in [512, 512], got 512"),
        ("model.head=fancy", "model.head: input should be 'simple' or 'concat', got 'fancy'"),
        ("task=detection", "-o task: a recipe is for one task; name a recipe of the other one"),
        ("amp=bf32", "amp: got 'bf32'; did you mean 'fp32'? input should be 'auto', 'fp32', 'bf"),
    ],
)
def test_wrong_overrides_are_explained_in_one_line(override: str, words: str) -> None:
    assert words in refusal(override)


def test_every_wrong_value_is_named_at_once() -> None:
    text = refusal("batch=0", "model.dropout=2", "augment.flip=3")
    assert text.count("; ") == 2
    assert all(key in text for key in ("batch:", "model.dropout:", "augment.flip:"))


def test_unknown_recipe_and_preset_name_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"no recipe 'ade2k'; did you mean 'ade20k'\?"):
        load_recipe("ade2k", Choices())
    with pytest.raises(RecipeError, match=r"preset 'papper': ade20k has code, paper; did you mean"):
        load(preset="papper")
    with pytest.raises(RecipeError, match=r"preset 'paper': scenes has code"):
        load_recipe("scenes", Choices(preset="paper"))


def test_auto_is_filled_from_the_set() -> None:
    recipe = load_recipe(CUSTOM["segmentation"], Choices(), FACTS)
    assert (recipe.name, recipe.dataset) == ("mine", "mine")
    assert recipe.augment.crop == (352, 352)
    assert recipe.augment.scale == recipe.evaluation.scale == (1440, 360)
    assert recipe.schedule.iterations == 3000
    assert recipe.evaluation.every == 300
    assert "auto" not in yaml.safe_load(recipe.to_yaml())["augment"].values()


@given(height=st.integers(1, 5000), width=st.integers(1, 5000), images=st.integers(1, 200_000))
def test_any_set_gives_a_valid_recipe(height: int, width: int, images: int) -> None:
    recipe = load_recipe(
        CUSTOM["segmentation"], Choices(), SetFacts("mine", (height, width), images)
    )
    assert 64 <= recipe.augment.crop[0] <= 512
    assert 500 <= recipe.schedule.iterations <= 40_000
    assert 1 <= recipe.evaluation.every <= recipe.schedule.iterations


def test_what_is_typed_is_not_filled() -> None:
    typed = ("augment.crop=[64,96]", "schedule.iterations=50", "evaluation.every=7")
    recipe = load_recipe(CUSTOM["segmentation"], Choices(overrides=typed), FACTS)
    assert recipe.augment.crop == (64, 96)
    assert (recipe.schedule.iterations, recipe.evaluation.every) == (50, 7)


@pytest.mark.parametrize("typed", ["batch=0", "batch=x", "schedule.iterations=x"])
def test_wrong_values_beside_auto_are_explained(typed: str) -> None:
    with pytest.raises(RecipeError, match=typed.partition("=")[0]):
        load_recipe(CUSTOM["segmentation"], Choices(overrides=(typed,)), FACTS)


def test_auto_without_a_set_says_what_to_do() -> None:
    with pytest.raises(RecipeError, match=r"`auto` needs a prepared set; run `topformer data"):
        load_recipe(CUSTOM["segmentation"], Choices())


def write(folder: Path, text: str) -> str:
    path = folder / "own.yaml"
    path.write_text(text)
    return str(path)


def test_a_file_of_ones_own_is_a_recipe(tmp_path: Path) -> None:
    text = (recipes_dir() / "ade20k.yaml").read_text()
    recipe = load_recipe(write(tmp_path, text.replace("batch: 16", "batch: 3")), Choices())
    assert (recipe.name, recipe.batch, recipe.optimizer.lr) == ("own", 3, 3e-4)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "own.yaml is not a YAML file"),
        ("- 1\n- 2\n", "expected a mapping of keys at the top"),
        ("", "expected a mapping of keys at the top"),
        ("a: !!python/object/apply:os.system [ls]", "own.yaml is not a YAML file"),
        ("task: segmentation\n", "dataset: missing; batch: missing"),
        ("by_size: {tinny: {}}", "by_size.tinny: unknown size; did you mean 'tiny'?"),
        ("batch: 4\nby_size: {tiny: {optimizer.lr: 1.0}}", "by_size.tiny optimizer.lr: no section"),
        ("by_size: 3", "by_size"),
        ("presets: [code]", "presets"),
        ("by_size: {tiny: 3}", "by_size: expected names with overrides"),
        ("by_size: {1: {batch: 3}}", "by_size: expected names with overrides"),
        ("by_size: {tiny: {1: 3}}", "by_size: expected names with overrides"),
        ("presets: {code:}", "presets: expected names with overrides"),
        ("1: 2", "1: keys should be strings"),
    ],
)
def test_wrong_files_are_explained(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(RecipeError) as error:
        load_recipe(write(tmp_path, text), Choices())
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_file_and_folder_are_explained(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"no recipe file .*gone.yaml"):
        load_recipe(str(tmp_path / "gone.yaml"), Choices())
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(RecipeError, match=r"folder.yaml"):
        load_recipe(str(tmp_path / "folder.yaml"), Choices())


def test_binary_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(RecipeError, match="is not a YAML file"):
        load_recipe(str(tmp_path / "own.yaml"), Choices())


@given(
    lr=st.floats(1e-12, 10),
    batch=st.integers(1, 10_000),
    crop=st.tuples(st.integers(1, 64), st.integers(1, 64)),
    name=st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1),
    size=st.sampled_from(["tiny", "small", "base"]),
)
def test_resolved_recipes_survive_their_file(
    lr: float, batch: int, crop: tuple[int, int], name: str, size: str
) -> None:
    recipe = load(
        f"optimizer.lr={lr!r}",
        f"batch={batch}",
        f"augment.crop=[{crop[0] * 32}, {crop[1] * 32}]",
        f"dataset={yaml.safe_dump(name, allow_unicode=True, default_style=chr(34))}",
        size=size,
    )
    assert (recipe.optimizer.lr, recipe.batch, recipe.dataset) == (lr, batch, name)
    assert parse_resolved(yaml.safe_load(recipe.to_yaml()), "it") == recipe
    assert parse_resolved(recipe.model_dump(mode="json"), "it") == recipe


@pytest.mark.parametrize("name", recipe_names())
def test_resolved_file_is_read_back(tmp_path: Path, name: str) -> None:
    recipe = load_recipe(name, Choices(None if name in baseline_names() else "base"))
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe.to_yaml())
    assert load_resolved(path) == recipe


def test_resolved_file_that_was_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(load().to_yaml().replace("size: tiny", "size: tinny"))
    with pytest.raises(RecipeError, match=r"recipe.yaml: size: got 'tinny'; did you mean 'tiny'\?"):
        load_resolved(path)


def test_a_typed_mistake_is_told_apart_from_one_in_the_file() -> None:
    with pytest.raises(RecipeError) as error:
        load_recipe("ade20k", Choices(overrides=("optimizer.wieght_decay=1", "batch=0")))
    assert "-o optimizer.wieght_decay: unknown key; did you mean 'optimizer.weight_decay'?" in str(
        error.value
    )
    assert "-o batch: " in str(error.value)
    assert "ade20k.yaml" not in str(error.value)


BEFORE_TASKS = """
name: ade20k
size: tiny
preset: code
task: segmentation
dataset: ade20k
batch: 16
seed: 0
amp: auto
model: {head: simple, fuse: auto, drop_path: 0.1, dropout: 0.1}
augment:
  crop: [512, 512]
  scale: [2048, 512]
  ratio: [0.5, 2.0]
  flip: 0.5
  cat_max_ratio: 0.75
  photometric: true
optimizer: {lr: 0.0003, weight_decay: 0.01, betas: [0.9, 0.999], head_lr_factor: 10.0}
schedule: {iterations: 160000, warmup: 1500, warmup_ratio: 1.0e-06, power: 1.0}
loss: {normalise: all_pixels}
evaluation: {resize: keep_ratio, scale: [2048, 512], multiple: 32, every: 16000}
"""
"""A resolved recipe as version 0.1.0 wrote it, when segmentation was the only task."""


def test_resolved_recipes_of_the_first_version_are_read(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(BEFORE_TASKS)
    assert load_resolved(path) == load()
    assert parse_resolved(yaml.safe_load(BEFORE_TASKS), "it") == load()


def test_each_task_has_its_own_keys() -> None:
    recipe = load_recipe("imagenet", Choices("base"))
    assert isinstance(recipe, ClassificationRecipe)
    assert (recipe.task, recipe.head, recipe.fuse) == ("classification", "linear", None)
    assert recipe.input_size == (224, 224)
    with pytest.raises(RecipeError, match=r"-o augment.cat_max_ratio: unknown key"):
        load_recipe("imagenet", Choices(overrides=("augment.cat_max_ratio=1",)))
    with pytest.raises(RecipeError, match=r"set one of augment.crop, augment.area, augment.ratio"):
        load_recipe("imagenet", Choices(overrides=("augment=1",)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("batch: 4\naugment: {crop: [64, 64]}", "own.yaml: task: missing"),
        ("task: painting\nmodel: {}", "task: input should be 'segmentation', 'detection' or"),
        ("task: [1]", "task: input should be"),
        ("by_size: {tiny: {task: detection}}", "by_size.tiny task: a recipe is for one task"),
    ],
)
def test_a_file_without_a_known_task_is_explained(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(RecipeError) as error:
        load_recipe(write(tmp_path, text), Choices())
    assert words in str(error.value)
    assert "unknown key" not in str(error.value)
