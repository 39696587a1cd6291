//! Results as a legacy host knows them: without the modern envelope, and with objects where it insists on objects.

use serde_json::Value;
use serde_json::value::RawValue;

use crate::era::protocol::{META_SERVER, ResultKind};
use crate::frame::{Object, string};

/// Takes from a result what a legacy host does not know, and reshapes what it would reject. The name of a kind that
/// mcpipe knows no rules of stays: it is all that tells the host of it.
pub(super) fn downgrade(method: &str, result: &mut Object) {
    if ResultKind::read(result.get("resultType")) == ResultKind::Complete {
        result.remove("resultType");
    }
    for name in ["ttlMs", "cacheScope"] {
        result.remove(name);
    }
    if result.get("_meta").is_some() {
        result.edit("_meta", |meta| {
            meta.remove(META_SERVER);
        });
    }
    match method {
        "tools/list" => tools(result),
        "tools/call" => call(result),
        _ => {}
    }
}

/// Takes schemas away that are not of an object. One of them makes a strict host reject the whole list: such a tool
/// loses its schema, and [`call`] takes away the content it describes.
fn tools(list: &mut Object) {
    let Some(tools) = list.get("tools").and_then(array) else {
        return;
    };
    let mut has_changed = false;
    let tools: Vec<String> = tools
        .iter()
        .map(|text| match Object::read(text) {
            Some(mut tool) if tool.get("outputSchema").is_some_and(|it| !is_of_object(it)) => {
                tool.remove("outputSchema");
                has_changed = true;
                tool.text()
            }
            _ => text.clone(),
        })
        .collect();
    if has_changed {
        list.set("tools", format!("[{}]", tools.join(",")));
    }
}

fn is_of_object(schema: &str) -> bool {
    Object::read(schema)
        .is_some_and(|schema| schema.get("type").and_then(string).as_deref() == Some("object"))
}

/// Removes structured content that is no object; as text it stays.
fn call(result: &mut Object) {
    let Some(content) = result.get("structuredContent") else {
        return;
    };
    if content.trim_start().starts_with('{') {
        return;
    }
    let content = result.remove("structuredContent").unwrap_or_default();
    let mut blocks = result.get("content").and_then(array).unwrap_or_default();
    let is_text = |block: &String| {
        Object::read(block)
            .is_some_and(|block| block.get("type").and_then(string).as_deref() == Some("text"))
    };
    if !blocks.iter().any(is_text) {
        let text = Value::from(content);
        blocks.push(format!(r#"{{"type":"text","text":{text}}}"#));
        result.set("content", format!("[{}]", blocks.join(",")));
    }
}

/// Returns the members of an array, each as its text.
pub(super) fn array(text: &str) -> Option<Vec<String>> {
    let members: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    Some(
        members
            .into_iter()
            .map(|member| member.get().to_owned())
            .collect(),
    )
}

/// Reads a member; `null` counts as absent.
pub(super) fn present<'a>(object: &'a Object, name: &str) -> Option<&'a str> {
    object.get(name).filter(|text| *text != "null")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn downgraded(method: &str, text: &str) -> String {
        let mut result = Object::read(text).unwrap();
        downgrade(method, &mut result);
        result.text()
    }

    // MCP 2026-07-28, basic
    #[test]
    fn a_kind_that_has_no_rules_keeps_its_name() {
        let later = r#"{"resultType":"later","x":1}"#;
        assert_eq!(downgraded("tools/call", later), later);
    }

    #[test]
    fn the_modern_envelope_stays_behind() {
        assert_eq!(
            downgraded(
                "resources/read",
                r#"{"resultType":"complete","contents":[{"n":1e400}],"ttlMs":1,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{}}}"#
            ),
            r#"{"contents":[{"n":1e400}]}"#
        );
        assert_eq!(
            downgraded(
                "x/y",
                r#"{"_meta":{"a":1,"io.modelcontextprotocol/serverInfo":{}},"nextCursor":""}"#
            ),
            r#"{"_meta":{"a":1},"nextCursor":""}"#
        );
    }

    #[test]
    fn a_tool_whose_output_is_no_object_loses_its_schema_and_no_other_does() {
        assert_eq!(
            downgraded(
                "tools/list",
                r#"{"tools":[{"name":"a","outputSchema":{"type":"array"}},{"name":"b","outputSchema":{"type":"object","x":1e400}}],"nextCursor":""}"#
            ),
            r#"{"tools":[{"name":"a"},{"name":"b","outputSchema":{"type":"object","x":1e400}}],"nextCursor":""}"#
        );
    }

    #[test]
    fn structured_content_that_is_no_object_is_told_as_text() {
        assert_eq!(
            downgraded("tools/call", r#"{"content":[],"structuredContent":[1, 2]}"#),
            r#"{"content":[{"type":"text","text":"[1, 2]"}]}"#
        );
        assert_eq!(
            downgraded(
                "tools/call",
                r#"{"content":[{"type":"text","text":"two"}],"structuredContent":2}"#
            ),
            r#"{"content":[{"type":"text","text":"two"}]}"#
        );
        let kept = r#"{"content":[],"structuredContent":{"a":1.0}}"#;
        assert_eq!(downgraded("tools/call", kept), kept);
    }
}
