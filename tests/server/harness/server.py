"""One server process: its root folder, its start, and its end."""

import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
from dataclasses import dataclass, field
from pathlib import Path

import install
from api import ADMIN, Api
from install import Failed

READY = re.compile(r"running on (http://[\d.]+:\d+)")
PATIENCE = 300
STATE = "test-server.json"


@dataclass
class Wanted:
    version: str = install.NEWEST
    root: Path | None = None
    port: int | None = None
    models: str = "all"
    nodes: list[Path] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    die_with_parent: bool = False


def start(wanted: Wanted) -> dict:
    """Starts a server with its models; returns what is known about it, and also keeps that in its root folder."""
    venv = install.environment(wanted.version)
    models = install.models() if wanted.models != "none" else None
    fresh = wanted.root is None
    root = Path(tempfile.mkdtemp(prefix="invokeai-test-")) if fresh else wanted.root.absolute()
    if (state := _state(root)) and _alive(state):
        raise Failed(f"a server already runs in {root}: {state['url']}, pid {state['pid']}; stop it first")
    process = None
    try:
        _prepare(root, venv, wanted, models)
        log = root / "server.log"
        process = _launch(venv, root, log, wanted)
        url = _wait(process, log)
        state = {"url": url, "pid": process.pid, "born": _born(process.pid), "root": str(root), "log": str(log)}
        state |= {"version": wanted.version, "temporary": fresh}
        (root / STATE).write_text(json.dumps(state))
        api = Api(url)
        if "INVOKEAI_TEST_VENV" not in os.environ and api.version() != wanted.version:
            raise Failed(f"expected InvokeAI {wanted.version}, but the server is {api.version()}")
        state["version"] = api.version()
        if wanted.port and not url.endswith(f":{wanted.port}"):
            raise Failed(f"port {wanted.port} was taken; the server went to {url}")
        if "multiuser: true" in (root / "invokeai.yaml").read_text().splitlines():
            api.log_in()
            state |= ADMIN | {"token": api.token}
        if models:
            state["models"] = api.install(models, _selection(models, wanted))
        return state
    except BaseException as error:
        if process:
            _end(process.pid, process)
        if isinstance(error, Failed) and (log := root / "server.log").exists():
            error.args = (f"{error}\nthe end of the server's log:\n{_tail(log)}",)
        if fresh:
            shutil.rmtree(root, ignore_errors=True)
        raise


def stop(root: Path) -> None:
    """Ends the server of this root folder, and only that one, and deletes the folder if `start` created it."""
    state = _state(root)
    if not state:
        raise Failed(f"{root} is not the root folder of a server that was started here")
    if _alive(state):
        _end(state["pid"])
    if state["temporary"]:
        shutil.rmtree(root)
    else:
        (root / STATE).unlink()


def _prepare(root: Path, venv: Path, wanted: Wanted, models: Path | None) -> None:
    (root / "nodes").mkdir(parents=True, exist_ok=True)
    for pack in wanted.nodes:
        no_bytecode = shutil.ignore_patterns("__pycache__")
        shutil.copytree(pack, root / "nodes" / pack.name, dirs_exist_ok=True, ignore=no_bytecode)
    config = root / "invokeai.yaml"
    if config.exists():
        replaced = tuple(f"{key}:" for key in wanted.settings)
        lines = [line for line in config.read_text().splitlines() if not (replaced and line.startswith(replaced))]
    else:
        source = install.site_packages(venv) / "invokeai/app/services/config/config_default.py"
        schema = re.search(r'CONFIG_SCHEMA_VERSION = "([\d.]+)"', source.read_text())
        lines = [f"schema_version: {schema.group(1)}"] if schema else []
    config.write_text("\n".join(lines + [f"{key}: {value}" for key, value in wanted.settings.items()]) + "\n")
    if models and wanted.models == "all":
        for file in (models / "downloads").glob("*/*"):
            link = root / "models" / ".download_cache" / file.parent.name / file.name
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.exists():
                link.symlink_to(file)


def _launch(venv: Path, root: Path, log: Path, wanted: Wanted) -> subprocess.Popen:
    # None of the caller's own InvokeAI settings; bytecode is written, or every start would cost 10 s more.
    dropped = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHOME")
    env = {key: value for key, value in os.environ.items() if not key.startswith("INVOKEAI_") and key not in dropped}
    env |= {"INVOKEAI_HOST": "127.0.0.1", "INVOKEAI_PORT": str(wanted.port or _free_port())}
    env |= {"CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "PYTHONWARNINGS": "ignore"}
    # Torch's threads wait asleep: spinning, they take the cores from the tests, and a run takes 5 to 10 times longer.
    env["OMP_WAIT_POLICY"] = "PASSIVE"
    # While it starts, all that it loads stays: looking for garbage as often as usual takes a fifth of the start.
    code = "import gc; gc.set_threshold(100_000, 50, 50); from invokeai.app.run_app import run_app; run_app()"
    with open(log, "wb") as output:
        return subprocess.Popen(
            [str(venv / "bin" / "python"), "-c", code, "--root", str(root)], env=env, cwd=root, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            preexec_fn=_follow_parent if wanted.die_with_parent else None,
        )  # fmt: skip


def _follow_parent() -> None:
    """Linux: the server gets SIGTERM when the harness dies, even if that was killed."""
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _wait(process: subprocess.Popen, log: Path) -> str:
    """The address comes from the log: a server whose port was taken meanwhile moves to another one by itself."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Failed(f"the server ended with code {process.returncode} while it started")
        if said := READY.search(log.read_text(errors="replace")):
            try:
                Api(said.group(1)).version()
                return said.group(1)
            except (urllib.error.URLError, OSError):
                pass
        time.sleep(0.1)
    raise Failed(f"the server does not answer after {PATIENCE} s")


def _selection(models: Path, wanted: Wanted) -> list[dict]:
    catalog = json.loads((models / "catalog.json").read_text())
    known = [entry for entry in catalog if install.ordinal(entry["since"]) <= install.ordinal(wanted.version)]
    return known if wanted.models == "all" else [entry for entry in known if entry["basic"]]


def _end(pid: int, child: subprocess.Popen | None = None) -> None:
    for sign, seconds in ((signal.SIGTERM, 8), (signal.SIGKILL, 8)):
        try:
            os.killpg(pid, sign)
        except ProcessLookupError:
            break
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not (child.poll() is not None if child else _born(pid) is None):
            time.sleep(0.05)


def _state(root: Path) -> dict | None:
    try:
        return json.loads((root / STATE).read_text())
    except FileNotFoundError:
        return None


def _alive(state: dict) -> bool:
    """By pid and start time, so that another process that has got the pid since is left alone."""
    return _born(state["pid"]) == state["born"]


def _born(pid: int) -> str | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else fields[19]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-40:])
