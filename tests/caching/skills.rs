//! Files of skills and the digests that are told of them (SEP-2640), and lists that the host asks for anew: what shows
//! that something kept is old puts an end to it, for a host has no word with which to ask for it anew.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::between::{Between, Era, PAIRS};

const FILE: &str = r#"{"uri":"skill://a/main"}"#;
const OTHER: &str = r#"{"uri":"skill://a/other"}"#;
/// Each of them tells of both files.
const MANIFESTS: [(&str, &str); 2] = [("skills/list", "{}"), ("skills/get", FILE)];

fn digest(content: &str) -> String {
    use std::fmt::Write as _;
    let mut hex = String::from("sha256:");
    for byte in Sha256::digest(content) {
        write!(hex, "{byte:02x}").unwrap();
    }
    hex
}

fn file(uri: &str, content: &str) -> String {
    let contents = json!([{"uri": uri, "mimeType": "text/markdown", "text": content}]);
    json!({"contents": contents, "ttlMs": 10000, "cacheScope": "public"}).to_string()
}

fn blob(uri: &str, content: &str) -> String {
    let contents = json!([{"uri": uri, "blob": STANDARD.encode(content)}]);
    json!({"contents": contents, "ttlMs": 10000, "cacheScope": "public"}).to_string()
}

/// The answer to both methods: one skill of two files.
fn manifest(ttl: u64, [main, other]: [&str; 2]) -> String {
    let entry = |uri: &str, content: &str| json!({"uri": uri, "digest": digest(content), "size": content.len()});
    let resources = [
        entry("skill://a/main", main),
        entry("skill://a/other", other),
    ];
    let skill = json!({"uri": "skill://a/main", "frontmatter": {"name": "a", "description": "d"}, "resources": resources});
    json!({"skills": [skill], "skill": skill, "ttlMs": ttl, "cacheScope": "public"}).to_string()
}

impl Between {
    /// Whether the remote had to be asked, to which this is the answer.
    fn is_asked_for(&mut self, method: &str, params: &str, result: &str) -> bool {
        self.result = Some(result.to_owned());
        self.is_asked(method, params)
    }

    fn reads_both(&mut self) {
        self.is_asked_for("resources/read", FILE, &file("skill://a/main", "1"));
        self.is_asked_for("resources/read", OTHER, &file("skill://a/other", "x"));
    }
}

#[test]
fn a_file_whose_digest_is_another_now_is_read_again_and_no_other_is() {
    for pair in PAIRS {
        for (method, params) in MANIFESTS {
            // Kept themselves, or not.
            for ttl in [0, 10000] {
                let mut between = Between::new(pair, None);
                between.reads_both();
                between.is_asked_for(method, params, &manifest(ttl, ["1", "x"]));
                let fresh = file("skill://a/main", "2");
                assert!(!between.is_asked_for("resources/read", FILE, &fresh));
                between.later(if ttl == 0 { 0 } else { 9000 });
                between.reads_both();
                between.later(1000);
                assert!(between.is_asked_for(method, params, &manifest(ttl, ["2", "x"])));
                let shown = format!("{pair:?} {method} {ttl}");
                // The list has changed, which may mean more.
                if method == "skills/get" && ttl == 0 {
                    assert!(
                        !between.is_asked_for("resources/read", OTHER, "{}"),
                        "{shown}"
                    );
                }
                assert!(
                    between.is_asked_for("resources/read", FILE, &fresh),
                    "{shown}"
                );
                assert!(
                    !between.is_asked_for("resources/read", FILE, &fresh),
                    "{shown}"
                );
            }
        }
    }
}

