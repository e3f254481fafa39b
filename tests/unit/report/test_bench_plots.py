"""Pictures of measurements say what they show, with and without clock and temperature."""

import io
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.fakes.bench_sessions import PHONE, result, session
from topformer_cli.report.bench_plots import session_plot, sustained_plot
from topformer_cli.report.ink import COLOURS
from topformer_cli.report.lanes import broken_line, devices_of
from topformer_cli.report.sweep_plots import pareto_plot
from topformer_cli.results import BenchResult, BenchSession
from topformer_cli.results.sweep import SweepPoint

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: bytes) -> str:
    root = ET.fromstring(svg.decode())
    assert root.tag == f"{SVG}svg"
    return " | ".join("".join(text.itertext()) for text in root.iter(f"{SVG}text"))


def unwatched(one: BenchResult) -> BenchResult:
    return replace(
        one, rounds=tuple(replace(part, readings=(), started_s=None) for part in one.rounds)
    )


@pytest.mark.parametrize("draw", [session_plot, sustained_plot])
def test_a_watched_run_has_its_clock_and_temperature(
    draw: Callable[..., bytes],
) -> None:
    words = texts(draw(session(result(43.0)), "svg"))
    for part in ("Acme One", "inference (ms)", "core (GHz)", "CPU (°C)", "limit", "seconds since"):
        assert part in words
    assert "topformer-tiny-ade20k TNN fp32: 4" in words
    words = texts(draw(session(unwatched(result(43.0))), "svg"))
    assert "GHz" not in words
    assert "°C" not in words
    assert "seconds since" in words


def test_emulated_results_say_so_first() -> None:
    one = replace(result(), emulated=True, verdict="emulated")
    assert "Acme One: emulated, not a latency" in texts(session_plot(session(one), "svg"))


def test_several_devices_have_a_row_each_and_twins_are_told_apart() -> None:
    two = replace(result(61.0), device=replace(PHONE, model="Two", serial="T2"))
    twin = replace(result(20.0, told=False), device=replace(PHONE, serial="SECRET1234"))
    words = texts(session_plot(session(result(), two, twin), "svg"))
    for part in ("Acme One (…BCDE)", "Acme Two", "Acme One (…1234)", "(round means)"):
        assert part in words
    assert str(PHONE.serial) not in words
    assert words.count("seconds since") == 3


def test_reasons_and_what_is_off_the_scale_are_written_down() -> None:
    one = result(43.0, seed=3, slower=1.25)
    hot = tuple(
        replace(part, throttled="hot") if index > 2 else part
        for index, part in enumerate(one.rounds)
    )
    slow = (*hot[0].samples_ms[:-1], 400.0)
    hot = (replace(hot[0], samples_ms=slow, max_ms=slow[-1]), *hot[1:])
    words = texts(session_plot(session(replace(one, rounds=hot)), "svg"))
    assert "off the scale, up to 400 ms" in words
    assert "throttled round" in words
    assert "slower" in words


def test_many_rounds_keep_their_numbers_legible() -> None:
    one = unwatched(result())
    words = texts(session_plot(session(replace(one, rounds=one.rounds * 6)), "svg"))
    assert "| 1 | 4 | 7 | 10 |" in words
    assert "| 1 | 2 | 3 | 4 | 5 |" in texts(session_plot(session(one), "svg"))


@pytest.mark.parametrize("draw", [session_plot, sustained_plot])
def test_nothing_measured_is_said(draw: Callable[..., bytes]) -> None:
    nothing = replace(result(), rounds=(), summary=None, verdict="incomplete")
    for one in (BenchSession(()), session(nothing)):
        assert "no round was completed" in texts(draw(one, "svg"))


def test_picture_is_a_png_with_the_colours_of_the_artifacts() -> None:
    content = session_plot(session(result(43.0), replace(result(74.0), model="small")))
    image = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    assert image.shape[1] == 1512
    found = {tuple(int(one) for one in pixel) for pixel in image.reshape(-1, 3)}
    for colour in COLOURS[:2]:
        assert tuple(bytes.fromhex(colour[1:])) in found


def test_the_same_session_gives_the_same_picture() -> None:
    # An SVG may differ in the names of its clip paths, which matplotlib takes from addresses.
    assert session_plot(session(), "png") == session_plot(session(), "png")


def test_results_of_a_device_share_one_axis_of_time() -> None:
    first = result(43.0)
    later = replace(
        result(74.0),
        rounds=tuple(replace(one, started_s=(one.started_s or 0) + 100) for one in first.rounds),
    )
    (device,) = devices_of(session(first, later))
    assert [lane.points[0].at_s for lane in device.lanes] == [0, 100]
    assert device.readings()[0].at_s == pytest.approx(-1)


def test_without_a_common_clock_every_result_begins_at_zero() -> None:
    (device,) = devices_of(session(result(43.0), unwatched(result(74.0))))
    assert [lane.points[0].at_s for lane in device.lanes] == [0, 0]
    assert device.readings()[0].at_s == pytest.approx(-1)


def test_times_of_zero_are_drawn() -> None:
    one = result(43.0, told=False)
    nothing = tuple(replace(part, min_ms=0.0, mean_ms=0.001) for part in one.rounds)
    assert session_plot(session(one, replace(one, rounds=nothing)))


def test_lines_break_where_nothing_was_read() -> None:
    xs, ys = broken_line([(0, 1.0), (1, None), (1.5, 2.0), (9, 3.0)])
    assert xs == [0, 1.5, 1.5, 9]
    assert [y for y in ys if y == y] == [1.0, 2.0, 3.0]
    assert ys[2] != ys[2]


BASE = SweepPoint(
    label="tiny-256", size="tiny", input=(256, 256), engine="TNN", precision="fp32",
    device="Acme One", median_ms=12.0, p90_ms=12.5, miou=25.0, multiply_adds=150_000_000,
)  # fmt: skip
BIG = replace(BASE, size="base", input=(512, 512), median_ms=110.0, miou=37.8)


def test_pareto_shows_accuracy_budget_and_names_the_frontier() -> None:
    worse = replace(BASE, median_ms=60.0, miou=20.0, size="small", verdict="throttled")
    words = texts(pareto_plot([BASE, BIG, worse], 20, "svg"))
    for part in ("mIoU (%)", "20 ms", "tiny 256", "base 512", "TNN fp32", "not stable", "Acme One"):
        assert part in words
    assert "small 256" not in words


def test_pareto_without_accuracy_shows_work() -> None:
    points = [replace(one, miou=None) for one in (BASE, replace(BIG, multiply_adds=1_800_000_000))]
    assert "multiply-adds (10⁹)" in texts(pareto_plot(points, form="svg"))
    words = texts(pareto_plot([*points, BASE], form="svg"))
    assert "mIoU (%)" in words
    assert "2 without mIoU are not shown" in words


def test_pareto_of_emulated_or_no_points_says_so() -> None:
    emulated = replace(BASE, verdict="emulated")
    assert "emulated, not a latency" in texts(pareto_plot([emulated], form="svg"))
    assert "nothing was measured" in texts(pareto_plot([], form="svg"))


def test_every_device_has_its_column() -> None:
    words = texts(pareto_plot([BASE, replace(BIG, device="Acme Two")], form="svg"))
    assert "Acme One" in words
    assert "Acme Two" in words
