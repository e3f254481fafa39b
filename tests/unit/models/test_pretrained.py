"""The authors' checkpoints of every size, and files that are something else."""

import argparse
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import (
    mobilenet_v3_large,
    mobilenet_v3_small,
    shufflenet_v2_x0_5,
    shufflenet_v2_x1_0,
)

from tests.fakes.official import (
    official_classifier,
    official_key,
    official_state,
    save_official,
)
from tests.unit.models.conftest import MakeNetwork, make_lively, make_spec
from tests.unit.models.test_start import classifier_spec
from topformer_cli.errors import DataError
from topformer_cli.models.build import build_model
from topformer_cli.models.checkpoint import Checkpoint, save_checkpoint
from topformer_cli.models.pretrained import Request, read_weights
from topformer_cli.models.spec import SIZES, Fuse, SizeName, Task

ENTRY = re.compile(r"(\S+\.)(weight|bias)  \(([\d, ]*)\)(  \+ bias)?.*")


@dataclass(frozen=True, slots=True)
class KnownSet:
    name: str
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    terms: str
    task: Task = "segmentation"


KNOWN = KnownSet("five", tuple("abcde"), ((1, 2, 3),) * 5, "research only")
KINDS = KnownSet("kinds", tuple("vwxyz"), ((4, 5, 6),) * 5, "none", "classification")


def recorded_keys(shared: Path, size: str) -> dict[str, tuple[int, ...]]:
    """Read the keys and shapes of the authors' model of a size, as they were once dumped."""
    text = (shared / "facts" / "official_keys.md").read_text()
    section = text.split(f"\n## {size}:")[1].split("```")[1]
    found: dict[str, tuple[int, ...]] = {}
    for line in section.strip().splitlines():
        match = ENTRY.fullmatch(line)
        assert match, line
        shape = tuple(int(side) for side in match[3].split(",") if side.strip())
        found[match[1] + match[2]] = shape
        if match[4]:
            found |= {match[1] + one: shape for one in ("bias", "running_mean", "running_var")}
            found[match[1] + "num_batches_tracked"] = ()
    return found


