//! Boxes, panels and tiles (`primitives.py`, `image_panels.py`, `tiles.py`, `backend/tiles/tiles.py`).

use crate::testing::nodes::NodeError;
use crate::testing::nodes::call::{Call, Fields, fields, value_error};
use serde_json::{Value, json};

/// Tiles of one axis: where each starts and ends.
type Spans = Vec<(i64, i64)>;

pub(super) fn bounding_box(call: &mut Call<'_>) -> Fields {
    let of = |field: &str| call.int(field);
    let (x_min, x_max, y_min, y_max) = (of("x_min")?, of("x_max")?, of("y_min")?, of("y_max")?);
    if x_min > x_max || y_min > y_max {
        let (name, low, high) = if x_min > x_max { ("x", x_min, x_max) } else { ("y", y_min, y_max) };
        let message = format!("{name}_min ({low}) is greater than {name}_max ({high}).");
        return Err(NodeError::new("ValidationError", message));
    }
    fields(json!({"bounding_box": {"x_min": x_min, "x_max": x_max, "y_min": y_min, "y_max": y_max}}))
}

pub(super) fn panel(call: &mut Call<'_>) -> Fields {
    let width = call.int("width")?.div_euclid(call.int("num_cols")?.max(1));
    let height = call.int("height")?.div_euclid(call.int("num_rows")?.max(1));
    let (column, row) = (call.int("panel_col_idx")?, call.int("panel_row_idx")?);
    fields(json!({"x_left": column * width, "y_top": row * height, "width": width, "height": height}))
}

fn assertion(holds: bool) -> Result<(), NodeError> {
    if holds { Ok(()) } else { Err(NodeError::new("AssertionError", "")) }
}

/// All tiles of rows and columns, row by row, with how far each reaches into its neighbors.
fn tiles(rows: &Spans, columns: &Spans) -> Fields {
    let overlap = |spans: &Spans, index: usize| match index {
        0 => 0,
        _ => spans.get(index).map_or(0, |span| (spans[index - 1].1 - span.0).max(0)),
    };
    let mut tiles = Vec::new();
    for (row, &(top, bottom)) in rows.iter().enumerate() {
        for (column, &(left, right)) in columns.iter().enumerate() {
            tiles.push(json!({
                "coords": {"top": top, "bottom": bottom, "left": left, "right": right},
                "overlap": {
                    "top": overlap(rows, row),
                    "bottom": overlap(rows, row + 1),
                    "left": overlap(columns, column),
                    "right": overlap(columns, column + 1),
                },
            }));
        }
    }
    fields(json!({"tiles": tiles}))
}

fn checked_spans(count: i64, span: impl Fn(i64) -> (i64, i64)) -> Result<Spans, NodeError> {
    if count > 10_000 {
        return Err(value_error(format!("{count} tiles; the embedded server makes up to 10000 on a side")));
    }
    Ok((0..count).map(span).collect())
}

pub(super) fn with_overlap(call: &mut Call<'_>) -> Fields {
    let overlap = call.int("overlap")?;
    let axis = |size: &str, tile: &str| {
        let (size, tile) = (call.int(size)?, call.int(tile)?);
        assertion(size >= tile && overlap < tile)?;
        let step = tile - overlap;
        checked_spans((size - overlap + step - 1).div_euclid(step), |index| {
            let start = (index * step).min(size - tile);
            (start, start + tile)
        })
    };
    tiles(&axis("image_height", "tile_height")?, &axis("image_width", "tile_width")?)
}

pub(super) fn even_split(call: &mut Call<'_>) -> Fields {
    let overlap = call.int("overlap")?;
    let (width, height) = (call.int("image_width")?, call.int("image_height")?);
    if width % 8 != 0 || height % 8 != 0 {
        return Err(value_error(format!("image size (({width}, {height})) must be divisible by 8")));
    }
    let axis = |size: i64, count: i64| {
        let mut tile = size;
        if count > 1 {
            assertion(overlap <= size - 8 * (count - 1))?;
            tile = 8 * ((size + overlap * (count - 1)).div_euclid(count)).div_euclid(8);
            assertion(overlap < tile)?;
        }
        checked_spans(count, |index| {
            let start = index * (tile - overlap);
            let end = if index == count - 1 { size } else { (start + tile).min(size) };
            (start, end)
        })
    };
    let columns = axis(width, call.int("num_tiles_x")?)?;
    tiles(&axis(height, call.int("num_tiles_y")?)?, &columns)
}

pub(super) fn min_overlap(call: &mut Call<'_>) -> Fields {
    let least = call.int("min_overlap")?;
    let axis = |size: &str, tile: &str| {
        let (size, tile) = (call.int(size)?, call.int(tile)?);
        assertion(least < tile)?;
        let tile = tile.min(size);
        if tile == least {
            return Err(NodeError::new("ZeroDivisionError", "division by zero"));
        }
        let step = tile - least;
        let count = (size - least + step - 1).div_euclid(step);
        checked_spans(count, |index| {
            let start = if count > 1 { (index * (size - tile)).div_euclid(count - 1) } else { 0 };
            (start, start + tile)
        })
    };
    tiles(&axis("image_height", "tile_height")?, &axis("image_width", "tile_width")?)
}

pub(super) fn properties(call: &mut Call<'_>) -> Fields {
    let tile = call.value("tile");
    let side = |kind: &str, side: &str| tile[kind][side].as_i64().unwrap_or_default();
    let mut properties = serde_json::Map::new();
    for name in ["left", "right", "top", "bottom"] {
        properties.insert(format!("coords_{name}"), json!(side("coords", name)));
        properties.insert(format!("overlap_{name}"), json!(side("overlap", name)));
    }
    properties.insert("width".into(), json!(side("coords", "right") - side("coords", "left")));
    properties.insert("height".into(), json!(side("coords", "bottom") - side("coords", "top")));
    Ok(properties)
}

pub(super) fn pair(call: &mut Call<'_>) -> Fields {
    let (tile, image): (&Value, &Value) = (call.value("tile"), call.value("image"));
    fields(json!({"tile_with_image": {"tile": tile, "image": image}}))
}
