//! How tables are laid out in shared data: under which keys, in which format, in how many buckets.
//!
//! | key | holds |
//! |---|---|
//! | `podpin/<scope>/sizes` | the numbers of buckets in use with format 1, newest first, as `u32` |
//! | `podpin/<scope>/<size>/<n>` | a bucket of format 1 |
//! | `podpin/<scope>/2/sizes` | the same for format 2 |
//! | `p2/<scope64><size>/<n>` | a bucket of format 2 |
//!
//! `<scope>` is the first 32 bits of [`Scope::own_key`] in hex digits, `<scope64>` the first 64 bits of it in 11 characters of
//! base64url. A format has keys of its own, so that an older module never meets what it cannot read.
//!
//! The key of a bucket of format 2 has its numbers in digits of 6 bits each, and so up to 22 bytes for a million
//! sessions: these lie within Envoy's own entry (a `std::string` of libc++), and take no heap.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

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
    /// Of buckets of format 2.
    short: String,
}

impl Names {
    pub(super) fn new(scope: &Scope) -> Self {
        let [first, _] = scope.own_key().halves();
        let short = format!("p2/{}", URL_SAFE_NO_PAD.encode(first.to_be_bytes()));
        Self { prefix: format!("podpin/{}/", scope.own_key()), short }
    }

    /// The key of the bucket to which half a session's key leads.
    pub(super) fn bucket(&self, layout: Layout, half: u64) -> String {
        let size = layout.size.max(1);
        let number = (half % u64::from(size)) as u32;
        match layout.format {
            Format::One => [&self.prefix, &*size.to_string(), "/", &number.to_string()].concat(),
            // Made for each look-up: this allocates once.
            Format::Two => {
                let mut name = String::with_capacity(self.short.len() + 13);
                name.push_str(&self.short);
                push_digits(&mut name, size);
                name.push('/');
                push_digits(&mut name, number);
                name
            }
        }
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

/// Writes a number in base 64, the lowest digit first. The digits are the characters from `0` to `o`.
fn push_digits(to: &mut String, mut number: u32) {
    loop {
        to.push(char::from(b'0' + (number % 64) as u8));
        number /= 64;
        if number == 0 {
            return;
        }
    }
}

fn sizes_in(found: &Option<(Vec<u8>, Version)>) -> Vec<u32> {
    let bytes = found.as_ref().map(|(bytes, _)| bytes.as_slice()).unwrap_or_default();
    let (sizes, _) = bytes.as_chunks();
    sizes.iter().map(|size| u32::from_be_bytes(*size)).take(SIZES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_million_sessions_have_keys_that_take_no_heap_and_are_all_different() {
        let names = Names::new(&Scope::new("prod/tools"));
        // What `Table::new` makes of a capacity of a million, and a smaller one.
        let mut all = BTreeSet::new();
        for size in [93_750, 64] {
            let layout = Layout { format: Format::Two, size };
            let keys = (0..u64::from(size)).map(|number| names.bucket(layout, number));
            for key in keys {
                assert!(key.len() <= 22, "{key}");
                assert!(all.insert(key));
            }
        }
        assert_eq!(all.len(), 93_750 + 64);
    }

    #[test]
    fn the_keys_of_buckets_never_change() {
        let names = Names::new(&Scope::new("prod/tools"));
        let key = |format, size, half| names.bucket(Layout { format, size }, half);
        assert_eq!(key(Format::One, 93_750, 93_749), "podpin/761410fb/93750/93749");
        assert_eq!(key(Format::Two, 93_750, 93_749), "p2/dhQQ-6qg1VwfhF/ehF");
        assert_eq!(key(Format::Two, 64, 64), "p2/dhQQ-6qg1Vw01/0");
    }

    #[test]
    fn no_digits_stand_for_two_numbers() {
        let digits = |number| {
            let mut text = String::new();
            push_digits(&mut text, number);
            text
        };
        assert_eq!(["0", "1", "o", "01"].map(str::to_owned), [0, 1, 63, 64].map(digits));
        assert_eq!(digits(u32::MAX), "ooooo3");
    }
}
