//! The course of a run as comma-separated values: a header with units, then a row an interval.

use std::fmt::{Display, Write};

use crate::measure::series::Point;

/// The columns, in the order of [`text`]'s rows. New ones come last: whoever counts them still finds the others.
const HEADER: &str = "at_s,requested,open,open_fewest,failed,lost,sent_per_s,received_per_s,bytes_up_per_s,bytes_down_per_s,\
                      latency_p50_us,latency_p90_us,latency_p99_us,latency_p999_us,latency_max_us,latency_count,\
                      send_lag_p99_us,cpu_percent,latency_p95_us";

/// The table. What was not measured in an interval is empty.
pub(super) fn text(course: &[Point]) -> String {
    let mut out = String::from(HEADER);
    out.push('\n');
    for point in course {
        row(&mut out, point).expect("writing to a string does not fail");
    }
    out
}

fn row(out: &mut String, point: &Point) -> std::fmt::Result {
    let Point { at_s, requested, open, open_fewest, failed, lost, sent_per_s, received_per_s, .. } = point;
    let Point { bytes_up_per_s, bytes_down_per_s, cpu_percent, latency_us, send_lag_p99_us, .. } = point;
    write!(out, "{at_s},{requested},{open},{},{failed},{lost},", cell(*open_fewest))?;
    write!(out, "{sent_per_s},{received_per_s},{bytes_up_per_s},{bytes_down_per_s}")?;
    let latencies = latency_us.map(|l| [l.p50, l.p90, l.p99, l.p999, l.max].map(Some)).unwrap_or_default();
    for latency in latencies {
        write!(out, ",{}", cell(latency))?;
    }
    write!(out, ",{},{}", cell(latency_us.map(|l| l.count)), cell(*send_lag_p99_us))?;
    writeln!(out, ",{cpu_percent:.2},{}", cell(latency_us.and_then(|latency| latency.p95)))
}

fn cell(value: Option<impl Display>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn it_parses_back() {
        let course = samples::course(3);
        let text = text(&course);
        let mut lines = text.lines();
        let names: Vec<&str> = lines.next().unwrap().split(',').collect();
        for (line, point) in lines.by_ref().zip(&course) {
            let cells: Vec<&str> = line.split(',').collect();
            assert_eq!(cells.len(), names.len(), "{line}");
            let at = |name: &str| cells[names.iter().position(|known| *known == name).unwrap()];
            let number = |name: &str| at(name).parse::<f64>().unwrap();
            assert_eq!(number("at_s").to_bits(), point.at_s.to_bits());
            assert_eq!(at("open"), point.open.to_string());
            assert_eq!(number("bytes_down_per_s").to_bits(), point.bytes_down_per_s.to_bits());
            match point.latency_us {
                Some(latency) => {
                    assert_eq!(number("latency_p999_us").to_bits(), latency.p999.to_bits());
                    assert_eq!(at("latency_count"), latency.count.to_string());
                    assert_eq!(cells.last().unwrap().parse::<f64>().ok(), latency.p95);
                    assert_eq!(number("latency_p95_us"), 4_000.0);
                }
                None => assert_eq!((at("latency_p50_us"), at("latency_count")), ("", "")),
            }
            assert_eq!(number("cpu_percent").to_bits(), point.cpu_percent.to_bits());
        }
        assert!(course[0].latency_us.is_none(), "the sample has an interval without answers");
        assert_eq!(lines.next(), None);
    }

    #[test]
    fn a_percentage_has_two_decimals() {
        let mut course = samples::course(2);
        course[1].cpu_percent = 40.313_042_589_811_64;
        let text = text(&course);
        assert!(text.ends_with(",40.31,4000\n"), "{text}");
    }
}
