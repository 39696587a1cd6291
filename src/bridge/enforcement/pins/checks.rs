//! The comparisons: of whole lists that the bridge asks for, and of pages on their way to the host.

use std::sync::Arc;

use tokio::time::{self, Instant};

use crate::bridge::enforcement::Enforcement;
use crate::bridge::enforcement::pins::{PAUSE, Pinning, definitions, kind_of};
use crate::frame::{Frame, string};
use crate::policy::pins::definition::{Definition, Kind};
use crate::policy::pins::view::View;
use crate::policy::request::Asked;
use crate::policy::{self, Refusal};

/// The listings after which the last one counts, although the server announces changes all the time.
const MAX_LISTINGS: usize = 3;

impl Enforcement {
    /// Makes sure that the pins of what a message names are known and compared with the server's lists.
    ///
    /// # Errors
    /// They are not, so that no message about them can be judged.
    pub(in crate::bridge::enforcement) async fn check_pins(
        self: &Arc<Self>,
        frame: &Frame,
        things: &[Asked],
    ) -> Result<(), Refusal> {
        let Some(pins) = &self.pins else {
            return Ok(());
        };
        let list = frame.method().and_then(policy::Kind::of);
        let named = things.iter().filter_map(|thing| match thing {
            Asked::Tool(_) => Some(policy::Kind::Tools),
            Asked::Prompt(_) => Some(policy::Kind::Prompts),
            Asked::Resource(_) => None,
        });
        // An approval counts for the next list, and for the next call of what was approved. Other calls do not wait.
        let is_hidden = match list {
            Some(_) => pins.state().view.hides(),
            None => things.iter().any(|thing| pins.permits(thing).is_err()),
        };
        if is_hidden && pins.state().stamp.is_some() {
            self.heed_approvals().await;
        }
        for list in list.into_iter().chain(named) {
            self.check_list(list).await?;
        }
        Ok(())
    }

    /// Compares the server's whole list with the pins, unless that was done since it last changed.
    pub(super) async fn check_list(self: &Arc<Self>, list: policy::Kind) -> Result<(), Refusal> {
        let (Some(pins), Some(kind)) = (&self.pins, kind_of(list)) else {
            return Ok(());
        };
        if pins.is_checked(kind) {
            return Ok(());
        }
        let _one_at_a_time = pins.checking.lock().await;
        for _ in 0..MAX_LISTINGS {
            if pins.is_checked(kind) {
                break;
            }
            let before = pins.announced(kind);
            let pages = self.pages(list).await?;
            let listed = pages.iter().map(|(_, page)| definitions(page, list, kind));
            let listed: Vec<Definition> = listed.flatten().collect();
            self.compare(pins, kind, &listed).await?;
            if list == policy::Kind::Tools {
                for (cursor, page) in &pages {
                    self.note_page(page, cursor.as_deref());
                }
            }
            if pins.announced(kind) == before {
                pins.state().checked.insert(kind, Instant::now());
            }
        }
        pins.state()
            .checked
            .entry(kind)
            .or_insert_with(Instant::now);
        Ok(())
    }

    /// Compares a whole list with the pins, which are those of now; the first one is accepted.
    async fn compare(
        self: &Arc<Self>,
        pins: &Arc<Pinning>,
        kind: Kind,
        listed: &[Definition],
    ) -> Result<(), Refusal> {
        let place = pins.place()?;
        let now = pins.seconds();
        let stamp = place.store.stamp().await;
        let compared = place
            .store
            .change(|set| {
                (
                    set.pins(kind).is_none(),
                    set.observe(kind, listed, true, now),
                )
            })
            .await;
        let (set, (is_first, observed)) = compared.map_err(|error| pins.unusable(&error))?;
        observed.map_err(|error| Refusal::by(&pins.rule, format!("{error}.")))?;
        {
            let mut state = pins.state();
            state.view.take(set);
            state.view.see(kind, listed, true);
            state.stamp = Some(stamp);
        }
        pins.tell(kind, is_first);
        self.watch();
        Ok(())
    }

    /// Compares a page on its way to the host with the pins, before what is hidden is taken out.
    pub(in crate::bridge::enforcement) fn take_pinned_page(
        self: &Arc<Self>,
        page: &Frame,
        list: policy::Kind,
        cursor: Option<&str>,
    ) {
        let (Some(pins), Some(kind)) = (&self.pins, kind_of(list)) else {
            return;
        };
        if page.is_error() {
            return;
        }
        let listed = definitions(page, list, kind);
        let next = page.member_in("result", "nextCursor").and_then(string);
        let is_complete = cursor.is_none() && next.is_none();
        self.take_shown(pins, kind, listed, is_complete);
    }

