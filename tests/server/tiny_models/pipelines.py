"""Whole models in diffusers layout. InvokeAI reads their sizes from the configs, so an unchanged server loads them."""

from pathlib import Path

from diffusers import (
    AutoencoderKLWan,
    CogView4Transformer2DModel,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    PNDMScheduler,
    SD3Transformer2DModel,
    UNet2DConditionModel,
    UniPCMultistepScheduler,
    WanTransformer3DModel,
)
from parts import (
    BRAIN,
    HALF,
    T5_TOKENIZER,
    autoencoder,
    byte_alphabet,
    clip_text,
    clip_tokenizer,
    save_pipeline,
    t5_encoder,
)
from transformers import (
    GlmConfig,
    GlmModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5EncoderModel,
    UMT5Config,
    UMT5EncoderModel,
)

# The block layout is the real one, so that the key names of LoRAs and adapters fit; only the widths are small.
# The width of the text conditioning is what tells the bases apart: 768 is SD 1, 2048 is SDXL.
SD1_UNET = dict(
    cross_attention_dim=768, sample_size=32, layers_per_block=2, block_out_channels=(32, 64, 64, 64), norm_num_groups=8,
    attention_head_dim=8, down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
)  # fmt: skip
SDXL_POOLED = 1280  # the server itself feeds 1280 zeros for an empty prompt
SDXL_UNET = dict(
    cross_attention_dim=2048, sample_size=32, layers_per_block=2, block_out_channels=(32, 64, 64), norm_num_groups=8,
    attention_head_dim=(1, 2, 2), down_block_types=("DownBlock2D",) + ("CrossAttnDownBlock2D",) * 2,
    up_block_types=("CrossAttnUpBlock2D",) * 2 + ("UpBlock2D",), transformer_layers_per_block=(1, 1, 2),
    use_linear_projection=True, addition_embed_type="text_time", addition_time_embed_dim=8,
    projection_class_embeddings_input_dim=SDXL_POOLED + 6 * 8,
)  # fmt: skip
NOISE = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1)


def sd1(folder: Path) -> None:
    save_pipeline(folder, "StableDiffusionPipeline", HALF, {
        "scheduler": PNDMScheduler(**NOISE, skip_prk_steps=True), "tokenizer": clip_tokenizer(),
        "text_encoder": clip_text(768, layers=2), "unet": UNet2DConditionModel(**SD1_UNET), "vae": autoencoder(0.18215),
    }, safety_checker=[None, None], feature_extractor=[None, None], requires_safety_checker=False)  # fmt: skip


def sdxl(folder: Path) -> None:
    save_pipeline(folder, "StableDiffusionXLPipeline", HALF, {
        "scheduler": EulerDiscreteScheduler(**NOISE),
        "tokenizer": clip_tokenizer(), "text_encoder": clip_text(768),
        "tokenizer_2": clip_tokenizer(pad="!"), "text_encoder_2": clip_text(1280, projection=SDXL_POOLED),
        "unet": UNet2DConditionModel(**SDXL_UNET), "vae": autoencoder(0.13025, sample=1024),
    }, force_zeros_for_empty_prompt=True)  # fmt: skip


def sd3(folder: Path) -> None:
    transformer = SD3Transformer2DModel(
        sample_size=32, patch_size=2, in_channels=16, out_channels=16, num_layers=2, num_attention_heads=2,
        attention_head_dim=32, joint_attention_dim=2048, caption_projection_dim=64, pooled_projection_dim=2 * 32,
        pos_embed_max_size=192,
    )  # fmt: skip
    save_pipeline(folder, "StableDiffusion3Pipeline", BRAIN, {
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=3.0),
        "tokenizer": clip_tokenizer(), "text_encoder": clip_text(768, projection=32),
        "tokenizer_2": clip_tokenizer(), "text_encoder_2": clip_text(1280, projection=32),
        "tokenizer_3": T5_TOKENIZER, "text_encoder_3": t5_encoder(T5EncoderModel, T5Config, 2048),
        "transformer": transformer,
        "vae": autoencoder(1.5305, channels=16, shift_factor=0.0609, use_quant_conv=False, use_post_quant_conv=False),
    })  # fmt: skip


def write_glm_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    end, opening = "<|endoftext|>", ["[gMASK]", "<sop>"]
    vocabulary = {token: number for number, token in enumerate([*byte_alphabet(), end, *opening])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    # Every prompt starts with two special tokens, so that an empty one is never zero tokens long.
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[gMASK] <sop> $A", special_tokens=[(token, vocabulary[token]) for token in opening]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=end, eos_token=end, padding_side="left", model_max_length=1024
    ).save_pretrained(folder)


def cogview4(folder: Path) -> None:
    text_encoder = GlmModel(GlmConfig(
        vocab_size=512, hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=32, max_position_embeddings=1024, pad_token_id=256, eos_token_id=256,
    ))  # fmt: skip
    transformer = CogView4Transformer2DModel(
        patch_size=2, in_channels=16, out_channels=16, num_layers=2, num_attention_heads=2, attention_head_dim=32,
        text_embed_dim=64, time_embed_dim=64, condition_dim=32, sample_size=32, rope_axes_dim=(256, 256),
    )  # fmt: skip
    save_pipeline(folder, "CogView4Pipeline", BRAIN, {
        "scheduler": FlowMatchEulerDiscreteScheduler(base_shift=0.25, max_shift=0.75, use_dynamic_shifting=True),
        "tokenizer": ("PreTrainedTokenizerFast", write_glm_tokenizer), "text_encoder": text_encoder,
        "transformer": transformer, "vae": autoencoder(1.0, channels=16),
    })  # fmt: skip


def wan(variant: str):
    """Wan 2.2: text to video and image to video have two experts, the 5B one has one and a wider latent."""
    latent = 48 if variant == "ti2v" else 16
    inputs = 36 if variant == "i2v" else latent
    wide = dict(
        is_residual=True, patch_size=2, in_channels=12, out_channels=12, scale_factor_spatial=16,
        latents_mean=[0.0] * latent, latents_std=[1.0] * latent,
    )  # fmt: skip

    def expert():
        return WanTransformer3DModel(
            patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=32, in_channels=inputs, out_channels=latent,
            text_dim=64, freq_dim=32, ffn_dim=64, num_layers=2,
        )  # fmt: skip

    def write(folder: Path) -> None:
        one = variant == "ti2v"
        parts = {
            "scheduler": UniPCMultistepScheduler(
                prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
            ),
            "tokenizer": T5_TOKENIZER, "text_encoder": t5_encoder(UMT5EncoderModel, UMT5Config, 64),
            "transformer": expert(), **({} if one else {"transformer_2": expert()}),
            "vae": AutoencoderKLWan(
                base_dim=8, z_dim=latent, dim_mult=[1, 1, 1, 1], num_res_blocks=1, **(wide if one else {})
            ),
        }  # fmt: skip
        kind = "WanImageToVideoPipeline" if variant == "i2v" else "WanPipeline"
        settings = {"boundary_ratio": None, "expand_timesteps": True} if one else {"boundary_ratio": 0.9}
        save_pipeline(folder, kind, BRAIN, parts, **settings)

    return write
