//! What is on a server, read from its database, without the client that is tested.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use serde::Deserialize;

/// Prints what [`Rows`] reads. Opens the database of a running server for reading only.
const SCRIPT: &str = r#"
import json, os, sqlite3, sys
root = sys.argv[1]
db = sqlite3.connect(f"file:{root}/databases/invokeai.db?mode=ro", uri=True, timeout=60)
db.row_factory = sqlite3.Row
def rows(sql): return [dict(row) for row in db.execute(sql)]
tables = [row["name"] for row in rows("select name from sqlite_master where type = 'table' and name not like 'sqlite_%'")]
out = {
    "counts": {table: db.execute(f'select count(*) from "{table}"').fetchone()[0] for table in tables},
    "items": rows("select item_id, batch_id, queue_id, status, field_values from session_queue"),
    "images": rows("select image_name, session_id, width, image_origin from images"),
    "boards": rows("select board_id, board_name from boards"),
    "files": sorted(name for _, _, names in os.walk(f"{root}/outputs/images") for name in names),
}
json.dump(out, sys.stdout)
"#;

#[derive(Debug, Deserialize)]
pub(super) struct Rows {
    /// Rows of each table.
    pub(super) counts: BTreeMap<String, u64>,
    pub(super) items: Vec<Item>,
    pub(super) images: Vec<Image>,
    pub(super) boards: Vec<Board>,
    /// Images and thumbnails on the server's disk.
    pub(super) files: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Item {
    pub(super) item_id: i64,
    pub(super) batch_id: String,
    pub(super) queue_id: String,
    pub(super) status: String,
    field_values: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Image {
    pub(super) image_name: String,
    pub(super) session_id: Option<String>,
    pub(super) width: u64,
    pub(super) image_origin: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Board {
    pub(super) board_id: String,
    pub(super) board_name: String,
}

impl Item {
    /// The number that a sweep gave it.
    pub(super) fn number(&self) -> i64 {
        let values: serde_json::Value = serde_json::from_str(self.field_values.as_ref().unwrap()).unwrap();
        values[0]["value"].as_i64().unwrap_or_else(|| panic!("{self:?}"))
    }

    pub(super) fn has_ended(&self) -> bool {
        ["completed", "failed", "canceled"].contains(&&*self.status)
    }
}

impl Rows {
    pub(super) fn of(root: &Path) -> Self {
        let python = Command::new("python3").args(["-c", SCRIPT]).arg(root).output().unwrap();
        assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
        serde_json::from_slice(&python.stdout).unwrap()
    }

    pub(super) fn items_of<'a>(&'a self, queue_id: &'a str) -> impl Iterator<Item = &'a Item> {
        self.items.iter().filter(move |item| item.queue_id == queue_id)
    }

    pub(super) fn uploads(&self) -> impl Iterator<Item = &Image> {
        self.images.iter().filter(|image| image.image_origin == "external")
    }

    /// Panics unless this is what was there before.
    pub(super) fn assert_as(&self, before: &Self, what: &str) {
        let names = |rows: &Self| {
            let items = rows.items.iter().map(|item| format!("item {} {}", item.item_id, item.queue_id));
            let images = rows.images.iter().map(|image| format!("image {} {}", image.image_name, image.width));
            let boards = rows.boards.iter().map(|board| format!("board {} {}", board.board_id, board.board_name));
            items.chain(images).chain(boards).collect::<BTreeSet<_>>()
        };
        let (now, then) = (names(self), names(before));
        let more: Vec<_> = now.difference(&then).collect();
        let gone: Vec<_> = then.difference(&now).collect();
        assert!(more.is_empty() && gone.is_empty(), "{what}: left behind {more:#?}; taken from others {gone:#?}");
        assert_eq!(self.counts, before.counts, "{what}");
        assert_eq!(self.files, before.files, "{what}");
    }
}
