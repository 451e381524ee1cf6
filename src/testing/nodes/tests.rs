//! A server of only images, for tests of nodes and sessions.

use super::{Context, NewImage, NodeError, Preview, SavedImage, Tensors, invoke, unsupported};
use crate::testing::session::Session;
use image::{DynamicImage, Rgba};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// Images and models in memory; canceled after a number of progress events, if one is set.
#[derive(Default)]
pub(crate) struct Bench {
    pub(crate) images: HashMap<String, Arc<DynamicImage>>,
    metadata: HashMap<String, Value>,
    models: Vec<Value>,
    tensors: Tensors,
    progress: Vec<(String, Option<f64>)>,
    previews: Vec<(u32, u32)>,
    cancel_after: Option<usize>,
}

impl Bench {
    pub(crate) fn with_image(name: &str, image: impl Into<DynamicImage>) -> Self {
        let images = HashMap::from([(name.to_owned(), Arc::new(image.into()))]);
        Bench { images, ..Bench::default() }
    }

    fn with_models(mut self) -> Self {
        let model = |key: &str, base: &str, kind: &str| json!({"key": key, "name": key, "base": base, "type": kind, "hash": "h"});
        self.models = vec![
            model("sd1", "sd-1", "main"),
            model("flux", "flux", "main"),
            model("t5", "any", "t5_encoder"),
            model("clip", "any", "clip_embed"),
            model("vae", "flux", "vae"),
        ];
        self
    }

    /// Runs a graph to its end and returns the session.
    pub(crate) fn run(&mut self, graph: &Value) -> Session {
        let mut session = Session::new(graph).expect("a graph the server accepts");
        while let Ok(Some(prepared)) = session.next() {
            match invoke(&prepared, self) {
                Ok(output) => session.complete(&prepared.id, output),
                Err(error) => session.fail(&prepared.id, &error),
            }
            if session.is_complete() {
                break;
            }
        }
        session
    }

    /// The only result of a node.
    fn result(&mut self, graph: &Value, node: &str) -> Value {
        let session = self.run(graph).to_json();
        assert_eq!(session["errors"], json!({}), "{graph}");
        let id = session["source_prepared_mapping"][node][0].as_str().expect("prepared");
        session["results"][id].clone()
    }

    fn picture(&self, output: &Value) -> Arc<DynamicImage> {
        Arc::clone(&self.images[output["image"]["image_name"].as_str().expect("an image")])
    }
}

impl Context for Bench {
    fn load_image(&mut self, image_name: &str) -> Option<Arc<DynamicImage>> {
        self.images.get(image_name).cloned()
    }

    fn image_metadata(&mut self, image_name: &str) -> Option<Value> {
        self.metadata.get(image_name).cloned()
    }

    fn save_image(&mut self, image: NewImage) -> Result<SavedImage, NodeError> {
        let image_name = format!("{}.png", self.images.len());
        let (width, height) = (image.image.width(), image.image.height());
        self.images.insert(image_name.clone(), Arc::new(image.image));
        if let Some(metadata) = image.metadata {
            self.metadata.insert(image_name.clone(), metadata);
        }
        Ok(SavedImage { image_name, width, height })
    }

    fn model(&mut self, key: &str) -> Option<Value> {
        self.models.iter().find(|model| model["key"] == key).cloned()
    }

    fn models(&mut self) -> Vec<Value> {
        self.models.clone()
    }

    fn tensors(&mut self) -> &mut Tensors {
        &mut self.tensors
    }

    fn progress(&mut self, message: &str, percentage: Option<f64>, preview: Option<Preview>) {
        self.progress.push((message.to_owned(), percentage));
        self.previews.extend(preview.map(|preview| (preview.width, preview.height)));
    }

    fn model_loaded(&mut self, _record: &Value, _submodel_type: Option<&str>) {}

    fn is_canceled(&self) -> bool {
        self.cancel_after.is_some_and(|after| self.progress.len() >= after)
    }
}

/// A graph of one node, `n`.
fn one(node_type: &str, fields: Value) -> Value {
    let mut node = json!({"id": "n", "type": node_type});
    for (name, value) in fields.as_object().into_iter().flatten() {
        node[name] = value.clone();
    }
    json!({"nodes": {"n": node}})
}

fn value(node_type: &str, fields: Value) -> Value {
    Bench::default().result(&one(node_type, fields), "n")
}

