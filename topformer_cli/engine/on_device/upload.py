"""Bring the decoded training images of a set into the memory of a device."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from topformer_cli.data.samples import MaskSamples, UnreadableError
from topformer_cli.engine.memory import free_bytes
from topformer_cli.engine.on_device.pictures import Pictures

MOST_SHARE: Final = 0.6
"""Of a device's free memory that pictures may take without being asked to; training needs some."""

_AT_ONCE: Final = 64


def have_room(samples: MaskSamples, device: torch.device) -> bool:
    """Say whether the pictures take little enough of a CUDA device's free memory."""
    if device.type != "cuda":
        return False
    return samples.decoded_bytes <= MOST_SHARE * (free_bytes(device) or 0)


def upload(
    samples: MaskSamples, device: torch.device, progress: Callable[[int, int], None]
) -> tuple[Pictures, dict[int, UnreadableError]]:
    """Decode all images by many threads, and return them on the device.

    Also returns the images that cannot be read, whose pixels are left as they happen to be.
    progress is called with images done and images in all.
    """
    columns = samples.prepared.columns("train", ("height", "width"))
    sizes = np.stack([columns[name].to_numpy() for name in ("height", "width")], 1)
    counts = sizes.astype(np.int64).prod(1)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    pixels = torch.empty(int(counts.sum()), dtype=torch.int32, device=device)
    unreadable: dict[int, UnreadableError] = {}
    for index, packed in enumerate(_decoded(samples, len(counts))):
        if isinstance(packed, UnreadableError):
            unreadable[index] = packed
        else:
            pixels[starts[index] : starts[index] + counts[index]] = torch.from_numpy(packed)
        progress(index + 1, len(counts))
    on_device = (torch.from_numpy(one.astype(np.int64)).to(device) for one in (starts, sizes))
    return Pictures(pixels, *on_device), unreadable


def _decoded(samples: MaskSamples, count: int) -> Iterator[NDArray[np.int32] | UnreadableError]:
    def packed(index: int) -> NDArray[np.int32] | UnreadableError:
        try:
            return pack(*samples.decode(index))
        except UnreadableError as error:
            return error

    with ThreadPoolExecutor() as pool:
        for start in range(0, count, _AT_ONCE):
            yield from pool.map(packed, range(start, min(start + _AT_ONCE, count)))


def pack(image: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.int32]:
    """Return image [H, W, 3] and train ids [H, W] as pixels [H * W] (see `Pictures`)."""
    return np.dstack([image, labels]).reshape(-1).view("<i4")
