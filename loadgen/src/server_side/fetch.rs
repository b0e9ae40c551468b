//! Asking admin endpoints for `/status`: all of them at once, with one deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use serde::Serialize;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{self, DefaultConnector, NextTimeout};

use super::{Part, Status, StatusLimits};
use crate::clock;
use crate::lead::LOOK;

/// How long all answers together may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long they may take from an interruption on: what answers at once is still of use.
const PATIENCE_INTERRUPTED: Duration = Duration::from_millis(300);
/// Endpoints that are asked at a time, each by a thread.
const ASKED_MAX: usize = 32;

/// An endpoint that is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Admin {
    pub(crate) url: String,
    /// The targets of the run for which it speaks, counted from 0, ascending.
    #[serde(skip)]
    pub(crate) targets: Vec<u64>,
}

/// The number of an endpoint, and what it answered.
type Answer = (usize, Result<Status, String>);

/// Not every endpoint says what its server is.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{why}")]
pub(crate) struct Unknown {
    /// A sentence for the first that fails, or that has not answered in time.
    pub(crate) why: String,
    /// What the others say, with limits as if those that do not say had the same: no more will fit.
    pub(crate) told: Option<Box<Status>>,
}

impl From<String> for Unknown {
    fn from(why: String) -> Self {
        Self { why, told: None }
    }
}

/// Asks all of them; what they say of themselves is added up. An endpoint that swallows the request holds nobody up
/// for long, an interruption least of all.
///
/// # Errors
/// [`Unknown`] where one of them does not say.
pub(crate) fn fetch_all(admins: &[Admin], interrupted: &AtomicBool) -> Result<Status, Unknown> {
    fetch_within(admins, interrupted, PATIENCE)
}

fn fetch_within(admins: &[Admin], interrupted: &AtomicBool, patience: Duration) -> Result<Status, Unknown> {
    let mut deadline_ns = clock::now_ns() + nanoseconds(patience);
    let (answers, answered) = mpsc::channel();
    let urls: Arc<[String]> = admins.iter().map(|admin| admin.url.clone()).collect();
    let next = Arc::new(AtomicUsize::new(0));
    for asking in 0..admins.len().min(ASKED_MAX) {
        let (urls, next, answers) = (Arc::clone(&urls), Arc::clone(&next), answers.clone());
        // Nobody joins it: it ends at the deadline at the latest.
        let started = thread::Builder::new()
            .name("status".to_owned())
            .spawn(move || ask_in_turn(&urls, &next, deadline_ns, patience, &answers));
        match started {
            Ok(_) => {}
            // Fewer ask one after another.
            Err(_) if asking > 0 => break,
            Err(error) => {
                let why = format!(
                    "the server's status could not be read: no thread: {error}; allow this user more processes (ulimit -u, \
                     or pids.max of the container) or more memory (ulimit -v)"
                );
                return Err(why.into());
            }
        }
    }
    drop(answers);
    let mut told: Vec<Option<Result<Status, String>>> = vec![None; admins.len()];
    let mut hurries = false;
    while told.iter().any(Option::is_none) {
        let now_ns = clock::now_ns();
        if !hurries && interrupted.load(Ordering::Relaxed) {
            hurries = true;
            deadline_ns = deadline_ns.min(now_ns + nanoseconds(PATIENCE_INTERRUPTED));
        }
        let left_ns = deadline_ns.saturating_sub(now_ns);
        let wait = if left_ns == 0 { Duration::ZERO } else { LOOK.min(Duration::from_nanos(left_ns)) };
        match answered.recv_timeout(wait) {
            Ok((at, status)) => told[at] = Some(status),
            Err(RecvTimeoutError::Timeout) if left_ns > 0 => {}
            Err(_) => break,
        }
    }
    let silent = |admin: &Admin| match hurries {
        true => format!("interrupted before {} answered", url(&admin.url)),
        false => not_in_time(&admin.url, patience),
    };
    let told = told.into_iter().zip(admins);
    let answers = told.map(|(told, admin)| (admin.clone(), told.unwrap_or_else(|| Err(silent(admin)))));
    together(answers.collect())
}

