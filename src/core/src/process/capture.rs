use std::io::{Read, Write};
use std::process::ExitStatus;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::child::POLL;
use super::{Child, CommandSpec, Stream, stop_requested};
use crate::error::Error;

/// Bytes of one stream that [`capture`] keeps.
const CAPTURE_MAX: u64 = 64 << 20;

/// What a program that was waited for has said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// How it ended.
    pub status: ExitStatus,
    /// Its stdout.
    pub stdout: Vec<u8>,
    /// Its stderr.
    pub stderr: Vec<u8>,
}

/// Runs `command` with `input` as its stdin and waits for it, at most `limit`.
pub fn capture(command: &CommandSpec, input: &[u8], limit: Duration) -> Result<Captured, Error> {
    let stdin = if input.is_empty() {
        Stream::Null
    } else {
        Stream::Piped
    };
    let mut child = Child::spawn(command, [stdin, Stream::Piped, Stream::Piped])?;
    let deadline = Instant::now() + limit;
    let stdin = child.take_stdin();
    let stdout = read_in_background(child.take_stdout());
    let stderr = read_in_background(child.take_stderr());
    thread::scope(|scope| {
        if let Some(mut stdin) = stdin {
            // A program that does not want its whole input closes the pipe; its status tells.
            scope.spawn(move || drop(stdin.write_all(input)));
        }
        let captured = (|| {
            let stdout = receive(&stdout, deadline)?;
            let stderr = receive(&stderr, deadline)?;
            let status = child.wait(deadline.saturating_duration_since(Instant::now()))?;
            Some(Captured {
                status,
                stdout,
                stderr,
            })
        })();
        if captured.is_none() {
            // Also ends the writer of its input.
            child.terminate();
        }
        captured.ok_or_else(|| {
            if stop_requested() {
                Error::Stopped
            } else {
                Error::Nix {
                    message: format!("`{command}` was stopped after {} s", limit.as_secs()),
                    hint: None,
                }
            }
        })
    })
}

fn read_in_background(stream: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            let _ = stream.by_ref().take(CAPTURE_MAX).read_to_end(&mut bytes);
            // The rest must be taken too, or the program would block.
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
        let _ = sender.send(bytes);
    });
    receiver
}

fn receive(receiver: &mpsc::Receiver<Vec<u8>>, deadline: Instant) -> Option<Vec<u8>> {
    loop {
        match receiver.recv_timeout(POLL) {
            Ok(bytes) => return Some(bytes),
            Err(mpsc::RecvTimeoutError::Timeout)
                if !stop_requested() && Instant::now() < deadline => {}
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::describe_exit;

    fn shell(script: &str) -> CommandSpec {
        CommandSpec::new("sh").args(["-c", script])
    }

    #[test]
    fn captures_both_streams_and_the_status() {
        let command = shell("cat; echo oops >&2; exit 3");
        let captured = capture(&command, b"input", Duration::from_secs(20)).unwrap();
        assert_eq!(captured.stdout, b"input");
        assert_eq!(captured.stderr, b"oops\n");
        assert_eq!(describe_exit(captured.status), "exit status 3");
    }

    #[test]
    fn input_larger_than_a_pipe_that_nobody_reads_does_not_block() {
        let input = vec![b'x'; 1 << 20];
        let captured = capture(&shell("exit 0"), &input, Duration::from_secs(20)).unwrap();
        assert!(captured.status.success());
    }

    #[test]
    fn what_takes_too_long_is_ended() {
        let started = Instant::now();
        let error = capture(&shell("exec sleep 60"), b"", Duration::from_millis(50)).unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(20));
        assert_eq!(
            error.to_string(),
            "`sh -c 'exec sleep 60'` was stopped after 0 s"
        );
    }
}
