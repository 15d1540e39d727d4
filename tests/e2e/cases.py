"""Repositories, and what is to become of their first commit. One entry is one case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.repository import OTHER_SYSTEM, Link, flake

BUILT = "was built"
FAILED = "failed"
NOT_BUILT = "was not built"
NOT_EVALUATED = "failed to evaluate"
UNFIT = "could not be built here"

#: Results of builds by what the summary says in the end; what is not here gets no build.
BUILD_RESULTS = {
    BUILT: "success",
    FAILED: "failure",
    NOT_BUILT: "failure",
    NOT_EVALUATED: "failure",
    UNFIT: "exception",
}


@dataclass(frozen=True)
class Case:
    """A repository's content, and what people see of its first commit."""

    files: Mapping[str, str | Link]
    #: Result of the evaluation's build.
    result: str
    #: What the summary says of each attribute of our system.
    verdicts: dict[str, str] = field(default_factory=dict)
    #: Regular expressions, each found in what the evaluation's page shows: texts of the build and
    #: its steps, and the summary.
    shows: tuple[str, ...] = ()
    #: Regular expressions for the reasons that the summary gives, by attribute.
    reasons: dict[str, str] = field(default_factory=dict)
    #: Attributes for which another's build stands.
    without_build: tuple[str, ...] = ()


def verdicts(**groups: str) -> dict[str, str]:
    """``built="a b"`` and so on: a verdict for each of the names."""
    words = {"built": BUILT, "failed": FAILED, "blocked": NOT_BUILT, "broken": NOT_EVALUATED}
    return {name: words[group] for group, names in groups.items() for name in names.split()}


REPOSITORIES = {
    "no-flake": Case({"README": "nothing here"}, "failure", shows=(r"flake\.nix",)),
    "no-checks": Case(
        flake(outputs='packages.${system}.a = ok "a";'), "failure", shows=("`?checks`?",)
    ),
    "unparsable": Case(
        {"flake.nix": "{ outputs = _: {\n  checks = ;\n}; }"}, "failure", shows=("syntax error",)
    ),
    "throwing": Case(
        flake(outputs='checks = throw "no checks today";'), "failure", shows=("no checks today",)
    ),
    "zero": Case(flake(), "success", shows=("nothing to build",)),
    "zero-systems": Case(flake(outputs="checks = {};"), "success", shows=("nothing to build",)),
}

ATTRIBUTES = {
    "errors": Case(
        flake("""
          good = ok "good";
          thrown = throw "thrown on purpose";
          aborted = abort "aborted on purpose";
          type = ok 1;
          missing = {}.nothing;
          circle = let x = x; in x;
          deep = let f = n: 1 + f n; in f 0;
          late = drv "late" (throw "late on purpose") {};
          assertion = assert 1 == 2; ok "assertion";
        """),
        "failure",
        verdicts(built="good", broken="thrown aborted type missing circle deep late assertion"),
        reasons={
            "thrown": "thrown on purpose",
            "aborted": "aborted on purpose",
            "type": "string|coerce",
            "missing": "attribute 'nothing' missing",
            "circle": "infinite recursion",
            "deep": "(?i)max-call-depth|stack overflow",
            "late": "late on purpose",
            # Newer versions tell the values; that it was an assertion is for the log.
            "assertion": r"assertion '\(1 == 2\)' failed|'1' is not equal to an integer .* '2'",
        },
    ),
    "no-derivations": Case(
        flake('good = ok "good"; text = "text"; number = 1; list = [ (ok "l") ]; f = x: x;'),
        "failure",
        verdicts(built="good", broken="text number list f"),
        reasons=dict.fromkeys(["text", "number", "list", "f"], "derivation"),
    ),
    "nested": Case(
        flake('tree = { a = ok "a"; deeper = { b = ok "b"; }; empty = {}; };'),
        "success",
        verdicts(built="tree.a tree.deeper.b"),
    ),
    "warned": Case(
        flake('a = builtins.warn "this is old" (ok "a");'),
        "success",
        verdicts(built="a"),
        shows=("this is old", "1 warning"),
    ),
    "other-system": Case(
        flake(
            outputs=f"""
              checks.${{system}}.a = ok "a";
              checks.{OTHER_SYSTEM} = {{ b = throw "evaluated"; c = ok "c"; }};
            """
        ),
        "success",
        verdicts(built="a"),
        shows=("Not for this instance", OTHER_SYSTEM),
    ),
    "other-derivation": Case(
        flake(f'a = ok "a"; b = drv "b" "" {{ system = "{OTHER_SYSTEM}"; }};'),
        "success",
        verdicts(built="a"),
        shows=("Not for this instance", OTHER_SYSTEM),
    ),
    "same": Case(
        flake('a = ok "same"; b = ok "same"; c = ok "same";'),
        "success",
        verdicts(built="a b c"),
        without_build=("b", "c"),
    ),
}