#[test]
fn outputs_have_every_member_of_their_class() {
    assert_eq!(
        value("add", json!({"a": 2, "b": 3})),
        json!({"output_meta": null, "value": 5, "type": "integer_output"})
    );
    let blank = value("blank_image", json!({"width": 5, "height": 7}));
    assert_eq!(
        blank,
        json!({"output_meta": null, "image": {"image_name": "0.png"}, "width": 5, "height": 7, "type": "image_output"})
    );
}

#[test]
fn arithmetic_is_pythons() {
    let cases = [
        ("div", json!({"a": -7, "b": 2}), json!(-3)),
        ("integer_math", json!({"operation": "MOD", "a": -7, "b": 3}), json!(2)),
        ("integer_math", json!({"operation": "EXP", "a": 2, "b": 10}), json!(1024)),
        ("float_to_int", json!({"value": 2.5}), json!(2)),
        ("float_to_int", json!({"value": 13.0, "multiple": 8, "method": "Ceiling"}), json!(16)),
        ("round_float", json!({"value": 2.675, "decimals": 2}), json!(2.67)),
        ("round_float", json!({"value": 1250.0, "decimals": -2}), json!(1200.0)),
        ("float_math", json!({"operation": "SQRT", "a": 2}), json!(2_f64.sqrt())),
    ];
    for (node_type, fields, expected) in cases {
        assert_eq!(value(node_type, fields.clone())["value"], expected, "{node_type} {fields}");
    }
}

#[test]
fn arithmetic_beyond_its_limits_is_an_error() {
    for fields in [json!({"a": i64::MAX, "b": 1}), json!({"a": i64::MIN, "b": -1})] {
        let session = Bench::default().run(&one("add", fields)).to_json();
        let errors = session["errors"].as_object().expect("errors");
        assert!(errors.values().all(|error| error.as_str().is_some_and(|error| error.starts_with("OverflowError"))));
        assert_eq!(errors.len(), 1);
    }
    let session = Bench::default().run(&one("div", json!({"a": 1, "b": 0}))).to_json();
    assert!(session["errors"].to_string().contains("ZeroDivisionError: division by zero"), "{session}");
}

#[test]
fn texts() {
    let split = value("string_split_neg", json!({"string": r"a [b] \[c\] d"}));
    assert_eq!((&split["positive_string"], &split["negative_string"]), (&json!(r"a  \[c\] d"), &json!(" b")));
    let replaced =
        value("string_replace", json!({"string": "Cat cat", "search_string": "CAT", "replace_string": "dog"}));
    assert_eq!(replaced["value"], "dog dog");
}

/// As the `dynamicprompts` package gives them.
#[test]
fn dynamic_prompts_in_order() {
    let all = |prompt: &str| super::dynamic_prompts(prompt, 12, true).expect("a template");
    assert_eq!(
        all("a {red|blue} {cat|{x|y}}"),
        ["a red cat", "a red x", "a red y", "a blue cat", "a blue x", "a blue y"]
    );
    assert_eq!(all("{2$$a|b|c}"), ["a,b", "a,c", "b,a", "b,c", "c,a", "c,b"]);
    assert_eq!(all("{1-2$$ and $$a|b}"), ["a", "b", "a and b", "b and a"]);
    assert_eq!(all("{0.5::a|b}"), ["a", "b"]);
    assert_eq!(super::dynamic_prompts("{a|b}{c|d}", 3, true).expect("a template"), ["ac", "ad", "bc"]);
    assert_eq!(super::dynamic_prompts("{a|b", 1, true).expect_err("unbalanced").error_type, "ParseException");
    assert!(super::dynamic_prompts("{__w__|a}", 1, true).expect_err("no values").message.ends_with(": w"));
    let drawn = super::dynamic_prompts("{a|b} __w__", 5, false).expect("a template");
    assert_eq!(drawn.len(), 5);
    assert!(drawn.iter().all(|prompt| prompt == "a __w__" || prompt == "b __w__"), "{drawn:?}");
}

#[test]
fn missing_inputs_and_images_fail_as_on_the_real_server() {
    let error = |graph: Value| Bench::default().run(&graph).to_json()["errors"].to_string();
    let missing = error(one("img_resize", json!({})));
    assert!(missing.contains("MissingInputException: Node img_resize missing value or connection for field image"));
    let missing = error(one("l2i", json!({})));
    assert!(
        missing.contains("RequiredConnectionException: Node l2i missing connections for field latents"),
        "{missing}"
    );
    let unknown = error(one("img_resize", json!({"image": {"image_name": "none"}})));
    assert!(unknown.contains("ImageRecordNotFoundException: Image record not found"), "{unknown}");
}

