//! `--max-tools` and `--max-depth`, carried out.

use crate::bridge::enforcement::{Enforcement, Request};
use crate::frame::{Frame, member_of, string};
use crate::policy::request::Asked;
use crate::policy::{Kind, Refusal, elements};

impl Enforcement {
    /// Notes a page of the server's tools: of those that access allows, the first are shown.
    pub(super) fn note_tools(&self, page: &Frame, cursor: Option<&str>) {
        let Some(tools) = elements(page, Kind::Tools) else {
            return;
        };
        if self.state().tool_limits.is_none() {
            return;
        }
        let named = tools.into_iter().filter_map(|tool| {
            let name = member_of(tool, "name").and_then(string)?;
            Some((name, tool))
        });
        let allowed = named.filter(|(name, _)| {
            let asked = Asked::Tool(name.clone());
            self.access_before_limits(&asked).is_ok() || self.rules.dry_run
        });
        let allowed: Vec<_> = allowed.collect();
        let next = page.member_in("result", "nextCursor").and_then(string);
        let mut state = self.state();
        let limits = state.tool_limits.as_mut();
        if let Some(said) = limits.and_then(|limits| limits.take_page(cursor, &allowed, next)) {
            match self.rules.dry_run {
                true => tracing::warn!(target: "mcpipe::policy", "would be so: {said}"),
                false => tracing::warn!(target: "mcpipe::policy", "{said}"),
            }
        }
    }

    /// Decides on the depth of a call's arguments.
    ///
    /// # Errors
    /// They are nested too deep.
    pub(super) fn depth_of_arguments(
        &self,
        frame: &Frame,
        tool: Option<&str>,
    ) -> Result<(), Refusal> {
        let state = self.state();
        match (&state.tool_limits, tool, frame.param("arguments")) {
            (Some(limits), Some(tool), Some(arguments)) => limits.arguments(tool, arguments),
            _ => Ok(()),
        }
    }

    /// Returns an answer, or an error in the place of one that is nested too deep. Of a list of tools only what stands
    /// beside the tools counts: a tool that is too deep is hidden by itself.
    pub(super) fn shallow_answer(&self, frame: Frame, request: &Request) -> Frame {
        let decided = {
            let state = self.state();
            let Some(limits) = &state.tool_limits else {
                return frame;
            };
            let is_list = Kind::of(&request.method) == Some(Kind::Tools) && !frame.is_error();
            let beside = is_list.then(|| {
                frame.edit(|message| message.edit("result", |result| result.set("tools", "[]")))
            });
            let judged = beside.as_ref().unwrap_or(&frame);
            let member = if frame.is_error() { "error" } else { "result" };
            let value = judged.member(member).unwrap_or_default();
            limits.result(&request.method, request.tool.as_deref(), value)
        };
        match (self.unless_dry(decided, request), frame.id()) {
            (Err(refusal), Some(id)) => {
                self.with_correlation_id(request, refusal.error().reply(id))
            }
            _ => frame,
        }
    }
}
