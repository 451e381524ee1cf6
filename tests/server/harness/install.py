"""What is built once and kept outside the tree: environments with InvokeAI in them, and the tiny models."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from contextlib import contextmanager
from pathlib import Path

import cuda_stubs

HERE = Path(__file__).resolve().parent.parent
PINS = tomllib.loads((HERE / "pins.toml").read_text())
NEWEST = PINS["base"]["release"]
OFFLINE = re.compile(
    r"connection|timed? ?out|name resolution|name or service|unreachable|proxy|SSLError|error 5\d\d", re.I
)


class Unavailable(Exception):
    """This machine cannot run a server (no registry, no compiler); a test may skip, loudly."""


class Failed(Exception):
    """Something that should work did not."""


def say(text: str) -> None:
    print(f"tests/server: {text}", file=sys.stderr, flush=True)


def cache() -> Path:
    if own := os.environ.get("INVOKEAI_TEST_CACHE"):
        return Path(own).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "invokeai-client"


def environment(version: str) -> Path:
    """The environment of a release, as a folder with `bin/python` in it."""
    if own := os.environ.get("INVOKEAI_TEST_VENV"):
        return Path(own).absolute()
    if version == NEWEST:
        return _cached(_base_name(), _build_base)
    base = environment(NEWEST)
    package = [f"invokeai=={version}"]
    if listed := PINS["releases"].get(version):
        name = f"venv-{version}-{_digest(_base_name(), listed['packages'])}"
        return _cached(name, lambda folder: _build_layer(folder, base, package + listed["packages"].split()))
    neighbors = _pins_of_neighbors(version)
    name = f"venv-{version}-{_digest(_base_name(), *neighbors, UNMET)}"
    return _cached(name, lambda folder: _build_unlisted(folder, base, package, neighbors))


def ordinal(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]


def _pins_of_neighbors(version: str) -> list[str]:
    """Pins of the nearest older release, of the nearest newer one, and none at all (the newest release's)."""
    if not re.fullmatch(r"\d+(\.\w+)+", version):
        raise Failed(f"{version!r} is not an InvokeAI version such as {NEWEST}")
    older = [listed for listed in PINS["releases"] if ordinal(listed) <= ordinal(version)]
    if not older:
        raise Failed(f"InvokeAI {version} is older than every release in pins.toml: {', '.join(PINS['releases'])}")
    newer = [listed for listed in PINS["releases"] if ordinal(listed) > ordinal(version)]
    nearest = [max(older, key=ordinal), *([min(newer, key=ordinal)] if newer else [])]
    return [PINS["releases"][listed]["packages"] for listed in nearest] + [""]


def models() -> Path:
    """The folder of tiny models, with `catalog.json` saying what each is."""
    sources = [*sorted((HERE / "tiny_models").glob("*.py")), *sorted((HERE / "nodes" / "tiny_flux").glob("*.py"))]
    name = f"models-{_digest(_base_name(), *(p.read_text() for p in sources))}"
    python = environment(NEWEST) / "bin" / "python"
    return _cached(name, lambda folder: _make_models(folder, python))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:10]


def _base_name() -> str:
    stubs = Path(cuda_stubs.__file__).read_text()
    return f"venv-{NEWEST}-{_digest(PINS['base']['packages'], stubs, '{}.{}'.format(*sys.version_info[:2]))}"


def _cached(name: str, build) -> Path:
    """`build(folder)` runs at most once per name; other callers wait meanwhile; an unfinished build is thrown away."""
    folder = cache() / name
    done = folder / ".complete"
    if done.exists():
        return folder
    cache().mkdir(parents=True, exist_ok=True)
    with _locked(cache() / f"{name}.lock", f"waiting for another process that makes {folder}"):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            began = time.monotonic()
            say(f"making {folder}")
            build(folder)
            done.touch()
            say(f"made {folder} in {time.monotonic() - began:.0f} s")
    return folder


