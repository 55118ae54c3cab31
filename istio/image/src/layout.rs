//! An OCI image layout (OCI Image Format Specification 1.1) of a module, in the two forms that
//! Istio's agent and other proxies fetch: <https://github.com/solo-io/wasm/tree/master/spec>.

use std::io::Write;

use flate2::{Compression, GzBuilder};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// How a module is put into an image.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    /// `plugin.wasm` in a layer as any container has it. Every registry takes it.
    Compat,
    /// The module itself as a layer, of a type of its own.
    Artifact,
}

impl Form {
    /// Its tag, the version of this package.
    pub(crate) fn reference(self) -> &'static str {
        match self {
            Self::Compat => env!("CARGO_PKG_VERSION"),
            Self::Artifact => concat!(env!("CARGO_PKG_VERSION"), "-artifact"),
        }
    }
}

/// One of the annotations of OCI, `org.opencontainers.image.<name>`, and its value.
pub(crate) struct Label<'a>(pub(crate) &'static str, pub(crate) &'a str);

/// The files of a layout.
pub(crate) struct Image {
    /// Their names in the layout, and their contents.
    pub(crate) files: Vec<(String, Vec<u8>)>,
    /// The digests of the manifests, in the order of [`Form`].
    pub(crate) digests: Vec<String>,
}

/// Lays a module out in both forms.
pub(crate) fn of(wasm: &[u8], labels: &[Label<'_>]) -> Result<Image, String> {
    let mut image = Image { files: Vec::new(), digests: Vec::new() };
    let labels: Map<String, Value> = labels
        .iter()
        .map(|Label(name, value)| (format!("org.opencontainers.image.{name}"), json!(value)))
        .collect();

    let archive = archive(wasm).map_err(|error| format!("plugin.wasm: {error}"))?;
    let config = json!({
        "architecture": "wasm", "os": "wasip1", "config": {"Labels": labels},
        "rootfs": {"type": "layers", "diff_ids": [digest(&archive)]},
    });
    let layer = zipped(&archive).map_err(|error| format!("plugin.wasm: {error}"))?;
    let compat = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "annotations": labels,
        "config": image.add("application/vnd.oci.image.config.v1+json", bytes(&config)),
        "layers": [image.add("application/vnd.oci.image.layer.v1.tar+gzip", layer)],
    });

    let described = json!({"type": "envoy_proxy", "abiVersions": ["v0.2.1"], "config": null});
    let described = image.add("application/vnd.module.wasm.config.v1+json", bytes(&described));
    let artifact = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "annotations": labels,
        "config": described,
        "layers": [
            described,
            image.add("application/vnd.module.wasm.content.layer.v1+wasm", wasm.to_vec()),
        ],
    });

    let mut manifests = Vec::new();
    for (form, manifest) in [(Form::Compat, compat), (Form::Artifact, artifact)] {
        let mut descriptor = image.add(MANIFEST, bytes(&manifest));
        image.digests.extend(descriptor.get("digest").and_then(Value::as_str).map(str::to_owned));
        if let Some(descriptor) = descriptor.as_object_mut() {
            let reference = json!({"org.opencontainers.image.ref.name": form.reference()});
            descriptor.insert("annotations".to_owned(), reference);
        }
        manifests.push(descriptor);
    }
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
    image.files.push(("index.json".to_owned(), bytes(&index)));
    image.files.push(("oci-layout".to_owned(), bytes(&json!({"imageLayoutVersion": "1.0.0"}))));
    Ok(image)
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

impl Image {
    /// Adds a blob and gives its descriptor.
    fn add(&mut self, media_type: &str, content: Vec<u8>) -> Value {
        let (digest, size) = (digest(&content), content.len());
        let name = format!("blobs/{}", digest.replace(':', "/"));
        if !self.files.iter().any(|(file, _)| *file == name) {
            self.files.push((name, content));
        }
        json!({"mediaType": media_type, "digest": digest, "size": size})
    }
}

/// A tar of `plugin.wasm` that belongs to nobody and has no time.
fn archive(wasm: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut header = tar::Header::new_ustar();
    header.set_size(wasm.len() as u64);
    header.set_mode(0o644);
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_data(&mut header, "plugin.wasm", wasm)?;
    builder.into_inner()
}

/// Compressed, with no time and no name of an operating system.
fn zipped(content: &[u8]) -> std::io::Result<Vec<u8>> {
    const UNKNOWN: u8 = 255;
    let mut zip = GzBuilder::new().operating_system(UNKNOWN).write(Vec::new(), Compression::best());
    zip.write_all(content)?;
    zip.finish()
}

fn digest(content: &[u8]) -> String {
    format!("sha256:{}", hex(content))
}

/// The SHA-256 of some bytes, as hex digits.
pub(crate) fn hex(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WASM: &[u8] = b"\0asm\x01\0\0\0";

    #[test]
    fn the_same_module_gives_the_same_bytes() {
        let image = of(WASM, &[Label("title", "x")]).unwrap();
        assert_eq!(image.files, of(WASM, &[Label("title", "x")]).unwrap().files);
        // On every machine, for a digest is what operators write down.
        assert_eq!(
            image.digests,
            [
                "sha256:043ad14618814fea5910e45cf4140d28a9b09c72f614859bad45dec6b77c8ae1",
                "sha256:c82939ab4fa0ab4de2be76488d75434109991d55883d98f4c2361f4e0fdc9ff1",
            ]
        );
    }

    #[test]
    fn every_blob_has_its_digest_for_a_name_and_is_referred_to() {
        let image = of(WASM, &[]).unwrap();
        let all = image.files.iter().map(|(_, content)| String::from_utf8_lossy(content));
        let all: String = all.collect();
        let mut blobs = 0;
        for (name, content) in &image.files {
            if let Some(hex) = name.strip_prefix("blobs/sha256/") {
                assert_eq!(digest(content), format!("sha256:{hex}"));
                assert!(all.contains(&format!("\"sha256:{hex}\"")), "{name}");
                blobs += 1;
            }
        }
        assert_eq!(blobs, 6);
    }
}
