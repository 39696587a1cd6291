//! The policy, carried out: on each message of the host before the translator, and on each answer before the host.
//!
//! Messages are in the host's words here, whatever era the server speaks. The order of the checks is fixed, and stands in
//! [`Enforcement::judge`] and [`Enforcement::inbound`]. A check may have to wait, for a list that the bridge asks the server
//! for, for a lock or for a limit; the loop polls an admission once, and where it is not decided at once the request goes on
//! in a task of its own, while others pass it.

pub(super) mod admission;
mod arguments;
mod asks;
mod audit;
mod audited;
mod kept_results;
mod limits;
mod pins;
mod requests;
mod results;
mod sanitize;
mod scan;
mod schemas;
mod tool_limits;
mod turns;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bridge::enforcement::limits::CallLimits;
use crate::bridge::exchanges::ExchangeEvent;
use crate::bridge::settings::Settings;
use crate::era::protocol::META_VERSION;
use crate::frame::{Frame, Id, Object, string};
use crate::policy::request::{Asked, asked};
use crate::policy::sanitize::Sanitizer;
use crate::policy::scan::FirstSight;
use crate::policy::{Catalog, Kind, Refusal, Rules, ToolLimits, elements, trim};
use admission::Admission;
use audit::Trail;
use pins::Pinning;
pub(super) use requests::Request;

/// The policy of one run of the bridge, and what it knows of the server.
pub(super) struct Enforcement {
    rules: Rules,
    limits: CallLimits,
    audit: Option<Trail>,
    /// The way to the loop.
    events: mpsc::Sender<ExchangeEvent>,
    state: Mutex<State>,
    /// The pins, where definitions are pinned.
    pins: Option<Arc<Pinning>>,
    /// Held while the bridge asks the server for its tools: one listing at a time.
    listing: tokio::sync::Mutex<()>,
    /// The beginning of the ids of the bridge's own requests, which no host can guess.
    own: String,
    schemas: schemas::Schemas,
    results: kept_results::Results,
}

#[derive(Default)]
struct State {
    catalog: Catalog,
    /// The tools that `--max-tools` and `--max-depth` leave.
    tool_limits: Option<ToolLimits>,
    /// The names and texts that `--sanitize` has escaped.
    sanitizer: Option<Sanitizer>,
    /// The lists that have not been scanned, where definitions are judged at first sight.
    first_sight: Option<FirstSight>,
    /// The requests of the host that have passed and are not answered yet.
    requests: HashMap<Id, Request>,
    /// The requests that are not decided yet.
    held: HashMap<Id, CancellationToken>,
    /// The bridge's own requests.
    asks: HashMap<Id, oneshot::Sender<Frame>>,
    asked: u64,
    /// The `_meta` of the host's last request, for the bridge's own (MCP 2026-07-28, basic).
    meta: Option<String>,
}

impl Enforcement {
    /// Makes the policy of a run; `None` where there is nothing to enforce.
    pub(super) fn new(
        settings: &Settings,
        events: &mpsc::Sender<ExchangeEvent>,
        tracker: &TaskTracker,
        leaving: &CancellationToken,
    ) -> Option<Arc<Self>> {
        let rules = &settings.policy;
        if rules.is_empty() && settings.audit.is_none() {
            return None;
        }
        let salt = crate::random::bytes::<8>().map_or(0, u64::from_ne_bytes);
        let catalog = Catalog::new(rules.validate_arguments.is_some());
        let is_scanned = rules.pin_tools.is_some() || rules.sanitize.is_some();
        Some(Arc::new(Self {
            rules: rules.clone(),
            limits: CallLimits::new(settings),
            audit: settings.audit.as_ref().map(Trail::new),
            events: events.clone(),
            pins: Pinning::new(settings, tracker, leaving),
            state: Mutex::new(State {
                catalog,
                tool_limits: ToolLimits::new(rules),
                sanitizer: rules.sanitize.is_some().then(Sanitizer::default),
                first_sight: is_scanned.then(FirstSight::default),
                ..State::default()
            }),
            listing: tokio::sync::Mutex::new(()),
            own: format!("mcpipe-{salt:016x}-"),
            schemas: schemas::Schemas::default(),
            results: kept_results::Results::new(settings),
        }))
    }