BUILDS = {
    "dependants": Case(
        flake("""
          a = drv "a" "echo broken; exit 1" {};
          b = drv "b" "echo ${a} > $out" {};
          c = drv "c" "echo done > $out" { needs = b; };
          d = ok "d";
          e = drv "e" "read -r x < ${d}; echo $x > $out" {};
        """),
        "failure",
        verdicts(failed="a", blocked="b c", built="d e"),
        reasons={"b": "needs .*a, which failed", "c": "needs .*a, which failed"},
    ),
    "hidden-dependency": Case(
        flake('a = drv "a" "echo ${drv "hidden" "exit 3" {}} > $out" {};'),
        "failure",
        verdicts(failed="a"),
        reasons={"a": "hidden.*exit status 3"},
    ),
    "outputs": Case(
        flake(r"""
          several = drv "several" "for o in $outputs; do echo $o > \${!o}; done" {
            outputs = [ "out" "dev" "man" ];
          };
          without-out = drv "without-out" "echo 1 > $lib; echo 2 > $bin" {
            outputs = [ "lib" "bin" ];
          };
        """),
        "success",
        verdicts(built="several without-out"),
    ),
    # 52.5 MB in lines of 84 bytes.
    "loud": Case(
        flake(r"""
          many = drv "many" ''
            line=0123456789012345678901234567890123456789012345678901234567890123456789012345678901
            newline=$'\n'
            for i in 1 2 3 4 5 6 7 8 9 10; do block="$block$line$i$newline"; done
            for i in 1 2 3 4 5 6 7 8 9 10; do blocks="$blocks$block"; done
            i=0
            while [ $i -lt 6250 ]; do printf %s "$blocks"; i=$((i + 1)); done
            echo the very end
            echo done > $out
          '' {};
        """),
        "success",
        verdicts(built="many"),
    ),
    "odd-text": Case(
        flake(r"""
          bytes = drv "bytes" ''
            printf 'bad \xff\xfe\xc3( bytes\n\0nul\n\033]0;title\007\033[2Jcleared\r\n'
            printf 'no newline at the end \xf0\x9f'; echo done > $out
          '' {};
          # One line of 5 MB.
          wide = drv "wide" ''
            x=0123456789
            for i in 1 2 3 4; do x="$x$x$x$x$x$x$x$x$x$x"; done
            for i in 1 2 3 4 5 6 7 8 9 10; do y="$y$x"; done
            printf '%s%s%s%s%s\n' "$y" "$y" "$y" "$y" "$y"
            echo behind the line; echo done > $out
          '' {};
          last = drv "last" ''echo two apples >&2; printf '\xff broke'; exit 1'' {};
        """),
        "failure",
        verdicts(built="bytes wide", failed="last"),
    ),
    "ends": Case(
        flake("""
          # The builder itself is process 1 of its sandbox, which cannot kill itself.
          killed = drv "killed" "echo about to die; (kill -9 $BASHPID)" {};
          segfault = drv "segfault" "(kill -SEGV $BASHPID)" {};
          nothing = drv "nothing" "exit 0" {};
          no-builder = drv "no-builder" "" { builder = "/does/not/exist"; };
          wrong-hash = drv "wrong-hash" "echo x > $out" {
            outputHash = "0000000000000000000000000000000000000000000000000000000000000000";
            outputHashAlgo = "sha256";
          };
        """),
        "failure",
        {
            # By whom, and whether it would be again, is not known.
            "killed": UNFIT,
            **verdicts(failed="segfault nothing no-builder wrong-hash"),
        },
        reasons={
            "killed": "SIGKILL",
            "segfault": "SIGSEGV",
            "nothing": "output",
            "wrong-hash": "hash",
        },
    ),
}


