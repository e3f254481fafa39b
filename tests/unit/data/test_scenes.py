"""Rendered scenes are the same for the same seed, and hold what they are made for."""

from pathlib import Path

import numpy as np
import pytest

from topformer_cli.data.prepare import prepare
from topformer_cli.data.scenes import CLASSES, make_scenes, render_scene, scenes_request


def test_the_same_seed_gives_the_same_scene() -> None:
    first, second, other = (
        render_scene(np.random.default_rng(seed), (96, 128)) for seed in (4, 4, 5)
    )
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize("size", [(96, 128), (160, 224), (97, 131)])
def test_scenes_have_the_size_asked_for(size: tuple[int, int]) -> None:
    image, mask = render_scene(np.random.default_rng(0), size)
    assert image.shape == (*size, 3)
    assert mask.shape == size
    assert int(mask.max()) < len(CLASSES)


def test_a_set_of_scenes_prepares_and_shows_every_class(tmp_path: Path) -> None:
    steps: list[int] = []
    make_scenes(tmp_path, 12, 4, (96, 128), 0, lambda _what, done, _total: steps.append(done))
    card = prepare(scenes_request(tmp_path, "scenes", tmp_path / "cache"))
    assert steps == list(range(1, 17))
    assert card.classes == tuple(name for name, _ in CLASSES)
    assert card.palette == tuple(colour for _, colour in CLASSES)
    assert card.counts == {"train": 12, "val": 4}
    assert min(card.class_shares("train")) > 0.003
    assert max(card.class_shares("train")) < 0.6
    assert card.warnings == ()


def test_training_and_validation_scenes_differ(tmp_path: Path) -> None:
    make_scenes(tmp_path, 1, 1, (96, 128), 0)
    first, second = (
        (tmp_path / "images" / split / "scene_0000.jpg").read_bytes() for split in ("train", "val")
    )
    assert first != second
