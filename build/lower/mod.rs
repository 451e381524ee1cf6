//! Lowers InvokeAI's OpenAPI 3.1 document to the OpenAPI 3.0 subset that progenitor accepts.
//!
//! Lowering is a table of small named [`Rule`]s, applied in order. Each rule says why it exists and counts what it
//! touched. Whatever no rule understands is refused at the end by [`check`], with a JSON pointer: nothing is dropped
//! silently.

pub(crate) mod check;
mod members;
mod names;
pub(crate) mod operations;
pub(crate) mod overrides;
pub(crate) mod schemas;
mod unions;
pub(crate) mod walk;

use serde_json::Value;

pub(crate) use crate::fault::Fault;

/// One small, named change to the document.
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    pub(crate) why: &'static str,
    /// Applies the rule everywhere and returns the number of places that it touched.
    pub(crate) apply: fn(&mut Value) -> Result<usize, Fault>,
}

/// All rules, in the order in which they apply.
pub(crate) fn rules() -> Vec<&'static Rule> {
    operations::RULES.iter().chain(schemas::RULES).collect()
}

/// How often a rule applied.
pub(crate) struct Count {
    pub(crate) rule: &'static Rule,
    pub(crate) touched: usize,
}

/// One line per rule: how often it applied, its name, why it exists.
pub(crate) fn report(counts: &[Count]) -> String {
    let line = |Count { rule, touched }: &Count| format!("{touched:>5}  {:<27} {}\n", rule.name, rule.why);
    counts.iter().map(line).collect()
}

/// Applies every rule, then checks that only the understood subset is left.
pub(crate) fn lower(document: &mut Value) -> Result<Vec<Count>, Fault> {
    let mut counts = Vec::new();
    for rule in rules() {
        let touched = (rule.apply)(document)?;
        counts.push(Count { rule, touched });
    }
    check::check(document)?;
    Ok(counts)
}
