//! How tables are laid out in shared data: under which keys, in which format, in how many buckets.
//!
//! | key | holds |
//! |---|---|
//! | `podpin/<scope>/sizes` | the numbers of buckets in use with format 1, newest first, as `u32` |
//! | `podpin/<scope>/<size>/<n>` | a bucket of format 1 |
//! | `podpin/<scope>/2/sizes` | the same for format 2 |
//! | `podpin/<scope>/2/<size>/<n>` | a bucket of format 2 |
//!
//! `<scope>` is [`Scope::own_key`]. A format has keys of its own, so that an older module never
//! meets what it cannot read.

use crate::host::{SharedData, Version};
use crate::session::Scope;

use super::change::ATTEMPTS;
use super::entry::Format;

/// How many sizes are remembered of a format, the newest first.
const SIZES: usize = 4;

/// A format and a number of buckets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Layout {
    pub(super) format: Format,
    pub(super) size: u32,
}

/// The keys of one scope in shared data.
#[derive(Debug)]
pub(super) struct Names {
    prefix: String,
}

impl Names {
    pub(super) fn new(scope: &Scope) -> Self {
        Self { prefix: format!("podpin/{}/", scope.own_key()) }
    }

    /// The key of the bucket to which half a session's key leads.
    pub(super) fn bucket(&self, layout: Layout, half: u64) -> String {
        let size = layout.size.max(1);
        let format = match layout.format {
            Format::One => "",
            Format::Two => "2/",
        };
        let number = half % u64::from(size);
        // Made for each look-up: this allocates once where a format does so many times.
        [&self.prefix, format, &size.to_string(), "/", &number.to_string()].concat()
    }

    fn sizes(&self, format: Format) -> String {
        match format {
            Format::One => format!("{}sizes", self.prefix),
            Format::Two => format!("{}2/sizes", self.prefix),
        }
    }

    /// The layouts in use with a format, the newest first.
    pub(super) fn layouts(&self, data: &dyn SharedData, format: Format) -> Vec<Layout> {
        let sizes = sizes_in(&data.shared(&self.sizes(format)));
        sizes.into_iter().map(|size| Layout { format, size }).collect()
    }

    /// Lists a layout as the newest of its format.
    pub(super) fn list(&self, data: &mut dyn SharedData, layout: Layout) {
        let name = self.sizes(layout.format);
        for _ in 0..ATTEMPTS {
            let found = data.shared(&name);
            let mut sizes = sizes_in(&found);
            if sizes.first() == Some(&layout.size) {
                return;
            }
            sizes.retain(|size| *size != layout.size);
            sizes.insert(0, layout.size);
            sizes.truncate(SIZES);
            let value: Vec<u8> = sizes.iter().flat_map(|size| size.to_be_bytes()).collect();
            if data.replace(&name, &value, found.map(|(_, version)| version)).is_ok() {
                return;
            }
        }
    }
}

fn sizes_in(found: &Option<(Vec<u8>, Version)>) -> Vec<u32> {
    let bytes = found.as_ref().map(|(bytes, _)| bytes.as_slice()).unwrap_or_default();
    let (sizes, _) = bytes.as_chunks();
    sizes.iter().map(|size| u32::from_be_bytes(*size)).take(SIZES).collect()
}
