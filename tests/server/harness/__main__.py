"""The command line of tests/server/run."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import install
import server
from api import Api
from install import Failed, Unavailable, say

# Node packs that are always there, unless `--plain` is given.
PACKS = ("tiny_flux", "wan_on_cpu", "frozen_heap")

ABOUT = """\
A real InvokeAI server for tests, on a CPU, from nothing but a Python package registry.

  run -- COMMAND...   start a server, run COMMAND with its address in INVOKEAI_TEST_URL, stop the server
  start               start a server and leave it running; prints one line of JSON (url, pid, root, version, ...)
  stop ROOT           stop the server that `start` reported with this root
  install             only fill the cache (environment and models); prints one line of JSON
  clean               delete the cache

`VERB --help` lists the options of a verb."""
NOTES = """\
environment:
  INVOKEAI_TEST_URL    `run` uses this server of yours instead of starting one
  INVOKEAI_TEST_CACHE  where environments and models are kept (default: the user's cache folder, invokeai-client/)
  INVOKEAI_TEST_VENV   an environment of yours that has InvokeAI, used instead of installing one
  PYTHON               the Python 3.11 or 3.12 to use

COMMAND gets INVOKEAI_TEST_URL, INVOKEAI_TEST_VERSION, INVOKEAI_TEST_ROOT and INVOKEAI_TEST_PID, and with --multiuser
the administrator's INVOKEAI_TEST_EMAIL, INVOKEAI_TEST_PASSWORD and INVOKEAI_TEST_TOKEN.

exit code: that of COMMAND; 1 a failure; 2 wrong usage; 75 this machine cannot run a server (it lacks the package
registry, Python or gcc)"""


class Stopped(BaseException):
    def __init__(self, signum: int):
        self.signum = signum


def main() -> int:
    arguments, command = _parse(sys.argv[1:])
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, _on_signal)
    try:
        return arguments.verb(arguments, command)
    except Stopped as stopped:
        return 128 + stopped.signum
    except Unavailable as error:
        say(f"cannot run a server: {error}")
        return 75
    except Failed as error:
        say(f"failed: {error}")
        return 1


def _on_signal(signum: int, _frame) -> None:
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)  # the clean-up is not interrupted
    raise Stopped(signum)


def run(arguments, command: list[str]) -> int:
    if url := os.environ.get("INVOKEAI_TEST_URL"):
        return _run_with_given(url.rstrip("/"), arguments, command)
    state = server.start(_wanted(arguments, die_with_parent=True))
    try:
        say(f"InvokeAI {state['version']} at {state['url']}, {state.get('models', 0)} models, root {state['root']}")
        known = {f"INVOKEAI_TEST_{key.upper()}": str(value) for key, value in state.items()}
        exported = ("URL", "VERSION", "ROOT", "PID", "EMAIL", "PASSWORD", "TOKEN")
        return _command(command, {key: known[key] for name in exported if (key := f"INVOKEAI_TEST_{name}") in known})
    finally:
        server.stop(Path(state["root"]))


def _run_with_given(url: str, arguments, command: list[str]) -> int:
    if special := [name for name in ("root", "port", "nodes", "set", "multiuser", "plain") if getattr(arguments, name)]:
        raise Failed(f"INVOKEAI_TEST_URL names a running server, so --{special[0]} cannot be used; unset one of them")
    try:
        version = Api(url).version()
    except OSError as error:
        raise Failed(f"INVOKEAI_TEST_URL={url} does not answer: {error}") from error
    if arguments.version not in (None, version):
        raise Failed(f"INVOKEAI_TEST_URL={url} is InvokeAI {version}, not {arguments.version}")
    return _command(command, {"INVOKEAI_TEST_VERSION": version})


def _command(command: list[str], exported: dict[str, str]) -> int:
    try:
        child = subprocess.Popen(command, env=os.environ | exported)
    except OSError as error:
        raise Failed(f"cannot run {command[0]}: {error}") from error
    try:
        code = child.wait()
    except Stopped as stopped:
        child.send_signal(stopped.signum)
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        raise
    return code if code >= 0 else 128 - code


def start(arguments, _command) -> int:
    print(json.dumps(server.start(_wanted(arguments))), flush=True)
    return 0


def stop(arguments, _command) -> int:
    server.stop(arguments.root)
    return 0


def install_only(arguments, _command) -> int:
    made = {"venv": str(install.environment(arguments.version or install.NEWEST))}
    if not arguments.no_models:
        made["models"] = str(install.models())
    print(json.dumps(made))
    return 0


def clean(_arguments, _command) -> int:
    shutil.rmtree(install.cache(), ignore_errors=True)
    return 0


def _wanted(arguments, die_with_parent: bool = False) -> server.Wanted:
    settings = dict(arguments.set)
    if arguments.multiuser:
        settings["multiuser"] = "true"
    nodes = [] if arguments.plain else [install.HERE / "nodes" / pack for pack in PACKS]
    for folder in arguments.nodes:
        single = (folder / "__init__.py").exists()
        found = [folder] if single else sorted(path.parent for path in folder.glob("*/__init__.py"))
        if not found:
            raise Failed(f"--nodes {folder}: neither a node pack (with an __init__.py) nor a folder of packs")
        nodes += [pack.resolve() for pack in found]
    version = arguments.version or install.NEWEST
    models = "none" if arguments.plain and arguments.models is None else arguments.models or "all"
    return server.Wanted(version, arguments.root, arguments.port, models, nodes, settings, die_with_parent)


def _parse(argv: list[str]):
    command = []
    if "--" in argv:
        split = argv.index("--")
        argv, command = argv[:split], argv[split + 1 :]
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("tests/server/run", description=ABOUT, epilog=NOTES, formatter_class=layout)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    release = argparse.ArgumentParser(add_help=False)
    tried = ", ".join([install.NEWEST, *install.PINS["releases"]])
    release.add_argument("--version", help=f"the release; tried: {tried} (default: the first); others may work too")
    options = argparse.ArgumentParser(add_help=False, parents=[release])
    add = options.add_argument
    add("--root", type=Path, help="root folder, made if absent and kept afterwards (default: a temporary one)")
    add("--port", type=int, help="port on 127.0.0.1 (default: a free one)")
    add("--models", choices=["all", "basic", "none"], help="tiny models; basic: SD1 and FLUX (default: all)")
    add("--nodes", type=Path, action="append", default=[], metavar="DIR", help="a node pack, or a folder of packs")
    add("--plain", action="store_true", help="without the node packs that make it small and quick; no models by default")
    add("--multiuser", action="store_true", help="several users; an administrator is made and logged in")
    add("--set", type=_setting, action="append", default=[], metavar="KEY=VALUE", help="a line for invokeai.yaml")
    for name, verb, parents in (
        ("run", run, [options]),
        ("start", start, [options]),
        ("install", install_only, [release]),
    ):
        verbs.add_parser(name, parents=parents, epilog=NOTES, formatter_class=layout).set_defaults(verb=verb)
    verbs.choices["install"].add_argument("--no-models", action="store_true", help="only the environment")
    ending = verbs.add_parser("stop")
    ending.add_argument("root", type=Path)
    ending.set_defaults(verb=stop)
    verbs.add_parser("clean").set_defaults(verb=clean)
    arguments = parser.parse_args(argv)
    if bool(command) != (arguments.verb is run):
        parser.error("`run` needs `-- COMMAND...`" if arguments.verb is run else "only `run` takes `-- COMMAND...`")
    return arguments, command


def _setting(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key.isidentifier() and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value


sys.exit(main())
