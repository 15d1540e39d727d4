//! A thread that asks one question after the other.

use std::fmt;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::daemon::{Closer, DaemonError, Missing, Wanted};

/// Answers a question, which may take long.
pub(super) type Ask = Box<dyn FnMut(&[Wanted]) -> Result<Missing, DaemonError>>;

/// What came of a question.
#[derive(Debug)]
pub(super) struct Answer {
    /// It is about the jobs of this batch and of all before it that were not answered yet.
    pub(super) batch: u64,
    pub(super) missing: Result<Missing, DaemonError>,
}

struct Question {
    batch: u64,
    wanted: Vec<Wanted>,
}

/// Dropping it ends whatever it is busy with.
pub(super) struct Asker {
    questions: Option<Sender<Question>>,
    answers: Receiver<Answer>,
    closing: Arc<Closing>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Asker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Asker").finish_non_exhaustive()
    }
}

/// How a thread that waits for an answer is told not to.
#[derive(Debug, Default)]
pub(super) struct Closing(Mutex<(bool, Option<Closer>)>);

impl Closing {
    /// `closer` is used when the time has come, or now if it has.
    pub(super) fn watch(&self, closer: Closer) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.0 {
            closer.close();
        } else {
            state.1 = Some(closer);
        }
    }

    fn close(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 = true;
        if let Some(closer) = state.1.take() {
            closer.close();
        }
    }
}

impl Asker {
    /// `open` makes in the thread what answers.
    pub(super) fn start(
        open: impl FnOnce(&Arc<Closing>) -> Result<Ask, DaemonError> + Send + 'static,
    ) -> Self {
        let (questions, asked) = mpsc::channel();
        let (answered, answers) = mpsc::channel();
        let closing = Arc::<Closing>::default();
        let watched = Arc::clone(&closing);
        let thread = thread::spawn(move || match open(&watched) {
            Ok(ask) => work(ask, &asked, &answered),
            Err(error) => {
                let (batch, missing) = (u64::MAX, Err(error));
                let _ = answered.send(Answer { batch, missing });
            }
        });
        Self {
            questions: Some(questions),
            answers,
            closing,
            thread: Some(thread),
        }
    }

    /// Asks about the jobs of a batch. Batches have rising numbers.
    pub(super) fn ask(&self, batch: u64, wanted: Vec<Wanted>) {
        // A thread that is gone has said why.
        if let Some(questions) = &self.questions {
            let _ = questions.send(Question { batch, wanted });
        }
    }

    /// The next answer, if there is one within `limit`.
    pub(super) fn wait(&self, limit: Duration) -> Option<Answer> {
        self.answers.recv_timeout(limit).ok()
    }
}

fn work(mut ask: Ask, asked: &Receiver<Question>, answered: &Sender<Answer>) {
    while let Ok(mut question) = asked.recv() {
        // Whatever came meanwhile is one question: Nix walks through what they share once.
        for more in asked.try_iter() {
            question.batch = more.batch;
            question.wanted.extend(more.wanted);
        }
        let missing = ask(&question.wanted);
        let is_last = missing.is_err();
        let batch = question.batch;
        if answered.send(Answer { batch, missing }).is_err() || is_last {
            return;
        }
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.questions = None;
        self.closing.close();
        if let Some(thread) = self.thread.take() {
            // It has nothing more to say.
            let _ = thread.join();
        }
    }
}
