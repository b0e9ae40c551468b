//! The run for Prometheus: `GET /metrics` while it lasts.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::clock;
use crate::measure::series::Point;
use crate::terminal;

/// How often the thread looks for somebody who asks, and whether the run is over.
const LOOK: Duration = Duration::from_millis(50);
/// How long one who asks may take for it all.
const ASKING_NS_MAX: u64 = 1_000_000_000;
/// Most who are asking at a time; the next takes the place of the one that has taken longest.
const ASKING_MAX: usize = 64;
/// Longest head of a request, bytes.
const REQUEST_BYTES_MAX: usize = 8 * 1_024;
/// The type of the page, as the OpenMetrics specification wants it.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A thread that answers; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Exporter {
    shared: Arc<Shared>,
    interval_s: f64,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    over: AtomicBool,
    figures: Mutex<Figures>,
}

/// What is told.
#[derive(Clone, Debug, Default)]
struct Figures {
    /// Points taken in.
    points: usize,
    sent: f64,
    received: f64,
    bytes_up: f64,
    bytes_down: f64,
    newest: Option<Point>,
}

impl Exporter {
    /// Answers at a listener that does not block; the run's points are `interval_ns` apart.
    #[expect(clippy::cast_precision_loss, reason = "an interval is far shorter than 2^53 ns")]
    pub(crate) fn start(listener: &Arc<TcpListener>, interval_ns: u64) -> Self {
        let shared = Arc::new(Shared::default());
        let (listener, heard) = (Arc::clone(listener), Arc::clone(&shared));
        let thread =
            thread::Builder::new().name("prometheus".to_owned()).spawn(move || serve(&listener, &heard));
        let thread = thread
            .map_err(|error| {
                terminal::say(format_args!("loadgen: nobody answers Prometheus: no thread: {error}"))
            })
            .ok();
        Self { shared, interval_s: interval_ns as f64 / 1e9, thread }
    }

    /// Takes in what is new in the course of the run.
    pub(crate) fn publish(&self, course: &[Point]) {
        let mut figures = self.shared.figures.lock().unwrap_or_else(PoisonError::into_inner);
        for point in &course[figures.points.min(course.len())..] {
            figures.sent += point.sent_per_s * self.interval_s;
            figures.received += point.received_per_s * self.interval_s;
            figures.bytes_up += point.bytes_up_per_s * self.interval_s;
            figures.bytes_down += point.bytes_down_per_s * self.interval_s;
        }
        if figures.points < course.len() {
            figures.points = course.len();
            figures.newest = course.last().cloned();
        }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It does not panic, and if it did there is nothing left to answer.
            let _ = thread.join();
        }
    }
}

/// One who asks.
#[derive(Debug)]
struct Asking {
    stream: TcpStream,
    /// What has arrived of the request.
    head: Vec<u8>,
    deadline_ns: u64,
}

/// Answers everybody in one thread that waits for nobody, so that who asks slowly holds up neither the others nor the
/// end of the run.
fn serve(listener: &TcpListener, shared: &Shared) {
    let mut asking: VecDeque<Asking> = VecDeque::new();
    while !shared.over.load(Ordering::Relaxed) {
        // Nobody, or somebody who is gone again, or no descriptor is left: later, perhaps.
        while let Ok((stream, _)) = listener.accept() {
            if asking.len() == ASKING_MAX {
                // The one that has had the longest time.
                asking.pop_front();
            }
            if stream.set_nonblocking(true).is_ok() {
                let deadline_ns = clock::now_ns() + ASKING_NS_MAX;
                asking.push_back(Asking { stream, head: Vec::new(), deadline_ns });
            }
            asking.retain_mut(|one| one.goes_on(shared));
        }
        asking.retain_mut(|one| one.goes_on(shared));
        thread::sleep(LOOK);
    }
}

impl Asking {
    /// Takes in what has arrived, and answers once it is all there; whether there is more to wait for. Who asks and
    /// leaves, or asks too slowly, gets no answer.
    fn goes_on(&mut self, shared: &Shared) -> bool {
        let mut buffer = [0; 1_024];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(bytes) => self.head.extend_from_slice(&buffer[..bytes]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return clock::now_ns() < self.deadline_ns;
                }
                Err(_) => return false,
            }
            if self.head.windows(4).any(|end| end == b"\r\n\r\n") {
                // Whoever does not take it goes without; it is smaller than any send buffer.
                let _ = self.stream.write_all(&answer(&self.head, shared));
                return false;
            }
            if self.head.len() > REQUEST_BYTES_MAX {
                return false;
            }
        }
    }
}

/// The answer to a request.
fn answer(head: &[u8], shared: &Shared) -> Vec<u8> {
    let head = String::from_utf8_lossy(head);
    let mut words = head.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (status, kind, body) = match (method, path.split('?').next().unwrap_or_default()) {
        ("GET" | "HEAD", "/metrics") => {
            let figures = shared.figures.lock().unwrap_or_else(PoisonError::into_inner).clone();
            ("200 OK", CONTENT_TYPE, page(&figures))
        }
        ("GET" | "HEAD", _) => ("404 Not Found", "text/plain", "the figures are at /metrics\n".to_owned()),
        _ => ("405 Method Not Allowed", "text/plain", "ask with GET\n".to_owned()),
    };
    let bytes = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {bytes}\r\nConnection: close\r\n\r\n"
    );
    [head.as_bytes(), if method == "HEAD" { b"" } else { body.as_bytes() }].concat()
}

