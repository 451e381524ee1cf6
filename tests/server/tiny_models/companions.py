"""What comes as single files or small folders: the FLUX set, LoRAs, ControlNets, adapters, upscalers."""

import sys
from pathlib import Path

import torch
from diffusers import ControlNetModel, T2IAdapter, UNet2DConditionModel
from invokeai.backend.flux.model import Flux, FluxParams
from invokeai.backend.flux.modules.autoencoder import AutoEncoder, AutoEncoderParams
from parts import BRAIN, HALF, autoencoder, clip_text, clip_tokenizer, save_tensors, t5_encoder, write_t5_tokenizer
from pipelines import SD1_UNET
from safetensors.torch import save_file
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection, T5Config, T5EncoderModel

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "nodes"))
import tiny_flux  # noqa: E402  (the same sizes as in the server, which loads this as a node pack)

RANK = 2


def flux_transformer(guidance: bool):
    """FLUX.1 dev has an embedding for the guidance value, schnell has none."""

    def write(path: Path) -> None:
        sizes = next(
            item for item in tiny_flux.parameter_sets()
            if isinstance(item, FluxParams) and item.guidance_embed == guidance and item.in_channels == 64
            and item.context_in_dim == tiny_flux.TRANSFORMER["context_in_dim"]
        )  # fmt: skip
        # Half the usual size of random weights keeps the numbers finite over many steps.
        save_tensors(path, {name: tensor * 0.5 for name, tensor in Flux(sizes).state_dict().items()}, BRAIN)

    return write


def flux_autoencoder(path: Path) -> None:
    sizes = next(item for item in tiny_flux.parameter_sets() if isinstance(item, AutoEncoderParams))
    save_tensors(path, AutoEncoder(sizes).state_dict(), BRAIN)


def flux_t5(folder: Path) -> None:
    """InvokeAI knows this folder by the index file of a model in several shards; the size limit makes there be some."""
    model = t5_encoder(T5EncoderModel, T5Config, tiny_flux.TRANSFORMER["context_in_dim"], layers=2).to(BRAIN)
    model.save_pretrained(folder / "text_encoder_2", max_shard_size="100KB")
    if not (folder / "text_encoder_2" / "model.safetensors.index.json").exists():
        raise RuntimeError("the T5 encoder was stored in one piece; lower its shard size")
    write_t5_tokenizer(folder / "tokenizer_2")


def flux_clip(folder: Path) -> None:
    clip_tokenizer()[1](folder / "tokenizer")
    clip_text(768).to(BRAIN).save_pretrained(folder / "text_encoder")


def low_rank(module: str, down: str, up: str, inputs: int, outputs: int) -> dict[str, torch.Tensor]:
    return {
        f"{module}.{down}.weight": torch.randn(RANK, inputs) * 0.05,
        f"{module}.{up}.weight": torch.randn(outputs, RANK) * 0.05,
    }


def unet_lora(unet: dict):
    """The key style of most SD LoRAs in use, for the projections of the cross attention."""

    def write(path: Path) -> None:
        tensors = {}
        for name, module in UNet2DConditionModel(**unet).named_modules():
            if isinstance(module, torch.nn.Linear) and ".attn2.to_" in name:
                key = "lora_unet_" + name.replace(".", "_")
                tensors |= low_rank(key, "lora_down", "lora_up", module.in_features, module.out_features)
                tensors[f"{key}.alpha"] = torch.tensor(float(RANK))
        save_tensors(path, tensors)

    return write


def block_lora(blocks: dict[str, list[str]], width: int):
    """The key style of LoRAs for transformers: square projections of the named blocks."""

    def write(path: Path) -> None:
        tensors = {}
        for block, projections in blocks.items():
            for projection in projections:
                tensors |= low_rank(f"transformer.{block}.{projection}", "lora_A", "lora_B", width, width)
        save_tensors(path, tensors)

    return write


