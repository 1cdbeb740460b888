//! Progress of a training run, and interruptions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mpcc_cli::progress::Bar;
use mpcc_cli::terminal::Terminal;
use mpcc_training::train::{Event, Recipe, Verdict};

/// Where there is no terminal for a bar, a line so often.
const LINE: Duration = Duration::from_secs(60);

/// Shows what a run does.
#[derive(Debug)]
pub(crate) struct Watch<'t> {
    terminal: &'t Terminal,
    bar: Bar,
    epochs: usize,
    told: Instant,
    stop: Arc<AtomicBool>,
}

impl<'t> Watch<'t> {
    /// Watches a run of this recipe; Ctrl-C then ends it with its state kept.
    pub(crate) fn new(recipe: &Recipe, terminal: &'t Terminal) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        ctrlc::set_handler(move || asked.store(true, Ordering::SeqCst)).context("cannot catch interruptions")?;
        let bar = Bar::new(terminal, 1, "training");
        Ok(Self { terminal, bar, epochs: recipe.schedule.total(), told: Instant::now(), stop })
    }

    /// Shows an event.
    pub(crate) fn see(&mut self, event: &Event<'_>) -> Verdict {
        match event {
            Event::Resumed { position } => {
                self.terminal.remark(&format!("going on in epoch {} of {}", position.epoch + 1, self.epochs));
            }
            Event::Step { epoch, batches: (done, all), loss, accuracy, speed, left } => {
                let text = format!(
                    "epoch {:>3}/{} loss {loss:.4} accuracy {:.1} % {speed:.0}/s {} left",
                    epoch + 1,
                    self.epochs,
                    100.0 * accuracy,
                    duration(*left)
                );
                if self.terminal.progress() {
                    self.bar.state(*done as u64, *all as u64);
                    self.bar.say(text);
                } else if self.told.elapsed() >= LINE {
                    self.terminal.remark(&format!("{text}, batch {done} of {all}"));
                    self.told = Instant::now();
                }
            }
            Event::Epoch { number, epoch } => {
                let held_out = epoch.held_out.map(|a| format!(" held-out {:.2} %", 100.0 * a)).unwrap_or_default();
                self.bar.print(
                    self.terminal,
                    &format!(
                        "epoch {:>3}/{} loss {:.4} accuracy {:.2} %{held_out} rate {:.2e} in {}",
                        number + 1,
                        self.epochs,
                        epoch.loss,
                        100.0 * epoch.accuracy,
                        epoch.rate,
                        duration(epoch.seconds)
                    ),
                );
                self.told = Instant::now();
            }
        }
        if self.stop.load(Ordering::SeqCst) { Verdict::Stop } else { Verdict::GoOn }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish();
    }
}

/// Seconds as a person reads them.
fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..100 => format!("{seconds:.0} s"),
        100..6000 => format!("{} min", (whole + 30) / 60),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}
