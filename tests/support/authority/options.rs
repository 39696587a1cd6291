//! What the server is told to want and to answer; as it comes, it is strict and kind.

use std::collections::VecDeque;

use serde_json::{Value, json};

/// What to want and what to answer.
pub struct Options {
    /// The issuer, in metadata and `iss`; the origin unless set.
    pub issuer: Option<String>,
    /// Seconds an access token lives.
    pub lifetime: Option<u64>,
    /// Whether refresh tokens are given, and replaced at each use; a used one that comes again ends its family.
    pub gives_refresh: bool,
    pub rotates: bool,
    /// What `resource` has to be on every leg; anything goes if unset.
    pub resource: Option<String>,
    /// `iss` in the answer: `None` leaves it out.
    pub iss: Option<String>,
    /// Members put over the metadata; null takes one away.
    pub metadata: Value,
    /// What the next token requests are answered instead, status and body.
    pub token_answers: VecDeque<(u16, String)>,
    /// The status of a token answer, and members put over it as they are.
    pub token_extra: (u16, Value),
    /// Put before the other parameters that the page sends back.
    pub callback_extra: Vec<(&'static str, &'static str)>,
    /// Token requests are refused, with these fields of theirs said back.
    pub echoes: Vec<&'static str>,
    /// What registrations are answered instead.
    pub register_answers: VecDeque<(u16, String)>,
    /// `Retry-After` of those answers.
    pub register_retry_after: Option<&'static str>,
    /// Members put over a registration's answer.
    pub registration: Value,
    /// The values of `prompt` that it takes; all of them unless set.
    pub prompts: Option<&'static [&'static str]>,
    /// `error` instead of a code, for the next authorization requests.
    pub authorize_errors: VecDeque<String>,
    /// Token requests wait for `Authority::open_gate`.
    pub gated: bool,
    /// The status of the answer with a device code, and members put over it; null takes one away.
    pub device_code: (u16, Value),
    /// What those who ask about a device code are told before the tokens.
    pub device_answers: VecDeque<&'static str>,
    /// What a token answer says of the scope instead of nothing.
    pub granted: Option<String>,
    /// Takes `resource` at the page all the same.
    pub page_takes_resource: bool,
    /// With what code and explanation a `resource` is refused, on every leg.
    pub refuses_resource: Option<(&'static str, &'static str)>,
    /// What revocations are answered with instead of 200.
    pub revocation: Option<u16>,
    /// The one way it takes a client's secret, whatever was registered.
    pub takes: Option<&'static str>,
    /// Refuses clients whose `client_id` is not in the form, wherever their secret is.
    pub wants_id_in_form: bool,
    /// With what code and explanation `client_id` in the form is refused where the secret is in the header.
    pub refuses_id_beside_header: Option<(&'static str, &'static str)>,
    /// A scope it does not know.
    pub unknown_scope: Option<&'static str>,
    /// Whether it offers to bind tokens to keys, and does.
    pub offers_dpop: bool,
    pub binds: bool,
    /// A page to show before the code is given, with a link that gives it; none unless set.
    pub page: Option<fn(link: &str) -> String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            issuer: None,
            lifetime: Some(3600),
            gives_refresh: true,
            rotates: true,
            resource: None,
            iss: None,
            metadata: json!({}),
            token_answers: VecDeque::new(),
            token_extra: (200, json!({})),
            callback_extra: Vec::new(),
            echoes: Vec::new(),
            register_answers: VecDeque::new(),
            register_retry_after: None,
            registration: json!({}),
            prompts: None,
            authorize_errors: VecDeque::new(),
            gated: false,
            device_code: (200, json!({})),
            device_answers: VecDeque::new(),
            granted: None,
            page_takes_resource: false,
            refuses_resource: None,
            revocation: None,
            takes: None,
            wants_id_in_form: false,
            refuses_id_beside_header: None,
            unknown_scope: None,
            offers_dpop: false,
            binds: true,
            page: None,
        }
    }
}
