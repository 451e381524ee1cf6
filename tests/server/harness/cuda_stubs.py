"""Stand-ins for the nvidia libraries that the registry's torch wheel links against.

That wheel is a CUDA build: its libraries name about a dozen nvidia ones, 3 GB of wheels, and do not load without them
even where no GPU is ever used. Each stand-in has the name, the symbol versions and the functions that torch asks for;
every function answers 1, an error code. The CUDA runtime and the profiler library, which torch does call while it
loads, are small and stay real. For CPU use only.
"""

import re
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path

VENDOR = re.compile(r"lib(cublas|cudnn|cufft|cufile|cusolver|cusparse|nccl|nvrtc|nvshmem|nvJitLink)", re.I)
NEEDED = re.compile(r"\(NEEDED\).*\[(.+)\]")
UNDEFINED = re.compile(r" UND (\w+)(?:@(\S+))?")


def write(site_packages: Path) -> list[str]:
    """Writes the missing libraries where torch's own search path looks; returns their names."""
    torch = site_packages / "torch"
    folder = next(site_packages.glob("nvidia/cu1*/lib"))
    present = {path.name for path in folder.iterdir()}
    wanted: set[str] = set()
    symbols: set[tuple[str, str]] = set()
    for binary in [*(torch / "lib").glob("*.so*"), *torch.glob("_C*.so")]:
        if binary.is_file():
            wanted.update(name for name in NEEDED.findall(_readelf("-d", binary)) if VENDOR.match(name))
            symbols.update(UNDEFINED.findall(_readelf("--dyn-syms", binary)))
    missing = sorted(wanted - present)
    functions: dict[str, dict[str, list[str]]] = {name: defaultdict(list) for name in missing}
    for symbol, version in sorted(symbols):
        if library := _home(symbol, version, missing):
            functions[library][version].append(symbol)
    for library in missing:
        _compile(folder / library, functions[library])
    return missing


def _home(symbol: str, version: str, libraries: list[str]) -> str | None:
    """A symbol's version is mostly the name of its library; else the symbol starts with the library's name."""
    stem = {name: VENDOR.match(name).group(1).lower() for name in libraries}
    ours = [name for name in libraries if (version and name == version)]
    return next(iter(ours or [name for name in libraries if symbol.lower().startswith(stem[name])]), None)


def _compile(target: Path, functions: dict[str, list[str]]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        source, versions = Path(scratch, "stub.c"), Path(scratch, "stub.map")
        names = sorted({name for group in functions.values() for name in group})
        source.write_text("".join(f"int {name}(void) {{ return 1; }}\n" for name in names) or "static int nothing;\n")
        groups = ((version, group) for version, group in functions.items() if version)
        versions.write_text("".join(f"{version} {{ {'; '.join(group)}; }};\n" for version, group in groups))
        script = [f"-Wl,--version-script={versions}"] if versions.stat().st_size else []
        subprocess.run(
            ["gcc", "-w", "-fno-builtin", "-shared", "-fPIC", "-nostdlib", f"-Wl,-soname,{target.name}", *script]
            + ["-o", str(target), str(source)],
            check=True,
        )


def _readelf(option: str, binary: Path) -> str:
    return subprocess.run(["readelf", "-W", option, str(binary)], capture_output=True, text=True, check=True).stdout
