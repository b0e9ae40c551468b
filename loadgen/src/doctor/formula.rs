//! The formulas of `tuning/knobs.tsv`: whole numbers and variables with `+ - * /` between them, single blanks, no
//! brackets; `*` and `/` bind stronger, equals go left to right, division cuts off.

/// What the variables stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Variables {
    /// N, connections.
    pub(crate) conns: i64,
    /// E, sockets on the machine.
    pub(crate) ends: i64,
    /// W, workers.
    pub(crate) workers: i64,
    /// S, source addresses.
    pub(crate) sources: i64,
    /// P, connections of a source address.
    pub(crate) per_source: i64,
    /// G, bytes of a page.
    pub(crate) page_bytes: i64,
    /// M, bytes of memory; 0: unknown.
    pub(crate) memory_bytes: i64,
}

impl Variables {
    fn operand(&self, word: &str) -> Option<i64> {
        Some(match word {
            "N" => self.conns,
            "E" => self.ends,
            "W" => self.workers,
            "S" => self.sources,
            "P" => self.per_source,
            "G" => self.page_bytes,
            "M" => self.memory_bytes,
            number => number.parse().ok()?,
        })
    }

    /// The formula's value; `None` when it is none, or too large.
    pub(crate) fn evaluate(&self, formula: &str) -> Option<i64> {
        let mut words = formula.split(' ');
        // The sum of the terms that are complete, and the term that is not.
        let (mut sum, mut term) = (0_i64, self.operand(words.next()?)?);
        while let Some(operator) = words.next() {
            let operand = self.operand(words.next()?)?;
            match operator {
                "*" => term = term.checked_mul(operand)?,
                "/" => term = term.checked_div(operand)?,
                "+" => (sum, term) = (sum.checked_add(term)?, operand),
                "-" => (sum, term) = (sum.checked_add(term)?, operand.checked_neg()?),
                _ => return None,
            }
        }
        sum.checked_add(term)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SOME: Variables = Variables {
        conns: 100_000,
        ends: 200_000,
        workers: 4,
        sources: 2,
        per_source: 50_000,
        page_bytes: 4_096,
        memory_bytes: 1 << 34,
    };

    #[test]
    fn the_terms_are_as_in_the_table() {
        let cases = [
            ("N * 5 / 4 / W + 256", Some(31_506)),
            ("E * 16384 / G", Some(800_000)),
            ("M / 2 / G", Some(1 << 21)),
            ("N / 32768 * 8192 + 8192", Some(32_768)),
            ("1 - 2 * 3 - 4", Some(-9)),
            ("P", Some(50_000)),
            ("S", Some(2)),
        ];
        for (formula, value) in cases {
            assert_eq!(SOME.evaluate(formula), value, "{formula}");
        }
        for nonsense in ["", "N +", "N N", "N + ( 1 )", "X", "N  + 1", "1 / 0", "9223372036854775807 + 1"] {
            assert_eq!(SOME.evaluate(nonsense), None, "{nonsense}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// Against the shell's arithmetic, which `tune.sh` uses.
        #[test]
        fn it_is_the_shells_arithmetic(parts in prop::collection::vec((0_i64..1_000, 0_usize..4, 1_i64..1_000), 1..5)) {
            let mut formula = parts[0].0.to_string();
            for (_, operator, operand) in &parts {
                formula += &format!(" {} {operand}", ["+", "-", "*", "/"][*operator]);
            }
            let shell = std::process::Command::new("sh").args(["-c", &format!("echo $(({formula}))")]).output().unwrap();
            let expected: i64 = String::from_utf8(shell.stdout).unwrap().trim().parse().unwrap();
            prop_assert_eq!(SOME.evaluate(&formula), Some(expected), "{}", formula);
        }
    }
}
