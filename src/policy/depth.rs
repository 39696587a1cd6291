//! The depth of nesting of a JSON text, counted without recursion: a peer chooses the depth.

/// Returns how deep the objects and arrays of a JSON text are nested: 0 for a text without any, 1 for `{}`.
pub(super) fn depth(json: &str) -> usize {
    let (mut open, mut deepest) = (0_usize, 0_usize);
    let mut bytes = json.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                open += 1;
                deepest = deepest.max(open);
            }
            b'}' | b']' => open = open.saturating_sub(1),
            b'"' => {
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'"' => break,
                        b'\\' => _ = bytes.next(),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_and_arrays_count_and_what_strings_hold_does_not() {
        for (json, wanted) in [
            ("1", 0),
            ("\"[[{\\\"{\"", 0),
            ("{}", 1),
            (r#"{"a":[1,{"b\\":"}"}],"c":[[[]]]}"#, 4),
            (r#"[{},{},[]]"#, 2),
            ("]]]]{", 1),
            ("\"\\", 0),
        ] {
            assert_eq!(depth(json), wanted, "{json}");
        }
        let deep = "[".repeat(1_000_000);
        assert_eq!(depth(&deep), 1_000_000);
    }
}
