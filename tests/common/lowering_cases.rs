//! A piece of a document before and after each lowering rule, and pieces that are refused.

use serde_json::{Value, json};

pub(crate) struct Case {
    pub(crate) rule: &'static str,
    pub(crate) before: Value,
    pub(crate) after: Value,
    pub(crate) touched: usize,
}

fn components(schemas: Value) -> Value {
    json!({"openapi": "3.1.0", "paths": {}, "components": {"schemas": schemas}})
}

/// A case about one schema.
fn schema(rule: &'static str, before: Value, after: Value, touched: usize) -> Case {
    Case { rule, before: components(json!({"S": before})), after: components(json!({"S": after})), touched }
}

/// A case about all schemas.
fn schemas(rule: &'static str, before: Value, after: Value, touched: usize) -> Case {
    Case { rule, before: components(before), after: components(after), touched }
}

fn at(path: &str, operation: Value) -> Value {
    json!({"openapi": "3.1.0", "paths": {path: {"get": operation}}, "components": {"schemas": {}}})
}

/// A case about one operation.
fn operation(rule: &'static str, before: Value, after: Value, touched: usize) -> Case {
    Case { rule, before: at("/a/{b}", before), after: at("/a/{b}", after), touched }
}

fn json_answer(schema: Value) -> Value {
    json!({"content": {"application/json": {"schema": schema}}})
}

pub(crate) fn cases() -> Vec<Case> {
    [operation_cases(), schema_cases(), union_cases(), member_cases(), name_cases()].into_iter().flatten().collect()
}

