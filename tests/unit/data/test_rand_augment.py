"""RandAugment: each operation does what its name says, and they are drawn as timm draws them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.fakes.pictures import noise_image
from topformer_cli.data import rand_augment as module
from topformer_cli.data.augment import PAD_COLOUR
from topformer_cli.data.decode import Pixels
from topformer_cli.data.rand_augment import OPERATIONS, rand_augment

IMAGE = noise_image(np.random.default_rng(3), 40, 60)
EVERY = pytest.mark.parametrize("name", OPERATIONS)


@dataclass(frozen=True, slots=True)
class Settings:
    randaugment: int = 2
    magnitude: float = 9.0
    magnitude_std: float = 0.5


def apply(name: str, strength: float, sign: int = 1, image: Pixels = IMAGE) -> Pixels:
    return np.asarray(OPERATIONS[name](Image.fromarray(image), strength, sign))


@EVERY
@pytest.mark.parametrize("strength", [0.0, 0.9, 1.0])
def test_size_and_type_stay(name: str, strength: float) -> None:
    changed = apply(name, strength, -1)
    assert (changed.shape, changed.dtype) == (IMAGE.shape, np.uint8)
    dull = IMAGE // 4 + 32  # its contrast can be stretched
    assert not np.array_equal(apply(name, 0.9, -1, dull), dull) or name == "solarize"


@pytest.mark.parametrize("name", ["rotate", "shear_x", "shear_y", "translate_x", "translate_y"])
def test_what_moves_has_two_directions_and_stays_where_it_is_not_strong(name: str) -> None:
    assert np.array_equal(apply(name, 0.0), IMAGE)
    one, other = apply(name, 0.9, 1), apply(name, 0.9, -1)
    assert not np.array_equal(one, other)
    corners = np.stack([part[y, x] for part in (one, other) for y in (0, -1) for x in (0, -1)])
    assert PAD_COLOUR in [tuple(corner) for corner in corners.tolist()]


def test_moves_are_as_far_as_the_strength_says() -> None:
    assert np.array_equal(apply("translate_x", 1.0)[:, :33], IMAGE[:, 27:])  # 0.45 * 60
    assert np.array_equal(apply("translate_y", 1.0, -1)[18:], IMAGE[:22])  # 0.45 * 40
    assert np.array_equal(apply("shear_x", 0.0, -1), IMAGE)
    ramp = np.repeat(np.arange(60, dtype=np.uint8)[None, :, None], 40, 0).repeat(3, 2)
    sheared = apply("shear_x", 1.0, 1, ramp)[20, 10:40, 0].astype(float)
    assert sheared == pytest.approx(np.arange(10, 40) + 0.3 * 20.5, abs=1)


def test_levels_change_as_the_strength_says() -> None:
    level = np.arange(256, dtype=np.uint8)
    ramp = np.repeat(level[None, :, None], 2, 0).repeat(3, 2)

    def of(name: str, strength: float) -> Pixels:
        return apply(name, strength, 1, ramp)[0, :, 0]

    assert np.array_equal(of("invert", 0.1), 255 - level)
    assert np.array_equal(of("solarize", 0.9), np.where(level < 230, level, 255 - level))
    assert np.array_equal(of("solarize_add", 0.9), np.where(level < 128, level + 99, level))
    for strength, bits in ((0.3, 1), (0.9, 3), (1.0, 4)):
        theirs = ImageOps.posterize(Image.fromarray(ramp), bits)
        assert np.array_equal(of("posterize", strength), np.asarray(theirs)[0, :, 0])
    assert set(of("posterize", 0.2).tolist()) == {0}
    assert of("brightness", 0.9).tolist() == pytest.approx(np.minimum(level * 1.72, 255), abs=1)
    assert np.array_equal(of("brightness", 0.5), level)


class Counted:
    """Notes with which strength and sign each operation is called."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, float, int]] = []

    def operation(self, name: str) -> Callable[[Image.Image, float, int], Image.Image]:
        def note(image: Image.Image, strength: float, sign: int) -> Image.Image:
            self.calls.append((name, strength, sign))
            return image

        return note


def test_operations_are_drawn_evenly_and_half_of_them_are_applied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted = Counted()
    monkeypatch.setattr(
        module, "OPERATIONS", {name: counted.operation(name) for name in OPERATIONS}
    )
    rng = np.random.default_rng(0)
    small = IMAGE[:4, :4]
    for _ in range(3000):
        assert np.array_equal(rand_augment(small, Settings(), rng), small)
    names, strengths, signs = zip(*counted.calls, strict=True)
    assert len(names) == pytest.approx(3000, rel=0.05)
    shares = [names.count(name) / len(names) for name in OPERATIONS]
    assert shares == pytest.approx([1 / 15] * 15, abs=0.02)
    assert max(strengths) == 1.0
    assert np.mean(strengths) == pytest.approx(0.9, abs=0.01)
    assert np.std(strengths) == pytest.approx(0.05, abs=0.01)
    assert np.mean(signs) == pytest.approx(0, abs=0.05)


def test_the_generator_decides() -> None:
    one, again, other = (
        rand_augment(IMAGE, Settings(5), np.random.default_rng(seed)) for seed in (4, 4, 5)
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert np.array_equal(rand_augment(IMAGE, Settings(0), np.random.default_rng(0)), IMAGE)
