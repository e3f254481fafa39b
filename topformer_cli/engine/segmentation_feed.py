"""Where the pixels of a segmentation come from: files, memory, or the device."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import torch

from topformer_cli.data.decoded import DecodedSet
from topformer_cli.data.samples import MaskSamples, Samples, Tensors
from topformer_cli.data.store import PreparedSet
from topformer_cli.data.workers import cores
from topformer_cli.engine.feed import Feed, FeedOptions, LoaderFeed, host_feed, loader_of
from topformer_cli.engine.memory import free_bytes
from topformer_cli.engine.on_device.feed import (
    CropSamples,
    DrawnSamples,
    FinishCrops,
    FinishPictures,
)
from topformer_cli.engine.on_device.upload import have_room, upload
from topformer_cli.errors import RecipeError
from topformer_cli.models.spec import ModelSpec
from topformer_cli.sections.segmentation import SegmentationRecipe

Place = Literal["files", "memory", "device"]


def segmentation_feed(
    recipe: SegmentationRecipe, prepared: PreparedSet, spec: ModelSpec, options: FeedOptions
) -> Feed:
    """Feed images and train ids [B, H, W] uint8 from where the recipe wants pixels.

    On CUDA the host does no more than it must: colours are changed there, and everything else too
    where the decoded set fits.

    Raises:
        DataError: an image cannot be read, and the recipe's pixels are on the device.
        RecipeError: pixels are to be on the device, and do not fit.
    """
    samples = MaskSamples(prepared, recipe.augment)
    place = place_of_pixels(recipe, samples, options)
    if place == "device":
        return _from_device(recipe, samples, spec, options)
    decoded = None
    if place == "memory" and options.decoded is not None:
        decoded = DecodedSet.open_or_build(prepared, options.decoded, cores(), options.progress)
    if options.device.type != "cuda" or not recipe.augment.photometric:
        return host_feed(replace(samples, decoded=decoded), recipe, spec, options)
    crops = CropSamples(prepared, recipe.augment, decoded)
    return _feed(crops, recipe, options, FinishCrops(spec, options.device))


def place_of_pixels(
    recipe: SegmentationRecipe, samples: MaskSamples, options: FeedOptions
) -> Place:
    """Say what `auto` means here, and check that pixels fit where they are wanted."""
    if recipe.pixels == "auto":
        if have_room(samples, options.device):
            return "device"
        free = free_bytes(torch.device("cpu")) or 0
        kept = options.decoded is not None and samples.decoded_bytes <= free // 4
        return "memory" if kept else "files"
    if recipe.pixels == "device" and options.device.type == "mps":
        message = "pixels=device: Apple's devices have no float64; take -o pixels=memory"
        raise RecipeError(message)
    if recipe.pixels == "device" and options.device.type == "cuda":
        free = free_bytes(options.device) or 0
        if samples.decoded_bytes > free:
            message = (
                f"pixels=device: {samples.prepared.card.name} takes "
                f"{samples.decoded_bytes / 1e9:.1f} GB decoded, {options.device} has "
                f"{free / 1e9:.1f} GB free; take -o pixels=memory"
            )
            raise RecipeError(message)
    return recipe.pixels


def _from_device(
    recipe: SegmentationRecipe, samples: MaskSamples, spec: ModelSpec, options: FeedOptions
) -> Feed:
    pictures, unreadable = upload(samples, options.device, options.progress)
    if unreadable and not options.skip_corrupt:
        raise next(iter(unreadable.values()))
    drawn = DrawnSamples(samples.prepared, unreadable)
    finish = FinishPictures(pictures, recipe.augment, spec)
    return _feed(drawn, recipe, replace(options, workers=0), finish)


def _feed(
    samples: Samples,
    recipe: SegmentationRecipe,
    options: FeedOptions,
    finish: Callable[[Tensors], Tensors],
) -> Feed:
    if options.device.type == "cuda" and recipe.compile == "auto":
        # Imported here: nobody else needs the compiler.
        from topformer_cli.engine.cuda.faster import compiled

        finish = compiled(finish)
    return LoaderFeed(loader_of(samples, recipe, options), options.parts, finish)
