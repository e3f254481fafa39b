"""Who may import whom. The tables are the rule; function-level imports count too."""

from graphlib import TopologicalSorter

import pytest

from tests.architecture.source import PACKAGE, imports, modules, own_module

COMMON = {"errors", "results", "process", "predictor", "parity", "rundir", "cache", "units", ""}
"""What every part may import; the empty name is the package itself, for its version."""

MAY_IMPORT = {
    "__main__": {"cli"},
    "cli": {"errors"},  # commands are imported by name, when they are used
    "commands": {
        "commands", "api", "console", "draw", "report", "recipe", "sections",
        "models.spec", "models.zoo", "bench.protocol", "data.looks",  # plain records
    },
    "api": {
        "api", "engine", "models", "data", "deploy", "bench", "draw", "recipe", "sections",
        "report",
    },
    "engine": {"engine", "models", "data", "recipe", "sections", "torch_threads"},
    "models": {"models"},
    "data": {"data"},
    "deploy": {"deploy", "onnx_session", "torch_threads"},
    "bench": {"bench", "onnx_session"},
    "report": {"report", "draw"},
    "recipe": {"recipe", "models.spec", "data.catalog", "sections"},
    "sections": {"models.spec", "models.design", "models.baselines.table", "sections"},
    "console": set(),
    "draw": {"draw"},
    "errors": set(),
    "results": {"errors", "results"},
    "process": {"errors"},
    "predictor": {"errors"},
    "parity": {"errors"},
    "rundir": {"errors"},
    "cache": {"errors"},
    "units": set(),
    "onnx_session": set(),
    "torch_threads": set(),
}  # fmt: skip
"""Part of the package -> the parts and modules it may import besides COMMON."""

INSIDE_BENCH: dict[str, set[str]] = {
    "adb": set(),
    "building": {"programs"},
    "formats": {"machine"},
    "host": {"formats", "machine", "programs", "runners"},
    "machine": set(),
    "phone": {"adb", "formats", "machine"},
    "programs": {"formats", "runners"},
    "runners": {"formats"},
    "sessions": set(),
    "statistics": set(),
}  # fmt: skip
"""Package of bench -> the other packages of bench it may import; plain modules are for all."""

ONLY_IN = {
    "subprocess": {"process"},
    "onnx": {"deploy"},
    "onnx_ir": {"deploy"},
    "onnxscript": {"deploy"},
    "onnxruntime": {"onnx_session"},
    "adbutils": {"bench"},
    "datasets": {"data"},
    "faster_coco_eval": {"data", "engine"},
    "fsspec": {"data"},
    "requests": {"bench", "data"},
    "scipy": {"data"},
    "simplejpeg": {"data"},
    "safetensors": {"models"},
    "matplotlib": {"report"},
    "click": {"cli", "commands"},
    "rich": {"console"},
    "torch": {"models", "engine", "data", "deploy", "api", "bench", "torch_threads"},
    "torchvision": {"models"},
    "timm": {"models"},
    "transformers": {"models"},
}
"""Library -> the only parts that may import it, anywhere."""

LIGHT = (
    "cli", "errors", "results", "rundir", "recipe", "cache", "console", "process", "units",
    "models", "models.spec", "models.design", "models.zoo", "models.baselines",
    "models.baselines.files", "models.baselines.table", "data", "data.spec", "data.catalog",
    "data.datasets", "commands", "bench", "bench.protocol",
)  # fmt: skip
HEAVY = {
    "torch", "torchvision", "numpy", "cv2", "onnx", "onnxruntime", "onnxscript", "datasets",
    "adbutils", "scipy", "PIL", "matplotlib", "pyarrow", "rich",
}  # fmt: skip
WORKS_LATE = {
    "commands.artifacts", "commands.rehearse", "commands.show", "commands.show_bench",
}  # fmt: skip
"""Shared by commands, imported inside them."""


def short(module: str) -> str:
    return module.removeprefix(PACKAGE).removeprefix(".")


def part_of(module: str) -> str:
    return short(module).split(".")[0]


def covered(target: str, allowed: set[str]) -> bool:
    return any(target == one or target.startswith(f"{one}.") for one in allowed if one) or (
        target == "" and "" in allowed
    )


def test_every_part_has_a_line_in_the_table() -> None:
    # A part that is not there yet may have its line already.
    assert {part_of(module) for module in modules()} - {""} <= set(MAY_IMPORT)


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_parts_import_only_what_they_may(part: str) -> None:
    allowed = MAY_IMPORT[part] | (COMMON if part not in COMMON else set())
    wrong = [
        f"{path}:{one.line} imports {one.name}"
        for module, path in modules().items()
        if part_of(module) == part
        for one in imports(path)
        if (target := own_module(one.name)) is not None and not covered(short(target), allowed)
    ]
    assert wrong == []


def package_of_bench(module: str) -> str | None:
    words = short(module).split(".")
    return words[1] if words[0] == "bench" and f"{PACKAGE}.bench.{words[1]}" in folders() else None


def folders() -> set[str]:
    return {name for name, path in modules().items() if path.name == "__init__.py"}


def test_packages_of_bench_import_only_what_they_may() -> None:
    inside = {
        name: package_of_bench(name) for name in modules() if short(name).startswith("bench.")
    }
    assert {package for package in inside.values() if package} == set(INSIDE_BENCH)
    wrong = [
        f"{name}:{one.line} imports {one.name}"
        for name, package in inside.items()
        if package
        for one in imports(modules()[name])
        if (own := own_module(one.name)) in inside
        and inside[own] not in (None, package, *INSIDE_BENCH[package])
    ]
    assert wrong == []


@pytest.mark.parametrize("library", ONLY_IN)
def test_libraries_stay_behind_their_walls(library: str) -> None:
    wrong = [
        f"{path}:{one.line}"
        for module, path in modules().items()
        if part_of(module) not in ONLY_IN[library]
        for one in imports(path)
        if one.name.split(".")[0] == library
    ]
    assert wrong == []


def is_light(module: str) -> bool:
    name = short(module)
    return name in LIGHT or name.startswith(
        ("commands.", "data.datasets.", "recipe.", "results.", "sections")
    )


def test_light_modules_import_nothing_heavy_at_their_top() -> None:
    wrong = [
        f"{path}:{one.line} imports {one.name}"
        for module, path in modules().items()
        if is_light(module) and short(module) not in WORKS_LATE
        for one in imports(path)
        if one.top_level
        if one.name.split(".")[0] in HEAVY
        or ((own := own_module(one.name)) and own != PACKAGE and not is_light(own))
    ]
    assert wrong == []


def test_only_recipes_and_what_parses_foreign_json_import_pydantic() -> None:
    users = {
        short(module)
        for module, path in modules().items()
        for one in imports(path)
        if one.name.split(".")[0] == "pydantic"
    }
    foreign_json = {
        "data.sources.box_entries", "data.sources.coco_json", "data.sources.detail",
        "data.sources.foreign",
    }  # fmt: skip
    records = {"results.bench", "bench.sessions.history", "bench.sessions.share"}
    sections = {name for name in users if name.startswith("sections.")}
    assert (
        users - sections
        <= {
            "recipe.check",
            "data.card",
            "deploy.artifact",
            "deploy.manifest",
            "deploy.box_decoding",
        }
        | foreign_json
        | records
    )


def test_modules_import_each_other_in_no_circle() -> None:
    graph = {
        module: {
            own
            for one in imports(path)
            if one.top_level and (own := own_module(one.name)) not in (None, module)
        }
        for module, path in modules().items()
    }
    assert len(list(TopologicalSorter(graph).static_order())) == len(graph)
