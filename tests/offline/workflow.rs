//! Workflows: reading, inputs, checks, graph, models and outputs. No server.

use invokeai_client::schema::{ModelRecord, NodeCatalog};
use invokeai_client::workflow::{
    BatchDatum, DefinitionError, EnqueueError, EnqueueOptions, InputError, MatchedBy, ProblemKind, ProblemSource,
    Reference, WarningKind, Workflow, WorkflowDefinition, WorkflowOptions,
};
use invokeai_client::{Sweep, queue::QueueItem};
use serde_json::{Map, Value, json};

const FLUX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/flux-image-to-image.json");
const DENOISE: &str = "9c773392-5647-4f2b-958e-9da1707b6e6a";

fn flux() -> Workflow {
    Workflow::new(WorkflowDefinition::from_path(FLUX).unwrap(), NodeCatalog::embedded())
}

/// A node with the defaults of its type, except for the given values; `null` unsets.
fn node(id: &str, node_type: &str, values: Value) -> Value {
    let template = NodeCatalog::embedded().get(node_type).unwrap();
    let mut inputs = Map::new();
    for (name, input) in &template.inputs {
        let mut field = json!({"name": name, "label": "", "description": ""});
        match values.get(name).or(input.default.as_ref()) {
            Some(Value::Null) | None => {}
            Some(value) => field["value"] = value.clone(),
        }
        inputs.insert(name.to_owned(), field);
    }
    json!({"id": id, "type": "invocation", "position": {"x": 0, "y": 0}, "data": {
        "id": id, "type": node_type, "version": template.version, "nodePack": "invokeai", "label": "", "notes": "",
        "inputs": inputs, "isOpen": true, "isIntermediate": true, "useCache": true,
    }})
}

fn connector(id: &str) -> Value {
    json!({"id": id, "type": "connector", "data": {"id": id, "type": "connector", "label": "", "isOpen": true}})
}

fn edge(source: &str, output: &str, target: &str, input: &str) -> Value {
    json!({"id": format!("{source}.{output}-{target}.{input}"), "type": "default", "source": source,
        "sourceHandle": output, "target": target, "targetHandle": input})
}

fn workflow_json(nodes: Value, edges: Value, exposed: &[(&str, &str)]) -> Value {
    let exposed: Vec<Value> = exposed.iter().map(|(node, field)| json!({"nodeId": node, "fieldName": field})).collect();
    json!({"name": "test", "author": "", "description": "", "version": "", "contact": "", "tags": "", "notes": "",
        "nodes": nodes, "edges": edges, "exposedFields": exposed, "meta": {"version": "4.0.0", "category": "user"}})
}

fn load(nodes: Value, edges: Value, exposed: &[(&str, &str)]) -> Workflow {
    let definition = WorkflowDefinition::from_value(workflow_json(nodes, edges, exposed)).unwrap();
    Workflow::new(definition, NodeCatalog::embedded())
}

fn graph(workflow: &Workflow) -> Value {
    workflow.graph(&EnqueueOptions::default())
}

#[test]
fn definitions_keep_the_original_and_say_where_it_is_wrong() {
    let mut value = workflow_json(json!([node("a", "add", json!({}))]), json!([]), &[]);
    value["unknown member"] = json!({"z": 1, "a": [2.0, 1e-7]});
    let text = serde_json::to_string_pretty(&value).unwrap();
    let definition: WorkflowDefinition = text.parse().unwrap();
    assert_eq!(serde_json::to_string_pretty(&definition).unwrap(), text);

    value["nodes"][0]["data"]["inputs"]["a"]["name"] = json!(7);
    let error = WorkflowDefinition::from_value(value.clone()).unwrap_err();
    assert_eq!(error.to_string(), "nodes[0].data.inputs.a.name: expected a string, got 7");

    value["nodes"][0]["data"]["inputs"]["a"]["name"] = json!("a");
    value["meta"]["version"] = json!("5.0.0");
    let error = WorkflowDefinition::from_value(value.clone()).unwrap_err();
    assert!(error.to_string().starts_with("meta.version: expected a known workflow version"), "{error}");
    value["meta"] = json!({});
    assert!(matches!(WorkflowDefinition::from_value(value), Err(DefinitionError::NoVersion { .. })));
}

#[test]
fn definitions_come_from_library_records_and_images() {
    let workflow = workflow_json(json!([node("a", "add", json!({}))]), json!([]), &[]);
    let record = json!({"workflow_id": "w", "name": "test", "workflow": workflow, "category": "user"});
    assert_eq!(WorkflowDefinition::from_value(record).unwrap().as_value(), &workflow);

    // A chunk is length, kind, data and a checksum, which nobody reads here.
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let data = [b"invokeai_workflow\0".as_slice(), workflow.to_string().as_bytes()].concat();
    png.extend((data.len() as u32).to_be_bytes());
    png.extend([b"tEXt".as_slice(), &data, &[0; 4]].concat());
    assert_eq!(WorkflowDefinition::from_reader(png.as_slice()).unwrap().as_value(), &workflow);
    let bare = WorkflowDefinition::from_reader(&png[..8]).unwrap_err();
    assert!(matches!(bare, DefinitionError::NoWorkflowInImage { .. }), "{bare}");

    let answer = json!({"workflow": workflow.to_string(), "graph": null});
    let catalog = NodeCatalog::embedded();
    assert_eq!(WorkflowDefinition::from_image_answer(&answer, catalog).unwrap().as_value(), &workflow);
    assert!(WorkflowDefinition::from_image_answer(&json!({"workflow": null, "graph": null}), catalog).is_err());
}

