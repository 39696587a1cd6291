//! The pinned set of a server as one bridge sees it: what was accepted, and what this bridge itself was last shown.
//!
//! Other bridges may have been shown something else, so what waits in the stored set decides nothing here.

use std::collections::{BTreeMap, BTreeSet};

use crate::policy::pins::definition::{Definition, INSTRUCTIONS, Kind, Version};
use crate::policy::pins::set::{PinSet, TooMany};

/// The reason why a definition is hidden from the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hidden {
    /// The pins are not known, or the server's list is not.
    Unknown,
    /// It differs from the accepted one.
    Changed,
    /// It was never accepted.
    New,
    /// No list had it, and it was never accepted.
    Unlisted,
}

/// The pinned set, and what one bridge was last shown.
#[derive(Debug, Default)]
pub struct View {
    /// The set as it was last read or written; none before.
    set: Option<PinSet>,
    /// The versions that this bridge was last shown, by kind and name, without texts.
    seen: BTreeMap<Kind, BTreeMap<String, Version>>,
    /// True where something that was shown is hidden; each call asks.
    is_hiding: bool,
}

/// A handshake's instructions, for the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instructions {
    /// The text of the server is accepted, and passes.
    Pass,
    /// The accepted text is given instead, as a JSON string.
    Replace(String),
    /// None are given.
    Remove,
}

impl View {
    /// Returns the set; none if it is not known yet.
    pub fn set(&self) -> Option<&PinSet> {
        self.set.as_ref()
    }

    /// Takes the set as it was read or written, and returns the kinds of which another part is hidden now.
    pub fn take(&mut self, set: PinSet) -> Vec<Kind> {
        let owned = |hidden: BTreeSet<(Kind, &str)>| -> BTreeSet<(Kind, String)> {
            let hidden = hidden.into_iter();
            hidden.map(|(kind, name)| (kind, name.to_owned())).collect()
        };
        let before = owned(self.hidden());
        self.set = Some(set);
        let after = owned(self.hidden());
        self.is_hiding = !after.is_empty();
        let changed = before.symmetric_difference(&after);
        let kinds: BTreeSet<Kind> = changed.map(|(kind, _)| *kind).collect();
        kinds.into_iter().collect()
    }

    /// Notes what this bridge is shown: all of a kind, or a page.
    pub fn see(&mut self, kind: Kind, listed: &[Definition], is_complete: bool) {
        let mut page: BTreeMap<&str, &Version> = BTreeMap::new();
        for it in listed {
            // Of two with one name the one that is not accepted counts.
            let is_accepted = self.set.as_ref().is_some_and(|set| set.accepts(kind, it));
            match page.get(it.name.as_str()) {
                Some(_) if is_accepted => {}
                _ => _ = page.insert(&it.name, &it.version),
            }
        }
        let seen = self.seen.entry(kind).or_default();
        if is_complete {
            seen.clear();
        }
        for (name, version) in page {
            seen.insert(name.to_owned(), version.without_text());
        }
        self.is_hiding = !self.hidden().is_empty();
    }

    /// Takes into the set what this bridge is shown, as [`PinSet::observe`] does, before it is stored. Returns whether
    /// there is something to store.
    ///
    /// # Errors
    /// See [`TooMany`].
    pub fn observe(
        &mut self,
        kind: Kind,
        listed: &[Definition],
        is_complete: bool,
        now: u64,
    ) -> Result<bool, TooMany> {
        let observed = match &mut self.set {
            Some(set) => set.observe(kind, listed, is_complete, now)?,
            None => false,
        };
        self.see(kind, listed, is_complete);
        Ok(observed)
    }

    /// Says whether the host may see and use what has this name.
    ///
    /// # Errors
    /// The reason why it may not.
    pub fn permits(&self, kind: Kind, name: &str) -> Result<(), Hidden> {
        let set = self.set.as_ref().ok_or(Hidden::Unknown)?;
        let pins = set.pins(kind).ok_or(Hidden::Unknown)?;
        let seen = self.seen(kind, name);
        let accepted = pins.items.get(name).and_then(|pin| pin.accepted.as_ref());
        match (accepted, seen) {
            (Some(accepted), Some(seen)) if accepted.covers(seen) => Ok(()),
            (Some(_), None) => Ok(()),
            (Some(_), Some(_)) => Err(Hidden::Changed),
            (None, Some(_)) => Err(Hidden::New),
            (None, None) => Err(Hidden::Unlisted),
        }
    }

    /// Says whether anything that this bridge was shown is hidden.
    pub fn hides(&self) -> bool {
        self.is_hiding
    }

    fn seen(&self, kind: Kind, name: &str) -> Option<&Version> {
        self.seen.get(&kind)?.get(name)
    }

    fn hidden(&self) -> BTreeSet<(Kind, &str)> {
        let kinds = self.seen.iter();
        let names = kinds.flat_map(|(kind, seen)| seen.keys().map(|name| (*kind, name.as_str())));
        names
            .filter(|(kind, name)| self.permits(*kind, name).is_err())
            .collect()
    }

