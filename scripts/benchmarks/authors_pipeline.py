"""The authors' input pipeline, step by step as they run it, with nothing but OpenCV and NumPy.

Restated from the behaviour of mmsegmentation 0.19 and mmcv 1.x with the settings of TopFormer's
configs; no code of theirs. It is what pipeline.py measures against and what
tests/contract/test_authors_pipeline.py compares distributions with.
"""

import io
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Box = tuple[int, int, int, int]
"""top, bottom, left, right; half open."""

MEAN = np.array([[123.675, 116.28, 103.53]])
INVERSE_STD = 1 / np.array([[58.395, 57.12, 57.375]])
TRIES = 10


@dataclass(frozen=True)
class Settings:
    """The config of ADE20K at 512x512; scale is (long, short), crop (height, width)."""

    scale: tuple[int, int] = (2048, 512)
    ratio: tuple[float, float] = (0.5, 2.0)
    crop: tuple[int, int] = (512, 512)
    cat_max_ratio: float = 0.75
    flip: float = 0.5
    reduce_zero_label: bool = True


def load_image(data: bytes) -> Pixels:
    """Decode to BGR."""
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def load_labels(data: bytes, *, reduce_zero_label: bool) -> Pixels:
    """Decode by Pillow; with reduce_zero_label 0 becomes 255 and n becomes n - 1."""
    labels = np.array(Image.open(io.BytesIO(data))).squeeze().astype(np.uint8)
    if reduce_zero_label:
        labels[labels == 0] = 255
        labels = labels - 1
        labels[labels == 254] = 255
    return labels


def resized_size(
    shape: tuple[int, int], settings: Settings, rng: np.random.Generator
) -> tuple[int, int]:
    """Draw the (height, width) of the resized image, its ratio kept."""
    low, high = settings.ratio
    ratio = rng.random() * (high - low) + low
    long, short = (int(side * ratio) for side in settings.scale)
    factor = min(long / max(shape), short / min(shape))
    return int(shape[0] * factor + 0.5), int(shape[1] * factor + 0.5)


def resize(image: Pixels, labels: Pixels, size: tuple[int, int]) -> tuple[Pixels, Pixels]:
    """Resize the whole image, bilinear, and its labels, nearest."""
    return (
        np.asarray(cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR), np.uint8),
        np.asarray(cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST), np.uint8),
    )


def draw_box(shape: tuple[int, int], settings: Settings, rng: np.random.Generator) -> Box:
    """Draw where a crop lies."""
    margins = [max(side - crop, 0) for side, crop in zip(shape, settings.crop, strict=True)]
    top, left = (int(rng.integers(0, margin + 1)) for margin in margins)
    return top, top + settings.crop[0], left, left + settings.crop[1]


def accepted(labels: Pixels, cat_max_ratio: float) -> bool:
    """Say whether no class covers too much of a crop."""
    values, counts = np.unique(labels, return_counts=True)
    counts = counts[values != 255]
    return len(counts) > 1 and np.max(counts) / np.sum(counts) < cat_max_ratio


def choose_box(labels: Pixels, settings: Settings, rng: np.random.Generator) -> Box:
    """Draw a crop, up to TRIES times again while one class covers it."""
    shape = (labels.shape[0], labels.shape[1])
    box = draw_box(shape, settings, rng)
    if settings.cat_max_ratio < 1:
        for _ in range(TRIES):
            if accepted(cut(labels, box), settings.cat_max_ratio):
                break
            box = draw_box(shape, settings, rng)
    return box


def cut(pixels: Pixels, box: Box) -> Pixels:
    """Return a crop of an image or of labels."""
    return pixels[box[0] : box[1], box[2] : box[3]]


def linear(pixels: Pixels, factor: float = 1.0, shift: float = 0.0) -> Pixels:
    """Multiply and add in single precision, and return to 8 bits."""
    levels = pixels.astype(np.float32) * np.float32(factor) + np.float32(shift)
    return np.clip(levels, 0, 255).astype(np.uint8)


def distort(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Change brightness, contrast, saturation, hue of BGR, one after the other."""
    if rng.integers(2):
        image = linear(image, shift=rng.uniform(-32, 32))
    contrast_first = rng.integers(2)
    if contrast_first and rng.integers(2):
        image = linear(image, rng.uniform(0.5, 1.5))
    if rng.integers(2):
        hsv = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2HSV), np.uint8)
        hsv[:, :, 1] = linear(hsv[:, :, 1], rng.uniform(0.5, 1.5))
        image = np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR), np.uint8)
    if rng.integers(2):
        hsv = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2HSV), np.uint8)
        hsv[:, :, 0] = (hsv[:, :, 0].astype(int) + rng.integers(-18, 18)) % 180
        image = np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR), np.uint8)
    if not contrast_first and rng.integers(2):
        image = linear(image, rng.uniform(0.5, 1.5))
    return image


def normalise(image: Pixels) -> NDArray[np.float32]:
    """Turn BGR into RGB less the mean, divided by the deviation."""
    values = image.copy().astype(np.float32)
    cv2.cvtColor(values, cv2.COLOR_BGR2RGB, values)
    cv2.subtract(values, MEAN, values)
    cv2.multiply(values, INVERSE_STD, values)
    return values


def pad(values: NDArray[np.generic], crop: tuple[int, int], value: int) -> NDArray[np.generic]:
    """Fill up to the crop's size below and on the right."""
    below, right = crop[0] - values.shape[0], crop[1] - values.shape[1]
    return np.asarray(
        cv2.copyMakeBorder(values, 0, below, 0, right, cv2.BORDER_CONSTANT, value=value)
    )


def crop_and_flip(
    image: Pixels, labels: Pixels, settings: Settings, rng: np.random.Generator
) -> tuple[Pixels, Pixels]:
    """Do what changes places: resize, crop and flip."""
    image, labels = resize(image, labels, resized_size(labels.shape, settings, rng))
    box = choose_box(labels, settings, rng)
    image, labels = cut(image, box), cut(labels, box)
    if rng.random() < settings.flip:
        image, labels = np.flip(image, axis=1), np.flip(labels, axis=1).copy()
    return image, labels


def sample(
    image_data: bytes, label_data: bytes, settings: Settings, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return image [3, h, w] float32 and labels [1, h, w] int64, from file bytes to tensors."""
    image = load_image(image_data)
    labels = load_labels(label_data, reduce_zero_label=settings.reduce_zero_label)
    image, labels = crop_and_flip(image, labels, settings, rng)
    image = distort(image, rng)
    values = pad(normalise(image), settings.crop, 0)
    padded = pad(labels, settings.crop, 255)
    return (
        torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1))),
        torch.from_numpy(padded[None].astype(np.int64)),
    )
