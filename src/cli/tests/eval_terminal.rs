//! `buildbot-nix eval` on a terminal.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not see as such"
)]

mod evaluation;

use std::fs::File;
use std::io::Read as _;
use std::process::{Command, Stdio};

use evaluation::Checkout;
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

const COLUMNS: u16 = 60;
const ROWS: u16 = 20;
/// Slow enough, on a fast machine too, for something to be shown while it runs:
/// the table is drawn a few times a second.
const FLAKE: &str = r#"{ outputs = _: let
  mk = name: derivation { inherit name; system = "x86_64-linux"; builder = "/bin/sh"; };
  fibonacci = n: if n < 2 then n else fibonacci (n - 1) + fibonacci (n - 2);
  slow = n: x: builtins.seq (fibonacci n) x;
in {
  checks.x86_64-linux = {
    quick = mk "quick";
    slow = slow 30 (mk "slow");
    slower = slow 31 (mk "slower");
    traced = builtins.trace "a trace" (slow 24 (mk "traced"));
    wrong = throw "boom";
    "a-name-that-is-much-longer-than-what-fits-on-this-narrow-screen" = mk "long";
  };
  checks.aarch64-linux.other = mk "other";
}; }"#;

/// What the command writes to a terminal, and how it ends.
fn on_a_terminal(command: &mut Command) -> (String, Option<i32>) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let size = Winsize {
        ws_row: ROWS,
        ws_col: COLUMNS,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&terminal, size).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let inside = open(name.as_c_str(), flags, Mode::empty()).unwrap();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(inside.try_clone().unwrap())
        .stderr(inside.try_clone().unwrap())
        .spawn()
        .unwrap();
    // The command keeps what it was given, which would keep the terminal open.
    drop(inside);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut written = Vec::new();
    // The end of a terminal is an error when nobody has its other side open.
    let _ = File::from(terminal).read_to_end(&mut written);
    let status = child.wait().unwrap();
    (String::from_utf8(written).unwrap(), status.code())
}

fn eval(checkout: &Checkout) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_buildbot-nix"));
    command
        .args(["eval", "--engine", "nix", "--systems", "x86_64-linux"])
        .args(["--workers", "1", ".#checks"])
        .current_dir(checkout.path())
        .env("TERM", "xterm")
        .env_remove("NO_COLOR");
    command
}

/// What a person sees in the end, scrolled back.
fn screen(written: &str) -> Vec<String> {
    let mut lines: Vec<Vec<char>> = vec![Vec::new()];
    let (mut row, mut column) = (0, 0);
    let mut characters = written.chars();
    while let Some(character) = characters.next() {
        match character {
            '\r' => column = 0,
            '\n' => {
                row += 1;
                if row == lines.len() {
                    lines.push(Vec::new());
                }
            }
            '\u{1b}' => {
                assert_eq!(characters.next(), Some('['), "{written:?}");
                let mut argument = String::new();
                let end = characters.find(|it| {
                    argument.push(*it);
                    it.is_ascii_alphabetic()
                });
                match end.unwrap() {
                    'A' => row -= argument.trim_end_matches('A').parse::<usize>().unwrap(),
                    'K' => lines[row].truncate(column),
                    'J' => {
                        lines.truncate(row + 1);
                        lines[row].truncate(column);
                    }
                    'm' | 'l' | 'h' => {}
                    other => panic!("{other:?} in {written:?}"),
                }
            }
            character => {
                lines[row].resize(column, ' ');
                lines[row].push(character);
                column += 1;
            }
        }
    }
    lines.into_iter().map(String::from_iter).collect()
}

#[test]
fn a_table_that_lives_and_then_stays() {
    let checkout = Checkout::with_flake(FLAKE);
    let (written, code) = on_a_terminal(&mut eval(&checkout));
    assert_eq!(code, Some(1), "{written}");
    // While it runs, with what is in the works. The set is an attribute too.
    assert!(written.contains(" of 7 attributes in "), "{written}");
    assert!(written.contains(" s  x86_64-linux.slow"), "{written}");
    assert!(written.contains("\u{1b}[31;1mfailed"), "{written:?}");

    let seen = screen(&written);
    let text = seen.join("\n");
    assert!(
        !text.contains(" of 7 attributes"),
        "all of it is gone: {text}"
    );
    assert!(seen.contains(&"trace: a trace".to_owned()), "{text}");
    let begin = seen.iter().position(|line| line.starts_with("status "));
    let table = &seen[begin.unwrap_or_else(|| panic!("no table: {text}"))..][..7];
    let rows = table.iter().skip(1).map(|line| {
        let (state, rest) = line.split_at("to build  ".len());
        let name = rest.split_whitespace().next().unwrap();
        assert!(rest.ends_with(" ms") || rest.ends_with(" s"), "{line}");
        (state.trim(), name.strip_prefix("x86_64-linux.").unwrap())
    });
    let rows: Vec<(&str, &str)> = rows.collect();
    let (long, others) = rows.split_first().unwrap();
    assert!(
        long.1.starts_with("a-name-that-is") && long.1.ends_with('…'),
        "{text}"
    );
    let expected = ["quick", "slow", "slower", "traced"].map(|name| ("to build", name));
    assert_eq!(others[..4], expected, "{text}");
    assert_eq!(others[4], ("failed", "wrong"), "{text}");
    let width = usize::from(COLUMNS);
    assert!(
        table.iter().all(|line| line.chars().count() <= width),
        "{text}"
    );
    assert!(
        text.contains("aarch64-linux: 1 attribute skipped"),
        "{text}"
    );
    let last = seen.iter().rev().find(|line| !line.is_empty()).unwrap();
    assert_eq!(last, "5 to build, 1 failed", "{text}");
}

#[test]
fn no_colours_where_nobody_wants_them() {
    let checkout = Checkout::with_flake(FLAKE);
    let (written, _) = on_a_terminal(eval(&checkout).env("NO_COLOR", "1"));
    let is_colour = |sequence: &str| {
        let end = sequence.find(|it: char| it.is_ascii_alphabetic());
        end.is_some_and(|end| sequence[end..].starts_with('m'))
    };
    assert!(
        written.split("\u{1b}[").skip(1).all(|it| !is_colour(it)),
        "{written:?}"
    );
    assert!(
        screen(&written)
            .iter()
            .any(|line| line.starts_with("status "))
    );

    // One that can do nothing gets lines, like a file.
    let (written, _) = on_a_terminal(eval(&checkout).env("TERM", "dumb"));
    assert!(!written.contains('\u{1b}'), "{written:?}");
    assert!(
        written.contains("\r\nx86_64-linux.slow: to build\r\n"),
        "{written}"
    );
}
