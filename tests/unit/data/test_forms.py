"""What the forms make of items: masks from MATLAB files and runs, boxes, classes."""

import io
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from pycocotools import mask as oracle

from tests.fakes.pictures import noise_image, write_jpeg
from topformer_cli.data.decode import decode_ids, decode_image
from topformer_cli.data.forms.classification import Classification
from topformer_cli.data.forms.detection import Detection
from topformer_cli.data.forms.row import Row
from topformer_cli.data.forms.segmentation import Segmentation
from topformer_cli.data.labels import Labels, custom_labels, read_classes
from topformer_cli.data.orientation import UPRIGHT, orientation_of
from topformer_cli.data.sources.source import Blob, Box, Boxes, Item, Painted, Reading, Run, Target
from topformer_cli.data.spec import MatMask
from topformer_cli.errors import DataError

LABELS = custom_labels(read_classes("sky,road,car"), ())
TABLE = (0, 2, 255, 1)
MAT = MatMask("LabelMap", TABLE)
HEIGHT, WIDTH = 24, 32

masks = arrays.arrays(np.uint8, (HEIGHT, WIDTH), elements=st.integers(0, 1))


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("forms") / "one.jpg"
    write_jpeg(path, noise_image(np.random.default_rng(3), HEIGHT, WIDTH))
    return path


def segmented(image: Path, target: Target, mat: MatMask | None = None) -> Row:
    reading = Reading(task="segmentation", labels=LABELS, mat=mat)
    return Segmentation().read_row(Item("one", Blob(image), target), reading)


def stored(row: Row) -> NDArray[np.uint8]:
    return decode_ids(row.columns["mask"]["bytes"])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float64])
@given(values=arrays.arrays(np.uint8, (HEIGHT, WIDTH), elements=st.integers(0, 3)))
def test_matlab_masks_go_through_their_table(
    image: Path, dtype: type, values: NDArray[np.uint8]
) -> None:
    path = image.with_suffix(".mat")
    scipy.io.savemat(path, {"LabelMap": values.astype(dtype)}, do_compression=True)
    row = segmented(image, Blob(path), MAT)
    assert np.array_equal(stored(row), np.array(TABLE, np.uint8)[values])
    assert row.labelled == int((values != 2).sum())
    assert row.labelled + row.ignored == values.size


def mat_bytes(**variables: object) -> bytes:
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, variables)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (mat_bytes(S=np.zeros((HEIGHT, WIDTH))), "has no variable LabelMap"),
        (mat_bytes(LabelMap=np.full((HEIGHT, WIDTH), 4)), "from 4 to 4; this set's are 0 to 3"),
        (mat_bytes(LabelMap=np.full((HEIGHT, WIDTH), -1)), "values from -1"),
        (mat_bytes(LabelMap=np.full((HEIGHT, WIDTH), np.nan)), "values from nan"),
        (mat_bytes(LabelMap="text"), r"no \[height, width\] map of numbers"),
        (mat_bytes(LabelMap=np.zeros((2, 3))), "make them the same size"),
        (mat_bytes(LabelMap=np.zeros((HEIGHT, WIDTH)))[:150], "cannot be read as a MATLAB file"),
        (b"", "cannot be read as a MATLAB file"),
        (b"no mat file at all" * 20, "cannot be read as a MATLAB file"),
    ],
)  # fmt: skip
def test_wrong_matlab_files_are_named(
    image: Path, tmp_path: Path, content: bytes, expected: str
) -> None:
    path = tmp_path / "one.mat"
    path.write_bytes(content)
    with pytest.raises(DataError, match=expected):
        segmented(image, Blob(path), MAT)


@given(first=masks, second=masks)
def test_runs_are_painted_one_over_another(
    image: Path, first: NDArray[np.uint8], second: NDArray[np.uint8]
) -> None:
    def counts(mask: NDArray[np.uint8]) -> str:
        return str(oracle.encode(np.asfortranarray(mask))["counts"].decode())

    runs = (Run(1, counts(first)), Run(2, _plain_runs(second)))
    expected = np.where(second == 1, 2, first)
    assert np.array_equal(stored(segmented(image, Painted(HEIGHT, WIDTH, runs))), expected)