#[test]
fn a_graph_becomes_a_workflow_that_gives_the_same_graph() {
    let before = load(
        json!([node("i", "integer", json!({"value": 3})), node("a", "add", json!({"b": 4}))]),
        json!([edge("i", "value", "a", "a")]),
        &[],
    );
    let mut sent = graph(&before);
    // As the server keeps it: fields without a value are null.
    sent["nodes"]["a"]["a"] = json!(null);
    let answer = json!({"workflow": null, "graph": sent.to_string()});
    let definition = WorkflowDefinition::from_image_answer(&answer, NodeCatalog::embedded()).unwrap();
    let after = Workflow::new(definition, NodeCatalog::embedded());
    let (before, after) = (graph(&before), graph(&after));
    assert_eq!((&before["nodes"], &before["edges"]), (&after["nodes"], &after["edges"]));
}

#[test]
fn limits_are_errors() {
    let deep = "[".repeat(200) + &"]".repeat(200);
    assert!(matches!(deep.parse::<WorkflowDefinition>(), Err(DefinitionError::Json { .. })));
    let mut nested = json!(1);
    for _ in 0..200 {
        nested = json!([nested]);
    }
    assert!(matches!(WorkflowDefinition::from_value(nested), Err(DefinitionError::TooDeep { .. })));
    // Fifty containers, each listed twice by the one above, unfold to 2^50 elements.
    let mut elements = Map::new();
    for level in 0..50 {
        let mut element = json!({"id": level.to_string(), "type": "container", "data": {"layout": "row", "children":
            [(level + 1).to_string(), (level + 1).to_string()]}});
        if level > 0 {
            element["parentId"] = (level - 1).to_string().into();
        }
        elements.insert(level.to_string(), element);
    }
    elements.insert("50".into(), json!({"id": "50", "parentId": "49", "type": "divider"}));
    let mut value = workflow_json(json!([]), json!([]), &[]);
    value["form"] = json!({"elements": elements, "rootElementId": "0"});
    let error = WorkflowDefinition::from_value(value).unwrap_err();
    assert!(error.to_string().starts_with("form: the form unfolds"), "{error}");
}

#[test]
fn inputs_are_found_by_every_name() {
    let workflow = flux();
    let names: Vec<&str> = workflow.inputs().iter().map(|input| input.user_name.as_str()).collect();
    assert_eq!(names[..2], ["model", "t5_encoder_model"]);
    let by_system = workflow.input(format!("{DENOISE}.num_steps")).unwrap();
    assert_eq!((by_system.index, by_system.required, by_system.field.ink_type()), (6, false, "InkIntegerField"));
    assert_eq!(workflow.input(6).unwrap(), by_system);
    assert_eq!(workflow.input("num_steps").unwrap(), by_system);
    assert_eq!(workflow.inputs_by_system_name().len(), 8);
    assert_eq!(workflow.inputs_by_user_name().unwrap()["num_steps"], by_system);

    let Err(InputError::NotFound { suggestions, .. }) = workflow.input("num_stpes") else { panic!("a typing error") };
    assert_eq!(suggestions[0], "num_steps");
    let error = workflow.input(format!("{DENOISE}.num_step")).unwrap_err().to_string();
    assert!(error.contains(&format!("did you mean \"{DENOISE}.num_steps\"")), "{error}");
    assert!(workflow.input(8).is_err());
}

#[test]
fn colliding_user_names_are_reported_with_their_nodes() {
    let nodes = json!([node("a", "add", json!({})), node("b", "add", json!({}))]);
    let mut workflow = load(nodes, json!([]), &[("a", "a"), ("b", "a"), ("a", "b")]);
    let Err(InputError::NamesCollide { collisions }) = workflow.inputs_by_user_name() else { panic!("both are A") };
    assert_eq!(collisions, [("A".to_owned(), vec!["a".to_owned(), "b".to_owned()])]);
    let Err(InputError::Ambiguous { candidates, .. }) = workflow.set_input("A", 1) else { panic!("both are A") };
    assert_eq!(candidates, ["a.a", "b.a"]);
    workflow.set_input("a.a", 1).unwrap();
    workflow.set_input("B", 2).unwrap();
    assert_eq!(graph(&workflow)["nodes"]["a"]["b"], 2);
}

