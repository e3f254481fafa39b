"""Published weights: which there are, fetched and kept under their names, converted, recognised.

<cache>/weights/NAME.safetensors     a checkpoint with its card, made of what came
<cache>/downloads/NAME.pdparams      what came; it may be deleted
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from topformer_cli.api.places import USUAL, Places
from topformer_cli.cache import cache_dir
from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.fetch.gather import FetchedArchive
from topformer_cli.data.fetch.hub import SCHEME, hub_archive, parse_address
from topformer_cli.data.fetch.ledger import Ledger, Verified
from topformer_cli.data.fetch.request import Unwatched, Watcher
from topformer_cli.data.fetch.single import FileRequest, fetch_file
from topformer_cli.data.fetch.steps import lock_first_uses
from topformer_cli.data.spec import Archive
from topformer_cli.errors import DataError, UsageError, did_you_mean
from topformer_cli.models.baselines.files import CLASSIFIER_FILES
from topformer_cli.models.checkpoint import Checkpoint, build_from, load_checkpoint, save_checkpoint
from topformer_cli.models.foreign.files import SUFFIXES
from topformer_cli.models.pretrained import LoadReport, Request, read_weights
from topformer_cli.models.spec import ModelSpec, SizeName
from topformer_cli.models.zoo import ZOO, PublishedWeights
from topformer_cli.rundir import file_sha256

_LARGEST: Final = 500_000_000
"""No published file comes near as many bytes."""

_IF_THEIRS: Final = " (if the file is its publisher's own)"


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsChoices:
    """Weights to fetch: a name of the table or an address of the hub, and how.

    given is a file that the user has, url is asked in place of the published address. unverified
    accepts another content than that of the first use.
    """

    name: str
    given: Path | None = None
    url: str | None = None
    unverified: bool = False
    places: Places = USUAL

    @property
    def kept(self) -> Path:
        """Where the checkpoint is kept."""
        return _kept(self.name, self.places)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsFacts:
    """What a weights file is.

    fits: published weights that it may be, by their names. begins: recipes of baselines that begin
    with it.
    """

    path: Path
    spec: ModelSpec
    parameters: int
    report: str
    complete: bool
    sha256: str
    origin: dict[str, Any] = field(default_factory=dict)
    fits: tuple[str, ...] = ()
    begins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedWeights:
    """A kept checkpoint; verified is what it was made of, None where it was there already."""

    facts: WeightsFacts
    verified: Verified | None


def kept_weights(places: Places) -> dict[str, Path]:
    """Return the published weights that are kept, by name."""
    paths = {name: _kept(name, places) for name in ZOO}
    return {name: path for name, path in paths.items() if path.is_file()}


def fetch_weights(choices: WeightsChoices, watcher: Watcher | None = None) -> FetchedWeights:
    """Fetch weights, or take the user's file for them, and keep them as a checkpoint.

    Raises:
        UsageError: nobody publishes weights of that name.
        DataError: they cannot be had, or are not what they should be; nothing is kept.
    """
    published = None if choices.name.startswith(SCHEME) else _published(choices.name)
    if choices.kept.is_file() and choices.given is None and choices.url is None:
        return FetchedWeights(facts=describe_weights(choices.kept), verified=None)
    watcher = watcher or Unwatched()
    request, origin = _request(choices, published)
    fetched = fetch_file(request, watcher)
    checkpoint = _taken(choices, published, fetched)
    _refuse_twice(choices, fetched.verified.sha256)
    origin = {**checkpoint.origin, **origin, "sha256": fetched.verified.sha256}
    save_checkpoint(choices.kept, replace(checkpoint, origin=origin))
    # Not before: what could be read to its end is no half of a file.
    lock_first_uses([fetched], Ledger(request.cache_dir), watcher)
    return FetchedWeights(facts=describe_weights(choices.kept), verified=fetched.verified)


def _refuse_twice(choices: WeightsChoices, sha256: str) -> None:
    """Refuse a file that is kept under another published name already: one of them is wrong."""
    for name, path in kept_weights(choices.places).items():
        if name != choices.name and load_checkpoint(path).origin.get("sha256") == sha256:
            message = (
                f"{choices.name}: this very file is kept as {name} already, and one of the two "
                f"names is wrong; give another file, or remove {path} first"
            )
            raise DataError(message)


def find_weights(name: str, places: Places, watcher: Watcher | None = None) -> Path:
    """Return the kept checkpoint of a name or an address, fetched first if need be.

    Raises:
        UsageError, DataError: as `fetch_weights`.
    """
    choices = WeightsChoices(name=name, places=places)
    if not choices.kept.is_file():
        fetch_weights(choices, watcher)
    return choices.kept


def convert_weights(path: Path, target: Path) -> WeightsFacts:
    """Write a weights file as a checkpoint of ours with its card.

    Raises:
        UsageError: the target is there already, or is not called like one.
        DataError: the file cannot be read, or does not fill a network.
    """
    if target.suffix != ".safetensors":
        message = f"{target}: checkpoints are called NAME.safetensors"
        raise UsageError(message)
    if target.exists():
        message = f"{target} is there already; remove it or choose another name"
        raise UsageError(message)
    checkpoint = _read(path, partial=True)
    if not checkpoint.origin.get("complete", True):
        message = (
            f"{path} does not fill {checkpoint.spec.network}: {checkpoint.origin['report']}; a "
            "checkpoint is a whole network: get the whole file"
        )
        raise DataError(message)
    build_from(checkpoint, str(path))
    save_checkpoint(target, checkpoint)
    return describe_weights(target)


def describe_weights(path: Path, size: SizeName | None = None) -> WeightsFacts:
    """Say what a file is by its tensors, also where it does not fill its network.

    Raises:
        DataError: it is no weights file, or of no known network.
    """
    checkpoint = _read(path, size, partial=True)
    network = build_from(checkpoint, str(path))
    spec, origin = checkpoint.spec, dict(checkpoint.origin)
    count = len(network.state_dict())  # `build_from` takes all of them or none
    return WeightsFacts(
        path=path,
        spec=spec,
        parameters=sum(one.numel() for one in network.parameters()),
        report=str(origin.get("report") or LoadReport(count)),
        complete=bool(origin.get("complete", True)),
        sha256=file_sha256(path),
        origin=origin,
        fits=() if "recipe" in origin else _fitting(spec, origin),
        begins=_begun_with(spec),
    )


def facts_record(facts: WeightsFacts) -> dict[str, Any]:
    """Return the plain record of a weights file."""
    return {
        "path": str(facts.path),
        "network": facts.spec.network,
        "parameters": facts.parameters,
        "report": facts.report,
        "complete": facts.complete,
        "sha256": facts.sha256,
        "card": facts.spec.to_json(),
        "origin": facts.origin,
        "may_be": list(facts.fits),
        "begins": list(facts.begins),
    }


def _kept(name: str, places: Places) -> Path:
    key = parse_address(name).key if name.startswith(SCHEME) else name
    return cache_dir(places.cache) / "weights" / f"{key}.safetensors"


def _published(name: str) -> PublishedWeights:
    if name not in ZOO:
        message = (
            f"{name!r} names no published weights (`topformer weights list` shows them, and "
            f"hf://OWNER/REPO names a repository of the hub){did_you_mean(name, ZOO)}"
        )
        raise UsageError(message)
    return ZOO[name]


def _request(
    choices: WeightsChoices, published: PublishedWeights | None
) -> tuple[FileRequest, dict[str, Any]]:
    """Return the file to fetch, and what the checkpoint will say of where it comes from."""
    by_hand = f"topformer weights fetch {choices.name} --from FILE"
    if published is None:
        archive, revision = _of_hub(choices)
        origin: dict[str, Any] = {"from": choices.name, "revision": revision}
        page = choices.name.replace(SCHEME, "https://huggingface.co/")
    else:
        archive, revision = _archive(choices, published)
        # A browser knows no addresses of the hub.
        direct = published.url if not published.url.startswith(SCHEME) else ""
        page = direct or published.page
        origin = {
            "name": published.name,
            "publisher": published.publisher,
            "title": published.title,
            "scored": published.scored + _IF_THEIRS * bool(choices.given or choices.url),
            "licence": published.licence,
            "from": str(choices.given or choices.url or published.url),
            **({"revision": revision} if revision else {}),
        }
    request = FileRequest(
        archive=archive,
        cache_dir=cache_dir(choices.places.cache),
        remedy=f"download it with a browser from {page} and type: {by_hand}",
        given=choices.given,
        unverified=choices.unverified,
    )
    return request, origin


def _archive(choices: WeightsChoices, published: PublishedWeights) -> tuple[Archive, str]:
    """Return the file of published weights, and of which revision it is if the hub has it."""
    asked = choices.url or ("" if choices.given else published.url)
    if asked.startswith(SCHEME):
        return hub_archive(parse_address(asked), SUFFIXES)
    digits = published.sha256
    archive = Archive(
        name=published.archive,
        urls=(asked,) if asked else (),
        size=None,
        unpacked=_LARGEST,
        checksums={"sha256": digits} if digits else {},
    )
    return archive, ""


def _of_hub(choices: WeightsChoices) -> tuple[Archive, str]:
    if choices.given or choices.url:
        message = f"{choices.name} names where it lies; drop --from and --url"
        raise UsageError(message)
    return hub_archive(parse_address(choices.name), SUFFIXES)


def _taken(
    choices: WeightsChoices, published: PublishedWeights | None, fetched: FetchedArchive
) -> Checkpoint:
    """Read what came and see that it is what was asked for; what is not does not stay."""
    try:
        checkpoint = _read(fetched.path)
        build_from(checkpoint, str(fetched.path))
        if published is not None:
            checkpoint = _as_published(checkpoint, published, fetched.path)
        return checkpoint
    except DataError:
        if choices.given is None:
            fetched.path.unlink(missing_ok=True)
        raise


def _as_published(checkpoint: Checkpoint, published: PublishedWeights, path: Path) -> Checkpoint:
    """Return a checkpoint with the input size of what it was published as.

    Raises:
        DataError: it is of another task, size or number of classes.
    """
    spec, data = checkpoint.spec, DATASETS[published.dataset]
    found = (spec.task, spec.backbone, spec.size, len(spec.classes))
    if found != (published.task, published.backbone, published.size, len(data.classes)):
        message = (
            f"{path} holds {spec.network} for {spec.task} of {len(spec.classes)} classes, which "
            f"{published.name} is not ({published.network}, {published.task}, "
            f"{len(data.classes)} classes); give the right one"
        )
        raise DataError(message)
    return replace(checkpoint, spec=replace(spec, input_size=(published.side, published.side)))


def _read(path: Path, size: SizeName | None = None, *, partial: bool = False) -> Checkpoint:
    return read_weights(Request(path, size, tuple(DATASETS.values()), partial=partial))


def _begun_with(spec: ModelSpec) -> tuple[str, ...]:
    file = CLASSIFIER_FILES.get(spec.backbone) if spec.task == "classification" else None
    return file.users if file else ()


def _fitting(spec: ModelSpec, origin: dict[str, Any]) -> tuple[str, ...]:
    """Return the published weights that a file may be: its name, where it was fetched under one."""
    if origin.get("name") in ZOO:
        return (str(origin["name"]),)
    form = str(origin.get("form", ""))
    return tuple(
        one.name
        for one in ZOO.values()
        if (one.task, one.backbone, one.size, one.dataset)
        == (spec.task, spec.backbone, spec.size, spec.dataset)
        and (one.suffix == ".pdparams") == (form == "PaddlePaddle")
    )
