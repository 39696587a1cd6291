//! A call whose headers were refused: the tools are listed again until it is among them, and it is called once more
//! under headers made anew.

use std::collections::HashSet;
use std::time::Duration;

use super::{Call, Modern, Open};
use crate::era::Action;
use crate::era::edit::Object;
use crate::frame::{Frame, Id};

/// How long one page may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many pages a tool is looked for on.
const MAX_PAGES: usize = 1000;

#[derive(Debug)]
pub(super) struct Relist {
    pub(super) call: Call,
    /// What the host hears if the list brings nothing.
    pub(super) error: Frame,
    /// Of the present page.
    pub(super) id: Id,
    cursor: Option<String>,
    /// Cursors that have been followed: a list whose pages lead back to one of them has no end.
    followed: HashSet<String>,
    /// Pages that have come.
    pages: usize,
    /// How often the present one was lost.
    pub(super) losses: u32,
}

impl Relist {
    /// For the sake of this call, which was refused with this error.
    pub(super) fn new(call: Call, error: Frame) -> Self {
        Self {
            id: call.id.clone(),
            call,
            error,
            cursor: None,
            followed: HashSet::new(),
            pages: 0,
            losses: 0,
        }
    }
}

impl Modern {
    pub(super) fn relist(&mut self, mut relist: Relist, actions: &mut Vec<Action>) {
        relist.id = self.fresh_id();
        let mut params = Object::default();
        if let Some(cursor) = &relist.cursor {
            params.set("cursor", cursor);
        }
        // The list is asked for as the host itself would ask; its progress and logs would belong to nobody.
        if let Some(mut meta) = relist.call.frame.param("_meta").and_then(Object::read) {
            meta.remove("progressToken");
            meta.remove("io.modelcontextprotocol/logLevel");
            params.set("_meta", meta.text());
        }
        let list = Frame::request(&relist.id, "tools/list", Some(&params.text()));
        let exchange = self.post(list, Some(PATIENCE), relist.call.is_asked_by_host, actions);
        self.open.insert(exchange, Open::Relist(relist));
    }

    /// A page has come: the next one, until the tool is found; then the call once more, under headers made anew.
    pub(super) fn relisted(
        &mut self,
        mut relist: Relist,
        frame: &Frame,
        actions: &mut Vec<Action>,
    ) {
        relist.pages += 1;
        relist.losses = 0;
        let page = self
            .tools
            .page(frame.member("result").unwrap_or("{}"), relist.pages == 1);
        let name = relist.call.frame.param("name");
        let name: Option<String> = name.and_then(|name| serde_json::from_str(name).ok());
        let is_found = name.is_some_and(|name| page.names.contains(&name));
        relist.cursor = page.next_cursor;
        let cursor = relist.cursor.clone();
        let is_more = cursor.is_some_and(|cursor| relist.followed.insert(cursor));
        if is_more && !is_found && relist.pages < MAX_PAGES {
            self.relist(relist, actions);
        } else {
            self.call_anew(relist.call, actions);
        }
    }
}