#[test]
fn setting_checks_at_once_and_leaves_the_definition_alone() {
    let mut workflow = flux();
    let before = workflow.definition().clone();
    let mut steps = workflow.input_mut("num_steps").unwrap();
    steps.set("30").unwrap();
    assert_eq!(steps.value(), Some(&json!(30)));
    let refused = steps.set(-5).unwrap_err();
    assert_eq!(refused.field, format!("{DENOISE}.num_steps"));
    assert_eq!(refused.to_string(), "`num_steps` does not accept -5; it accepts a whole number greater than 0");
    assert_eq!(workflow.get_input::<i64>("num_steps").unwrap(), Some(30));
    assert_eq!(workflow.definition(), &before);
    assert_eq!(workflow.definition().as_value()["nodes"][5]["data"]["inputs"]["num_steps"]["value"], 20);
    assert_eq!(workflow.to_embedded()["nodes"][5]["data"]["inputs"]["num_steps"]["value"], 30);

    // All or nothing.
    let error = workflow.set_inputs_json(&json!({"num_steps": 10, "denoising_start": "x", "no such": 1})).unwrap_err();
    assert!(matches!(&error, InputError::Several { errors } if errors.len() == 2), "{error}");
    assert_eq!(workflow.get_input::<i64>("num_steps").unwrap(), Some(30));
    workflow.set_inputs([("num_steps", 10.0), ("denoising_start", 0.25)]).unwrap();
    assert_eq!(workflow.get_input::<i64>("num_steps").unwrap(), Some(10));
    assert!(workflow.set_inputs_json(&json!([1])).is_err());

    let values = Value::from(workflow.values());
    let mut other = flux();
    other.set_inputs_json(&values).unwrap();
    assert_eq!(Value::from(other.values()), values);
    workflow.clear_input("num_steps").unwrap();
    assert!(graph(&workflow)["nodes"][DENOISE].get("num_steps").is_none(), "unset is not sent");
}

#[test]
fn a_field_shown_twice_has_one_value() {
    let exposed = [("a", "a"), ("a", "b"), ("a", "a")];
    let mut workflow = load(json!([node("a", "add", json!({}))]), json!([]), &exposed);
    workflow.set_input(2, 9).unwrap();
    assert_eq!(workflow.get_input::<i64>(0).unwrap(), Some(9));
    assert_eq!(workflow.get_input::<i64>("a.a").unwrap(), Some(9));
    assert_eq!(workflow.inputs_by_system_name().len(), 2);
}

#[test]
fn fields_outside_the_form_can_be_set() {
    let mut workflow = flux();
    workflow.set_node_field(DENOISE, "seed", 42).unwrap();
    assert_eq!(graph(&workflow)["nodes"][DENOISE]["seed"], 42);
    assert!(matches!(workflow.set_node_field(DENOISE, "sede", 1), Err(InputError::NoSuchField { .. })));
    assert!(matches!(workflow.set_node_field(DENOISE, "seed", "x"), Err(InputError::Value(_))));
}

#[test]
fn problems_are_collected_in_words() {
    let mut workflow = flux();
    let missing = workflow.missing_required_inputs();
    assert_eq!(missing.len(), 2, "{missing:?}");
    workflow.set_inputs([("prompt", "x"), ("image", "a.png")]).unwrap();
    assert!(workflow.problems().is_empty() && workflow.validate_inputs().is_empty());

    let nodes = json!([
        node("n", "noise", json!({"width": 7, "seed": -1})),
        node("c", "crop_latents", json!({"x": 7, "y": 8, "width": 8, "height": 8})),
        node("s", "integer", json!({"value": 1.5})),
    ]);
    let workflow = load(nodes, json!([]), &[("n", "width")]);
    let found: Vec<(ProblemKind, ProblemSource, String)> =
        workflow.problems().into_iter().map(|problem| (problem.kind, problem.source, problem.message)).collect();
    let expected = [
        (ProblemKind::OutOfRange, ProblemSource::Editor, "Create Latent Noise -> Seed: -1 is less than 0"),
        (ProblemKind::NotMultipleOf, ProblemSource::Editor, "Create Latent Noise -> Width: 7 is not a multiple of 8"),
    ];
    for (kind, source, message) in expected {
        assert!(found.contains(&(kind, source, message.to_owned())), "{message} in {found:#?}");
    }
    let hidden = |node: &str, field: &str| {
        workflow.problems().into_iter().any(|problem| {
            problem.source == ProblemSource::Client
                && problem.kind == ProblemKind::InvalidValue
                && (problem.node.as_ref().map(|node| &*node.id), problem.field.as_deref()) == (Some(node), Some(field))
        })
    };
    assert!(hidden("c", "x"), "a bound that only the server knows: {found:#?}");
    assert!(hidden("s", "value"), "1.5 is not an integer: {found:#?}");
    assert_eq!(workflow.validate_inputs()["n.width"], ["Create Latent Noise -> Width: 7 is not a multiple of 8"]);
}

#[test]
fn what_only_the_server_would_reject_is_found() {
    let mut blur = node("blur", "img_blur", json!({}));
    blur["data"]["inputs"].as_object_mut().unwrap().remove("image");
    let nodes = json!([
        blur,
        connector("c"),
        node("blur2", "img_blur", json!({})),
        node("batch", "string_batch", json!({"strings": ["1", "x"], "batch_group_id": "None"})),
        node("noise", "noise", json!({})),
        node("int", "integer_batch", json!({"integers": [8, 13], "batch_group_id": "None"})),
    ]);
    let edges = json!([edge("c", "out", "blur2", "image"), edge("int", "value", "noise", "width")]);
    let workflow = load(nodes, edges, &[]);
    let of_client = |kind| {
        let problems = workflow.problems().into_iter();
        problems.filter(|p| p.source == ProblemSource::Client && p.kind == kind).map(|p| p.message).collect::<Vec<_>>()
    };
    assert_eq!(of_client(ProblemKind::MissingInput).len(), 1, "the file does not have the field");
    assert_eq!(of_client(ProblemKind::DanglingConnector).len(), 1);
    let items = of_client(ProblemKind::InvalidBatchItem);
    assert!(items.len() == 1 && items[0].contains("13") && items[0].contains("Width"), "{items:?}");
}

