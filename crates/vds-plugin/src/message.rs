//! Messages: JSON-RPC 2.0 requests, answers and notifications, one in each frame.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::CallError;

/// Most bytes of a notification.
pub const NOTIFICATION_BYTES_MAX: usize = 65_536;

const JSONRPC: &str = "2.0";

/// One message, its parameters, result or error still text.
#[derive(Clone, Debug)]
pub enum Message {
    /// A question, to be answered under its number.
    Request {
        /// The number.
        id: u64,
        /// What is asked.
        method: String,
        /// With what.
        params: Box<RawValue>,
    },
    /// News.
    Notification {
        /// Of what kind.
        method: String,
        /// The news itself.
        params: Box<RawValue>,
    },
    /// An answer.
    Answer {
        /// The number of the question.
        id: u64,
        /// What came of it.
        outcome: Result<Box<RawValue>, CallError>,
    },
}

/// A frame that is no message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// It is no JSON object with the members of a message.
    #[error("this is no message: {reason}")]
    Json {
        /// What is wrong, and where.
        reason: String,
    },
    /// It is of another version of JSON-RPC.
    #[error("this is no JSON-RPC 2.0 message")]
    Version,
    /// It is neither request nor notification nor answer, or more than one of them.
    #[error("this is neither a request nor a notification nor an answer")]
    Kind,
}

#[derive(Deserialize)]
struct Envelope {
    jsonrpc: String,
    id: Option<u64>,
    method: Option<String>,
    params: Option<Box<RawValue>>,
    result: Option<Box<RawValue>>,
    error: Option<CallError>,
}

fn nothing() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).expect("an empty object is JSON")
}

impl Message {
    /// Reads a frame's JSON.
    ///
    /// # Errors
    /// [`MessageError`] for everything else. No input panics.
    pub fn parse(json: &[u8]) -> Result<Self, MessageError> {
        let envelope: Envelope = serde_json::from_slice(json)
            .map_err(|error| MessageError::Json { reason: error.to_string() })?;
        if envelope.jsonrpc != JSONRPC {
            return Err(MessageError::Version);
        }
        let Envelope { id, method, params, result, error, .. } = envelope;
        match (id, method, result, error) {
            (Some(id), Some(method), None, None) => {
                Ok(Self::Request { id, method, params: params.unwrap_or_else(nothing) })
            }
            (None, Some(method), None, None) => {
                Ok(Self::Notification { method, params: params.unwrap_or_else(nothing) })
            }
            (Some(id), None, Some(result), None) => Ok(Self::Answer { id, outcome: Ok(result) }),
            (Some(id), None, None, Some(error)) => Ok(Self::Answer { id, outcome: Err(error) }),
            _ => Err(MessageError::Kind),
        }
    }
}

#[derive(Serialize)]
struct Outgoing<'a, T: Serialize> {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<&'a T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a CallError>,
}

impl<T: Serialize> Outgoing<'_, T> {
    const EMPTY: Self =
        Self { jsonrpc: JSONRPC, id: None, method: None, params: None, result: None, error: None };

    fn json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("types of this protocol become JSON")
    }
}

/// The JSON of a request.
pub fn request<T: Serialize>(id: u64, method: &str, params: &T) -> Vec<u8> {
    Outgoing { id: Some(id), method: Some(method), params: Some(params), ..Outgoing::EMPTY }.json()
}

/// The JSON of a notification.
pub fn notification<T: Serialize>(method: &str, params: &T) -> Vec<u8> {
    Outgoing { method: Some(method), params: Some(params), ..Outgoing::EMPTY }.json()
}

/// The JSON of an answer.
pub fn answer<T: Serialize>(id: u64, result: &T) -> Vec<u8> {
    Outgoing { id: Some(id), result: Some(result), ..Outgoing::EMPTY }.json()
}

/// The JSON of an answer that is an error.
pub fn error_answer(id: u64, error: &CallError) -> Vec<u8> {
    Outgoing::<()> { id: Some(id), error: Some(error), ..Outgoing::EMPTY }.json()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vds_model::HResult;

    use super::*;
    use crate::Nothing;

    fn check(json: &str, expected: Result<&str, &str>) {
        let found = Message::parse(json.as_bytes());
        let found = match &found {
            Ok(Message::Request { id, method, params }) => Ok(format!("? {id} {method} {params}")),
            Ok(Message::Notification { method, params }) => Ok(format!("! {method} {params}")),
            Ok(Message::Answer { id, outcome: Ok(result) }) => Ok(format!("= {id} {result}")),
            Ok(Message::Answer { id, outcome: Err(error) }) => {
                Ok(format!("x {id} {} {}", error.code, error.message))
            }
            Err(error) => Err(error.to_string().chars().take(17).collect::<String>()),
        };
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{json}");
    }

    #[test]
    fn messages_are_told_apart() {
        check(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, Ok("? 1 ping {}"));
        check(r#"{"jsonrpc":"2.0","method":"events","params":{"a":1}}"#, Ok(r#"! events {"a":1}"#));
        check(r#"{"jsonrpc":"2.0","id":7,"result":{"x":[1]}}"#, Ok(r#"= 7 {"x":[1]}"#));
        check(
            r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"no"}}"#,
            Ok("x 7 -32601 no"),
        );
        let kind = Err("this is neither a");
        check(r#"{"jsonrpc":"2.0","id":7}"#, kind);
        check(r#"{"jsonrpc":"2.0","id":7,"result":null}"#, kind);
        check(r#"{"jsonrpc":"2.0","id":7,"method":"a","result":{}}"#, kind);
        check(r#"{"jsonrpc":"1.0","id":7,"result":{}}"#, Err("this is no JSON-R"));
        let json = Err("this is no messag");
        check("[]", json);
        check(r#"[{"jsonrpc":"2.0","id":7,"result":{}}]"#, json);
        check(r#"{"jsonrpc":"2.0","id":-1,"result":{}}"#, json);
        check(r#"{"jsonrpc":"2.0","id":7,"result":{}"#, json);
        check(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)), json);
    }

    #[test]
    fn what_is_written_reads_back() {
        let bytes = request(3, "ping", &Nothing {});
        assert!(matches!(Message::parse(&bytes), Ok(Message::Request { id: 3, .. })));
        let bytes = answer(4, &Nothing {});
        assert!(matches!(Message::parse(&bytes), Ok(Message::Answer { id: 4, outcome: Ok(_) })));
        let refusal = vds_provider::Refusal::new(HResult::VDS_E_OBJECT_NOT_FOUND, "no LUN x");
        let error = CallError::from(&refusal);
        let Ok(Message::Answer { outcome: Err(found), .. }) =
            Message::parse(&error_answer(4, &error))
        else {
            panic!("an error is an answer");
        };
        assert_eq!(found, error);
        assert_eq!(found.refusal(), refusal);
    }

    proptest! {
        #[test]
        fn garbage_is_no_message(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Message::parse(&bytes).is_err());
        }

        /// Goal: whatever stands where, reading it does not panic.
        #[test]
        fn odd_members_do_not_panic(
            id in ".{0,8}", method in ".{0,8}", rest in r#"[{}\[\]":,0-9a-z]{0,40}"#,
        ) {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":{method:?},"params":{rest}}}"#);
            let _ = Message::parse(text.as_bytes());
        }
    }
}
