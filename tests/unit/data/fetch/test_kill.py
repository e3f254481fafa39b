"""kill -9 at any moment: nothing lost, nothing half taken for whole."""

import dataclasses
import json
import multiprocessing
import os
import shutil
import signal
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.ade20k import make_ade20k
from tests.fakes.archives import pack
from tests.fakes.http_server import Page, Server
from tests.unit.data.fetch.conftest import QUICK, archive_of, contents
from topformer_cli.data.datasets import ade20k
from topformer_cli.data.fetch.part import Part
from topformer_cli.data.fetch.request import FetchRequest
from topformer_cli.data.fetch.steps import fetch
from topformer_cli.data.store import PreparedSet

COUNTS = {"train": 120, "val": 20}
SECONDS = 0.5
"""How long the throttled server takes for the whole archive."""


@dataclasses.dataclass(frozen=True)
class World:
    """The request, what its archive holds, and what an undisturbed fetch made of it."""

    request: FetchRequest
    data: bytes
    tree: dict[str, bytes]
    fingerprint: str

    @property
    def whole(self) -> Path:
        return self.request.downloads / "ADEChallengeData2016.zip"

    def look(self) -> str:
        """Return how far a killed fetch had come, after a look at everything it left."""
        part = Part(self.whole)
        if self.whole.exists():
            assert self.whole.read_bytes() == self.data
        if part.path.exists():
            kept = part.path.read_bytes()
            assert self.data.startswith(kept)
            origin = part.origin()
            assert origin is not None
            assert origin.total == len(self.data)
        ledger = self.request.downloads / "ledger.json"
        if ledger.exists():
            json.loads(ledger.read_text())
        if self.request.tree.exists():
            assert contents(self.request.tree) == self.tree
        return self._stage(part)

    def _stage(self, part: Part) -> str:
        data = self.request.cache_dir / "data"
        stages = {
            "prepared": (data / "ade20k").exists(),
            "preparing": self.request.tree.exists(),
            "unpacking": self.request.tree.with_name("ade20k.partial").exists(),
            "verified": self.whole.exists(),
            "verifying": part.size == len(self.data),
            "downloading": part.size > 0,
        }
        if stages["prepared"]:
            card = PreparedSet.open("ade20k", self.request.cache_dir).card
            assert card.fingerprint == self.fingerprint
        return next((stage for stage, reached in stages.items() if reached), "starting")


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("packed")
    root = make_ade20k(folder, COUNTS["train"], COUNTS["val"])
    return pack(folder / "ADEChallengeData2016.zip", {root.name: root}).read_bytes()


@pytest.fixture
def world(packed: bytes, server: Server, tmp_path: Path) -> World:
    page = Page(packed)
    url = server.put("ADEChallengeData2016.zip", page)
    archive = archive_of(packed, url, name="ADEChallengeData2016.zip")
    spec = dataclasses.replace(
        ade20k.SPEC, counts=COUNTS, archives=(dataclasses.replace(archive, unpacked=50_000_000),)
    )
    request = FetchRequest(
        spec=spec, cache_dir=tmp_path / "undisturbed", accept_terms=True, patience=QUICK
    )
    fetched = fetch(dataclasses.replace(request, keep_raw=True))
    assert fetched.card is not None
    assert fetched.source is not None
    page.rate = len(packed) / SECONDS
    request = dataclasses.replace(request, cache_dir=tmp_path / "cache")
    return World(request, packed, contents(fetched.source), fetched.card.fingerprint)


def run(request: FetchRequest) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    fetch(request)


@pytest.mark.parametrize("kills", [8, pytest.param(150, marks=pytest.mark.slow)])
def test_survives_being_killed_at_random_moments(
    world: World, kills: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed again and again, a fetch comes to its end; then, or by chance, one begins anew."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["topformer_cli.data.fetch.steps", "topformer_cli.data.prepare", "datasets"]
    )
    first = context.Process(target=int)  # the server's imports are no part of a fetch
    first.start()
    first.join()
    rng = np.random.default_rng(kills)
    stages: Counter[str] = Counter()
    killed = ended = 0
    while killed < kills:
        process = context.Process(target=run, args=(world.request,))
        process.start()
        process.join(rng.exponential(0.5))
        process.kill()
        process.join()
        stage = world.look()
        if process.exitcode == -signal.SIGKILL:
            stages[stage] += 1
            killed += 1
        else:
            assert process.exitcode == 0
            assert stage == "prepared"
            ended += 1
        if stage == "prepared" or rng.random() < 0.1:
            shutil.rmtree(world.request.cache_dir, ignore_errors=True)
    with capsys.disabled():
        sys.stdout.write(f"\n{killed} kills, {ended} fetches ended before theirs: {dict(stages)}\n")
    fetched = fetch(world.request)
    assert fetched.card is not None
    assert fetched.card.fingerprint == world.fingerprint
    assert world.whole.read_bytes() == world.data
    left = sorted(path.name for path in world.request.downloads.iterdir() if path.suffix != ".lock")
    assert left == ["ADEChallengeData2016.zip", "ledger.json"]
    raw = [path.name for path in world.request.tree.parent.iterdir()]
    assert raw == [".ade20k.lock"]