#[test]
fn batches_reach_through_connectors() {
    let nodes = json!([
        node("b", "integer_batch", json!({"integers": [1, 2], "batch_group_id": "None"})),
        connector("c"),
        connector("d"),
        node("x", "add", json!({})),
        node("y", "add", json!({})),
    ]);
    let edges = json!([
        edge("b", "value", "c", "in"),
        edge("c", "out", "x", "a"),
        edge("c", "out", "d", "in"),
        edge("d", "out", "y", "b"),
    ]);
    let body = load(nodes, edges, &[]).enqueue_body(&EnqueueOptions::default()).unwrap();
    let datum = |node, field| json!({"node_path": node, "field_name": field, "items": [1, 2]});
    assert_eq!(body["batch"]["data"], json!([[datum("x", "a"), datum("y", "b")]]));
}

#[test]
fn generators_that_need_a_server_say_what_to_ask() {
    let rule = json!({"type": "string_generator_dynamic_prompts_combinatorial", "input": "{a|b}", "maxPrompts": 5});
    let nodes = json!([
        node("g", "string_generator", json!({"generator": rule})),
        node("b", "string_batch", json!({"batch_group_id": "None"})),
        node("s", "string", json!({})),
    ]);
    let workflow = load(nodes, json!([edge("g", "strings", "b", "strings"), edge("b", "value", "s", "value")]), &[]);
    let refused = workflow.enqueue_body(&EnqueueOptions::default()).unwrap_err();
    assert!(matches!(&refused, EnqueueError::NeedsServer { generator, .. } if generator == "g"), "{refused}");
    assert_eq!(workflow.server_requests().len(), 1);
    assert_eq!(workflow.problems()[0].kind, ProblemKind::NeedsServer);
    let options = EnqueueOptions::default().generated("g", vec![json!("a"), json!("b")]);
    let body = workflow.enqueue_body(&options).unwrap();
    assert_eq!(body["batch"]["data"][0][0]["items"], json!(["a", "b"]));
    assert!(workflow.problems_with(&options).is_empty());
}

#[test]
fn options_shape_the_request() {
    let nodes = json!([node("i", "blank_image", json!({})), node("j", "blank_image", json!({"board": "none"}))]);
    let workflow = load(nodes, json!([]), &[]);
    let datum = invokeai_client::workflow::BatchDatum {
        node_id: "i".into(),
        field: "width".into(),
        items: vec![json!(64), json!(128)],
    };
    let options = EnqueueOptions::default()
        .auto_add_board("board")
        .runs(3)
        .prepend(true)
        .origin("me")
        .destination("there")
        .batch_id("id")
        .batch([datum]);
    let body = workflow.enqueue_body(&options).unwrap();
    let batch = &body["batch"];
    assert_eq!(batch["graph"]["nodes"]["i"]["board"], json!({"board_id": "board"}));
    assert!(batch["graph"]["nodes"]["j"].get("board").is_none());
    let head = ["runs", "origin", "destination", "batch_id"].map(|name| batch[name].clone());
    assert_eq!(head, [json!(3), json!("me"), json!("there"), json!("id")]);
    assert_eq!(batch["data"][0][0]["items"], json!([64, 128]));
    assert_eq!(body["prepend"], true);
    assert_eq!(workflow.enqueue_body(&EnqueueOptions::default().runs(0)), Err(EnqueueError::NoRuns));
}

#[test]
fn outputs_are_known_beforehand() {
    let mut save = node("save", "save_image", json!({"board": {"board_id": "b"}, "image": {"image_name": "a.png"}}));
    save["data"]["isIntermediate"] = json!(false);
    let nodes = json!([
        node("pass", "image", json!({"image": {"image_name": "a.png"}})),
        node("auto", "blank_image", json!({})),
        save,
        node("none", "img_pad_crop", json!({"image": {"image_name": "a.png"}})),
        node("latents", "i2l", json!({"image": {"image_name": "a.png"}})),
    ]);
    let workflow = load(nodes, json!([]), &[("save", "board")]);
    let outputs = workflow.output_nodes(&EnqueueOptions::default().auto_add_board("mine"));
    let found: Vec<_> = outputs
        .iter()
        .map(|output| (output.node.id.as_str(), output.board_id.as_deref(), output.exposed, output.is_intermediate))
        .collect();
    let expected = [("auto", Some("mine"), false, true), ("save", Some("b"), true, false), ("none", None, false, true)];
    assert_eq!(found, expected);
}