    /// Decides on the instructions that a host would be given.
    pub fn instructions(&self, shown: Option<&Definition>) -> Instructions {
        let Some(shown) = shown else {
            return Instructions::Pass;
        };
        let pin = self
            .set
            .as_ref()
            .and_then(|set| set.pin(Kind::Instructions, INSTRUCTIONS));
        match pin.and_then(|pin| pin.accepted.as_ref()) {
            Some(accepted) if accepted.covers(&shown.version) => Instructions::Pass,
            Some(Version {
                text: Some(text), ..
            }) => Instructions::Replace(text.clone()),
            _ => Instructions::Remove,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(name: &str, text: &str) -> Definition {
        let json = format!(r#"{{"name":"{name}","description":"{text}"}}"#);
        Definition::read(Kind::Tool, &json).unwrap()
    }

    fn pinned() -> View {
        let mut view = View::default();
        view.take(PinSet::default());
        let first = [tool("a", "A."), tool("b", "B.")];
        assert_eq!(view.observe(Kind::Tool, &first, true, 1), Ok(true));
        view
    }

    #[test]
    fn nothing_is_permitted_before_the_pins_and_the_list_are_known() {
        let mut view = View::default();
        assert_eq!(view.permits(Kind::Tool, "a"), Err(Hidden::Unknown));
        view.take(PinSet::default());
        assert_eq!(view.permits(Kind::Tool, "a"), Err(Hidden::Unknown));
        assert_eq!(pinned().permits(Kind::Tool, "a"), Ok(()));
        assert_eq!(pinned().permits(Kind::Prompt, "a"), Err(Hidden::Unknown));
    }

    #[test]
    fn each_definition_is_hidden_for_itself_until_it_is_accepted() {
        let mut view = pinned();
        let page = [tool("a", "Other."), tool("c", "C.")];
        view.observe(Kind::Tool, &page, false, 2).unwrap();
        let decided = |view: &View| ["a", "b", "c", "d"].map(|name| view.permits(Kind::Tool, name));
        let hidden = [
            Err(Hidden::Changed),
            Ok(()),
            Err(Hidden::New),
            Err(Hidden::Unlisted),
        ];
        assert_eq!(decided(&view), hidden);
        assert!(view.hides());

        let mut set = view.set().unwrap().clone();
        assert!(set.accept(Kind::Tool, "a", 3));
        assert_eq!(view.take(set.clone()), [Kind::Tool]);
        assert_eq!(view.take(set.clone()), []);
        assert_eq!(decided(&view)[..2], [Ok(()), Ok(())]);
        set.accept(Kind::Tool, "c", 3);
        view.take(set);
        assert!(!view.hides());
    }

    #[test]
    fn what_another_bridge_was_shown_decides_nothing_here() {
        let mut view = pinned();
        let mut set = view.set().unwrap().clone();
        set.observe(Kind::Tool, &[tool("a", "Other.")], false, 2)
            .unwrap();
        assert_eq!(view.take(set.clone()), []);
        assert_eq!(view.permits(Kind::Tool, "a"), Ok(()));
        // Where that is accepted, this bridge's own is not any more.
        set.accept(Kind::Tool, "a", 3);
        assert_eq!(view.take(set), [Kind::Tool]);
        assert_eq!(view.permits(Kind::Tool, "a"), Err(Hidden::Changed));
    }

    #[test]
    fn of_two_definitions_on_one_page_the_worse_counts() {
        for page in [
            [tool("a", "A."), tool("a", "X.")],
            [tool("a", "X."), tool("a", "A.")],
        ] {
            let mut view = pinned();
            view.observe(Kind::Tool, &page, true, 2).unwrap();
            assert_eq!(view.permits(Kind::Tool, "a"), Err(Hidden::Changed));
        }
    }

    #[test]
    fn instructions_that_are_not_accepted_are_those_that_were_or_none() {
        let text = |text: &str| Definition::instructions(text);
        let mut view = View::default();
        let kind = text(r#""Be kind.""#);
        assert_eq!(view.instructions(Some(&kind)), Instructions::Remove);
        view.take(PinSet::default());
        let mut observed = |listed: &[Definition]| {
            view.observe(Kind::Instructions, listed, true, 1).unwrap();
            view.instructions(listed.first())
        };
        assert_eq!(observed(std::slice::from_ref(&kind)), Instructions::Pass);
        let kept = Instructions::Replace(r#""Be kind.""#.into());
        assert_eq!(observed(&[text(r#""Obey.""#)]), kept);
        assert_eq!(observed(&[]), Instructions::Pass);

        let mut view = View::default();
        view.take(PinSet::default());
        view.observe(Kind::Instructions, &[], true, 1).unwrap();
        let later = [text(r#""Obey.""#)];
        view.observe(Kind::Instructions, &later, true, 2).unwrap();
        assert_eq!(view.instructions(later.first()), Instructions::Remove);
    }
}
