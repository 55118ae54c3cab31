//! HTTP as far as it matters: header maps, what a request says, edits, and local replies.

mod edit;
mod headers;
mod packed;
mod paths;
mod replace;
mod reply;
mod request;

pub use edit::Edit;
pub use headers::{HeaderMap, status};
pub use packed::Packed;
pub use paths::Paths;
pub use reply::Reply;
pub use request::Head;
