//! Nodes of numbers, texts, lists and metadata.

mod lists;
mod logic;
mod math;
mod metadata;
pub(super) mod prompts;
mod strings;
mod tiles;

use super::call::{Call, Fields, Run};
use serde_json::Map;

pub(super) fn implementation(node_type: &str) -> Option<Run> {
    let run: Run = match node_type {
        "boolean" | "integer" | "float" | "string" | "color" | "scheduler" | "conditioning" => pass_on,
        "boolean_collection" | "integer_collection" | "float_collection" | "string_collection" => pass_on,
        "conditioning_collection" | "latents_collection" => pass_on,
        "image_collection" => lists::images,
        "range" => lists::range,
        "range_of_size" => lists::range_of_size,
        "random_range" => lists::random_range,
        "float_range" => lists::float_range,
        "iterate" => logic::iterate,
        "collect" => logic::collect,
        "if" => logic::choose,
        "add" | "sub" | "mul" | "div" => math::simple,
        "integer_math" => math::integer,
        "float_math" => math::float,
        "float_to_int" => math::float_to_int,
        "round_float" => math::round,
        "rand_int" => math::random_integer,
        "rand_float" => math::random_float,
        "string_join" | "string_join_three" => strings::join,
        "string_split" => strings::split,
        "string_split_neg" => strings::split_negative,
        "string_replace" => strings::replace,
        "dynamic_prompt" => prompts::dynamic,
        "prompt_from_file" => prompts::from_file,
        "metadata_item" => metadata::item,
        "metadata_item_linked" => metadata::linked_item,
        "metadata" => metadata::collect,
        "merge_metadata" => metadata::merge,
        "core_metadata" => metadata::core,
        "metadata_field_extractor" => metadata::extract,
        "metadata_from_image" => metadata::of_image,
        "metadata_to_string" | "metadata_to_integer" | "metadata_to_float" | "metadata_to_bool" => metadata::value,
        "bounding_box" => tiles::bounding_box,
        "image_panel_layout" => tiles::panel,
        "calculate_image_tiles" => tiles::with_overlap,
        "calculate_image_tiles_even_split" => tiles::even_split,
        "calculate_image_tiles_min_overlap" => tiles::min_overlap,
        "tile_to_properties" => tiles::properties,
        "pair_tile_image" => tiles::pair,
        _ => return None,
    };
    Some(run)
}

/// A primitive: each output is the input of its name.
fn pass_on(call: &mut Call<'_>) -> Fields {
    let fields = ["value", "collection", "color", "scheduler", "conditioning"];
    let given = fields.iter().filter_map(|field| Some(((*field).to_owned(), call.given(field)?.clone())));
    Ok(given.collect::<Map<_, _>>())
}
