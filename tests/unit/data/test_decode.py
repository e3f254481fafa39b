"""Pixels come out of every kind of file as they went in."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.fakes.pictures import noise_image, noise_mask
from topformer_cli.data.decode import decode_ids, decode_image, decode_mask, encode_png
from topformer_cli.data.spec import identity_map
from topformer_cli.errors import DataError

RNG = np.random.default_rng(11)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_accurate_jpeg_equals_opencv_which_the_authors_use() -> None:
    data = encoded(Image.fromarray(noise_image(RNG, 61, 83)), "JPEG", quality=90)
    theirs = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))[..., ::-1]
    assert np.array_equal(decode_image(data), theirs)
    assert np.abs(decode_image(data, fast=True).astype(int) - theirs).mean() < 3


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_cmyk_jpeg_become_rgb(mode: str) -> None:
    pixels = noise_image(RNG)
    data = encoded(Image.fromarray(pixels).convert(mode), "JPEG", quality=95)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert np.abs(decode_image(data).astype(int) - expected).mean() < 4


@pytest.mark.parametrize("mode", ["RGBA", "P", "L"])
def test_png_images_of_any_mode_become_rgb(mode: str) -> None:
    image = Image.fromarray(noise_image(RNG)).convert(mode)
    expected = np.asarray(image.convert("RGB"))
    assert np.array_equal(decode_image(encoded(image, "PNG")), expected)


def test_masks_go_through_the_id_map() -> None:
    mask = noise_mask(RNG)
    reversed_ids = (2, 1, 255, *[255] * 253)
    decoded = decode_mask(encode_png(mask), reversed_ids)
    assert np.array_equal(decoded, np.array(reversed_ids, np.uint8)[mask])
    assert np.array_equal(decode_mask(encode_png(mask), identity_map(3)), mask)


def test_refuses_what_is_no_image_and_no_mask() -> None:
    with pytest.raises(DataError):
        decode_image(b"\xff\xd8\xff but no image")
    with pytest.raises(DataError):
        decode_image(b"text")
    with pytest.raises(DataError):
        decode_ids(encode_png(noise_image(RNG)))
