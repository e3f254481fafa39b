"""A dry run says in words how the learning rate goes."""

import pytest

from topformer_cli.api.rehearsing import schedule_words
from topformer_cli.models.baselines.table import BASELINES
from topformer_cli.recipe import Choices, load_recipe


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "ade20k",
            "0.0003 (head 0.003), linear warm-up from 1e-06 of it over 1,500 steps, "
            "down to 0 at step 160,000 with power 1",
        ),
        ("pspnet-mobilenetv2", "0.01, down to 0.01 of it at step 160,000 with power 0.9"),
        (
            "coco-retinanet",
            "0.01, linear warm-up from 0.001 of it over 500 steps, "
            "times 0.1 after step 58,640, 80,630",
        ),
        (
            "imagenet",
            "0.064, linear warm-up from 1.5625e-05 of it over 12,510 steps, "
            "times 0.973 every 3,002.4 steps, off by up to 67% of it at random from step "
            "315,252 on",
        ),
        (
            "imagenet-adamw",
            "0.002, linear warm-up from 0.001 of it over 12,510 steps, "
            "down to 0 at step 750,600 with power 1",
        ),
    ],
)
def test_the_rate_is_told(name: str, words: str) -> None:
    recipe = load_recipe(name, Choices(None if name in BASELINES else "tiny"))
    assert schedule_words(recipe.optimizer, recipe.schedule) == words
