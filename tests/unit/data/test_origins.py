"""Addresses that lead to no prepared set, or to one that wants to lead elsewhere."""

import importlib.util
import json
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.http_server import Act, Server, serving
from tests.fakes.pictures import make_custom
from tests.fakes.served_set import publish
from topformer_cli.data.card import prepared_path
from topformer_cli.data.origins import UnreachableError
from topformer_cli.data.prepare import prepare
from topformer_cli.data.shards import STATE_NAME
from topformer_cli.data.store import PreparedSet
from topformer_cli.errors import DataError, UsageError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared set."""
    request = make_custom(tmp_path_factory.mktemp("origins"), 3, 2)
    prepare(request)
    return prepared_path(request.cache_dir, "tiny-set")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "own-cache"


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of this machine stands between."""
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.mark.parametrize(
    ("url", "kind", "words"),
    [
        ("memory://nothing/here", DataError, "has no card.json; give the address of a prepared"),
        ("s3://bucket/set", DataError, "s3:// needs a package; type: pip install s3fs"),
        ("gs://bucket/set", DataError, "gs:// needs a package; type: pip install gcsfs"),
        ("sftp://host/set", DataError, "sftp:// needs a package; type: pip install paramiko"),
        ("warp://bucket/set", UsageError, "no file system is known for warp://"),
        ("https://me:secret@host/set", UsageError, "leave passwords and signatures out"),
        ("https://host/set?token=secret", UsageError, "leave passwords and signatures out"),
        ("http://127.0.0.1:1/set", UnreachableError, r"cannot be reached \(Connection refused\)"),
        ("http://no-such-host.invalid/set", UnreachableError, "cannot be reached"),
        ("http://", UnreachableError, "cannot be reached"),
        ("s3://", DataError, "s3:// needs a package"),
        ("file:///nowhere/at/all", DataError, "/nowhere/at/all is not a prepared set"),
    ],
)
def test_wrong_addresses_are_told_in_one_line(
    cache: Path, url: str, kind: type[Exception], words: str
) -> None:
    package = words.rpartition(" ")[2]
    if "pip install" in words and importlib.util.find_spec(package):
        pytest.skip(f"{package} is installed")
    with pytest.raises(kind, match=words) as caught:
        PreparedSet.open(url, cache)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert not cache.exists()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, "has no card.json"),
        (403, "may not be read; check your credentials for 127.0.0.1"),
        (401, "may not be read"),
        (500, r"cannot be reached \(500 Internal Server Error\)"),
    ],
)
def test_what_a_server_refuses(
    server: Server, folder: Path, cache: Path, status: int, words: str
) -> None:
    url = publish(server, folder)
    server.pages["/sets/tiny/card.json"].script = deque([Act(status=status)])
    with pytest.raises(DataError, match=words) as caught:
        PreparedSet.open(url, cache)
    assert "\n" not in str(caught.value)
    assert not cache.exists()


def test_a_page_in_place_of_the_card(server: Server, folder: Path, cache: Path) -> None:
    url = publish(server, folder)
    server.pages["/sets/tiny/card.json"].change(b"<html>please log in</html>")
    with pytest.raises(DataError, match=r"card\.json is damaged"):
        PreparedSet.open(url, cache)


@pytest.mark.parametrize("name", ["../../../escaped.arrow", "/tmp/escaped.arrow", "card.json", 7])
def test_a_list_leads_nowhere_else(
    server: Server, folder: Path, cache: Path, name: str | int
) -> None:
    url = publish(server, folder)
    state = json.loads((folder / "train" / STATE_NAME).read_text())
    state["_data_files"][0]["filename"] = name
    server.pages[f"/sets/tiny/train/{STATE_NAME}"].change(json.dumps(state).encode())
    with pytest.raises(DataError, match="is damaged"):
        PreparedSet.open(url, cache)
    assert not cache.exists()


def test_a_split_leads_nowhere_else(server: Server, folder: Path, cache: Path) -> None:
    url = publish(server, folder)
    card = json.loads((folder / "card.json").read_text())
    card["splits"]["../../up"] = card["splits"].pop("val")
    server.pages["/sets/tiny/card.json"].change(json.dumps(card).encode())
    with pytest.raises(DataError, match="is no split's name"):
        PreparedSet.open(url, cache)
