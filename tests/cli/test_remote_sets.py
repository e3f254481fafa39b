"""A prepared set behind a URL, or in a folder, stands where a set's name stands."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Road
from tests.fakes.http_server import Server, serving
from tests.fakes.served_set import publish
from topformer_cli.recipe import load_resolved


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of this machine stands between."""
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def away(road: Road, tmp_path: Path) -> Road:
    """A road whose cache is empty, beside a prepared set."""
    shutil.copytree(road.cache / "data/little", tmp_path / "sets/mine")
    return Road(tmp_path)


def test_the_road_by_url(server: Server, away: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    url = publish(server, away.folder / "sets/mine")
    info = away.data("info", url, "--json")
    assert (info.code, info.record["name"]) == (0, "little"), info.err
    monkeypatch.chdir(away.folder)
    shown = away.data("show", url, "--count", "2")
    assert shown.code == 0, shown.err
    assert Path(shown.out.split()[0]).is_file()
    checked = away.data("check", url)
    assert checked.code == 0, checked.err
    trained = away.train(url, "--size", "tiny")
    assert trained.code == 0, trained.err
    assert away.latest.name == "little-tiny-001"
    recipe = load_resolved(away.latest / "recipe.yaml")
    assert (recipe.name, recipe.dataset) == ("little", url)
    server.pages.clear()
    server.shutdown()
    server.server_close()
    evaluated = away.run("eval", "--json")
    assert evaluated.code == 0, evaluated.err
    assert evaluated.record["dataset"] == "little"


def test_a_set_in_a_folder_stays_reachable(away: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(away.folder)
    done = away.train("sets/mine", "--size", "tiny")
    assert done.code == 0, done.err
    assert load_resolved(away.latest / "recipe.yaml").dataset == "sets/mine"
    assert away.latest.name == "little-tiny-001"
    assert away.run("eval").code == 0


def test_a_url_in_place_of_the_models_own_set(server: Server, road: Road, away: Road) -> None:
    url = publish(server, away.folder / "sets/mine")
    done = road.run("eval", "--dataset", url, "--json")
    assert done.code == 0, done.err
    assert done.record["dataset"] == "little"


def test_a_url_in_an_override(server: Server, road: Road, away: Road) -> None:
    url = publish(server, away.folder / "sets/mine")
    done = road.train("little", "--size", "tiny", "-o", f"dataset={url}", "--dry-run")
    assert done.code == 0, done.err
    assert "name: tiny\n" in done.out
    assert f"dataset: {url}\n" in done.out


@pytest.mark.parametrize(
    ("place", "code", "words"),
    [
        ("http://127.0.0.1:1/set", 3, "cannot be reached (Connection refused)"),
        ("memory://no/such/set", 3, "has no card.json"),
        ("warp://drive/set", 2, "no file system is known for warp://"),
        ("sets/yours", 3, "sets/yours is not a prepared set"),
        ("litle", 2, "did you mean 'little'?"),
    ],
)
@pytest.mark.parametrize("command", [("train",), ("data", "info"), ("data", "show")])
def test_what_is_no_set(
    road: Road, command: tuple[str, ...], place: str, code: int, words: str
) -> None:
    done = road.run(*command, place, work_dir=command == ("train",))
    if place == "litle" and command != ("train",):
        code = 3
    assert (done.code, words in done.err) == (code, True), done.err
    assert len(done.err.strip().splitlines()) <= 2
    assert "Traceback" not in done.err
