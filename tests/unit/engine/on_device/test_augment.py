"""Augmentation on the device chooses what the host chooses, and gives its pixels but for rounding.

Everything here runs on the CPU, as on any device.
"""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.fakes.draws import draw
from topformer_cli.data.augment import (
    AugmentSettings,
    augment,
    change_colours,
    choose_colours,
    choose_window,
)
from topformer_cli.data.draws import COLOURS, DRAWS
from topformer_cli.engine.on_device import colours
from topformer_cli.engine.on_device.augment import augment_batch
from topformer_cli.engine.on_device.pictures import Pictures
from topformer_cli.engine.on_device.upload import pack
from topformer_cli.engine.on_device.windows import choose_windows

Pixels = NDArray[np.uint8]
Pair = tuple[Pixels, Pixels]


def pair(number: int, size: tuple[int, int]) -> Pair:
    """A smooth picture, and a mask whose classes cover much or little of it."""
    rng = np.random.default_rng(number)
    noise = cv2.GaussianBlur(rng.integers(0, 256, (*size, 3), dtype=np.uint8), (0, 0), 4)
    image = cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX)
    rows, columns = (np.arange(side) for side in size)
    mask = ((rows[:, None] // 31 + columns // (23 + 40 * (number % 3))) % 5).astype(np.uint8)
    mask[: size[0] // 8] = 255
    return np.asarray(image, np.uint8), mask


PAIRS = [pair(number, size) for number, size in enumerate([(60, 90), (131, 77), (200, 260)])]


def pictures(pairs: list[Pair]) -> Pictures:
    packed = [torch.from_numpy(pack(*one)) for one in pairs]
    starts = np.cumsum([0, *(len(one) for one in packed[:-1])])
    sizes = [mask.shape for _, mask in pairs]
    return Pictures(torch.cat(packed), torch.from_numpy(starts), torch.tensor(sizes))


ALL = pictures(PAIRS)


def numbers(seed: int, steps: int = 1) -> NDArray[np.float64]:
    return np.stack([draw(seed, place, DRAWS) for place in range(steps * len(PAIRS))])


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    crop=st.sampled_from([(64, 64), (96, 160), (32, 224)]),
    short=st.integers(40, 300),
    ratio=st.sampled_from([(0.5, 2.0), (1.0, 1.0), (0.2, 0.4)]),
    most=st.sampled_from([0.3, 0.75, 1.0]),
)
def test_windows_are_the_hosts(
    seed: int, crop: tuple[int, int], short: int, ratio: tuple[float, float], most: float
) -> None:
    chosen = AugmentSettings(crop=crop, scale=(4 * short, short), ratio=ratio, cat_max_ratio=most)
    draws = numbers(seed)
    found = choose_windows(ALL, torch.from_numpy(draws), chosen)
    for index, (_, mask) in enumerate(PAIRS):
        window = choose_window(mask, chosen, draws[index])
        start, length, size = (part[index].tolist() for part in found)
        assert (start[0], start[0] + length[0]) == window.rows
        assert (start[1], start[1] + length[1]) == window.columns
        assert size == [window.height, window.width]


@pytest.mark.parametrize("photometric", [False, True])
@pytest.mark.parametrize("crop", [(64, 96), (256, 256)])
def test_crops_are_the_hosts(crop: tuple[int, int], photometric: bool) -> None:
    chosen = AugmentSettings(crop=crop, scale=(512, 128), photometric=photometric)
    apart = []
    for seed in range(12):
        draws = numbers(seed)
        images, labels = augment_batch(ALL, torch.from_numpy(draws), chosen)
        for index, (image, mask) in enumerate(PAIRS):
            pixels, ids = augment(image, mask, chosen, draws[index])
            assert np.array_equal(labels[index].numpy(), ids)
            apart.append(np.abs(images[index].numpy().astype(int) - pixels.astype(int)))
    largest = max(int(one.max()) for one in apart)
    mean = np.mean([one.mean() for one in apart])
    # Bilinear weights round differently by one level, which saturation and hue can widen.
    assert mean < (0.6 if photometric else 0.3)
    assert photometric or largest == 1


def test_every_hue_saturation_and_value_is_opencvs() -> None:
    levels = np.stack(np.meshgrid(*[np.arange(0, 256, 3)] * 3), -1).reshape(1, -1, 3)
    rgb = np.ascontiguousarray(levels.astype(np.uint8))
    wanted = cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV)
    red, green, blue = (torch.from_numpy(rgb[..., axis].astype(np.float32)) for axis in range(3))
    found = torch.stack(colours._to_hsv((red, green, blue)), -1).numpy()
    assert np.array_equal(found, wanted)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 100_000))
def test_colours_are_the_hosts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rgb = rng.integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    draws = rng.random(9)
    wanted = change_colours(rgb[0], choose_colours(draws)).astype(int)
    red, green, blue = (torch.from_numpy(rgb[..., axis].astype(np.float32)) for axis in range(3))
    found = colours.change_colours((red, green, blue), torch.from_numpy(draws)[None])
    apart = np.abs(torch.stack(found, -1)[0].numpy().astype(int) - wanted)
    assert apart.max() <= 2
    assert (apart > 1).mean() < 0.03


def test_pixels_hold_all_four_bytes() -> None:
    image, mask = PAIRS[0]
    one = pictures([(image, mask)])
    rows, columns = torch.arange(mask.shape[0]), torch.arange(mask.shape[1])
    labels = one.labels(rows[None, :, None], columns[None, None, :])
    assert np.array_equal(labels[0].numpy(), mask)


def test_nothing_waits_for_the_device() -> None:
    # Fake tensors stand for a CUDA device that need not be there, and refuse to be read.
    from torch._subclasses.fake_tensor import FakeTensorMode

    chosen = AugmentSettings(crop=(64, 96))
    with FakeTensorMode():
        cuda = torch.device("cuda")
        whole = Pictures(
            torch.empty(9000, dtype=torch.int32, device=cuda),
            torch.empty(4, dtype=torch.int64, device=cuda),
            torch.empty(4, 2, dtype=torch.int64, device=cuda),
        )
        draws = torch.empty(4, DRAWS, dtype=torch.float64, device=cuda)
        images, labels = augment_batch(whole, draws, chosen)
        assert (images.shape, images.dtype) == ((4, 64, 96, 3), torch.uint8)
        assert (labels.device.type, labels.dtype) == ("cuda", torch.uint8)
        with pytest.raises(Exception, match="_local_scalar_dense"):
            images.sum().item()


def test_colours_part_of_the_numbers_is_the_right_one() -> None:
    # Numbers that change nothing: everything above a half is off.
    draws = np.full((len(PAIRS), DRAWS), 0.7)
    plain = AugmentSettings(crop=(64, 64), scale=(256, 64), ratio=(1.0, 1.0), photometric=False)
    coloured = AugmentSettings(crop=(64, 64), scale=(256, 64), ratio=(1.0, 1.0))
    torch_draws = torch.from_numpy(draws)
    assert torch.equal(
        augment_batch(ALL, torch_draws, plain)[0], augment_batch(ALL, torch_draws, coloured)[0]
    )
    draws[:, COLOURS.start] = 0.1
    changed = augment_batch(ALL, torch.from_numpy(draws), coloured)[0]
    assert not torch.equal(changed, augment_batch(ALL, torch_draws, plain)[0])
