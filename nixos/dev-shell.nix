# The programs that `make` does not get itself: those that .ci/setup-packages looks for, and Rust.
# Python's packages come from PyPI, in the versions that the lock names. On NixOS one of them, ruff,
# needs `programs.nix-ld.enable`.
{
  lib,
  cargo,
  chromedriver,
  chromium,
  clippy,
  git,
  mkShell,
  nix,
  nixfmt,
  nodejs,
  openssh,
  postgresql,
  python3,
  rustc,
  rustfmt,
  stdenv,
}:
mkShell {
  packages = [
    cargo
    clippy
    git
    nix
    nixfmt
    nodejs
    openssh
    postgresql
    python3
    rustc
    rustfmt
  ]
  # The tests with a browser run on Linux only.
  ++ lib.optionals stdenv.hostPlatform.isLinux [
    chromedriver
    chromium
  ];
}
