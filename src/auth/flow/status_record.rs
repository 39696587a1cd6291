//! The status of a sign-in that processes share: the page that waits, the end of the last attempt, the times of
//! windows.
//!
//! One note beside the vault for each account at each server. The process that holds the lock writes it; every process may
//! read it. It holds no token and no code, but it does hold the address of a page that is waiting, and so is private like
//! the vault. An attempt has an unguessable name: a process that finds another name in the note has been superseded.
//!
//! Windows are counted when they have been shown, and for the settings that they were shown for: what a user has changed
//! is worth another attempt. Other versions of this program read and write the same note, so members are only ever added.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::auth::error::{Cause, WINDOW_PERIOD};
use crate::auth::settings::{Browser, Settings};
use crate::secret::Secret;

/// Windows shown unasked in that time for the same settings, by all processes together.
const WINDOWS: usize = 3;
/// And for all settings together: two hosts with different settings, or versions, do not take turns for ever.
const ALL_WINDOWS: usize = 3 * WINDOWS;
/// Settings that the note remembers windows for.
const MOST_SETTINGS: usize = 8;

/// All that is known of the sign-ins of one account at one server. Times are seconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::auth) struct StatusRecord {
    /// Which attempt this is about.
    pub(in crate::auth) attempt: String,
    /// The phase of the attempt.
    pub(in crate::auth) phase: Phase,
    /// When windows were shown, for whichever settings.
    windows: Vec<u64>,
    /// The end of the last attempt if the user ended it, and its time; for whichever settings, and read by older versions only.
    abandoned: Option<(u64, FailedAttempt)>,
    /// When a person last signed in.
    pub(in crate::auth) signed_in_at: Option<u64>,
    /// The limits on further attempts, by the settings of the attempts ([`fingerprint`]).
    #[serde(rename = "brakes")]
    limits: BTreeMap<String, AttemptLimits>,
    /// Until when the listener of the last attempt may still hold its port, for a browser that comes again.
    pub(in crate::auth) listens_until: Option<u64>,
}

/// The outcome of the attempts with the same settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct AttemptLimits {
    /// When windows were shown.
    shown: Vec<u64>,
    /// The end of the last attempt if the user ended it, and its time.
    abandoned: Option<(u64, FailedAttempt)>,
    /// The end of the last attempt without tokens.
    last: Option<FailedAttempt>,
}

/// The phase of an attempt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::auth) enum Phase {
    /// There is none, or it was given up without a reason.
    #[default]
    Idle,
    /// Nothing to see yet.
    #[serde(rename = "begun")]
    Started,
    /// A person is waited for.
    #[serde(rename = "shown")]
    WaitingForUser(WaitingPage),
    /// The tokens are in the vault.
    Done,
    /// There are none.
    #[serde(rename = "ended")]
    Failed(FailedAttempt),
}

/// The page that waits for the user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::auth) struct WaitingPage {
    /// The start page; with a code, where to type it.
    pub(in crate::auth) url: String,
    /// The authorization server.
    pub(in crate::auth) host: String,
    /// To be typed there (RFC 8628).
    pub(in crate::auth) user_code: Option<String>,
    /// True if a browser was started on it.
    pub(in crate::auth) opened: bool,
    /// Until when the code is good; older versions do not say.
    #[serde(default)]
    pub(in crate::auth) code_good_until: Option<u64>,
}

/// The reason why there are no tokens, in words for the user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::auth) struct FailedAttempt {
    pub(in crate::auth) text: String,
    pub(in crate::auth) hint: Option<String>,
    pub(in crate::auth) is_passing: bool,
}

impl FailedAttempt {
    pub(in crate::auth) fn cause(&self) -> Cause {
        Cause::OtherProcessFailed {
            text: self.text.clone(),
            hint: self.hint.clone(),
            is_passing: self.is_passing,
        }
    }
}

