use super::*;
use serde_json::Value;

const ID: &str = "0123456789abcdef0123456789abcdef";

fn wanted(shape: Shape, limit: usize) -> Wanted<'static> {
    Wanted {
        shape,
        limit,
        rule: "max-result 4000 of --max-result",
        has_links: true,
        may_have_schema: true,
        kept: Kept::At {
            id: ID,
            directory: "/home/u/.local/state/mcpipe/results/s/0123456789abcdef0123456789abcdef",
        },
    }
}

/// Shortens, and checks what holds for every result.
fn short(result: &str, wanted: &Wanted<'_>) -> (Value, Vec<Part>) {
    let short = shortened(result, wanted).unwrap();
    assert!(
        short.result.len() <= wanted.limit,
        "{} bytes: {}",
        short.result.len(),
        short.result
    );
    let value: Value = serde_json::from_str(&short.result).unwrap();
    (value, short.parts)
}

fn call(result: &str, limit: usize) -> (Value, Vec<Part>) {
    short(result, &wanted(Shape::Call, limit))
}

fn text_of(block: &Value) -> &str {
    block["text"].as_str().unwrap()
}

#[test]
fn a_long_text_is_cut_and_its_rest_can_be_found() {
    let text = "ä\"\n".repeat(5000);
    let result = json!({"content":[{"type":"text","text":text,"annotations":{"priority":1}}],"isError":false,
        "_meta":{"a":1},"x":1e300})
    .to_string();
    let (value, parts) = call(&result, 4000);
    let block = &value["content"][0];
    assert_eq!(block["annotations"]["priority"], 1);
    let (head, note) = text_of(block).split_once("\n[mcpipe: ").unwrap();
    assert!(text.starts_with(head) && head.len() > 1000, "{head}");
    let offset = head.len();
    assert!(
        note.contains(&format!("cut after {offset} of 20000 bytes"))
            && note.contains(&format!(
                "resources/read mcpipe://results/{ID}/0.txt?offset={offset} or the file /home/"
            )),
        "{note}"
    );
    assert_eq!(parts, [Part::new("0.txt", Content::Text(text))]);
    let last = text_of(&value["content"][1]);
    let size = result.len();
    for part in [
        &*format!(
            "[mcpipe: this result has {size} bytes, and 4000 are allowed at once (max-result 4000 of --max-result)."
        ),
        &*format!("resources/read mcpipe://results/{ID}/result.json or the file /home/"),
    ] {
        assert!(last.contains(part), "{last}");
    }
    assert_eq!(
        (&value["isError"], &value["_meta"]["a"]),
        (&json!(false), &json!(1))
    );
    assert_eq!(value["x"], 1e300);
}

