"""The numbers of a training sample, without a training."""

from topformer_cli.data.draws import Draws, sample_generator


def draw(seed: int, position: int, count: int) -> Draws:
    """Return the first uniform numbers [count] of one sample of a training."""
    return sample_generator(seed, position).random(count)
