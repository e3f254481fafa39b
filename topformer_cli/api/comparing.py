"""Hold a score against the paper's and the authors' README, where the run allows it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from topformer_cli.api.worst import Looked
from topformer_cli.data.card import DatasetCard
from topformer_cli.data.looks import WHOLE, Looks
from topformer_cli.models.spec import ModelSpec
from topformer_cli.recipe import Choices, Recipe, differences, load_recipe
from topformer_cli.results import Result
from topformer_cli.results.comparison import (
    Comparison,
    Judged,
    about_iterations,
    about_norm,
    about_settings,
    about_start,
    judge,
    material,
)
from topformer_cli.results.ledger import Ledger, Start
from topformer_cli.results.published import Published, published


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a network that was measured.

    recipe is the one that it was measured by, origin what its checkpoint says of how it came
    about, card the set's that it was measured on, looks how often it looked at an image.
    """

    recipe: Recipe
    spec: ModelSpec
    origin: Mapping[str, Any]
    card: DatasetCard
    looks: Looks = WHOLE

    @property
    def ours(self) -> bool:
        """Whether topformer trained it, and so can tell how."""
        return "recipe" in self.origin

    @property
    def ledger(self) -> Ledger | None:
        """The ledger of its training; None for foreign weights and those before ledgers."""
        return Ledger.from_json(self.origin.get("ledger"))


@dataclass(frozen=True, slots=True)
class Measured:
    """What an evaluation found, and what it may be held against; None where nothing is printed.

    looked: of label maps, what to look at the worst images with.
    """

    result: Result
    comparison: Comparison | None
    looked: Looked | None = field(default=None, repr=False, compare=False)

    def line(self) -> str | None:
        """Say what it is held against, if there is anything."""
        return None if self.comparison is None else self.comparison.line()

    def to_json(self) -> dict[str, Any]:
        """Return the result's plain record, with `comparison` where there is one."""
        if self.comparison is None:
            return self.result.to_json()
        return self.result.to_json() | {"comparison": self.comparison.to_json()}


def measured(evidence: Evidence, result: Result, looked: Looked | None = None) -> Measured:
    """Put what a score may be held against beside it."""
    return Measured(result, compare(evidence, result), looked)


def compare(evidence: Evidence, result: Result) -> Comparison | None:
    """Return what a score may be held against, or why nothing; None where nothing is printed.

    That is so of every custom set.
    """
    rows = published(evidence.spec.task, result.dataset, evidence.spec.variant)
    if not rows or not evidence.card.expected:
        return None
    if evidence.ours:
        return judge(result.headline, [_judge_ours(evidence, result, row) for row in rows])
    if evidence.origin.get("form") == "PaddlePaddle":
        retrained = [Judged(row, ("weights of PaddleSeg's own training",)) for row in rows]
        return judge(result.headline, retrained)
    file = evidence.origin.get("title") or evidence.origin.get("file", "")
    theirs = _rows_of_file(rows, str(file))
    if not theirs:
        unknown = [Judged(row, ("weights of unknown origin",)) for row in rows]
        return judge(result.headline, unknown)
    foreign = [
        Judged(row, (*_foreign(evidence, row), *_about_measurement(evidence, result, row)))
        for row in theirs
    ]
    return judge(result.headline, foreign, "if the file is the authors' own")


def _judge_ours(evidence: Evidence, result: Result, row: Published) -> Judged:
    """Judge a training of our own; one that has no such recipe is told as that, no more."""
    reference = _reference(row)
    data = tuple(_about_measurement(evidence, result, row))
    if reference is None:
        why = "the authors' recipe for it is not public; this one is made of what they said of it"
        if row.copied_from:
            why = f"the paper took it from {row.copied_from}, which trained by a recipe of its own"
        return Judged(row, (why, *data))
    of_another_name = evidence.recipe.name != row.recipe
    apart = len(material(differences(evidence.recipe, reference))) + of_another_name
    return Judged(row, (*_trained(evidence, row, reference), *data), apart)


def _rows_of_file(rows: Sequence[Published], name: str) -> list[Published]:
    """Return the scores of weights that the authors gave away, by what a file's name says.

    Theirs are called like topformer-B_512x512_4x8_160k-39.2.pth.
    """
    given = [row for row in rows if row.origin != "paper" or row.task == "classification"]
    per_gpu, side = re.search(r"(?<!\d)(\d)x8(?!\d)", name), re.search(r"(?<!\d)(\d{3})x\1", name)
    return [
        row
        for row in given
        if (per_gpu is None or row.task != "segmentation" or row.batch == 8 * int(per_gpu[1]))
        and (side is None or row.task != "segmentation" or row.side == int(side[1]))
    ]


def _about_measurement(evidence: Evidence, result: Result, row: Published) -> Iterator[str]:
    """Yield what speaks against the data that it was trained on, and the way it was measured."""
    card, split = evidence.card, result.split
    if evidence.looks != WHOLE:
        yield f"{evidence.looks}, not {WHOLE}"
    if split != row.split:
        yield f"split {split}, not {row.split}"
    elif card.counts.get(split) != card.expected.get(split):
        yield f"{card.counts.get(split, 0)} of {card.expected.get(split, 0)} images of {split}"
    if evidence.spec.dataset != row.dataset:
        if evidence.ours:
            yield f"trained on {evidence.spec.dataset}"
        return
    ledger = evidence.ledger
    partial = (ledger.data.partial if ledger else card.partial) or ""
    short = [part for part in re.split(r": |, ", partial) if part.startswith("train ")]
    if evidence.ours and short:
        yield f"trained on a partial set ({short[0]})"


def _trained(evidence: Evidence, row: Published, reference: Recipe) -> Iterator[str]:
    """Yield what speaks against the training."""
    recipe, ledger, origin = evidence.recipe, evidence.ledger, evidence.origin
    old = Start(kind="scratch" if origin.get("from") == "scratch" else "unknown")
    yield from about_start(ledger.start if ledger else old, row)
    wanted = reference.schedule.iterations
    yield from about_iterations(int(origin.get("step", recipe.schedule.iterations)), wanted)
    yield from about_settings(differences(recipe, reference), row)
    # Without a ledger: one process had the whole batch.
    yield from about_norm(ledger.spread.norm_images if ledger else recipe.batch, row)


def _foreign(evidence: Evidence, row: Published) -> Iterator[str]:
    """Yield what speaks against foreign weights, of which only the protocol is ours."""
    if not evidence.origin.get("complete", False):
        yield "the file does not fill the network"
    reference = _reference(row)
    if reference is None:
        return
    if evidence.spec.fuse != reference.fuse:
        yield f"fuse convolution {evidence.spec.fuse}, not {reference.fuse}"
    if evidence.spec.design != reference.design:
        yield f"another network: {evidence.spec.design.changes}"
    found = differences(evidence.recipe, reference)
    tested = {key: pair for key, pair in found.items() if key.startswith("evaluation.")}
    yield from about_settings(tested, row)


def _reference(row: Published) -> Recipe | None:
    """Return the recipe of the run behind a published score."""
    if row.recipe is None:
        return None
    # Sizes of the table are those of the recipes: a contract test holds them together.
    size: Any = row.size
    return load_recipe(row.recipe, Choices(size, row.preset, (f"batch={row.batch}",)))