@pytest.mark.parametrize("size", SIZES)
def test_names_and_shapes_are_the_authors(shared: Path, size: SizeName) -> None:
    state = official_state(build_model(make_spec(size, classes=150)).state_dict())
    assert {k: tuple(v.shape) for k, v in state.items()} == recorded_keys(shared, size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("fuse", ["depthwise", "full"])
def test_every_size_and_fuse_is_recognised(
    lively: MakeNetwork, tmp_path: Path, size: SizeName, fuse: Fuse
) -> None:
    weights = lively(size, fuse=fuse).state_dict()
    path = save_official(tmp_path / "theirs.pth", weights)
    read = read_weights(Request(path, known_sets=(KNOWN,)))
    assert (read.spec.size, read.spec.fuse, read.spec.classes) == (size, fuse, KNOWN.classes)
    assert (read.spec.dataset, read.spec.data_terms) == ("five", "research only")
    assert all(torch.equal(weights[name], value) for name, value in read.weights.items())
    assert read.origin["report"] == f"{len(weights)} tensors matched, none missing, none unexpected"


def shapes(path: Path) -> dict[str, Tensor]:
    return dict(read_weights(Request(path)).weights)


@pytest.mark.parametrize("top", ["state_dict_ema", "state_dict", "model", None])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_wrappers_are_opened(
    lively: MakeNetwork, tmp_path: Path, top: str | None, prefix: str
) -> None:
    weights = lively().state_dict()
    state = {prefix + key: value for key, value in official_state(weights).items()}
    content = {top: state, "epoch": 3} if top else state
    torch.save(content, tmp_path / "theirs.pth")
    read = shapes(tmp_path / "theirs.pth")
    assert all(torch.equal(weights[name], value) for name, value in read.items())


def test_averaged_weights_are_preferred(lively: MakeNetwork, tmp_path: Path) -> None:
    state = official_state(lively().state_dict())
    averaged = {key: value + 1 for key, value in state.items()}
    torch.save({"state_dict": state, "state_dict_ema": averaged}, tmp_path / "theirs.pth")
    read = shapes(tmp_path / "theirs.pth")
    assert torch.equal(read["head.classify.bias"], averaged["decode_head.conv_seg.bias"])
    told = str(read_weights(Request(tmp_path / "theirs.pth")).origin["report"])
    assert told.endswith("; of state_dict_ema, beside which the file has state_dict")


def test_counters_of_batches_need_not_be_there(lively: MakeNetwork, tmp_path: Path) -> None:
    state = official_state(lively().state_dict())
    counters = [key for key in state if key.endswith("num_batches_tracked")]
    for key in counters:
        del state[key]
    torch.save(state, tmp_path / "theirs.pth")
    read = read_weights(Request(tmp_path / "theirs.pth"))
    assert read.origin["complete"]
    told = f"({len(counters)} of them counters that it does not keep, set to 0)"
    assert str(read.origin["report"]).endswith(told)


def test_classes_come_from_the_file_first(lively: MakeNetwork, tmp_path: Path) -> None:
    names, palette = [*"vwxyz"], [[index, index, index] for index in range(5)]
    weights = lively().state_dict()
    meta = {"CLASSES": names, "PALETTE": palette}
    path = save_official(tmp_path / "theirs.pth", weights, meta)
    spec = read_weights(Request(path, known_sets=(KNOWN,))).spec
    assert (spec.classes, spec.palette[4]) == (tuple("vwxyz"), (4, 4, 4))


def test_unknown_classes_get_numbers_and_distinct_colours(
    lively: MakeNetwork, tmp_path: Path
) -> None:
    path = save_official(tmp_path / "theirs.pth", lively(classes=21).state_dict())
    spec = read_weights(Request(path, known_sets=(KNOWN,))).spec
    assert (spec.dataset, spec.classes[20]) == ("unknown", "class 20")
    assert spec.palette[:2] == ((128, 0, 0), (0, 128, 0))
    assert len(set(spec.palette)) == 21


def partial(lively: MakeNetwork, folder: Path) -> Path:
    """A file with one tensor of another shape, one missing and one too many."""
    state = official_state(lively().state_dict())
    state["auxiliary.weight"] = torch.zeros(1)
    del state["backbone.tpm.layer3.conv.0.bn.bias"]
    state["backbone.trans.transformer_blocks.0.mlp.dwconv.bias"] = torch.zeros(3)
    torch.save({"state_dict": state}, folder / "partial.pth")
    return folder / "partial.pth"


def test_partial_match_is_refused_with_every_kind_named(
    lively: MakeNetwork, tmp_path: Path
) -> None:
    path = partial(lively, tmp_path)
    words = (
        r"does not match TopFormer-tiny: 374 tensors matched; 1 missing "
        r"\(token_pyramid.bottlenecks.2.expand.bn.bias\); 1 unexpected \(auxiliary.weight\); "
        r"1 of another shape \(semantics_extractor.0.feed_forward.depthwise.bias\); "
        r"--partial-weights accepts it"
    )
    with pytest.raises(DataError, match=words) as error:
        read_weights(Request(path))
    assert "unexpected: auxiliary.weight" in error.value.__notes__[0].splitlines()


def test_partial_match_is_accepted_when_asked(lively: MakeNetwork, tmp_path: Path) -> None:
    read = read_weights(Request(partial(lively, tmp_path), partial=True))
    network = build_model(read.spec)
    network.load_state_dict(dict(read.weights))
    assert "1 missing" in read.origin["report"]


def test_another_size_is_named(lively: MakeNetwork, tmp_path: Path) -> None:
    path = save_official(tmp_path / "theirs.pth", lively("small").state_dict())
    with pytest.raises(DataError, match="holds TopFormer-small, not tiny; use --size small"):
        read_weights(Request(path, "tiny"))
    ours = tmp_path / "ours.safetensors"
    save_checkpoint(ours, Checkpoint(make_spec(), lively().state_dict(), {}))
    with pytest.raises(DataError, match="holds TopFormer-tiny, not TopFormer-base; drop --size"):
        read_weights(Request(ours, "base"))
    assert read_weights(Request(ours, "tiny")).spec == make_spec()


@pytest.mark.parametrize("size", SIZES)
def test_imagenet_weights_are_recognised_beside_their_command_line(
    tmp_path: Path, size: SizeName
) -> None:
    weights = make_lively(build_model(classifier_spec(size, 5))).state_dict()
    averaged = official_classifier(weights)
    raw = {key: value + 1 for key, value in averaged.items()}
    arguments = argparse.Namespace(drop=0.2, scale=[0.08, 1.0], aa="rand-m9-mstd0.5")
    content = {"state_dict": raw, "state_dict_ema": averaged, "args": arguments, "epoch": 3}
    torch.save(content, tmp_path / "imagenet.pth")
    read = read_weights(Request(tmp_path / "imagenet.pth", known_sets=(KNOWN, KINDS)))
    spec = read.spec
    assert (spec.task, spec.size, spec.head, spec.fuse) == ("classification", size, "linear", None)
    assert (spec.dataset, spec.classes, spec.input_size) == ("kinds", KINDS.classes, (224, 224))
    assert read.weights.keys() == weights.keys()
    assert all(torch.equal(weights[name], value) for name, value in read.weights.items())


@pytest.mark.parametrize(("backbone", "make"), [
    ("shufflenetv2", shufflenet_v2_x1_0), ("mobilenetv3", mobilenet_v3_large),
])  # fmt: skip
def test_torchvisions_files_are_recognised(
    tmp_path: Path, backbone: str, make: Callable[..., nn.Module]
) -> None:
    state = make(num_classes=5).state_dict()
    path = tmp_path / "theirs.pth"
    torch.save(state, path)
    read = read_weights(Request(path, known_sets=(KNOWN, KINDS)))
    spec = read.spec
    assert (spec.task, spec.backbone, spec.size) == ("classification", backbone, None)
    assert (spec.dataset, spec.classes, spec.data_terms) == ("kinds", KINDS.classes, "none")
    assert read.origin["complete"]
    assert read.weights.keys() == state.keys()
    assert all(torch.equal(state[name], value) for name, value in read.weights.items())
    words = (
        f"theirs.pth holds torchvision's .*, not TopFormer-small; .* -o model.backbone={backbone}"
    )
    with pytest.raises(DataError, match=words):
        read_weights(Request(path, "small"))
    torch.save({k: v for k, v in state.items() if not k.startswith(("fc", "classifier"))}, path)
    with pytest.raises(DataError, match=r"theirs.pth has no .*; give torchvision's .* as a whole"):
        read_weights(Request(path))


def test_torchvisions_other_sizes_are_not_taken(tmp_path: Path) -> None:
    for number, make in enumerate((shufflenet_v2_x0_5, mobilenet_v3_small)):
        torch.save(make().state_dict(), tmp_path / f"{number}.pth")
        with pytest.raises(DataError, match="it is none of torchvision's shufflenet_v2_x1_0, "):
            read_weights(Request(tmp_path / f"{number}.pth"))


def test_a_backbone_without_any_head_is_refused(lively: MakeNetwork, tmp_path: Path) -> None:
    state = {
        key: value
        for key, value in official_state(lively().state_dict()).items()
        if key.startswith(("backbone.tpm", "backbone.trans"))
    }
    torch.save(state, tmp_path / "backbone.pth")
    with pytest.raises(DataError, match=r"backbone.pth has no head, neither for segmentation nor"):
        read_weights(Request(tmp_path / "backbone.pth"))


class Payload:
    """What a hostile file would run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("this must never run",)


@pytest.mark.parametrize(
    "content",
    [b"PK\x03\x04 and nothing more", b"\x80\x02garbage", b"not a checkpoint at all\n"],
)
def test_damaged_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "theirs.pth"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"theirs.pth is damaged, or no checkpoint of plain ten"):
        read_weights(Request(path))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([1, 2], "holds no named tensors"),
        ({"state_dict": {}}, "holds no named tensors"),
        ({"epoch": 3}, "holds no named tensors"),
        ({"conv.weight": torch.zeros(1)}, "holds no TopFormer weights"),
    ],
)
def test_files_that_hold_something_else(tmp_path: Path, content: object, words: str) -> None:
    torch.save(content, tmp_path / "theirs.pth")
    with pytest.raises(DataError, match=words):
        read_weights(Request(tmp_path / "theirs.pth"))


def test_nothing_in_a_file_is_executed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"state_dict": {}, "meta": Payload()}, tmp_path / "theirs.pth")
    with pytest.raises(
        DataError, match=r"theirs.pth asks for print, which weights have no use for"
    ):
        read_weights(Request(tmp_path / "theirs.pth"))
    assert capsys.readouterr().out == ""


def test_authors_names_in_safetensors(lively: MakeNetwork, tmp_path: Path) -> None:
    weights = lively().state_dict()
    path = tmp_path / "theirs.safetensors"
    save_file(official_state(weights), path)
    read = read_weights(Request(path, known_sets=(KNOWN,)))
    assert (read.spec.size, read.spec.dataset, read.origin["form"]) == (
        "tiny",
        "five",
        "safetensors",
    )
    assert all(torch.equal(weights[name], value) for name, value in read.weights.items())


def test_half_precision_is_widened(lively: MakeNetwork, tmp_path: Path) -> None:
    weights = {
        k: v.half() if v.is_floating_point() else v for k, v in lively().state_dict().items()
    }
    read = read_weights(Request(save_official(tmp_path / "theirs.pth", weights)))
    assert read.weights["head.classify.bias"].dtype == torch.float32


@pytest.mark.parametrize(
    "meta", [{"CLASSES": 5}, {"CLASSES": ["a"]}, {"PALETTE": [1, 2, 3, 4, 5]}, {"PALETTE": "abcde"}]
)
def test_nonsense_about_classes_is_left_alone(
    lively: MakeNetwork, tmp_path: Path, meta: dict[str, object]
) -> None:
    path = save_official(tmp_path / "theirs.pth", lively().state_dict(), meta)
    spec = read_weights(Request(path, known_sets=(KNOWN,))).spec
    assert spec.classes == KNOWN.classes
    assert len(set(spec.palette)) in (1, 5)


def test_what_is_no_file_with_content(tmp_path: Path) -> None:
    (tmp_path / "empty.pth").touch()
    with pytest.raises(DataError, match=r"empty.pth is empty; download or copy it again"):
        read_weights(Request(tmp_path / "empty.pth"))
    with pytest.raises(DataError, match="is a folder; name the weights file in it"):
        read_weights(Request(tmp_path))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no weights file"):
        read_weights(Request(tmp_path / "gone.pth"))


def test_every_one_of_our_names_has_its_own_key() -> None:
    for size in SIZES:
        names = build_model(make_spec(size)).state_dict()
        assert len({official_key(name) for name in names}) == len(names)
