//! The word that the process was stopped: by a shell's Ctrl-Z, `kill -STOP`, or what holds programs down with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::SigId;
use signal_hook::consts::SIGCONT;

/// Hears of each time the process is continued. Nothing tells how long it had been stopped.
#[derive(Debug)]
pub(crate) struct Stops {
    continued: Arc<AtomicBool>,
    watch: SigId,
}

impl Stops {
    /// Begins to listen.
    pub(crate) fn watch() -> Self {
        let continued = Arc::new(AtomicBool::new(false));
        let watch = signal_hook::flag::register(SIGCONT, Arc::clone(&continued))
            .expect("every process may have a handler for SIGCONT");
        Self { continued, watch }
    }

    /// Whether it was continued since this was last asked.
    pub(crate) fn take(&self) -> bool {
        // Asked at each wake-up: a plain load is cheaper than an exchange.
        self.continued.load(Ordering::Relaxed) && self.continued.swap(false, Ordering::Relaxed)
    }
}

impl Drop for Stops {
    fn drop(&mut self) {
        signal_hook::low_level::unregister(self.watch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listener_hears_of_it_once() {
        let (one, other) = (Stops::watch(), Stops::watch());
        assert!(!one.take());
        signal_hook::low_level::raise(SIGCONT).unwrap();
        assert!(one.take() && other.take());
        assert!(!one.take());
    }
}
