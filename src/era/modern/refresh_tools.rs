//! A call whose headers were refused: the tools are listed again until it is among them, and it is called once more
//! under headers made anew (MCP 2026-07-28, basic/transports/streamable-http).

use std::time::Duration;

use super::open::{OpenExchange, RefreshTools};
use super::state::Modern;
use crate::era::Action;
use crate::era::protocol::META_LEVEL;
use crate::frame::{Frame, Object};

/// The longest time for one page.
const PATIENCE: Duration = Duration::from_secs(30);

/// The most pages on which a tool is looked for.
const MAX_PAGES: usize = 1000;

impl Modern {
    pub(super) fn refresh_tools(
        &mut self,
        mut refresh_tools: RefreshTools,
        actions: &mut Vec<Action>,
    ) {
        refresh_tools.id = self.fresh_id();
        let mut params = Object::default();
        if let Some(cursor) = &refresh_tools.cursor {
            params.set("cursor", cursor);
        }
        // The list is asked for as the host itself would ask (MCP 2026-07-28, basic); its progress and logs would
        // belong to no request of the host.
        if let Some(mut meta) = refresh_tools
            .call
            .frame
            .param("_meta")
            .and_then(Object::read)
        {
            meta.remove("progressToken");
            meta.remove(META_LEVEL);
            params.set("_meta", meta.text());
        }
        let list = Frame::request(&refresh_tools.id, "tools/list", Some(&params.text()));
        let exchange = self.post(
            list,
            Some(PATIENCE),
            refresh_tools.call.is_asked_by_host,
            actions,
        );
        self.open
            .insert(exchange, OpenExchange::RefreshTools(refresh_tools));
    }

    /// Takes a page: asks for the next one, until the tool is found; then makes the call once more, under headers made
    /// anew (MCP 2026-07-28, basic/transports/streamable-http).
    pub(super) fn on_tools_page(
        &mut self,
        mut refresh_tools: RefreshTools,
        frame: &Frame,
        actions: &mut Vec<Action>,
    ) {
        refresh_tools.pages += 1;
        refresh_tools.losses = 0;
        let page = self.tools.page(
            frame.member("result").unwrap_or("{}"),
            refresh_tools.pages == 1,
        );
        let name = refresh_tools.call.frame.param("name");
        let name: Option<String> = name.and_then(|name| serde_json::from_str(name).ok());
        let is_found = name.is_some_and(|name| page.names.contains(&name));
        refresh_tools.cursor = page.next_cursor;
        let cursor = refresh_tools.cursor.clone();
        let is_more = cursor.is_some_and(|cursor| refresh_tools.followed.insert(cursor));
        if is_more && !is_found && refresh_tools.pages < MAX_PAGES {
            self.refresh_tools(refresh_tools, actions);
        } else {
            self.call_anew(refresh_tools.call, actions);
        }
    }
}
