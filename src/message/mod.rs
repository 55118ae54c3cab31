//! The little of MCP that is read: protocol era, `initialize`, and whether its response is an error.
//!
//! Bodies are peeked at as they pass, in whatever pieces they come, and never held back. A peek
//! keeps a few bytes of state and ends as soon as it knows, or has seen its fill.

mod answer;
mod endpoint;
mod era;
mod escapes;
mod json;
mod media;
mod request;
mod response;
mod sse;
mod task;

pub use answer::RpcAnswer;
pub use endpoint::{EndpointPeek, session_in};
pub use era::{Era, is_known_version};
pub use escapes::{percent_decoded, read_freely};
pub use media::Media;
pub use request::{Opens, RequestPeek};
pub use response::ResponsePeek;
pub use task::{Found, TaskPeek};
