use super::*;

fn text(model: &ViewModel, width: u16, height: u16) -> String {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    draw(model, area, &mut buffer);
    let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..height).map(|y| row(y).trim_end().to_owned() + "\n").collect()
}

#[test]
fn the_classic_terminal_shows_everything() {
    let text = text(&ViewModel::example(), 79, 23);
    for word in [
        "loadgen run game",
        "ws://127.0.0.1:9001",
        "measuring",
        "12 s, 18 s left",
        "█",
        "1000 requested",
        "990 open",
        "7 failed",
        "3 lost",
        "30.0 k sent/s",
        "received/s",
        "1.5 MB/s up",
        "p50 500 µs",
        "p95 1.00 ms",
        "p99 2.00 ms",
        "p99.9 20.00 ms",
        "max 200 ms",
        "CPU 92 % of at most 85 %",
        "send lag p99 100 µs",
        "INVALID",
        "p99, up to",
        "messages/s, up to",
        "connect  ECONNREFUSED",
        "server",
        "helps:",
        "Ctrl-C",
        "partial report",
    ] {
        assert!(text.contains(word), "{word}:\n{text}");
    }
}

#[test]
fn a_small_one_shows_what_matters_most() {
    let text = text(&ViewModel::example(), 39, 9);
    for word in ["measuring", "INVALID", "1000 requested", "990 open"] {
        assert!(text.contains(word), "{word}:\n{text}");
    }
}

#[test]
fn without_errors_the_courses_stay() {
    let model = ViewModel { errors: Vec::new(), health: Health::Good, ..ViewModel::example() };
    let text = text(&model, 79, height(&model, 79));
    assert!(text.contains("p99, up to") && !text.contains("helps") && !text.contains("INVALID"), "{text}");
    assert!(text.lines().all(|line| !line.is_empty()), "no empty line: {text}");
}

#[test]
fn nothing_overflows_at_any_size() {
    let busy = ViewModel::example();
    let bare = ViewModel {
        newest: None,
        p99_us: Vec::new(),
        throughput: Vec::new(),
        errors: Vec::new(),
        remaining_s: None,
        ..ViewModel::example()
    };
    for model in [busy, bare] {
        for (width, height) in (0..60).flat_map(|width| (0..30).map(move |height| (width, height))) {
            text(&model, width, height);
        }
        text(&model, 200, 60);
        text(&model, 200, height(&model, 200));
    }
}

#[test]
fn figures_have_the_unit_that_suits_them() {
    let times = [900.0, 1_500.0, 150_000.0, 2_000_000.0].map(time);
    assert_eq!(times, ["900 µs", "1.50 ms", "150 ms", "2.00 s"]);
    let figures = [0.0, 9_999.0, 12_345.0, 1_500_000.0, 2e9].map(short);
    assert_eq!(figures, ["0 ", "9999 ", "12.3 k", "1.5 M", "2.0 G"]);
}