#[test]
fn models_are_found_by_key_hash_and_name() {
    let model = |key: &str, hash: &str, name: &str, base: &str, kind: &str| {
        let mut record = ModelRecord::new(key, name, base, kind);
        record.hash = Some(hash.to_owned());
        record
    };
    let installed = [
        model("here-1", "blake3:4c1d2f0a", "My FLUX", "flux", "main"),
        model("here-2", "blake3:v", "FLUX VAE", "flux", "vae"),
        model("here-3", "blake3:l", "Detail", "flux", "lora"),
    ];
    let mut workflow = flux();
    let report = workflow.use_models(&installed);
    assert_eq!(report.resolved.len(), 1);
    assert_eq!(report.resolved[0].by, MatchedBy::Hash);
    let found = workflow.input("model").unwrap().value().unwrap();
    let expected =
        json!({"key": "here-1", "hash": "blake3:4c1d2f0a", "name": "My FLUX", "base": "flux", "type": "main"});
    assert_eq!(found, &expected);
    assert_eq!(workflow.resolve_models(&installed).resolved[0].by, MatchedBy::Key);

    let identifier = |name: &str| json!({"key": "k", "hash": "h", "name": name, "base": "flux", "type": "lora"});
    let loras = json!([{"lora": identifier("Detail"), "weight": 0.5}, {"lora": identifier("Gone"), "weight": 1}]);
    let nodes = json!([
        node("loras", "flux_lora_collection_loader", json!({"loras": loras})),
        node("main", "main_model_loader", json!({"model": {"model_name": "old one", "base_model": "sd-1"}})),
    ]);
    let mut workflow = load(nodes, json!([]), &[]);
    assert_eq!(workflow.warnings()[0].kind, WarningKind::ObjectDropped);
    let installed = [&installed[..], &[model("here-4", "blake3:o", "old one", "sd-1", "main")]].concat();
    let report = workflow.use_models(&installed);
    let by_name: Vec<_> = report.resolved.iter().map(|found| (found.usage.node_id.as_str(), found.by)).collect();
    assert_eq!(by_name, [("loras", MatchedBy::Name), ("main", MatchedBy::Name)]);
    let [missing] = report.missing.as_slice() else { panic!("one LoRA is missing: {report:#?}") };
    assert_eq!(missing.usage.index, Some(1));
    assert_eq!(missing.fitting.iter().map(|model| model.name.as_str()).collect::<Vec<_>>(), ["Detail"]);
    let graph = graph(&workflow);
    assert_eq!(graph["nodes"]["loras"]["loras"][0]["lora"]["key"], "here-3");
    assert_eq!(graph["nodes"]["loras"]["loras"][0]["weight"], 0.5);
    assert_eq!(graph["nodes"]["main"]["model"]["key"], "here-4");
}

#[test]
fn called_workflows_lend_their_inputs() {
    let callee = workflow_json(json!([node("inner", "add", json!({"a": 5}))]), json!([]), &[("inner", "a")]);
    let callee = WorkflowDefinition::from_value(callee).unwrap();
    let nodes =
        json!([node("call", "call_saved_workflow", json!({"workflow_id": "w"})), node("i", "integer", json!({}))]);
    let name = "saved_workflow_input::inner::a";
    let edges = json!([edge("i", "value", "call", name)]);
    let definition = WorkflowDefinition::from_value(workflow_json(nodes, edges, &[])).unwrap();
    assert_eq!(definition.called_workflow_ids(), ["w"]);

    let mut options = WorkflowOptions::default();
    let unsupplied = Workflow::with_options(definition.clone(), NodeCatalog::embedded(), &options);
    assert!(unsupplied.warnings().iter().any(|warning| warning.kind == WarningKind::CalledWorkflowUnknown));
    assert_eq!(graph(&unsupplied)["nodes"]["call"]["workflow_inputs"], json!({}));

    options.saved_workflows.insert("w".into(), callee);
    let mut workflow = Workflow::with_options(definition, NodeCatalog::embedded(), &options);
    assert!(workflow.warnings().is_empty(), "{:?}", workflow.warnings());
    let sent = graph(&workflow);
    assert_eq!(sent["nodes"]["call"]["workflow_inputs"], json!({}), "an edge feeds it");
    assert_eq!(sent["edges"][0]["destination"], json!({"node_id": "call", "field": name}));
    workflow.set_node_field("call", name, 8).unwrap();
    assert!(workflow.set_node_field("call", name, "eight").is_err());
    let again = WorkflowDefinition::from_value(workflow.to_embedded()).unwrap();
    let again = Workflow::new(again, NodeCatalog::embedded());
    assert_eq!(again.node_field("call", name).unwrap().get::<i64>(), Some(8), "templates are stored with the node");
}

#[test]
fn what_a_server_does_not_have_is_unset() {
    let nodes = json!([
        node("one", "image", json!({"image": {"image_name": "gone.png"}})),
        node("two", "image_collection", json!({"images": [{"image_name": "gone.png"}, {"image_name": "here.png"}]})),
        node("three", "blank_image", json!({"board": {"board_id": "b"}})),
    ]);
    let mut workflow = load(nodes, json!([]), &[("one", "image")]);
    let image = |name: &str| Reference::Image(name.to_owned());
    assert_eq!(workflow.references(), [image("gone.png"), image("here.png"), Reference::Board("b".into())]);
    workflow.drop_inaccessible(|reference| *reference != image("gone.png"));
    assert_eq!(workflow.warnings().len(), 2);
    assert!(workflow.warnings().iter().all(|warning| warning.kind == WarningKind::ReferenceDropped));
    assert_eq!(workflow.missing_required_inputs(), ["one.image"]);
    let sent = graph(&workflow);
    assert_eq!(sent["nodes"]["two"]["images"], json!([{"image_name": "here.png"}]));
    assert_eq!(sent["nodes"]["three"]["board"], json!({"board_id": "b"}));
}

#[test]
fn workflows_can_be_shared_between_threads() {
    fn shareable<T: Send + Sync + Clone>(_: &T) {}
    shareable(&flux());
}

