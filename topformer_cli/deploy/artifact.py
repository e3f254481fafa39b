"""An exported model on disk: its files, its manifest, and the check that they belong together.

    <name>.onnx  <name>.tnnproto  <name>.tnnmodel  <name>.tflite  <name>.json

The manifest is written last and holds the SHA-256 of every file, so that a set of files without it
or beside an older one is never taken for whole.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from topformer_cli.deploy.manifest import SCHEMA_VERSION, FileRecord, Manifest
from topformer_cli.errors import ExportError

SUFFIXES: Final[dict[str, tuple[str, ...]]] = {
    "onnx": (".onnx",),
    "tnn": (".tnnproto", ".tnnmodel"),
    "tflite": (".tflite",),
}
"""Format -> the files it is made of."""

_REMAKE: Final = "run `topformer export` again to remake it"


@dataclass(frozen=True, slots=True)
class Artifact:
    """An exported model whose files were found to be those that its manifest names."""

    path: Path
    manifest: Manifest

    @property
    def name(self) -> str:
        """The common stem of the files."""
        return self.manifest.name

    @property
    def card(self) -> Mapping[str, Any]:
        """The model's identity card."""
        return self.manifest.card

    @property
    def has_classes(self) -> bool:
        """Whether the outputs have a class at every place, as a detector's do not."""
        return self.manifest.decoding is None

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats that were exported."""
        present = {Path(file.name).suffix for file in self.manifest.files}
        return tuple(name for name, suffixes in SUFFIXES.items() if present.issuperset(suffixes))

    @property
    def onnx(self) -> Path:
        """The ONNX file."""
        return self.file(".onnx")

    @property
    def tflite(self) -> Path:
        """The LiteRT file."""
        return self.file(".tflite")

    @property
    def tnnproto(self) -> Path:
        """The text file of the TNN network."""
        return self.file(".tnnproto")

    @property
    def tnnmodel(self) -> Path:
        """The weights of the TNN network."""
        return self.file(".tnnmodel")

    def main_file(self, kind: str) -> Path:
        """Return the file by which a format is opened."""
        return self.file(SUFFIXES[kind][0])

    def file(self, suffix: str) -> Path:
        """Return the file with a suffix.

        Raises:
            ExportError: it was not exported.
        """
        for record in self.manifest.files:
            if Path(record.name).suffix == suffix:
                return self.path.parent / record.name
        message = f"{self.path}: has no {suffix} file; make it with `topformer export`"
        raise ExportError(message)


def load_artifact(path: Path) -> Artifact:
    """Open an exported model by its manifest or any of its files, and check all of them.

    Raises:
        ExportError: the manifest is missing, malformed or of another version, or a file is
            missing, changed, or not of this export; names the file and the command that remakes it.
    """
    manifest_path = path if path.suffix == ".json" else path.with_suffix(".json")
    manifest = read_manifest(manifest_path)
    if manifest.name != manifest_path.stem:
        message = f"{manifest_path}: describes another export, {manifest.name!r}; {_REMAKE}"
        raise ExportError(message)
    if path != manifest_path and path.name not in {file.name for file in manifest.files}:
        message = f"{path}: is not of the export that {manifest_path.name} describes; {_REMAKE}"
        raise ExportError(message)
    for record in manifest.files:
        _check_file(manifest_path.parent / record.name, record)
    return Artifact(manifest_path, manifest)


def describe_file(path: Path) -> FileRecord:
    """Return the manifest's record of a file."""
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return FileRecord(name=path.name, sha256=digest, bytes=len(content))


def read_manifest(path: Path) -> Manifest:
    """Read a manifest alone, without looking at the files that it names.

    Raises:
        ExportError: it is missing, malformed or of another version.
    """
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        message = f"{path}: no manifest ({error.strerror}), the export is not whole; {_REMAKE}"
        raise ExportError(message) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        message = (
            f"{path}: no manifest of schema {SCHEMA_VERSION} ({place}: {first['msg']}); {_REMAKE}"
        )
        raise ExportError(message) from error


def _check_file(path: Path, record: FileRecord) -> None:
    if path.name != record.name or not path.is_file():
        message = f"{path}: the manifest beside it names this file and it is missing; {_REMAKE}"
        raise ExportError(message)
    found = describe_file(path)
    if found != record:
        size = f"{found.bytes} bytes instead of {record.bytes}, " * (found.bytes != record.bytes)
        message = (
            f"{path}: is not the file of this export ({size}sha256 {found.sha256[:12]} instead of "
            f"{record.sha256[:12]}); {_REMAKE}"
        )
        raise ExportError(message)
