//! Collects the workers' reports: at most twenty times a second, whoever asks how often.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{Mutex, oneshot};

use super::Lines;
use crate::clock::Clock;
use crate::report::WorkerReport;

/// A worker that takes longer than this is named instead of waited for.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// Reports this young are handed out again.
const FRESH_NS: u64 = 50_000_000;

/// Why a worker's report is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// Its mailbox takes no more commands.
    MailboxFull,
    /// It did not answer within a second.
    NoAnswer,
    /// It dropped the question: it has ended.
    Ended,
}

impl Silence {
    pub(super) const fn why(self) -> &'static str {
        match self {
            Self::MailboxFull => "its mailbox is full",
            Self::NoAnswer => "no answer within 1 s",
            Self::Ended => "it has ended",
        }
    }
}

/// One round of questions, in worker order.
#[derive(Clone, Debug)]
pub(super) struct Collected {
    pub(super) answers: Vec<Result<WorkerReport, Silence>>,
    /// Commands that waited in each mailbox before the question was put in.
    pub(super) depths: Vec<usize>,
}

impl Collected {
    pub(super) fn reports(&self) -> impl Iterator<Item = &WorkerReport> {
        self.answers.iter().filter_map(|answer| answer.as_ref().ok())
    }

    pub(super) fn silent(&self) -> impl Iterator<Item = (usize, Silence)> {
        self.answers.iter().enumerate().filter_map(|(worker, answer)| Some((worker, *answer.as_ref().err()?)))
    }
}

/// Asks the workers. Concurrent callers share one round.
pub(super) struct Reports {
    lines: Lines,
    clock: Clock,
    rounds: Mutex<Rounds>,
}

struct Rounds {
    newest: Option<(u64, Arc<Collected>)>,
    /// Questions that nobody answered in time. A silent worker is not asked again meanwhile, so its
    /// mailbox holds one question at most.
    open: Vec<Option<oneshot::Receiver<WorkerReport>>>,
}

impl Reports {
    pub(super) fn new(lines: Lines, clock: Clock) -> Self {
        let open = lines.iter().map(|_| None).collect();
        Self { lines, clock, rounds: Mutex::new(Rounds { newest: None, open }) }
    }

    /// The newest reports, at most 50 ms old when they were asked for. Takes at most about a second.
    pub(super) async fn collect(&self) -> Arc<Collected> {
        let mut rounds = self.rounds.lock().await;
        if let Some((at_ns, newest)) = &rounds.newest
            && self.clock.now_ns().saturating_sub(*at_ns) < FRESH_NS
        {
            return Arc::clone(newest);
        }
        let depths = self.lines.iter().map(|line| line.depth()).collect();
        self.ask(&mut rounds.open);
        let mut too_late = std::pin::pin!(tokio::time::sleep(ANSWER_WITHIN));
        let mut answers = Vec::with_capacity(self.lines.len());
        for question in &mut rounds.open {
            let Some(receiver) = question else {
                answers.push(Err(Silence::MailboxFull));
                continue;
            };
            let answer = tokio::select! {
                biased;
                answer = receiver => answer.map_err(|_| Silence::Ended),
                () = &mut too_late => Err(Silence::NoAnswer),
            };
            if !matches!(answer, Err(Silence::NoAnswer)) {
                *question = None;
            }
            answers.push(answer);
        }
        let collected = Arc::new(Collected { answers, depths });
        rounds.newest = Some((self.clock.now_ns(), Arc::clone(&collected)));
        collected
    }

    /// Puts a question to every worker that has none open.
    fn ask(&self, open: &mut [Option<oneshot::Receiver<WorkerReport>>]) {
        for (line, question) in self.lines.iter().zip(open) {
            if let Some(receiver) = question
                && matches!(receiver.try_recv(), Err(TryRecvError::Empty))
            {
                continue;
            }
            // An answer that came too late for its round is as old as that round: ask anew.
            let (sender, receiver) = oneshot::channel();
            *question = line.ask(sender).then_some(receiver);
        }
    }
}
