//! The log of this module is Envoy's.

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::envoy;

/// Envoy's levels, by its numbers, each with the most that it lets through here.
const LEVELS: [(u32, LevelFilter); 5] = [
    (0, LevelFilter::Trace),
    (1, LevelFilter::Debug),
    (2, LevelFilter::Info),
    (3, LevelFilter::Warn),
    (4, LevelFilter::Error),
];

struct Logger;

impl Log for Logger {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let level = match record.level() {
            Level::Trace => 0,
            Level::Debug => 1,
            Level::Info => 2,
            Level::Warn => 3,
            Level::Error => 4,
        };
        envoy::log(level, &format!("podpin: {}", record.args()));
    }

    fn flush(&self) {}
}

/// To be called when the module is loaded.
pub(crate) fn start() {
    // There is one already if the module was loaded before.
    let _ = log::set_logger(&Logger);
    follow();
    std::panic::set_hook(Box::new(|panic| envoy::log(5, &format!("podpin: {panic}"))));
}

/// Logs what Envoy logs, also after its level was changed through the admin interface.
pub(crate) fn follow() {
    let level = LEVELS.into_iter().find(|(number, _)| envoy::is_logged(*number));
    log::set_max_level(level.map_or(LevelFilter::Off, |(_, level)| level));
}
