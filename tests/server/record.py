#!/usr/bin/env python3
"""Records the answers and events of a real server, for tests/offline/forward_*.rs.

    tests/server/record.py URL --models FOLDER --users URL --admin-token TOKEN

Needs a throw-away server started by `tests/server/run start --models basic`, a second one started with `--multiuser`, the
folder with the tiny models, and Python with `websockets` (the servers' own environment has it). Writes
`tests/fixtures/answers/OPERATION.json`, one file per operation, and `tests/fixtures/events/other-VERSION.txt`.
"""

import argparse
import io
import json
import re
import struct
import threading
import time
import urllib.error
import urllib.request
import uuid
import zlib
from pathlib import Path

from websockets.sync.client import connect

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
LONGEST_LIST = 3
THIS_MACHINE = re.compile(r"/[^ \"']*/(models-[0-9a-f]+|venv-[^/]+|invokeai-test-[^/]+)")
SECRET = {"token", "password", "access_token"}


def trimmed(value, name=""):
    """Long lists say nothing that their first elements do not; secrets say too much."""
    if name in SECRET and isinstance(value, str):
        return f"a {name}"
    if isinstance(value, str):
        return THIS_MACHINE.sub("/srv/invokeai", value)
    if isinstance(value, list):
        return [trimmed(element) for element in value[:LONGEST_LIST]]
    if isinstance(value, dict):
        return {key: trimmed(member, key) for key, member in value.items()}
    return value


class Server:
    def __init__(self, url, token=None):
        self.url, self.token = url.rstrip("/"), token
        paths = self.send("GET", "/openapi.json")["paths"]
        self.operations = {}
        for path, methods in paths.items():
            for method, operation in methods.items():
                short = operation["operationId"].split("_api_v1_")[0]
                self.operations[short] = (method.upper(), path)

    def send(self, method, path, body=None, content_type="application/json"):
        headers = {"Content-Type": content_type} if body is not None else {}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{method} {path}: {error.code} {error.read()[:500]}") from None

    def call(self, operation, query="", body=None, file=None, fields=None, keep=True, **places):
        method, path = self.operations[operation]
        path = path.format(**places)
        if file or fields:
            boundary = uuid.uuid4().hex
            data, content_type = form(boundary, file, fields or {}), f"multipart/form-data; boundary={boundary}"
        else:
            data = None if body is None else json.dumps(body).encode()
            content_type = "application/json"
        answer = self.send(method, path + query, data, content_type)
        if keep:
            record = {"method": method, "path": path, "answer": trimmed(answer)}
            (FIXTURES / "answers" / f"{operation}.json").write_text(json.dumps(record, indent=1) + "\n")
        return answer


def form(boundary, file, fields):
    out = io.BytesIO()
    for name, value in fields.items():
        out.write(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode())
    if file:
        name, file_name, content_type, data = file
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{file_name}"\r\n'
        out.write(f"{head}Content-Type: {content_type}\r\n\r\n".encode() + data + b"\r\n")
    out.write(f"--{boundary}--\r\n".encode())
    return out.getvalue()


