"""Score label maps that somebody else made: no network, no torch."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from topformer_cli.api.places import Places
from topformer_cli.api.sets import open_set
from topformer_cli.data.catalog import DATASETS, sets_for
from topformer_cli.data.sources.label_maps import (
    FoundMaps,
    MapCoding,
    codings,
    find_maps,
    read_map,
)
from topformer_cli.data.sources.map_truth import MapTruth, truth_of_folder, truth_of_set
from topformer_cli.data.spec import DatasetSpec
from topformer_cli.engine.metrics import ValueCounts
from topformer_cli.errors import UsageError
from topformer_cli.recipe import Choices, load_recipe
from topformer_cli.results import LabelMapsResult, LabelScores
from topformer_cli.results.segmentation import ID_NAMES, MapIds

_NAMED: Final = 3

Progress = Callable[[int, int], None]
"""Called with what is done and what there is in all."""


@dataclass(frozen=True, slots=True)
class TruthOfSet:
    """A split of a prepared set; fetching is called with bytes where it lies elsewhere."""

    dataset: str
    split: str
    places: Places
    fetching: Progress = lambda _done, _total: None

    def open(self) -> MapTruth:
        """Open it.

        Raises:
            DataError: it is not prepared, has no masks, or no such split.
        """
        prepared = open_set(self.dataset, self.places)
        prepared.require("segmentation")
        prepared.complete(self.fetching, (self.split,))
        return truth_of_set(prepared, self.split)


@dataclass(frozen=True, slots=True)
class TruthOfFolder:
    """A folder of masks as a published set has them; recipe names the set, or a recipe for it."""

    annotations: Path
    recipe: str

    def open(self) -> MapTruth:
        """Find the masks.

        Raises:
            UsageError: the recipe is not known, or is of no published set with masks.
            DataError: there is no mask.
        """
        return truth_of_folder(self.annotations, _spec(self.recipe))


def _spec(name: str) -> DatasetSpec:
    dataset = name if name in DATASETS else load_recipe(name, Choices()).dataset
    spec = DATASETS.get(dataset)
    if spec is None or spec.task != "segmentation":
        known = ", ".join(one.name for one in sets_for("segmentation"))
        message = (
            f"--recipe {name}: what masks of {dataset} mean is not known (known: {known}); prepare "
            "the set and name it with --dataset"
        )
        raise UsageError(message)
    return spec


def score_maps(
    predictions: Path, whose: TruthOfSet | TruthOfFolder, ids: MapIds, progress: Progress
) -> LabelMapsResult:
    """Hold the label maps of a folder against masks, pixel by pixel.

    Images without a map are left out, and the result says so.

    Raises:
        UsageError: see the truth's `open`.
        DataError: the same, or there are no maps for these images, or one cannot be read, is of
            another size than its image, or has values beyond the classes.
    """
    truth = whose.open()
    maps = find_maps(predictions, truth)
    both = codings(truth)
    coding, other = both.pop(ids), *both.values()
    counted = ValueCounts(len(truth.classes))
    for done, (index, path) in enumerate(maps.files.items(), 1):
        labels = truth.read(index)
        shape = labels.shape[0], labels.shape[1]
        counted.add(labels, read_map(path, shape, coding, other))
        progress(done, len(maps.files))
    found = counted.read_as(coding.id_map).scores()
    notes = (*truth.notes, *_odd(counted, found, coding, other), *_extra(maps))
    return LabelMapsResult(
        predictions=str(predictions),
        dataset=truth.dataset,
        split=whose.split if isinstance(whose, TruthOfSet) else None,
        annotations=str(whose.annotations) if isinstance(whose, TruthOfFolder) else None,
        ids=ids,
        left_out=tuple(f"{name}: no label map" for name in maps.missing),
        images=len(maps.files),
        classes=truth.classes,
        found=found,
        notes=notes,
    )


def _odd(
    counted: ValueCounts, found: LabelScores, coding: MapCoding, other: MapCoding
) -> Iterator[str]:
    """Say what counts, but may not be meant."""
    total = sum(found.pixels)
    if nothing := sum(row[-1] for row in found.confusion):
        yield (
            f"{100 * nothing / total:.2f} % of the labelled pixels have no class in the maps: "
            "they count as wrong"
        )
    occurs = counted.counts.sum(axis=0)
    if coding.id_map == other.id_map or other.beyond(occurs):
        return
    right = found.pixel_accuracy or 0.0
    otherwise = counted.read_as(other.id_map).scores().pixel_accuracy or 0.0
    none_zero = coding.ids == "train" and not occurs[0] and bool(total)
    if (otherwise, none_zero) > (right, False):
        zero = ", and no pixel has the value 0" if none_zero else ""
        yield (
            f"read as {ID_NAMES[other.ids]} (--ids {other.ids}), {otherwise:.2f} % of the pixels "
            f"would be right, not {right:.2f} %{zero}"
        )


def _extra(maps: FoundMaps) -> Iterator[str]:
    if maps.extra:
        more = ", ..." if len(maps.extra) > _NAMED else ""
        names = ", ".join(path.name for path in maps.extra[:_NAMED])
        yield f"of no image, and left out: {len(maps.extra)} PNG files ({names}{more})"
