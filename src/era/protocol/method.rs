//! The rules of each method, as a table. A method without a row has none: it passes.

use super::extension;
use super::rules::{ACKNOWLEDGED, Cacheable, Content, Method, Standing};
use crate::frame::Frame;

/// The methods of the specification itself; those of extensions are in their rows.
static METHODS: [Method; 17] = [
    // Tools are not harmless: their `idempotentHint` is a hint that nothing vouches for.
    Method::new("tools/call")
        .asking_for_input()
        .named_by("name"),
    Method::new("tools/list").cacheable(Content::Page, &["tools"]),
    Method::new("resources/read")
        .cacheable(Content::Resource, &["resources", "skills"])
        .asking_for_input()
        .named_by("uri"),
    Method::new("prompts/get")
        .harmless()
        .asking_for_input()
        .named_by("name"),
    Method::new("prompts/list").cacheable(Content::Page, &["prompts"]),
    Method::new("resources/list").cacheable(Content::Page, &["resources"]),
    Method::new("resources/templates/list").cacheable(Content::Page, &["resources"]),
    Method::new("completion/complete").harmless(),
    Method::new("server/discover").cacheable(Content::Description, &[]),
    Method::new("subscriptions/listen").standing(Standing {
        confirmed_by: ACKNOWLEDGED,
        ended_by: None,
        cursor: None,
        moved_by: None,
        event_id: None,
    }),
    Method::new("initialize").harmless().not_modern(),
    Method::new("ping").harmless().not_modern(),
    Method::new("logging/setLevel").harmless().not_modern(),
    Method::new("resources/subscribe").harmless().not_modern(),
    Method::new("resources/unsubscribe").harmless().not_modern(),
    // Tasks of 2025-11-25; the others have the names of the extension's.
    Method::new("tasks/result")
        .harmless()
        .waiting_for_work()
        .not_modern(),
    Method::new("tasks/list").harmless().not_modern(),
];

fn row(method: &str) -> Option<&'static Method> {
    let found = METHODS.iter().find(|row| row.name == method);
    found.or_else(|| extension::methods().find(|row| row.name == method))
}

/// Says whether doing it twice is doing it once. A list of anything is taken to be.
pub(crate) fn is_harmless(method: &str) -> bool {
    row(method).map_or_else(|| method.ends_with("/list"), |row| row.is_harmless)
}

/// Says whether sending a request twice is sending it once. A round with a person's answers in it
/// (MCP 2026-07-28, basic/patterns/mrtr) is not said twice without that person.
pub(crate) fn is_repeatable(request: &Frame) -> bool {
    let is_round = || {
        ["inputResponses", "requestState"]
            .iter()
            .any(|name| request.param(name).is_some())
    };
    request.method().is_some_and(is_harmless) && !is_round()
}

/// Says whether the result of a method may be `input_required` (MCP 2026-07-28, basic/patterns/mrtr). That of a method
/// without a row may.
pub(crate) fn may_ask_for_input(method: &str) -> bool {
    row(method).is_none_or(|row| row.may_ask_for_input)
}

/// Returns the rules by which the result of a method may be repeated for as long as its `ttlMs` (MCP 2026-07-28,
/// server/utilities/caching).
pub(crate) fn cacheable(method: &str) -> Option<Cacheable> {
    row(method)?.cacheable
}

/// Says whether strict hosts reject a complete result of a method that has no `ttlMs` and `cacheScope` as the
/// specification describes them.
pub(crate) fn has_cache_hints(method: &str) -> bool {
    row(method).is_some_and(|row| row.has_cache_hints)
}

/// Returns the list of which the result of a method may show more than results that were kept before it do.
pub(crate) fn overtakes(method: &str) -> Option<&'static str> {
    row(method)?.overtakes
}

/// Says whether the modern era does not have a method (MCP 2026-07-28, changelog), or only in an extension that a
/// legacy server cannot serve.
pub(crate) fn is_not_modern(method: &str) -> bool {
    row(method).is_some_and(|row| row.is_not_modern)
}

/// Returns the parameter that `Mcp-Name` repeats (MCP 2026-07-28, basic/transports/streamable-http).
pub(crate) fn name_param(method: &str) -> Option<&'static str> {
    row(method)?.name_param
}

/// Says whether the answer to a method comes when work is done that another request has begun.
pub(crate) fn waits_for_work(method: &str) -> bool {
    row(method).is_some_and(|row| row.waits_for_work)
}

/// Says whether a request of a method is sent however many the server has.
pub(crate) fn takes_no_turn(method: &str) -> bool {
    row(method).is_some_and(|row| row.waits_for_work || row.ends_work)
}

/// Returns the parameter that holds a secret, as the member of another one.
pub(crate) fn secret_param(method: &str) -> Option<(&'static str, &'static str)> {
    row(method)?.secret_param
}

/// Says whether a method has a row.
pub(crate) fn is_known(method: &str) -> bool {
    row(method).is_some()
}

/// Returns the rules of a standing request, for a method that is one by its name.
pub(crate) fn standing(method: &str) -> Option<Standing> {
    row(method)?.standing
}
