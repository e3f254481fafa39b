"""What a checkpoint, an ONNX file, a TNN file and a phone have in common: images in, logits out."""

from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float32]


class Predictor(Protocol):
    """A network behind whatever runtime computes it."""

    @property
    def name(self) -> str:
        """The runtime and file, as it is named in messages and results."""
        ...

    @property
    def at_once(self) -> int:
        """How many images may be computed at a time, each by a thread of its own."""
        ...

    def __call__(self, images: NDArray[Any]) -> NDArray[Any]:
        """Compute logits for normalised RGB images.

        Shapes: images [N, 3, H, W] -> logits [N, classes, h, w], h and w at the network's own
        output stride (1/8 of the input for TopFormer); [N, classes] of a classification network.
        A file may take 0..255 instead, and give a label map of integers [N, 1, H, W].
        """
        ...
