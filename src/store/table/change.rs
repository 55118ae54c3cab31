//! Compare-and-swap of one bucket.

use crate::host::{SharedData, Version};

use super::bucket::Bucket;
use super::entry::Format;

/// A change gives up after this many others were quicker. Each of those made progress, so with
/// any real number of worker threads this is never reached.
pub(super) const ATTEMPTS: usize = 1000;

/// What was read under one key.
pub(super) type Read = Option<(Vec<u8>, Version)>;

/// What to do with a bucket that was altered.
pub(super) enum Change<T> {
    Write(T),
    Drop(T),
}

/// The bucket is as it was: others kept changing it, or it is of a newer format.
#[derive(Debug)]
pub(super) struct Stuck;

/// Alters a bucket, again and again until no other thread came in between. `read` is what was just
/// read under `name`, if it was.
pub(super) fn change<T>(
    data: &mut dyn SharedData,
    format: Format,
    name: &str,
    read: Option<Read>,
    mut alter: impl FnMut(&mut Bucket) -> Change<T>,
) -> Result<T, Stuck> {
    let mut altered = None;
    let alter = &mut |bucket: &mut Bucket| {
        let (value, is_written) = match alter(bucket) {
            Change::Write(value) => (value, true),
            Change::Drop(value) => (value, false),
        };
        altered = Some(value);
        is_written
    };
    swap(data, format, name, read, alter)?;
    altered.ok_or(Stuck)
}

/// The same for what says whether to write. Once in the module, whatever alters.
fn swap(
    data: &mut dyn SharedData,
    format: Format,
    name: &str,
    read: Option<Read>,
    alter: &mut dyn FnMut(&mut Bucket) -> bool,
) -> Result<(), Stuck> {
    let mut read = read.unwrap_or_else(|| data.shared(name));
    for _ in 0..ATTEMPTS {
        let bytes = read.as_ref().map(|(bytes, _)| bytes.as_slice()).unwrap_or_default();
        let mut bucket = Bucket::decode(format, bytes).ok_or(Stuck)?;
        if !alter(&mut bucket) {
            return Ok(());
        }
        if data.replace(name, &bucket.encode(format), read.map(|(_, version)| version)).is_ok() {
            return Ok(());
        }
        read = data.shared(name);
    }
    Err(Stuck)
}