#[test]
fn batch_data_supply_a_required_input_that_has_no_value() {
    let nodes =
        json!([node("load", "image", json!({"image": null})), node("blur", "img_blur", json!({"image": null}))]);
    let workflow = load(nodes, json!([]), &[("load", "image"), ("blur", "image")]);
    let missing = |options: &EnqueueOptions| {
        let problems = workflow.problems_with(options).into_iter();
        problems.filter(|problem| problem.kind == ProblemKind::MissingInput).count()
    };
    let before = workflow.definition().as_value().to_string();
    assert_eq!(missing(&EnqueueOptions::default()), 2);
    let items = |names: [&str; 2]| names.map(|name| json!({"image_name": name})).to_vec();
    let datum = |node: &str, items| BatchDatum { node_id: node.into(), field: "image".into(), items };
    let options = EnqueueOptions::default().batch([datum("load", items(["a.png", "b.png"]))]);
    assert_eq!(missing(&options), 1, "the other one is still missing");
    let options = options.batch([datum("blur", items(["c.png", "d.png"]))]);
    assert_eq!(workflow.problems_with(&options), []);
    // The server checks the graph before it puts an item's values in.
    let body = workflow.enqueue_body(&options).unwrap();
    assert_eq!(body["batch"]["graph"]["nodes"]["load"]["image"]["image_name"], "a.png");
    assert_eq!(body["batch"]["graph"]["nodes"]["blur"]["image"]["image_name"], "c.png");
    assert_eq!(body["batch"]["data"].as_array().unwrap().len(), 2);
    assert_eq!(workflow.definition().as_value().to_string(), before);
    assert_eq!(missing(&EnqueueOptions::default()), 2, "nothing stays of it");
    // A value of the wrong kind is still a value.
    let wrong = EnqueueOptions::default().batch([datum("load", vec![json!(7)]), datum("blur", vec![json!(7)])]);
    assert!(!workflow.problems_with(&wrong).is_empty());
}

#[test]
fn a_report_of_models_reads_as_text() {
    let mut workflow = flux();
    let report = workflow.use_models(&[]);
    let text = report.to_string();
    let first = text.lines().next().unwrap();
    assert_eq!(first, format!("0 of {} models found", report.missing.len()));
    assert_eq!(text.lines().count(), 1 + report.missing.len());
    assert!(text.contains(" is not on the server; no installed model fits"), "{text}");
    let wanted = report.missing.iter().find_map(|missing| missing.usage.wanted.clone()).unwrap();
    assert!(text.contains(&wanted.name) && !wanted.name.is_empty(), "{text}");
}

/// What may take a megabyte is shown in a few hundred characters.
#[test]
fn what_is_large_is_shown_briefly() {
    let short = |what: &str, shown: String| assert!(shown.chars().count() < 1000, "{what}: {shown}");
    let mut workflow = flux();
    let report = workflow.use_models(&vec![ModelRecord::new("key", "name", "flux", "main"); 500]);
    let items = vec![json!("x".repeat(1000)); 1000];
    let datum = BatchDatum { node_id: "n".into(), field: "f".into(), items };
    let prompts = (0..1000).map(|number| format!("{number} {}", "long ".repeat(100)));
    let sweep = Sweep::new().product(&workflow, "prompt", prompts).unwrap();
    let item = json!({"item_id": 1, "status": "failed", "batch_id": "b", "error_message": "x".repeat(5000),
        "session": {"results": vec![json!({"type": "x"}); 1000]}});
    let item: QueueItem = serde_json::from_value(item).unwrap();
    short("catalog", format!("{:?}", NodeCatalog::embedded()));
    short("template", format!("{:?}", NodeCatalog::embedded().get("flux_denoise").unwrap()));
    short("definition", format!("{:?}", workflow.definition()));
    short("input", format!("{:?}", workflow.inputs()[0]));
    short("report", format!("{report:?}"));
    short("datum", format!("{datum:?}"));
    short("options", format!("{:?}", EnqueueOptions::default().batch([datum])));
    short("sweep", format!("{sweep:?}"));
    short("item", format!("{item:?}"));
    short("workflow", format!("{workflow:?}"));
    assert!(format!("{workflow:?}").contains("WorkflowDefinition"), "{workflow:?}");
}

/// Model kinds, architectures and submodels that only a newer server has stay in the workflow, also in lists.
#[test]
fn models_of_a_newer_server_are_sent() {
    let model = |kind: &str| json!({"key": "k", "hash": "h", "name": "n", "base": "nova-1", "type": kind, "submodel_type": "nova_part"});
    let loras = json!([{"lora": model("lora"), "weight": 0.5}]);
    let nodes = json!([
        node("main", "model_identifier", json!({"model": model("nova_encoder")})),
        node("loras", "sdxl_lora_collection_loader", json!({"loras": loras})),
    ]);
    let workflow = load(nodes, json!([]), &[]);
    assert!(workflow.warnings().is_empty(), "{:?}", workflow.warnings());
    let sent = graph(&workflow);
    assert_eq!(sent["nodes"]["main"]["model"], model("nova_encoder"));
    assert_eq!(sent["nodes"]["loras"]["loras"], loras);
}

