//! The top level of a message, looked at without building it.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::id::Id;
use super::malformed::{INVALID_REQUEST, Malformed};
use super::outline::Outline;

/// The top level of a message, borrowed from its text. The last of two members with one name counts, as in JavaScript.
#[derive(Default)]
pub(super) struct Members<'a> {
    pub(super) version: Option<Cow<'a, str>>,
    pub(super) id: Option<&'a RawValue>,
    /// The ids that do not count, in order.
    pub(super) earlier_ids: Vec<&'a RawValue>,
    method: Option<&'a RawValue>,
    result: Option<&'a RawValue>,
    error: Option<&'a RawValue>,
}

impl<'a> Members<'a> {
    /// Every `id`, in order.
    pub(super) fn ids(&self) -> Vec<&'a RawValue> {
        self.earlier_ids.iter().copied().chain(self.id).collect()
    }

    /// A `result` of `null` beside an error, or an `error` of `null` beside a result: how JSON-RPC 1.0 writes that there is
    /// none (section 1.2, "Response").
    pub(super) fn void(&self) -> Option<&'a RawValue> {
        let (result, error) = (self.result?, self.error?);
        match (result.get(), error.get()) {
            (_, "null") => Some(error),
            ("null", _) => Some(result),
            _ => None,
        }
    }

    pub(super) fn outline(self) -> Result<Outline, Malformed> {
        let id = self.id.and_then(|raw| Id::parse(raw.get()));
        let invalid = |id: Option<Id>, reason: &str| Malformed {
            id,
            code: INVALID_REQUEST,
            reason: reason.into(),
        };
        if self.version.as_deref() != Some("2.0") {
            return Err(invalid(id, r#"its "jsonrpc" is not "2.0""#));
        }
        let is_there = |member: Option<&RawValue>, other: Option<&RawValue>| {
            member.is_some_and(|member| member.get() != "null" || other.is_none())
        };
        let has_result = is_there(self.result, self.error);
        let has_error = is_there(self.error, self.result);
        match (self.method, self.id, has_result, has_error) {
            (Some(method), raw, false, false) => {
                let Ok(method) = serde_json::from_str::<String>(method.get()) else {
                    return Err(invalid(id, "its method is not a string"));
                };
                match (raw, id) {
                    // `"id": null` is how some libraries write that there is none. It is taken so where the method says
                    // that no answer is wanted; MCP forbids it as the id of a request (basic, "Requests").
                    (Some(null), None) if null.get() == "null" && is_notice(&method) => {
                        Ok(Outline::Notification {
                            method: method.into(),
                        })
                    }
                    (None, _) => Ok(Outline::Notification {
                        method: method.into(),
                    }),
                    (Some(_), Some(id)) => Ok(Outline::Request {
                        id,
                        method: method.into(),
                    }),
                    (Some(_), None) => {
                        Err(invalid(None, "its id is neither a string nor a number"))
                    }
                }
            }
            // Without an id as well: on the answer to one request it can be of no other.
            (None, _, true, false) => Ok(Outline::Response { id, failed: false }),
            (None, _, false, true) => Ok(Outline::Response { id, failed: true }),
            (Some(_), ..) => Err(invalid(id, "both a method and an answer")),
            (None, _, true, true) => Err(invalid(id, "both a result and an error")),
            (None, ..) => Err(invalid(id, "no method, result or error")),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Top;
        impl<'de> Visitor<'de> for Top {
            type Value = Members<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a JSON-RPC message")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut found = Members::default();
                while let Some(Name(name)) = map.next_key()? {
                    match name.as_ref() {
                        "jsonrpc" => {
                            let raw: &RawValue = map.next_value()?;
                            found.version = serde_json::from_str::<String>(raw.get())
                                .ok()
                                .map(Cow::Owned);
                        }
                        "id" => found
                            .earlier_ids
                            .extend(found.id.replace(map.next_value()?)),
                        "method" => found.method = Some(map.next_value()?),
                        "result" => found.result = Some(map.next_value()?),
                        "error" => found.error = Some(map.next_value()?),
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(found)
            }
        }
        deserializer.deserialize_map(Top)
    }
}

/// A key that borrows where it can. A key with a lone surrogate names no member that is known but must not spoil its
/// message.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Key;
        impl<'de> Visitor<'de> for Key {
            type Value = Name<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a name")
            }

            fn visit_borrowed_bytes<E: serde::de::Error>(
                self,
                bytes: &'de [u8],
            ) -> Result<Self::Value, E> {
                Ok(Name(String::from_utf8_lossy(bytes)))
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(
                    String::from_utf8_lossy(bytes).into_owned(),
                )))
            }

            fn visit_borrowed_str<E: serde::de::Error>(
                self,
                text: &'de str,
            ) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer
            .deserialize_bytes(Key)
            .map_err(D::Error::custom)
    }
}

/// Says whether a method is one of notifications by its name.
fn is_notice(method: &str) -> bool {
    method.starts_with("notifications/")
}

/// Finds one member of a JSON object given as text, as its JSON text. Of two with one name it is the last.
pub fn member_of<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    struct Find<'n>(&'n str);
    impl<'de> Visitor<'de> for Find<'_> {
        type Value = Option<&'de RawValue>;

        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = None;
            while let Some(Name(key)) = map.next_key()? {
                if key == self.0 {
                    found = Some(map.next_value()?);
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(found)
        }
    }
    let mut reader = serde_json::Deserializer::from_str(object);
    Deserializer::deserialize_map(&mut reader, Find(name))
        .ok()
        .flatten()
        .map(RawValue::get)
}
