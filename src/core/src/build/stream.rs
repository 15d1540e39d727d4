use std::io;
use std::time::{Duration, Instant};

use super::child::Watch;
use super::event::{Event, parse};
use super::limited::Limited;
use super::lines::Lines;
use super::log::Log;
use super::render::Renderer;
use super::request::Request;
use super::verdict::Halt;

/// Nix watches the silence of builders itself, and better: it knows them one by one. We step in
/// if it did not, e.g. because a remote machine hangs.
const GRACE: Duration = Duration::from_secs(10);

/// Watches the Nix process of one build: its stream becomes the log, its time is limited.
pub(super) struct Stream<'a> {
    request: &'a Request,
    stop: &'a dyn Fn() -> bool,
    begun: Instant,
    log: &'a mut dyn Log,
    log_error: Option<io::Error>,
    lines: Lines,
    renderer: Renderer,
    limited: Limited,
    /// When Nix last said something, after `begun`.
    last_sign: Duration,
    halt: Option<Halt>,
}

impl<'a> Stream<'a> {
    pub(super) fn new(
        request: &'a Request,
        begun: Instant,
        stop: &'a dyn Fn() -> bool,
        log: &'a mut dyn Log,
    ) -> Self {
        Self {
            request,
            stop,
            begun,
            log,
            log_error: None,
            lines: Lines::default(),
            renderer: Renderer::new(request.colour),
            limited: Limited::new(request.log_limit),
            last_sign: begun.elapsed(),
            halt: None,
        }
    }

    /// The stream has ended. Returns what was learnt from it.
    pub(super) fn finish(mut self) -> io::Result<(Renderer, Option<Halt>)> {
        let now = self.begun.elapsed();
        let renderer = &mut self.renderer;
        self.lines
            .finish(&mut |line| parse(&line, |event| renderer.event(&event, now)));
        renderer.finish(now);
        self.pass_on();
        if let Some(error) = self.log_error.take() {
            return Err(error);
        }
        self.limited.finish(self.log)?;
        Ok((self.renderer, self.halt))
    }

    fn pass_on(&mut self) {
        if self.log_error.is_none()
            && let Err(error) = self.limited.push(self.renderer.text(), self.log)
        {
            self.log_error = Some(error);
        }
        self.renderer.clear_text();
    }

    /// The first reason to end Nix, if there is one by now.
    fn reason_to_halt(&self) -> Option<Halt> {
        let now = self.begun.elapsed();
        let silent_for = now.saturating_sub(self.last_sign);
        let exceeds =
            |time: Duration, limit: Option<Duration>| limit.is_some_and(|limit| time > limit);
        // Without a builder it is Nix that waits: for another process, for a free machine.
        let builds = self.renderer.activities().oldest_running().is_some();
        if (self.stop)() || self.log_error.is_some() {
            Some(Halt::Stopped)
        } else if exceeds(now, self.request.timeout) {
            Some(Halt::Timeout)
        } else if builds
            && exceeds(
                silent_for,
                self.request.max_silent.map(|limit| limit + GRACE),
            )
        {
            Some(Halt::Silence)
        } else {
            None
        }
    }
}

impl Watch for Stream<'_> {
    fn stderr(&mut self, bytes: &[u8]) {
        let now = self.begun.elapsed();
        self.last_sign = now;
        let renderer = &mut self.renderer;
        self.lines.feed(bytes, &mut |line| {
            parse(&line, |event: Event| renderer.event(&event, now));
        });
        self.pass_on();
    }

    fn halt(&mut self) -> bool {
        if self.log_error.is_none() {
            let progress = self.renderer.activities().snapshot(self.begun.elapsed());
            self.log_error = self.log.tick(&progress).err();
        }
        self.halt = self.halt.or_else(|| self.reason_to_halt());
        self.halt.is_some()
    }
}