/// A list of which no field can hold an item is unset, but its models are found and written all the same.
#[test]
fn models_of_an_unset_list_are_applied() {
    let old = json!([{"lora": {"key": "old", "name": "Detail", "base": "sdxl", "type": "lora"}, "weight": 0.5}]);
    let mut workflow = load(json!([node("l", "sdxl_lora_collection_loader", json!({"loras": old}))]), json!([]), &[]);
    assert_eq!(workflow.warnings()[0].kind, WarningKind::ValueDropped);
    assert!(workflow.warnings()[0].message.contains("Detail"), "the lost value is named: {:?}", workflow.warnings());
    let mut record = ModelRecord::new("here", "Detail", "sdxl", "lora");
    record.hash = Some("h".into());
    assert_eq!(workflow.use_models(&[record]).resolved.len(), 1);
    assert_eq!(graph(&workflow)["nodes"]["l"]["loras"][0]["lora"]["key"], "here");
    assert!(workflow.problems().iter().all(|problem| problem.field.as_deref() != Some("loras")));
}

/// The editor's widget stores a chosen number as text, and the server refuses that.
#[test]
fn a_number_chosen_in_the_editor_is_sent_as_a_number() {
    let workflow = load(json!([node("t", "flux_text_encoder", json!({"t5_max_seq_len": "512"}))]), json!([]), &[]);
    assert_eq!(graph(&workflow)["nodes"]["t"]["t5_max_seq_len"], 512);
    assert!(workflow.node_field("t", "t5_max_seq_len").unwrap().check().is_ok());
    let mut field = workflow.node_field("t", "t5_max_seq_len").unwrap();
    field.load(Some(json!("512")));
    assert!(field.check().is_err(), "the server does not take the text");
    field.set("256").unwrap();
    assert_eq!(field.get::<i64>(), Some(256));
}

/// What the server refuses in a graph that the editor sends.
#[test]
fn graphs_that_only_the_server_refuses_are_found() {
    let list = |id: &str, kind: &str, items: Value| node(id, kind, json!({"collection": items}));
    let only = |nodes: Value, edges: Value| -> Vec<(ProblemKind, String, String)> {
        let workflow = load(nodes, edges, &[]);
        assert!(workflow.warnings().is_empty(), "{:?}", workflow.warnings());
        let problems = workflow.problems().into_iter();
        let client = problems.filter(|problem| problem.source == ProblemSource::Client);
        let place = |node: Option<String>, field: Option<String>| {
            format!("{}.{}", node.unwrap_or_default(), field.unwrap_or_default())
        };
        client.map(|p| (p.kind, place(p.node.map(|node| node.id), p.field), p.message)).collect()
    };
    let expect = |nodes: Value, edges: Value, kind: ProblemKind, place: &str, words: &str| {
        let found = only(nodes, edges);
        let [(found_kind, found_place, message)] = &found[..] else { panic!("one problem at {place}: {found:?}") };
        assert_eq!((*found_kind, found_place.as_str()), (kind, place), "{message}");
        assert!(message.contains(words), "{message}");
    };
    let iterate = |values: Value| node("a", "iterate", values);
    let add = || node("b", "add", json!({"b": 1}));
    let number = || node("i", "integer", json!({"value": 1}));
    let strings = || list("s", "string_collection", json!(["x", "y"]));

    let missing = ProblemKind::MissingInput;
    expect(json!([iterate(json!({}))]), json!([]), missing, "a.collection", "from an edge only");
    expect(
        json!([iterate(json!({"collection": [1, 2]})), add()]),
        json!([edge("a", "item", "b", "a")]),
        missing,
        "a.collection",
        "from an edge only",
    );
    expect(json!([node("c", "collect", json!({}))]), json!([]), missing, "c.item", "at least one edge");
    let refused = ProblemKind::RefusedEdge;
    let into_iterate = || edge("s", "collection", "a", "collection");
    expect(
        json!([strings(), iterate(json!({})), add()]),
        json!([into_iterate(), edge("a", "item", "b", "a")]),
        refused,
        "a.collection",
        "StringField, in Add Integers -> A, which accepts IntegerField",
    );
    expect(
        json!([number(), node("c", "collect", json!({})), node("b", "image_collection", json!({}))]),
        json!([edge("i", "value", "c", "item"), edge("c", "collection", "b", "collection")]),
        refused,
        "c.item",
        "which accepts list of ImageField",
    );
    expect(
        json!([number(), node("p", "dynamic_prompt", json!({}))]),
        json!([edge("i", "value", "p", "prompt")]),
        refused,
        "p.prompt",
        "does not convert",
    );
    let custom = json!({"label": "* CUSTOM LABEL *", "value": 1});
    expect(json!([node("m", "metadata_item_linked", custom)]), json!([]), missing, "m.custom_label", "is required");
    expect(
        json!([node("l", "l2i", json!({"latents": "x"}))]),
        json!([]),
        ProblemKind::InvalidValue,
        "l.latents",
        "only an edge from LatentsField",
    );

    let range = node("r", "range", json!({"start": 0, "stop": 3, "step": 1}));
    let fine = only(
        json!([range, iterate(json!({})), add(), node("c", "collect", json!({}))]),
        json!([
            edge("r", "collection", "a", "collection"),
            edge("a", "item", "b", "a"),
            edge("b", "value", "c", "item"),
        ]),
    );
    assert!(fine.is_empty(), "{fine:?}");
}

