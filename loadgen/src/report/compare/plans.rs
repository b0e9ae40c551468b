//! What two runs were not asked for alike.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::report::view::View;

/// Values of a plan that are looked at: more than any plan has.
const VALUES_MAX: usize = 2_000;

/// In what the runs were not asked for the same: the key with its path, and its value in either.
pub(crate) fn plan_differences(a: &View, b: &View) -> Vec<(String, String, String)> {
    let (in_a, in_b) = (values(&a.plan), values(&b.plan));
    let show = |values: &BTreeMap<String, String>, key: &str| {
        values.get(key).cloned().unwrap_or_else(|| "–".to_owned())
    };
    let mut keys: Vec<&String> = in_a.keys().chain(in_b.keys()).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter()
        .filter(|key| in_a.get(*key) != in_b.get(*key))
        .map(|key| (key.clone(), show(&in_a, key), show(&in_b, key)))
        .collect()
}

/// Every value that is neither an object nor a list of such, by its path; members of a list count from 1.
fn values(plan: &Map<String, Value>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (key, value) in plan {
        add(&mut found, key.clone(), value);
    }
    found
}

fn add(found: &mut BTreeMap<String, String>, path: String, value: &Value) {
    match value {
        _ if found.len() >= VALUES_MAX => {}
        // What is not set is as good as not there.
        Value::Null => {}
        Value::Object(object) => {
            object.iter().for_each(|(key, value)| add(found, format!("{path}.{key}"), value));
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            let numbered = items.iter().enumerate();
            numbered.for_each(|(at, item)| add(found, format!("{path}.{}", at + 1), item));
        }
        Value::String(text) => {
            found.insert(path, text.clone());
        }
        other => {
            found.insert(path, other.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn only_what_differs_is_told_and_where_it_stands() {
        let (a, mut b) = (samples::view(), samples::view());
        b.plan["phases"][1]["backoff"] = "none".into();
        b.plan["preset"]["rooms"] = 2.into();
        b.plan.insert("raw".to_owned(), Value::Null);
        let told = |key: &str, a: &str, b: &str| (key.to_owned(), a.to_owned(), b.to_owned());
        let wanted = [told("phases.2.backoff", "–", "none"), told("preset.rooms", "1", "2")];
        assert_eq!(plan_differences(&a, &b), wanted);
    }
}
