//! An OCI image layout (OCI Image Format Specification 1.1) of both modules: the wasm module in the two forms that
//! Istio's agent and other proxies fetch (<https://github.com/solo-io/wasm/tree/master/spec>), the dynamic module as a
//! file of an image, for the file system of a container.

use std::io::Write;

use flate2::{Compression, GzBuilder};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// What the dynamic module is called, in the root of its image.
const LIBRARY: &str = "libpodpin.so";

/// How a module is put into an image.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Form {
    /// `plugin.wasm` in a layer as any container has it. Every registry takes it.
    Compat,
    /// The module itself as a layer, of a type of its own.
    Artifact,
    /// `libpodpin.so` in a layer as any container has it, for machines of one kind.
    Native(Architecture),
}

/// A kind of machine, as OCI names it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Architecture {
    Amd64,
    Arm64,
}

impl Form {
    /// Its tag, by the version of this package.
    pub(crate) fn reference(self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        match self {
            Self::Compat => version.to_owned(),
            Self::Artifact => format!("{version}-artifact"),
            Self::Native(architecture) => format!("{version}-native-{}", architecture.name()),
        }
    }
}

impl Architecture {
    /// That of a shared library (ELF, `e_machine`).
    pub(crate) fn of(library: &[u8]) -> Option<Self> {
        let is_64_little = library.starts_with(b"\x7fELF\x02\x01");
        match library.get(18..20).filter(|_| is_64_little)? {
            [62, 0] => Some(Self::Amd64),
            [183, 0] => Some(Self::Arm64),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }
}

/// One of the annotations of OCI, `org.opencontainers.image.<name>`, and its value.
pub(crate) struct Label<'a>(pub(crate) &'static str, pub(crate) &'a str);

/// The files of a layout.
pub(crate) struct Image {
    /// Their names in the layout, and their contents.
    pub(crate) files: Vec<(String, Vec<u8>)>,
    /// The tags and digests of the manifests.
    pub(crate) digests: Vec<(String, String)>,
}

/// Lays both modules out in all forms.
pub(crate) fn of(
    wasm: &[u8],
    (library, architecture): (&[u8], Architecture),
    labels: &[Label<'_>],
) -> Result<Image, String> {
    let mut image = Image { files: Vec::new(), digests: Vec::new() };
    let labels: Map<String, Value> = labels
        .iter()
        .map(|Label(name, value)| (format!("org.opencontainers.image.{name}"), json!(value)))
        .collect();

    let compat = image.of_file("plugin.wasm", wasm, ("wasm", "wasip1"), &labels)?;
    let native = image.of_file(LIBRARY, library, (architecture.name(), "linux"), &labels)?;
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
    let forms =
        [(Form::Compat, compat), (Form::Artifact, artifact), (Form::Native(architecture), native)];
    for (form, manifest) in forms {
        let content = bytes(&manifest);
        image.digests.push((form.reference(), digest(&content)));
        let mut descriptor = image.add(MANIFEST, content);
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
    /// The manifest of an image with one file.
    fn of_file(
        &mut self,
        name: &str,
        content: &[u8],
        (architecture, os): (&str, &str),
        labels: &Map<String, Value>,
    ) -> Result<Value, String> {
        let wrong = |error| format!("{name}: {error}");
        let archive = archive(name, content).map_err(wrong)?;
        let config = json!({
            "architecture": architecture, "os": os, "config": {"Labels": labels},
            "rootfs": {"type": "layers", "diff_ids": [digest(&archive)]},
        });
        let layer = zipped(&archive).map_err(wrong)?;
        Ok(json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "annotations": labels,
            "config": self.add("application/vnd.oci.image.config.v1+json", bytes(&config)),
            "layers": [self.add("application/vnd.oci.image.layer.v1.tar+gzip", layer)],
        }))
    }

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

/// A tar of a file that belongs to nobody and has no time.
fn archive(name: &str, content: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_data(&mut header, name, content)?;
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
    const LIBRARY: (&[u8], Architecture) = (b"\x7fELF", Architecture::Amd64);

    #[test]
    fn the_same_module_gives_the_same_bytes() {
        let image = of(WASM, LIBRARY, &[Label("title", "x")]).unwrap();
        assert_eq!(image.files, of(WASM, LIBRARY, &[Label("title", "x")]).unwrap().files);
        // On every machine, for a digest is what operators write down.
        let digests: Vec<_> = image.digests.iter().map(|(_, digest)| digest.as_str()).collect();
        assert_eq!(
            digests,
            [
                "sha256:043ad14618814fea5910e45cf4140d28a9b09c72f614859bad45dec6b77c8ae1",
                "sha256:c82939ab4fa0ab4de2be76488d75434109991d55883d98f4c2361f4e0fdc9ff1",
                "sha256:73aaccfca425262ad05f1a03a19babb3391e693b23875c6b1f39911427e44088",
            ]
        );
    }

    #[test]
    fn every_blob_has_its_digest_for_a_name_and_is_referred_to() {
        let image = of(WASM, LIBRARY, &[]).unwrap();
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
        assert_eq!(blobs, 9);
    }

    #[test]
    fn a_library_says_which_machines_it_is_for() {
        let header = |class, order, machine| {
            let mut header = b"\x7fELF".to_vec();
            header.extend([class, order]);
            header.resize(18, 0);
            header.extend([machine, 0]);
            header
        };
        assert_eq!(Architecture::of(&header(2, 1, 62)), Some(Architecture::Amd64));
        assert_eq!(Architecture::of(&header(2, 1, 183)), Some(Architecture::Arm64));
        for other in [header(2, 1, 3), header(1, 1, 62), header(2, 2, 62), b"\x7fELF".to_vec()] {
            assert_eq!(Architecture::of(&other), None, "{other:?}");
        }
        let tags: Vec<_> = of(WASM, LIBRARY, &[]).unwrap().digests;
        assert!(tags[2].0.ends_with("-native-amd64"), "{tags:?}");
    }
}
