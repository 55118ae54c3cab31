//! The page for operators, `docs/interop.md`: the tables on it are those that the tests found.

use std::fs;
use std::sync::Mutex;

use anyhow::{Context, Result, bail, ensure};
use kit::interop::{Client, Server, Transport};
use kit::root;
use serde_json::Value;

use crate::script::name;

const PAGE: &str = "docs/interop.md";

/// Tests beside each other may write it.
static WRITING: Mutex<()> = Mutex::new(());

/// Asserts that a part of the page is `found`, or makes it so if `RECORD` is set.
pub(crate) fn same(part: &str, found: &str) -> Result<()> {
    let _writing = WRITING.lock().expect("nobody failed while writing");
    let file = root().join(PAGE);
    let page = fs::read_to_string(&file).context(PAGE)?;
    let (begin, end) = (format!("<!-- {part}: by make test-interop -->\n\n"), "\n\n<!-- end -->");
    let (before, rest) = page.split_once(&begin).with_context(|| format!("no part {part}"))?;
    let (written, after) = rest.split_once(end).with_context(|| format!("no end of {part}"))?;
    if std::env::var("RECORD").is_ok_and(|value| !value.is_empty()) {
        fs::write(&file, format!("{before}{begin}{found}{end}{after}"))?;
        return Ok(());
    }
    ensure!(
        written == found,
        "{PAGE} has of {part}\n{written}\nbut this run found\n{found}\n`make test-interop RECORD=yes` writes that"
    );
    Ok(())
}

/// Of Markdown, with lines of any length.
pub(crate) fn table(heading: &[String], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
    let rule = format!("|{}", " --- |".repeat(heading.len()));
    let rows = rows.iter().map(|cells| line(cells));
    [line(heading), rule].into_iter().chain(rows).collect::<Vec<_>>().join("\n")
}

/// A client with the version that is installed.
pub(crate) fn client(client: Client) -> Result<String> {
    let version = match client {
        Client::Rmcp => rmcp(),
        Client::Python1 => python("requirements-1.txt"),
        Client::Python2 => python("requirements-2.txt"),
        Client::TypeScript1 => javascript("sdk"),
        Client::TypeScript2 => javascript("client"),
        Client::Go => go(),
        Client::Java => java(),
    };
    Ok(format!("{} {}", name(client), version?))
}

/// The same of a server.
pub(crate) fn server(server: Server, transport: Transport) -> Result<String> {
    let named = match server {
        Server::Rmcp => client(Client::Rmcp),
        Server::Python1 => client(Client::Python1),
        Server::Python2 => client(Client::Python2),
        Server::Everything => {
            Ok(format!("TypeScript `server-everything` {}", javascript("server-everything")?))
        }
        Server::Go => client(Client::Go),
        // They take no part: their clients have no sessions.
        Server::FastMcp | Server::RmcpTasks | Server::Conformance => {
            bail!("{server:?} is on no row")
        }
    };
    let manner = match transport {
        Transport::StreamableHttp => "streamable HTTP",
        Transport::Json => "streamable HTTP, responses in JSON",
        Transport::Sse => "HTTP+SSE",
    };
    Ok(format!("{}, {manner}", named?))
}

fn read(file: &str) -> Result<String> {
    fs::read_to_string(root().join(file)).context(file.to_owned())
}

fn rmcp() -> Result<String> {
    let lock = read("Cargo.lock")?;
    let version = lock.split("name = \"rmcp\"\nversion = \"").nth(1);
    Ok(version.and_then(|it| it.split('"').next()).context("no rmcp")?.to_owned())
}

fn python(requirements: &str) -> Result<String> {
    let text = read(&format!("tests/interop/{requirements}"))?;
    Ok(text.lines().find_map(|line| line.strip_prefix("mcp==")).context("no mcp")?.to_owned())
}

fn javascript(package: &str) -> Result<String> {
    let packages: Value = serde_json::from_str(&read("tests/interop/package.json")?)?;
    let version = &packages["dependencies"][format!("@modelcontextprotocol/{package}")];
    Ok(version.as_str().context("no version")?.to_owned())
}

fn go() -> Result<String> {
    let text = read("tests/interop/go/go.mod")?;
    let version = text.split("modelcontextprotocol/go-sdk v").nth(1);
    Ok(version.and_then(|it| it.lines().next()).context("no go-sdk")?.to_owned())
}

fn java() -> Result<String> {
    let text = read("tests/interop/java/pom.xml")?;
    let version = text.split("<artifactId>mcp</artifactId>").nth(1);
    let version = version.and_then(|it| it.split(['<', '>']).nth(2)).context("no mcp")?;
    Ok(version.to_owned())
}
