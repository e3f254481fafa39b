"""Draw images of a prepared set with their labels as one picture."""

from dataclasses import dataclass
from pathlib import Path

from topformer_cli import draw
from topformer_cli.api.choosing import Choice, Chosen, Progress, choose
from topformer_cli.api.places import Places
from topformer_cli.api.sets import open_set
from topformer_cli.api.sheets import WORDS, draw_images
from topformer_cli.data.store import PreparedSet
from topformer_cli.errors import UsageError
from topformer_cli.rundir import atomic_write


@dataclass(frozen=True, slots=True)
class Shown:
    """A sheet that was written: its file, its images, and names that no font here could draw.

    stand_ins has what was written in place of such a name -> the name.
    """

    path: Path
    ids: tuple[str, ...]
    stand_ins: dict[str, str]


def show_set(
    name: str, choice: Choice, places: Places, output: Path | None, progress: Progress
) -> Shown:
    """Write a PNG of images with their labels, to SET-SPLIT.png here unless output says otherwise.

    Raises:
        UsageError: output is no name of a PNG, or cannot be written.
        DataError: the set is not prepared, or has no such split, image or class.
    """
    prepared = open_set(name, places)
    card = prepared.card
    target = _target(output, f"{card.name}-{choice.split}.png")
    chosen = choose(prepared, choice, progress)
    data = draw.png(draw.draw_sheet(_sheet(prepared, choice, chosen)))
    try:
        atomic_write(target, data)
    except OSError as error:
        message = f"-o {target}: cannot be written ({error.strerror or error}); name another place"
        raise UsageError(message) from error
    names = zip(draw.drawable_names(card.classes), card.classes, strict=True)
    stand_ins = {drawn: name for drawn, name in names if drawn != " ".join(name.split())}
    ids = tuple(prepared.labels(choice.split, index)["id"] for index in chosen.indices)
    return Shown(target, ids, stand_ins)


def _target(output: Path | None, usual: str) -> Path:
    if output is None:
        return Path(usual)
    if output.is_dir():
        return output / usual
    if output.suffix.lower() != ".png":
        message = f"-o {output}: the sheet is written as .png; name a .png file or a folder"
        raise UsageError(message)
    return output


def _sheet(prepared: PreparedSet, choice: Choice, chosen: Chosen) -> draw.Sheet:
    card = prepared.card
    drawn = draw_images(prepared, choice.split, chosen.indices, choice.columns)
    note = f"{chosen.words}: {WORDS[card.task]}"
    return draw.Sheet(
        heading=card.title,
        note=f"{note} ({card.partial})" if card.partial else note,
        tiles=drawn.tiles,
        width=drawn.width,
        legend=drawn.legend,
        footer=f"Terms: {card.terms}" if card.terms else "",
    )
