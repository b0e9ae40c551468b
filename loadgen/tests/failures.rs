//! Connections that fail are counted by stage and cause, with the side and what helps.

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use support::{Server, run};
use tickring_protocol::websocket::{parse_request, write_switching_protocols};

const SHORT: [&str; 8] =
    ["--conns", "5", "--duration", "300ms", "--warmup", "100ms", "--connect-timeout", "1s"];

fn idle(target: &str) -> support::Run {
    run(&[&["idle", "--admin", "127.0.0.1:1", "--target", target][..], &SHORT].concat())
}

fn only_error(run: &support::Run) -> (String, String, u64, String) {
    run.expect(99, "missed");
    assert_eq!(run.report["conns"]["requested"], 5);
    assert_eq!(run.report["conns"]["connected"], 0);
    assert_eq!(run.report["conns"]["failed"], 5);
    let errors = run.errors();
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.into_iter().next().expect("one error")
}

fn is(error: (String, String, u64, String), stage: &str, what: &str, side: &str) {
    assert_eq!((error.0.as_str(), error.2, error.3.as_str()), (stage, 5, side), "{error:?}");
    assert!(error.1.contains(what), "{error:?}");
}

#[test]
fn nobody_listens() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // 99 and a report, as docs/loadgen.md says: not the preflight's 3, which makes no connection.
    let run = idle(&format!("ws://{free}"));
    is(only_error(&run), "connect", "ECONNREFUSED", "server");
    let words = ["nobody listens", "its admin endpoint did not answer", "tickring-server --listen"];
    run.is_diagnosed("nobody-listens", "server", words);
}

#[test]
fn the_source_address_is_another_machines() {
    let server = Server::start(|_stream| {});
    let target = server.ws();
    // 192.0.2.0/24 is nobody's (RFC 5737). The preflight refuses it; --force goes on.
    let words = ["idle", "--admin", "127.0.0.1:1", "--target", &target, "--src", "192.0.2.1", "--force"];
    let run = run(&[&words[..], &SHORT].concat());
    is(only_error(&run), "connect", "no such source address", "generator");
    assert!(run.out.contains("--src names an address that this machine does not have"), "{}", run.out);
}

#[test]
fn the_answer_is_not_an_upgrade() {
    let garbage = Server::start(|mut stream| {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n\r\n");
        thread::sleep(Duration::from_secs(3));
    });
    let run = idle(&garbage.ws());
    is(only_error(&run), "upgrade", "bad upgrade", "server");
    assert_eq!(garbage.accepted(), 5, "a failed connection is not tried again");
    run.is_diagnosed(
        "not-a-server",
        "server",
        ["not a Tickring server", "bad upgrade", "--target (host, port, path)"],
    );
}

#[test]
fn the_port_speaks_tls() {
    // What OpenSSL and rustls answer to a request that is not encrypted: a fatal alert.
    let tls = answers(&[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x46]);
    let run = idle(&tls.ws());
    is(only_error(&run), "upgrade", "it is TLS", "server");
    run.is_diagnosed("speaks-tls", "server", ["speaks TLS", "it is TLS", "the proxy that ends TLS"]);
}

/// Reads the request and answers it with `answer`.
fn answers(answer: &'static [u8]) -> Server {
    Server::start(move |mut stream| {
        let mut buffer = [0; 4096];
        let _ = stream.read(&mut buffer);
        let _ = stream.write_all(answer);
    })
}

fn sends_to_the_target(run: &support::Run) {
    assert!(run.out.contains("probably not a Tickring server"), "{}", run.out);
    assert!(run.out.contains("check --target (host, port, path)"), "{}", run.out);
}

#[test]
fn the_upgrade_is_refused() {
    let refuses = answers(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let run = idle(&refuses.ws());
    is(only_error(&run), "upgrade", "HTTP 404", "server");
    assert!(run.out.contains("--echo"), "{}", run.out);
    sends_to_the_target(&run);
    for (path, remedy) in [
        ("/v1/echo", "start the server with --echo; probably"),
        ("/mine", "start the server with --echo, which"),
    ] {
        let run = idle(&format!("{}{path}", refuses.ws()));
        let told = run.report["diagnosis"][0]["remedy"].to_string();
        assert!(told.contains(remedy), "{path}: {told}");
    }
}

#[test]
fn a_web_page_is_no_server_of_ours() {
    let page = answers(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi");
    let run = idle(&page.ws());
    is(only_error(&run), "upgrade", "HTTP 200", "server");
    sends_to_the_target(&run);
}

#[test]
fn garbage_after_the_upgrade_is_no_server_of_ours() {
    let garbage = Server::start(|mut stream| {
        let mut buffer = [0; 4096];
        let bytes = stream.read(&mut buffer).unwrap_or(0);
        let Ok(Some((request, _))) = parse_request(&buffer[..bytes]) else { return };
        let mut out = Vec::new();
        write_switching_protocols(&mut out, &request.accept, None);
        out.extend_from_slice(&[0xff; 64]);
        let _ = stream.write_all(&out);
        // Until the generator has had enough.
        while matches!(stream.read(&mut buffer), Ok(1..)) {}
    });
    let run = idle(&garbage.ws());
    run.expect(99, "missed");
    assert!(run.errors().iter().all(|error| error.1.starts_with("protocol: ")), "{:?}", run.errors());
    sends_to_the_target(&run);
}

#[test]
fn the_server_hangs_up() {
    let hangs_up = Server::start(|mut stream| {
        let mut buffer = [0; 4096];
        let _ = stream.read(&mut buffer);
    });
    let run = idle(&hangs_up.ws());
    is(only_error(&run), "upgrade", "end of stream", "server");
    let words =
        ["ends connections instead of answering", "one more connection after the run", "another protocol"];
    run.is_diagnosed("hung-up", "server", words);
}

#[test]
fn the_server_never_answers() {
    let silent = Server::start(|_stream| thread::sleep(Duration::from_secs(30)));
    // The stream is dropped only when the test is over.
    let run = idle(&silent.ws());
    is(only_error(&run), "upgrade", "timeout", "server");
    let words = ["does not answer the upgrade", "5 x timeout at upgrade", "check the port in --target"];
    run.is_diagnosed("server-silent", "server", words);
}

#[test]
fn some_fail_and_the_rest_is_measured() {
    let count = std::sync::atomic::AtomicU32::new(0);
    let picky = Server::start(move |mut stream| {
        // Every second connection is sent away; the others echo.
        let mut buffer = [0; 4096];
        if count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) % 2 == 1 {
            return;
        }
        while let Ok(bytes @ 1..) = stream.read(&mut buffer) {
            if stream.write_all(&buffer[..bytes]).is_err() {
                return;
            }
        }
    });
    let target = picky.tcp();
    let words = ["echo", "--raw", "--raw-in", "10", "--raw-out", "10", "--target", &target];
    let run = run(&[&words[..], &SHORT].concat());
    run.expect(99, "missed");
    let conns = &run.report["conns"];
    assert_eq!(conns["lost"], 2, "{conns}");
    assert!(run.report["messages"]["received"].as_u64().unwrap() > 0);
    assert!(run.out.contains("2 connections ended before the run did"), "{}", run.out);
    run.is_diagnosed(
        "connections-cut",
        "server",
        ["somebody still listens", "2 x end of stream", "server's log"],
    );
}