def _plain_runs(mask: NDArray[np.uint8]) -> tuple[int, ...]:
    """Return COCO's uncompressed form: lengths of runs of 0 and 1 in turn, by columns."""
    runs, value = [0], 0
    for pixel in mask.ravel(order="F"):
        if pixel != value:
            runs.append(0)
            value = pixel
        runs[-1] += 1
    return tuple(runs)


def test_a_damaged_run_is_named(image: Path) -> None:
    with pytest.raises(DataError, match=r"the mask of .*one.jpg has a damaged run-length code"):
        segmented(image, Painted(HEIGHT, WIDTH, (Run(1, "oPPPPPPPPPPPPP"),)))


def boxes(*found: Box) -> Boxes:
    return Boxes(77, HEIGHT, WIDTH, found)


def test_crowds_are_kept_and_counted_apart(image: Path) -> None:
    target = boxes(
        Box(1, (1.5, 2.0, 8.25, 4.0), 2, 30.0, crowd=False),
        Box(2, (0.0, 0.0, 0.0, 3.0), 2, 0.0, crowd=False),
        Box(3, (0.0, 0.0, 9.0, 9.0), 0, 81.0, crowd=True),
    )
    row = Detection().read_row(Item("one", Blob(image), target), boxes_reading())
    assert row.counts.tolist() == [0, 0, 2]
    assert (row.labelled, row.ignored) == (2, 1)
    assert row.columns["objects"]["bbox"][0] == [1.5, 2.0, 8.25, 4.0]
    assert row.columns["image_id"] == 77


def boxes_reading() -> Reading:
    labels = Labels(LABELS.classes, LABELS.palette, (), frozenset(), {})
    return Reading(task="detection", labels=labels)


def test_boxes_for_an_image_of_another_size_are_refused(image: Path) -> None:
    item = Item("one", Blob(image), Boxes(1, HEIGHT, WIDTH + 1, ()))
    with pytest.raises(DataError, match="32x24"):
        Detection().read_row(item, boxes_reading())


def test_a_class_is_one_label(image: Path) -> None:
    reading = Reading(task="classification", labels=boxes_reading().labels)
    row = Classification().read_row(Item("sky/one", Blob(image), 1), reading)
    assert row.columns == {"label": 1}
    assert row.counts.tolist() == [0, 1, 0]
    assert (row.picture.height, row.picture.width) == (HEIGHT, WIDTH)


@pytest.mark.parametrize("lenient", [True, False])
def test_pictures_of_classes_are_turned_by_their_tag_unless_published(
    tmp_path: Path, *, lenient: bool
) -> None:
    path = tmp_path / "turned.jpg"
    write_jpeg(path, noise_image(np.random.default_rng(3), HEIGHT, WIDTH), orientation=6)
    labels = boxes_reading().labels
    reading = Reading(task="classification", labels=labels, lenient=lenient)
    picture = Classification().read_row(Item("sky/one", Blob(path), 1), reading).picture
    size = (HEIGHT, WIDTH) if lenient else (WIDTH, HEIGHT)
    assert (picture.height, picture.width) == size
    assert decode_image(picture.data).shape == (*size, 3)
    assert orientation_of(picture.data) == UPRIGHT


@given(place=st.integers(0, 400), value=st.integers(0, 255), cut=st.integers(0, 600))
def test_any_damage_to_a_matlab_file_ends_in_one_line(
    image: Path, place: int, value: int, cut: int
) -> None:
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {"LabelMap": np.eye(HEIGHT, WIDTH)}, do_compression=True)
    data = bytearray(buffer.getvalue())
    data[place % len(data)] ^= value
    path = image.with_name("damaged.mat")
    path.write_bytes(data[: max(len(data) - cut, 0)])
    try:
        row = segmented(image, Blob(path), MAT)
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either is right, one line is what counts
    else:
        assert stored(row).shape == (HEIGHT, WIDTH)
