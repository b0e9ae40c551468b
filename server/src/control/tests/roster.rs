//! The rooms page and removing players.

use super::*;

/// Rooms of a made-up worker: five, and all its own.
fn rooms_of(worker: usize) -> Vec<RoomReport> {
    let name = |n: usize| format!("room-{n}{worker}").into();
    (0..5)
        .map(|n| RoomReport { name: name(n), players: 3, held: 1, spectators: 2, tick: 600, bytes_out: 7 })
        .collect()
}

/// The worker that a fake answers for is the room's last digit.
pub(super) fn answer_rooms(
    manner: &Manner,
    after: &str,
    rooms_max: usize,
    answer: oneshot::Sender<Vec<RoomReport>>,
) -> bool {
    match manner {
        Manner::Answers(questions) => {
            let (sender, mut receiver) = oneshot::channel();
            questions.send(sender).unwrap();
            let worker = loop {
                if let Ok(report) = receiver.try_recv() {
                    break report.worker;
                }
            };
            let later = rooms_of(worker).into_iter().filter(|room| *room.name > *after);
            answer.send(later.take(rooms_max).collect()).unwrap();
            true
        }
        Manner::Full => false,
        Manner::Silent(_) | Manner::Ended => true,
    }
}

pub(super) fn answer_kick(
    manner: &Manner,
    room: &str,
    player: PlayerId,
    answer: oneshot::Sender<Kicked>,
) -> bool {
    let kicked = match (room, player.0) {
        ("none", _) => Kicked::NoRoom,
        (_, 1) => Kicked::Connected,
        (_, 2) => Kicked::Held,
        _ => Kicked::NoPlayer,
    };
    match manner {
        Manner::Answers(_) => answer.send(kicked).is_ok(),
        Manner::Full => false,
        Manner::Silent(_) | Manner::Ended => true,
    }
}

fn page(served: &Served, path: &str) -> (u16, serde_json::Value) {
    let (code, page) = get(served.address, path);
    (code, serde_json::from_str(&page).unwrap())
}

fn names(page: &serde_json::Value) -> Vec<&str> {
    page["rooms"].as_array().unwrap().iter().map(|room| room["name"].as_str().unwrap()).collect()
}

#[test]
fn rooms_of_all_workers_are_paged_by_name() {
    let served = serve(vec![Fake::answering(0), Fake::answering(1)]);
    let (code, all) = page(&served, "/rooms");
    assert_eq!((code, &all["next"]), (200, &serde_json::Value::Null));
    let all_names = names(&all);
    assert_eq!((all_names.len(), all_names.is_sorted()), (10, true));
    let first = serde_json::json!({
        "name": "room-00", "worker": 0, "players": 3, "held": 1, "spectators": 2, "players_max": 50,
        "spectators_max": 16, "tick": 600, "bytes_out": 7
    });
    assert_eq!(all["rooms"][0], first);
    let mut paged = Vec::new();
    let mut next = String::new();
    loop {
        let (code, part) = page(&served, &format!("/rooms?limit=4&after={next}"));
        assert_eq!(code, 200);
        paged.extend(names(&part).into_iter().map(str::to_owned));
        match part["next"].as_str() {
            Some(name) => next = name.to_owned(),
            None => break,
        }
        assert_eq!(names(&part).len(), 4);
    }
    assert_eq!(paged, all_names);
}

#[test]
fn a_page_of_no_or_too_many_rooms_is_refused() {
    let served = serve(vec![Fake::answering(0)]);
    for query in ["limit=0", "limit=1001", "limit=x", "limit=-1", "before=a", "limit=1&page=2"] {
        let (code, why) = page(&served, &format!("/rooms?{query}"));
        assert_eq!(code, 400, "{query}");
        assert!(why["error"].as_str().unwrap().contains("1000"), "{why}");
    }
}

#[test]
fn a_worker_that_tells_no_rooms_is_named() {
    let served = serve(vec![Fake::answering(0), Fake::new(Manner::Full), Fake::new(Manner::Ended)]);
    let (code, part) = page(&served, "/rooms");
    assert_eq!((code, names(&part).len()), (503, 5));
    let silent = serde_json::json!([
        { "worker": 1, "why": "its mailbox is full" }, { "worker": 2, "why": "it has ended" }
    ]);
    assert_eq!(part["workers_silent"], silent);
}

fn kick(address: SocketAddr, path: &str, header: &str) -> u16 {
    ask(address, &format!("POST {path} HTTP/1.1\r\nHost: admin\r\n{header}Content-Length: 0\r\n\r\n")).0
}

#[test]
fn a_player_is_removed_by_the_worker_of_its_room() {
    let served = serve(vec![Fake::answering(0), Fake::new(Manner::Full)]);
    let kick = |path: &str| kick(served.address, path, "");
    // Names of an even length live on worker 0.
    assert_eq!((kick("/rooms/even/kick/1"), kick("/rooms/even/kick/2")), (200, 200));
    assert_eq!((kick("/rooms/even/kick/3"), kick("/rooms/none/kick/1")), (404, 404));
    assert_eq!(kick("/rooms/odd/kick/1"), 503);
    let endless = "x".repeat(66);
    assert_eq!(kick(&format!("/rooms/{endless}/kick/1")), 404);
    assert_eq!((kick("/rooms/even/kick/x"), kick("/rooms/even/kick/70000")), (400, 400));
    let (_, why) = ask(served.address, "POST /rooms/even/kick/x HTTP/1.1\r\nHost: admin\r\n\r\n");
    assert!(why.contains(r#"{"error":"#), "every answer is JSON: {why}");
    assert!(why.contains("a seat from 0 to 65535"), "{why}");
    let (code, words) = get(served.address, "/rooms/even/kick/1");
    assert_eq!(code, 405, "reading removes nobody");
    assert!(words.contains("POST /rooms/{name}/kick/{player}"), "{words}");
}

#[test]
fn nobody_is_removed_by_a_web_page_or_from_elsewhere() {
    let served = serve(vec![Fake::answering(0)]);
    assert_eq!(kick(served.address, "/rooms/even/kick/1", "Origin: http://example.org\r\n"), 403);
    assert_eq!(kick(served.address, "/rooms/even/kick/1", "Origin: null\r\n"), 403);
    let public = serve_at("0.0.0.0:0", vec![Fake::answering(0)]);
    let address = SocketAddr::from(([127, 0, 0, 1], public.address.port()));
    assert_eq!(kick(address, "/rooms/even/kick/1", ""), 403);
    assert_eq!(get(address, "/rooms").0, 200);
}
