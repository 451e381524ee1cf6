"""Makes every tiny model, with random weights, the same bytes each time:  python tiny_models FOLDER"""

import sys
import zlib
from pathlib import Path

import companions as c
import pipelines as p
import torch
from parts import write_json

# File or folder, its maker, and what InvokeAI must recognize it as (base, type).
MODELS = [
    ("tiny-sd1", p.sd1, "sd-1", "main"),
    ("tiny-sdxl", p.sdxl, "sdxl", "main"),
    ("tiny-sd3", p.sd3, "sd-3", "main"),
    ("tiny-cogview4", p.cogview4, "cogview4", "main"),
    ("tiny-wan-t2v", p.wan("t2v"), "wan", "main"),
    ("tiny-wan-i2v", p.wan("i2v"), "wan", "main"),
    ("tiny-wan-ti2v", p.wan("ti2v"), "wan", "main"),
    ("tiny-wan-lora-high.safetensors", c.wan_lora, "wan", "lora"),
    ("tiny-wan-lora-low.safetensors", c.wan_lora, "wan", "lora"),
    ("tiny-flux-dev.safetensors", c.flux_transformer(guidance=True), "flux", "main"),
    ("tiny-flux-schnell.safetensors", c.flux_transformer(guidance=False), "flux", "main"),
    ("tiny-t5", c.flux_t5, "any", "t5_encoder"),
    ("tiny-clip-l", c.flux_clip, "any", "clip_embed"),
    # Releases up to 6.9 guess the base of an autoencoder from its file name.
    ("tiny-FLUX.1-schnell_ae.safetensors", c.flux_autoencoder, "flux", "vae"),
    ("tiny-lora-flux.safetensors", c.flux_lora, "flux", "lora"),
    ("tiny-lora-sd1.safetensors", c.unet_lora(p.SD1_UNET), "sd-1", "lora"),
    ("tiny-lora-sdxl.safetensors", c.unet_lora(p.SDXL_UNET), "sdxl", "lora"),
    ("tiny-controlnet-canny-sd1", c.controlnet(p.SD1_UNET), "sd-1", "controlnet"),
    ("tiny-controlnet-tile-sdxl", c.controlnet(p.SDXL_UNET), "sdxl", "controlnet"),
    ("tiny-t2i-adapter-sd1", c.t2i_adapter, "sd-1", "t2i_adapter"),
    ("tiny-ip-adapter-sd1.safetensors", c.ip_adapter, "sd-1", "ip_adapter"),
    ("ip_adapter_sd_image_encoder", c.image_encoder, "any", "clip_vision"),
    ("tiny-vae-sd1", c.vae(0.18215, sample=256), "sd-1", "vae"),
    ("tiny-vae-sdxl", c.vae(0.13025, sample=1024), "sdxl", "vae"),
    ("tiny-embedding-sd1.safetensors", c.embedding, "sd-1", "embedding"),
    ("tiny-upscaler-4x.safetensors", c.upscaler, "any", "spandrel_image_to_image"),
]
# The `ip_adapter` node looks its image encoder up by this name.
NAMES = {"ip_adapter_sd_image_encoder": "IP Adapter SD1.5 Image Encoder"}
BASIC = {"tiny-sd1", "tiny-flux-dev.safetensors", "tiny-t5", "tiny-clip-l", "tiny-FLUX.1-schnell_ae.safetensors"}
# The first tried release that knows the base.
SINCE = {"wan": "6.14.0", "cogview4": "5.15.0"}


def main(folder: Path) -> None:
    folder.mkdir(parents=True)
    catalog = []
    for file, make, base, kind in MODELS:
        torch.manual_seed(zlib.crc32(file.encode()))
        make(folder / file)
        name = NAMES.get(file, file.removesuffix(".safetensors"))
        entry = {"file": file, "name": name, "base": base, "type": kind}
        catalog.append(entry | {"basic": file in BASIC, "since": SINCE.get(base, "0")})
    c.real_esrgan(folder / "downloads")
    write_json(folder / "catalog.json", catalog)


main(Path(sys.argv[1]))
