"""Packs trees as they are published: zip, tar or tar.gz, by the name of the archive."""

import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path


def pack(path: Path, members: Mapping[str, Path]) -> Path:
    """Write an archive; members are files and folders by their names in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, source in members.items():
                for file in [source, *sorted(source.rglob("*"))]:
                    archive.write(file, Path(name, file.relative_to(source)))
    else:
        with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
            for name, source in members.items():
                archive.add(source, name)
    return path
