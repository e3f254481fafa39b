"""Renders the demo's data set: small street scenes with exact labels, the same for the same seed.

Everything is drawn at twice the size and reduced, which smooths the picture's edges; labels are
taken at every second pixel.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from topformer_cli.data.decode import Pixels
from topformer_cli.data.prepare import Progress, silent
from topformer_cli.data.scene_objects import (
    GRASS,
    ROAD,
    SKY,
    Canvas,
    Rgb,
    draw_car,
    draw_house,
    draw_sign,
    draw_tree,
    lit,
    mixed,
)
from topformer_cli.data.sources.custom import FolderRequest

CLASSES: Final = (
    ("sky", (110, 180, 240)),
    ("building", (180, 80, 70)),
    ("tree", (30, 130, 60)),
    ("grass", (150, 210, 80)),
    ("road", (120, 100, 130)),
    ("car", (40, 60, 200)),
    ("sign", (250, 200, 30)),
)
"""Names and overlay colours in the order of their ids."""

JPEG_QUALITY: Final = 92
RENDERING: Final = "render"
_OVERSAMPLE: Final = 2

_SKIES: Final[tuple[tuple[Rgb, Rgb, Rgb], ...]] = (
    ((72, 132, 214), (188, 214, 236), (1.0, 1.0, 1.0)),
    ((98, 150, 206), (214, 222, 226), (1.0, 0.99, 0.96)),
    ((150, 160, 174), (206, 208, 210), (0.86, 0.88, 0.92)),
    ((92, 104, 168), (250, 190, 128), (1.08, 0.92, 0.8)),
    ((58, 74, 128), (214, 150, 150), (0.84, 0.78, 0.88)),
)
"""Colours at the zenith and the horizon, and of the light, for five kinds of weather."""

_GRAIN: Final = np.array([1.5, 7, 20, 17, 8, 3, 2], np.float32)
"""Strength of the surface texture by class, in grey levels."""

Draw = Callable[[Canvas, np.random.Generator, float, float], None]


def make_scenes(
    folder: Path,
    train: int,
    val: int,
    size: tuple[int, int],
    seed: int,
    progress: Progress = silent,
) -> None:
    """Write images/{train,val}, masks/{train,val} and classes.txt, as `prepare_folder` reads them.

    size is (height, width) in pixels.
    """
    total, done = train + val, 0
    for part, (split, count) in enumerate((("train", train), ("val", val))):
        for kind in ("images", "masks"):
            (folder / kind / split).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            image, mask = render_scene(np.random.default_rng((seed, part, number)), size)
            _write_pair(folder, f"{split}/scene_{number:04d}", image, mask)
            done += 1
            progress(RENDERING, done, total)
    lines = [f"{name},{red},{green},{blue}\n" for name, (red, green, blue) in CLASSES]
    (folder / "classes.txt").write_text("".join(lines))


def scenes_request(folder: Path, name: str, cache_dir: Path) -> FolderRequest:
    """Return what `prepare_folder` needs to prepare the folder of `make_scenes`."""
    return FolderRequest(
        name=name,
        title="rendered street scenes",
        images=folder / "images",
        masks=folder / "masks",
        classes=str(folder / "classes.txt"),
        cache_dir=cache_dir,
        terms="made by this program; no restrictions",
    )


def render_scene(rng: np.random.Generator, size: tuple[int, int]) -> tuple[Pixels, Pixels]:
    """Render one scene: [height, width, 3] RGB and [height, width] class ids."""
    height, width = size[0] * _OVERSAMPLE, size[1] * _OVERSAMPLE
    zenith, horizon, light = _SKIES[rng.choice(len(_SKIES), p=[0.3, 0.25, 0.2, 0.15, 0.1])]
    canvas = Canvas(
        image=np.zeros((height, width, 3), np.uint8),
        mask=np.full((height, width), SKY, np.uint8),
        focal=0.9 * width * rng.uniform(0.9, 1.15),
        vanish=(width * rng.uniform(0.34, 0.66), height * rng.uniform(0.38, 0.52)),
        eye=rng.uniform(2.3, 3.4),
        haze=lit(horizon, 0.98),
        sun=int(rng.choice([-1, 1])),
    )
    _paint_sky(canvas, rng, zenith, horizon)
    half = rng.uniform(3.0, 4.3)
    _paint_ground(canvas, rng, half)
    for draw, x, z in sorted(_things(rng, half), key=lambda thing: -thing[2]):
        draw(canvas, rng, x, z)
    return _finished(canvas, rng, light), np.ascontiguousarray(canvas.mask[::2, ::2])


def _things(rng: np.random.Generator, half: float) -> list[tuple[Draw, float, float]]:
    """Place houses, trees, cars and signs beside and on a road of the given half width."""
    things: list[tuple[Draw, float, float]] = []
    for side in (-1, 1):
        z = rng.uniform(11, 20)
        while z < 75:
            if rng.random() < 0.72:
                things.append((draw_house, side * (half + rng.uniform(2.5, 6)), z))
            z += rng.uniform(11, 17)
        for _ in range(rng.integers(2, 6)):
            offset = half + rng.uniform(1.5, 12)
            things.append((draw_tree, side * offset, rng.uniform(9, 48)))
        if rng.random() < 0.6:
            things.append((draw_sign, side * (half + rng.uniform(0.5, 1.2)), rng.uniform(7, 13)))
        if rng.random() < 0.75:
            things.append((draw_car, side * half * rng.uniform(0.4, 0.6), rng.uniform(8, 22)))
    if rng.random() < 0.5:
        things.append((draw_car, rng.choice([-1, 1]) * half * 0.5, rng.uniform(8, 20)))
    return things


def _paint_sky(canvas: Canvas, rng: np.random.Generator, zenith: Rgb, horizon: Rgb) -> None:
    width = canvas.mask.shape[1]
    rows = max(int(canvas.vanish[1]) + 2, 2)
    share = np.linspace(0, 1, rows, dtype=np.float32)[:, None, None] ** 1.3
    sky = np.array(zenith, np.float32) * (1 - share) + np.array(horizon, np.float32) * share
    cover = _clouds(rng, (rows, width)) * rng.uniform(0.2, 0.95)
    white = np.array(mixed(horizon, (255, 255, 255), 0.75), np.float32)
    canvas.image[:rows] = np.clip(sky * (1 - cover) + white * cover, 0, 255).astype(np.uint8)
    canvas.image[rows:] = np.array(horizon, np.uint8)


def _clouds(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return the cover [rows, columns, 1], 0..1: long soft patches."""
    field = np.zeros(shape, np.float32)
    for octave, strength in ((3, 1.0), (7, 0.6), (15, 0.3), (33, 0.15)):
        grid = rng.normal(0, strength, (octave, octave)).astype(np.float32)
        field += cv2.resize(grid, shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip((field - rng.uniform(0.0, 0.6)) * 1.2, 0, 1)[..., None], np.float32)


