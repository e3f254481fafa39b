"""Decoded images with their labels in the memory of a device."""

from typing import NamedTuple

from torch import Tensor

Places = tuple[Tensor, Tensor]
"""Rows and columns of images, which broadcast against each other behind the batch."""


class Pictures(NamedTuple):
    """Images of a batch, or of a whole set, of which a batch is chosen.

    pixels [P] int32 are those of all images of the set, row by row: red, green, blue and train id,
    from the lowest byte to the highest. starts [N] int64 say where each image begins, sizes [N, 2]
    int64 are its (height, width).
    """

    pixels: Tensor
    starts: Tensor
    sizes: Tensor

    def chosen(self, indices: Tensor) -> "Pictures":
        """Return some of the images; indices [B] int64."""
        return Pictures(self.pixels, self.starts[indices], self.sizes[indices])

    def at(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Return the pixels of each image at rows and columns [B, ...]."""
        behind = (-1, *[1] * (max(rows.dim(), columns.dim()) - 1))
        width = self.sizes[:, 1].view(behind)
        return self.pixels[self.starts.view(behind) + rows * width + columns]

    def labels(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Return the train ids at rows and columns, int32."""
        return (self.at(rows, columns) >> 24) & 255


def channels(pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return red, green and blue of pixels, as float32."""
    red, green, blue = ((pixels >> shift & 255).float() for shift in (0, 8, 16))
    return red, green, blue
