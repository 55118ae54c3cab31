//! A VM that dies takes its exchanges along, but no session: pins lie outside of it.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use axum::body::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body_util::{BodyExt, Full};
use kit::bootstrap::MODULE;
use kit::client::{Ask, Session};
use kit::root;
use kit::wait::until;
use reqwest::Body;
use tempfile::TempDir;
use wasmparser::{Parser, Payload, TypeRef};

/// The callback in which the module of this test dies. No other request here has trailers.
const DEADLY: &str = "proxy_on_request_trailers";

/// No input is known that ends the VM, so the module is changed to have one.
#[tokio::test(flavor = "multi_thread")]
async fn a_vm_that_dies_is_replaced_and_its_sessions_go_on() {
    let (_directory, module) = deadly_module();
    let setup = super::changed(|example| example.with_module(&module)).await;

    let (origin, url) = (setup.envoy.url(""), setup.envoy.url("/mcp"));
    let mut sessions = Vec::new();
    for _ in 0..6 {
        sessions.push(Session::open(reqwest::Client::new(), &url).await.expect("a session opens"));
    }
    for deaths in 1..=3 {
        for session in &sessions {
            assert_eq!(session.count().await.expect("no session is lost"), deaths);
        }
        assert_eq!(send_trailers(&url).await.unwrap(), StatusCode::SERVICE_UNAVAILABLE);
        // Envoy replaces a VM on the first request that comes long enough after the last time.
        until("the VM to be replaced", || async {
            // A new connection may lead to the other worker.
            let elsewhere =
                Ask::get().at("/elsewhere").send(&reqwest::Client::new(), &origin).await;
            elsewhere.expect("a response");
            let stats = setup.envoy.stats("vm_reload_success").await.ok()?;
            (stats["wasm.podpin.vm_reload_success"] == u64::from(deaths)).then_some(())
        })
        .await;
    }
    for session in &sessions {
        assert_eq!(session.count().await.expect("no session is lost"), 4);
    }
    assert_eq!(setup.envoy.counter("unknown").await, 0);
}

/// What is answered to a request that the VM does not outlive.
pub(crate) async fn send_trailers(url: &str) -> Result<StatusCode> {
    let body = Full::new(Bytes::from_static(b"{}")).with_trailers(async { Some(Ok(trailers())) });
    let http = reqwest::Client::builder().http2_prior_knowledge().build()?;
    Ok(http.post(url).body(Body::wrap(body)).send().await?.status())
}

fn trailers() -> HeaderMap {
    HeaderMap::from_iter([(HeaderName::from_static("x-end"), HeaderValue::from_static("1"))])
}

/// A file of the module that dies on [`send_trailers`], and the directory that goes with it.
pub(crate) fn deadly_module() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let module = directory.path().join("podpin.wasm");
    let built = fs::read(root().join(MODULE)).expect("the module is built");
    fs::write(&module, with_trap(built).expect("the module has the callback")).unwrap();
    (directory, module)
}

/// The module with a trap in the place of [`DEADLY`]. Lengths stay, so nothing else changes.
fn with_trap(mut module: Vec<u8>) -> Result<Vec<u8>> {
    const UNREACHABLE: u8 = 0x00;
    const NOP: u8 = 0x01;
    let (mut imported, mut deadly, mut bodies) = (0, None, Vec::new());
    for payload in Parser::new(0).parse_all(&module) {
        match payload? {
            Payload::ImportSection(section) => {
                let imports = section.into_imports().collect::<Result<Vec<_>, _>>()?;
                imported = imports.iter().filter(|i| matches!(i.ty, TypeRef::Func(_))).count();
            }
            Payload::ExportSection(section) => {
                let exports = section.into_iter().collect::<Result<Vec<_>, _>>()?;
                deadly = exports.iter().find(|e| e.name == DEADLY).map(|e| e.index as usize);
            }
            Payload::CodeSectionEntry(body) => bodies.push(body.range()),
            _ => {}
        }
    }
    let body = &bodies[deadly.context("no such callback")? - imported];
    let body = usize::try_from(body.start)?..usize::try_from(body.end)?;
    let [locals, first, rest @ .., _] = module.get_mut(body).context("no body")? else {
        bail!("an empty body");
    };
    *locals = 0;
    *first = UNREACHABLE;
    rest.fill(NOP);
    Ok(module)
}