    /// Reads what the policy needs before the host's first line is read.
    pub(super) async fn prepare(&self) {
        if let Some(pins) = &self.pins {
            pins.prepare().await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides on a message of the host. To be dropped when the host cancels the request.
    pub(super) async fn admit(self: Arc<Self>, frame: Frame) -> Admission {
        if frame.is_response() {
            self.write_answer(&frame);
            return Admission::Pass(frame, None);
        }
        let frame = self.own_names(frame);
        let mut request = Request::of(&frame);
        let account = self.begin_account(&frame, &mut request);
        if let Some(answer) = self.own_resource(&frame).await {
            if let Some(account) = account {
                account.decided();
            }
            return Admission::Answer(self.write_result(&request, answer));
        }
        let decided = self.judge(&frame, &mut request).await;
        if let Some(account) = account {
            account.decided();
        }
        match decided {
            Ok(()) => {
                let noted = frame.is_request().then(|| Box::new(request));
                Admission::Pass(frame, noted)
            }
            Err(refusal) => match frame.id().filter(|_| frame.is_request()) {
                Some(id) => {
                    let answer = answer(id, &refusal, &frame);
                    Admission::Answer(self.with_correlation_id(&request, answer))
                }
                None => Admission::Drop,
            },
        }
    }

    /// The checks of a message of the host, in their order.
    async fn judge(self: &Arc<Self>, frame: &Frame, request: &mut Request) -> Result<(), Refusal> {
        let things = match asked(frame) {
            Ok(things) => things,
            Err(unclear) => {
                self.unless_dry(Err(unclear.into()), request)?;
                Vec::new()
            }
        };
        if frame.is_request()
            && let Some(meta) = frame.param("_meta")
        {
            self.state().meta = Some(meta.to_owned());
        }
        let pinned = self.check_pins(frame, &things).await;
        self.unless_dry(pinned, request)?;
        for thing in &things {
            if let Asked::Tool(name) = thing {
                request.tool = Some(name.as_str().into());
                if self.needs_definition() {
                    let known = self.know_tools().await;
                    self.unless_dry(known, request)?;
                }
            }
            let decided = self.access(thing);
            self.unless_dry(decided, request)?;
        }
        // Sizes: `--max-arguments`, then `--max-depth`.
        if let Some(tool) = &request.tool {
            self.unless_dry(self.argument_size(tool, frame), request)?;
        }
        let decided = self.depth_of_arguments(frame, request.tool.as_deref());
        self.unless_dry(decided, request)?;
        // Arguments against the tool's own schema: `--validate-arguments`.
        if let Some(tool) = &request.tool {
            let judged = self.arguments(tool, frame).await;
            self.unless_dry(judged, request)?;
        }
        match self.limits.admit(frame).await {
            Ok(passed) => request.call = passed,
            Err(refusal) => self.unless_dry(Err(refusal), request)?,
        }
        // Last, for it says that the message is sent.
        self.write_sent(frame, request)
    }

    /// Decides on one thing by its name and its annotations, and by what else hides a tool. Lists ask it too.
    fn access(&self, thing: &Asked) -> Result<(), Refusal> {
        self.access_before_limits(thing)?;
        match (thing, &self.state().tool_limits) {
            (Asked::Tool(name), Some(limits)) => limits.decide(name),
            _ => Ok(()),
        }
    }

    /// Decides as [`Enforcement::access`] does, but for `--max-tools` and `--max-depth`, which count what is left.
    fn access_before_limits(&self, thing: &Asked) -> Result<(), Refusal> {
        if let Some(pins) = &self.pins {
            pins.permits(thing)?;
        }
        let state = self.state();
        let is_read_only = |name: &str| state.catalog.tool(name).map(|tool| tool.is_read_only);
        self.rules.asked(thing, is_read_only)
    }

    /// Says whether a rule asks for more of a tool than its name.
    fn needs_definition(&self) -> bool {
        self.rules.read_only.is_some()
            || self.rules.validate_arguments.is_some()
            || !self.rules.max_tools.is_empty()
            || !self.rules.max_depth.is_empty()
    }

    /// Returns a decision on a request, and says and audits a refusal; with `--policy-dry-run` that is all.
    fn unless_dry(&self, decided: Result<(), Refusal>, request: &Request) -> Result<(), Refusal> {
        let Err(refusal) = decided else {
            return Ok(());
        };
        let is_dry = self.rules.dry_run;
        let call = request.audited.as_ref().map(|call| call.id.as_str());
        match is_dry {
            true => {
                tracing::warn!(target: "mcpipe::policy", call, "would be refused: {}", refusal.sentence());
            }
            false => {
                tracing::warn!(target: "mcpipe::policy", call, "refused: {}", refusal.sentence());
            }
        }
        self.write_refused(request, &refusal, is_dry);
        match is_dry {
            true => Ok(()),
            false => Err(refusal),
        }
    }

    /// Takes a message on its way to the host. Returns it as the host may see it; `None` where the host may not, or where
    /// it answers a request of the bridge's own.
    pub(super) async fn inbound(self: &Arc<Self>, frame: Frame) -> Option<Frame> {
        if !frame.is_response() {
            return self.notified(frame);
        }
        let (own, request) = {
            let mut state = self.state();
            let id = frame.id();
            let own = id.and_then(|id| state.asks.remove(id));
            (own, id.and_then(|id| state.requests.remove(id)))
        };
        if let Some(own) = own {
            let _ = own.send(frame);
            return None;
        }
        let Some(mut request) = request else {
            return Some(frame);
        };
        if let Some(call) = &mut request.call {
            call.answered(&frame);
        }
        let frame = self.write_result(&request, frame);
        let frame = self.shallow_answer(frame, &request);
        let frame = match Kind::of(&request.method) {
            Some(kind) => self.list(&frame, kind, &request),
            None => self.pinned_handshake(frame, &request.method),
        };
        if matches!(&*request.method, "initialize" | "server/discover") {
            self.first_sight_of_instructions(&frame);
        }
        let frame = self.sanitized_answer(&request.method, frame);
        Some(self.limited_result(frame, &request).await)
    }

    /// Takes the answer to a handshake that is given from memory, while the server's is still to come.
    pub(super) fn early(&self, answer: Frame) -> Frame {
        let answer = match &self.pins {
            Some(pins) if !self.rules.dry_run => pins.early(answer),
            _ => answer,
        };
        let answer = self.sanitized_answer("initialize", answer);
        self.offering_resources(answer, false)
    }

    /// Takes a notification or a request of the server.
    fn notified(self: &Arc<Self>, frame: Frame) -> Option<Frame> {
        match frame.method() {
            Some("notifications/tools/list_changed") => {
                self.state().catalog.expire();
                return self.checked_anew(Kind::Tools, frame);
            }
            Some("notifications/prompts/list_changed") => {
                return self.checked_anew(Kind::Prompts, frame);
            }
            Some("notifications/resources/updated") => {
                let uri = frame.param("uri").and_then(string);
                let is_hidden = match uri {
                    Some(uri) => self.access(&Asked::Resource(uri)).is_err(),
                    // It may be about any of them.
                    None => !self.rules.resources.is_empty(),
                };
                if is_hidden && !self.rules.dry_run {
                    return None;
                }
            }
            _ => {}
        }
        self.write_question(&frame);
        Some(self.sanitized_message(frame))
    }

    /// Takes a page of a list: notes its tools, and returns it without what is hidden.
    fn list(self: &Arc<Self>, frame: &Frame, kind: Kind, request: &Request) -> Frame {
        let cursor = request.cursor.as_deref();
        self.take_pinned_page(frame, kind, cursor);
        if kind == Kind::Tools {
            self.note_page(frame, cursor);
        }
        let mut would_hide = 0;
        let trimmed = trim(frame, kind, |name, _| {
            let name = name.to_owned();
            let decided = match kind {
                Kind::Tools => self.access(&Asked::Tool(name)),
                Kind::Prompts => self.access(&Asked::Prompt(name)),
                Kind::Resources | Kind::Templates | Kind::Directory | Kind::Skills => {
                    self.access(&Asked::Resource(name))
                }
            };
            would_hide += usize::from(decided.is_err());
            decided.is_ok() || self.rules.dry_run
        });
        if self.rules.dry_run && would_hide > 0 {
            let list = kind.member();
            tracing::warn!(target: "mcpipe::policy", "would be hidden: {would_hide} of a list of {list}");
        }
        if !trimmed.hidden.is_empty() {
            let (list, hidden) = (kind.member(), trimmed.hidden.len());
            tracing::info!(list, hidden, "hidden by the policy");
            self.write_hidden(request, hidden);
        }
        self.first_sight_of_list(kind, &trimmed.frame, cursor);
        trimmed.frame
    }

    fn note_page(&self, frame: &Frame, cursor: Option<&str>) {
        if self.needs_definition()
            && let Some(tools) = elements(frame, Kind::Tools)
        {
            let next = frame.member_in("result", "nextCursor").and_then(string);
            self.state().catalog.take_page(cursor, &tools, next);
            self.note_tools(frame, cursor);
        }
    }

    /// Notes a request that is sent.
    pub(super) fn note(&self, id: &Id, request: Request) {
        self.state().requests.insert(id.clone(), request);
    }

    /// Notes that a request is not decided yet. Its task ends with the token.
    pub(super) fn hold(&self, id: &Id) -> CancellationToken {
        let token = CancellationToken::new();
        self.state().held.insert(id.clone(), token.clone());
        token
    }

    /// Says whether the request was held, and holds it no longer.
    pub(super) fn release(&self, id: &Id) -> bool {
        self.state().held.remove(id).is_some()
    }

    /// Forgets a request that the host has cancelled. Says whether it was held, and so has not been sent.
    pub(super) fn cancel(&self, id: &Id) -> bool {
        let held = self.state().held.remove(id);
        if let Some(token) = &held {
            token.cancel();
        }
        held.is_some()
    }

    /// Forgets a request that is owed no answer any more.
    pub(super) fn forget(&self, id: &Id) {
        let request = self.state().requests.remove(id);
        if let Some(request) = request {
            self.write_unanswered(&request, "cancelled");
        }
    }

    /// Returns the requests that are not decided yet, and so have not been sent.
    pub(super) fn held(&self) -> Vec<Id> {
        self.state().held.keys().cloned().collect()
    }
}

/// Returns the answer to a request that is refused.
fn answer(id: &Id, refusal: &Refusal, request: &Frame) -> Frame {
    if !refusal.as_result || request.method() != Some("tools/call") {
        return refusal.error().reply(id);
    }
    let said = match &refusal.hint {
        Some(hint) => format!("{} {}", refusal.sentence(), crate::text::capitalised(hint)),
        None => refusal.sentence(),
    };
    let mut result = Object::default();
    let content = serde_json::json!([{ "type": "text", "text": said }]);
    result.set("content", content.to_string());
    result.set("isError", "true");
    if request.meta(META_VERSION).is_some() {
        // MCP 2026-07-28, basic, "Result types".
        result.set("resultType", "\"complete\"");
    }
    Frame::result(id, &result.text())
}