def with_settings(text: str, **files: str | Link) -> dict[str, str | Link]:
    """A flake with one good check and a ``buildbot-nix.toml``."""
    return {**flake('a = ok "a";'), "buildbot-nix.toml": text, **files}


SETTINGS = {
    "toml-attribute": Case(
        {
            **flake(outputs='ci.${system}."b c".d = ok "d"; checks.${system}.y = ok "y";'),
            "buildbot-nix.toml": 'attribute = "ci"\n',
        },
        "success",
        {"b c.d": BUILT},
    ),
    "toml-flake-dir": Case(
        {
            "flake.nix": '{ outputs = _: throw "not the flake"; }',
            "buildbot-nix.toml": 'flake_dir = "nix/ci"\n',
            **{f"nix/ci/{name}": text for name, text in flake('a = ok "a";').items()},
        },
        "success",
        verdicts(built="a"),
    ),
    "toml-wrong": Case(
        with_settings('flake_dir = 3\nlock_file = ""\natribute = "x"\n'),
        "success",
        verdicts(built="a"),
        shows=("3 warnings", "flake_dir", "lock_file", "did you mean `attribute`"),
    ),
    "toml-unparsable": Case(
        with_settings("attribute = [\n"),
        "success",
        verdicts(built="a"),
        shows=("1 warning", "no valid TOML"),
    ),
    "toml-outside": Case(
        with_settings('flake_dir = "../../.."\nlock_file = "/etc/passwd"\n'),
        "success",
        verdicts(built="a"),
        shows=("2 warnings", r"`\.\./\.\./\.\.` contains", "absolute"),
    ),
    "toml-link": Case(
        with_settings('flake_dir = "out"\n', out=Link("/etc")),
        "success",
        verdicts(built="a"),
        shows=("1 warning", "leads out of the checkout"),
    ),
}

CASES = {**REPOSITORIES, **ATTRIBUTES, **BUILDS, **SETTINGS}

#: Attribute names that a pull request may choose, and how they are shown.
NAMES = {
    "plain-1.0": '"plain-1.0"',
    "a.b": '"a.b"',
    "with space": "with space",
    'quo"te': 'quo"te',
    "sl/ash": "sl/ash",
    "..": '".."',
    "../../../../tmp/escaped": '"../../../../tmp/escaped"',
    ".": '"."',
    "größe-日本語-🙂": "größe-日本語-🙂",
    "<b>bold</b><script>alert(1)</script>": "<b>bold</b><script>alert(1)</script>",
    "x" * 300: "x" * 300,
    "ü" * 150: "ü" * 150,
    "--help": "--help",
    "$(id)`id`${id}": "$(id)`id`${id}",
    "back\\slash": "back\\slash",
    "per%20cent": "per%20cent",
    "#hash": "#hash",
    "new\nline": "new\nline",
    "'single'": "'single'",
    "": "",
}


def nix_string(text: str) -> str:
    """A Nix string literal."""
    for character in '\\"$':
        text = text.replace(character, f"\\{character}")
    return '"' + text.replace("\n", "\\n") + '"'


def names_flake() -> dict[str, str]:
    """A flake with one derivation for each of :data:`NAMES`."""
    lines = [f'{nix_string(name)} = ok "n{index}";' for index, name in enumerate(NAMES)]
    return flake(outputs="checks.${system} = {\n" + "\n".join(lines) + "\n};")
