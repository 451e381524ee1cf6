//! Nodes with a model, which only simulate running it.
//!
//! Loaders say which part of which model comes next, as the real ones do, and refuse models that the server does not
//! have. Encoders, denoisers and decoders announce what the real ones announce, and pass on digests and pictures.

mod denoise;
mod encode;
mod guides;
mod latents;
mod loaders;
mod loras;
mod picture;
mod upscale;

use super::call::Run;

pub(super) fn implementation(node_type: &str) -> Option<Run> {
    let run: Run = match node_type {
        "model_identifier" => loaders::identifier,
        "main_model_loader" => loaders::main,
        "sdxl_model_loader" => loaders::sdxl,
        "sdxl_refiner_model_loader" => loaders::sdxl_refiner,
        "sd3_model_loader" => loaders::sd3,
        "flux_model_loader" => loaders::flux,
        "cogview4_model_loader" => loaders::cogview4,
        "vae_loader" => loaders::vae,
        "clip_skip" => loaders::clip_skip,
        "seamless" => loaders::seamless,
        "freeu" => loaders::freeu,
        "lora_selector" => loras::select,
        "lora_loader" | "sdxl_lora_loader" | "flux_lora_loader" => loras::apply,
        "lora_collection_loader" | "sdxl_lora_collection_loader" => loras::apply_all,
        "compel" | "sdxl_compel_prompt" | "sdxl_refiner_compel_prompt" => encode::text,
        "flux_text_encoder" | "sd3_text_encoder" | "cogview4_text_encoder" => encode::text,
        "i2l" | "flux_vae_encode" | "sd3_i2l" | "cogview4_i2l" => encode::image,
        "l2i" | "flux_vae_decode" | "sd3_l2i" | "cogview4_l2i" => encode::decode,
        "create_denoise_mask" => encode::denoise_mask,
        "denoise_latents" | "tiled_multi_diffusion_denoise_latents" => denoise::denoise,
        "flux_denoise" | "sd3_denoise" | "cogview4_denoise" => denoise::denoise,
        "controlnet" | "t2i_adapter" | "flux_controlnet" => guides::control,
        "ip_adapter" => guides::ip_adapter,
        "noise" => latents::noise,
        "latents" => latents::primitive,
        "lresize" => latents::resize,
        "lscale" => latents::scale,
        "crop_latents" => latents::crop,
        "lblend" => latents::blend,
        "ideal_size" => latents::ideal_size,
        "spandrel_image_to_image" | "spandrel_image_to_image_autoscale" => upscale::upscale,
        _ => return None,
    };
    Some(run)
}
