"""What the user has already is found, verified and used where it lies."""

import dataclasses
from pathlib import Path

import pytest

from tests.fakes.http_server import Page, Server
from tests.unit.data.fetch.conftest import (
    MakeRequest,
    Watching,
    a_zip,
    archive_of,
    contents,
    spec_of,
    unpublished,
    zip_bytes,
)
from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.fetch.plan import make_plan
from topformer_cli.data.fetch.request import FetchRequest
from topformer_cli.data.fetch.steps import fetch
from topformer_cli.errors import DataError, UsageError

DATA = a_zip()
MORE = zip_bytes({"more/three.bin": b"three" * 1000})
FILES = {"set/one.bin", "set/two.bin"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "meine Daten 二"
    place.mkdir()
    return place


def test_a_file_is_used_where_it_lies(asked_for: MakeRequest, folder: Path) -> None:
    path = folder / "set.zip"
    path.write_bytes(DATA)
    before = path.stat()
    request = asked_for(archive_of(DATA), given=(path,))
    watcher = Watching()
    fetched = fetch(request, watcher)
    assert contents(request.tree).keys() == FILES
    assert path.stat() == before
    assert [one.name for one in request.downloads.iterdir() if one.suffix == ".zip"] == []
    assert fetched.archives[0].path == path
    assert watcher.steps == ["verify", "unpack"]


def test_a_file_is_read_only_once(asked_for: MakeRequest, folder: Path) -> None:
    path = folder / "set.zip"
    path.write_bytes(DATA)
    request = asked_for(archive_of(DATA), given=(path,))
    fetch(request)
    watcher = Watching()
    fetch(request, watcher)
    assert watcher.steps == []


def test_a_folder_of_archives_is_completed_by_download(
    server: Server, asked_for: MakeRequest, folder: Path
) -> None:
    (folder / "set.zip").write_bytes(DATA)
    (folder / "notes.txt").write_text("mine")
    url = server.put("more.zip", Page(MORE))
    request = asked_for(archive_of(DATA), archive_of(MORE, url, name="more.zip"), given=(folder,))
    fetch(request)
    assert contents(request.tree).keys() == {*FILES, "more/three.bin"}
    assert [one.path for one in server.asked] == ["/more.zip"]


def test_several_places(asked_for: MakeRequest, folder: Path) -> None:
    one, two = folder / "set.zip", folder / "more.zip"
    one.write_bytes(DATA)
    two.write_bytes(MORE)
    request = asked_for(
        archive_of(DATA), archive_of(MORE, name="more.zip"), given=(one, two, folder)
    )
    fetch(request)
    assert contents(request.tree).keys() == {*FILES, "more/three.bin"}


@pytest.mark.parametrize("name", ["set (1).zip", "SET.ZIP", "download"])
def test_another_name_is_recognised_by_size_and_checksum(
    asked_for: MakeRequest, folder: Path, name: str
) -> None:
    (folder / name).write_bytes(DATA)
    for given in (folder, folder / name):
        request = asked_for(archive_of(DATA), given=(given,))
        fetch(request)
        assert contents(request.tree).keys() == FILES


def test_links_are_followed(asked_for: MakeRequest, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(DATA)
    (folder / "set.zip").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "link").symlink_to(folder)
    request = asked_for(archive_of(DATA), given=(tmp_path / "link",))
    fetch(request)
    assert contents(request.tree).keys() == FILES


def test_a_file_of_another_name_and_size_is_refused(asked_for: MakeRequest, folder: Path) -> None:
    path = folder / "holiday.zip"
    path.write_bytes(MORE)
    archives = archive_of(DATA), unpublished(archive_of(MORE, name="more.zip"))
    with pytest.raises(DataError) as caught:
        make_plan(asked_for(*archives, given=(path,)))
    assert str(caught.value) == (
        f"--from {path} is none of the archives of ade20k, by name or by size: set.zip "
        f"({len(DATA)} bytes), more.zip; rename it if it is one"
    )


def test_a_wrong_file_of_the_right_name_is_refused_and_kept(
    asked_for: MakeRequest, folder: Path
) -> None:
    path = folder / "set.zip"
    path.write_bytes(MORE)
    request = asked_for(archive_of(DATA), given=(path,))
    with pytest.raises(DataError) as caught:
        fetch(request)
    assert f"{path} is not the published set.zip: it has {len(MORE)} bytes" in str(caught.value)
    assert "give the right one, or take it as it is with --unverified" in str(caught.value)
    assert path.read_bytes() == MORE
    fetched = fetch(dataclasses.replace(request, unverified=True))
    assert contents(request.tree).keys() == {"more/three.bin"}
    assert fetched.warnings


def test_an_unpacked_set_is_only_prepared(asked_for: MakeRequest, folder: Path) -> None:
    (folder / "images").mkdir()
    request = asked_for(archive_of(DATA), given=(folder,))
    plan = make_plan(request)
    assert plan.tree == folder
    assert plan.needed == 0
    assert fetch(request).source == folder
    assert not request.tree.exists()


def test_two_unpacked_folders_do_not_go_together(asked_for: MakeRequest, folder: Path) -> None:
    (folder / "a").mkdir()
    (folder / "b").mkdir()
    (folder / "set.zip").write_bytes(DATA)
    for given in ((folder / "a", folder / "b"), (folder / "a", folder / "set.zip")):
        with pytest.raises(DataError, match="holds no archive of ade20k"):
            make_plan(asked_for(archive_of(DATA), given=given))


def test_one_archive_given_twice_is_refused(asked_for: MakeRequest, folder: Path) -> None:
    (folder / "a").mkdir()
    for place in (folder, folder / "a"):
        (place / "set.zip").write_bytes(DATA)
    with pytest.raises(DataError, match=r"--from names set\.zip twice"):
        make_plan(asked_for(archive_of(DATA), given=(folder, folder / "a")))


def request_for(name: str, tmp_path: Path, *given: Path) -> FetchRequest:
    return FetchRequest(spec=DATASETS[name], cache_dir=tmp_path / "cache", given=given)


def test_a_set_behind_a_registration_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        make_plan(request_for("imagenet", tmp_path))
    message = str(caught.value)
    assert "is not to be had without registration: register at " in message
    assert "ILSVRC2012_img_val.tar (6744924160 bytes), ILSVRC2012_devkit_t12.tar.gz" in message
    assert message.endswith("topformer data fetch imagenet --from FOLDER")


def test_the_missing_ones_of_a_registration_are_named(tmp_path: Path, folder: Path) -> None:
    (folder / "ILSVRC2012_devkit_t12.tar.gz").write_bytes(b"x")
    with pytest.raises(DataError) as caught:
        make_plan(request_for("imagenet", tmp_path, folder))
    assert "devkit" not in str(caught.value)


def test_pascal_contexts_json_is_taken_in_place_of_the_masks(tmp_path: Path, folder: Path) -> None:
    usual = make_plan(request_for("pascal-context", tmp_path))
    assert [one.archive.name for one in usual.archives] == [
        "VOCtrainval_03-May-2010.tar", "trainval.tar.gz",
    ]  # fmt: skip
    (folder / "trainval_merged.json").write_text("{}")
    plan = make_plan(request_for("pascal-context", tmp_path, folder))
    assert [(one.archive.name, one.state) for one in plan.archives] == [
        ("VOCtrainval_03-May-2010.tar", "absent"), ("trainval_merged.json", "yours"),
    ]  # fmt: skip


def test_a_plan_counts_what_is_left(server: Server, asked_for: MakeRequest, folder: Path) -> None:
    (folder / "more.zip").write_bytes(MORE)
    url = server.put("set.zip", Page(DATA))
    rounded = dataclasses.replace(
        unpublished(archive_of(DATA, url, name="third.zip")), about=1_000_000
    )
    request = asked_for(
        archive_of(DATA, url), archive_of(MORE, name="more.zip"), rounded, given=(folder,)
    )
    plan = make_plan(request)
    assert [one.state for one in plan.archives] == ["absent", "yours", "absent"]
    assert plan.download == len(DATA) + 1_000_000
    assert plan.unpacking == 30_000_000
    assert plan.preparing == 0
    assert plan.needed == plan.download + plan.unpacking
    assert plan.archives[0].host == url.split("/")[2]
    whole = make_plan(dataclasses.replace(request, prepare=True))
    assert whole.preparing == len(DATA) + len(MORE) + 1_000_000


def test_mirrors_come_first(server: Server, asked_for: MakeRequest) -> None:
    mirror = server.put("a/set 1.zip", Page(DATA)).rpartition("/")[0]
    published = server.put("b/set 1.zip", Page(DATA))
    archive = archive_of(DATA, published, name="set 1.zip")
    request = asked_for(archive, mirrors=(f"{mirror}/",))
    assert make_plan(request).archives[0].sources == (f"{mirror}/set%201.zip", published)
    fetch(request)
    assert [one.path for one in server.asked] == ["/a/set 1.zip"]


@pytest.mark.parametrize("mirror", ["ftp://host/x", "/folder", "host/folder", "http://", ""])
def test_a_mirror_that_is_no_address_is_refused(tmp_path: Path, mirror: str) -> None:
    request = dataclasses.replace(request_for("ade20k", tmp_path), mirrors=(mirror,))
    with pytest.raises(UsageError, match="is no address"):
        make_plan(request)


def test_a_mirror_may_have_what_needs_a_registration(
    server: Server, asked_for: MakeRequest
) -> None:
    server.put("set.zip", Page(DATA))
    request = asked_for(archive_of(DATA), mirrors=(server.url,))
    assert request.spec == spec_of(archive_of(DATA))
    fetch(request)
    assert contents(request.tree).keys() == FILES
