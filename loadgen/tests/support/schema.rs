//! Whether a report is what `docs/loadgen.schema.json` says: the part of JSON Schema that the file uses.

use serde_json::Value;

/// Panics unless the report is what the schema describes.
pub(crate) fn assert_conforms(report: &Value) {
    let text = include_str!("../../../docs/loadgen.schema.json");
    let schema: Value = serde_json::from_str(text).unwrap();
    let mut problems = Vec::new();
    check(&schema, &schema, report, "report", &mut problems);
    assert!(problems.is_empty(), "docs/loadgen.schema.json: {}", problems.join("\n"));
}

fn check(root: &Value, schema: &Value, value: &Value, path: &str, problems: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(reference.trim_start_matches('#')).expect("a reference within the file");
        return check(root, target, value, path, problems);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let fits = |choice: &Value| {
            let mut found = Vec::new();
            check(root, choice, value, path, &mut found);
            found.is_empty()
        };
        if !choices.iter().any(fits) {
            problems.push(format!("{path}: none of the choices fits {value}"));
        }
        return;
    }
    if !type_fits(&schema["type"], value) {
        problems.push(format!("{path}: {value} is not {}", schema["type"]));
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        problems.push(format!("{path}: {value} is not listed"));
    }
    if let (Some(minimum), Some(number)) = (schema["minimum"].as_f64(), value.as_f64())
        && number < minimum
    {
        problems.push(format!("{path}: {number} is below {minimum}"));
    }
    for (at, item) in value.as_array().into_iter().flatten().enumerate() {
        check(root, &schema["items"], item, &format!("{path}[{at}]"), problems);
    }
    let Some(object) = value.as_object() else { return };
    for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !object.contains_key(key) {
            problems.push(format!("{path}: {key} is missing"));
        }
    }
    for (key, item) in object {
        match schema["properties"].get(key) {
            Some(property) => check(root, property, item, &format!("{path}.{key}"), problems),
            None if schema["additionalProperties"] == false => {
                problems.push(format!("{path}: {key} is not described"));
            }
            None => {}
        }
    }
}

fn type_fits(wanted: &Value, value: &Value) -> bool {
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => panic!("{name} is no type of JSON"),
    };
    match wanted {
        Value::String(name) => is(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(is),
        _ => true,
    }
}
