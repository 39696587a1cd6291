use proptest::prelude::{Strategy, any, prop_oneof, proptest};
use proptest::{collection::vec, prop_assert_eq};

use super::*;

const AMPLE: usize = 1 << 20;

fn read<'a>(
    limit: usize,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<Event>, TooLong> {
    let mut parser = Parser::new(limit);
    let mut events = Vec::new();
    for chunk in chunks {
        parser.push(chunk, &mut events)?;
    }
    Ok(events)
}

fn whole(stream: impl AsRef<[u8]>) -> Vec<Event> {
    read(AMPLE, [stream.as_ref()]).unwrap()
}

fn data(stream: impl AsRef<[u8]>) -> Vec<String> {
    whole(stream).into_iter().map(|event| event.data).collect()
}

/// Parses as the specification says, as slowly as it says it.
fn by_the_book(stream: &[u8]) -> Vec<Event> {
    let text = String::from_utf8_lossy(stream);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let Some((text, _)) = text.rsplit_once('\n') else {
        return Vec::new();
    };
    let (mut events, mut event, mut lines) = (Vec::new(), Event::default(), Vec::new());
    for line in text.split('\n') {
        if line.is_empty() {
            let mut event = mem::take(&mut event);
            event.kind = event.kind.filter(|kind| !kind.is_empty());
            if !lines.is_empty() || event.id.is_some() || event.retry.is_some() {
                event.data = mem::take(&mut lines).join("\n");
                events.push(event);
            }
            continue;
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => lines.push(value),
            "event" => event.kind = Some(value.into()),
            "id" if !value.contains('\0') => event.id = Some(value.into()),
            "retry" if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) => {
                let millis = value.parse().unwrap_or(u32::MAX);
                event.retry = Some(Duration::from_millis(millis.into()));
            }
            _ => {}
        }
    }
    events
}

const RECORDED: &[u8] = "\u{feff}id: prime\r\nretry: 500\r\ndata:\r\n\r\n: keep-alive\n\n\
    event: message\nid: 1\rdata: {\"text\":\"Grüße 🌍\",\ndata:  \"n\":1}\n\n\
    data\r\ndata:\r\ndata: x\r\n\r\nunknown-field: y\nid\ndata:z\r\rdata: lost"
    .as_bytes();

#[test]
fn a_stream_cut_anywhere_gives_the_same_events() {
    let expected = by_the_book(RECORDED);
    assert_eq!(expected.len(), 4);
    for first in 0..=RECORDED.len() {
        let (head, rest) = RECORDED.split_at(first);
        for second in 0..=rest.len() {
            let (middle, tail) = rest.split_at(second);
            let found = read(AMPLE, [head, middle, tail]).unwrap();
            assert_eq!(found, expected, "cut at {first} and {}", first + second);
        }
    }
    assert_eq!(read(AMPLE, RECORDED.chunks(1)).unwrap(), expected);
}

#[test]
fn the_recorded_stream_means_what_a_reader_thinks() {
    let [prime, message, lines, cleared] = &whole(RECORDED)[..] else {
        panic!("not four events")
    };
    assert_eq!(prime.id.as_deref(), Some("prime"));
    assert_eq!(prime.retry, Some(Duration::from_millis(500)));
    assert_eq!(prime.data, "");
    assert_eq!(message.kind.as_deref(), Some("message"));
    assert_eq!(message.data, "{\"text\":\"Grüße 🌍\",\n \"n\":1}");
    assert_eq!((lines.data.as_str(), &lines.id), ("\n\nx", &None));
    assert_eq!(
        (cleared.data.as_str(), cleared.id.as_deref()),
        ("z", Some(""))
    );
}

#[test]
fn each_end_of_line_ends_a_line() {
    for end in ["\n", "\r\n", "\r"] {
        let stream = format!("data: a{end}data: b{end}{end}data: c{end}{end}");
        assert_eq!(data(&stream), ["a\nb", "c"], "{end:?}");
    }
    assert_eq!(data("data: a\n\rdata: b\n\r\n"), ["a", "b"]);
}

#[test]
fn an_event_is_there_as_soon_as_its_blank_line_is() {
    let mut parser = Parser::new(AMPLE);
    let mut events = Vec::new();
    parser.push(b"data: a\r\n\r", &mut events).unwrap();
    assert_eq!(events.len(), 1);
    parser.push(b"\ndata: b\n\n", &mut events).unwrap();
    assert_eq!(events.len(), 2);
}

