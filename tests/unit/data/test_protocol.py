"""The evaluation resize, by hand-computed sizes and by the authors' two resizes."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.pictures import noise_image
from topformer_cli.data.protocol import EvalSettings, EvalSizes, eval_input, eval_sizes, native

ADE20K = EvalSettings()
CONTEXT_CODE = EvalSettings("keep_ratio", (520, 520), 1)
CONTEXT_PAPER = EvalSettings("stretch", (480, 480), 1)


@pytest.mark.parametrize(
    ("size", "settings", "resized", "network"),
    [
        ((512, 683), ADE20K, (512, 683), (512, 704)),
        ((683, 512), ADE20K, (683, 512), (704, 512)),
        ((256, 256), ADE20K, (512, 512), (512, 512)),
        ((300, 2400), ADE20K, (256, 2048), (256, 2048)),
        ((360, 480), EvalSettings(scale=(1440, 360)), (360, 480), (384, 480)),
        ((375, 500), CONTEXT_CODE, (390, 520), (390, 520)),
        ((375, 500), CONTEXT_PAPER, (480, 480), (480, 480)),
        ((100, 100), EvalSettings("stretch", (200, 100), 32), (100, 200), (128, 224)),
    ],
)
def test_sizes(
    size: tuple[int, int],
    settings: EvalSettings,
    resized: tuple[int, int],
    network: tuple[int, int],
) -> None:
    assert eval_sizes(*size, settings) == EvalSizes(size, resized, network, network)
    image = noise_image(np.random.default_rng(0), *size)
    assert eval_input(image, settings).shape == (*network, 3)


def test_pixels_go_through_two_bilinear_resizes() -> None:
    image = noise_image(np.random.default_rng(1), 300, 451)
    factor = min(2048 / 451, 512 / 300)
    first = cv2.resize(image, (int(451 * factor + 0.5), int(300 * factor + 0.5)))
    second = cv2.resize(first, (-(-first.shape[1] // 32) * 32, -(-first.shape[0] // 32) * 32))
    assert np.array_equal(eval_input(image, ADE20K), second)
    assert eval_sizes(300, 451, ADE20K).resized == first.shape[:2]


def test_an_image_of_the_right_size_is_left_alone() -> None:
    image = noise_image(np.random.default_rng(1), 512, 512)
    assert eval_input(image, ADE20K) is image


@given(height=st.integers(1, 3000), width=st.integers(1, 3000))
def test_input_sides_are_the_next_multiples(height: int, width: int) -> None:
    sizes = eval_sizes(height, width, ADE20K)
    for resized, network in zip(sizes.resized, sizes.input, strict=True):
        assert network % 32 == 0
        assert 0 <= network - resized < 32
    assert min(sizes.resized) <= 512
    assert max(sizes.resized) <= 2048


def test_windows_see_images_as_large_as_they_are() -> None:
    image = noise_image(np.random.default_rng(1), 300, 451)
    assert eval_input(image, native(300, 451, 256)) is image
    sizes = eval_sizes(300, 451, native(300, 451, 320))
    assert (sizes.input, sizes.original) == ((320, 451), (300, 451))
    assert eval_sizes(20, 33, native(20, 33, 512)).input == (32, 64)