#[test]
fn what_is_small_stays_as_it_was_beside_what_is_not() {
    let result = format!(
        r#"{{"content":[{{"type":"text","text":"sm\u0061ll","n":1e400}},{{"type":"text","text":"{}"}},{{"type":"new","x":1}}]}}"#,
        "x".repeat(9000)
    );
    let short = shortened(&result, &wanted(Shape::Call, 4000)).unwrap();
    assert!(
        short
            .result
            .contains(r#"{"type":"text","text":"sm\u0061ll","n":1e400}"#)
    );
    // The last one did not fit beside the head of the second: it is named.
    assert!(short.result.contains("Left out: content 2."));
}

#[test]
fn structured_content_is_there_whole_or_not_at_all() {
    let fits = json!({"content":[{"type":"text","text":"x".repeat(3000)}],"structuredContent":{"rows":["y".repeat(1000)]}});
    let (value, _) = call(&fits.to_string(), 4000);
    assert_eq!(value["structuredContent"], fits["structuredContent"]);
    assert!(value.get("isError").is_none());
    let large = json!({"content":[{"type":"text","text":"few"}],"structuredContent":{"rows":["y".repeat(9000)]}});
    let (value, parts) = call(&large.to_string(), 4000);
    assert!(value.get("structuredContent").is_none());
    assert_eq!(
        value["isError"], true,
        "a strict client wants one or the other"
    );
    assert!(text_of(&value["content"][0]).contains("marked as an error for this reason only"));
    assert_eq!(text_of(&value["content"][1]), "few");
    assert!(text_of(&value["content"][2]).contains("Left out: structuredContent."));
    let kept = large["structuredContent"].to_string();
    assert_eq!(parts, [Part::new("structured.json", Content::Text(kept))]);
    let without = Wanted {
        may_have_schema: false,
        ..wanted(Shape::Call, 4000)
    };
    let (value, _) = short(&large.to_string(), &without);
    assert!(value.get("isError").is_none());
}

#[test]
fn images_and_audio_are_linked_and_never_cut() {
    let bytes: Vec<u8> = (0..=255).cycle().take(9000).collect();
    let data = base64_text::encoded(&bytes);
    let result = json!({"content":[
        {"type":"image","data":data,"mimeType":"image/png"},
        {"type":"audio","data":data.trim_end_matches('='),"mimeType":"audio/wav; codecs=1"},
        {"type":"resource","resource":{"uri":"x:y","blob":data}},
        {"type":"image","data":"AAAA","mimeType":"image/png"},
        {"type":"image","data":format!("?{data}"),"mimeType":"image/png"}]})
    .to_string();
    let (value, parts) = call(&result, 8000);
    for (at, name) in [(0, "0.png"), (1, "1.wav"), (2, "2.bin")] {
        let link = &value["content"][at];
        assert_eq!(link["type"], "resource_link");
        assert_eq!(link["uri"], format!("{SCHEME}{ID}/{name}"));
        assert_eq!((&link["size"], &link["name"]), (&json!(9000), &json!(name)));
        assert_eq!(parts[at], Part::new(name, Content::Bytes(bytes.clone())));
    }
    assert_eq!(value["content"][0]["mimeType"], "image/png");
    assert_eq!(value["content"][3]["data"], "AAAA");
    assert!(text_of(&value["content"][4]).contains("Left out: content 4."));
    let older = Wanted {
        has_links: false,
        ..wanted(Shape::Call, 8000)
    };
    let (value, _) = short(&result, &older);
    assert_eq!(value["content"][0]["type"], "text");
    assert!(text_of(&value["content"][0]).contains("image of 9000 bytes (image/png), too large"));
}

#[test]
fn many_blocks_are_counted_and_not_listed() {
    let blocks = vec![json!({"type":"image","data":"A".repeat(4000),"mimeType":"image/png"}); 500];
    let (value, parts) = call(&json!({ "content": blocks }).to_string(), 4000);
    let blocks = value["content"].as_array().unwrap();
    assert!(blocks.len() < 20 && parts.len() == blocks.len() - 1);
    let note = text_of(blocks.last().unwrap());
    let left_out = 500 - parts.len() - MAX_NAMED;
    assert!(note.contains(&format!(" and {left_out} more.")), "{note}");
}

#[test]
fn what_could_not_be_kept_is_said_to_be_lost() {
    let lost = Wanted {
        kept: Kept::Nowhere("No space left on device"),
        ..wanted(Shape::Call, 4000)
    };
    let result = json!({"content":[{"type":"text","text":"x".repeat(9000)},{"type":"image","data":"A".repeat(9000)}]});
    let (value, _) = short(&result.to_string(), &lost);
    let note = text_of(value["content"].as_array().unwrap().last().unwrap());
    assert!(
        note.contains("could not be kept (No space left on device) and is lost"),
        "{note}"
    );
    assert!(!value.to_string().contains(SCHEME) && !value.to_string().contains("resource_link"));
}

#[test]
fn prompts_and_resources_are_cut_in_their_own_shapes() {
    let text = "x".repeat(9000);
    let prompt = json!({"description":"d","messages":[
        {"role":"assistant","content":{"type":"text","text":"first"}},
        {"role":"user","content":{"type":"text","text":text}}]});
    let (value, parts) = short(&prompt.to_string(), &wanted(Shape::Prompt, 4000));
    assert_eq!(value["description"], "d");
    assert_eq!(value["messages"][0], prompt["messages"][0]);
    assert!(text_of(&value["messages"][1]["content"]).contains("/1.txt?offset="));
    assert!(text_of(&value["messages"][2]["content"]).contains("All of it, as JSON"));
    assert_eq!(parts.len(), 1);
    let data = "A".repeat(8000);
    let resource = json!({"contents":[
        {"uri":"file:///a","mimeType":"text/markdown","text":text},
        {"uri":"file:///b","mimeType":"image/png","blob":data}],"ttlMs":5});
    let (value, parts) = short(&resource.to_string(), &wanted(Shape::Resource, 4000));
    let contents = value["contents"].as_array().unwrap();
    assert_eq!(
        (&contents[0]["uri"], &value["ttlMs"]),
        (&json!("file:///a"), &json!(5))
    );
    assert!(text_of(&contents[0]).contains("/0.txt?offset="));
    let last = contents.last().unwrap();
    assert_eq!(last["uri"], format!("{SCHEME}{ID}/result.json"));
    assert!(text_of(last).contains("Left out: content 1."), "{last}");
    assert_eq!(parts.len(), 1);
    let (value, parts) = short(
        &json!({"contents":[{"uri":"file:///b","mimeType":"image/png","blob":data}]}).to_string(),
        &wanted(Shape::Resource, 4000),
    );
    assert!(text_of(&value["contents"][0]).contains("a blob of 6000 bytes"));
    assert_eq!(parts[0].name, "0.png");
}

#[test]
fn a_question_to_the_host_is_never_cut() {
    let asks =
        json!({"resultType":"input_required","inputRequests":{"a":{"text":"x".repeat(9000)}}});
    assert!(shortened(&asks.to_string(), &wanted(Shape::Call, 4000)).is_none());
    assert!(shortened("[1]", &wanted(Shape::Call, 4000)).is_none());
    let complete =
        json!({"resultType":"complete","content":[{"type":"text","text":"x".repeat(9000)}]});
    let (value, _) = call(&complete.to_string(), 4000);
    assert_eq!(value["resultType"], "complete");
}

#[test]
fn members_that_no_rule_names_stay_unless_they_are_large_themselves() {
    let result = json!({"content":[],"_meta":{"big":"x".repeat(9000)},"small":[1,2],"large":"y".repeat(9000)});
    let (value, _) = call(&result.to_string(), 4000);
    assert_eq!(value["small"], json!([1, 2]));
    assert!(value.get("large").is_none() && value.get("_meta").is_none());
    let note = text_of(&value["content"][0]);
    assert!(note.contains("_meta") && note.contains("large"), "{note}");
}

/// Reads a part page by page, as a host does.
fn read_all(name: &str, file: &[u8], limit: usize) -> Vec<u8> {
    let base = format!("{SCHEME}{ID}/{name}");
    let (mut read, mut offset) = (Vec::new(), 0);
    loop {
        let from = usize::try_from(offset).unwrap();
        let to = file.len().min(from + page_bytes(limit));
        let total = u64::try_from(file.len()).unwrap();
        let text = page(&base, &file[from..to], offset, total, limit);
        assert!(text.len() <= limit, "{}", text.len());
        let contents: Value = serde_json::from_str(&text).unwrap();
        match contents[0].get("text") {
            Some(text) => read.extend(text.as_str().unwrap().bytes()),
            None => {
                let blob = contents[0]["blob"].as_str().unwrap();
                let is_last = contents.get(1).is_none();
                assert!(is_last || !blob.ends_with('='), "pages can be joined");
                read.extend(base64_text::decoded(blob).unwrap());
            }
        }
        let Some(next) = contents.get(1) else {
            return read;
        };
        let next = next["uri"].as_str().unwrap();
        offset = next.rsplit_once('=').unwrap().1.parse().unwrap();
        assert!(offset > u64::try_from(from).unwrap());
    }
}

proptest::proptest! {
    #[test]
    fn the_pages_of_a_text_are_the_text(
        text in "(.|\n|[\u{1}-\u{1f}]|😀){0,40}", times in 1_usize..90, limit in 2048_usize..4000,
    ) {
        let text = text.repeat(times);
        proptest::prop_assert_eq!(read_all("0.txt", text.as_bytes(), limit), text.as_bytes());
    }

    #[test]
    fn the_pages_of_bytes_are_the_bytes(
        bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..99), times in 1_usize..90, limit in 2048_usize..4000,
    ) {
        let bytes = bytes.repeat(times);
        proptest::prop_assert_eq!(read_all("0.png", &bytes, limit), bytes);
    }

    #[test]
    fn whatever_a_result_holds_what_is_left_of_it_is_json_within_the_limit(
        blocks in proptest::collection::vec((0_u8..6, "(.|\n|\"|\\\\){0,30}"), 0..12),
        limit in 2048_usize..6000, has_links in proptest::bool::ANY, member in "\\PC{0,40}",
    ) {
        let blocks: Vec<Value> = blocks
            .into_iter()
            .map(|(kind, text)| match kind {
                0 => json!({"type":"text","text":text.repeat(90)}),
                1 => json!({"type":"image","data":base64_text::encoded(text.repeat(30).as_bytes()),"mimeType":text}),
                2 => json!({"type":"resource","resource":{"uri":"a:b","text":text.repeat(30)}}),
                3 => json!({"type":"resource","resource":{"uri":"a:b","blob":text}}),
                4 => json!({"type":text,"x":[text]}),
                _ => json!(text),
            })
            .collect();
        for (shape, result) in [
            (Shape::Call, json!({"content":blocks,"structuredContent":{"a":blocks},"x":member, member.clone():1})),
            (Shape::Prompt, json!({"messages":blocks.iter().map(|it| json!({"role":"user","content":it})).collect::<Vec<_>>()})),
            (Shape::Resource, json!({"contents":blocks.iter().map(|it| json!({"uri":"a:b","text":it["text"]})).collect::<Vec<_>>()})),
        ] {
            let wanted = Wanted { has_links, ..wanted(shape, limit) };
            short(&result.to_string(), &wanted);
        }
    }
}
