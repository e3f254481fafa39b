"""Random numbers of a training sample: a function of the seed and of its position alone.

Position p is the p-th sample of the whole training. Its numbers come from a counter-based
generator, so that neither workers nor processes nor a resumed run change them, and whoever
augments, host or device, reads the same ones:

    Philox4x64-10, key (seed, 1), counter starting at (0, 0, p, 0); each 64-bit output, in order,
    gives one uniform number of [0, 1): its upper 53 bits divided by 2**53

A crop of an image with its mask takes DRAWS of them:

    0           the factor on the scale: low + u * (high - low)
    1           flipped if u < probability
    2 .. 10     colours: 2, 3 brightness; 4, 5, 6 contrast; 7, 8 saturation; 9, 10 hue
    11 + 2t     the top of try t = 0 .. CROP_TRIES of the crop
    12 + 2t     its left side

Of the colours the first number of each says whether (u < 1/2), the second how much, and the third
of contrast whether it comes first (u < 1/2) or last. A whole number of 0 .. n - 1 is floor(u * n).
All of them are there whether used or not, so that none depends on another.

Which image stands in for one that cannot be read comes from the same generator with the key
(seed, 2).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

CROP_TRIES: Final = 10
RATIO: Final = 0
FLIP: Final = 1
COLOURS: Final = slice(2, 11)
CROPS: Final = slice(COLOURS.stop, COLOURS.stop + 2 * (CROP_TRIES + 1))
DRAWS: Final = CROPS.stop

Draws = NDArray[np.float64]

_SAMPLE: Final = 1
_STAND_IN: Final = 2
_WORD: Final = (1 << 64) - 1


def sample_generator(seed: int, position: int) -> np.random.Generator:
    """Return the generator of one sample of a training."""
    return _generator(seed, _SAMPLE, position)


def draw_stand_ins(seed: int, position: int, count: int) -> Draws:
    """Return uniform numbers [count] that say which images stand in for that of a position."""
    return _generator(seed, _STAND_IN, position).random(count)


def whole(uniform: float, count: int) -> int:
    """Return a whole number of 0 .. count - 1."""
    return int(uniform * count)


def _generator(seed: int, purpose: int, position: int) -> np.random.Generator:
    key = np.array([seed & _WORD, purpose], np.uint64)
    counter = np.array([0, 0, position, 0], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))
