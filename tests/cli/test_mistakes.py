"""What a person meets who types something wrong: one line, and the documented exit code."""

from pathlib import Path

import pytest

from tests.cli.conftest import SHORT, Ran, Road, run_cli
from tests.fakes.adb_server import real_adb_server


def last_line(done: Ran) -> str:
    assert done.out == ""
    assert "Traceback" not in done.err
    return done.err.splitlines()[-1]


def refused(done: Ran, code: int) -> str:
    """Return the one line of an error of ours."""
    line = last_line(done)
    assert done.code == code, line
    assert line.startswith("topformer: ")
    return line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("trian", "No such command 'trian'"),
        ("data prepar", "No such command 'prepar'"),
        ("train --sizze tiny", "--sizze"),
        ("train --size huge", "'huge' is not one of 'tiny', 'small', 'base'"),
        ("train --resume", "Option '--resume' requires an argument"),
        ("train --device pixel7", "a phone's serial goes to `topformer bench --device`"),
        ("eval --fail-under much", "'much' is not a valid float"),
        ("segment", "Missing argument 'FILES...'"),
        ("export --input 512by512", "expected HxW in pixels, as in 512x512"),
        ("bench --rounds 0", "0 is not in the range x>=1"),
        ("eval --weights gone.pth", "gone.pth is neither a weights file nor a name"),
        ("data prepare x --source gone", "Directory 'gone' does not exist"),
    ],
)
def test_usage_errors_end_with_2(words: str, said: str) -> None:
    done = run_cli(*words.split())
    assert done.code == 2
    assert said in " ".join(done.err.split())
    assert done.out == ""


@pytest.mark.parametrize("device", ["cpu", "cuda:0", "auto", "mps"])
def test_a_torch_device_is_no_phone(nowhere: Road, device: str) -> None:
    done = nowhere.run("bench", "--device", device)
    line = last_line(done)
    assert done.code == 2
    assert f"'{device}' is a torch device; bench takes an adb serial, `all`, or `host`" in line


def test_nothing_prepared_is_told_with_the_line_to_type(nowhere: Road) -> None:
    line = refused(nowhere.run("train"), 3)
    assert "type: topformer data fetch ade20k, or, with the set on the disk: topformer" in line
    line = refused(nowhere.run("train", "mine"), 3)
    assert "topformer data prepare mine --images FOLDER --masks FOLDER --classes FILE" in line
    assert not nowhere.runs.exists()


def test_no_run_is_told(nowhere: Road) -> None:
    for words in (
        ["eval"],
        ["export"],
        ["bench", "--device", "host"],
        ["train", "--resume", "auto"],
    ):
        assert "run `topformer train` first" in refused(nowhere.run(*words), 2)


def test_segment_without_a_run_is_told(road: Road, nowhere: Road) -> None:
    assert "no train run" in refused(nowhere.run("segment", road.image, cache=False), 2)


def test_wrong_recipe_values_are_told(road: Road) -> None:
    line = refused(road.train("little", overrides=("optimiser.lr=1",)), 2)
    assert "did you mean 'optimizer'?" in line
    assert "multiple of 32, got 65" in refused(
        road.train("little", overrides=("augment.crop=[65,64]",)), 2
    )
    assert "did you mean 'ade20k'?" in refused(road.train("ade2k"), 2)


WARMUP = (
    "schedule.warmup 1500 is as long as the run (schedule.iterations 40) or longer: the rate never "
    "reaches optimizer.lr; give -o schedule.warmup=4"
)


def test_a_warm_up_longer_than_the_run_is_warned_of(road: Road, nowhere: Road) -> None:
    words = ("train", "--dry-run", "-o", "schedule.iterations=40")
    done = nowhere.run(*words)
    assert done.code == 0
    assert f"warning: {WARMUP}\n" in done.err
    for warmup in ("39", "0"):
        assert "warmup" not in nowhere.run(*words, "-o", f"schedule.warmup={warmup}").err
    short = (*SHORT, "schedule.iterations=1", "schedule.warmup=1")
    done = road.run(
        "train", "little", *(w for text in short for w in ("-o", text)),
        "--work-dir", nowhere.runs, work_dir=False,
    )  # fmt: skip
    assert "warning: schedule.warmup 1 is as long as the run (schedule.iterations 1)" in done.err
    assert "give -o schedule.warmup=0\n" in done.err
    there = f" --work-dir {nowhere.runs}"
    steps = ", ".join(f"topformer {one}{there}" for one in ("eval", "segment", "export"))
    assert f"; next: {steps}\n" in done.err