fn operation_cases() -> Vec<Case> {
    let file = || json!({"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}});
    vec![
        Case {
            rule: "openapi_3_0",
            before: json!({"openapi": "3.1.0"}),
            after: json!({"openapi": "3.0.3"}),
            touched: 1,
        },
        Case {
            rule: "openapi_3_0",
            before: json!({"openapi": "3.0.1"}),
            after: json!({"openapi": "3.0.1"}),
            touched: 0,
        },
        Case {
            rule: "security",
            before: json!({"paths": {"/a": {"get": {"security": [{"HTTPBearer": []}]}}}, "components": {"securitySchemes": {}}}),
            after: json!({"paths": {"/a": {"get": {}}}, "components": {}}),
            touched: 2,
        },
        Case {
            rule: "operation_ids",
            before: json!({"paths": {"/a": {"get": {"operationId": "list_users_api_v1_auth_users_get"}}, "/b": {"get": {"operationId": "prune"}}}}),
            after: json!({"paths": {"/a": {"get": {"operationId": "list_users"}}, "/b": {"get": {"operationId": "prune"}}}}),
            touched: 1,
        },
        Case {
            rule: "multipart",
            before: json!({"paths": {"/a": {"post": {"requestBody": {"content": {"multipart/form-data": {"schema": {"$ref": "#/components/schemas/F"}}}}}}},
                "components": {"schemas": {"F": {"required": ["file"], "properties": {
                    "file": {"contentMediaType": "application/octet-stream", "type": "string", "description": "The file."},
                    "more": {"anyOf": [{"format": "binary", "type": "string"}, {"type": "null"}]},
                    "note": {"type": "string"}}}}}}),
            after: json!({"paths": {"/a": {"post": {"x-form-fields": [
                    {"name": "file", "required": true, "file": true, "description": "The file."},
                    {"name": "more", "required": false, "file": true, "description": ""},
                    {"name": "note", "required": false, "file": false, "description": ""}]}}},
                "components": {"schemas": {"F": {"required": ["file"], "properties": {
                    "file": {"contentMediaType": "application/octet-stream", "type": "string", "description": "The file."},
                    "more": {"anyOf": [{"format": "binary", "type": "string"}, {"type": "null"}]},
                    "note": {"type": "string"}}}}}}),
            touched: 1,
        },
        operation(
            "cookie_parameters",
            json!({"parameters": [{"in": "path", "name": "b"}, {"in": "cookie", "name": "c"}, {"in": "header", "name": "d"}]}),
            json!({"parameters": [{"in": "path", "name": "b"}]}),
            2,
        ),
        operation(
            "undeclared_path_parameters",
            json!({"parameters": [{"in": "query", "name": "b"}]}),
            json!({"parameters": [{"in": "query", "name": "b"},
                {"name": "b", "in": "path", "required": true, "schema": {"type": "string"}}]}),
            1,
        ),
        operation(
            "undeclared_path_parameters",
            json!({"parameters": [{"in": "path", "name": "b"}]}),
            json!({"parameters": [{"in": "path", "name": "b"}]}),
            0,
        ),
        operation(
            "error_answers",
            json!({"responses": {"200": {}, "404": {}, "422": {}, "default": {}}}),
            json!({"responses": {"200": {}}}),
            3,
        ),
        operation(
            "success_codes",
            json!({"operationId": "prune_model_install_jobs", "responses": {"200": json_answer(json!({})), "204": {}}}),
            json!({"operationId": "prune_model_install_jobs", "responses": {"204": {}}}),
            1,
        ),
        // Not in the overrides: the answer that has a type, otherwise the one without a body.
        operation(
            "success_codes",
            json!({"operationId": "new", "responses": {"200": json_answer(json!({"type": "string"})), "204": {}}}),
            json!({"operationId": "new", "responses": {"200": json_answer(json!({"type": "string"}))}}),
            1,
        ),
        operation(
            "success_codes",
            json!({"operationId": "new", "responses": {"200": json_answer(json!({})), "204": {}}}),
            json!({"operationId": "new", "responses": {"204": {}}}),
            1,
        ),
        operation(
            "content_types",
            json!({"operationId": "export_style_presets", "responses": {"200": {"content": {"application/json": {}, "text/csv": {}}}}}),
            json!({"operationId": "export_style_presets", "responses": {"200": {"content": {"text/csv": {}}}}}),
            1,
        ),
        operation(
            "binary_answers",
            json!({"operationId": "get_image_full", "responses": {"200": {"content": {"image/png": {}}}}}),
            json!({"operationId": "get_image_full", "responses": {"200": file()}}),
            1,
        ),
        operation(
            "binary_answers",
            json!({"operationId": "get_model_image", "responses": {"200": json_answer(json!({}))}}),
            json!({"operationId": "get_model_image", "responses": {"200": file()}}),
            1,
        ),
        operation(
            "binary_answers",
            json!({"operationId": "get_stats", "responses": {"200": json_answer(json!({}))}}),
            json!({"operationId": "get_stats", "responses": {"200": json_answer(json!({}))}}),
            0,
        ),
        operation(
            "null_answers",
            json!({"operationId": "delete_workflow", "responses": {"200": json_answer(json!({}))}}),
            json!({"operationId": "delete_workflow", "responses": {"200": {}}}),
            1,
        ),
        boards(),
    ]
}

fn boards() -> Case {
    let parameter = |name: &str| json!({"name": name, "in": "query"});
    let answer = |schema: Value| json!({"200": json_answer(schema)});
    let list = json!({"type": "array", "items": {}});
    let page = json!({"$ref": "#/components/schemas/Page"});
    let names = ["order_by", "all", "offset", "limit"].map(parameter);
    Case {
        rule: "boards_page_or_list",
        before: json!({"paths": {"/api/v1/boards/": {"get": {"operationId": "list_boards", "parameters": names,
            "responses": answer(json!({"anyOf": [page, list]}))}}}}),
        after: json!({"paths": {
            "/api/v1/boards/": {"get": {"operationId": "list_boards",
                "parameters": (["order_by", "offset", "limit"].map(parameter)), "responses": answer(page)}},
            "/api/v1/boards/?all=true": {"get": {"operationId": "list_all_boards",
                "parameters": [parameter("order_by")], "responses": answer(list)}},
        }}),
        touched: 1,
    }
}

fn schema_cases() -> Vec<Case> {
    vec![
        schemas(
            "opaque_schemas",
            json!({"Graph": {"type": "object", "description": "A graph.", "properties": {"id": {}}}, "Other": {"type": "object"}}),
            json!({"Graph": {"description": "A graph."}, "Other": {"type": "object"}}),
            1,
        ),
        schemas(
            "any_references",
            json!({"JsonValue": {"description": "Any."}, "S": {"items": {"$ref": "#/components/schemas/JsonValue"}}}),
            json!({"JsonValue": {"description": "Any."}, "S": {"items": {}}}),
            1,
        ),
        Case {
            rule: "unreachable_schemas",
            before: json!({"paths": {"/a": {"get": {"x": {"$ref": "#/components/schemas/A"}}}}, "components": {"schemas": {
                "A": {"items": {"$ref": "#/components/schemas/B"}}, "B": {}, "LostInvocation": {}, "ThingEvent": {}}}}),
            after: json!({"paths": {"/a": {"get": {"x": {"$ref": "#/components/schemas/A"}}}}, "components": {"schemas": {
                "A": {"items": {"$ref": "#/components/schemas/B"}}, "B": {}, "ThingEvent": {}}}}),
            touched: 1,
        },
        schema(
            "node_hints",
            json!({"class": "invocation", "properties": {"class": {"type": "string", "ui_order": 1, "input": "any"}}}),
            json!({"properties": {"class": {"type": "string"}}}),
            3,
        ),
        schema(
            "titles",
            json!({"title": "S", "properties": {"title": {"title": "Title", "type": "string"}}}),
            json!({"properties": {"title": {"type": "string"}}}),
            2,
        ),
        schema(
            "annotations",
            json!({"type": "array", "uniqueItems": true, "items": {"examples": ["a"], "propertyNames": {}}}),
            json!({"type": "array", "items": {}}),
            3,
        ),
        schema(
            "constants",
            json!({"properties": {"a": {"const": "x"}, "b": {"const": 5, "description": "B."}, "c": {"const": true}}}),
            json!({"properties": {
                "a": {"type": "string", "description": "Always `\"x\"`."},
                "b": {"description": "B.\n\nAlways `5`.", "type": "integer"},
                "c": {"type": "boolean", "description": "Always `true`."}}}),
            3,
        ),
        schema(
            "closed_objects",
            json!({"type": "object", "additionalProperties": false, "properties": {"a": {"additionalProperties": true}}}),
            json!({"type": "object", "properties": {"a": {"additionalProperties": true}}}),
            1,
        ),
        schema(
            "tuples",
            json!({"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]}),
            json!({"type": "array", "items": {}}),
            1,
        ),
        schema("null_types", json!({"type": "null"}), json!({}), 1),
        schema(
            "other_enums",
            json!({"type": "number", "enum": [0.5, 1]}),
            json!({"type": "number", "description": "Known values: [0.5,1]."}),
            1,
        ),
        schema("mixed_enums", json!({"type": "string", "enum": ["auto", 1]}), json!({}), 1),
        schema("mixed_enums", json!({"enum": ["auto", "none"]}), json!({"enum": ["auto", "none"]}), 0),
        schema(
            "integer_enums",
            json!({"enum": [-1, 1]}),
            json!({"type": "integer", "description": "Known values: [-1,1]."}),
            1,
        ),
        schema(
            "formats",
            json!({"properties": {"a": {"type": "string", "format": "date-time"}, "b": {"type": "string", "format": "binary"}}}),
            json!({"properties": {"a": {"type": "string"}, "b": {"type": "string", "format": "binary"}}}),
            1,
        ),
        schema(
            "bounds",
            json!({"type": "integer", "exclusiveMinimum": 0, "maximum": 4294967295.0, "description": "N."}),
            json!({"type": "integer", "description": "N.\n\nAccepted: greater than 0, at most 4294967295.0."}),
            1,
        ),
        schema(
            "bounds",
            json!({"type": "string", "pattern": "^a$", "maxLength": 3}),
            json!({"type": "string", "description": "Accepted: length at most 3, matching `^a$`."}),
            1,
        ),
        schema(
            "defaults",
            json!({"properties": {"default": {"default": 1}}}),
            json!({"properties": {"default": {}}}),
            1,
        ),
        schema(
            "reference_siblings",
            json!({"properties": {
                "a": {"$ref": "#/components/schemas/A", "description": "A."},
                "b": {"$ref": "#/components/schemas/B", "nullable": true},
                "c": {"$ref": "#/components/schemas/C"}}}),
            json!({"properties": {
                "a": {"$ref": "#/components/schemas/A"},
                "b": {"nullable": true, "allOf": [{"$ref": "#/components/schemas/B"}]},
                "c": {"$ref": "#/components/schemas/C"}}}),
            2,
        ),
    ]
}

fn union_cases() -> Vec<Case> {
    let references: Vec<_> = (0..8).map(|i| json!({"$ref": format!("#/components/schemas/Node{i}")})).collect();
    vec![
        schema(
            "open_unions",
            json!({"anyOf": references, "description": "Any node."}),
            json!({"description": "Any node."}),
            1,
        ),
        schema("open_unions", json!({"anyOf": references[..7]}), json!({"anyOf": references[..7]}), 0),
        schema(
            "open_unions",
            json!({"oneOf": references[..2], "discriminator": {"propertyName": "type"}}),
            json!({}),
            1,
        ),
        schema(
            "equal_alternatives",
            json!({"anyOf": [{"type": "string"}, {"type": "string"}], "description": "When."}),
            json!({"description": "When.", "type": "string"}),
            1,
        ),
        schema(
            "equal_alternatives",
            json!({"anyOf": [{"type": "string"}, {"type": "null"}, {"type": "string"}, {"type": "null"}]}),
            json!({"anyOf": [{"type": "string"}, {"type": "null"}]}),
            1,
        ),
        schema(
            "nullable_unions",
            json!({"anyOf": [{"$ref": "#/components/schemas/A"}, {"type": "null"}], "description": "An A."}),
            json!({"description": "An A.", "$ref": "#/components/schemas/A", "nullable": true}),
            1,
        ),
        schema(
            "nullable_unions",
            json!({"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]}),
            json!({"anyOf": [{"type": "string"}, {"type": "integer"}], "nullable": true}),
            1,
        ),
        schema("scalar_unions", json!({"anyOf": [{"type": "string"}, {"type": "integer"}]}), json!({}), 1),
    ]
}

fn member_cases() -> Vec<Case> {
    vec![
        schema(
            "ghost_members",
            json!({"properties": {"type": {}}, "required": ["output_meta", "type", "type"]}),
            json!({"properties": {"type": {}}, "required": ["type"]}),
            2,
        ),
        schema(
            "nullable_members",
            json!({"required": ["a", "b", "c"], "properties": {
                "a": {"type": "string", "nullable": true}, "b": {"type": "string"},
                // A list stays nullable: null, missing and empty are three things.
                "c": {"type": "array", "items": {}, "nullable": true}}}),
            json!({"required": ["b"], "properties": {
                "a": {"type": "string"}, "b": {"type": "string"}, "c": {"type": "array", "items": {}, "nullable": true}}}),
            2,
        ),
        schemas(
            "young_members",
            json!({"ImageDTO": {"required": ["image_name", "image_subfolder"]}, "Other": {"required": ["image_subfolder"]}}),
            json!({"ImageDTO": {"required": ["image_name"]}, "Other": {"required": ["image_subfolder"]}}),
            1,
        ),
    ]
}

fn name_cases() -> Vec<Case> {
    let direction = json!({"type": "string", "enum": ["ASC", "DESC"]});
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    vec![
        schemas(
            "inline_enums",
            json!({"Named": direction, "Job": {"properties": {"sort_order": direction, "modes": {"items": direction}}}}),
            json!({"Named": direction,
                "Job": {"properties": {"sort_order": reference("JobSortOrder"), "modes": {"items": reference("JobModes")}}},
                "JobSortOrder": direction, "JobModes": direction}),
            2,
        ),
        Case {
            rule: "inline_enums",
            before: json!({"paths": {"/a": {"get": {"operationId": "list_all", "responses": {},
                "parameters": [{"name": "order", "in": "query", "schema": direction}]}}}, "components": {"schemas": {}}}),
            after: json!({"paths": {"/a": {"get": {"operationId": "list_all", "responses": {},
                "parameters": [{"name": "order", "in": "query", "schema": reference("ListAllOrder")}]}}},
                "components": {"schemas": {"ListAllOrder": direction}}}),
            touched: 1,
        },
        schemas(
            "schema_names",
            json!({"Page_ImageDTO_": {"items": {"$ref": "#/components/schemas/ImageDTO"}}, "ImageDTO": {}}),
            json!({"PageImageDto": {"items": {"$ref": "#/components/schemas/ImageDto"}}, "ImageDto": {}}),
            2,
        ),
    ]
}

/// Rule (or `check`), what it refuses, the JSON pointer that it names, and a part of what it says.
pub(crate) fn faults() -> Vec<(&'static str, Value, &'static str, &'static str)> {
    let answers = |codes: Value| at("/a", json!({"operationId": "new", "responses": codes}));
    let text = || json_answer(json!({"type": "string"}));
    vec![
        ("openapi_3_0", json!({"openapi": "2.0"}), "/openapi", "expected version 3.0 or 3.1"),
        ("security", json!({"info": {}}), "/paths", "not an OpenAPI document"),
        ("security", json!({"paths": {"/a": 5}}), "/paths/~1a", "not an object"),
        ("security", json!({"paths": {"/a~b": {"parameters": []}}}), "/paths/~1a~0b/parameters", "not an operation"),
        ("operation_ids", at("/a", json!({})), "/paths/~1a/get", "without operationId"),
        (
            "operation_ids",
            json!({"paths": {"/a": {"get": {"operationId": "list"}}, "/b": {"get": {"operationId": "list"}}}}),
            "/paths/~1b/get",
            "two operations are called `list`",
        ),
        (
            "multipart",
            at("/a", json!({"requestBody": {"content": {"multipart/form-data": {"schema": {"type": "object"}}}}})),
            "/paths/~1a/get",
            "without properties",
        ),
        ("undeclared_path_parameters", at("/{a}", json!({"parameters": {}})), "/paths/~1{a}/get", "not a list"),
        ("error_answers", at("/a", json!({})), "/paths/~1a/get", "no responses"),
        ("success_codes", answers(json!({})), "/paths/~1a/get/responses", "no success answer"),
        (
            "success_codes",
            answers(json!({"200": text(), "202": json_answer(json!({"type": "integer"}))})),
            "/paths/~1a/get/responses",
            "say in overrides",
        ),
        (
            "content_types",
            answers(json!({"200": {"content": {"a/b": {}, "c/d": {}}}})),
            "/paths/~1a/get/responses/200/content",
            "say in overrides",
        ),
        ("null_answers", answers(json!({"200": []})), "/paths/~1a/get/responses/200", "not an object"),
        (
            "unreachable_schemas",
            components(json!({"AEvent": {"items": {"$ref": "#/components/schemas/Lost"}}})),
            "/components/schemas/Lost",
            "referred to but not there",
        ),
        ("unreachable_schemas", json!({"paths": {}}), "/components/schemas", "missing"),
        (
            "titles",
            components(json!({"S": {"properties": {"a/b": 5}}})),
            "/components/schemas/S/properties/a~1b",
            "not an object",
        ),
        ("constants", components(json!({"S": {"const": [1]}})), "/components/schemas/S", "unexpected type: [1]"),
        (
            "inline_enums",
            components(
                json!({"A": {"properties": {"b_c": {"enum": ["x"]}}}, "AB": {"properties": {"c": {"enum": ["y"]}}}}),
            ),
            "/components/schemas/AB/properties/c",
            "two different enums would be called `ABC`",
        ),
        (
            "inline_enums",
            components(json!({"A": {"properties": {"b": {"enum": ["x"]}}}, "AB": {}})),
            "/components/schemas/AB",
            "taken",
        ),
        (
            "schema_names",
            components(json!({"Ab": {}, "AB": {}})),
            "/components/schemas/AB",
            "a second schema called `Ab`",
        ),
        ("check", components(json!({"S": {"if": {}}})), "/components/schemas/S/if", "no lowering rule understands"),
        (
            "check",
            components(json!({"S": {"type": ["string", "null"]}})),
            "/components/schemas/S/type",
            "unexpected type",
        ),
        (
            "check",
            components(json!({"S": {"enum": [true]}})),
            "/components/schemas/S/enum",
            "something other than strings",
        ),
        ("check", components(json!({"S": {"type": "array"}})), "/components/schemas/S", "without items"),
        (
            "check",
            at("/a", json!({"parameters": [{"in": "query"}, {"in": "cookie"}]})),
            "/paths/~1a/get/parameters/1",
            "unexpected place",
        ),
        (
            "check",
            at("/a", json!({"requestBody": {"content": {"text/plain": {}}}})),
            "/paths/~1a/get/requestBody",
            "not JSON alone",
        ),
        (
            "check",
            answers(json!({"200": json_answer(json!({"items": {"not": {"oneOf": []}}}))})),
            "/paths/~1a/get/responses/200/content/application~1json/schema/items/not/oneOf",
            "no lowering rule",
        ),
    ]
}
