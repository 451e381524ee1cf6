"""The few REST calls the harness makes. Only loopback; no proxies."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from install import Failed

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
ENDED = ("completed", "error", "cancelled")
ADMIN = {"email": "admin@example.com", "password": "Admin-password-1"}


class Api:
    def __init__(self, url: str):
        self.url, self.token = url, None

    def call(self, method: str, path: str, body=None, timeout: float = 60, **query):
        address = f"{self.url}/api/{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        request = urllib.request.Request(address, method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        try:
            with DIRECT.open(request, timeout=timeout) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise Failed(f"{method} {address}: {error.code} {error.read()[:1000].decode(errors='replace')}") from error

    def version(self) -> str:
        return self.call("GET", "v1/app/version", timeout=5)["version"]

    def log_in(self) -> None:
        """As the administrator, whom a fresh multi-user server does not have yet."""
        if self.call("GET", "v1/auth/status")["setup_required"]:
            self.call("POST", "v1/auth/setup", ADMIN | {"display_name": "Administrator"})
        self.token = self.call("POST", "v1/auth/login", ADMIN)["token"]

    def install(self, folder: Path, entries: list[dict]) -> int:
        """Registers models where they lie, then checks that each was recognized; returns how many there are."""
        known = {model["name"] for model in self.call("GET", "v2/models/")["models"]}
        jobs = {}
        for entry in entries:
            if entry["name"] not in known:
                source = str(folder / entry["file"])
                job = self.call("POST", "v2/models/install", {"name": entry["name"]}, source=source, inplace="true")
                jobs[job["id"]] = entry["name"]
        deadline = time.monotonic() + 300
        for job, name in jobs.items():
            while (state := self.call("GET", f"v2/models/install/{job}"))["status"] not in ENDED:
                if time.monotonic() > deadline:
                    raise Failed(f"the install of {name} is still {state['status']}")
                time.sleep(0.05)
            if state["status"] != "completed":
                reason = f"{state.get('error_reason')}: {state.get('error')}"
                raise Failed(f"the install of {name}: {state['status']}, {reason}")
        found = {(model["name"], model["base"], model["type"]) for model in self.call("GET", "v2/models/")["models"]}
        if strange := [entry for entry in entries if (entry["name"], entry["base"], entry["type"]) not in found]:
            raise Failed(f"not recognized as intended: {strange}; the server has {sorted(found)}")
        return len(entries)
