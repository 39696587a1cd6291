//! The shapes that differ between the eras, as functions from text to text: what a modern request loses on its way to a
//! legacy remote and what a legacy answer gains on its way to a modern host.
//!
//! Knows nothing of calls, sessions or streams.

use serde_json::Value;
use serde_json::json;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::cache_hints;
use super::capabilities::{Capabilities, declares};
use crate::era::protocol::{
    LEVELS, META_CAPABILITIES, META_CLIENT, META_LEVEL, META_SERVER, META_SUBSCRIPTION,
    META_VERSION, MISSING_CAPABILITY, MODERN, NEWEST_LEGACY, RESOURCE_NOT_FOUND,
    UNSUPPORTED_VERSION, URL_ELICITATION_REQUIRED, is_modern, is_not_modern, may_ask_for_input,
    modern,
};
use crate::era::server_info::ServerInfo;
use crate::frame::{
    BridgeError, Frame, INTERNAL_ERROR, INVALID_PARAMS, Id, METHOD_NOT_FOUND, Object, member_of,
};

impl ServerInfo {
    /// Writes the server's identity on a result, beside whatever `_meta` holds already.
    fn sign(&self, result: &mut Object) {
        if let Some(identity) = &self.identity {
            result.edit("_meta", |meta| {
                if meta.get(META_SERVER).is_none() {
                    meta.set(META_SERVER, identity.as_str());
                }
            });
        }
    }

