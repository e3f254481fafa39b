"""Check data sets, prepared or as they lie on disk, and mend what can be mended safely."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from topformer_cli.api.places import USUAL, Places
from topformer_cli.api.preparing import CLASS_FOLDERS
from topformer_cli.api.sets import open_set
from topformer_cli.cache import cache_dir
from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.checks.fix import ORIGINALS, Fixed, Left, finish_fixes, fix
from topformer_cli.data.checks.quick import refuse_damaged
from topformer_cli.data.checks.report import CheckReport
from topformer_cli.data.checks.run import check
from topformer_cli.data.checks.stored import StoredSet
from topformer_cli.data.checks.subject import RawSet
from topformer_cli.data.findings import Faults, Kind
from topformer_cli.data.sources.boxes import BoxRequest, box_source
from topformer_cli.data.sources.class_folders import ClassRequest, class_source
from topformer_cli.data.sources.custom import FolderRequest, folder_source
from topformer_cli.data.sources.published import KnownRequest, published_source
from topformer_cli.errors import UsageError

Progress = Callable[[str, int, int], None]
"""Called with (what is done, images done, images in all)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """A set to check: a prepared one by name, or one on disk as `PrepareRequest` describes it.

    fix says that files of the user's own set are to be mended where that is safe.
    """

    name: str | None = None
    source: Path | None = None
    images: Path | None = None
    masks: Path | None = None
    classes: str | None = None
    ignore: tuple[int, ...] = ()
    coco: Path | None = None
    coco_val: Path | None = None
    allow_partial: bool = False
    fix: bool = False
    places: Places = USUAL


@dataclass(frozen=True, slots=True)
class Checked:
    """How a set is now, what was mended before, and what was left as it was.

    offer has the checks whose findings a `--fix` would look into.
    """

    report: CheckReport
    fixed: tuple[Fixed, ...] = ()
    left: tuple[Left, ...] = ()
    offer: tuple[str, ...] = ()

    def fixes(self, kind: Kind) -> int:
        """Return how many files of a kind were mended."""
        return sum(one.kind == kind for one in self.fixed)

    def summary(self) -> str:
        """Say in one line how the set is."""
        report = self.report
        parts = [
            f"{what}: {len(found)} ({sum(line.count for line in found)})"
            for what, found in (("wrong", report.wrong), ("notes", report.notes))
            if found
        ]
        if self.fixed:
            parts.append(f"fixed: {len(self.fixed)}, originals in {ORIGINALS} beside each file")
        state = "; ".join(parts) or "nothing is wrong"
        return f"{report.name}: {report.images} images, {len(report.lines)} checks; {state}"

    def to_json(self) -> dict[str, Any]:
        """Return the plain record."""
        return self.report.to_json() | {
            "fixed": [asdict(one) for one in self.fixed],
            "left": [asdict(one) for one in self.left],
        }


def check_set(request: CheckRequest, progress: Progress) -> Checked:
    """Look at every image and label of a set.

    Raises:
        UsageError: the options do not describe one kind of set.
        DataError: there is no such set, or it is so damaged that its items cannot be read.
    """
    _require_one_kind(request)
    if request.source is None and request.images is None:
        assert request.name is not None
        prepared = open_set(request.name, request.places)
        images = sum(prepared.card.counts.values())
        prepared.complete(lambda done, total: progress("fetched", images * done // total, images))
        refuse_damaged(prepared.path, prepared.card)
        return Checked(check(StoredSet(prepared.path, prepared.card), progress))
    if not request.fix:
        report = check(_raw(request), progress)
        lines = [line for line in report.lines if line.check.fixable and line.findings]
        mendable = request.masks is not None or request.coco is not None
        return Checked(report, offer=tuple(line.check.title for line in lines) if mendable else ())
    return _fixed(request, progress)


def _fixed(request: CheckRequest, progress: Progress) -> Checked:
    """Check and mend until nothing more can be: a mended mask may show what else is wrong."""
    assert request.images is not None
    finish_fixes(request.images)
    fixed: list[Fixed] = []
    while True:
        raw = _raw(request)
        report = check(raw, progress)
        mended, left = fix(raw, report, progress)
        fixed += mended
        if not mended:
            return Checked(report, tuple(fixed), tuple(left))


def _raw(request: CheckRequest) -> RawSet:
    faults: Faults = []
    cache = cache_dir(request.places.cache)
    if request.source is not None:
        known = KnownRequest(
            spec=DATASETS[request.name or ""],
            folder=request.source,
            cache_dir=cache,
            allow_partial=request.allow_partial,
        )
        source = published_source(known, faults)
        return RawSet(source, tuple(faults), request.allow_partial)
    assert request.images is not None
    name = request.name or str(request.images)
    if request.coco is not None:
        boxes = BoxRequest(
            name=name,
            images=request.images,
            train=request.coco,
            val=request.coco_val,
            cache_dir=cache,
        )
        return RawSet(box_source(boxes, faults), tuple(faults))
    if request.masks is None:
        folders = ClassRequest(
            name=name, images=request.images, classes=request.classes, cache_dir=cache
        )
        return RawSet(class_source(folders, faults), tuple(faults))
    assert request.classes is not None
    pairs = FolderRequest(
        name=name,
        images=request.images,
        masks=request.masks,
        classes=request.classes,
        ignore=request.ignore,
        cache_dir=cache,
    )
    return RawSet(folder_source(pairs, faults), tuple(faults))


_KINDS: Final[dict[str, tuple[frozenset[str], frozenset[str]]]] = {
    "NAME": (frozenset({"name"}), frozenset()),
    "NAME --source FOLDER": (frozenset({"name", "source"}), frozenset({"allow_partial"})),
    "--images FOLDER --masks FOLDER --classes FILE": (
        frozenset({"images", "masks", "classes"}),
        frozenset({"name", "ignore", "fix"}),
    ),
    "--images FOLDER --coco JSON": (
        frozenset({"images", "coco"}),
        frozenset({"name", "coco_val", "fix"}),
    ),
    CLASS_FOLDERS: (frozenset({"images"}), frozenset({"name", "classes"})),
}
"""What describes a set -> the options that it needs, and those that it may have."""


def _require_one_kind(given: CheckRequest) -> None:
    options = {
        field.name
        for field in fields(given)
        if field.name != "places" and getattr(given, field.name)
    }
    if given.fix and given.masks is None and given.coco is None:
        message = (
            "--fix mends files of your own: --images with --masks and --classes, or with --coco; "
            "a prepared set is prepared again, a published one fetched again"
        )
        raise UsageError(message)
    if given.source is not None and given.name is not None and given.name not in DATASETS:
        message = (
            f"{given.name!r} is no published set this version knows ({', '.join(DATASETS)}); "
            "a set of your own takes --images, --masks and --classes, or --images and --coco, or "
            "--images of a folder a class"
        )
        raise UsageError(message)
    if not any(needed <= options <= needed | more for needed, more in _KINDS.values()):
        words = sorted(f"--{one.replace('_', '-')}" for one in options - {"name"})
        got = " ".join([*(["NAME"] if given.name else []), *words])
        message = f"topformer data check needs {', or '.join(_KINDS)}; got {got or 'nothing'}"
        raise UsageError(message)