#[test]
fn crop_shows_nothing_beyond_the_picture() {
    let mut bench = Bench::with_image("in", image::RgbImage::from_pixel(4, 4, image::Rgb([9, 8, 7])));
    let fields = json!({"image": {"image_name": "in"}, "x": 2, "y": 3, "width": 4, "height": 4});
    let output = bench.result(&one("img_crop", fields), "n");
    let picture = bench.picture(&output).to_rgba8();
    assert_eq!(*picture.get_pixel(1, 0), Rgba([9, 8, 7, 255]));
    assert_eq!(*picture.get_pixel(2, 0), Rgba([0; 4]));
    assert_eq!(*picture.get_pixel(0, 1), Rgba([0; 4]));
}

/// A text-to-image graph for the models of [`Bench::with_models`].
fn text_to_image(prompt: &str, seed: u64, steps: u64) -> Value {
    let model = json!({"key": "sd1", "hash": "h", "name": "sd1", "base": "sd-1", "type": "main"});
    let edge = |from: (&str, &str), to: (&str, &str)| json!({"source": {"node_id": from.0, "field": from.1}, "destination": {"node_id": to.0, "field": to.1}});
    json!({
        "nodes": {
            "loader": {"id": "loader", "type": "main_model_loader", "model": model},
            "positive": {"id": "positive", "type": "compel", "prompt": prompt},
            "negative": {"id": "negative", "type": "compel"},
            "noise": {"id": "noise", "type": "noise", "seed": seed, "width": 64, "height": 48},
            "denoise": {"id": "denoise", "type": "denoise_latents", "steps": steps},
            "decode": {"id": "decode", "type": "l2i"},
        },
        "edges": [
            edge(("loader", "clip"), ("positive", "clip")),
            edge(("loader", "clip"), ("negative", "clip")),
            edge(("loader", "unet"), ("denoise", "unet")),
            edge(("loader", "vae"), ("decode", "vae")),
            edge(("positive", "conditioning"), ("denoise", "positive_conditioning")),
            edge(("negative", "conditioning"), ("denoise", "negative_conditioning")),
            edge(("noise", "noise"), ("denoise", "noise")),
            edge(("denoise", "latents"), ("decode", "latents")),
        ],
    })
}

#[test]
fn equal_inputs_give_equal_pictures_and_others_differ() {
    let mut bench = Bench::default().with_models();
    let mut picture = |prompt: &str, seed| {
        let output = bench.result(&text_to_image(prompt, seed, 3), "decode");
        assert_eq!((&output["width"], &output["height"]), (&json!(64), &json!(48)));
        bench.picture(&output).to_rgb8()
    };
    let first = picture("a hill", 1);
    assert_eq!(first, picture("a hill", 1));
    assert_ne!(first, picture("a hill", 2));
    assert_ne!(first, picture("a lake", 1));
}

#[test]
fn denoising_shows_its_steps() {
    let mut bench = Bench::default().with_models();
    bench.result(&text_to_image("a hill", 1, 4), "decode");
    let steps: Vec<_> =
        bench.progress.iter().filter(|(message, _)| message == "Denoising").map(|(_, done)| *done).collect();
    assert_eq!(steps, [Some(0.0), Some(0.25), Some(0.5), Some(0.75), Some(1.0)]);
    assert_eq!(bench.previews, [(64, 48); 5]);
}

#[test]
fn denoising_stops_when_canceled() {
    let mut bench = Bench { cancel_after: Some(12), ..Bench::default().with_models() };
    let session = bench.run(&text_to_image("a hill", 1, 100)).to_json();
    assert!(session["errors"].to_string().contains("CanceledException"), "{session}");
    assert!(bench.progress.len() < 20, "{}", bench.progress.len());
}

#[test]
fn loaders_want_models_that_exist() {
    let session = Bench::default().run(&text_to_image("a hill", 1, 1)).to_json();
    assert!(session["errors"].to_string().contains("Exception: Unknown model sd1"), "{}", session["errors"]);
}

#[test]
fn what_is_not_there_is_named() {
    let graph = json!({"nodes": {
        "a": {"id": "a", "type": "wan_l2v"},
        "b": {"id": "b", "type": "add"},
        "c": {"id": "c", "type": "string_replace", "use_regex": true},
        "d": {"id": "d", "type": "no_such_node"},
    }});
    assert_eq!(unsupported(&graph), ["string_replace with use_regex", "wan_l2v"]);
}
