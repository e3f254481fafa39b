"""Reads JSON files that other people wrote."""

import codecs
import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from topformer_cli.errors import DataError

Record = TypeVar("Record")


def read_json(path: Path, form: TypeAdapter[Record], needed: str) -> Record:
    """Read a file into records; needed says what it should be, in a few words.

    Raises:
        DataError: it cannot be read, or is of another form; names the first place that is wrong.
    """
    try:
        return form.validate_json(path.read_bytes().removeprefix(codecs.BOM_UTF8))
    except OSError as error:
        message = f"{path} cannot be read ({error.strerror}); give {needed}"
        raise DataError(message) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        said = f"{first['msg'].lower()}{_picture(path, first['loc'])}{more}"
        message = f"{path}: {where}: {said}; give {needed}"
        raise DataError(message) from error


def _picture(path: Path, place: tuple[int | str, ...]) -> str:
    """Name the picture whose record holds a place of a JSON file; empty if none does."""
    value: Any = json.loads(path.read_bytes().removeprefix(codecs.BOM_UTF8)) if place else None
    for part in place:
        if isinstance(value, dict) and isinstance(name := value.get("file_name"), str):
            return f", picture {name}"
        try:
            value = value[part]
        except (LookupError, TypeError):  # the place is what is missing
            break
    return ""


def first_byte(path: Path) -> bytes:
    """Return the first byte of a JSON text, `[` of a list; nothing of what cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(1 << 10).removeprefix(codecs.BOM_UTF8).lstrip()[:1]
    except OSError:
        return b""