impl StatusRecord {
    /// Reads a note. One that cannot be read says nothing.
    pub(in crate::auth) fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    pub(in crate::auth) fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Says whether the attempt it is about is over.
    pub(in crate::auth) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Idle | Phase::Done | Phase::Failed(_))
    }

    /// Returns the attempt that the user ended a short while ago, with these settings: a window that was closed does not come
    /// back unasked.
    pub(in crate::auth) fn abandoned(&self, settings: &str, now: u64) -> Option<&FailedAttempt> {
        let abandoned = self.limits.get(settings)?.abandoned.as_ref();
        let recent = abandoned.filter(|(at, _)| now < at + WINDOW_PERIOD);
        recent.map(|(_, ended)| ended)
    }

    /// Returns the number of windows that were shown of late with these settings, and the end of the last, if no more are
    /// to be shown.
    pub(in crate::auth) fn too_many_windows(
        &self,
        settings: &str,
        now: u64,
    ) -> Option<(usize, Option<&FailedAttempt>)> {
        let recent = |times: &[u64]| times.iter().filter(|at| now < **at + WINDOW_PERIOD).count();
        let limits = self.limits.get(settings);
        let shown = limits.map_or(0, |limits| recent(&limits.shown));
        let all = recent(&self.windows);
        let last = limits.and_then(|limits| limits.last.as_ref());
        (shown >= WINDOWS || all >= ALL_WINDOWS).then_some((shown.max(WINDOWS), last))
    }

    /// A window has been shown.
    pub(in crate::auth) fn note_window(&mut self, settings: &str, now: u64) {
        self.windows.retain(|at| now < at + WINDOW_PERIOD);
        self.windows.push(now);
        let limits = self.limits_of(settings, now);
        limits.shown.retain(|at| now < at + WINDOW_PERIOD);
        limits.shown.push(now);
    }

    /// The user asks for a window: what was before does not count any more.
    pub(in crate::auth) fn reset_limits(&mut self) {
        self.windows.clear();
        self.abandoned = None;
        self.limits.clear();
    }

    pub(in crate::auth) fn succeed(&mut self, settings: &str, now: u64) {
        self.phase = Phase::Done;
        self.signed_in_at = Some(now);
        self.abandoned = None;
        let limits = self.limits_of(settings, now);
        limits.abandoned = None;
        limits.last = None;
    }

    pub(in crate::auth) fn fail(
        &mut self,
        ended: FailedAttempt,
        is_abandoned: bool,
        settings: &str,
        now: u64,
    ) {
        let is_shown = matches!(self.phase, Phase::WaitingForUser(_));
        let limits = self.limits_of(settings, now);
        if is_shown {
            limits.last = Some(ended.clone());
        }
        if is_abandoned {
            limits.abandoned = Some((now, ended.clone()));
            self.abandoned = Some((now, ended.clone()));
        }
        self.phase = Phase::Failed(ended);
    }

    fn limits_of(&mut self, settings: &str, now: u64) -> &mut AttemptLimits {
        self.limits
            .retain(|name, limits| name == settings || limits.is_recent(now));
        while self.limits.len() >= MOST_SETTINGS && !self.limits.contains_key(settings) {
            self.limits.pop_first();
        }
        self.limits.entry(settings.to_owned()).or_default()
    }
}

impl AttemptLimits {
    fn is_recent(&self, now: u64) -> bool {
        let abandoned = self.abandoned.iter().map(|(at, _)| at);
        self.shown
            .iter()
            .chain(abandoned)
            .any(|at| now < at + WINDOW_PERIOD)
    }
}

