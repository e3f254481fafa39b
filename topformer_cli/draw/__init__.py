"""Pictures for people: overlays of label maps, boxes, legends, contact sheets (no torch)."""

from topformer_cli.draw.boxes import NamedBox, draw_boxes, named_box
from topformer_cli.draw.encode import jpeg, png, save_png
from topformer_cli.draw.labels import (
    IGNORE,
    Legend,
    Picture,
    colours,
    hatched,
    label_image,
    largest_first,
    mistakes,
    overlay,
    pixel_shares,
    with_borders,
)
from topformer_cli.draw.legend import Entry, FilmLegend, overlay_with_legend
from topformer_cli.draw.lettering import drawable, drawable_names
from topformer_cli.draw.regions import name_regions
from topformer_cli.draw.sheet import (
    Sheet,
    Size,
    Tile,
    contact_sheet,
    draw_sheet,
    fit,
    justified,
    matted,
    row_width,
)

__all__ = [
    "IGNORE",
    "Entry",
    "FilmLegend",
    "Legend",
    "NamedBox",
    "Picture",
    "Sheet",
    "Size",
    "Tile",
    "colours",
    "contact_sheet",
    "draw_boxes",
    "draw_sheet",
    "drawable",
    "drawable_names",
    "fit",
    "hatched",
    "jpeg",
    "justified",
    "label_image",
    "largest_first",
    "matted",
    "mistakes",
    "name_regions",
    "named_box",
    "overlay",
    "overlay_with_legend",
    "pixel_shares",
    "png",
    "row_width",
    "save_png",
    "with_borders",
]