@pytest.mark.parametrize(
    ("size", "nearest"), [("500x500", "512x512"), ("64x70", "64x64"), ("1x1", "32x32")]
)
def test_odd_input_size_names_the_nearest(road: Road, size: str, nearest: str) -> None:
    line = refused(road.run("export", "--input", size), 2)
    assert line.endswith(f"the nearest such size is {nearest}")


def test_unknown_export_format_is_told(road: Road) -> None:
    done = road.run("export", "--format", "onnx,mnn")
    assert done.code in (2, 4)
    assert "mnn" in last_line(done)
    assert road.run("export", "--format", "").code in (2, 4)


def test_resume_of_a_finished_run_is_told(road: Road) -> None:
    line = refused(road.run("train", "--resume", "auto"), 2)
    assert "is finished; nothing to resume" in line


def test_resume_with_other_settings_is_told(road: Road) -> None:
    last = road.latest / "checkpoints" / "last.safetensors"
    own, batch = "--resume continues a run with its own recipe; drop", ("-o", "batch=2")
    for given, named in (
        (("--size", "base"), "--size base"),
        ((*batch, "-o", "amp=fp32"), "-o batch=2, -o amp=fp32"),
        (("little", "--preset", "code", *batch), "RECIPE little, --preset code, -o batch=2"),
        (("--weights", last), f"--weights {last}"),
    ):
        assert refused(road.run("train", "--resume", "auto", *given), 2).endswith(f"{own} {named}")


def test_two_sources_are_told(road: Road) -> None:
    last = road.latest / "checkpoints" / "last.safetensors"
    line = refused(road.run("eval", road.latest, "--weights", last), 2)
    assert "name one of them" in line


def test_another_size_is_told(road: Road) -> None:
    last = road.latest / "checkpoints" / "last.safetensors"
    assert "holds TopFormer-tiny" in refused(
        road.run("eval", "--weights", last, "--size", "base"), 3
    )


def test_a_folder_that_is_no_run_is_told(road: Road, tmp_path: Path) -> None:
    assert "is no run folder" in refused(road.run("eval", tmp_path), 2)
    assert refused(road.run("eval", tmp_path / "gone"), 2)


def test_a_run_is_named_without_its_folders(road: Road, tmp_path: Path) -> None:
    name = road.latest.name
    for words in (
        ("info", name), ("verify", name), ("eval", name), ("report", name, "-o", tmp_path / "r"),
        ("segment", road.image, "-o", tmp_path / "a.png", "--model", name),
    ):  # fmt: skip
        done = road.run(*words, cache=words[0] not in ("segment", "report"))
        assert done.code == 0, done.err
    assert f"{road.latest} is finished" in refused(road.run("train", "--resume", name), 2)
    for words in (("eval",), ("export",), ("bench", "--device", "host")):
        line = refused(road.run(*words, "little-tiny-01"), 2)
        assert line == (
            "topformer: no run, checkpoint or export little-tiny-01; did you mean "
            "'little-tiny-001'?"
        )


def test_pictures_that_are_none_are_told(road: Road, tmp_path: Path) -> None:
    text = tmp_path / "notes.jpg"
    text.write_text("no picture")
    assert "is not a readable image" in refused(road.run("segment", text, cache=False), 3)
    assert "no image, video or folder" in refused(road.run("segment", "gone.jpg", cache=False), 3)
    (tmp_path / "empty").mkdir()
    assert "holds no image" in refused(road.run("segment", tmp_path / "empty", cache=False), 3)
    two = road.run("segment", road.image.parent, "-o", tmp_path / "a.png", cache=False)
    assert "one file for 2 images; name a folder" in refused(two, 2)


