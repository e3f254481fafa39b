"""How exported files and TNN networks look on the terminal."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from topformer_cli import console
from topformer_cli.units import size_text

if TYPE_CHECKING:
    from topformer_cli.deploy.artifact import Artifact
    from topformer_cli.deploy.tnn.describe import Blob, LayerDescription, TnnDescription
    from topformer_cli.deploy.tnn.difference import Amount, TnnDifference

_COLUMNS: Final = ("layer", "type", "output", "weights", "M madds")
"""madds: multiply-adds, here in millions."""
_LEFT: Final = (0, 1, 2)
_WIDTH: Final = 80
_GAP: Final = 3
"""Between two columns; a blank stands at each end of a line."""
_NARROWEST: Final = 10
_WIDEST_TYPE: Final = 23
_SHORT: Final = {"Convolution": "Conv", "Deconvolution": "Deconv"}

Row = tuple[str, ...]


def network(found: "TnnDescription", *, as_json: bool) -> None:
    """Print a TNN network layer by layer, its sums last."""
    if as_json:
        console.result_json(found.to_json())
        return
    console.facts(
        [
            ("input", ", ".join(map(_blob, found.inputs))),
            ("output", ", ".join(map(_blob, found.outputs))),
            ("files", _files(found)),
        ]
    )
    rows = [(str(index), *_row(layer)) for index, layer in enumerate(found.layers)]
    total = ("all", "", "", f"{found.weights:,}", _millions(found.multiply_adds))
    rows = _fitted([*rows, ("", *total)], 1)
    title = f"\n{found.proto.name}: {len(found.layers)} layers"
    console.table(title, ("#", *_COLUMNS), rows, left=(1, 2, 3))
    if found.unknown:
        console.result(f"{found.unknown} layers cannot be counted in full without the .tnnmodel")


def difference(
    before: "TnnDescription", after: "TnnDescription", found: "TnnDifference", *, as_json: bool
) -> None:
    """Print what differs between two networks: sums, types, and layers in the order of the file."""
    if as_json:
        names = {"before": str(before.proto), "after": str(after.proto)}
        console.result_json({**names, **asdict(found)})
        return
    console.facts([("before", str(before.proto)), ("after", str(after.proto))])
    columns = ("", "before", "after", "change")
    console.table("\nsums", columns, [_amount(one) for one in found.totals])
    if found.types:
        console.table("layers by type", columns, [_amount(one) for one in found.types])
    if found.changes:
        rows = [(mark, *_row(layer, words=True)) for mark, layer in _marked(found)]
        console.table("layers that differ", ("", *_COLUMNS), _fitted(rows, 1), left=(0, 1, 2, 3))
    console.result(_same(found))


def export(artifact: "Artifact", *, as_json: bool) -> None:
    """Print what the manifest of an export says."""
    manifest = artifact.manifest
    if as_json:
        record = manifest.model_dump(mode="json")
        console.result_json({**record, "path": str(artifact.path), "formats": artifact.formats})
        return
    classes = artifact.card.get("classes")
    pairs = [
        ("export", manifest.name),
        ("input", f"{manifest.input.name} {_shape(manifest.input.shape)}, {manifest.input.type}"),
        *(
            ("output" if not index else "", f"{one.name} {_shape(one.shape)}, {one.meaning}")
            for index, one in enumerate(manifest.outputs)
        ),
        ("classes", f"{len(classes)} of {artifact.card.get('dataset')}" if classes else ""),
        ("terms", str(artifact.card.get("data_terms") or "")),
        ("formats", ", ".join(artifact.formats)),
        ("made from", f"{manifest.source.name}, sha256 {manifest.source.sha256 or 'not known'}"),
        ("made with", ", ".join(f"{name} {one}" for name, one in manifest.versions.items())),
    ]
    console.facts([(label, text) for label, text in pairs if text])
    rows = [(file.name, size_text(file.bytes), file.sha256[:12]) for file in manifest.files]
    console.table("\nfiles", ("file", "size", "sha256"), rows)
    title = f"agreement with the network, on {manifest.images_text}"
    if manifest.decoding is not None:
        columns = ("format", "boxes", "found", "same", "moved by px", "score by")
        boxes = [
            (name, f"{one.expected}", f"{one.found}", f"{one.same}", f"{one.px:.1e}",
             f"{one.score:.1e}")
            for name, parity in manifest.parity.items()
            if (one := parity.boxes)
        ]  # fmt: skip
        console.table(title, columns, boxes)
        return
    agreed = [
        (name, f"{one.relative:.1e}", f"{one.bound:.1e}", f"{one.labels_equal:.2%}")
        for name, one in manifest.parity.items()
    ]
    console.table(title, ("format", "of max|logits|", "bound", "labels equal"), agreed)


def shortened(text: str, width: int) -> str:
    """Return a text of at most width characters; what is too much is cut from its middle."""
    if len(text) <= width:
        return text
    left = (width - 1) // 2
    return f"{text[:left]}…{text[len(text) - (width - 1 - left) :]}"


def _row(layer: "LayerDescription", *, words: bool = False) -> Row:
    """Return a layer's cells; words shows the parameters of what has no window."""
    parts = [_SHORT.get(layer.type, layer.type), layer.kernel, layer.activation]
    if words and not layer.kernel:
        parts.append(
            shortened(" ".join(map(_word, layer.parameters)), _WIDEST_TYPE - len(parts[0]))
        )
    shapes = layer.shapes
    more = f" +{len(shapes) - 1}" if shapes and len(shapes) > 1 else ""
    return (
        layer.name,
        " ".join(part for part in parts if part),
        f"{_shape(shapes[0])}{more}" if shapes else "?",
        "?" if layer.weights is None else f"{layer.weights:,}" * bool(layer.weights),
        "?" if layer.multiply_adds is None else _millions(layer.multiply_adds),
    )


