//! A latency as the percentile distribution that HdrHistogram's own tools write and its plotter reads:
//! <https://hdrhistogram.github.io/HdrHistogram/plotFiles.html>. Values are ms.

use std::fmt::Write;

use hdrhistogram::Histogram;

/// Steps for each halving of what lies above, as HdrHistogram's tools have it by default.
const STEPS: u32 = 5;
const NS_PER_MS: f64 = 1e6;

/// The distribution of a histogram of ns.
pub(super) fn text(histogram: &Histogram<u64>) -> String {
    let mut out = String::new();
    write(&mut out, histogram).expect("writing to a string does not fail");
    out
}

#[expect(clippy::cast_precision_loss, reason = "durations below 2^53 ns, for a drawing")]
fn write(out: &mut String, histogram: &Histogram<u64>) -> std::fmt::Result {
    let ms = |ns: u64| ns as f64 / NS_PER_MS;
    writeln!(out, "{:>12} {:>14} {:>10} {:>14}\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)")?;
    let mut count = 0;
    for step in histogram.iter_quantiles(STEPS) {
        count += step.count_since_last_iteration();
        let (value, quantile) = (ms(step.value_iterated_to()), step.quantile_iterated_to());
        write!(out, "{value:12.3} {quantile:2.12} {count:10}")?;
        if quantile < 1.0 {
            write!(out, " {:14.2}", 1.0 / (1.0 - quantile))?;
        }
        writeln!(out)?;
    }
    let (mean, deviation) = (histogram.mean() / NS_PER_MS, histogram.stdev() / NS_PER_MS);
    writeln!(out, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]")?;
    writeln!(out, "#[Max     = {:12.3}, Total count    = {:12}]", ms(histogram.max()), histogram.len())?;
    let (buckets, sub_buckets) = (histogram.buckets(), 2 * 10_u64.pow(histogram.sigfig().into()));
    writeln!(out, "#[Buckets = {buckets:12}, SubBuckets     = {:12}]", sub_buckets.next_power_of_two())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::latency::Latency;

    #[test]
    fn it_parses_back() {
        let mut latency = Latency::default();
        for value in 1..=1_000 {
            latency.record(value * 100_000);
        }
        let text = text(latency.histogram());
        let mut lines = text.lines();
        let names: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
        assert_eq!(names, ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]);
        assert_eq!(lines.next(), Some(""));
        let rows: Vec<Vec<f64>> = lines
            .by_ref()
            .take_while(|line| !line.starts_with("#["))
            .map(|line| line.split_whitespace().map(|cell| cell.parse().unwrap()).collect())
            .collect();
        assert!(rows.iter().rev().skip(1).all(|row| row.len() == 4), "{text}");
        assert!(rows.is_sorted_by(|a, b| a[0] <= b[0] && a[1] <= b[1] && a[2] <= b[2]), "{text}");
        let half = rows.iter().find(|row| row[1] >= 0.5).unwrap();
        assert!((half[0] - 50.0).abs() < 0.1 && (half[3] - 2.0).abs() < 0.01, "{half:?}");
        let last = rows.last().unwrap();
        assert!((last[1] - 1.0).abs() < 1e-12 && (last[2] - 1_000.0).abs() < 0.5, "{last:?}");
        assert!(text.contains("Total count    =         1000]"), "{text}");
    }

    #[test]
    fn nothing_recorded_is_a_file_without_rows() {
        let text = text(Latency::default().histogram());
        assert!(text.contains("Total count    =            0]"), "{text}");
    }
}
