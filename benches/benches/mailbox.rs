//! Mailboxes: the bounded queue between threads, used the way the server's mailbox uses it.
//!
//! A command is pushed, then the sleeping flag is swapped to learn whether a bell must be rung. The bell
//! itself is a system call and not part of this.

mod quick;

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use crossbeam::queue::ArrayQueue;
use crossbeam::utils::{Backoff, CachePadded};

/// About the size of the server's largest command.
type Command = [u64; 12];

const PLACES: usize = 1_024;
const COMMAND: Command = [1; 12];

struct Mailbox {
    queue: ArrayQueue<Command>,
    asleep: CachePadded<AtomicBool>,
}

impl Mailbox {
    fn new() -> Self {
        Self { queue: ArrayQueue::new(PLACES), asleep: CachePadded::new(AtomicBool::new(false)) }
    }

    /// Whether the receiver must be woken; the command comes back when the mailbox is full.
    fn push(&self, command: Command) -> Result<bool, Command> {
        self.queue.push(command)?;
        Ok(self.asleep.swap(false, Ordering::SeqCst))
    }
}

fn mailbox(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mailbox");
    group.throughput(Throughput::Elements(1));
    let here = Mailbox::new();
    group.bench_function("push and pop on one thread", |bencher| {
        bencher.iter(|| {
            here.push(black_box(COMMAND)).expect("the mailbox is empty");
            here.queue.pop().expect("it was just pushed")
        });
    });
    group.bench_function("from one thread to another", |bencher| bencher.iter_custom(between_threads));
    group.finish();
}

/// Time until `commands` commands have crossed.
fn between_threads(commands: u64) -> std::time::Duration {
    let mailbox = Mailbox::new();
    crossbeam::thread::scope(|scope| {
        let from = Instant::now();
        scope.spawn(|_| {
            let backoff = Backoff::new();
            for _ in 0..commands {
                let mut command = black_box(COMMAND);
                while let Err(refused) = mailbox.push(command) {
                    command = refused;
                    backoff.snooze();
                }
                backoff.reset();
            }
        });
        let backoff = Backoff::new();
        let mut arrived = 0;
        while arrived < commands {
            if let Some(command) = mailbox.queue.pop() {
                black_box(command);
                arrived += 1;
                backoff.reset();
            } else {
                backoff.snooze();
            }
        }
        from.elapsed()
    })
    .expect("the sender does not panic")
}

criterion_group! { name = benches; config = quick::criterion(); targets = mailbox }
criterion_main!(benches);
