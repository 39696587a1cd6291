//! `--max-result`, carried out: a larger result is kept in a private file, the host gets a shorter one, and the bridge
//! itself answers when the host reads the rest.
//!
//! The loop waits while a result is kept, so that answers stay in their order: it takes as long as writing the bytes to the
//! page cache.

use std::sync::Arc;

use serde_json::json;
use tokio::task::spawn_blocking;

use crate::bridge::enforcement::kept_results::Job;
use crate::bridge::enforcement::{Enforcement, Request};
use crate::era::protocol::{META_VERSION, RESOURCE_NOT_FOUND};
use crate::frame::{
    BridgeError, Frame, INTERNAL_ERROR, INVALID_PARAMS, Id, Object, member_of, string,
};
use crate::policy::Limit;
use crate::policy::results::{LEAST, SCHEME, Shape, WHOLE, page, page_bytes};

/// The first revision with `resource_link`.
const WITH_LINKS: &str = "2025-06-18";
/// The tasks whose tools are remembered. When there are more, all are forgotten, and only limits for all tools hold.
const MAX_TASKS: usize = 4096;

impl Enforcement {
    /// Returns an answer that is no larger than its limit. Notes what handshakes say, and offers resources in them: those
    /// of the bridge.
    pub(super) async fn limited_result(&self, frame: Frame, request: &Request) -> Frame {
        if self.rules.max_result.is_empty() || frame.is_error() {
            return frame;
        }
        if matches!(&*request.method, "initialize" | "server/discover") {
            return self.offering_resources(frame, true);
        }
        let Some(shape) = Shape::of(&request.method) else {
            return frame;
        };
        let tool = request.tool.clone().or_else(|| self.tool_of_task(request));
        if let Some(tool) = &tool {
            self.note_task(&frame, tool);
        }
        let length = frame.member("result").map_or(0, str::len);
        let Some((limit, bytes)) = self.largest_result(tool.as_deref()) else {
            return frame;
        };
        if length <= bytes {
            return frame;
        }
        if self.rules.dry_run {
            tracing::warn!(length, "would be shortened: {}", limit.rule.text());
            return frame;
        }
        let job = Job {
            id: frame.id().cloned(),
            shape,
            limit: bytes,
            rule: format!("{}, from {}", limit.rule.text(), limit.rule.origin),
            has_links: request.is_modern || self.has_links(),
            may_have_schema: self.may_have_schema(tool.as_deref()),
            is_task: &*request.method == "tasks/get",
            store: Arc::clone(&self.results.store),
            now: (self.results.now)(),
            frame,
        };
        let id = job.id.clone();
        match (spawn_blocking(move || job.done()).await, id) {
            (Ok(frame), _) => frame,
            (Err(_), Some(id)) => {
                BridgeError::new("bad_answer", "The server's result could not be shortened.")
                    .reply(&id)
            }
            (Err(_), None) => Frame::error(None, INVALID_PARAMS, "an answer without an id", None),
        }
    }

    /// Returns the smallest limit for a result, and its bytes; limits of tools hold for calls of these.
    fn largest_result(&self, tool: Option<&str>) -> Option<(&Limit<u64>, usize)> {
        let limits = self.rules.max_result.iter();
        let limits = limits.filter(|limit| match tool {
            Some(tool) => limit.is_for(tool),
            None => limit.tools.is_none(),
        });
        let limit = limits.min_by_key(|limit| limit.value)?;
        let bytes = usize::try_from(limit.value.max(LEAST)).unwrap_or(usize::MAX);
        Some((limit, bytes))
    }

    /// Adds to a handshake that there are resources. `is_of_server` says that the server itself has spoken.
    pub(super) fn offering_resources(&self, frame: Frame, is_of_server: bool) -> Frame {
        if self.rules.max_result.is_empty() || frame.is_error() {
            return frame;
        }
        let capabilities = frame.member_in("result", "capabilities").unwrap_or("{}");
        let lacks_resources = member_of(capabilities, "resources").is_none();
        let mut known = self.results.known();
        if let Some(revision) = frame.member_in("result", "protocolVersion") {
            known.revision = string(revision);
        }
        if is_of_server {
            known.lacks_resources = lacks_resources;
        }
        drop(known);
        match lacks_resources && !self.rules.dry_run {
            true => frame.edit(|message| {
                message.edit("result", |result| {
                    result.edit("capabilities", |offered| offered.set("resources", "{}"));
                });
            }),
            false => frame,
        }
    }

