"""Logits put together band by band are those of the authors' way, all at once."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from topformer_cli.data.looks import Looks, Window, windows
from topformer_cli.data.protocol import EvalSettings, eval_input, eval_sizes, scaled
from topformer_cli.engine import canvas
from topformer_cli.engine.predict import Segmenter, normalised
from topformer_cli.models.spec import ModelSpec
from topformer_cli.predictor import FloatArray

CLASSES = 7
SETTINGS = EvalSettings("keep_ratio", (300, 100), 32)


class Blurred:
    """A network of fixed weights whose logits are an eighth of the input's size."""

    name = "blurred"
    at_once = 1

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.weights = torch.randn(CLASSES, 3, 8, 8, generator=generator)
        self.asked: list[tuple[int, ...]] = []

    def __call__(self, images: FloatArray) -> FloatArray:
        self.asked.append(images.shape)
        padded = F.pad(torch.from_numpy(images), (0, -images.shape[3] % 8, 0, -images.shape[2] % 8))
        logits: np.ndarray = F.conv2d(padded, self.weights, stride=8).numpy()
        return logits


@pytest.fixture
def spec() -> ModelSpec:
    names = tuple(f"class {number}" for number in range(CLASSES))
    return ModelSpec(
        size="tiny", head="simple", fuse="depthwise", classes=names,
        palette=((0, 0, 0),) * CLASSES, input_size=(96, 96), dataset="test",
    )  # fmt: skip


@pytest.fixture
def image() -> np.ndarray:
    coarse = np.random.default_rng(3).integers(0, 256, (9, 12, 3), np.uint8)
    return np.kron(coarse, np.ones((13, 11, 1), np.uint8))


@pytest.fixture(autouse=True)
def narrow_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canvas, "_BAND", 5 * 132 * CLASSES)


def resized(values: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(values[None], size=size, mode="bilinear", align_corners=False)[0]


def by_the_authors(network: Blurred, spec: ModelSpec, image: np.ndarray, looks: Looks) -> Tensor:
    """slide_inference, whole_inference and aug_test of mmsegmentation 0.19, restated: [C, H, W]."""
    total = torch.zeros(CLASSES, *image.shape[:2])
    for factor in looks.scales:
        pixels = eval_input(image, scaled(SETTINGS, factor))
        for flipped in (False, True)[: 1 + looks.flip]:
            seen = np.ascontiguousarray(pixels[:, ::-1]) if flipped else pixels
            size = seen.shape[0], seen.shape[1]
            summed, count = torch.zeros(CLASSES, *size), torch.zeros(1, *size)
            for one in windows(size, looks):
                part = seen[one.top : one.bottom, one.left : one.right]
                logits = torch.from_numpy(network(normalised(part, spec))[0])
                place = ..., slice(one.top, one.bottom), slice(one.left, one.right)
                summed[place] += resized(logits, (part.shape[0], part.shape[1]))
                count[place] += 1
            shares = resized(summed / count, (image.shape[0], image.shape[1])).softmax(0)
            total += shares.flip(2) if flipped else shares
    return total


@pytest.mark.parametrize(
    "looks",
    [
        Looks(),
        Looks(flip=True),
        Looks((0.5, 1.0, 1.75), flip=True),
        Looks(window=64, stride=40),
        Looks(window=64, stride=64),
        Looks(window=500, stride=300),
        Looks((1.0, 1.5), flip=True, window=96, stride=50),
    ],
    ids=str,
)
def test_looks_are_the_authors(spec: ModelSpec, image: np.ndarray, looks: Looks) -> None:
    network = Blurred()
    shares = by_the_authors(network, spec, image, looks)
    asked = network.asked
    network = Blurred()
    labels = Segmenter(network, spec, SETTINGS, looks)(image)
    assert sorted(network.asked) == sorted(asked)  # no window is computed twice
    best = shares.max(0).values
    chosen = shares.gather(0, torch.from_numpy(labels)[None].long())[0]
    assert (best - chosen).max() <= 1e-5
    assert (torch.from_numpy(labels) != shares.argmax(0)).float().mean() <= 1e-3


def test_letterboxes_are_taken_off_again(spec: ModelSpec, image: np.ndarray) -> None:
    boxed = EvalSettings("letterbox", (96, 96), 1)
    sizes = eval_sizes(*image.shape[:2], boxed)
    assert (sizes.input, sizes.shown) == ((96, 96), (85, 96))
    network = Blurred()
    logits = torch.from_numpy(network(normalised(eval_input(image, boxed), spec))[0])
    whole = resized(resized(logits, (96, 96))[:, :85], (image.shape[0], image.shape[1]))
    labels = Segmenter(network, spec, boxed)(image)
    assert (labels == whole.argmax(0).numpy()).mean() > 0.999
    turned = Segmenter(network, spec, boxed, Looks(flip=True))(image)
    mirrored = Segmenter(network, spec, boxed, Looks(flip=True))(image[:, ::-1])
    assert (turned == mirrored[:, ::-1]).mean() > 0.99


def test_rows_that_were_read_are_forgotten() -> None:
    size = (400, 64)
    found = list(windows(size, Looks(window=64, stride=32)))

    def logits_of(window: Window) -> Tensor:
        return torch.full((CLASSES, 8, 8), float(window.top))

    one = canvas.Canvas(size, found, logits_of)
    for low in range(0, 400, 5):
        one.rows(low, low + 5)
        assert len(one.kept) <= 3
