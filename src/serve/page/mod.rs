//! The page: a form for each workflow, with its labels, bounds and choices.
//!
//! It is plain HTML. Its script sends the form, and shows how the run goes; a policy keeps everything else from running.

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use serde_json::Value;

use super::{inputs::model_names, offer::Offer, wording::escaped};
use crate::{
    schema::ModelRecord,
    workflow::{Input, field::InkField},
};

/// What browsers let the page do: what this service gives, and the previews in its events.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; connect-src \
                      'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

pub(super) fn script() -> Response {
    typed("text/javascript; charset=utf-8", include_str!("page.js").to_owned())
}

pub(super) fn style() -> Response {
    typed("text/css; charset=utf-8", include_str!("page.css").to_owned())
}

pub(super) fn page(offers: &[Offer], models: &[ModelRecord]) -> Response {
    let mut html = String::from(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Workflows</title>\n\
         <link rel=\"stylesheet\" href=\"/page.css\">\n<link rel=\"icon\" href=\"data:,\">\n\
         <script src=\"/page.js\" defer></script>\n</head>\n<body>\n",
    );
    html += "<noscript><p>This page needs its script to run a workflow.</p></noscript>\n";
    for offer in offers {
        workflow(&mut html, offer, models);
    }
    html += "<footer><a href=\"/openapi.json\">The same for programs</a></footer>\n</body>\n</html>\n";
    let mut response = typed("text/html; charset=utf-8", html);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

fn typed(kind: &'static str, text: String) -> Response {
    let mut response = text.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn workflow(html: &mut String, offer: &Offer, models: &[ModelRecord]) {
    let name = escaped(&offer.name);
    *html += &format!("<section>\n<h1>{}</h1>\n", escaped(offer.title()));
    if !offer.description().is_empty() {
        *html += &format!("<p class=\"about\">{}</p>\n", escaped(offer.description()));
    }
    *html += &format!("<form data-address=\"/workflows/{name}/runs\">\n");
    let schema = offer.schema(&|input| model_names(input, models));
    for (key, input) in offer.inputs() {
        let id = format!("{name}.{}", escaped(key));
        let is_missing = schema["required"].as_array().is_some_and(|all| all.iter().any(|required| required == key));
        *html += &format!("<div class=\"field\" data-field=\"{}\">\n", escaped(key));
        *html += &format!("<label for=\"{id}\">{}</label>\n", escaped(&input.user_name));
        let attributes = format!("id=\"{id}\" name=\"{}\"{}", escaped(key), if is_missing { " required" } else { "" });
        control(html, &attributes, input, &schema["properties"][key], models);
        if !input.description.is_empty() {
            *html += &format!("<small>{}</small>\n", escaped(&input.description));
        }
        *html += "<small class=\"wrong\" role=\"alert\"></small>\n</div>\n";
    }
    *html += "<div class=\"buttons\"><button type=\"submit\">Run</button>\
              <button type=\"button\" class=\"cancel\" hidden>Cancel</button></div>\n</form>\n";
    *html += "<div class=\"run\" hidden>\n<p class=\"state\" role=\"status\"></p>\n<progress max=\"1\" value=\"0\"></progress>\n\
              <img class=\"preview\" alt=\"The picture as it is now\" hidden>\n<div class=\"outputs\"></div>\n</div>\n</section>\n";
}

/// What an input is filled in with.
fn control(html: &mut String, attributes: &str, input: &Input, schema: &Value, models: &[ModelRecord]) {
    let value = input.value();
    let text = value.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).unwrap_or_default();
    match &input.field {
        InkField::Image(_) | InkField::ImageCollection(_) => {
            let several = if matches!(input.field, InkField::ImageCollection(_)) { " multiple" } else { "" };
            *html += &format!(
                "<input type=\"file\" accept=\"image/png,image/jpeg,image/webp,image/gif,image/avif\" {attributes}{several}>\n"
            );
            if value.is_some_and(|value| !value.is_null() && value.as_array().is_none_or(|all| !all.is_empty())) {
                *html += "<small>Without a file, the workflow's own image is used.</small>\n";
            }
        }
        InkField::Integer(_) | InkField::Float(_) => {
            let bounds = bounds(schema, matches!(input.field, InkField::Integer(_)));
            *html += &format!("<input type=\"number\" {attributes}{bounds} value=\"{}\">\n", escaped(&text));
        }
        InkField::Boolean(_) => {
            let checked = if value == Some(&Value::Bool(true)) { " checked" } else { "" };
            *html += &format!("<input type=\"checkbox\" {}{checked}>\n", attributes.replace(" required", ""));
        }
        InkField::Model(_) => {
            let own = value.and_then(|value| value["name"].as_str()).unwrap_or_default();
            choice(html, attributes, model_names(input, models).iter().map(String::as_str), own);
        }
        InkField::String(_) => *html += &format!("<textarea {attributes} rows=\"3\">\n{}</textarea>\n", escaped(&text)),
        _ => match choices(schema) {
            Some(all) => choice(html, attributes, all.iter().map(String::as_str), &text),
            None => *html += &format!("<input type=\"text\" {attributes} value=\"{}\">\n", escaped(&text)),
        },
    }
}

/// The ends of a number, and its steps.
fn bounds(schema: &Value, whole: bool) -> String {
    let number = |key: &str| schema[key].as_f64();
    let beyond = |bound: Option<f64>, step: f64| bound.filter(|_| whole).map(|bound| bound + step);
    let mut least = number("minimum").or_else(|| beyond(number("exclusiveMinimum"), 1.0));
    let mut most = number("maximum").or_else(|| beyond(number("exclusiveMaximum"), -1.0));
    let multiple = number("multipleOf").filter(|step| *step > 0.0);
    if let Some(step) = multiple {
        // Browsers count the steps from the least.
        least = least.map(|least| (least / step).ceil() * step);
        most = most.map(|most| (most / step).floor() * step);
    }
    let step = multiple.map_or_else(|| if whole { "1".into() } else { "any".into() }, |step| step.to_string());
    let mut shown = format!(" step=\"{step}\"");
    for (name, bound) in [("min", least), ("max", most)] {
        if let Some(bound) = bound {
            shown += &format!(" {name}=\"{bound}\"");
        }
    }
    shown
}

/// What may be chosen, if that is listed.
fn choices(schema: &Value) -> Option<Vec<String>> {
    let all = schema["enum"].as_array()?;
    Some(all.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect())
}

fn choice<'a>(html: &mut String, attributes: &str, all: impl Iterator<Item = &'a str>, chosen: &str) {
    *html += &format!("<select {attributes}>\n");
    let all: Vec<&str> = all.collect();
    if !all.contains(&chosen) {
        *html += "<option value=\"\">Choose…</option>\n";
    }
    for text in all {
        let selected = if text == chosen { " selected" } else { "" };
        *html += &format!("<option value=\"{0}\"{selected}>{0}</option>\n", escaped(text));
    }
    *html += "</select>\n";
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bounds_are_those_of_the_schema() {
        assert_eq!(bounds(&json!({"exclusiveMinimum": 0, "multipleOf": 8}), true), " step=\"8\" min=\"8\"");
        let uneven = json!({"minimum": 60, "maximum": 100, "multipleOf": 8});
        assert_eq!(bounds(&uneven, true), " step=\"8\" min=\"64\" max=\"96\"");
        assert_eq!(bounds(&json!({"minimum": -0.5, "maximum": 1}), false), " step=\"any\" min=\"-0.5\" max=\"1\"");
        assert_eq!(bounds(&json!({}), true), " step=\"1\"");
    }

    #[test]
    fn choices_are_escaped_and_one_that_is_gone_is_not_chosen() {
        let mut html = String::new();
        choice(&mut html, "id=\"x\"", ["a\"<b>"].into_iter(), "gone");
        assert!(html.contains("<option value=\"\">Choose") && html.contains("a&quot;&lt;b&gt;"), "{html}");
        assert!(!html.contains("<b>"));
    }
}