    /// Returns the `DiscoverResult` that says the same.
    pub(in crate::era) fn discover(&self) -> String {
        let mut result = Object::default();
        result.set("resultType", r#""complete""#);
        result.set(
            "supportedVersions",
            json!(modern().collect::<Vec<_>>()).to_string(),
        );
        result.set("capabilities", self.capabilities.text());
        if let Some(instructions) = &self.instructions {
            result.set("instructions", instructions.as_str());
        }
        cache_hints::complete(&mut result, "server/discover");
        self.sign(&mut result);
        result.text()
    }

    /// Returns a result that asks the host for something before the call can go on (MCP 2026-07-28,
    /// basic/patterns/mrtr).
    pub(super) fn input_required(&self, requests: &[(String, String)], state: &str) -> String {
        let mut asked = Object::default();
        for (key, request) in requests {
            asked.set(key, request.as_str());
        }
        let mut result = Object::default();
        result.set("resultType", r#""input_required""#);
        result.set("inputRequests", asked.text());
        result.set("requestState", Value::from(state).to_string());
        self.sign(&mut result);
        result.text()
    }

    /// Returns the result that ends a subscription (MCP 2026-07-28, basic/patterns/subscriptions).
    pub(super) fn listen_over(&self, subscription: &Id) -> String {
        let mut result = Object::default();
        result.set("resultType", r#""complete""#);
        self.sign(&mut result);
        result.edit("_meta", |meta| {
            meta.set(META_SUBSCRIPTION, subscription.text());
        });
        result.text()
    }
}

/// Reads what a modern request says about itself, or the error that answers it (MCP 2026-07-28, basic/versioning).
pub(super) fn check(frame: &Frame, id: &Id, method: &str) -> Result<(), Frame> {
    if is_not_modern(method) {
        let words = format!("{method} is not part of revision {MODERN} or a later one.");
        return Err(Frame::error(Some(id), METHOD_NOT_FOUND, &words, None));
    }
    let invalid = |words: &str| Err(Frame::error(Some(id), INVALID_PARAMS, words, None));
    let Some(version) = frame.meta(META_VERSION) else {
        return invalid(&format!("_meta lacks {META_VERSION}."));
    };
    let Ok(version) = serde_json::from_str::<String>(version) else {
        return invalid(&format!("{META_VERSION} is no string."));
    };
    if !is_modern(&version) {
        let data = json!({"supported": modern().collect::<Vec<_>>(), "requested": version});
        let words = "Unsupported protocol version";
        return Err(Frame::error(
            Some(id),
            UNSUPPORTED_VERSION,
            words,
            Some(&data),
        ));
    }
    if frame
        .meta(META_CAPABILITIES)
        .and_then(Object::read)
        .is_none()
    {
        return invalid(&format!("_meta lacks the object {META_CAPABILITIES}."));
    }
    Ok(())
}

pub(super) fn progress_token(frame: &Frame) -> Option<&str> {
    frame.meta("progressToken")
}

/// Reads the log level that a request asks for, as its rank; lower is more talkative.
pub(super) fn level(frame: &Frame) -> Option<usize> {
    rank(frame.meta(META_LEVEL)?)
}

pub(super) fn rank(level: &str) -> Option<usize> {
    let level: String = serde_json::from_str(level).ok()?;
    LEVELS.iter().position(|known| *known == level)
}

pub(super) fn level_params(rank: usize) -> Option<String> {
    Some(json!({"level": LEVELS.get(rank)?}).to_string())
}

/// Returns the parameters of the `initialize` that says to a legacy remote what a modern request says of its host.
pub(super) fn initialize(frame: &Frame, declared: &Capabilities) -> String {
    let unnamed = json!({"name": "mcpipe", "version": env!("CARGO_PKG_VERSION")}).to_string();
    let info = frame
        .meta(META_CLIENT)
        .filter(|info| Object::read(info).is_some());
    let mut params = Object::default();
    params.set("protocolVersion", Value::from(NEWEST_LEGACY).to_string());
    params.set("capabilities", declared.text());
    params.set("clientInfo", info.unwrap_or(&unnamed));
    params.text()
}

/// Returns a host's request or notification as a legacy remote knows it. A progress token becomes `token`: the host may
/// use its own again, for the retry of a parked call or while one is parked.
pub(super) fn downgrade(frame: &Frame, token: Option<&Id>) -> Option<Frame> {
    let is_retried = frame.method().is_some_and(may_ask_for_input);
    let frame = frame.edited(|message| {
        message.edit("params", |params| {
            params.edit("_meta", |meta| {
                for name in [META_VERSION, META_CAPABILITIES, META_CLIENT, META_LEVEL] {
                    meta.remove(name);
                }
                if let Some(token) = token.filter(|_| meta.get("progressToken").is_some()) {
                    meta.set("progressToken", token.text());
                }
            });
            if is_retried {
                params.remove("inputResponses");
                params.remove("requestState");
            }
        });
    })?;
    Some(match token {
        Some(id) => frame.with_id(id),
        None => frame,
    })
}

/// Returns a digest of what must be the same in a retry: the method and its parameters without what a retry changes
/// (MCP 2026-07-28, basic/patterns/mrtr).
pub(super) fn digest(frame: &Frame) -> [u8; 32] {
    let mut params = frame
        .member("params")
        .and_then(Object::read)
        .unwrap_or_default();
    for name in ["_meta", "inputResponses", "requestState"] {
        params.remove(name);
    }
    // The order of members says nothing; numbers that JSON values cannot hold are compared as they are written.
    let text = params.text();
    let text = serde_json::from_str::<Value>(&text).map_or(text, |value| value.to_string());
    let mut hash = Sha256::new();
    hash.update(frame.method().unwrap_or_default());
    hash.update([0]);
    hash.update(text);
    hash.finalize().into()
}

/// A legacy answer as a modern host knows it.
pub(super) enum UpgradedAnswer {
    /// To be written as it is.
    Plain(Frame),
    /// URLs must be visited first (-32042): one request each, its name and its text.
    VisitFirst(Vec<(String, String)>),
}

/// Writes a legacy answer for a modern host. `capabilities` are those the request declared.
pub(super) fn upgrade(
    frame: &Frame,
    id: &Id,
    method: &str,
    capabilities: &str,
    server: &ServerInfo,
) -> UpgradedAnswer {
    if let Some(error) = frame.member("error") {
        return upgrade_error(frame, error, id, method, capabilities);
    }
    let bad = || BridgeError::new("bad_answer", "The server's result is no object.").reply(id);
    UpgradedAnswer::Plain(upgrade_result(frame, id, method, server).unwrap_or_else(bad))
}

fn upgrade_result(frame: &Frame, id: &Id, method: &str, server: &ServerInfo) -> Option<Frame> {
    let mut result = frame.object("result")?;
    // A kind that the server names is not judged; anything else there is none.
    if result
        .get("resultType")
        .is_none_or(|kind| !kind.starts_with('"'))
    {
        result.set("resultType", r#""complete""#);
    }
    if method == "tools/list"
        && let Some(tools) = result.get("tools").and_then(without_tasks)
    {
        result.set("tools", tools);
    }
    cache_hints::complete(&mut result, method);
    server.sign(&mut result);
    frame.edited(|message| {
        message.set_object("result", result);
        message.set("id", id.text());
    })
}

/// Returns the tools without what they say about tasks: whether one is called as a task is decided here. `None` where
/// nothing needs to change.
fn without_tasks(tools: &str) -> Option<String> {
    let tools: Vec<&RawValue> = serde_json::from_str(tools).ok()?;
    if !tools
        .iter()
        .any(|tool| member_of(tool.get(), "execution").is_some())
    {
        return None;
    }
    let tools = tools
        .into_iter()
        .map(|tool| match Object::read(tool.get()) {
            Some(mut object) if object.get("execution").is_some() => {
                object.remove("execution");
                object.text()
            }
            _ => tool.get().to_owned(),
        });
    Some(format!("[{}]", tools.collect::<Vec<_>>().join(",")))
}

fn upgrade_error(
    frame: &Frame,
    error: &str,
    id: &Id,
    method: &str,
    capabilities: &str,
) -> UpgradedAnswer {
    let code = member_of(error, "code").and_then(|code| code.parse().ok());
    match code {
        Some(RESOURCE_NOT_FOUND) => {
            UpgradedAnswer::Plain(with_code(frame, INVALID_PARAMS).with_id(id))
        }
        Some(URL_ELICITATION_REQUIRED) => {
            let visits = visits(error);
            if visits.is_empty() || !may_ask_for_input(method) {
                UpgradedAnswer::Plain(with_code(frame, INTERNAL_ERROR).with_id(id))
            } else if declares(capabilities, "elicitation", Some("url")) {
                UpgradedAnswer::VisitFirst(visits)
            } else {
                let data = json!({"requiredCapabilities": {"elicitation": {"url": {}}}});
                let words = "The server asks for a visit to a web page first.";
                UpgradedAnswer::Plain(Frame::error(
                    Some(id),
                    MISSING_CAPABILITY,
                    words,
                    Some(&data),
                ))
            }
        }
        _ => UpgradedAnswer::Plain(frame.with_id(id)),
    }
}

fn with_code(frame: &Frame, code: i64) -> Frame {
    frame.edit(|message| message.edit("error", |error| error.set("code", code.to_string())))
}

fn visits(error: &str) -> Vec<(String, String)> {
    let listed = member_of(error, "data").and_then(|data| member_of(data, "elicitations"));
    let listed: Vec<&RawValue> = listed
        .and_then(|listed| serde_json::from_str(listed).ok())
        .unwrap_or_default();
    let visits = listed.iter().filter_map(|visit| {
        let mut params = Object::default();
        params.set("mode", r#""url""#);
        params.set(
            "message",
            member_of(visit.get(), "message").unwrap_or("\"\""),
        );
        params.set("url", member_of(visit.get(), "url")?);
        Some(input_request("elicitation/create", Some(&params.text())))
    });
    (1..)
        .map(|number: u64| number.to_string())
        .zip(visits)
        .collect()
}

/// Returns a server's request as an entry of `inputRequests`.
pub(super) fn input_request(method: &str, params: Option<&str>) -> String {
    let mut request = Object::default();
    request.set("method", Value::from(method).to_string());
    if let Some(mut params) = params.and_then(Object::read) {
        for name in ["_meta", "task", "elicitationId"] {
            params.remove(name);
        }
        if !params.is_empty() {
            request.set("params", params.text());
        }
    }
    request.text()
}

/// Returns the capability, and the part of it, that a server's request needs of its host. `None` for requests that no
/// host of this revision can be asked.
pub(super) fn needs(frame: &Frame) -> Option<(&'static str, Option<&'static str>)> {
    match frame.method()? {
        "elicitation/create" => Some((
            "elicitation",
            Some(match frame.param("mode") {
                Some(r#""url""#) => "url",
                _ => "form",
            }),
        )),
        "sampling/createMessage" => {
            let tools = frame.param("tools").or_else(|| frame.param("toolChoice"));
            Some(("sampling", tools.map(|_| "tools")))
        }
        "roots/list" => Some(("roots", None)),
        _ => None,
    }
}

/// Returns a progress notification under the host's own token (MCP 2026-07-28, basic/patterns/progress).
pub(super) fn with_progress_token(frame: &Frame, token: &str) -> Option<Frame> {
    frame.edited(|message| message.edit("params", |params| params.set("progressToken", token)))
}
