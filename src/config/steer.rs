//! The key `steer`.

use super::section::Section;
use crate::steer::{Encoding, EndpointHeader};

/// The longest name of a header, in bytes.
const MAX_HEADER: usize = 64;

/// A word for [`crate::steer::Steering`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Mode {
    Authority,
    DynamicHost,
    Endpoint(EndpointHeader),
    OriginalDst,
}

impl Mode {
    /// Whether it steers to the pods of a StatefulSet by their names.
    pub(super) fn is_by_name(&self) -> bool {
        matches!(self, Self::Authority | Self::DynamicHost)
    }

    /// As the configuration has it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Authority => "authority",
            Self::DynamicHost => "dynamic_host",
            Self::Endpoint(_) => "endpoint",
            Self::OriginalDst => "original_dst",
        }
    }
}

/// A word, or an object with the details of `endpoint`. `None` if it is wrong.
pub(super) fn read(root: &mut Section<'_>) -> Option<Mode> {
    if root.has_object("steer") {
        let mut steer = root.section("steer");
        if !steer.has("endpoint") {
            steer.wrong("endpoint", "missing; any other way to steer is a word, not an object");
            return None;
        }
        let header = read_endpoint(steer.section("endpoint"));
        steer.finish();
        return header.map(Mode::Endpoint);
    }
    if !root.has("steer") {
        return Some(Mode::Authority);
    }
    let plain =
        EndpointHeader { name: EndpointHeader::DEFAULT.to_owned(), encoding: Encoding::Base64 };
    let words = [Mode::Authority, Mode::DynamicHost, Mode::Endpoint(plain), Mode::OriginalDst];
    let choices = words.each_ref().map(|mode| (mode.name(), mode));
    root.choice("steer", &choices).cloned()
}

fn read_endpoint(mut section: Section<'_>) -> Option<EndpointHeader> {
    let (has_name, has_encoding) = (section.has("header"), section.has("encoding"));
    let name = section.text("header", is_header);
    let encoding =
        section.choice("encoding", &[("base64", Encoding::Base64), ("plain", Encoding::Plain)]);
    section.finish();
    let is_wrong = (has_name && name.is_none()) || (has_encoding && encoding.is_none());
    (!is_wrong).then(|| EndpointHeader {
        name: name.unwrap_or_else(|| EndpointHeader::DEFAULT.to_owned()),
        encoding: encoding.unwrap_or(Encoding::Base64),
    })
}

/// A header of one's own: it is removed from what clients send, so it must be none that they need.
fn is_header(name: &str) -> Result<(), String> {
    let is_token = |b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    let right = name.len() <= MAX_HEADER
        && name.len() > 2
        && name.starts_with("x-")
        && name.bytes().all(is_token)
        && !["x-forwarded", "x-envoy-", "x-request-id"].iter().any(|its| name.starts_with(its));
    right.then_some(()).ok_or_else(|| {
        format!(
            "is not a name of a-z, 0-9, - and _ of up to {MAX_HEADER} bytes that begins with x-, but \
             not with x-forwarded, x-envoy- or x-request-id"
        )
    })
}
