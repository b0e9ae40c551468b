//! The admin endpoint and the drain against made-up workers.

mod overload;
mod recordings;
mod roster;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::thread;

use hdrhistogram::Histogram;
use tokio::sync::mpsc::channel;

use super::*;
use crate::config::Inputs;
use crate::limits::Machine;
use crate::report::{ConnectionStates, RingReport, Seats, Traffic, Withheld};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a made-up worker takes questions.
enum Manner {
    /// Answers from a thread of its own.
    Answers(std::sync::mpsc::Sender<oneshot::Sender<WorkerReport>>),
    /// Keeps the questions.
    Silent(Mutex<Vec<oneshot::Sender<WorkerReport>>>),
    Full,
    Ended,
}

struct Fake {
    manner: Manner,
    asked: Arc<AtomicUsize>,
    /// Drain commands still to be refused, and the deadlines of those taken.
    drains_refused: AtomicUsize,
    drained: Arc<Mutex<Vec<u32>>>,
}

impl Fake {
    fn new(manner: Manner) -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        Self { manner, asked, drains_refused: AtomicUsize::new(0), drained: Arc::new(Mutex::new(Vec::new())) }
    }

    fn answering(worker: usize) -> Self {
        let (questions, asked) = std::sync::mpsc::channel::<oneshot::Sender<WorkerReport>>();
        thread::spawn(move || {
            for question in asked {
                // A caller that went away is no failure of the worker.
                let _gone = question.send(report(worker));
            }
        });
        Self::new(Manner::Answers(questions))
    }
}

impl Line for Fake {
    fn ask(&self, answer: oneshot::Sender<WorkerReport>) -> bool {
        self.asked.fetch_add(1, Ordering::SeqCst);
        match &self.manner {
            Manner::Answers(questions) => questions.send(answer).is_ok(),
            Manner::Silent(kept) => {
                kept.lock().unwrap().push(answer);
                true
            }
            Manner::Full => false,
            Manner::Ended => true,
        }
    }

    fn rooms(&self, after: &str, rooms_max: usize, answer: oneshot::Sender<Vec<RoomReport>>) -> bool {
        roster::answer_rooms(&self.manner, after, rooms_max, answer)
    }

    fn kick(&self, room: &str, player: PlayerId, answer: oneshot::Sender<Kicked>) -> bool {
        roster::answer_kick(&self.manner, room, player, answer)
    }

    fn drain(&self, _deadline_ns: u64, back_after_ms: u32) -> bool {
        let refuse =
            self.drains_refused.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if refuse.is_err() {
            self.drained.lock().unwrap().push(back_after_ms);
        }
        refuse.is_err()
    }

    fn depth(&self) -> usize {
        3
    }
}

fn report(worker: usize) -> WorkerReport {
    let mut lateness_ns = Histogram::new(3).unwrap();
    lateness_ns.record(200_000).unwrap();
    lateness_ns.record(3_000_000).unwrap();
    WorkerReport {
        worker,
        connections: ConnectionStates { playing: 5, echo: 1, ..ConnectionStates::default() },
        rooms: 2,
        players: 5,
        seats_held: 2,
        seats: Seats { resumes: 3, tokens_used: 4, ..Seats::default() },
        overload: overload::REPORTED,
        traffic: Traffic { accepts: 7, bytes_in: 1_000, ..Traffic::default() },
        closes: vec![(1_000, "leave", 1), (0, "reset", 2)],
        inputs: vec![("accepted", 40), ("late", 1)],
        withheld: Withheld { cells_put_off: 8, spectator_left_out: 9 },
        ring: RingReport { enters: 11, ..RingReport::default() },
        mailbox_depth: 0,
        pool_bytes: 4_096,
        steps: 600,
        steps_missed: 1,
        lateness_ns: lateness_ns.clone(),
        step_ns: lateness_ns.clone(),
        encode_ns: lateness_ns,
    }
}

fn config() -> ServerConfig {
    let machine =
        Machine { descriptors_soft: 1_024, descriptors_hard: 1_024, parallelism: 2, cpus: vec![0, 1] };
    crate::config::load(&Inputs::default(), &machine).unwrap().config
}