/// What all of them say of themselves.
fn together(answers: Vec<(Admin, Result<Status, String>)>) -> Result<Status, Unknown> {
    let (mut told, mut silent) = (Vec::new(), Vec::new());
    for (admin, answer) in answers {
        match answer {
            Ok(status) => told.push(Part { status, admin }),
            Err(why) => silent.push(why),
        }
    }
    let parts = distinct(told);
    let servers: Vec<Status> = parts.iter().map(|part| part.status.clone()).collect();
    let count = servers.len() + silent.len();
    let shared = (count > 1).then(|| StatusLimits::shared(&servers, count as u64));
    let all = servers.into_iter().reduce(|mut all, other| {
        all.add(&other);
        all
    });
    let all = all.map(|all| match shared {
        Some(limits) => all.of_several(limits, parts),
        None => all,
    });
    match silent.into_iter().next() {
        Some(why) => Err(Unknown { why, told: all.map(Box::new) }),
        None => all.ok_or_else(|| Unknown::from("no admin endpoint is known".to_owned())),
    }
}

/// One server may listen at several addresses.
fn distinct(told: Vec<Part>) -> Vec<Part> {
    told.into_iter().fold(Vec::new(), |mut distinct: Vec<Part>, part| {
        match distinct.iter_mut().find(|other| part.status.is_same_process(&other.status)) {
            Some(same) => {
                same.admin.targets.extend(part.admin.targets);
                same.admin.targets.sort_unstable();
            }
            None => distinct.push(part),
        }
        distinct
    })
}

/// Asks one endpoint after another that nobody else asks, until none is left or nobody listens any more.
fn ask_in_turn(
    admins: &[String],
    next: &AtomicUsize,
    deadline_ns: u64,
    patience: Duration,
    answers: &Sender<Answer>,
) {
    while let Some((at, admin)) = {
        let at = next.fetch_add(1, Ordering::Relaxed);
        admins.get(at).map(|admin| (at, admin))
    } {
        let left_ns = deadline_ns.saturating_sub(clock::now_ns());
        if left_ns == 0 {
            return;
        }
        let status = fetch_status(admin, Duration::from_nanos(left_ns), patience);
        if answers.send((at, status)).is_err() {
            return;
        }
    }
}

/// Resolves names on the thread that asks. To keep to a deadline ureq starts one for it, and panics where there can be none;
/// nobody waits for ours beyond the deadline.
#[derive(Debug, Default)]
struct OnThisThread(DefaultResolver);

impl Resolver for OnThisThread {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        self.0.resolve(uri, config, NextTimeout { after: transport::time::Duration::NotHappening, ..timeout })
    }
}

/// Asks for `/status`; `patience` is what is told of a silent one.
///
/// # Errors
/// A sentence that names the URL and what happened.
fn fetch_status(admin: &str, left: Duration, patience: Duration) -> Result<Status, String> {
    let url = url(admin);
    let config = ureq::Agent::config_builder().timeout_global(Some(left)).proxy(None);
    let agent = ureq::Agent::with_parts(config.build(), DefaultConnector::default(), OnThisThread::default());
    let told = |error: ureq::Error| match error {
        ureq::Error::Timeout(_) => not_in_time(admin, patience),
        ureq::Error::Io(error) => format!("{url}: {error}"),
        ureq::Error::Json(_) => not_ours(&url),
        ureq::Error::Protocol(_) | ureq::Error::Http(_) => {
            format!(
                "{url}: what came is not HTTP, and a status as JSON was expected; check --admin (host, port)"
            )
        }
        ureq::Error::StatusCode(status) => {
            format!(
                "{url} answered with HTTP {status}, and a status as JSON was expected; check --admin (host, port)"
            )
        }
        error => format!("{url}: {error}"),
    };
    let status = agent.get(&url).call().and_then(|mut response| response.body_mut().read_json::<Status>());
    let status = status.map_err(told)?;
    if status.pid.is_none() && status.version.is_none() {
        return Err(not_ours(&url));
    }
    status.believable().map_err(|problem| format!("{url}: {problem}"))
}

fn url(admin: &str) -> String {
    format!("{admin}/status")
}

fn not_ours(url: &str) -> String {
    format!("{url} is not the admin endpoint of a Tickring server; check --admin")
}

