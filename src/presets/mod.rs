//! Prompts stored on a server, for pictures and for language models.

pub mod style_presets;
pub mod system_prompts;