type Level = Gauge<f64, AtomicU64>;

/// The figures in the text format.
#[expect(clippy::cast_precision_loss, reason = "counts of connections, far below 2^53")]
fn page(figures: &Figures) -> String {
    let mut registry = Registry::with_prefix("tickring_loadgen");
    let level = |registry: &mut Registry, name: &str, help: &str, value: f64| {
        let gauge = Level::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    };
    let total = |registry: &mut Registry, name: &str, help: &str, value: f64| {
        let counter = Counter::<f64, AtomicU64>::default();
        counter.inc_by(value);
        registry.register(name, help, counter);
    };
    for (name, help, value) in [
        ("messages_sent", "Messages sent", figures.sent),
        ("messages_received", "Messages received", figures.received),
        ("bytes_up", "Bytes handed to the kernel", figures.bytes_up),
        ("bytes_down", "Bytes received", figures.bytes_down),
    ] {
        // Counts that came as rates are whole again.
        total(&mut registry, name, help, value.round());
    }
    if let Some(newest) = &figures.newest {
        total(&mut registry, "connections_failed", "Connections that were never ready", newest.failed as f64);
        total(&mut registry, "connections_lost", "Connections that ended before the run", newest.lost as f64);
        let (requested, open) = (newest.requested as f64, newest.open as f64);
        level(&mut registry, "connections_requested", "Connections asked for by now", requested);
        level(&mut registry, "connections_open", "Connections that are ready", open);
        level(
            &mut registry,
            "cpu_ratio",
            "CPU of the busiest worker, of one core",
            newest.cpu_percent / 100.0,
        );
        if let Some(lag_us) = newest.send_lag_p99_us {
            let help = "How late the generator came to due messages in the newest interval, p99";
            level(&mut registry, "send_lag_p99_seconds", help, lag_us / 1e6);
        }
        if let Some(latency) = newest.latency_us {
            let quantiles = Family::<Vec<(&str, &str)>, Level>::default();
            let (p50, p90, p99) = (("0.5", latency.p50), ("0.9", latency.p90), ("0.99", latency.p99));
            let p95 = latency.p95.map(|p95| ("0.95", p95));
            let others = [p50, p90, p99, ("0.999", latency.p999), ("1", latency.max)];
            for (quantile, us) in others.into_iter().chain(p95) {
                quantiles.get_or_create(&vec![("quantile", quantile)]).set(us / 1e6);
            }
            registry.register("latency_seconds", "Latency of the newest interval's answers", quantiles);
        }
    }
    let mut text = String::new();
    encode(&mut text, &registry).expect("writing to a string does not fail");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    fn ask(address: std::net::SocketAddr, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        // Far from what it takes; who is never answered fails.
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(request).unwrap();
        let mut answer = String::new();
        // Bytes that were not read make the close a reset.
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    #[test]
    fn it_answers_while_the_run_lasts_and_not_after_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let exporter = Exporter::start(&Arc::new(listener), 1_000_000_000);
        let course = samples::course(3);
        exporter.publish(&course[..2]);
        exporter.publish(&course);
        exporter.publish(&course);
        let page = ask(address, b"GET /metrics HTTP/1.1\r\n\r\n");
        let sent: f64 = course.iter().map(|point| point.sent_per_s).sum();
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.ends_with("# EOF\n"), "{page}");
        assert!(page.contains(&format!("tickring_loadgen_messages_sent_total {sent:.1}\n")), "{page}");
        assert!(page.contains("tickring_loadgen_connections_open 10.0\n"), "{page}");
        assert!(page.contains("tickring_loadgen_latency_seconds{quantile=\"0.99\"} "), "{page}");
        assert!(page.contains("tickring_loadgen_latency_seconds{quantile=\"0.95\"} 0.004\n"), "{page}");
        assert!(ask(address, b"GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
        assert!(ask(address, b"POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405 "));
        assert_eq!(ask(address, &[b'x'; 2 * REQUEST_BYTES_MAX]), "");
        assert!(ask(address, b"GET /metrics HTTP/1.0\r\n\r\n").contains(" 200 OK"));
        drop(exporter);
        assert!(TcpStream::connect(address).is_err());
    }

    #[test]
    fn who_asks_slowly_holds_up_nobody() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let exporter = Exporter::start(&Arc::new(listener), 1_000_000_000);
        let mut slow: Vec<TcpStream> = Vec::new();
        for _ in 0..3 * ASKING_MAX {
            let mut stream = TcpStream::connect(address).unwrap();
            // Its place may be another's already.
            let _ = stream.write_all(b"GET /met");
            slow.push(stream);
        }
        assert!(ask(address, b"GET /metrics HTTP/1.1\r\n\r\n").contains(" 200 OK"));
        let mut first = slow.swap_remove(0);
        // A reset is an end, too.
        assert!(matches!(first.read(&mut [0; 8]), Ok(0) | Err(_)), "its place is another's");
        drop(exporter);
    }

    #[test]
    fn before_the_first_interval_there_are_zeros() {
        let text = page(&Figures::default());
        assert!(text.contains("tickring_loadgen_messages_sent_total 0.0\n"), "{text}");
    }
}