QKV = ["attn.to_q", "attn.to_k", "attn.to_v"]
# Without keys of the single blocks InvokeAI takes the file for a LoRA of Qwen-Image.
flux_lora = block_lora({
    "transformer_blocks.0": [*QKV, "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"],
    "single_transformer_blocks.0": QKV,
}, tiny_flux.TRANSFORMER["hidden_size"])  # fmt: skip
wan_lora = block_lora({f"blocks.{n}": ["attn1.to_q", "attn1.to_k", "attn2.to_q", "attn2.to_v"] for n in range(2)}, 64)


def controlnet(unet: dict):
    def write(folder: Path) -> None:
        widths = (8, 16, 16, 32)
        model = ControlNetModel.from_unet(UNet2DConditionModel(**unet), conditioning_embedding_out_channels=widths)
        for weights in model.parameters():
            if not weights.any():  # a fresh ControlNet ends in zeros and would change nothing
                torch.nn.init.normal_(weights, std=0.02)
        model.to(HALF).save_pretrained(folder)

    return write


def t2i_adapter(folder: Path) -> None:
    channels = list(SD1_UNET["block_out_channels"])
    model = T2IAdapter(channels=channels, num_res_blocks=1, downscale_factor=8, adapter_type="full_adapter")
    model.to(HALF).save_pretrained(folder)


IMAGE_EMBEDDING = 64


def image_encoder(folder: Path) -> None:
    config = CLIPVisionConfig(
        hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=224, patch_size=32,
        projection_dim=IMAGE_EMBEDDING,
    )  # fmt: skip
    CLIPVisionModelWithProjection(config).to(HALF).save_pretrained(folder)
    CLIPImageProcessor().save_pretrained(folder)


def ip_adapter(path: Path) -> None:
    unet, width, tokens = UNet2DConditionModel(**SD1_UNET), SD1_UNET["cross_attention_dim"], 4
    tensors = {
        "image_proj.proj.weight": torch.randn(tokens * width, IMAGE_EMBEDDING) * 0.05,
        "image_proj.proj.bias": torch.zeros(tokens * width),
        "image_proj.norm.weight": torch.ones(width),
        "image_proj.norm.bias": torch.zeros(width),
    }
    for number, name in enumerate(unet.attn_processors):
        if ".attn2." in name:
            outputs = unet.get_submodule(name.removesuffix(".processor")).to_k.out_features
            for part in ("k", "v"):
                tensors[f"ip_adapter.{number}.to_{part}_ip.weight"] = torch.randn(outputs, width) * 0.02
    save_tensors(path, tensors)


def vae(scaling: float, sample: int):
    return lambda folder: autoencoder(scaling, sample=sample).to(HALF).save_pretrained(folder)


def embedding(path: Path) -> None:
    save_file({"emb_params": torch.randn(2, SD1_UNET["cross_attention_dim"]) * 0.02}, path)


def upscaler(path: Path) -> None:
    from spandrel.architectures.ESRGAN import ESRGAN

    save_file(ESRGAN(in_nc=3, out_nc=3, num_filters=8, num_blocks=1, scale=4, plus=False).state_dict(), path)


def real_esrgan(downloads: Path) -> None:
    """The `esrgan` node takes no model: it downloads one, unless its download folder holds a file. Full size, 34 MB."""
    from invokeai.app.invocations.upscale import ESRGAN_MODEL_URLS
    from invokeai.backend.image_util.basicsr.rrdbnet_arch import RRDBNet
    from invokeai.backend.util.util import slugify

    name = "RealESRGAN_x2plus.pth"
    folder = downloads / slugify(ESRGAN_MODEL_URLS[name])
    folder.mkdir(parents=True)
    network = RRDBNet(num_in_ch=3, num_out_ch=3, num_feat=64, num_block=23, num_grow_ch=32, scale=2)
    torch.save({"params_ema": network.half().state_dict()}, folder / name)
