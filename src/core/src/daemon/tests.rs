//! Handshake and questions against bytes, and against a thread that plays the daemon.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rstest::rstest;

use super::connection::Connection;
use super::connection::Wanted;
use super::transport::Transport;
use super::wire::Request;
use super::{Client, DaemonError, Missing};
use crate::nix::{DrvPath, StorePath};

const MAGIC: u64 = 0x6478_696f;
const LAST: u64 = 0x616c_7473;
const ERROR: u64 = 0x6378_7470;

/// Says what it is told to, hears everything.
struct Script<'s> {
    says: &'s [u8],
    heard: Vec<u8>,
}

impl<'s> Script<'s> {
    fn new(says: &'s [u8]) -> Self {
        let heard = Vec::new();
        Self { says, heard }
    }
}

impl Read for Script<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // In small pieces, as a slow daemon does.
        let length = buffer.len().min(3);
        self.says.read(&mut buffer[..length])
    }
}

impl Write for Script<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.heard.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn path(name: &str) -> StorePath {
    format!("/nix/store/{:032}-{name}", 0).parse().unwrap()
}

/// The hello of a daemon that speaks 1.`minor`.
fn hello(minor: u64) -> Request {
    let mut hello = Request::default().number(MAGIC).number(1 << 8 | minor);
    if minor >= 38 {
        hello = hello.texts(["a-feature", "another"].into_iter());
    }
    if minor >= 33 {
        hello = hello.text("2.99");
    }
    if minor >= 35 {
        hello = hello.number(1);
    }
    hello.number(LAST)
}

fn refusal(text: &str) -> Request {
    Request::default()
        .number(ERROR)
        .text("Error")
        .number(0)
        .text("Error")
        .text(text)
        .number(0)
        .number(0)
}

fn valid_in(says: &[u8]) -> Result<HashSet<StorePath>, DaemonError> {
    Connection::open(Script::new(says))?.valid_paths(&[&path("a"), &path("b")])
}

fn missing_in(says: &[u8]) -> Result<Missing, DaemonError> {
    let drv: DrvPath = path("a.drv").as_str().parse().unwrap();
    Connection::open(Script::new(says))?.missing(&[Wanted::Outputs(drv)])
}

#[rstest]
fn versions_differ_in_their_hello(#[values(32, 33, 34, 35, 37, 38, 39, 255)] minor: u64) {
    let answer = Request::default()
        .number(LAST)
        .texts([path("b").as_str()].into_iter());
    let says = [hello(minor).bytes(), answer.bytes()].concat();
    assert_eq!(valid_in(&says).unwrap(), [path("b")].into());

    // What is sent has to differ too: a daemon before 1.38 would take features for options.
    let mut connection = Connection::open(Script::new(&says)).unwrap();
    let words = connection.stream_mut().heard.len() / 8;
    assert_eq!(words, if minor >= 38 { 5 } else { 4 });
}

#[rstest]
#[case(1, 31)]
#[case(1, 10)]
#[case(2, 0)]
#[case(0, 38)]
fn other_versions_are_refused(#[case] major: u64, #[case] minor: u64) {
    let says = Request::default().number(MAGIC).number(major << 8 | minor);
    let error = valid_in(says.bytes()).unwrap_err().to_string();
    let version = format!("version {major}.{minor} is not understood");
    assert!(error.contains(&version), "{error}");
}

#[test]
fn a_text_is_sent_in_frames_and_the_whole_answer_read() {
    let info = Request::default()
        .number(LAST)
        .text(path("note").as_str())
        // No deriver; hash; two references; time, size, origin; a signature; content address.
        .text("")
        .text("0000")
        .texts([path("a").as_str(), path("b").as_str()].into_iter())
        .number(1)
        .number(2)
        .number(1)
        .texts(["key:sig"].into_iter())
        .text("text:sha256:0000");
    let next = Request::default()
        .number(LAST)
        .texts([path("b").as_str()].into_iter());
    let says = [hello(37).bytes(), info.bytes(), next.bytes()].concat();
    let mut connection = Connection::open(Script::new(&says)).unwrap();
    let (one, two) = (path("a"), path("b"));
    let added = connection.add_text("note", "words", &[&one, &two]).unwrap();
    assert_eq!(added, path("note"));
    let heard = &connection.stream_mut().heard;
    assert!(heard.ends_with(b"\x05\0\0\0\0\0\0\0words\0\0\0\0\0\0\0\0"));
    assert_eq!(connection.valid_paths(&[&one, &two]).unwrap(), [two].into());
}

#[test]
fn what_is_missing_has_three_parts() {
    let list = |request: Request, name: &str| request.texts([path(name).as_str()].into_iter());
    let answer = Request::default().number(LAST);
    let answer = list(list(list(answer, "build.drv"), "fetch"), "unknown");
    let says = [hello(37).bytes(), answer.number(10).number(20).bytes()].concat();
    let expected = Missing {
        will_build: [path("build.drv")].into(),
        will_substitute: [path("fetch")].into(),
        unknown: [path("unknown")].into(),
    };
    assert_eq!(missing_in(&says).unwrap(), expected);
    // Cut anywhere, it is no answer.
    for end in 0..says.len() {
        let error = missing_in(&says[..end]).unwrap_err();
        assert!(
            matches!(error, DaemonError::Closed),
            "{error} at byte {end}"
        );
    }
}

#[test]
fn other_programs_are_no_daemons() {
    let error = valid_in(b"HTTP/1.1 400 Bad Request\r\n").unwrap_err();
    assert!(matches!(error, DaemonError::Odd(_)), "{error}");
}