/// Names all settings that may decide how a sign-in ends, this version among them. The note is no vault: of a secret no
/// more goes in than tells whether it is the same, and too little to guess it by.
pub(in crate::auth) fn fingerprint(settings: &Settings) -> String {
    let secret = |secret: &Option<Secret>| {
        let secret = secret.as_ref()?;
        let hash = Sha256::digest(secret.expose().as_bytes());
        Some(
            hash.iter()
                .take(2)
                .fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte)),
        )
    };
    let key = settings.client_key.as_ref().map(|key| {
        let algorithm = key.algorithm.map(crate::auth::oauth::jws::Algorithm::name);
        (algorithm, format!("{:?}", key.audience))
    });
    let shows = matches!(settings.browser, Browser::System | Browser::Command(_));
    let who = (
        &settings.client_id,
        secret(&settings.client_secret),
        key,
        settings
            .client_method
            .map(crate::auth::client::Method::name),
        secret(&settings.registration_token),
        &settings.client_metadata_url,
        serde_json::to_string(&settings.client_metadata).unwrap_or_default(),
        &settings.client_name,
    );
    let what = (
        settings.scope.as_ref().map(ToString::to_string),
        &settings.resource_parameter,
        settings.send_resource,
        &settings.authorize_params,
        &settings.token_params,
        &settings.refresh_params,
        settings.use_id_token,
        format!("{:?}", settings.dpop),
    );
    let whom = (
        (&settings.authorization_server, &settings.expected_issuer),
        settings.token_endpoint.as_ref().map(url::Url::as_str),
        settings.assume_pkce,
        settings.allow_http,
        settings.allow_private,
    );
    let where_to = (
        settings.callback_port,
        &settings.callback_host,
        &settings.callback_path,
        &settings.redirect_uri,
        settings.device_code,
        shows,
    );
    let text = serde_json::to_string(&(env!("CARGO_PKG_VERSION"), who, what, whom, where_to));
    let hash = Sha256::digest(text.unwrap_or_default().as_bytes());
    let short: Vec<String> = hash
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    short.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended() -> FailedAttempt {
        FailedAttempt {
            text: "nobody came".to_owned(),
            hint: None,
            is_passing: false,
        }
    }

    #[test]
    fn a_note_that_cannot_be_read_says_nothing() {
        for text in ["", "{", "[]", r#"{"phase":"elsewhere"}"#, "null"] {
            assert_eq!(StatusRecord::read(text), StatusRecord::default(), "{text}");
        }
        let mut record = StatusRecord {
            attempt: "a".to_owned(),
            ..StatusRecord::default()
        };
        record.note_window("x", 7);
        record.fail(ended(), true, "x", 8);
        assert_eq!(StatusRecord::read(&record.write()), record);
    }

    #[test]
    fn brakes_let_go_after_ten_minutes_or_at_the_users_word() {
        let mut record = StatusRecord::default();
        for now in [0, 1, 2] {
            assert_eq!(record.too_many_windows("x", now), None);
            record.note_window("x", now);
        }
        record.phase = Phase::WaitingForUser(WaitingPage {
            url: "http://as.example.com".to_owned(),
            host: "as.example.com".to_owned(),
            user_code: None,
            opened: true,
            code_good_until: None,
        });
        record.fail(ended(), true, "x", 2);
        assert_eq!(record.too_many_windows("x", 599), Some((3, Some(&ended()))));
        assert!(record.abandoned("x", 601).is_some());
        assert_eq!(record.too_many_windows("x", 600), None);
        assert!(record.abandoned("x", 602).is_none());
        record.reset_limits();
        assert_eq!(record.too_many_windows("x", 3), None);
        assert!(record.abandoned("x", 3).is_none());
    }

    #[test]
    fn what_was_tried_with_other_settings_holds_nothing_back_until_it_is_too_much() {
        let mut record = StatusRecord::default();
        for now in 0..3 {
            record.note_window("x", now);
        }
        record.fail(ended(), true, "x", 3);
        assert!(record.abandoned("y", 4).is_none());
        for settings in ["y", "z"] {
            assert_eq!(record.too_many_windows(settings, 4), None, "{settings}");
            for now in 0..3 {
                record.note_window(settings, now);
            }
        }
        assert!(record.too_many_windows("another", 4).is_some());
        for number in 0..20 {
            record.note_window(&number.to_string(), 5);
        }
        assert!(record.limits.len() <= MOST_SETTINGS);
    }

    /// Written by the version before brakes were counted for each of the settings, and read by it.
    #[test]
    fn an_older_version_beside_this_one_reads_the_note_and_is_read() {
        let old = r#"{"attempt":"a","phase":{"ended":{"text":"t","hint":null,"is_passing":false}},"windows":[1,2,3],"abandoned":[3,{"text":"t","hint":null,"is_passing":false}],"signed_in_at":9}"#;
        let record = StatusRecord::read(old);
        assert_eq!(
            (record.attempt.as_str(), record.signed_in_at),
            ("a", Some(9))
        );
        assert_eq!(
            (record.too_many_windows("x", 4), record.abandoned("x", 4)),
            (None, None)
        );
        let mut record = StatusRecord::default();
        record.note_window("x", 7);
        record.fail(ended(), true, "x", 8);
        let written: serde_json::Value = serde_json::from_str(&record.write()).unwrap();
        assert_eq!(written["windows"], serde_json::json!([7]));
        assert_eq!(written["abandoned"][0], 8);
    }

    /// Versions that run side by side during an upgrade read each other's notes: a member or a word that is renamed here
    /// is lost to one of them.
    #[test]
    fn the_note_is_written_with_these_words() {
        let ended = || FailedAttempt {
            text: "It was refused.".to_owned(),
            hint: Some("Ask again.".to_owned()),
            is_passing: true,
        };
        let limits = AttemptLimits {
            shown: vec![6, 7],
            abandoned: Some((8, ended())),
            last: Some(ended()),
        };
        let record = |phase| StatusRecord {
            attempt: "a1".to_owned(),
            phase,
            windows: vec![1, 2],
            abandoned: Some((3, ended())),
            signed_in_at: Some(4),
            limits: BTreeMap::from([("s".to_owned(), limits.clone())]),
            listens_until: Some(5),
        };
        let is_ended = r#"{"text":"It was refused.","hint":"Ask again.","is_passing":true}"#;
        let shown = WaitingPage {
            url: "https://as.example/".to_owned(),
            host: "as.example".to_owned(),
            user_code: Some("ABCD-EFGH".to_owned()),
            opened: true,
            code_good_until: Some(9),
        };
        for (phase, word) in [
            (Phase::Idle, r#""idle""#),
            (Phase::Started, r#""begun""#),
            (
                Phase::WaitingForUser(shown),
                r#"{"shown":{"url":"https://as.example/","host":"as.example","user_code":"ABCD-EFGH","opened":true,"code_good_until":9}}"#,
            ),
            (Phase::Done, r#""done""#),
            (
                Phase::Failed(ended()),
                &format!(r#"{{"ended":{is_ended}}}"#),
            ),
        ] {
            let wanted = format!(
                r#"{{"attempt":"a1","phase":{word},"windows":[1,2],"abandoned":[3,{is_ended}],"signed_in_at":4,"brakes":{{"s":{{"shown":[6,7],"abandoned":[8,{is_ended}],"last":{is_ended}}}}},"listens_until":5}}"#
            );
            let record = record(phase);
            assert_eq!(record.write(), wanted);
            assert_eq!(StatusRecord::read(&wanted), record);
        }
    }
}