    /// Takes what the server shows into the view, and stores what is new of it.
    pub(super) fn take_shown(
        self: &Arc<Self>,
        pins: &Arc<Pinning>,
        kind: Kind,
        listed: Vec<Definition>,
        is_complete: bool,
    ) {
        let now = pins.seconds();
        let (is_first, observed) = {
            let view = &mut pins.state().view;
            let is_first = view.set().is_some_and(|set| set.pins(kind).is_none());
            (is_first, view.observe(kind, &listed, is_complete, now))
        };
        match observed {
            Ok(false) => return,
            Ok(true) => pins.tell(kind, is_first),
            Err(error) => {
                tracing::warn!("{error}; what is not pinned is hidden");
                return;
            }
        }
        let (me, pins) = (Arc::clone(self), Arc::clone(pins));
        let tracker = pins.tracker.clone();
        tracker.spawn(async move {
            let Ok(place) = pins.place() else { return };
            let change = place
                .store
                .change(|set| set.observe(kind, &listed, is_complete, now));
            match change.await {
                Ok((set, _)) => {
                    let kinds = pins.state().view.take(set);
                    me.announce(&kinds).await;
                }
                Err(error) => tracing::warn!("{}", pins.unusable(&error).message),
            }
            me.watch();
        });
    }

    /// Withholds the server's notification that a list has changed until the list is compared anew.
    pub(in crate::bridge::enforcement) fn checked_anew(
        self: &Arc<Self>,
        list: policy::Kind,
        notice: Frame,
    ) -> Option<Frame> {
        let (Some(pins), Some(kind)) = (&self.pins, kind_of(list)) else {
            return Some(notice);
        };
        let (last, is_first) = {
            let mut state = pins.state();
            *state.announced.entry(kind).or_default() += 1;
            let last = state.checked.remove(&kind);
            let notices = state.notices.entry(kind).or_default();
            let is_first = notices.is_empty();
            if notices.iter().all(|other| other.text() != notice.text()) {
                notices.push(notice);
            }
            (last, is_first)
        };
        if is_first {
            let me = Arc::clone(self);
            let (leaving, pins) = (pins.leaving.clone(), Arc::clone(pins));
            pins.tracker.clone().spawn(async move {
                let compare = async {
                    if let Some(last) = last {
                        time::sleep_until(last + PAUSE).await;
                    }
                    if let Err(refusal) = me.check_list(list).await {
                        tracing::warn!("{}", refusal.message);
                    }
                    let notices = pins.state().notices.remove(&kind);
                    for notice in notices.unwrap_or_default() {
                        me.tell_host(notice).await;
                    }
                };
                leaving.run_until_cancelled(compare).await;
            });
        }
        None
    }

    /// Reads the pins again if they may have changed, and tells the host of what is shown or hidden now.
    pub(super) async fn heed_approvals(self: &Arc<Self>) {
        let Some(pins) = &self.pins else { return };
        let Ok(place) = pins.place() else { return };
        let stamp = place.store.stamp().await;
        if pins.state().stamp.as_ref() == Some(&stamp) {
            return;
        }
        let kinds = match place.store.read().await {
            Ok(Some(set)) => pins.state().view.take(set),
            // The user has them forgotten: what the server lists next is a first sight.
            Ok(None) => {
                let mut state = pins.state();
                state.view = View::default();
                std::mem::take(&mut state.checked).into_keys().collect()
            }
            Err(error) => {
                tracing::debug!(%error, "the pins cannot be read again");
                return;
            }
        };
        pins.state().stamp = Some(stamp);
        self.announce(&kinds).await;
    }

    /// Looks for approvals as long as something is hidden.
    pub(super) fn watch(self: &Arc<Self>) {
        let Some(pins) = &self.pins else { return };
        {
            let mut state = pins.state();
            if state.is_watching || !state.view.hides() {
                return;
            }
            state.is_watching = true;
        }
        let (me, pins) = (Arc::clone(self), Arc::clone(pins));
        pins.tracker.clone().spawn(async move {
            let leaving = pins.leaving.clone();
            let looks = async {
                loop {
                    time::sleep(PAUSE).await;
                    me.heed_approvals().await;
                    let mut state = pins.state();
                    if !state.view.hides() {
                        state.is_watching = false;
                        return;
                    }
                }
            };
            leaving.run_until_cancelled(looks).await;
        });
    }
}

impl Pinning {
    fn is_checked(&self, kind: Kind) -> bool {
        self.state().checked.contains_key(&kind)
    }

    fn announced(&self, kind: Kind) -> u64 {
        self.state()
            .announced
            .get(&kind)
            .copied()
            .unwrap_or_default()
    }
}
