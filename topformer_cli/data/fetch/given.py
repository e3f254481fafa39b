"""What the user already has: archives by name or size, or the unpacked set."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from topformer_cli.data.spec import Archive, DatasetSpec
from topformer_cli.errors import DataError


@dataclass(frozen=True, slots=True)
class Given:
    """Archives by their published name and where they lie; tree holds the unpacked set."""

    archives: dict[str, Path]
    tree: Path | None


def sort_out(spec: DatasetSpec, paths: Sequence[Path]) -> Given:
    """Say what the paths after --from are.

    A folder with the unpacked set and some of its archives is taken for the set.

    Raises:
        DataError: a file is none of the set's archives, or folders do not go together.
    """
    archives: dict[str, Path] = {}
    trees: list[Path] = []
    for path in paths:
        found = dict(_archives(spec, path))
        if not found and path.is_file():
            raise DataError(_no_archive(spec, path))
        for name, place in found.items():
            if name in archives and not archives[name].samefile(place):
                message = f"--from names {name} twice: {archives[name]} and {place}; name one"
                raise DataError(message)
            archives[name] = place
        trees += [] if found else [path]
    if len(trees) > 1 or (trees and archives):
        message = (
            f"--from {trees[0]} holds no archive of {spec.name} ({_expected(spec)}); a folder with "
            "the unpacked set is given alone"
        )
        raise DataError(message)
    if len(paths) == 1 and archives and _is_set(spec, paths[0], archives):
        return Given({}, paths[0])
    return Given(archives, trees[0] if trees else None)


def _is_set(spec: DatasetSpec, path: Path, archives: Mapping[str, Path]) -> bool:
    """Return whether a folder has the set as it is needed, and not all archives of it."""
    if not path.is_dir() or all(one.name in archives for one in spec.archives):
        return False
    # Only now: loading what reads sets takes seconds.
    from topformer_cli.data.sources.published import holds_set

    return holds_set(spec, path)


def _archives(spec: DatasetSpec, path: Path) -> Iterator[tuple[str, Path]]:
    """Yield the archives at a path; the name decides, and only where it says nothing the size."""
    files = _files(path)
    known = (*spec.archives, *spec.also)
    named = {one.name.casefold(): one for one in known}
    rest = []
    for file in files:
        if archive := named.pop(file.name.casefold(), None):
            yield archive.name, file
        else:
            rest.append(file)
    by_size = {one.size: one for one in named.values() if one.size is not None}
    for file in rest:
        if archive := by_size.pop(file.stat().st_size, None):
            yield archive.name, file


def _files(path: Path) -> list[Path]:
    try:
        if path.is_dir():
            return sorted(one for one in path.iterdir() if one.is_file())
        return [path] if path.is_file() else []
    except OSError as error:
        message = f"--from {path} cannot be read ({error.strerror})"
        raise DataError(message) from error


def _no_archive(spec: DatasetSpec, path: Path) -> str:
    return (
        f"--from {path} is none of the archives of {spec.name}, by name or by size: "
        f"{_expected(spec)}; rename it if it is one"
    )


def _expected(spec: DatasetSpec) -> str:
    return ", ".join(described(one) for one in (*spec.archives, *spec.also))


def described(archive: Archive) -> str:
    """Return an archive's name, and its size in bytes where that is published."""
    return archive.name if archive.size is None else f"{archive.name} ({archive.size} bytes)"
