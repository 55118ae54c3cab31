//! A bill of materials (CycloneDX 1.5, JSON) of what a module is made of, as `cargo tree` says
//! it: of packages and features that other parts of the workspace need, a module has nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// What `cargo tree` is asked, for [`of`] to understand it, beside the package of the module.
pub(crate) const TREE: [&str; 9] = [
    "tree",
    "--locked",
    "--edges=normal",
    "--no-dedupe",
    "--charset=ascii",
    "--prefix=depth",
    "--format",
    " {p}\t{l}",
    "--quiet",
];

/// A package of the tree.
#[derive(Clone, Eq, Ord, PartialEq, PartialOrd)]
struct Package<'a> {
    name: &'a str,
    version: &'a str,
    license: &'a str,
}

impl Package<'_> {
    /// Its package URL, by which the bill refers to it.
    fn url(&self) -> String {
        format!("pkg:cargo/{}@{}", self.name, self.version)
    }

    fn component(&self) -> Value {
        let mut component = json!({
            "type": "library", "bom-ref": self.url(), "purl": self.url(),
            "name": self.name, "version": self.version,
        });
        // Some packages still write `MIT/Apache-2.0`, which is no SPDX expression.
        let license = self.license.replace('/', " OR ");
        if let Some(component) = component.as_object_mut() {
            component.insert("licenses".to_owned(), json!([{"expression": license}]));
        }
        component
    }
}

/// The bill of the module with this digest, from what `cargo tree` said.
pub(crate) fn of(tree: &str, sha256: &str) -> Result<Vec<u8>, String> {
    let mut needs: BTreeMap<Package<'_>, BTreeSet<Package<'_>>> = BTreeMap::new();
    let mut path: Vec<Package<'_>> = Vec::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let (depth, package) = read(line).ok_or_else(|| format!("cargo tree: {line:?}"))?;
        path.truncate(depth);
        if let Some(parent) = path.last() {
            needs.entry(parent.clone()).or_default().insert(package.clone());
        }
        needs.entry(package.clone()).or_default();
        path.push(package);
    }
    let root = path.first().ok_or("cargo tree says nothing")?.clone();
    let mut module = root.component();
    if let Some(module) = module.as_object_mut() {
        module.insert("type".to_owned(), json!("application"));
        module.insert("hashes".to_owned(), json!([{"alg": "SHA-256", "content": sha256}]));
    }
    let components: Vec<_> =
        needs.keys().filter(|package| **package != root).map(Package::component).collect();
    let urls = |packages: &BTreeSet<Package<'_>>| packages.iter().map(Package::url).collect();
    let dependencies: Vec<_> = needs
        .iter()
        .map(|(package, needed)| -> (_, Vec<_>) { (package.url(), urls(needed)) })
        .map(|(package, needed)| json!({"ref": package, "dependsOn": needed}))
        .collect();
    let bill = json!({
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": {"component": module}, "components": components, "dependencies": dependencies,
    });
    Ok(format!("{bill:#}\n").into_bytes())
}

/// A line: how deep it is, and the package. Behind its version there may be where it comes from.
fn read(line: &str) -> Option<(usize, Package<'_>)> {
    let (depth, rest) = line.split_once(' ')?;
    let (package, license) = rest.split_once('\t')?;
    let mut words = package.split(' ');
    let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
    Some((depth.parse().ok()?, Package { name, version, license }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_package_is_listed_once_with_what_it_needs() {
        let tree = "0 m v1.0.0 (/a path)\tApache-2.0\n1 b v2.0.0\tMIT/Apache-2.0\n2 c v3.0.0\tMIT\n\
                    1 c v3.0.0\tMIT\n";
        let bill: Value = serde_json::from_slice(&of(tree, "00").unwrap()).unwrap();
        assert_eq!(bill["metadata"]["component"]["bom-ref"], "pkg:cargo/m@1.0.0");
        assert_eq!(bill["components"].as_array().unwrap().len(), 2);
        assert_eq!(bill["components"][0]["licenses"][0]["expression"], "MIT OR Apache-2.0");
        let needed = |name| {
            let all = bill["dependencies"].as_array().unwrap();
            all.iter().find(|one| one["ref"] == name).unwrap()["dependsOn"].clone()
        };
        assert_eq!(needed("pkg:cargo/m@1.0.0"), json!(["pkg:cargo/b@2.0.0", "pkg:cargo/c@3.0.0"]));
        assert_eq!(needed("pkg:cargo/b@2.0.0"), json!(["pkg:cargo/c@3.0.0"]));
        assert_eq!(needed("pkg:cargo/c@3.0.0"), json!([]));
    }

    #[test]
    fn what_is_no_tree_is_refused() {
        for tree in ["", "m v1.0.0\tMIT", "x m v1.0.0\tMIT", "0 m 1.0.0\tMIT", "0 m v1.0.0"] {
            assert!(of(tree, "00").is_err(), "{tree:?}");
        }
    }
}