    /// Answers a request for a result that is kept, and for the lists of a server without resources; `None` for what is
    /// the server's to answer.
    pub(super) async fn own_resource(&self, frame: &Frame) -> Option<Frame> {
        let id = frame.id().filter(|_| frame.is_request())?;
        if self.rules.max_result.is_empty() {
            return None;
        }
        let list = match frame.method()? {
            "resources/read" => {
                let uri = string(frame.param("uri")?)?;
                let name = uri.strip_prefix(SCHEME)?;
                return Some(self.read_page(id, frame, &uri, name).await);
            }
            "resources/list" => "resources",
            "resources/templates/list" => "resourceTemplates",
            _ => return None,
        };
        let lacks_resources = self.results.known().lacks_resources;
        (lacks_resources && !self.rules.dry_run).then(|| answer(id, frame, list, "[]"))
    }

    async fn read_page(&self, id: &Id, frame: &Frame, uri: &str, name: &str) -> Frame {
        let limits = self.rules.max_result.iter().map(|limit| limit.value);
        let limit = limits.min().unwrap_or(LEAST).max(LEAST);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let Some((result, part, offset)) = asked_page(name) else {
            return missing(id, frame, uri);
        };
        let store = Arc::clone(&self.results.store);
        let (result, part) = (result.to_owned(), part.to_owned());
        let read = spawn_blocking(move || {
            let found = store.read(&result, &part, offset, page_bytes(limit));
            found.map(|found| found.map(|found| (found, format!("{SCHEME}{result}/{part}"))))
        });
        match read.await {
            Ok(Ok(Some((range, base)))) => {
                let page = page(&base, &range.bytes, offset, range.total, limit);
                answer(id, frame, "contents", &page)
            }
            Ok(Ok(None)) => missing(id, frame, uri),
            Ok(Err(error)) => {
                let message = format!("The result was kept, and cannot be read: {error}.");
                Frame::error(Some(id), INTERNAL_ERROR, &message, None)
            }
            Err(_) => missing(id, frame, uri),
        }
    }

    fn has_links(&self) -> bool {
        let known = self.results.known();
        let revision = known.revision.as_deref();
        revision.is_some_and(|revision| revision >= WITH_LINKS)
    }

    fn may_have_schema(&self, tool: Option<&str>) -> bool {
        let state = self.state();
        let definition = tool
            .and_then(|tool| state.catalog.tool(tool))
            .and_then(|tool| tool.definition.as_deref());
        definition.is_none_or(|definition| member_of(definition, "outputSchema").is_some())
    }

    fn tool_of_task(&self, request: &Request) -> Option<Box<str>> {
        let task = request.task.as_ref()?;
        self.results.known().tasks.get(task).cloned()
    }

    /// Notes the task that a call became, if it did.
    fn note_task(&self, frame: &Frame, tool: &str) {
        let nested = frame.member_in("result", "task");
        let task = match nested {
            Some(task) => member_of(task, "taskId"),
            None => frame.member_in("result", "taskId"),
        };
        if let Some(task) = task.and_then(string) {
            let mut known = self.results.known();
            if known.tasks.len() >= MAX_TASKS {
                known.tasks.clear();
            }
            known.tasks.insert(task, tool.into());
        }
    }
}

/// Reads the part of a URI behind the scheme: the result, its part, and the offset.
fn asked_page(name: &str) -> Option<(&str, &str, u64)> {
    let (path, offset) = match name.split_once('?') {
        None => (name, 0),
        Some((path, query)) => (path, query.strip_prefix("offset=")?.parse().ok()?),
    };
    let (result, part) = path.split_once('/').unwrap_or((path, WHOLE));
    Some((result, part, offset))
}

/// Returns the answer to a request in the words of its revision.
fn answer(id: &Id, request: &Frame, member: &str, value: &str) -> Frame {
    let mut result = Object::default();
    result.set(member, value);
    if is_modern(request) {
        // MCP 2026-07-28, basic, "Result types", and server/utilities/caching.
        result.set("resultType", "\"complete\"");
        result.set("ttlMs", "0");
        result.set("cacheScope", "\"private\"");
    }
    Frame::result(id, &result.text())
}

fn missing(id: &Id, request: &Frame, uri: &str) -> Frame {
    let code = match is_modern(request) {
        true => INVALID_PARAMS,
        false => RESOURCE_NOT_FOUND,
    };
    let words = "There is no such result: results are kept for some days, and the oldest go when there are many. Call the tool again.";
    Frame::error(Some(id), code, words, Some(&json!({ "uri": uri })))
}

fn is_modern(request: &Frame) -> bool {
    request.meta(META_VERSION).is_some()
}