#[test]
fn keepalives_and_bare_kinds_are_not_events() {
    for stream in [
        ":\n\n",
        ": ping\r\n\r\n",
        "\n\n\n",
        "event: ping\n\n",
        "x: y\n\n",
        "data: cut off",
    ] {
        assert_eq!(whole(stream), [], "{stream:?}");
    }
}

#[test]
fn ids_and_retries_are_kept_without_data() {
    for (stream, id, retry) in [
        ("id: 7\n\n", Some("7"), None),
        ("id\n\n", Some(""), None),
        ("retry: 250\n\n", None, Some(250)),
        ("id: 7\nid: 8\0\n\n", Some("7"), None),
        ("retry: 250\nretry: 1s\nretry\n\n", None, Some(250)),
        (
            "retry: 99999999999999999999\n\n",
            None,
            Some(u64::from(u32::MAX)),
        ),
    ] {
        let expected = Event {
            id: id.map(Into::into),
            retry: retry.map(Duration::from_millis),
            ..Event::default()
        };
        assert_eq!(whole(stream), [expected], "{stream:?}");
    }
    for stream in [
        "id: a\0b\n\n",
        "retry: -1\n\n",
        "retry: +5\n\n",
        "retry:\n\n",
    ] {
        assert_eq!(whole(stream), [], "{stream:?}");
    }
}

#[test]
fn a_byte_order_mark_counts_only_at_the_start() {
    assert_eq!(
        data("\u{feff}data: a\n\n\u{feff}data: b\n\ndata: c\n\n"),
        ["a", "c"]
    );
    assert_eq!(
        data("\u{feff}\u{feff}data: a\n\n\u{feff}\ndata: b\n\n"),
        ["b"]
    );
    assert_eq!(data("\u{feff}\ndata: a\n\n"), ["a"]);
}

#[test]
fn what_is_not_utf8_is_replaced() {
    assert_eq!(
        data(b"data: a\xE2\x82\ndata: \xFFb\xC3\n\n"),
        ["a\u{fffd}\n\u{fffd}b\u{fffd}"]
    );
}

#[test]
fn an_event_may_be_as_long_as_the_limit_and_no_longer() {
    let too_long = Err(TooLong { limit: 8 });
    for (stream, fits) in [
        ("data: 12345678\n\n", true),
        ("data: 123456789\n\n", false),
        ("data: 123456789", false),
        ("data: 1234567\ndata\n\n", true),
        ("data: 1234567\ndata: 8", false),
        ("data: 12345678\ndata", true),
        ("data: 12345678\ndata\n", false),
        ("data: 12345678\ndata:", false),
        (
            "data\ndata\ndata\ndata\ndata\ndata\ndata\ndata\ndata\n",
            true,
        ),
        (
            "data\ndata\ndata\ndata\ndata\ndata\ndata\ndata\ndata\ndata\n",
            false,
        ),
        ("id: 123456789\n\n", false),
        ("event: 123456789\n\n", false),
        ("retry: 123456789\n\n", false),
        (": passed over, not kept\n\n", true),
        ("unknown: passed over, not kept\n\n", true),
        ("a line without a colon, not kept either\n\n", true),
    ] {
        for size in [1, 3, stream.len()] {
            let found = read(8, stream.as_bytes().chunks(size)).map(|_| ());
            assert_eq!(found, if fits { Ok(()) } else { too_long }, "{stream:?}");
        }
    }
}

/// Pieces of streams, so that random ones say something.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        4 => proptest::sample::select(vec![
            "data", "event", "id", "retry", ":", ": ", " ", "x", "12", "\0", "\u{feff}", "é", "🌍", "eventful:",
        ]).prop_map(|word| word.as_bytes().to_vec()),
        3 => proptest::sample::select(vec!["\n", "\r\n", "\r", "\n\n"]).prop_map(|word| word.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 1..4),
    ];
    vec(word, 0..60).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn any_stream_in_any_chunks_reads_as_the_book_says(stream in stream(), sizes in vec(0_usize..9, 1..20)) {
        let mut parser = Parser::new(AMPLE);
        let (mut events, mut rest) = (Vec::new(), &stream[..]);
        for size in sizes {
            let (chunk, after) = rest.split_at(size.min(rest.len()));
            parser.push(chunk, &mut events).unwrap();
            rest = after;
        }
        parser.push(rest, &mut events).unwrap();
        prop_assert_eq!(events, by_the_book(&stream));
    }
}
