//! Errors, as Node.js sees them.

use napi::Status;
use serde_json::{Value, json};

use crate::error::{Cause, Error};
use crate::names::errors::errno_name;

/// As JSON in the only field that napi's asynchronous tasks leave to an error: its reason. `src/native/errors.ts` reads it.
impl From<Error> for napi::Error {
    fn from(error: Error) -> Self {
        Self::new(Status::GenericFailure, to_json(&error).to_string())
    }
}

fn to_json(error: &Error) -> Value {
    json!({
        "code": error.kind.code(),
        "message": error.message,
        "hint": error.hint,
        "cause": error.cause.as_ref().map(cause_to_json),
    })
}

fn cause_to_json(cause: &Cause) -> Value {
    json!({
        "source": cause.text,
        "errno": cause.errno.map(|number| json!({
            "number": number,
            "name": errno_name(-i64::from(number)),
        })),
        "probe": cause.probe,
        "deniedBy": cause.denied_by.map(|denial| denial.name()),
    })
}