fn not_in_time(admin: &str, patience: Duration) -> String {
    format!("{} did not answer within {} s", url(admin), patience.as_secs())
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).expect("seconds")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    /// So long that no test passes by waiting for it.
    const FOR_EVER: Duration = Duration::from_secs(3_600);

    fn admin(url: &str) -> Admin {
        Admin { url: url.to_owned(), targets: vec![0] }
    }

    /// An endpoint that answers once `others` connections have been made to it.
    fn endpoint_for(others: usize) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let mut asking: Vec<_> = listener.incoming().map(Result::unwrap).take(others).collect();
            for stream in &mut asking {
                let _ = stream.read(&mut [0; 1_024]);
                stream
                    .write_all(
                        b"HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\n{\"cpu_ns\":5,\"version\":\"1\"}",
                    )
                    .unwrap();
            }
        });
        format!("http://{address}")
    }

    #[test]
    fn all_are_asked_at_once() {
        // The first gets its answer only when the second has asked, too.
        let url = endpoint_for(2);
        let status = fetch_within(&[admin(&url), admin(&url)], &AtomicBool::new(false), FOR_EVER).unwrap();
        assert_eq!(status.cpu_ns, Some(10));
    }

    #[test]
    fn more_than_are_asked_at_a_time_all_have_their_turn() {
        let admins: Vec<Admin> = (0..ASKED_MAX + 3).map(|_| admin(&endpoint_for(1))).collect();
        let status = fetch_within(&admins, &AtomicBool::new(false), FOR_EVER).unwrap();
        assert_eq!(status.cpu_ns, Some(5 * (ASKED_MAX as u64 + 3)));
    }

    #[test]
    fn an_interruption_waits_for_no_endpoint() {
        let silent = endpoint_for(1_000);
        let error = fetch_within(&[admin(&silent)], &AtomicBool::new(true), FOR_EVER).unwrap_err();
        assert_eq!(error.why, format!("interrupted before {silent}/status answered"));
    }

    #[test]
    fn a_silent_one_among_others_ends_at_the_deadline_of_all() {
        let silent = endpoint_for(1_000);
        let admins = [&endpoint_for(1), &silent, &silent, &silent].map(|url| admin(url));
        let error = fetch_within(&admins, &AtomicBool::new(false), Duration::from_secs(1)).unwrap_err();
        assert_eq!(error.why, format!("{silent}/status did not answer within 1 s"));
        assert_eq!(error.told.unwrap().cpu_ns, Some(5), "the first is not silent");
    }

    #[test]
    fn a_server_that_is_not_asked_twice_counts_once() {
        let server = |pid, max: u64, open: u64| {
            let text = serde_json::json!({
                "pid": pid, "limits": { "connections_max": max }, "totals": { "connections": { "echo": open } },
            });
            Ok::<Status, String>(serde_json::from_value(text).unwrap())
        };
        let all = |answers: Vec<Result<Status, String>>| {
            let admins = (0..).map(|target| Admin { url: format!("http://{target}"), targets: vec![target] });
            together(admins.zip(answers).collect())
        };
        let one = all(vec![server(1, 100, 50), server(1, 100, 50)]).unwrap();
        assert_eq!((one.pid, one.limits.connections_max, one.taken()), (Some(1), Some(100), 50));
        assert!(one.parts.is_empty(), "it has all of the load");
        let two = all(vec![server(1, 100, 50), server(2, 100, 0), server(1, 100, 50)]).unwrap();
        assert_eq!(
            (two.pid, two.limits.connections_max, two.taken()),
            (None, Some(200), 100),
            "50 more each"
        );
        assert_eq!(two.open(), 50);
        let parts: Vec<_> = two.parts.iter().map(|part| (part.status.pid, &part.admin.targets[..])).collect();
        assert_eq!(parts, [(Some(1), &[0, 2][..]), (Some(2), &[1])]);
        let silent = all(vec![server(1, 100, 10), Err("silent".to_owned())]).unwrap_err();
        assert_eq!(silent.to_string(), "silent");
        let told = silent.told.unwrap();
        assert_eq!((told.pid, told.limits.connections_max, told.taken()), (None, Some(200), 20));
        assert_eq!(told.parts.len(), 1);
    }

    #[test]
    fn what_is_no_http_is_said_in_words() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1_024]);
            stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n\r\n").unwrap();
        });
        let error = fetch_within(&[admin(&url)], &AtomicBool::new(false), FOR_EVER).unwrap_err();
        assert!(error.why.contains("what came is not HTTP") && !error.why.contains("pars"), "{error}");
    }

    #[test]
    fn nobody_listening_is_a_sentence() {
        let error = fetch_all(&[admin("http://127.0.0.1:1")], &AtomicBool::new(false)).unwrap_err();
        assert!(error.why.contains("http://127.0.0.1:1/status"), "{error}");
    }
}
