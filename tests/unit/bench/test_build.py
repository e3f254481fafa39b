"""Choosing of compilers and builds, with real compilers and libraries that only look like TNN."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from topformer_cli.bench.building.build import build_runner, choose_build
from topformer_cli.bench.building.compilers import (
    CROSS,
    Compiler,
    choose_compiler,
    find_ndks,
    ndk_compiler,
)
from topformer_cli.bench.building.tnn_builds import TnnBuild, find_builds, find_headers, origin_of
from topformer_cli.bench.building.toolchains import examine_toolchains
from topformer_cli.errors import DeviceError, UsageError
from topformer_cli.process import run

HOST = shutil.which("g++")
needs_host = pytest.mark.skipif(HOST is None, reason="no g++ on this machine")
needs_both = pytest.mark.skipif(
    HOST is None or shutil.which(CROSS) is None, reason=f"no g++ or no {CROSS} on this machine"
)
LOOKS_LIKE_TNN = """
namespace tnn { struct Instance { int Forward(); void StartProfile(); }; }
int tnn::Instance::Forward() { return 0; }
"""
PROFILER = "void tnn::Instance::StartProfile() {}\n"
FP16 = 'extern "C" void GEMM_FP16_N8() {}\n'
NDK = 'const char *library = "std::__ndk1";\n'
OPENMP = 'extern "C" void GOMP_parallel(); void (*use)() = GOMP_parallel;\n'


def shell(*words: str | Path) -> None:
    finished = run(words, timeout_s=60)
    assert finished.returncode == 0, finished.stderr


@dataclass
class Tree:
    """A folder with headers and libraries."""

    folder: Path

    def headers(self) -> None:
        header = self.folder / "include/tnn/core/tnn.h"
        header.parent.mkdir(parents=True)
        header.write_text("")

    def archive(self, name: str, compiler: str = "g++", more: str = "") -> Path:
        """Compile a static library."""
        place = self.folder / name
        place.mkdir()
        (place / "tnn.cc").write_text(LOOKS_LIKE_TNN + more)
        shell(compiler, "-c", place / "tnn.cc", "-o", place / "tnn.o")
        shell("ar", "rc", place / "libTNN.a", place / "tnn.o")
        return place / "libTNN.a"

    def shared(self, name: str, compiler: str = "g++") -> Path:
        """Compile a shared library with its chain of links, as CMake leaves it."""
        place = self.folder / name
        place.mkdir()
        (place / "tnn.cc").write_text(LOOKS_LIKE_TNN)
        whole = place / "libTNN.so.0.3"
        shell(compiler, "-shared", "-fPIC", place / "tnn.cc", "-o", whole)
        (place / "libTNN.so").symlink_to(whole.name)
        return whole


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


@needs_both
def test_the_build_for_the_compilers_target_is_chosen(tree: Tree) -> None:
    arm = tree.archive("arm", CROSS)
    half = tree.archive("half", CROSS, FP16)
    tree.archive("profiled", CROSS, FP16 + PROFILER)
    host = tree.shared("x86")
    tree.shared("arm-shared", CROSS)
    builds = find_builds([tree.folder])
    assert len(builds) == 5
    cross = choose_compiler(None, None, "arm64-v8a")
    assert choose_build(builds, cross, [tree.folder]).library == half
    assert choose_build(find_builds([tree.folder / "arm"]), cross, []).library == arm
    native = choose_compiler("g++", None, "arm64-v8a")
    chosen = choose_build(builds, native, [tree.folder]).library
    assert chosen.resolve() == host
    with pytest.raises(DeviceError, match=r"no libTNN for aarch64.* holds .*x86_64, Linux, shar"):
        choose_build(find_builds([tree.folder / "x86"]), cross, [tree.folder])
    with pytest.raises(DeviceError, match=r"no libTNN for aarch64.* holds .*arm64-v8a, Linux, s"):
        choose_build(find_builds([tree.folder / "arm-shared"]), cross, [tree.folder])
    with pytest.raises(DeviceError, match=r"holds none at all.*cmake -S TNN"):
        choose_build([], cross, [tree.folder])


@needs_host
def test_what_a_build_can_do_is_seen_in_its_file(tree: Tree) -> None:
    plain = tree.archive("plain")
    rich = tree.archive("rich", more=FP16 + PROFILER + OPENMP)
    shared = tree.shared("shared")
    found = {one.library.resolve(): one for one in find_builds([tree.folder])}
    assert found.keys() == {plain, rich, shared}
    one = found[plain]
    assert (one.openmp, one.profiler, one.fp16, one.is_static) == (None, False, False, True)
    one = found[rich]
    assert (one.openmp, one.profiler, one.fp16) == ("gomp", True, True)
    assert "static, OpenMP (gomp), profiler, fp16" in one.describe()
    assert (found[shared].fp16, found[shared].is_static) == (None, False)
    (shared.parent / "CMakeCache.txt").write_text("TNN_ARM82_ENABLE:BOOL=OFF\n")
    assert [one.fp16 for one in find_builds([shared.parent])] == [False]


@pytest.mark.parametrize("content", [b"", b"!<arch>\n", b"!<arch>\n" + b"x" * 90, b"\x7fELF" * 9])
def test_damaged_libraries_are_left_out(tree: Tree, content: bytes) -> None:
    (tree.folder / "libTNN.a").write_bytes(content)
    (tree.folder / "libTNN.so").write_bytes(content)
    assert find_builds([tree.folder]) == []


@needs_host
def test_headers_are_found_above_below_and_through_the_build(tree: Tree) -> None:
    build = tree.archive("build").parent
    with pytest.raises(DeviceError, match=r"no include/tnn/core/tnn.h in .*--tnn-home"):
        find_headers([build])
    tree.headers()
    expected = tree.folder / "include"
    assert find_headers([build]) == expected
    assert find_headers([tree.folder]) == expected
    other = tree.folder.parent / f"{tree.folder.name}-elsewhere"
    other.mkdir()
    (other / "CMakeCache.txt").write_text(f"TNN_SOURCE_DIR:STATIC={tree.folder}\n")
    assert find_headers([other]) == expected
    assert find_headers([tree.folder.parent]).is_dir()


def test_origin_is_the_commit_else_the_version_header(tree: Tree) -> None:
    tree.headers()
    headers = tree.folder / "include"
    assert origin_of(headers) == "unknown"
    version = headers / "tnn/version.h"
    version.write_text('static char *commit_hash_tnn = "1790ad63";\n')
    assert origin_of(headers) == "1790ad63 (version.h)"
    if shutil.which("git") is None:
        pytest.skip("no git on this machine")
    git = ("git", "-C", tree.folder, "-c", "user.name=a", "-c", "user.email=a@b.c")
    shell("git", "init", "-q", tree.folder)
    assert origin_of(headers) == "1790ad63 (version.h)"
    shell(*git, "commit", "-q", "--allow-empty", "-m", "first")
    commit = run([*git, "rev-parse", "HEAD"], timeout_s=60).stdout
    assert origin_of(headers) == commit[:12]
    inner = tree.folder / "unpacked"
    Tree(inner).headers()
    assert origin_of(inner / "include") == "unknown"


@needs_host
def test_what_the_compiler_says_is_told_and_nothing_is_left(tree: Tree) -> None:
    tree.headers()
    tree.archive("build")
    out = tree.folder / "out/topformer-runner"
    with pytest.raises(
        DeviceError, match=r"g\+\+ failed: .*error: .*all of it: g\+\+ -std=c\+\+11"
    ):
        build_runner([tree.folder], choose_compiler("g++", None, "arm64-v8a"), out)
    assert list(out.parent.iterdir()) == []
    with pytest.raises(DeviceError, match="is no folder"):
        build_runner([tree.folder / "none"], choose_compiler("g++", None, "arm64-v8a"), out)


def test_compilers_that_cannot_be_used_are_refused(tree: Tree) -> None:
    with pytest.raises(UsageError, match="give one of them"):
        choose_compiler("g++", tree.folder, "arm64-v8a")
    with pytest.raises(UsageError, match="needs --ndk DIR or --cxx CMD"):
        choose_compiler(None, None, "armeabi-v7a")
    with pytest.raises(DeviceError, match="'no-such-compiler -m32' is not installed"):
        choose_compiler("no-such-compiler -m32", None, "arm64-v8a")
    with pytest.raises(DeviceError, match="does not answer -dumpmachine"):
        choose_compiler("false", None, "arm64-v8a")
    with pytest.raises(DeviceError, match="makes programs for arm64-apple-darwin23"):
        _ = Compiler(("c++",), "arm64-apple-darwin23.1").machine


def ndk_with(folder: Path, *names: str) -> Path:
    """Lay out an NDK whose compilers only tell their target."""
    places = folder / "toolchains/llvm/prebuilt/linux-x86_64/bin"
    places.mkdir(parents=True)
    for name in names:
        target = name.removesuffix("-clang++")
        answer = f"[ $1 = -dumpmachine ] && echo {target} || {{ echo error: no sysroot; false; }}"
        (places / name).write_text(f"#!/bin/sh\n{answer}\n")
        (places / name).chmod(0o755)
    return folder


def test_compiler_of_an_ndk_is_that_of_the_lowest_level(tmp_path: Path) -> None:
    names = [f"aarch64-linux-android{level}-clang++" for level in (16, 35, 23, 21)]
    ndk = ndk_with(tmp_path / "ndk", *names, "armv7a-linux-androideabi24-clang++")
    compiler = choose_compiler(None, ndk, "arm64-v8a")
    assert compiler.words[0].endswith("/aarch64-linux-android21-clang++")
    assert (compiler.android, compiler.machine) == (True, (183, 64))
    assert choose_compiler(None, ndk, "armeabi-v7a").machine == (40, 32)
    with pytest.raises(DeviceError, match=r"no compiler .*x86_64-linux-android.*toolchains"):
        ndk_compiler(ndk, "x86_64")


@needs_both
def test_ndk_links_what_android_needs(tree: Tree) -> None:
    tree.headers()
    ndk = ndk_with(tree.folder / "ndk", "aarch64-linux-android21-clang++")
    compiler = choose_compiler(None, ndk, "arm64-v8a")
    tree.archive("one-thread", CROSS, NDK)
    with pytest.raises(DeviceError, match=r"failed: error: no sysroot; all of it: ") as caught:
        build_runner([tree.folder], compiler, tree.folder / "out")
    for words in ("--whole-archive", "-static-libstdc++ -llog", "max-page-size=16384", "OPENMP=0"):
        assert words in str(caught.value)
    tree.archive("threads", CROSS, NDK + FP16 + 'extern "C" void __kmpc_fork_call() {}\n')
    with pytest.raises(DeviceError, match=r"OPENMP=1.*-fopenmp -static-openmp"):
        build_runner([tree.folder], compiler, tree.folder / "out")


def test_ndks_are_those_that_the_environment_names(tmp_path: Path) -> None:
    for name in ("own", "sdk/ndk/9.1.2", "sdk/ndk/26.1.10"):
        (tmp_path / name).mkdir(parents=True)
    own, sdk = str(tmp_path / "own"), str(tmp_path / "sdk")
    named = {"ANDROID_NDK": own, "ANDROID_NDK_HOME": own, "ANDROID_HOME": sdk}
    assert [path.name for path in find_ndks(named)] == ["own", "26.1.10", "9.1.2"]
    assert list(find_ndks({"ANDROID_NDK": str(tmp_path / "gone")})) == []


@needs_both
def test_doctor_says_which_builds_fit_which_compiler(tree: Tree) -> None:
    tree.archive("arm", CROSS)
    tree.archive("x86")
    ndk = ndk_with(tree.folder / "ndk", "aarch64-linux-android21-clang++")
    environment = {"TNN_HOME": str(tree.folder), "ANDROID_NDK": str(ndk)}
    findings = examine_toolchains(environment)
    assert [one.remedy for one in findings] == [""] * 4
    assert findings[0].found == f"{CROSS}, NDK {ndk}"
    assert findings[2].found.endswith(f"(arm64-v8a, Linux, static): {CROSS}")


def test_doctor_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    phone, host, tnn = examine_toolchains({})
    assert (phone.found, host.found, tnn.found) == ("none", "none", "TNN_HOME is not set")
    assert all(one.remedy for one in (phone, host, tnn))
    [*_, tnn] = examine_toolchains({"TNN_HOME": str(tmp_path)})
    assert tnn.found == f"{tmp_path} holds no libTNN"
    [*_, tnn] = examine_toolchains({"TNN_HOME": str(tmp_path / "gone")})
    assert "which is no folder" in tnn.found


def test_ndk_builds_go_with_ndk_compilers_only() -> None:
    ndk = Compiler(("clang++",), "aarch64-linux-android21")
    cross = Compiler((CROSS,), "aarch64-linux-gnu")
    library = Path(__file__)
    build = TnnBuild(library, (183, 64), android=True, openmp="omp", profiler=False, fp16=True)
    assert choose_build([build], ndk, []) == build
    with pytest.raises(DeviceError, match="arm64-v8a, Android, shared, OpenMP"):
        choose_build([build], cross, [])
