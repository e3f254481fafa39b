"""`topformer weights` and `--weights`, over loopback, as people type it; and wrong files."""

import json
import os
import pickle
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import resnet18

from tests.cli.conftest import Ran, Road, prepared_road, run_cli
from tests.fakes.http_server import Act, Page, Server, serving
from tests.fakes.official import save_official
from tests.fakes.paddle_seg import save_pdparams
from tests.unit.models.conftest import make_lively, make_spec
from topformer_cli.models.build import build_model
from topformer_cli.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from topformer_cli.models.zoo import ZOO

NAME = "paddleseg-tiny"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of tiny for 150 classes, as PaddleSeg, the authors and this program write them."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(3)
    spec = make_spec(classes=150)
    weights = make_lively(build_model(spec)).state_dict()
    save_pdparams(folder / "model.pdparams", weights)
    save_official(folder / "theirs.pth", weights)
    save_checkpoint(folder / "ours.safetensors", Checkpoint(spec, weights, {}))
    return folder


@pytest.fixture(scope="module")
def little(tmp_path_factory: pytest.TempPathFactory) -> Road:
    return prepared_road(tmp_path_factory.mktemp("little"))


@pytest.fixture
def server(files: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serve PaddleSeg's file, and let the table say that this is its address."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with serving() as one:
        url = one.put("model.pdparams", Page((files / "model.pdparams").read_bytes()))
        monkeypatch.setitem(ZOO, NAME, replace(ZOO[NAME], url=url))
        monkeypatch.setenv("HF_ENDPOINT", one.url)
        yield one


def weights(*words: str | Path) -> Ran:
    return run_cli("weights", *words)


def last_line(done: Ran, code: int) -> str:
    """The one line that a command was refused with."""
    lines = [line for line in done.err.splitlines() if line.startswith("topformer: ")]
    assert (done.code, done.out, len(lines)) == (code, "", 1), done.err
    assert lines[0] == done.err.splitlines()[-1]
    return lines[0]


def test_published_weights_are_listed(own_cache: Path) -> None:
    done = weights("list")
    rows = {line.split()[0]: line.split() for line in done.out.splitlines() if "x" in line}
    assert rows.keys() >= ZOO.keys()
    assert rows["paddleseg-base"][1:] == ["ade20k", "512x512", "38.28", "mIoU", "fetch", "no"]
    assert rows["authors-base-4x8"][3:] == ["39.2", "mIoU", "--from", "FILE", "no"]
    record = {one["name"]: one for one in weights("list", "--json").record["weights"]}
    assert record["paddleseg-base"]["kept"] is None
    assert not own_cache.exists()


def test_a_fetch_goes_on_where_it_broke_off_and_is_kept(server: Server, own_cache: Path) -> None:
    server.pages["/model.pdparams"].script = deque([Act(cut=1 << 20, reset=True)])
    done = weights("fetch", NAME)
    assert done.code == 0, done.err
    assert server.ranges()[0] is None
    assert str(server.ranges()[1]).startswith("bytes=")
    assert "nobody published a checksum; from now on it must have the sha256" in done.err
    assert "376 tensors matched, none missing, none unexpected" in done.out
    kept = load_checkpoint(own_cache / "weights" / f"{NAME}.safetensors")
    assert (kept.spec.size, kept.spec.dataset, kept.spec.input_size) == (
        "tiny", "ade20k", (512, 512),
    )  # fmt: skip
    assert kept.spec.classes[2] == "sky"
    assert kept.origin["scored"] == "32.49 mIoU on ade20k, as PaddleSeg reports; not measured here"
    asked = len(server.asked)
    again = weights("fetch", NAME)
    assert (again.code, again.out, len(server.asked)) == (0, done.out, asked)
    assert weights("info", NAME).out == done.out
    assert [line for line in weights("list").out.splitlines() if line.strip().endswith("yes")]


@pytest.mark.usefixtures("server")
def test_another_content_than_the_first_is_refused(own_cache: Path, tmp_path: Path) -> None:
    assert weights("fetch", NAME).code == 0
    (own_cache / "weights" / f"{NAME}.safetensors").unlink()
    other = make_lively(build_model(make_spec(classes=150))).state_dict()
    path = save_pdparams(tmp_path / "other.pdparams", other)
    line = last_line(weights("fetch", NAME, "--from", path), 3)
    assert "is not the published paddleseg-tiny.pdparams" in line
    assert list((own_cache / "weights").iterdir()) == []
    assert weights("fetch", NAME, "--from", path, "--unverified").code == 0
    assert "if the file is its publisher's own" in weights("info", NAME).out


@pytest.mark.usefixtures("server")
def test_a_name_is_taken_in_place_of_a_file(tmp_path: Path, little: Road) -> None:
    target = tmp_path / "out.png"
    done = run_cli("segment", little.image, "-o", target, "--weights", NAME)
    assert done.code == 0, done.err
    assert target.is_file()
    assert f"{NAME}.safetensors: 376 tensors matched, none missing" in done.err
    elsewhere = run_cli("weights", "info", NAME, "--cache-dir", tmp_path / "cache")
    assert (tmp_path / "cache" / "weights" / f"{NAME}.safetensors").is_file(), elsewhere.err


def test_what_only_people_can_fetch(files: Path, own_cache: Path) -> None:
    line = last_line(weights("fetch", "authors-tiny-448-2x8"), 3)
    assert "download it with a browser from https://drive.google.com/" in line
    assert "topformer weights fetch authors-tiny-448-2x8 --from FILE" in line
    wrong = last_line(weights("fetch", "authors-base-2x8", "--from", files / "theirs.pth"), 3)
    assert "holds TopFormer-tiny for segmentation of 150 classes" in wrong
    assert not (own_cache / "weights").exists()
    done = weights("fetch", "authors-tiny-448-2x8", "--from", files / "theirs.pth", "--json")
    assert done.record["card"]["input_size"] == [448, 448]
    assert done.record["verified"] == "first use"
    # One file cannot be two of the published ones.
    twice = last_line(weights("fetch", "authors-tiny-2x8", "--from", files / "theirs.pth"), 3)
    assert "this very file is kept as authors-tiny-448-2x8 already" in twice
    assert [path.stem for path in (own_cache / "weights").glob("*.safetensors")] == [
        "authors-tiny-448-2x8"
    ]
    assert "did you mean 'authors-base-2x8'?" in last_line(weights("info", "authors-bse-2x8"), 2)


class Hostile:
    """What a file would have run when it is read."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch '{self.marker}'",)


def test_a_hostile_or_wrong_download_does_not_stay(
    server: Server, own_cache: Path, tmp_path: Path
) -> None:
    marker, page = tmp_path / "it ran", server.pages["/model.pdparams"]
    good = page.data
    base = build_model(make_spec("small", 150)).state_dict()
    for content, words in (
        (pickle.dumps({"a": Hostile(marker)}), "asks for posix.system, which weights have no use"),
        (good[: len(good) // 2], "is damaged, or no pickle of plain arrays"),
        (save_pdparams(tmp_path / "small", base).read_bytes(), "holds TopFormer-small for segm"),
        (b"<html>sorry</html>", "a web page in place of the file"),
    ):
        page.change(content)
        assert words in last_line(weights("fetch", NAME), 3)
        left = {path.name for path in own_cache.rglob("*.pdparams")}
        assert left == set()
        assert not (own_cache / "weights").exists()
    assert not marker.exists()
    page.change(good)
    assert weights("fetch", NAME).code == 0


def on_the_hub(server: Server, path: Path, digest: str, *others: str, at: str = "some/net") -> None:
    """Serve a file as the hub does."""
    data = path.read_bytes()
    large = {"sha256": digest, "size": len(data)}
    siblings = [{"rfilename": path.name, "size": len(data), "lfs": large}]
    siblings += [{"rfilename": name, "size": 1} for name in others]
    record = {"sha": "0123456789abcdef", "siblings": siblings}
    page = Page(json.dumps(record).encode(), kind="application/json")
    server.put(f"api/models/{at}/revision/main", page)
    server.put(f"{at}/resolve/0123456789abcdef/{path.name}", Page(data))


@pytest.mark.parametrize("name", ["theirs.pth", "ours.safetensors", "model.pdparams"])
def test_files_of_the_hub(server: Server, files: Path, own_cache: Path, name: str) -> None:
    digest = sha256((files / name).read_bytes()).hexdigest()
    on_the_hub(server, files / name, digest, "README.md")
    record = weights("info", "hf://some/net", "--json").record
    assert record["path"] == str(own_cache / "weights" / "hf--some--net.safetensors")
    assert (record["network"], record["complete"]) == ("TopFormer-tiny", True)
    assert record["origin"]["revision"] == "0123456789abcdef"
    asked = len(server.asked)
    assert weights("info", "hf://some/net").code == 0
    assert len(server.asked) == asked
    assert weights("fetch", f"hf://some/net/{name}").code == 0


def test_what_the_hub_does_not_have(server: Server, files: Path, own_cache: Path) -> None:
    path = files / "theirs.pth"
    on_the_hub(server, path, "0" * 64, "other.pth")
    assert "no such public repository" in last_line(weights("fetch", "hf://no/body"), 3)
    line = last_line(weights("fetch", "hf://some/net"), 3)
    assert "has several weights files (other.pth, theirs.pth); name one: hf://some/net/F" in line
    line = last_line(weights("fetch", "hf://some/net/gone.pth"), 3)
    assert "has no gone.pth; it has other.pth, theirs.pth" in line
    line = last_line(weights("fetch", "hf://some/net/theirs.pth"), 3)
    assert "sha256" in line
    assert not (own_cache / "weights").exists()
    for address in (
        "hf://",
        "hf://some",
        "hf://some/net/../x",
        "hf://some/net?x",
        "hf://some/net@/x",
    ):
        assert "is no address; give hf://OWNER/REPO" in last_line(weights("fetch", address), 2)
    assert "names no published weights" in last_line(weights("fetch", "paddleseg-bose"), 2)
    assert "drop --from" in last_line(weights("fetch", "hf://some/net", "--from", path), 2)


def wrong_files(folder: Path, files: Path, marker: Path) -> dict[str, str]:
    """Write files that are wrong; return what each is told."""
    torch.save({"state_dict": {}, "meta": Hostile(marker)}, folder / "hostile.pth")
    (folder / "bare.pth").write_bytes(pickle.dumps(Hostile(marker)))
    (folder / "hostile.pdparams").write_bytes(pickle.dumps({"a": Hostile(marker)}, 4))
    torch.save(resnet18(num_classes=2).state_dict(), folder / "resnet.pth")
    save_file({"fc.weight": torch.zeros(2, 2)}, folder / "other.safetensors")
    (folder / "header.safetensors").write_bytes((1 << 62).to_bytes(8, "little") + b"{}")
    ours = (files / "ours.safetensors").read_bytes()
    (folder / "cut.safetensors").write_bytes(ours[:-100])
    (folder / "false.safetensors").write_bytes(ours.replace(b'"F32"', b'"F64"', 1))
    (folder / "flipped.safetensors").write_bytes(ours[:-1] + bytes([ours[-1] ^ 1]))
    theirs = (files / "theirs.pth").read_bytes()
    (folder / "cut.pth").write_bytes(theirs[: len(theirs) // 2])
    paddle = (files / "model.pdparams").read_bytes()
    (folder / "cut.pdparams").write_bytes(paddle[: len(paddle) // 2])
    for suffix in ("pth", "pdparams", "safetensors"):
        (folder / f"empty.{suffix}").touch()
    return {
        "hostile.pth": "asks for posix.system, which weights have no use for: nothing of it was",
        "bare.pth": "is damaged, or no checkpoint of plain tensors",
        "hostile.pdparams": "asks for posix.system",
        "resnet.pth": "holds no TopFormer weights",
        "other.safetensors": "holds no TopFormer weights",
        "header.safetensors": "is not a readable checkpoint",
        "cut.safetensors": "is not a readable checkpoint",
        "false.safetensors": "is not a readable checkpoint",
        "flipped.safetensors": "is damaged: its weights are not those written",
        "cut.pth": "is damaged, or no checkpoint of plain tensors",
        "cut.pdparams": "is damaged, or no pickle of plain arrays",
        "empty.pth": "is empty",
        "empty.pdparams": "is empty",
        "empty.safetensors": "is empty",
    }


def test_wrong_files_are_refused_in_a_line_and_nothing_is_run(
    files: Path, tmp_path: Path, little: Road
) -> None:
    marker, target = tmp_path / "it ran", tmp_path / "out.safetensors"
    for name, words in wrong_files(tmp_path, files, marker).items():
        path = tmp_path / name
        for command in (
            ("weights", "info", path),
            ("weights", "convert", path, target),
            ("segment", little.image, "--weights", path),
            ("train", "little", "--weights", path, "--cache-dir", little.cache),
        ):
            line = last_line(run_cli(*command), 3)
            assert line.startswith(f"topformer: {path}")
            assert words in line, name
    assert not marker.exists()
    assert not target.exists()
    for path, words in (
        (tmp_path, "is a directory"),
        (tmp_path / "gone.pth", "is neither a weights file nor a name"),
    ):
        done = run_cli("weights", "info", path)
        assert (done.code, words in done.err) == (2, True)


def test_another_size_is_refused(files: Path) -> None:
    path = files / "model.pdparams"
    line = last_line(weights("info", path, "--size", "base"), 3)
    assert line.endswith("holds TopFormer-tiny, not base; use --size tiny")


def test_a_file_becomes_a_checkpoint(files: Path, tmp_path: Path) -> None:
    target = tmp_path / "mine.safetensors"
    done = weights("convert", files / "theirs.pth", target, "--json")
    assert (done.code, done.record["card"]["dataset"]) == (0, "ade20k")
    assert "authors-tiny-2x8" in done.record["may_be"]
    made, given = load_checkpoint(target), load_checkpoint(files / "ours.safetensors")
    assert all(torch.equal(made.weights[name], one) for name, one in given.weights.items())
    assert "is there already" in last_line(weights("convert", files / "theirs.pth", target), 2)
    line = last_line(weights("convert", files / "theirs.pth", tmp_path / "mine.pth"), 2)
    assert "checkpoints are called NAME.safetensors" in line
    part = torch.load(files / "theirs.pth", weights_only=True)
    part["state_dict"].pop("decode_head.conv_seg.bias")
    torch.save(part, tmp_path / "part.pth")
    line = last_line(weights("convert", tmp_path / "part.pth", tmp_path / "part.safetensors"), 3)
    assert "1 missing (head.classify.bias)" in line
    assert "get the whole file" in line
    assert not (tmp_path / "part.safetensors").exists()


def test_other_classes_are_learnt_anew_when_asked(
    files: Path, tmp_path: Path, little: Road
) -> None:
    words = (
        "train", "little", "--size", "tiny", "--weights", files / "model.pdparams",
        "--cache-dir", little.cache, "--work-dir", tmp_path, "-o", "batch=2", "-o",
        "augment.crop=[64,64]", "-o", "schedule.iterations=1", "-o", "schedule.warmup=1",
    )  # fmt: skip
    line = last_line(run_cli(*words), 3)
    assert "has 150 classes, little has" in line
    assert "--reset-head drops it" in line
    done = run_cli(*words, "--reset-head")
    assert done.code == 0, done.err
    assert (
        "374 tensors matched, none missing, none unexpected; dropped and drawn anew: " in done.err
    )
    assert "head.classify.bias, head.classify.weight (it had 150 classes)" in done.err
    refused = run_cli("train", "little", "--reset-head", "--cache-dir", little.cache)
    assert "--reset-head says how --weights are taken" in last_line(refused, 2)


def test_paddlesegs_weights_are_not_held_against_the_authors(files: Path, ade20k: Road) -> None:
    done = ade20k.run("eval", "--weights", files / "model.pdparams", "--dataset", "ade20k")
    assert done.code == 0, done.err
    assert "not comparable: weights of PaddleSeg's own training" in done.out
