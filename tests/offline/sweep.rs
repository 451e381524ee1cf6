//! Sweeps: a refusal names the input, the value and where it stands.

use invokeai_client::{
    Error, Sweep,
    schema::NodeCatalog,
    workflow::{InputError, Workflow, WorkflowDefinition},
};

use serde_json::{Value, json};

use crate::common::workflows::additions;

fn workflow() -> Workflow {
    Workflow::new(WorkflowDefinition::from_value(additions()).unwrap(), NodeCatalog::embedded())
}

fn refused<T>(outcome: Result<T, Error>) -> String {
    match outcome {
        Ok(_) => panic!("it was taken"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_value_that_is_refused_names_the_input_as_the_caller_did() {
    let mut workflow = workflow();
    let names: Vec<_> = workflow.inputs().iter().map(|input| input.user_name.clone()).collect();
    assert_eq!(names, ["first a", "first b"]);
    let accepted = "does not accept \"x\"; it accepts a whole number";
    for (error, name) in [
        (workflow.set_input("first a", "x").unwrap_err(), "first a"),
        (workflow.set_input("first.a", "x").unwrap_err(), "first.a"),
        (workflow.set_input("b", "x").unwrap_err(), "b"),
        (workflow.set_input(1, "x").unwrap_err(), "first b"),
        (workflow.set_inputs([("b", "x")]).unwrap_err(), "b"),
        (workflow.input_mut("first b").unwrap().set("x").unwrap_err().into(), "first b"),
        (workflow.set_node_field("first", "a", "x").unwrap_err(), "first.a"),
    ] {
        assert_eq!(error.to_string(), format!("`{name}` {accepted}"));
        let InputError::Value(error) = error else { panic!("{error:?}") };
        assert!(error.field == "first.a" || error.field == "first.b", "{error:?}");
    }
}

#[test]
fn a_value_of_a_sweep_is_named_by_its_place() {
    let workflow = &workflow();
    let sweep = Sweep::new;
    let accepts = "; it accepts a whole number";
    for (error, said) in [
        (
            refused(sweep().product(workflow, "first b", ["1", "x"])),
            format!("`first b` does not accept \"x\" (value 2){accepts}"),
        ),
        (
            refused(sweep().zip(workflow, [("a", vec!["1", "2"]), ("first b", vec!["x", "2"])])),
            format!("`first b` does not accept \"x\" (row 1){accepts}"),
        ),
        (
            refused(sweep().csv(workflow, "first.a, b\n1,2\n\n3,x\n".as_bytes())),
            format!("`b` does not accept \"x\" (line 4, column 2){accepts}"),
        ),
        (
            refused(sweep().json_lines(workflow, "{\"b\": 1}\n\n{\"b\": \"x\"}\n".as_bytes())),
            format!("`b` does not accept \"x\" (line 3){accepts}"),
        ),
        (
            refused(sweep().zip(workflow, [("a", vec![1, 2]), ("b", vec![1])])),
            "`zip` needs the same number of values for each input; got a: 2, b: 1".into(),
        ),
        (
            refused(sweep().product(workflow, "a", [1]).and_then(|sweep| sweep.random_seeds(workflow, "first a"))),
            "`first a` is varied twice: it is the input `first.a`".into(),
        ),
        (
            refused(sweep().csv(workflow, "a,first a\n1,2\n".as_bytes())),
            "`first a` is varied twice: it is the input `first.a`".into(),
        ),
        (
            refused(sweep().csv(workflow, "first c\n1\n".as_bytes())),
            "no input \"first c\"; did you mean \"first a\" or \"first b\"?".into(),
        ),
    ] {
        assert_eq!(error, said);
    }
}

/// The server answers 422 to such batches, long after the values were given.
#[test]
fn values_of_two_kinds_are_refused_as_the_server_would() {
    let mut guided = additions();
    guided["nodes"][0]["data"]["type"] = json!("ip_adapter");
    guided["nodes"][0]["data"]["inputs"] =
        json!({"weight": {"name": "weight", "label": "Guidance", "description": "", "value": 0.5}});
    guided["edges"] = json!([]);
    guided["exposedFields"] = json!([{"nodeId": "first", "fieldName": "weight"}]);
    let guided = Workflow::new(WorkflowDefinition::from_value(guided).unwrap(), NodeCatalog::embedded());
    let varied = |values: [Value; 2]| Sweep::new().product(&guided, "Guidance", values);
    for values in [[json!(1), json!(2.5)], [json!([0.5, 1.0]), json!([2.0])]] {
        assert_eq!(varied(values).unwrap().len(), 2);
    }
    let said = refused(varied([json!(1), json!([0.5, 1.0])]));
    assert_eq!(said, "`Guidance` has numbers and lists (value 2): InvokeAI varies values of one kind");
}