def _paint_ground(canvas: Canvas, rng: np.random.Generator, half: float) -> None:
    height = canvas.mask.shape[0]
    grass = lit((96, 138, 62), rng.uniform(0.8, 1.15))
    grass = mixed(grass, (164, 150, 84), rng.uniform(0, 0.5))
    first = int(canvas.vanish[1]) + 1
    for row in range(first, height):
        distance = canvas.eye * canvas.focal / (row - canvas.vanish[1])
        canvas.image[row] = np.array(canvas.faded(grass, distance), np.uint8)
    canvas.mask[first:] = GRASS
    near, far = 1.5, 400.0
    road = lit((104, 104, 110), rng.uniform(0.8, 1.2))

    def strip(left: float, right: float, start: float, end: float, colour: Rgb) -> None:
        corners = [(left, 0.0, start), (right, 0.0, start), (right, 0.0, end), (left, 0.0, end)]
        canvas.face(corners, colour, ROAD)

    for start, end in ((40.0, far), (16.0, 40.0), (near, 16.0)):
        strip(-half - 0.25, half + 0.25, start, end, (168, 164, 158))
        strip(-half, half, start, end, road)
    for start in np.arange(near + rng.uniform(0, 5), 60, 6.0):
        strip(-0.08, 0.08, float(start), float(start) + 3, (226, 224, 214))
    for edge in (-half + 0.25, half - 0.35):
        strip(edge, edge + 0.1, near, 60, (214, 212, 204))


def _finished(canvas: Canvas, rng: np.random.Generator, light: Rgb) -> Pixels:
    """Add texture, light and the camera's faults, and reduce to the final size."""
    height, width = canvas.mask.shape
    coarse = cv2.resize(
        rng.normal(0, 1, (height // 6, width // 6)).astype(np.float32), (width, height),
        interpolation=cv2.INTER_LINEAR,
    )  # fmt: skip
    fine = rng.normal(0, 1, (height // 2, width // 2)).astype(np.float32)
    texture = coarse + cv2.resize(fine, (width, height), interpolation=cv2.INTER_NEAREST)
    pixels = canvas.image.astype(np.float32)
    pixels += (texture * 0.8 * _GRAIN[canvas.mask])[..., None]
    pixels = cv2.resize(
        pixels, (width // _OVERSAMPLE, height // _OVERSAMPLE), interpolation=cv2.INTER_AREA
    )
    pixels *= np.array(light, np.float32) * np.float32(rng.uniform(0.85, 1.12))
    pixels += rng.normal(0, 1.5, pixels.shape).astype(np.float32)
    return np.asarray(np.clip(pixels, 0, 255), np.uint8)


def _write_pair(folder: Path, name: str, image: Pixels, mask: Pixels) -> None:
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    cv2.imwrite(
        str(folder / "images" / f"{name}.jpg"), bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    cv2.imwrite(str(folder / "masks" / f"{name}.png"), mask)
