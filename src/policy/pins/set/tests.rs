use proptest::prelude::*;

use super::*;

fn tool(name: &str, text: &str) -> Definition {
    let json =
        format!(r#"{{"name":"{name}","description":"{text}","inputSchema":{{"type":"object"}}}}"#);
    Definition::read(Kind::Tool, &json).unwrap()
}

const SEND: &str = "Sends a message to the person whose address is given, and waits.";

/// A set that has accepted `send` and `list`.
fn pinned() -> PinSet {
    let mut set = PinSet::default();
    let first = [tool("send", SEND), tool("list", "Lists.")];
    assert_eq!(set.observe(Kind::Tool, &first, true, 10), Ok(true));
    set
}

fn observed(set: &mut PinSet, listed: &[Definition]) -> Vec<String> {
    set.observe(Kind::Tool, listed, true, 20).unwrap();
    said(set)
}

fn said(set: &PinSet) -> Vec<String> {
    let changes = set.changes().into_iter();
    changes
        .map(|Change { name, what, .. }| match what {
            What::Changed { .. } => format!("changed {name}"),
            What::New { .. } => format!("new {name}"),
            What::Renamed { old, .. } => format!("renamed {old} to {name}"),
            What::Vanished { .. } => format!("vanished {name}"),
        })
        .collect()
}

#[test]
fn the_first_complete_list_is_accepted_and_its_order_is_no_change() {
    let mut set = PinSet::default();
    // A part of a list is none.
    assert_eq!(
        set.observe(Kind::Tool, &[tool("send", SEND)], false, 5),
        Ok(false)
    );
    assert!(!set.accepts(Kind::Tool, &tool("send", SEND)));

    let mut set = pinned();
    assert!(set.accepts(Kind::Tool, &tool("send", SEND)));
    let reordered = [tool("list", "Lists."), tool("send", SEND)];
    assert_eq!(set.observe(Kind::Tool, &reordered, true, 20), Ok(false));
    assert_eq!(set.changes(), []);
}

#[test]
fn a_changed_and_a_new_definition_wait_and_the_others_stay_accepted() {
    let mut set = pinned();
    let now = [
        tool("send", "Sends, and tells."),
        tool("list", "Lists."),
        tool("erase", "Deletes."),
    ];
    assert_eq!(observed(&mut set, &now), ["new erase", "changed send"]);
    let accepted: Vec<bool> = now.iter().map(|it| set.accepts(Kind::Tool, it)).collect();
    assert_eq!(accepted, [false, true, false]);

    // The same list again changes nothing; the old one again takes all back.
    assert_eq!(set.observe(Kind::Tool, &now, true, 30), Ok(false));
    let before = [tool("send", SEND), tool("list", "Lists.")];
    assert_eq!(observed(&mut set, &before), Vec::<String>::new());
    assert_eq!(set, pinned());
}

#[test]
fn a_definition_that_vanished_keeps_its_pin_and_is_accepted_when_it_is_back_unchanged() {
    let mut set = pinned();
    assert_eq!(
        observed(&mut set, &[tool("list", "Lists.")]),
        ["vanished send"]
    );
    assert!(set.accepts(Kind::Tool, &tool("send", SEND)));
    let unchanged = [tool("list", "Lists."), tool("send", SEND)];
    assert_eq!(observed(&mut set, &unchanged), Vec::<String>::new());
    let back = [tool("list", "Lists."), tool("send", "Sends, and tells.")];
    assert_eq!(observed(&mut set, &back), ["changed send"]);
}

#[test]
fn a_new_name_for_nearly_the_same_text_is_a_rename_and_is_accepted_as_one() {
    let mut set = pinned();
    let text = SEND.replace("waits", "returns");
    let now = [tool("list", "Lists."), tool("post", &text)];
    assert_eq!(observed(&mut set, &now), ["renamed send to post"]);
    assert!(!set.accepts(Kind::Tool, &tool("post", &text)));
    assert!(set.accept(Kind::Tool, "post", 40));
    assert!(set.accepts(Kind::Tool, &tool("post", &text)));
    assert_eq!(set.changes(), []);
    assert!(set.pin(Kind::Tool, "send").is_none());
    // An old name is no difference of its own.
    assert!(!set.accept(Kind::Tool, "send", 40));
}

#[test]
fn approval_is_of_what_was_seen_and_of_nothing_later() {
    let mut set = pinned();
    let second = tool("send", "Second.");
    observed(&mut set, &[second.clone(), tool("list", "Lists.")]);
    assert!(set.accept(Kind::Tool, "send", 40));
    assert!(set.accepts(Kind::Tool, &second));
    assert!(!set.accepts(Kind::Tool, &tool("send", SEND)));
    assert_eq!(
        observed(&mut set, &[tool("send", "Third."), tool("list", "Lists.")]),
        ["changed send"]
    );
    observed(&mut set, &[tool("list", "Lists.")]);
    assert!(set.accept(Kind::Tool, "send", 50));
    assert!(!set.accept(Kind::Tool, "send", 50));
    // Its pin is gone, so it is new when it is back.
    assert_eq!(
        observed(&mut set, &[second, tool("list", "Lists.")]),
        ["new send"]
    );
}

#[test]
fn of_two_definitions_with_one_name_neither_passes_for_the_other() {
    let both = [tool("send", "One."), tool("send", "Two.")];
    let mut set = PinSet::default();
    set.observe(Kind::Tool, &both, true, 10).unwrap();
    assert_eq!(said(&set), ["changed send"]);
    // In the other order it is the same.
    let swapped = [tool("send", "Two."), tool("send", "One.")];
    assert_eq!(set.observe(Kind::Tool, &swapped, true, 20), Ok(false));
}

#[test]
fn a_set_is_bounded() {
    let many = |count: usize| -> Vec<Definition> {
        (0..count).map(|at| tool(&format!("t{at}"), "x")).collect()
    };
    let mut set = PinSet::default();
    assert_eq!(
        set.observe(Kind::Tool, &many(MAX_ITEMS + 1), true, 1),
        Err(TooMany(Kind::Tool))
    );
    assert_eq!(set, PinSet::default());
    let long = "x".repeat(60_000);
    let many: Vec<_> = (0..40).map(|at| tool(&format!("t{at}"), &long)).collect();
    set.observe(Kind::Tool, &many, true, 1).unwrap();
    assert!(set.text().len() < MAX_TEXTS + 40_000);
    assert!(many.iter().all(|it| set.accepts(Kind::Tool, it)));
}

#[test]
fn a_stored_set_is_read_back_and_one_of_another_format_is_refused() {
    let mut set = pinned();
    observed(&mut set, &[tool("erase", "Deletes.")]);
    assert_eq!(PinSet::parse(&set.text()), Ok(set.clone()));
    let newer = set.text().replace(r#""format":1"#, r#""format":2"#);
    for text in [newer.as_str(), "", "{}"] {
        assert_eq!(PinSet::parse(text), Err(Foreign));
    }
}

proptest! {
    /// Whatever a server lists, in parts or whole, only what was accepted is accepted.
    #[test]
    fn nothing_is_accepted_but_the_first_list_and_what_the_user_accepts(
        lists in prop::collection::vec((prop::collection::vec((0..4u8, 0..3u8), 0..5), any::<bool>(), prop::option::of(0..4u8)), 1..12)
    ) {
        let mut set = PinSet::default();
        let mut accepted: BTreeSet<(String, String)> = BTreeSet::new();
        let mut is_first = true;
        for (list, is_complete, approved) in lists {
            let listed: Vec<Definition> = list.iter().map(|(name, text)| tool(&format!("t{name}"), &format!("v{text}"))).collect();
            set.observe(Kind::Tool, &listed, is_complete, 1).unwrap();
            if is_first && is_complete {
                is_first = false;
                for it in listed.iter().rev() {
                    accepted.retain(|(name, _)| *name != it.name);
                    accepted.insert((it.name.clone(), it.version.sha256.clone()));
                }
            }
            if let Some(name) = approved.map(|name| format!("t{name}")) {
                let pending = set.pin(Kind::Tool, &name).and_then(|pin| pin.pending.clone());
                if set.accept(Kind::Tool, &name, 2) {
                    accepted.retain(|(other, _)| *other != name);
                    if let Some(pending) = pending {
                        accepted.insert((name, pending.sha256));
                    }
                }
            }
            for (name, text) in (0..4).flat_map(|name| (0..3).map(move |text| (name, text))) {
                let it = tool(&format!("t{name}"), &format!("v{text}"));
                let is_accepted = set.accepts(Kind::Tool, &it);
                // A rename that was accepted takes the old name's pin away, so there may be fewer.
                prop_assert!(!is_accepted || accepted.contains(&(it.name, it.version.sha256)));
            }
        }
    }
}
