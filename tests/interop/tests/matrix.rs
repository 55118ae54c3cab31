//! Every client with every server: straight to a pod, and through Podpin to three of them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use kit::bootstrap::Bootstrap;
use kit::interop::{Client, Program, Server, Transport};
use kit::mode::Mode;
use kit::wait::until;
use serde_json::Value;

use crate::script::{Feature, Run, SESSIONS};
use crate::{Cluster, by_hand, page};

/// Each server behind an Envoy that reaches pods in one of the ways there are.
const SERVERS: [(Server, Transport, Mode); 9] = [
    (Server::Rmcp, Transport::StreamableHttp, Mode::Endpoint),
    (Server::Python2, Transport::StreamableHttp, Mode::Authority),
    (Server::Python2, Transport::Json, Mode::DynamicHost),
    (Server::Python2, Transport::Sse, Mode::Authority),
    (Server::Python1, Transport::StreamableHttp, Mode::OverrideHost),
    (Server::Everything, Transport::StreamableHttp, Mode::OriginalDst),
    (Server::Everything, Transport::Sse, Mode::Endpoint),
    (Server::Go, Transport::StreamableHttp, Mode::DynamicHost),
    (Server::Go, Transport::Sse, Mode::Authority),
];

/// A line of the access log: a request, the session that it is of, and where it went.
const LOG: &str = "%REQ(:METHOD)% %RESPONSE_CODE% %UPSTREAM_HOST% %REQ(MCP-SESSION-ID)% \
    %RESP(MCP-SESSION-ID)% %PATH(WQ:ORIG_OR_PATH)%\n";

#[tokio::test(flavor = "multi_thread")]
async fn every_client_gets_the_same_of_every_server_as_without_podpin() -> Result<()> {
    let clients = Client::ALL.map(|client| Program::client(client).map(|it| (client, it)));
    let mut clients = clients.into_iter().collect::<Result<Vec<_>>>()?;
    let mut rows = Vec::new();
    for (server, transport, mode) in SERVERS {
        let cluster = Cluster::start(mode, server, transport, with_sessions_in_log).await?;
        let straight = format!("http://{}:{}", cluster.ips[0], cluster.port);
        let mut cells = vec![page::server(server, transport)?, named(mode)];
        let mut opened = 0;
        for (client, program) in &mut clients {
            if !Client::of(transport).any(|it| it == *client) {
                cells.push("no HTTP+SSE".to_owned());
                continue;
            }
            let start = std::time::Instant::now();
            let pair = format!("{client:?} and {server:?} over {transport:?}");
            let url = |origin: &str| format!("{origin}{}", transport.path());
            let mut run = |url: &str| Run::of((*client, &mut *program), server, transport, url);
            let alone = run(&url(&straight))?;
            let through = run(&url(&cluster.envoy.url("")))?;
            opened += SESSIONS;
            let works = through.compared(&alone, &pair)?;
            println!("{pair}: {} in {:?}", letters(&works, transport), start.elapsed());
            cells.push(letters(&works, transport));
        }
        each_on_one_pod(&cluster, transport, opened).await?;
        cells.push(by_hand::resumed_alike(&cluster, &straight).await?);
        rows.push(cells);
    }
    let names: Result<Vec<_>> = Client::ALL.map(page::client).into_iter().collect();
    let heading = [
        vec!["server".to_owned(), "steered by".to_owned()],
        names?,
        vec!["HTTP by hand".to_owned()],
    ];
    page::same("pairs", &page::table(&heading.concat(), &rows))
}

/// As a configuration names it.
fn named(mode: Mode) -> String {
    match mode.steer() {
        Value::String(name) => format!("`{name}`"),
        _ => "`endpoint`, plain".to_owned(),
    }
}

fn with_sessions_in_log(mut example: Bootstrap) -> Bootstrap {
    let format = "/access_log/0/typed_config/log_format/text_format_source/inline_string";
    *example.connection_manager().pointer_mut(format).expect("a format") = LOG.into();
    example
}

/// What works, a sign each.
fn letters(works: &BTreeMap<Feature, bool>, transport: Transport) -> String {
    // Over HTTP+SSE a session ends with its stream.
    let has = |it: &Feature| {
        works.get(it) == Some(&true) && (transport != Transport::Sse || *it != Feature::End)
    };
    let signs = Feature::ALL.map(|it| if has(&it) { it.letter() } else { '–' });
    signs.map(String::from).join(" ")
}

/// Every request of a session went to the pod that opened it, its end too, and they were not all on one.
async fn each_on_one_pod(cluster: &Cluster, transport: Transport, opened: usize) -> Result<()> {
    let is_over = |line: &[&str]| match transport {
        Transport::Sse => line[0] == "GET",
        _ => line[0] == "DELETE" && line[1].starts_with('2'),
    };
    // Envoy writes a line when the response has ended.
    let log = until("the access log", || async {
        let log = cluster.envoy.access_log();
        let lines = log.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        (lines.filter(|line| is_over(line)).count() >= opened).then_some(log)
    })
    .await;
    let mut pods = BTreeMap::<&str, BTreeSet<&str>>::new();
    for line in log.lines() {
        let words: Vec<_> = line.split(' ').collect();
        let [method, _, pod, asked, answered, path] = words[..] else {
            anyhow::bail!("{line:?} is no line of the log");
        };
        let session = match path.split_once('=') {
            Some((_, id)) => id,
            None if asked == "-" => answered,
            None => asked,
        };
        // A client may ask for its stream once more when its session is at its end.
        if session != "-" && (pod != "-" || method != "GET") {
            pods.entry(session).or_default().insert(pod);
        }
    }
    ensure!(pods.len() == opened, "{} sessions, not {opened}", pods.len());
    for (session, pods) in &pods {
        ensure!(pods.len() == 1 && !pods.contains("-"), "{session} was on {pods:?}:\n{log}");
    }
    let all: BTreeSet<_> = pods.values().flatten().collect();
    ensure!(all.len() == 3, "all {opened} sessions were on {all:?}");
    Ok(())
}
