//! Helpers of the web interface.

use super::{Answer, Call, Outcome};
use crate::testing::nodes::dynamic_prompts;
use serde_json::json;

/// The most prompts that the server makes, whatever is asked for.
const MOST: u64 = 10_000;

pub(super) fn call(call: &Call<'_>) -> Option<Outcome> {
    // Which prompts are drawn at random depends on Python's generator, so that is not done.
    let combinatorial = call.member("combinatorial") == true;
    (call.operation.id == "parse_dynamicprompts" && combinatorial).then(|| {
        let prompt = call.member("prompt").as_str().unwrap_or_default();
        let most = call.member("max_prompts").as_u64().unwrap_or(MOST).min(MOST);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let (prompts, error) = match dynamic_prompts(prompt, most, true) {
            Ok(prompts) if prompts.is_empty() => (vec![String::new()], None),
            Ok(prompts) => (prompts, None),
            Err(error) => (vec![prompt.to_owned()], Some(error.message)),
        };
        Ok(Answer::json(json!({"prompts": prompts, "error": error})))
    })
}