def _word(word: str) -> str:
    return f"{float(word):.4g}" if "." in word else word


def _fitted(rows: Sequence[Row], column: int) -> list[Row]:
    """Shorten one column so that the table fits 80 columns."""
    count = len(rows[0])
    others = sum(
        max(len(row[index]) for row in [*rows, ("", *_COLUMNS)])
        for index in range(count)
        if index != column
    )
    width = max(_WIDTH - others - _GAP * (count - 1) - 2, _NARROWEST)
    return [(*row[:column], shortened(row[column], width), *row[column + 1 :]) for row in rows]


def _marked(found: "TnnDifference") -> "Iterator[tuple[str, LayerDescription]]":
    for change in found.changes:
        both = change.kind == "changed"
        if change.before is not None:
            yield "was" if both else "gone", change.before
        if change.after is not None:
            yield "now" if both else "new", change.after


def _same(found: "TnnDifference") -> str:
    alike = f"{found.same} layers are the same"
    if found.other_weights is None:
        return f"{alike}; their weights were not compared (a .tnnmodel is missing)"
    return f"{alike}, {found.other_weights} of them with other weights"


def _amount(one: "Amount") -> Row:
    before, after = ("none" if n is None else f"{n:,}" for n in (one.before, one.after))
    if one.before is None or one.after is None:
        return one.what, before, after, ""
    change = one.after - one.before
    share = f" ({change / one.before:+.1%})" if one.before and change else ""
    return one.what, before, after, f"{change:+,}{share}" if change else "0"


def _files(found: "TnnDescription") -> str:
    text = f".tnnproto {size_text(found.proto_bytes)}"
    if found.model_bytes is None:
        return f"{text}, no weights beside it"
    return f"{text}, .tnnmodel {size_text(found.model_bytes)} ({found.storage or 'no weights'})"


def _blob(blob: "Blob") -> str:
    return f"{blob.name} {_shape(blob.shape) if blob.shape is not None else '?'}"


def _shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _millions(count: int) -> str:
    return f"{count / 1e6:,.2f}" if count else ""
