"""What the card and the records of the shards say of a prepared set; no image is read."""

from pathlib import Path

from topformer_cli.data.card import DatasetCard
from topformer_cli.data.checks.whole import absent_text
from topformer_cli.data.describe import fingerprint
from topformer_cli.data.shards import data_files, read_facts
from topformer_cli.data.store import PreparedSet
from topformer_cli.errors import DataError


def quick_check(prepared: PreparedSet) -> tuple[str, ...]:
    """Return what is odd with a prepared set, in milliseconds.

    Raises:
        DataError: files are missing, of another length than they were written with, or of
            another set than the card describes.
    """
    refuse_damaged(prepared.path, prepared.card)
    return oddities(prepared.card)


def oddities(card: DatasetCard) -> tuple[str, ...]:
    """Return what a card says is odd with its set."""
    notes = list(card.warnings)
    if card.partial is None:
        # What the training part lacks is among the warnings.
        for split in card.splits.keys() - {"train"}:
            counts = card.splits[split].labels.counts
            if text := absent_text(card.classes, counts):
                notes.append(f"{split} {text}")
    return tuple(notes)


def refuse_damaged(path: Path, card: DatasetCard) -> None:
    """Compare the files of a prepared set with what was recorded when they were written.

    Raises:
        DataError: they are not the same.
    """
    wrong: list[str] = []
    digests: list[tuple[str, str]] = []
    for split in card.splits:
        for shard in _shards(path / split):
            place = f"{split}/{shard.name}"
            facts = read_facts(shard)
            if facts is None:
                wrong.append(f"{place} or its record is missing")
                continue
            if (length := shard.stat().st_size) != facts.bytes:
                wrong.append(f"{place} has {length} of {facts.bytes} bytes")
            digests.append((split, facts.digest))
    if not wrong and fingerprint(card.classes, card.id_map, digests) != card.fingerprint:
        wrong.append("its shards are not those that the card describes")
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        message = f"{path} is damaged: {wrong[0]}{more}; prepare the set again with --force"
        raise DataError(message)


def _shards(folder: Path) -> list[Path]:
    try:
        return data_files(folder)
    except (OSError, ValueError, KeyError) as error:
        message = f"{folder} is damaged ({error}); prepare the set again with --force"
        raise DataError(message) from error
