//! Waiting for a fact instead of for a time.

use std::future::Future;
use std::time::{Duration, Instant};

/// Long enough for a loaded machine with two cores; only reached when something is wrong.
const LIMIT: Duration = Duration::from_secs(60);

/// Polls until `look` finds something.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(start.elapsed() < LIMIT, "waited {LIMIT:?} for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What comes of `future`, if it comes at all.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(LIMIT, future).await {
        Ok(come) => come,
        Err(_) => panic!("waited {LIMIT:?} for {what}"),
    }
}