/// What is unusual but may run is a problem of its own kind, and what is stored wrongly says how to store it.
#[test]
fn unusual_values_are_distinguished_from_wrong_ones() {
    let model = json!({"key": "k", "hash": "h", "name": "n", "base": "sdxl", "type": "main"});
    let found = |kind: &str, values: Value| {
        let problems = load(json!([node("n", kind, values)]), json!([]), &[]).problems();
        let [problem] = &problems[..] else { panic!("one problem: {problems:?}") };
        (problem.kind, problem.message.clone())
    };
    for (kind, values, words) in [
        ("main_model_loader", json!({"model": model}), "the editor does not offer"),
        ("integer", json!({"value": "7"}), "store 7"),
        ("boolean", json!({"value": "yes"}), "the editor does not offer \"yes\""),
        ("string", json!({"value": 5}), "the editor does not offer 5"),
    ] {
        let (found, message) = found(kind, values);
        assert_eq!(found, ProblemKind::UnusualValue, "{message}");
        assert!(message.contains(words), "{message}");
    }
    for (kind, values, words) in [
        ("integer", json!({"value": "seven"}), "it accepts a whole number"),
        ("integer", json!({"value": 12_345_678_901_234_567_890_u64}), "a whole number of up to 64 bits"),
        ("image", json!({"image": "a.png"}), "store {\"image_name\":\"a.png\"}"),
        ("blank_image", json!({"board": "board-1"}), "store {\"board_id\":\"board-1\"}"),
    ] {
        let (found, message) = found(kind, values);
        assert_eq!(found, ProblemKind::InvalidValue, "{message}");
        assert!(message.contains(words), "{message}");
    }
}

/// A stored value that a run refuses is not a default.
#[test]
fn the_schema_asks_for_what_a_run_refuses() {
    let nodes =
        json!([node("b", "blank_image", json!({"board": "board-1"})), node("i", "integer", json!({"value": 1}))]);
    let schema = load(nodes, json!([]), &[("b", "board"), ("i", "value")]).input_schema();
    assert_eq!(schema["required"], json!(["b.board"]));
    assert!(schema["properties"]["b.board"].get("default").is_none(), "{schema}");
    assert_eq!(schema["properties"]["i.value"]["default"], 1);
}

/// The server takes values for the exposed fields of a called workflow only if its form has none.
#[test]
fn exposed_fields_beyond_the_form_of_a_called_workflow_are_not_sent() {
    let nodes = json!([node("s", "string", json!({"value": "x"})), node("n", "integer", json!({"value": 3}))]);
    let mut callee = workflow_json(nodes, json!([]), &[("s", "value"), ("n", "value")]);
    callee["form"] = json!({"rootElementId": "root", "elements": {
        "root": {"id": "root", "type": "container", "data": {"layout": "column", "children": ["f"]}},
        "f": {"id": "f", "parentId": "root", "type": "node-field", "data": {
            "fieldIdentifier": {"nodeId": "s", "fieldName": "value"}, "showDescription": false}},
    }});
    let mut options = WorkflowOptions::default();
    options.saved_workflows.insert("w".into(), WorkflowDefinition::from_value(callee).unwrap());
    let caller = workflow_json(json!([node("c", "call_saved_workflow", json!({"workflow_id": "w"}))]), json!([]), &[]);
    let caller = WorkflowDefinition::from_value(caller).unwrap();
    let workflow = Workflow::with_options(caller, NodeCatalog::embedded(), &options);
    let sent = &graph(&workflow)["nodes"]["c"]["workflow_inputs"];
    assert_eq!(*sent, json!({"saved_workflow_input::s::value": "x"}));
}

#[test]
fn a_batch_into_nothing_feeds_nothing() {
    let nodes = json!([
        node("b", "integer_batch", json!({"integers": [1], "batch_group_id": "None"})),
        node("i", "integer", json!({})),
        connector("c"),
    ]);
    let workflow = load(nodes, json!([edge("b", "value", "c", "in")]), &[]);
    let kinds: Vec<_> = workflow.problems().into_iter().map(|problem| (problem.kind, problem.source)).collect();
    assert_eq!(kinds, [(ProblemKind::BatchNotConnected, ProblemSource::Client)]);
}

#[test]
fn nodes_of_a_graph_that_are_left_out_are_named() {
    let graph = json!({"id": "g", "edges": [], "nodes": {
        "a": {"id": "a", "type": "add"}, "b": {"id": "b", "type": "of_another_pack"}, "c": 7}});
    let definition = WorkflowDefinition::from_graph(&graph, NodeCatalog::embedded()).unwrap();
    let workflow = Workflow::new(definition, NodeCatalog::embedded());
    let left_out: Vec<_> =
        workflow.warnings().iter().map(|warning| (warning.kind, warning.node_id.as_deref().unwrap())).collect();
    assert_eq!(left_out, [(WarningKind::NodeLeftOut, "b"), (WarningKind::NodeLeftOut, "c")]);
}

/// A generator keeps no parameters of its type's default when its node is updated.
#[test]
fn an_updated_generator_has_only_its_own_parameters() {
    let rule = json!({"type": "integer_generator_parse_string", "input": "1,2", "splitOn": ","});
    let mut generator = node("g", "integer_generator", json!({"generator": rule}));
    generator["data"]["version"] = "1.0.99".into();
    let workflow = load(json!([generator]), json!([]), &[]);
    assert_eq!(workflow.node_field("g", "generator").unwrap().value(), Some(&rule));
}