proptest! {
    /// Whatever comes after the hello, there is an answer or an error.
    #[test]
    fn nothing_makes_it_panic(
        minor in 32_u64..40,
        words in prop::collection::vec(prop_oneof![
            Just(LAST), Just(ERROR), Just(0x6f6c_6d67), Just(0x5354_5254), Just(0x5354_4f50),
            Just(0x5253_4c54), Just(u64::MAX), 0..9_u64, any::<u64>(),
        ], 0..40),
    ) {
        let noise = words.into_iter().fold(Request::default(), Request::number);
        let says = [hello(minor).bytes(), noise.bytes()].concat();
        let _ = missing_in(&says);
        let _ = missing_in(noise.bytes());
    }
}

/// A daemon on a socket of its own that serves one visitor.
struct Fake {
    folder: tempfile::TempDir,
    thread: JoinHandle<()>,
}

impl Fake {
    fn new(serve: impl FnOnce(UnixStream) + Send + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
        let thread = thread::spawn(move || serve(listener.accept().unwrap().0));
        Self { folder, thread }
    }

    fn connect(&self, limit: Duration) -> Result<Client, DaemonError> {
        Client::connect(&self.folder.path().join("socket"), limit)
    }
}

const SOON: Duration = Duration::from_millis(150);
const LONG: Duration = Duration::from_secs(20);

/// Waits until the visitor has gone.
fn wait_for_end(mut stream: UnixStream) {
    let _ = io::copy(&mut stream, &mut io::sink());
}

#[test]
fn a_daemon_that_says_nothing_costs_one_time_out() {
    let fake = Fake::new(wait_for_end);
    let begun = Instant::now();
    let error = fake.connect(SOON).unwrap_err();
    assert!(matches!(error, DaemonError::TimedOut { .. }), "{error}");
    assert!(begun.elapsed() < LONG);
    fake.thread.join().unwrap();
}

#[test]
fn a_daemon_that_drips_costs_one_time_out() {
    let fake = Fake::new(|mut stream| {
        let log = Request::default().number(0x6f6c_6d67).text("");
        let _ = stream.write_all(Request::default().number(MAGIC).number(0x125).bytes());
        let _ = stream.write_all(Request::default().text("2.26").number(0).bytes());
        // Always in time for a single read.
        while stream.write_all(log.bytes()).is_ok() {
            thread::sleep(Duration::from_millis(10));
        }
    });
    let error = fake.connect(SOON).unwrap_err();
    assert!(matches!(error, DaemonError::TimedOut { .. }), "{error}");
    fake.thread.join().unwrap();
}

#[test]
fn a_daemon_that_floods_is_cut_off() {
    let fake = Fake::new(|mut stream| {
        let text = "x".repeat(1 << 20);
        let log = Request::default().number(0x6f6c_6d67).text(&text);
        let _ = stream.write_all(Request::default().number(MAGIC).number(0x120).bytes());
        while stream.write_all(log.bytes()).is_ok() {}
    });
    let error = fake.connect(LONG).unwrap_err().to_string();
    assert!(error.contains("more than 64 MiB"), "{error}");
    fake.thread.join().unwrap();
}

#[test]
fn a_full_queue_of_visitors_costs_one_time_out() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    // The queue is as short as it can be, and nobody accepts.
    rustix::net::listen(&listener, 0).unwrap();
    let mut visitors = Vec::new();
    let error = loop {
        match Transport::connect(&socket, Duration::ZERO) {
            Ok(visitor) => visitors.push(visitor),
            Err(error) => break error,
        }
        assert!(visitors.len() < 100, "the queue is endless");
    };
    assert!(matches!(error, DaemonError::TimedOut { .. }), "{error}");
}

#[test]
fn a_refused_question_is_asked_again_without_broken_substituters() {
    let fake = Fake::new(|mut stream| {
        let mut heard = [0; 4096];
        stream.write_all(hello(37).bytes()).unwrap();
        let mut received = stream.read(&mut heard).unwrap();
        stream
            .write_all(refusal("unable to download").bytes())
            .unwrap();
        stream
            .write_all(Request::default().number(LAST).bytes())
            .unwrap();
        let empty = Request::default().number(LAST);
        let empty = (0..5).fold(empty, |request, _| request.number(0));
        stream.write_all(empty.bytes()).unwrap();
        loop {
            match stream.read(&mut heard[received..]).unwrap() {
                0 => break,
                more => received += more,
            }
        }
        // Hello (4 words), question (2, and the target), options (14), question.
        let target = Request::default().text("/nix/store/00000000000000000000000000000000-a");
        let question = 2 * 8 + target.bytes().len();
        assert_eq!(received, 4 * 8 + 2 * question + 14 * 8);
    });
    let mut client = fake.connect(LONG).unwrap();
    assert_eq!(
        client.missing(&[Wanted::Path(path("a"))], LONG).unwrap(),
        Missing::default()
    );
    drop(client);
    fake.thread.join().unwrap();
}

#[test]
fn a_closer_ends_the_wait() {
    let fake = Fake::new(|mut stream| {
        stream.write_all(hello(37).bytes()).unwrap();
        wait_for_end(stream);
    });
    let mut client = fake.connect(LONG).unwrap();
    let closer = client.closer().unwrap();
    let waiting = thread::spawn(move || client.valid_paths(&[&path("a")]).unwrap_err());
    closer.close();
    let error = waiting.join().unwrap();
    assert!(matches!(error, DaemonError::Closed), "{error}");
    fake.thread.join().unwrap();
}

#[test]
fn a_daemon_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("none");
    let error = Client::connect(&socket, LONG).unwrap_err().to_string();
    let expected = format!("cannot connect to `{}`: No such file", socket.display());
    assert!(error.starts_with(&expected), "{error}");
}
