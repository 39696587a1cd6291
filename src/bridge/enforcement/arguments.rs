//! `--max-arguments` and `--validate-arguments`, carried out on one call.
//!
//! Little work is done in the loop, at once. An evaluation that may be more runs on a thread of its own, with the stack that
//! it may need, for as long as [`TIME`].

use std::sync::Arc;

use crate::bridge::enforcement::Enforcement;
use crate::bridge::enforcement::schemas::{Kept, Overrun, TIME};
use crate::frame::{Frame, member_of};
use crate::policy::arguments::{Arguments, Judgement, Schema, Unjudged};
use crate::policy::{Limit, Refusal, Rule};
use crate::text::printable;

/// The bytes of arguments that are read in the loop.
const SHORT: usize = 64 * 1024;
/// The stack of a thread that compiles.
const STACK: usize = 16 << 20;

impl Enforcement {
    /// Judges the size of a call's arguments.
    pub(super) fn argument_size(&self, tool: &str, call: &Frame) -> Result<(), Refusal> {
        let limits = self.rules.max_arguments.iter();
        let limits = limits.filter(|limit| limit.is_for(tool));
        let Some(Limit { value, rule, .. }) = limits.min_by_key(|limit| limit.value) else {
            return Ok(());
        };
        let seen = call.param("arguments").map_or(0, str::len);
        if u64::try_from(seen).unwrap_or(u64::MAX) <= *value {
            return Ok(());
        }
        let tool = printable(tool, 100);
        let message = format!(
            "The policy refuses a call of {tool}: its arguments have {seen} bytes, and {value} is the most."
        );
        Err(Refusal::by(rule, message).hint("send less, or raise the limit"))
    }

    /// Judges a call's arguments by the tool's own schema.
    pub(super) async fn arguments(&self, tool: &str, call: &Frame) -> Result<(), Refusal> {
        let Some(rule) = &self.rules.validate_arguments else {
            return Ok(());
        };
        let definition = {
            let state = self.state();
            state
                .catalog
                .tool(tool)
                .and_then(|it| it.definition.clone())
        };
        let Some(definition) = definition else {
            let why = "the server's list has no such tool";
            return Err(unjudged(rule, tool, why).hint("call a tool that is listed"));
        };
        let kept = match self.schemas.kept(tool, &definition) {
            Some(kept) => kept,
            None => self.compiled(rule, tool, definition).await?,
        };
        let schema = kept.schema.clone();
        let schema =
            schema.map_err(|reason| unjudged(rule, tool, &reason.to_string()).hint(ASK))?;
        let over = || {
            let why = format!("an evaluation of its input schema takes longer than {TIME:?}");
            unjudged(rule, tool, &why).hint(ASK)
        };
        if kept.overrun.goes_on() {
            return Err(over());
        }
        let text = call.param("arguments");
        if text.is_none_or(|text| text.len() <= SHORT) {
            let read = Arguments::read(text).map_err(|reason| refused(rule, tool, &reason))?;
            if schema.is_little_work(&read) {
                return verdict(rule, tool, schema.judge(&read));
            }
        }
        let call = call.clone();
        // The stack is known when the arguments are read; reading needs little, and the first thread is a short one.
        let reading = {
            let schema = Arc::clone(&schema);
            self.schemas.aside(STACK, &kept.overrun, move || {
                let read = Arguments::read(call.param("arguments"))?;
                let stack = schema.stack(&read);
                Ok((read, stack))
            })
        };
        let read = reading.await.ok_or_else(over)?;
        let (read, stack) = read.map_err(|reason: Unjudged| refused(rule, tool, &reason))?;
        let stack = stack.ok_or_else(|| refused(rule, tool, &Unjudged::Deep))?;
        let judging = self
            .schemas
            .aside(stack, &kept.overrun, move || schema.judge(&read));
        let judged = judging.await.ok_or_else(over)?;
        verdict(rule, tool, judged)
    }

    /// Compiles the schema of a definition, and keeps it.
    async fn compiled(
        &self,
        rule: &Rule,
        tool: &str,
        definition: Arc<str>,
    ) -> Result<Kept, Refusal> {
        let overrun = Overrun::default();
        let text = Arc::clone(&definition);
        let compile = move || {
            let schema = member_of(&text, "inputSchema");
            let schema = schema.ok_or_else(|| Unjudged::Broken("the tool has none".into()))?;
            Schema::compile(schema).map(Arc::new)
        };
        let compiled = self.schemas.aside(STACK, &overrun, compile).await;
        let is_over = compiled.is_none();
        let kept = Kept {
            definition,
            schema: compiled.unwrap_or(Err(Unjudged::LargeSchema)),
            overrun,
        };
        if is_over {
            let why = format!("its input schema could not be read within {TIME:?}");
            return Err(unjudged(rule, tool, &why).hint(ASK));
        }
        self.schemas.keep(tool, kept.clone());
        Ok(kept)
    }
}

/// The hint where the server's schema is at fault.
const ASK: &str =
    "ask the server's maintainers to mend the schema, or leave --validate-arguments out";

fn verdict(rule: &Rule, tool: &str, judged: Result<Judgement, Unjudged>) -> Result<(), Refusal> {
    match judged {
        Ok(Judgement::Fit) => Ok(()),
        Ok(Judgement::Faulty(faults)) => {
            let tool = printable(tool, 100);
            let message = format!(
                "The policy refuses a call of {tool}: its arguments do not fit the tool's input schema. {faults}."
            );
            Err(Refusal::by(rule, message).hint("correct them and call again"))
        }
        Err(reason) => Err(refused(rule, tool, &reason)),
    }
}

/// The refusal of arguments that are not judged.
fn refused(rule: &Rule, tool: &str, reason: &Unjudged) -> Refusal {
    let hint = match reason {
        Unjudged::Duplicate(_) | Unjudged::Deep | Unjudged::Large => {
            "change the arguments and call again"
        }
        _ => ASK,
    };
    unjudged(rule, tool, &reason.to_string()).hint(hint)
}

fn unjudged(rule: &Rule, tool: &str, why: &str) -> Refusal {
    let tool = printable(tool, 100);
    let message = format!(
        "The policy refuses a call of {tool}: its arguments cannot be judged by the tool's input schema, for {why}."
    );
    Refusal::by(rule, message)
}
