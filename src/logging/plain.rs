//! Events as sentences, for commands whose user reads stderr: no time, no level, no `key=value`.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The format `Warning: the message (name: value).`
pub(super) struct Plain;

impl<S, N> FormatEvent<S, N> for Plain
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut said = Said::default();
        event.record(&mut said);
        let Said { message, details } = said;
        write!(out, "Warning: {message}")?;
        if !details.is_empty() {
            write!(out, " ({details})")?;
        }
        writeln!(
            out,
            "{}",
            if message.ends_with(['.', '!', '?']) {
                ""
            } else {
                "."
            }
        )
    }
}

#[derive(Default)]
struct Said {
    message: String,
    details: String,
}

impl Said {
    fn detail(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let comma = if self.details.is_empty() { "" } else { ", " };
        // The reason of a fault needs no name.
        let _ = match field.name() {
            "error" | "why" => write!(self.details, "{comma}{value}"),
            name => write!(self.details, "{comma}{}: {value}", name.replace('_', " ")),
        };
    }
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.detail(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        } else {
            self.detail(field, format_args!("{value:?}"));
        }
    }
}