@contextmanager
def _locked(path: Path, if_busy: str):
    with open(path, "w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(if_busy)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _build_base(folder: Path) -> None:
    for tool in ("gcc", "readelf"):
        if not shutil.which(tool):
            raise Unavailable(f"{tool} is needed to make the stand-ins for the CUDA libraries and was not found")
    _venv(folder)
    _pip(folder, folder, PINS["base"]["packages"].split())
    cuda_stubs.write(site_packages(folder))
    check = _run([folder / "bin" / "python", "-c", "import torch; assert not torch.cuda.is_available()"])
    if check.returncode:
        raise Failed(f"torch does not import with the CUDA stand-ins:\n{check.stdout[-3000:]}")


def _build_layer(folder: Path, base: Path, packages: list[str]) -> None:
    _venv(folder, "--without-pip")
    _pip(base, folder, packages)
    # Its own packages come first on the path; what it lacks is found in the base.
    (site_packages(folder) / "zz_base.pth").write_text(f"{site_packages(base)}\n")


def _build_unlisted(folder: Path, base: Path, package: list[str], neighbors: list[str]) -> None:
    """A release that nobody has tried: it gets packages close to those of one of its neighbors."""
    for neighbor in neighbors:
        shutil.rmtree(folder, ignore_errors=True)
        try:
            return _fill(folder, base, package, neighbor.split())
        except Failed as error:
            trouble = error
    raise Failed(f"no set of packages found for {package[0]}: {trouble}")


def _fill(folder: Path, base: Path, package: list[str], neighbor: list[str]) -> None:
    _build_layer(folder, base, package + neighbor)
    for _ in range(4):
        unmet = _run([folder / "bin" / "python", "-c", UNMET, site_packages(folder)])
        if unmet.returncode:
            raise Failed(f"the requirements of {package[0]} cannot be read:\n{unmet.stdout[-2000:]}")
        wishes = unmet.stdout.split()
        if not wishes:
            return
        say(f"no list for {package[0]}; beside its neighbor's packages it wants {', '.join(wishes)}")
        _pip(base, folder, wishes)
    raise Failed(f"still unmet: {', '.join(wishes)}")


# Prints the packages that the layer's own packages require and do not get, with all requirements. The base's torch has
# to do for all, without its CUDA parts, and so does its opencv, which is the one with all parts; two packages for
# other kinds of models than the tiny ones are left out everywhere.
UNMET = """
import importlib.metadata as installed, sys
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
name_of = lambda name: name.lower().replace("_", "-")
needs = []
for package in installed.distributions(path=sys.argv[1:]):
    for text in package.requires or []:
        need = Requirement(text)
        if need.name in ("bitsandbytes", "mistral-common", "opencv-python", "torch"):
            continue
        if need.marker and not need.marker.evaluate({"extra": ""}):
            continue
        try:
            met = need.specifier.contains(installed.version(need.name), prereleases=True)
        except installed.PackageNotFoundError:
            met = False
        needs.append((name_of(package.name), name_of(need.name), need.specifier, met))
unmet = {name for _, name, _, met in needs if not met}
# What is itself to be replaced has no say.
needs = [need for need in needs if need[0] not in unmet]
asked = {}
for _, name, specifier, _ in needs:
    asked[name] = asked.get(name, SpecifierSet()) & specifier
unmet = {name for _, name, _, met in needs if not met}
print(*(f"{name}{asked[name]}" for name in sorted(unmet)))
"""


def _venv(folder: Path, *options: str) -> None:
    made = _run([sys.executable, "-m", "venv", *options, folder])
    if made.returncode:
        raise Unavailable(f"{sys.executable} cannot make virtual environments:\n{made.stdout[-2000:]}")


def _pip(tool: Path, target: Path, packages: list[str]) -> None:
    options = ["--quiet", "--no-deps", "--no-compile", "--no-input", "--retries", "2", "--disable-pip-version-check"]
    python = tool / "bin" / "python"
    done = _run([python, "-m", "pip", "--python", target / "bin" / "python", "install", *options, *packages])
    if done.returncode:
        kind = Unavailable if OFFLINE.search(done.stdout) else Failed
        why = "the Python package registry cannot be reached" if kind is Unavailable else "pip failed"
        raise kind(f"{why}:\n{done.stdout[-2000:]}")


def _make_models(folder: Path, python: Path) -> None:
    env = os.environ | {
        "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "TRANSFORMERS_VERBOSITY": "error", "PYTHONWARNINGS": "ignore",
    }  # fmt: skip
    made = _run([python, HERE / "tiny_models", folder], env=env)
    if made.returncode:
        raise Failed(f"making the tiny models failed:\n{made.stdout[-4000:]}")


def site_packages(venv: Path) -> Path:
    return next((venv / "lib").glob("python3.*/site-packages"))


def _run(command: list, env: dict | None = None) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(part) for part in command], env=env, text=True, errors="replace", stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
