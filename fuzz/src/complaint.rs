//! What a check says of an observation that is made up.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What is asserted against, or nothing if all is well.
pub(crate) fn complaint(check: impl FnOnce()) -> String {
    match catch_unwind(AssertUnwindSafe(check)) {
        Ok(()) => String::new(),
        Err(panic) => match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
            (Some(text), _) => text.clone(),
            (None, Some(text)) => (*text).to_owned(),
            (None, None) => "something".to_owned(),
        },
    }
}