/// An admin endpoint over made-up workers; ends when dropped.
struct Served {
    address: SocketAddr,
    ready: Arc<AtomicBool>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn serve(fakes: Vec<Fake>) -> Served {
    serve_at("127.0.0.1:0", fakes)
}

fn serve_at(address: &'static str, fakes: Vec<Fake>) -> Served {
    let lines: Lines = fakes.into_iter().map(|fake| Box::new(fake) as Box<dyn Line>).collect();
    let ready = Arc::new(AtomicBool::new(true));
    let (stop, stopped) = oneshot::channel::<()>();
    let (tell, told) = std::sync::mpsc::channel();
    let shared = Arc::clone(&ready);
    let thread = thread::spawn(move || {
        let runtime = tokio_uring::Runtime::new(&tokio_uring::builder()).unwrap();
        runtime.block_on(async {
            let clock = Clock::start();
            let roster = Roster::new(Arc::clone(&lines), |room, workers| room.len() % workers);
            let admin =
                Admin::new(&config(), Reports::new(lines, clock), roster, recordings::tally(), shared, clock);
            tell.send(admin.start(TcpListener::bind(address).unwrap()).unwrap()).unwrap();
            let _dropped = stopped.await;
        });
    });
    Served { address: told.recv().unwrap(), ready, stop: Some(stop), thread: Some(thread) }
}

/// One request; the status code and everything after the head.
fn get(address: SocketAddr, path: &str) -> (u16, String) {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: admin\r\n\r\n"))
}

fn ask(address: SocketAddr, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let code = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (code, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

#[test]
fn health_and_readiness_differ_while_draining() {
    let served = serve(vec![Fake::answering(0)]);
    assert_eq!(get(served.address, "/healthz").0, 200);
    assert_eq!(get(served.address, "/readyz"), (200, "ready\n".to_owned()));
    served.ready.store(false, Ordering::SeqCst);
    assert_eq!(get(served.address, "/readyz"), (503, "draining\n".to_owned()));
    assert_eq!(get(served.address, "/healthz").0, 200);
    assert_eq!(get(served.address, "/nowhere").0, 404);
}

#[test]
fn metrics_hold_every_worker_with_labels() {
    let served = serve(vec![Fake::answering(0), Fake::answering(1)]);
    let (code, page) = get(served.address, "/metrics");
    assert_eq!(code, 200);
    for line in [
        "tickring_build_info{version=\"0.1.0\",game=\"arena\"} 1",
        "tickring_ready 1",
        "tickring_worker_answers{worker=\"1\"} 1",
        "tickring_mailbox_depth{worker=\"0\"} 3",
        "tickring_accepts_total{worker=\"1\"} 7",
        "tickring_connections{worker=\"0\",state=\"playing\"} 5",
        "tickring_closes_total{worker=\"0\",code=\"0\",cause=\"reset\"} 2",
        "tickring_inputs_total{worker=\"1\",outcome=\"late\"} 1",
        "tickring_ticks_missed_total{worker=\"0\"} 1",
        "tickring_cells_put_off_total{worker=\"1\"} 8",
        "tickring_spectator_left_out_total{worker=\"1\"} 9",
        "tickring_seats_held{worker=\"1\"} 2",
        "tickring_seat_resumes_total{worker=\"0\"} 3",
        "tickring_tokens_refused_total{worker=\"1\",reason=\"used\"} 4",
        "tickring_tick_lateness_seconds_bucket{le=\"0.00025\",worker=\"0\"} 1",
        "tickring_tick_lateness_seconds_bucket{le=\"0.001\",worker=\"0\"} 1",
        "tickring_tick_lateness_seconds_bucket{le=\"+Inf\",worker=\"0\"} 2",
        "tickring_tick_step_seconds_count{worker=\"1\"} 2",
    ] {
        assert!(page.lines().any(|found| found == line), "no line {line} in\n{page}");
    }
    assert!(page.ends_with("# EOF\n"));
}

#[test]
fn status_sums_over_workers_and_carries_the_histogram() {
    let served = serve(vec![Fake::answering(0), Fake::answering(1)]);
    let (code, page) = get(served.address, "/status");
    let page: serde_json::Value = serde_json::from_str(&page).unwrap();
    assert_eq!(code, 200);
    assert_eq!(page["totals"]["accepts"], 14);
    assert_eq!(page["totals"]["connections"]["playing"], 10);
    assert_eq!(page["totals"]["inputs"]["accepted"], 80);
    assert_eq!(
        page["totals"]["tokens_refused"],
        serde_json::json!({ "used": 8, "expired": 0, "unknown": 0 })
    );
    assert_eq!(page["totals"]["closes"][0], serde_json::json!({ "code": 0, "cause": "reset", "count": 4 }));
    assert_eq!(page["workers"][1]["ring"]["enters"], 11);
    assert_eq!(page["tick"]["steps"], 1_200);
    assert_eq!(page["tick"]["lateness_us"]["count"], 4);
    assert!(page["cpu_ns"].as_u64().unwrap() > 0 && page["memory"]["rss_bytes"].as_u64().unwrap() > 0);
    assert_eq!(page["limits"]["workers"], 2);
    assert!(page["tick"]["lateness_hdr"].as_str().unwrap().len() > 20);
    assert_eq!(page["workers_silent"], serde_json::json!([]));
}

#[test]
fn a_worker_that_does_not_answer_is_named_and_asked_once() {
    let silent = Fake::new(Manner::Silent(Mutex::new(Vec::new())));
    let asked = Arc::clone(&silent.asked);
    let served = serve(vec![Fake::answering(0), silent, Fake::new(Manner::Full), Fake::new(Manner::Ended)]);
    for _ in 0..2 {
        let (code, page) = get(served.address, "/status");
        let page: serde_json::Value = serde_json::from_str(&page).unwrap();
        assert_eq!(code, 503);
        assert_eq!(page["workers"].as_array().unwrap().len(), 1);
        let silent = page["workers_silent"].as_array().unwrap();
        let named: Vec<_> = silent
            .iter()
            .map(|one| (one["worker"].as_u64().unwrap(), one["why"].as_str().unwrap()))
            .collect();
        assert_eq!(named, [(1, "no answer within 1 s"), (2, "its mailbox is full"), (3, "it has ended")]);
    }
    assert_eq!(
        asked.load(Ordering::SeqCst),
        1,
        "the open question stays open instead of filling the mailbox"
    );
    let (code, page) = get(served.address, "/metrics");
    assert_eq!(code, 200);
    assert!(page.contains("tickring_worker_answers{worker=\"1\"} 0"), "{page}");
    assert!(!page.contains("tickring_accepts_total{worker=\"1\"}"), "{page}");
}

#[test]
fn many_scrapes_at_once_ask_the_workers_a_few_times() {
    let fake = Fake::answering(0);
    let asked = Arc::clone(&fake.asked);
    let served = serve(vec![fake]);
    let mut streams: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect(served.address).unwrap()).collect();
    for stream in &mut streams {
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: admin\r\n\r\n").unwrap();
    }
    for mut stream in streams {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    // Fifty questions would be asked if each scrape asked for itself.
    assert!(asked.load(Ordering::SeqCst) < 50);
}

#[test]
fn garbage_and_endless_requests_do_not_stop_the_endpoint() {
    let served = serve(vec![Fake::answering(0)]);
    let endless_head = [b"GET /healthz HTTP/1.1\r\n".as_slice(), &b"X: y\r\n".repeat(200_000)].concat();
    let big_body =
        [b"POST /status HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n".as_slice(), &[b'x'; 1 << 20]].concat();
    let garbage: Vec<u8> = (0..100_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    for bytes in [endless_head.as_slice(), &big_body, &garbage, b"\x16\x03\x01\x02\x00", b"\r\n\r\n\r\n", b""]
    {
        let mut stream = TcpStream::connect(served.address).unwrap();
        // The endpoint may hang up in the middle; then the rest cannot be written or read.
        let _refused = stream.write_all(bytes).and_then(|()| stream.shutdown(Shutdown::Write));
        let mut answer = Vec::new();
        let _reset = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(get(served.address, "/healthz").0, 200);
}

#[test]
fn what_is_refused_is_answered_before_the_connection_is_closed() {
    let served = serve(vec![Fake::answering(0)]);
    let path = [b"GET /".as_slice(), &[b'x'; 100_000], b" HTTP/1.1\r\n\r\n"].concat();
    let head = [b"GET / HTTP/1.1\r\n".as_slice(), &b"X: y\r\n".repeat(50_000)].concat();
    let body =
        [b"POST /status HTTP/1.1\r\nContent-Length: 200000\r\n\r\n".as_slice(), &[b'x'; 200_000]].concat();
    let http2 = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &[0; 1_000]].concat();
    let garbage = [b"\x16\x03\x01\x02\x00".as_slice(), &[0x80; 100_000]].concat();
    let cases = [(path, 414), (head, 431), (body, 405), (http2, 505), (garbage, 400)];
    for (request, code) in cases {
        for pieces_bytes in [request.len(), 10_000] {
            let mut stream = TcpStream::connect(served.address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            for piece in request.chunks(pieces_bytes) {
                stream.write_all(piece).unwrap_or_else(|error| panic!("{code}: writing: {error}"));
            }
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap_or_else(|error| panic!("{code}: reading: {error}"));
            assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")), "{code}: {answer:?}");
            assert!(answer.to_lowercase().contains("connection: close\r\n"), "{answer:?}");
        }
    }
    assert_eq!(get(served.address, "/healthz").0, 200);
}

#[test]
fn silent_clients_lose_their_place_to_a_health_check() {
    let served = serve(vec![Fake::answering(0)]);
    // More than there are places, none of which ever sends a request.
    let idle: Vec<TcpStream> = (0..80).map(|_| TcpStream::connect(served.address).unwrap()).collect();
    assert_eq!(get(served.address, "/healthz").0, 200);
    // The oldest was cut off for it, without having sent anything and long before its time.
    let mut nothing = Vec::new();
    idle[0].set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    assert!(matches!((&idle[0]).read_to_end(&mut nothing), Ok(0)));
}

/// Drains one made-up worker on a fresh runtime.
fn drained(fake: Fake, drain_timeout: Duration, ends: bool) -> Result<Exit, ServerError> {
    let config = ServerConfig { drain_timeout, ..config() };
    let taken = Arc::clone(&fake.drained);
    let lines: Lines = [Box::new(fake) as Box<dyn Line>].into_iter().collect();
    let runtime = tokio_uring::Runtime::new(&tokio_uring::builder()).unwrap();
    runtime.block_on(async {
        let mut signals = Signals::subscribe().unwrap();
        let (end, mut finished) = channel(16);
        tokio_uring::spawn(async move {
            while ends && taken.lock().unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert!(taken.lock().unwrap().iter().all(|back_after_ms| *back_after_ms == 5_000));
            if ends {
                end.try_send(0).unwrap();
            }
            std::future::pending::<()>().await;
        });
        drain(&config, &mut signals, &lines, &mut finished, Clock::start()).await
    })
}

#[test]
fn a_drain_gets_through_a_full_mailbox_and_ends_with_the_worker() {
    let fake = Fake::new(Manner::Full);
    fake.drains_refused.store(3, Ordering::SeqCst);
    assert_eq!(drained(fake, Duration::from_secs(60), true).unwrap(), Exit::Drained);
}

#[test]
fn a_worker_that_does_not_end_is_overdue() {
    let exit = drained(Fake::new(Manner::Full), Duration::ZERO, false).unwrap();
    assert_eq!(exit, Exit::Overdue { workers: vec![0] });
}

#[test]
fn a_taken_admin_port_is_an_error_that_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = ServerConfig { admin: Some(taken.local_addr().unwrap()), ..config() };
    let error = Control::open(&config).err().unwrap().to_string();
    assert!(
        error.contains(&taken.local_addr().unwrap().to_string()) && error.contains("--admin off"),
        "{error}"
    );
}