def test_unknown_sets_and_splits_are_told(road: Road) -> None:
    assert "no prepared data set 'gone'" in refused(road.data("info", "gone"), 3)
    assert "has no split 'test'" in refused(road.run("eval", "--split", "test"), 3)
    assert "has no split 'test'" in refused(road.data("show", "little", "--split", "test"), 3)


@pytest.mark.parametrize(
    "words",
    [
        ("data", "info", "litle"), ("data", "show", "litle"), ("data", "check", "litle"),
        ("eval", "--dataset", "litle"), ("train", "little", "-o", "dataset=litle"),
    ],
)  # fmt: skip
def test_a_sets_name_that_is_nearly_right_is_told(road: Road, words: tuple[str, ...]) -> None:
    line = refused(road.run(*words, work_dir=words[0] != "data"), 3)
    assert line == (
        f"topformer: no prepared data set 'litle' in {road.cache / 'data'}; did you mean 'little'? "
        "(`topformer data list` shows all)"
    )
    of_published = [word.replace("litle", "coco-stuf-10k") for word in words]
    line = refused(road.run(*of_published, work_dir=words[0] != "data"), 3)
    assert "did you mean 'coco-stuff-10k'? (" in line


def test_prepare_without_its_folders_is_told(nowhere: Road, tmp_path: Path) -> None:
    assert "needs --images FOLDER --masks" in refused(nowhere.data("prepare", "mine"), 2)
    file = tmp_path / "boxes.json"
    file.write_text("{}")
    assert "needs --source FOLDER (or: topformer data fetch ade20k)" in refused(
        nowhere.data("prepare", "ade20k"), 2
    )
    for words, said in (
        (("--coco", file, "--images", tmp_path, "--classes", "a,b"),
         "--classes: of no use with --images FOLDER --coco JSON, whose categories are the classes; "
         "leave it out"),
        (("--coco", file, "--images", tmp_path, "--ignore", "0", "--allow-partial"),
         "--allow-partial, --ignore: of no use with --images FOLDER --coco JSON; leave it out"),
        (("--coco", file, "--images", tmp_path, "--masks", tmp_path, "--classes", "a,b"),
         "'mine' needs --images FOLDER --masks FOLDER --classes FILE, or --images FOLDER --coco "
         "JSON, or --images FOLDER of a folder a class; got --classes, --coco, --images, --masks"),
    ):  # fmt: skip
        assert refused(nowhere.data("prepare", "mine", *words), 2) == f"topformer: {said}"
    line = refused(nowhere.data("prepare", "mine", "--source", tmp_path), 2)
    assert "is no published set this version knows (ade20k" in line
    words = ("--images", tmp_path, "--masks", tmp_path, "--classes", "a,b")
    for name, of in (
        ("ade20k", "a published set"),
        ("ade20k-448", "a recipe for another set"),
        ("scenes", "the set that `topformer demo` renders"),
    ):
        assert f"is the name of {of}; " in refused(nowhere.data("prepare", name, *words), 2)


def test_a_work_dir_that_is_a_file_is_told(road: Road, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    words = ("train", "little", "-o", "schedule.iterations=1", "--work-dir", tmp_path / "file")
    line = refused(road.run(*words, work_dir=False), 1)
    assert f"{tmp_path}/file/train: Not a directory" in line


def test_verbose_shows_where(nowhere: Road) -> None:
    done = nowhere.run("eval", "-v")
    assert done.code == 2
    assert "Traceback" in done.err
    assert done.err.splitlines()[-1].startswith("topformer: no train run")


def test_no_phone_is_told(road: Road, tmp_path: Path) -> None:
    # A server of its own: the shared one remembers the phones of other tests.
    with real_adb_server(tmp_path):
        line = refused(road.run("bench", "--device", "emulator-5554"), 5)
        assert "no phone with serial 'emulator-5554' is connected (connected: none)" in line
        line = refused(road.run("bench"), 5)
        assert "plug one in with USB debugging on" in line
