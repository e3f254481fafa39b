"""Training augmentation on the device, for whole batches, from decoded images that lie there.

It is the augmentation of data/augment.py, computed for all samples at once from the same random
numbers (data/draws.py): the same scale, crop, flip and colours; pixels differ by rounding. Nothing
in it waits for the device or depends on a value, so that CUDA compiles it to a few kernels and
records it in a graph.
"""
