"""Runs the FLUX workflow with a picture, by `requests` alone.

python plain.py URL PICTURE RESULT
"""

import sys

import requests

url, picture, result = sys.argv[1:]
models = {
    "model": "tiny-flux-dev",
    "t5_encoder_model": "tiny-t5",
    "clip_embed_model": "tiny-clip-l",
    "vae_model": "tiny-FLUX.1-schnell_ae",
}
with open(picture, "rb") as file:
    answer = requests.post(
        f"{url}/workflows/flux/runs",
        data={"prompt": "a lighthouse", "num_steps": "4", **models},
        files={"image": ("photo.png", file, "image/png")},
        headers={"Prefer": "wait=300", "Idempotency-Key": "plain.py"},
        timeout=400,
    )
assert answer.status_code == 201, answer.text
run = answer.json()
assert run["state"] == "completed", run
file = requests.get(url + run["outputs"][0]["href"], timeout=60)
assert file.headers["content-type"] == "image/png", file.headers
with open(result, "wb") as saved:
    saved.write(file.content)

refused = requests.post(f"{url}/workflows/flux/runs", json={"num_steps": "many"}, timeout=60)
assert refused.status_code == 422, refused.text
print(refused.json()["errors"])
