"""The curves are pictures that a browser can show, the same for the same records."""

import sys
import xml.etree.ElementTree as ET

import pytest

from topformer_cli.report.plots import Plot, headline_plot, loss_plot
from topformer_cli.report.records import Curves

SVG = "{http://www.w3.org/2000/svg}"
CURVES = Curves(((20, 1.6), (40, 0.4321)), ((50, 40.0), (100, 71.25)))


def _texts(plot: Plot) -> str:
    root = ET.fromstring(plot.svg.decode())
    assert root.tag == f"{SVG}svg"
    return " ".join("".join(text.itertext()) for text in root.iter(f"{SVG}text"))


def test_the_last_value_is_written_beside_the_curve() -> None:
    assert "0.43" in _texts(loss_plot(CURVES))
    assert "71.25" in _texts(headline_plot(CURVES))


def test_words_stand_for_the_curve() -> None:
    assert loss_plot(CURVES).alt == "Training loss: from 1.600 at step 20 to 0.432 at step 40."
    assert "to 71.25 at step 100" in headline_plot(CURVES).alt


@pytest.mark.parametrize("draw", [loss_plot, headline_plot])
def test_an_empty_record_says_so(draw: type) -> None:
    plot = draw(Curves())
    assert "nothing was recorded" in _texts(plot)
    assert plot.alt.endswith("nothing was recorded.")


def test_one_point_and_a_loss_of_zero_are_drawn() -> None:
    assert "0.00" in _texts(loss_plot(Curves(loss=((20, 0.0),))))


def test_the_same_records_give_the_same_bytes() -> None:
    assert loss_plot(CURVES) == loss_plot(CURVES)


def test_colours_follow_the_colour_scheme() -> None:
    svg = headline_plot(CURVES).svg.decode()
    assert "prefers-color-scheme: dark" in svg
    assert "var(--headline)" in svg
    assert "#0404" not in svg
    assert "http" not in svg.split("</metadata>")[1].replace("http://www.w3.org", "")


def test_no_window_system_is_asked_for() -> None:
    loss_plot(CURVES)
    assert "matplotlib.pyplot" not in sys.modules
