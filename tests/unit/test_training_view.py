"""What the progress line of a training says."""

import time

import pytest

from topformer_cli.commands.show import TrainingView
from topformer_cli.engine.observer import Standing
from topformer_cli.results import EvalResult, LabelScores, StepRecord


class Line:
    """The latest state of a progress line."""

    text = ""
    left: float | None = None

    def __call__(
        self, done: float, total: float, text: str = "", left: float | None = None
    ) -> None:
        assert done <= total
        self.text, self.left = text, left


def test_a_step_shows_the_last_record_and_counts_its_time_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [50.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    line = Line()
    view = TrainingView(line)
    view.started(0, 100)
    view.stepped(1)
    assert (line.text, line.left) == ("", None)
    view.logged(
        StepRecord(20, 0.53249, 1e-3, 12.34, 0, wait_share=0.031, memory_mb=1234.5, eta_s=600.0)
    )
    now[0] += 10
    view.stepped(21)
    assert line.text == "loss 0.532, 12.3 img/s, 3% waiting, 1.2 GB"
    assert line.left == 590.0
    now[0] += 1000
    view.stepped(22)
    assert line.left == 0.0


def test_a_record_that_knows_less_is_shown_too() -> None:
    line = Line()
    view = TrainingView(line)
    view.started(0, 100)
    view.logged(StepRecord(20, 0.5, 1e-3, 12.0, 2))
    view.stepped(20)
    assert line.text == "loss 0.500, 12.0 img/s, 2 skipped"
    assert line.left is None


@pytest.mark.parametrize(
    ("standing", "mark"),
    [("best", ", best so far"), ("as good", ", as good as the best"), ("less", "")],
)
def test_an_evaluation_is_told_with_how_it_stands(
    standing: Standing, mark: str, capsys: pytest.CaptureFixture[str]
) -> None:
    result = EvalResult(
        model="TopFormer-tiny", weights="w", dataset="d", split="val", images=1, protocol="p",
        classes=("a",),
        found=LabelScores(2.61, 2.61, 90.0, 80.0, iou=(2.61,), accuracy=(80.0,)),
    )  # fmt: skip
    TrainingView(Line()).evaluated(4, result, standing)
    assert f"step 4: mIoU 2.61 on val{mark}\n" in capsys.readouterr().err