def png(width, height, metadata):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes([y * 8 % 256, 90, 200] * width) for y in range(height))
    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))]
    parts += [chunk(b"tEXt", key.encode() + b"\0" + text.encode()) for key, text in metadata.items()]
    parts += [chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def edge(source, field, destination, into):
    return {
        "source": {"node_id": source, "field": field},
        "destination": {"node_id": destination, "field": into},
    }


def graph(*nodes, edges=()):
    return {"nodes": {node["id"]: node for node in nodes}, "edges": list(edges)}


def workflow(name):
    integer = {"name": "a", "label": "A", "description": "", "value": 1}
    node = {"id": "sum", "type": "add", "version": "1.0.1", "label": "", "notes": "", "isOpen": True}
    node |= {"isIntermediate": True, "useCache": True, "nodePack": "invokeai", "inputs": {"a": integer}}
    return {
        "name": name, "author": "", "description": "Adds", "version": "1", "contact": "", "tags": "forward", "notes": "",
        "exposedFields": [{"nodeId": "sum", "fieldName": "a"}], "meta": {"version": "3.0.0", "category": "user"},
        "nodes": [{"id": "sum", "type": "invocation", "position": {"x": 0, "y": 0}, "data": node}], "edges": [],
    }  # fmt: skip


class Events(threading.Thread):
    """Keeps the first two frames of each kind of event, and of each status."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.frames, self.seen = [], {}
        self.socket = connect(server.url.replace("http", "ws", 1) + "/ws/socket.io/?EIO=4&transport=websocket")
        self.socket.send("40")

    def run(self):
        for frame in self.socket:
            if frame == "2":
                self.socket.send("3")
                continue
            if frame.startswith("40{"):
                for room in ("subscribe_queue", "subscribe_bulk_download"):
                    member = "queue_id" if room == "subscribe_queue" else "bulk_download_id"
                    self.socket.send("42" + json.dumps([room, {member: "default"}]))
            if not frame.startswith("42"):
                continue
            name, data = json.loads(frame[2:])
            kind = (name, data.get("status"))
            self.seen[kind] = self.seen.get(kind, 0) + 1
            if self.seen[kind] <= 2:
                self.frames.append("42" + json.dumps([name, trimmed(data)], separators=(",", ":")))


def until_ended(server, item_id):
    for _ in range(600):
        item = server.call("get_queue_item", queue_id="default", item_id=item_id, keep=False)
        if item["status"] in ("completed", "failed", "canceled"):
            return
        time.sleep(0.1)
    raise SystemExit(f"item {item_id} does not end")


def enqueue(server, graph, keep=False, **batch):
    body = {"prepend": False, "batch": {"graph": graph, "runs": 1, "origin": "record", **batch}}
    answer = server.call("enqueue_batch", body=body, queue_id="default", keep=keep)
    return answer["batch"]["batch_id"], sorted(answer["item_ids"])


def pictures(server):
    upload = "?image_category=user&is_intermediate=false"
    data = png(32, 16, {"invokeai_metadata": json.dumps({"seed": 7, "app_version": "6.14.2"})})
    image = server.call("upload_image", upload, file=("file", "a.png", "image/png", data))["image_name"]
    other = server.call("upload_image", upload, file=("file", "b.png", "image/png", data), keep=False)["image_name"]
    clip = (FIXTURES / "clip.mp4").read_bytes()
    video = "?video_category=user&is_intermediate=false"
    video = server.call("upload_video", video, file=("file", "c.mp4", "video/mp4", clip))["video_name"]
    board = server.call("create_board", "?board_name=forward")["board_id"]
    server.call("add_images_to_board", body={"board_id": board, "image_names": [image, other]})
    server.call("update_board", body={"board_name": "renamed"}, board_id=board)
    server.call("get_board", board_id=board)
    server.call("list_boards", "?offset=0&limit=10")
    server.call("list_all_board_image_names", board_id=board)
    for name in ("get_image_dto", "get_image_metadata", "get_image_workflow"):
        server.call(name, image_name=image)
    server.call("update_image", body={"starred": True}, image_name=image)
    server.call("list_image_dtos", "?offset=0&limit=10")
    server.call("get_image_names")
    server.call("get_intermediates_count")
    server.call("get_images_by_names", body={"image_names": [image, other]})
    server.call("star_images_in_list", body={"image_names": [image]})
    server.call("unstar_images_in_list", body={"image_names": [image]})
    server.call("remove_images_from_board", body={"image_names": [other]})
    server.call("download_images_from_list", body={"image_names": [image]})
    for name in ("get_video_dto", "get_video_metadata", "get_video_workflow"):
        server.call(name, video_name=video)
    server.call("update_video", body={"starred": True}, video_name=video)
    server.call("list_video_dtos", "?offset=0&limit=10")
    server.call("get_video_names")
    server.call("add_video_to_board", body={"board_id": board, "video_name": video})
    server.call("remove_video_from_board", body={"video_name": video})
    server.call("star_videos_in_list", body={"video_names": [video]})
    server.call("unstar_videos_in_list", body={"video_names": [video]})
    time.sleep(2)
    server.call("delete_images_from_list", body={"image_names": [other]})
    server.call("delete_image", image_name=image)
    server.call("delete_videos_from_list", body={"video_names": [video]})
    server.call("delete_board", "?include_images=false", board_id=board)
    server.call("delete_uncategorized_images")
    server.call("clear_intermediates")


def texts(server):
    saved = server.call("create_workflow", body={"workflow": workflow("Forward")})["workflow_id"]
    server.call("update_workflow", body={"workflow": workflow("Forward 2") | {"id": saved}}, workflow_id=saved)
    server.call("get_workflow", workflow_id=saved)
    server.call("list_workflows", "?page=0&per_page=3&order_by=name&direction=ASC")
    server.call("get_all_tags")
    server.call("get_counts_by_tag", "?tags=forward")
    server.call("counts_by_category", "?categories=user&categories=default")
    server.call("update_workflow_is_public", body={"is_public": True}, workflow_id=saved)
    server.call("delete_workflow", workflow_id=saved, keep=False)
    preset = {"name": "Ink", "positive_prompt": "{prompt}, ink", "negative_prompt": "", "type": "user"}
    made = server.call("create_style_preset", fields={"data": json.dumps(preset)})["id"]
    server.call("update_style_preset", fields={"data": json.dumps(preset)}, style_preset_id=made)
    server.call("get_style_preset", style_preset_id=made)
    server.call("list_style_presets")
    made = server.call("create_system_prompt", body={"name": "Terse", "content": "Ten words."})["id"]
    server.call("update_system_prompt", body={"name": "Terser"}, system_prompt_id=made)
    server.call("get_system_prompt", system_prompt_id=made)
    server.call("list_system_prompts")
    server.call("update_recall_parameters", body={"positive_prompt": "hello"}, queue_id="default")
    server.call("get_recall_parameters", queue_id="default")


def models(server, elsewhere):
    listed = server.call("list_model_records")["models"]
    model = next(model for model in listed if model["type"] == "main")
    key = model["key"]
    server.call("get_model_record", key=key)
    query = f"?name={model['name']}&type={model['type']}&base={model['base']}".replace(" ", "%20")
    server.call("get_model_records_by_attrs", query)
    server.call("get_model_records_by_hash", f"?hash={model['hash']}")
    server.call("list_missing_models")
    server.call("update_model_record", body={"description": "changed"}, key=key)
    server.call("get_related_models", model_key=key)
    server.call("get_related_models_batch", body={"model_keys": [key]})
    for name in ("get_starter_models", "get_orphaned_models", "get_hf_login_status", "get_stats"):
        server.call(name)
    server.call("scan_for_models", f"?scan_path={elsewhere}")
    lora = next(path for path in Path(elsewhere).iterdir() if "lora-sdxl" in path.name)
    job = server.call("install_model", f"?source={lora}&inplace=true", body={})["id"]
    for _ in range(100):
        state = server.call("get_model_install_job", id=job)
        if state["status"] in ("completed", "error"):
            break
        time.sleep(0.2)
    server.call("list_model_installs")
    both = {"keys": [state["config_out"]["key"], "none"]}
    server.call("bulk_reidentify_models", body=both)
    server.call("bulk_delete_models", body=both)


def queue(server):
    q = {"queue_id": "default"}
    numbers = {"id": "numbers", "type": "range", "start": 0, "stop": 3, "step": 1}
    each = {"id": "each", "type": "iterate"}
    total = {"id": "sum", "type": "add", "b": 1}
    blank = {"id": "blank", "type": "blank_image", "width": 64, "height": 64, "is_intermediate": False}
    edges = [edge("numbers", "collection", "each", "collection"), edge("each", "item", "sum", "a")]
    data = [[{"node_path": "sum", "field_name": "b", "items": [4]}]]
    batch, [item] = enqueue(server, graph(numbers, each, total, blank, edges=edges), keep=True,
                            workflow=workflow("Forward"), data=data, destination="record")  # fmt: skip
    until_ended(server, item)
    server.call("get_queue_item", item_id=item, **q)
    server.call("get_queue_item_summaries_by_ids", body={"item_ids": [item]}, **q)
    server.call("get_queue_items_by_item_ids", body={"item_ids": [item]}, **q)
    server.call("get_queue_item_ids", **q)
    server.call("get_batch_status", batch_id=batch, **q)
    server.call("get_queue_status", **q)
    failing = {"id": "load", "type": "img_blur", "image": {"image_name": "none.png"}}
    _, [failed] = enqueue(server, graph(failing))
    until_ended(server, failed)
    server.call("pause", **q)
    server.call("retry_items_by_id", body=[failed], **q)
    batch, items = enqueue(server, graph(total | {"a": 1}), runs=4)
    server.call("get_next_queue_item", **q)
    server.call("get_current_queue_item", **q)
    server.call("list_all_queue_items", **q)
    server.call("cancel_queue_item", item_id=items[0], **q)
    server.call("cancel_by_batch_ids", body={"batch_ids": [batch]}, **q)
    server.call("cancel_by_destination", "?destination=none", **q)
    server.call("cancel_all_except_current", **q)
    server.call("delete_queue_item", item_id=items[0], keep=False, **q)
    server.call("delete_all_except_current", **q)
    server.call("resume", **q)
    server.call("prune", **q)
    enqueue(server, graph(total | {"a": 1}))
    server.call("clear", **q)


def denoise(server):
    """Loads models, with progress and previews."""
    server.call("empty_model_cache", keep=False)
    server.call("clear_invocation_cache", keep=False)
    model = next(m for m in server.send("GET", "/api/v2/models/?base_models=sd-1")["models"] if m["type"] == "main")
    model = {name: model[name] for name in ("key", "hash", "name", "base", "type")}
    loader = {"id": "loader", "type": "main_model_loader", "model": model}
    prompts = [{"id": name, "type": "compel", "prompt": name} for name in ("good", "bad")]
    noise = {"id": "noise", "type": "noise", "width": 64, "height": 64}
    latents = {"id": "denoise", "type": "denoise_latents", "steps": 2}
    edges = [edge("loader", "clip", "good", "clip"), edge("loader", "clip", "bad", "clip"),
             edge("loader", "unet", "denoise", "unet"), edge("noise", "noise", "denoise", "noise"),
             edge("good", "conditioning", "denoise", "positive_conditioning"),
             edge("bad", "conditioning", "denoise", "negative_conditioning")]  # fmt: skip
    _, [item] = enqueue(server, graph(loader, *prompts, noise, latents, edges=edges))
    until_ended(server, item)


def application(server):
    for name in ("app_version", "get_app_deps", "get_runtime_config", "get_log_level", "get_invocation_cache_status"):
        server.call(name)


def users(server):
    server.call("get_setup_status")
    server.call("get_current_user_info")
    account = {"email": "anna@example.org", "password": "Correct-horse-7", "display_name": "Anna", "is_admin": False}
    made = server.call("create_user", body=account)["user_id"]
    server.call("login", body={"email": account["email"], "password": account["password"], "remember_me": False})
    server.call("get_user", user_id=made)
    server.call("list_users")
    server.call("update_user", body={"display_name": "Anne"}, user_id=made)
    server.call("generate_password")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("url")
    arguments.add_argument("--models", required=True, help="folder with the tiny models, of the server's cache")
    arguments.add_argument("--users", required=True)
    arguments.add_argument("--admin-token", required=True)
    arguments = arguments.parse_args()
    server = Server(arguments.url)
    events = Events(server)
    events.start()
    time.sleep(1)
    application(server)
    texts(server)
    models(server, arguments.models)
    queue(server)
    denoise(server)
    pictures(server)
    time.sleep(2)
    version = server.call("app_version")["version"]
    (FIXTURES / "events" / f"other-{version}.txt").write_text("\n".join(events.frames) + "\n")
    print(f"{len(events.frames)} events:", *sorted({name for name, _ in events.seen}))
    users(Server(arguments.users, arguments.admin_token))


if __name__ == "__main__":
    main()
