"""Every published set as a small tree in its exact format, and as the archives it comes from."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from tests.fakes.ade20k import make_ade20k
from tests.fakes.archives import pack
from tests.fakes.coco_stuff import (
    make_coco_stuff_10k,
    make_coco_stuff_164k,
    pack_coco_stuff_10k,
    pack_coco_stuff_164k,
)
from tests.fakes.coco_tree import make_coco, pack_coco
from tests.fakes.ilsvrc import make_ilsvrc, pack_ilsvrc
from tests.fakes.voc_context import make_voc_context, pack_voc_context
from topformer_cli.data.spec import Archive, DatasetSpec


def _pack_ade20k(root: Path, out: Path) -> dict[str, Path]:
    path = pack(out / f"{root.name}.zip", {root.name: root})
    return {path.name: path}


MAKE: Mapping[str, Callable[[Path, int, int], Path]] = {
    "ade20k": make_ade20k,
    "pascal-context": make_voc_context,
    "pascal-context-59": make_voc_context,
    "coco-stuff-10k": make_coco_stuff_10k,
    "coco-stuff-164k": make_coco_stuff_164k,
    "coco": make_coco,
    "imagenet": make_ilsvrc,
}
"""Writes a set below a folder, with so many training and validation images, and returns its root.

ImageNet has three classes, and the number of training images is that of each.
"""

PACK: Mapping[str, Callable[[Path, Path], dict[str, Path]]] = {
    "ade20k": _pack_ade20k,
    "pascal-context": pack_voc_context,
    "pascal-context-59": pack_voc_context,
    "coco-stuff-10k": pack_coco_stuff_10k,
    "coco-stuff-164k": pack_coco_stuff_164k,
    "coco": pack_coco,
    "imagenet": pack_ilsvrc,
}
"""Packs a root into a folder, and returns the archives by the names they are published under."""


def republished(
    spec: DatasetSpec, archives: Mapping[str, Path], url: str, counts: Mapping[str, int]
) -> DatasetSpec:
    """Return a set whose archives are those of a small tree, served below `url`.

    Those without a published checksum stay without one; those without a source too.
    """
    return replace(
        spec,
        counts=counts,
        layouts=tuple(replace(layout, counts=None) for layout in spec.layouts),
        archives=tuple(_served(one, archives[one.name], url) for one in spec.archives),
        also=tuple(
            _served(one, archives[one.name], url) if one.name in archives else one
            for one in spec.also
        ),
    )


def _served(archive: Archive, path: Path, url: str) -> Archive:
    data = path.read_bytes()
    return replace(
        archive,
        urls=tuple(f"{url.rstrip('/')}/{archive.name}" for _ in archive.urls[:1]),
        size=len(data) if archive.size is not None else None,
        checksums={name: hashlib.new(name, data).hexdigest() for name in archive.checksums},
    )
