//! What the fuzz targets share: inputs, the workload that they attack, and a world of proxies around it.

#[cfg(test)]
mod complaint;
pub mod input;
pub mod message;
pub mod workload;
pub mod world;
