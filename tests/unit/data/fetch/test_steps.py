"""Every published set from the archives it comes in to its prepared form."""

import dataclasses
from pathlib import Path

import pytest

from tests.fakes.http_server import Page, Server
from tests.fakes.published import MAKE, PACK, republished
from tests.fakes.voc_context import make_voc_context, pack_voc_context
from tests.unit.data.fetch.conftest import QUICK, Watching, downloads
from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.fetch.plan import make_plan
from topformer_cli.data.fetch.request import FetchRequest
from topformer_cli.data.fetch.steps import fetch
from topformer_cli.data.store import PreparedSet
from topformer_cli.errors import DataError

COUNTS = {"train": 4, "val": 2}


def offered(
    server: Server, folder: Path, name: str, made: dict[str, int] = COUNTS
) -> tuple[FetchRequest, dict[str, Path]]:
    """Serve a small set in its exact format; return the request for it, and its archives."""
    root = MAKE[name](folder / "made", made["train"], made["val"])
    archives = PACK[name](root, folder / "archives")
    for archive, path in archives.items():
        server.put(archive, Page(path.read_bytes()))
    counts = {**COUNTS, "train": 3 * COUNTS["train"]} if name == "imagenet" else COUNTS
    request = FetchRequest(
        spec=republished(DATASETS[name], archives, server.url, counts),
        cache_dir=folder / "cache",
        accept_terms=True,
        patience=QUICK,
    )
    return request, archives


@pytest.mark.parametrize("name", DATASETS)
def test_every_set_is_prepared(server: Server, tmp_path: Path, name: str) -> None:
    request, archives = offered(server, tmp_path, name)
    registered = name == "imagenet"
    if registered:
        request = dataclasses.replace(request, given=(tmp_path / "archives",))
    watcher = Watching()
    fetched = fetch(request, watcher)
    assert fetched.card is not None
    assert fetched.card.counts == request.spec.counts
    assert fetched.card.partial is None
    assert fetched.warnings == ()
    assert fetched.source is None
    assert not request.tree.exists()
    assert watcher.steps[0] == ("verify" if registered else "download")
    assert watcher.steps[-1] == "prepare"
    used = {one.archive.name for one in fetched.archives}
    assert used == {one.name for one in request.spec.archives}
    assert registered or downloads(request) == sorted(used)
    assert all(archives[one].is_file() for one in used)
    prepared = PreparedSet.open(name, request.cache_dir)
    assert prepared.length("train") == request.spec.counts["train"]


def test_what_is_prepared_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    request, _ = offered(server, tmp_path, "ade20k")
    assert not make_plan(request).ready
    fetch(request)
    assert make_plan(request).ready
    assert not make_plan(dataclasses.replace(request, prepare=False)).ready
    assert not make_plan(dataclasses.replace(request, given=(tmp_path / "made",))).ready


def test_sets_share_their_archives(server: Server, tmp_path: Path) -> None:
    first, archives = offered(server, tmp_path, "pascal-context")
    spec = republished(DATASETS["pascal-context-59"], archives, server.url, COUNTS)
    fetch(first)
    asked = len(server.asked)
    fetched = fetch(dataclasses.replace(first, spec=spec))
    assert fetched.card is not None
    assert len(fetched.card.classes) == 59
    assert len(server.asked) == asked


def test_pascals_json_is_used_where_it_is_given(server: Server, tmp_path: Path) -> None:
    usual, archives = offered(server, tmp_path, "pascal-context")
    root = make_voc_context(tmp_path / "with JSON", 4, 2, form="json")
    archives |= pack_voc_context(root, tmp_path / "JSON's archives")
    for name, path in archives.items():
        server.put(name, Page(path.read_bytes()))
    spec = republished(DATASETS["pascal-context"], archives, server.url, COUNTS)
    given = (archives["trainval_merged.json"],)
    fetched = fetch(dataclasses.replace(usual, spec=spec, given=given))
    assert {one.path for one in server.asked} == {"/VOCtrainval_03-May-2010.tar"}
    assert fetched.card is not None
    assert fetched.card.counts == COUNTS


def test_an_unpacked_set_is_prepared_where_it_lies(server: Server, tmp_path: Path) -> None:
    request, _ = offered(server, tmp_path, "ade20k")
    (tmp_path / "link").symlink_to(tmp_path / "made")
    files = sorted((tmp_path / "made").rglob("*"))
    fetched = fetch(dataclasses.replace(request, given=(tmp_path / "link",)))
    assert fetched.card is not None
    assert fetched.card.counts == COUNTS
    assert sorted((tmp_path / "made").rglob("*")) == files
    assert server.asked == []


def test_a_tree_beside_some_of_its_archives_is_prepared(server: Server, tmp_path: Path) -> None:
    """As people have it who unpacked some archives and removed them."""
    request, archives = offered(server, tmp_path, "coco")
    (root,) = (path.parent for path in (tmp_path / "made").rglob("train2017"))
    archives["annotations_trainval2017.zip"].rename(root / "annotations_trainval2017.zip")
    fetched = fetch(dataclasses.replace(request, given=(root,)))
    assert fetched.source == root
    assert fetched.card is not None
    assert fetched.card.counts == COUNTS
    assert server.asked == []


def test_the_raw_tree_stays_where_that_is_asked_for(server: Server, tmp_path: Path) -> None:
    request, _ = offered(server, tmp_path, "ade20k")
    fetched = fetch(dataclasses.replace(request, keep_raw=True))
    assert fetched.source == request.tree
    assert (request.tree / "ADEChallengeData2016" / "images").is_dir()


def test_an_incomplete_set_keeps_what_was_fetched(server: Server, tmp_path: Path) -> None:
    made = {"train": 3, "val": 2}
    request, _ = offered(server, tmp_path, "ade20k", made)
    with pytest.raises(DataError, match=r"train has 3 of 4 images .* --allow-partial"):
        fetch(request)
    assert request.tree.is_dir()
    watcher = Watching()
    fetched = fetch(dataclasses.replace(request, allow_partial=True), watcher)
    assert watcher.steps == ["prepare"]
    assert fetched.card is not None
    assert fetched.card.counts == made
    assert len(server.asked) == 1


def test_an_unverified_archive_is_written_on_the_card(server: Server, tmp_path: Path) -> None:
    request, _ = offered(server, tmp_path, "ade20k")
    archive = dataclasses.replace(request.spec.archives[0], checksums={"md5": "00"})
    spec = dataclasses.replace(request.spec, archives=(archive,))
    fetched = fetch(dataclasses.replace(request, spec=spec, unverified=True))
    assert fetched.card is not None
    (warning,) = fetched.warnings
    assert "is not the published archive" in warning
    assert warning in fetched.card.warnings