#[test]
fn bytes_are_compared_however_they_are_sent() {
    let content = "\u{feff}é\r\n\u{1f600}\"\\ \u{2028}";
    for pair in PAIRS {
        for (read, is_asked) in [
            (file("skill://a/main", content), false),
            (blob("skill://a/main", content), false),
            // A server may spell it otherwise than it was asked for.
            (blob("skill://a/m%61in", content), false),
            (blob("skill://a/main", "other"), true),
            (
                r#"{"contents":[{"uri":"skill://a/main","blob":"no base64"}],"ttlMs":10000}"#
                    .into(),
                true,
            ),
            (
                r#"{"contents":[{"uri":"skill://a/main","text":7}],"ttlMs":10000}"#.into(),
                true,
            ),
            (r#"{"contents":[],"ttlMs":10000}"#.into(), true),
            (r#"{"contents":7,"ttlMs":10000}"#.into(), true),
        ] {
            let mut between = Between::new(pair, None);
            assert!(between.is_asked_for("resources/read", FILE, &read));
            between.is_asked_for("skills/get", FILE, &manifest(0, [content, "x"]));
            let again = between.is_asked_for("resources/read", FILE, &read);
            assert_eq!(again, is_asked, "{pair:?} {read}");
        }
    }
}

#[test]
fn a_digest_that_cannot_be_compared_makes_a_file_doubtful() {
    let good = manifest(0, ["1", "x"]);
    let told = digest("1");
    for pair in PAIRS {
        for (odd, is_asked) in [
            (good.clone(), false),
            (good.replace(&told, &told.replace("sha256", "sha512")), true),
            (good.replace(&told, &told.replace('f', "g")), true),
            (good.replace(r#""size":1"#, r#""size":2"#), true),
            (good.replace(r#""size":1"#, r#""size":"1""#), true),
            // Nothing is told of it.
            (good.replace("a/main", "b/main"), false),
            (
                r#"{"skill":{"uri":"skill://a/main","resources":"dynamic"}}"#.into(),
                false,
            ),
            (r#"{"skill":7,"skills":{}}"#.into(), false),
        ] {
            let mut between = Between::new(pair, None);
            let read = file("skill://a/main", "1");
            between.is_asked_for("resources/read", FILE, &read);
            between.is_asked_for("skills/get", FILE, &odd);
            let again = between.is_asked_for("resources/read", FILE, &read);
            assert_eq!(again, is_asked, "{pair:?} {odd}");
        }
    }
}

#[test]
fn a_read_that_a_new_digest_has_overtaken_is_not_kept() {
    for pair in PAIRS {
        let mut between = Between::new(pair, None);
        between.result = None;
        between.asks("resources/read", FILE);
        let read = between.asked.last().unwrap().clone();
        between.is_asked_for("skills/get", FILE, &manifest(10000, ["2", "x"]));
        between.answers(&read, &file("skill://a/main", "1"));
        let fresh = file("skill://a/main", "2");
        assert!(
            between.is_asked_for("resources/read", FILE, &fresh),
            "{pair:?}"
        );
        assert!(
            !between.is_asked_for("resources/read", FILE, &fresh),
            "{pair:?}"
        );
    }
}

#[test]
fn a_host_that_finds_a_file_changed_is_told_the_new_digest() {
    for pair in PAIRS {
        for (method, params) in MANIFESTS {
            let mut between = Between::new(pair, None);
            let kept = manifest(10000, ["1", "x"]);
            assert!(between.is_asked_for(method, params, &kept));
            assert!(!between.is_asked_for(method, params, &kept));
            // Of a file that lasts no time at all.
            let fresh = file("skill://a/main", "2").replace("10000", "0");
            between.is_asked_for("resources/read", FILE, &fresh);
            let newer = manifest(10000, ["2", "x"]);
            assert!(
                between.is_asked_for(method, params, &newer),
                "{pair:?} {method}"
            );
            between.is_asked_for("resources/read", FILE, &fresh);
            assert!(
                !between.is_asked_for(method, params, &newer),
                "{pair:?} {method}"
            );
        }
    }
}

#[test]
fn a_list_that_tells_of_a_file_which_is_gone_is_asked_for_again() {
    for pair in PAIRS {
        for (gone, is_asked) in [(FILE, true), (r#"{"uri":"skill://b/main"}"#, false)] {
            for method in ["resources/read", "skills/get"] {
                let mut between = Between::new(pair, None);
                let kept = manifest(10000, ["1", "x"]);
                between.is_asked_for("skills/list", "{}", &kept);
                between.result = None;
                between.asks(method, gone);
                let post = between.asked.last().unwrap().clone();
                between.refuses(&post, 400, -32602);
                let again = between.is_asked_for("skills/list", "{}", &kept);
                assert_eq!(again, is_asked, "{pair:?} {method} {gone}");
            }
        }
    }
}

#[test]
fn of_two_lists_of_files_the_newer_is_kept() {
    for pair in PAIRS {
        for (newer, is_asked) in [(["1", "x"], false), (["1", "y"], true)] {
            let mut between = Between::new(pair, None);
            between.is_asked_for("skills/list", "{}", &manifest(10000, ["1", "x"]));
            between.is_asked_for("skills/get", FILE, &manifest(10000, newer));
            let newer = manifest(10000, newer);
            let again = between.is_asked_for("skills/list", "{}", &newer);
            assert_eq!(again, is_asked, "{pair:?}");
            assert!(
                !between.is_asked_for("skills/get", FILE, &newer) || is_asked,
                "{pair:?}"
            );
        }
    }
}

/// SEP-2640, "Directory Reads and the Held Entry"
#[test]
fn after_a_look_at_a_directory_a_skill_is_asked_for_anew() {
    for pair in PAIRS {
        let mut between = Between::new(pair, None);
        let kept = manifest(10000, ["1", "x"]);
        for (method, params) in MANIFESTS {
            between.is_asked_for(method, params, &kept);
        }
        between.is_asked_for("resources/list", "{}", super::PUBLIC);
        let directory = r#"{"uri":"skill://a"}"#;
        assert!(between.is_asked_for("resources/directory/read", directory, r#"{"resources":[]}"#));
        for (method, params) in MANIFESTS {
            assert!(
                between.is_asked_for(method, params, &kept),
                "{pair:?} {method}"
            );
        }
        assert!(!between.is_asked("resources/list", "{}"), "{pair:?}");
    }
}

#[test]
fn a_resource_of_which_a_change_is_announced_makes_the_digests_of_its_skill_old() {
    for pair in PAIRS {
        for (uri, is_asked) in [("skill://a/other", true), ("skill://b/other", false)] {
            let mut between = Between::new(pair, None);
            let kept = manifest(10000, ["1", "x"]);
            between.is_asked_for("skills/list", "{}", &kept);
            let params = json!({ "uri": uri }).to_string();
            between.notes("notifications/resources/updated", Some(&params));
            let again = between.is_asked_for("skills/list", "{}", &kept);
            assert_eq!(again, is_asked, "{pair:?} {uri}");
        }
    }
}

#[test]
fn a_list_that_the_host_asks_for_anew_and_that_has_changed_ends_what_is_below_it() {
    let list = |marker: &str| {
        format!(
            r#"{{"resources":[{marker}],"skills":[{marker}],"ttlMs":0,"_meta":{{"n":{marker}}}}}"#
        )
    };
    let with_other_hints = list("1").replace(r#""ttlMs":0"#, r#""cacheScope":"public""#);
    let with_other_hints = with_other_hints.replace(r#""n":1"#, r#""n":2"#);
    for pair in PAIRS {
        for method in [
            "resources/list",
            "skills/list",
            "resources/templates/list",
            "tools/list",
        ] {
            for (params, newer, is_changed) in [
                ("{}", list("2"), true),
                ("{}", list("1"), false),
                ("{}", with_other_hints.clone(), false),
                (r#"{"cursor":null}"#, list("2"), false),
                (r#"{"cursor":"b"}"#, list("2"), false),
            ] {
                let mut between = Between::new(pair, None);
                between.is_asked_for(method, "{}", &list("1"));
                between.reads_both();
                assert!(between.is_asked_for(method, params, &newer));
                let again =
                    between.is_asked_for("resources/read", OTHER, &file("skill://a/other", "x"));
                let expected = is_changed && method != "tools/list";
                assert_eq!(again, expected, "{pair:?} {method} {params} {newer}");
            }
        }
    }
}

#[test]
fn a_list_that_is_told_again_ends_nothing() {
    for pair in PAIRS {
        let mut between = Between::new(pair, None);
        between.is_asked_for("skills/list", "{}", &manifest(10000, ["1", "x"]));
        between.reads_both();
        // The server has another answer, and is not asked for it.
        assert!(!between.is_asked_for("skills/list", "{}", &manifest(10000, ["2", "x"])));
        assert!(!between.is_asked("resources/read", FILE), "{pair:?}");
    }
}

#[test]
fn what_one_account_is_told_of_a_file_is_not_told_another() {
    for pair in PAIRS {
        let mut between = Between::new(pair, None);
        let private = manifest(10000, ["1", "x"]).replace("public", "private");
        let read = file("skill://a/main", "1").replace("public", "private");
        between.is_asked_for("skills/list", "{}", &private);
        between.is_asked_for("resources/read", FILE, &read);
        between.reads_both();
        between.translator.update_context(between.now, 1);
        assert!(
            between.is_asked_for("skills/list", "{}", &private),
            "{pair:?}"
        );
        assert!(
            between.is_asked_for("resources/read", FILE, &read),
            "{pair:?}"
        );
        assert!(!between.is_asked("resources/read", OTHER), "{pair:?}");
        // What is public is held against what the other account is told.
        let newer = private.replace(&digest("x"), &digest("y"));
        between.is_asked_for("skills/get", FILE, &newer);
        assert!(between.is_asked("resources/read", OTHER), "{pair:?}");
    }
}

#[test]
fn digests_pass_to_either_host_as_they_are() {
    let odd = r#"{"skill":{"uri":"skill://a/main","frontmatter":{"name":"a","n":1.50,"big":1e400,"z":[ ]},"resources":[{"uri":"u","digest":"sha256:00","size":1E0}],"x":0},"vendor/x":-0}"#;
    for pair in PAIRS {
        let mut between = Between::new(pair, None);
        between.result = Some(odd.to_owned());
        let (answer, _) = between.asks("skills/get", FILE);
        let answer = answer.unwrap();
        let inside = &odd[1..odd.len() - 1];
        assert!(answer.text().contains(inside), "{pair:?} {answer:?}");
        let is_hinted = answer
            .text()
            .contains(r#""ttlMs":0,"cacheScope":"private""#);
        assert_eq!(is_hinted, pair == (Era::Modern, Era::Legacy), "{answer:?}");
    }
}
