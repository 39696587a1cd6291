use super::*;

fn schema(text: &str) -> Schema {
    Schema::compile(text).unwrap()
}

fn judged(schema_text: &str, arguments: &str) -> Result<Judgement, Unjudged> {
    let arguments = Arguments::read(Some(arguments))?;
    Schema::compile(schema_text)?.judge(&arguments)
}

fn fault(schema_text: &str, arguments: &str) -> String {
    match judged(schema_text, arguments).unwrap() {
        Judgement::Faulty(fault) => fault,
        Judgement::Fit => panic!("{arguments} fits {schema_text}"),
    }
}

fn fits(schema_text: &str, arguments: &str) {
    let found = judged(schema_text, arguments);
    assert_eq!(found, Ok(Judgement::Fit), "{schema_text} {arguments}");
}

const FILE: &str = r#"{"type":"object","properties":{"path":{"type":"string","minLength":1},"lines":{"type":"integer","minimum":1},
    "mode":{"enum":["text","binary"]}},"required":["path"],"additionalProperties":false}"#;

#[test]
fn a_fault_names_its_place_and_its_rule() {
    for (arguments, expected) in [
        (
            "{}",
            r#"the arguments: the member "path" is missing (required)"#,
        ),
        (
            r#"{"path":7}"#,
            "/path: must be of type string, and is a number (type)",
        ),
        (
            r#"{"path":"a","lines":0}"#,
            "/lines: must be at least 1 (minimum)",
        ),
        (
            r#"{"path":"a","mode":"x"}"#,
            r#"/mode: must be one of "text", "binary" (enum)"#,
        ),
        (
            r#"{"path":"a","file":"b"}"#,
            r#"the arguments: has members that are not allowed: "file"; allowed are "path", "lines", "mode" (additionalProperties)"#,
        ),
        (
            r#"{"path":"","lines":"7"}"#,
            "/path: must have at least 1 characters (minLength); /lines: must be of type integer, and is a string (type)",
        ),
    ] {
        assert_eq!(sorted(&fault(FILE, arguments)), sorted(expected));
    }
    fits(FILE, r#"{"path":"a","lines":3,"mode":"text"}"#);
}

/// The parts of a text in an order that does not depend on the order in which the library finds them.
fn sorted(text: &str) -> Vec<String> {
    let parts = text
        .split([';', ','])
        .map(|it| it.replace(" (additionalProperties)", ""));
    let mut parts: Vec<_> = parts
        .map(|it| it.trim().replace("allowed are ", ""))
        .collect();
    parts.sort();
    parts
}

#[test]
fn of_many_faults_a_few_are_told_and_no_value_is_quoted() {
    let schema = r#"{"additionalProperties":{"type":"integer"}}"#;
    let arguments: Vec<_> = (0..50).map(|at| format!(r#""k{at}":"hunter2""#)).collect();
    let told = fault(schema, &format!("{{{}}}", arguments.join(",")));
    assert!(told.ends_with("; and 46 more"), "{told}");
    assert!(!told.contains("hunter2") && told.len() < 600, "{told}");
    let long = format!(r#"{{"{}":1}}"#, "x".repeat(5000));
    let told = fault(FILE, &long);
    assert!(told.len() < 600, "{told}");
}

#[test]
fn of_several_forms_the_nearest_is_explained() {
    let schema = r#"{"properties":{"target":{"anyOf":[
        {"type":"null"},{"type":"string"},
        {"type":"object","required":["id","kind"],"properties":{"id":{"type":"integer"},"kind":{"type":"string"}}}]}}}"#;
    let fault = fault(schema, r#"{"target":{"id":"x","kind":"y"}}"#);
    assert_eq!(
        fault,
        "/target: has none of the 3 forms that are allowed; nearest is form 3: /target/id: must be of type integer, and is a string (type) (anyOf)"
    );
}

#[test]
fn absent_arguments_and_null_are_an_empty_object() {
    let wanted = schema(FILE);
    for text in [None, Some("null"), Some("{}")] {
        let arguments = Arguments::read(text).unwrap();
        assert!(matches!(wanted.judge(&arguments), Ok(Judgement::Faulty(_))));
    }
    let any = schema(r#"{"type":"object"}"#);
    let arguments = Arguments::read(None).unwrap();
    assert_eq!(any.judge(&arguments), Ok(Judgement::Fit));
}

#[test]
fn a_name_that_stands_twice_is_refused_wherever_it_stands() {
    let twice = Arguments::read(Some(r#"{"a":{"path":"x","pat\u0068":"y"}}"#));
    assert_eq!(twice.unwrap_err(), Unjudged::Duplicate("/a/path".into()));
}

#[test]
fn each_draft_is_read_by_its_own_rules() {
    let draft = |draft: &str, rest: &str| format!(r#"{{"$schema":"{draft}",{rest}}}"#);
    // An array of `items` is a tuple until 2019-09; `prefixItems` after.
    let tuple = r#""properties":{"a":{"items":[{"type":"string"}]}}"#;
    for earlier in [
        "http://json-schema.org/draft-04/schema#",
        "http://json-schema.org/draft-06/schema#",
        "http://json-schema.org/draft-07/schema#",
        "http://json-schema.org/draft-07/schema",
        "https://json-schema.org/draft/2019-09/schema",
    ] {
        let schema = draft(earlier, tuple);
        fits(&schema, r#"{"a":["x",1]}"#);
        assert!(fault(&schema, r#"{"a":[1]}"#).contains("/a/0"));
    }
    let newest = r#"{"properties":{"a":{"prefixItems":[{"type":"string"}]}}}"#;
    assert!(fault(newest, r#"{"a":[1]}"#).contains("/a/0"));
    // In draft 4, `exclusiveMinimum` is a boolean.
    let four = draft(
        "http://json-schema.org/draft-04/schema#",
        r#""properties":{"a":{"minimum":1,"exclusiveMinimum":true}}"#,
    );
    assert!(fault(&four, r#"{"a":1}"#).contains("/a"));
    let unknown = draft("https://example.com/mine", "\"type\":\"object\"");
    assert_eq!(
        Schema::compile(&unknown).unwrap_err(),
        Unjudged::Dialect("https://example.com/mine".into())
    );
}

#[test]
fn what_a_schema_refers_to_elsewhere_is_not_fetched() {
    for (address, shown) in [
        ("https://example.com/a.json", "https://example.com/a.json"),
        ("http://127.0.0.1:9/a.json#/x", "http://127.0.0.1:9/a.json"),
        ("file:///etc/passwd", "file:///etc/passwd"),
    ] {
        let text = format!(r#"{{"properties":{{"a":{{"$ref":"{address}"}}}}}}"#);
        let refused = Schema::compile(&text).unwrap_err();
        assert_eq!(refused, Unjudged::Remote(shown.into()), "{text}");
    }
    // The specification's own schemas are built in.
    let own = r#"{"properties":{"a":{"$ref":"https://json-schema.org/draft/2020-12/schema"}}}"#;
    fits(own, r#"{"a":{"type":"object"}}"#);
    fault(own, r#"{"a":{"type":7}}"#);
}

#[test]
fn what_is_no_schema_is_named() {
    for (text, place) in [
        (
            r#"{"properties":{"a":{"type":"text"}}}"#,
            "/properties/a/type",
        ),
        (
            r#"{"properties":{"a":{"required":true}}}"#,
            "/properties/a/required",
        ),
        (r#"{"properties":{"a":{"pattern":"["}}}"#, ""),
        (r##"{"properties":{"a":{"$ref":"#/$defs/none"}}}"##, ""),
        ("7", ""),
    ] {
        match Schema::compile(text) {
            Err(Unjudged::Broken(reason)) => assert!(reason.contains(place), "{reason}"),
            other => panic!("{text} {other:?}"),
        }
    }
    let long = format!(r#"{{"description":"{}"}}"#, "x".repeat(MAX_SCHEMA));
    assert_eq!(Schema::compile(&long).unwrap_err(), Unjudged::LargeSchema);
    let deep = r#"{"not":"#.repeat(200) + "{}" + &"}".repeat(200);
    assert_eq!(Schema::compile(&deep).unwrap_err(), Unjudged::DeepSchema);
    let deep = "[".repeat(200) + &"]".repeat(200);
    assert_eq!(Arguments::read(Some(&deep)).unwrap_err(), Unjudged::Deep);
}

#[test]
fn numbers_beyond_binary_fractions_are_not_refused_by_mistake() {
    let schema = |rule: &str| format!(r#"{{"properties":{{"n":{{"type":"number",{rule}}}}}}}"#);
    for (rule, number) in [
        ("\"minimum\":0", "1e400"),
        ("\"maximum\":1e500", "1e400"),
        ("\"exclusiveMinimum\":0", "1e-400"),
        ("\"enum\":[9007199254740993]", "9007199254740993"),
        ("\"exclusiveMaximum\":9007199254740993", "9007199254740992"),
        (
            "\"exclusiveMinimum\":0.1234567890123456789",
            "0.12345678901234567891",
        ),
        ("\"multipleOf\":0.0000000001", "0.1234567891"),
        ("\"multipleOf\":0.01", "19.99"),
        ("\"multipleOf\":0.1", "0.3"),
        ("\"multipleOf\":1", "1e400"),
        (
            "\"const\":123456789012345678901234567890",
            "123456789012345678901234567891",
        ),
        ("\"not\":{\"const\":1e400}", "1e401"),
    ] {
        fits(&schema(rule), &format!(r#"{{"n":{number}}}"#));
    }
    for (rule, number) in [
        ("\"minimum\":1", "0.5"),
        ("\"multipleOf\":0.01", "19.999"),
        ("\"enum\":[9007199254740993]", "9007199254740992"),
        ("\"type\":\"string\"", "1e400"),
    ] {
        fault(&schema(rule), &format!(r#"{{"n":{number}}}"#));
    }
    // A fault elsewhere is told beside a number that cannot be judged.
    let both = r#"{"properties":{"n":{"maximum":5}},"required":["path"]}"#;
    assert_eq!(
        fault(both, r#"{"n":1e400}"#),
        r#"the arguments: the member "path" is missing (required)"#
    );
    let conditional = r#"{"if":{"properties":{"n":{"maximum":5}}},"else":{"required":["why"]}}"#;
    fits(conditional, r#"{"n":1e400}"#);
    fault(conditional, r#"{"n":6}"#);
}

#[test]
fn formats_are_remarks() {
    let schema = r#"{"properties":{"d":{"type":"string","format":"date"},"e":{"format":"email"}}}"#;
    fits(schema, r#"{"d":"tomorrow","e":"x"}"#);
}

/// Steps, each of which is either of two references to the next.
fn doubling(steps: usize) -> String {
    let last = steps;
    let steps: Vec<_> = (0..steps)
        .map(|at| {
            format!(
                r##""s{at}":{{"anyOf":[{{"$ref":"#/$defs/s{0}"}},{{"$ref":"#/$defs/s{0}"}}]}}"##,
                at + 1
            )
        })
        .collect();
    format!(
        r##"{{"$ref":"#/$defs/s0","$defs":{{{},"s{last}":{{"required":["x"]}}}}}}"##,
        steps.join(",")
    )
}

#[test]
fn a_schema_that_doubles_at_each_step_is_much_work() {
    let arguments = Arguments::read(Some("{}")).unwrap();
    assert!(!schema(&doubling(40)).is_little_work(&arguments));
    assert!(schema(FILE).is_little_work(&arguments));
    let schema = schema(&doubling(17));
    match schema.judge(&arguments) {
        Ok(Judgement::Faulty(fault)) => assert!(fault.contains("too intricate"), "{fault}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn schemas_that_come_back_to_themselves_end() {
    for text in [
        r##"{"$ref":"#"}"##,
        r##"{"allOf":[{"$ref":"#"}],"required":["x"]}"##,
        r##"{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}"##,
        r##"{"$dynamicAnchor":"x","anyOf":[{"$dynamicRef":"#x"}],"unevaluatedProperties":false}"##,
        r##"{"$schema":"https://json-schema.org/draft/2019-09/schema","$recursiveAnchor":true,"not":{"$recursiveRef":"#"}}"##,
    ] {
        let _ = judged(text, r#"{"a":1}"#);
    }
}

#[test]
fn a_long_chain_of_references_has_the_stack_that_it_is_said_to_need() {
    for links in [20, 200, 3000] {
        let chain: Vec<_> = (0..links)
            .map(|at| {
                format!(
                    r##""s{at}":{{"allOf":[{{"$ref":"#/$defs/s{}"}}]}}"##,
                    at + 1
                )
            })
            .collect();
        let text = format!(
            r##"{{"properties":{{"next":{{"$ref":"#"}}}},"$ref":"#/$defs/s0","$defs":{{{},"s{links}":{{"required":["x"]}}}}}}"##,
            chain.join(",")
        );
        let arguments = Arguments::read(Some("{}")).unwrap();
        let stack = std::thread::Builder::new()
            .stack_size(64 << 20)
            .spawn(move || {
                let schema = schema(&text);
                let stack = schema.stack(&arguments).unwrap();
                (schema, arguments, stack)
            });
        let (schema, arguments, stack) = stack.unwrap().join().unwrap();
        let judge = move || schema.judge(&arguments);
        let judged = std::thread::Builder::new().stack_size(stack).spawn(judge);
        assert!(matches!(
            judged.unwrap().join().unwrap(),
            Ok(Judgement::Faulty(_))
        ));
    }
}

#[test]
fn long_arguments_and_many_definitions_are_explained_too() {
    let definitions: Vec<_> = (0..60)
        .map(|at| format!(r##""d{at}":{{"type":"object","properties":{{"next":{{"$ref":"#/$defs/d{}"}},"text":{{"type":"string"}}}}}}"##, at + 1))
        .collect();
    let schema = format!(
        r##"{{"type":"object","required":["path"],"properties":{{"first":{{"$ref":"#/$defs/d0"}}}},"$defs":{{{},"d60":{{}}}}}}"##,
        definitions.join(",")
    );
    let arguments = format!(
        r#"{{"first":{{"next":{{"text":"{}"}}}}}}"#,
        "x".repeat(500_000)
    );
    assert!(fault(&schema, &arguments).contains("\"path\" is missing"));
}

#[test]
fn patterns_cannot_take_for_ever() {
    let looks_back = r#"{"properties":{"a":{"pattern":"^(?=(a+)+$)(\\1)+b$"}}}"#;
    let arguments = format!(r#"{{"a":"{}"}}"#, "a".repeat(60));
    match judged(looks_back, &arguments) {
        Err(Unjudged::Pattern) | Ok(_) => {}
        other => panic!("{other:?}"),
    }
    let plain = r#"{"properties":{"a":{"pattern":"^(a+)+$"}}}"#;
    fault(plain, &format!(r#"{{"a":"{}b"}}"#, "a".repeat(5000)));
    // What is wrong is told all the same.
    let ahead = r#"{"required":["a"],"properties":{"a":{"pattern":"^(?!x)"}}}"#;
    let arguments = Arguments::read(None).unwrap();
    assert!(!schema(ahead).is_little_work(&arguments));
    assert!(fault(ahead, "{}").contains("\"a\" is missing"));
    let ecma = r#"{"properties":{"a":{"pattern":"^\\p{Lu}\\d(?!x)[\\w-]+$"}}}"#;
    fits(ecma, r#"{"a":"A1-b"}"#);
}

proptest::proptest! {
    #[test]
    fn whatever_the_schema_and_the_arguments_are_there_is_an_answer(
        schema in "\\PC{0,60}", arguments in "\\PC{0,60}",
    ) {
        let _ = judged(&schema, &arguments);
    }

    #[test]
    fn plain_faults_are_found_and_plain_arguments_fit(number in proptest::num::i64::ANY, text in "[a-z]{0,9}") {
        let schema = r#"{"properties":{"n":{"type":"integer"},"t":{"type":"string"}},"required":["n","t"]}"#;
        let right = format!(r#"{{"n":{number},"t":"{text}"}}"#);
        proptest::prop_assert_eq!(judged(schema, &right), Ok(Judgement::Fit));
        let wrong = format!(r#"{{"n":"{text}","t":{number}}}"#);
        proptest::prop_assert!(matches!(judged(schema, &wrong), Ok(Judgement::Faulty(_))));
    }
}
