# What `make test` does, as far as a build sandbox permits. It has no Nix store to build into and no
# network, so tests/e2e, `make demo-check` and the Rust tests that run Nix (those in src/cli/tests that
# are not named below) are left to `make test`.
{
  lib,
  buildbot-nix,
  buildbot-nix-agent,
  buildbotPackages,
  callPackage,
  cargo,
  clippy,
  linkFarm,
  nixfmt,
  nixos,
  pkgs,
  ruff,
  runCommand,
  rustPlatform,
  rustc,
  rustfmt,
  stdenv,
  testers,
}:
let
  inherit (lib) fileset;
  sourceOf =
    files:
    fileset.toSource {
      root = ../.;
      fileset = fileset.unions files;
    };
  crates = sourceOf [
    ../Cargo.lock
    ../Cargo.toml
    ../buildbot_nix
    ../clippy.toml
    # Tests hold it against what is.
    ../docs
    ../patches
    ../python
    ../src
    ../tests/fixtures
    ../tests/fuzz
  ];
  scripts = sourceOf [
    ../bench
    ../buildbot_nix
    ../pyproject.toml
    ../tests
  ];
  # Without buildbot_nix, so that the installed one is tested.
  tests = sourceOf [
    ../pyproject.toml
    ../python
    (fileset.fileFilter (file: file.hasExt "py") ../tests)
  ];
  expressions = sourceOf [
    ../flake.nix
    ../nixos
    ../tests/nixos
  ];

  python = buildbotPackages.python.withPackages (ps: [
    buildbot-nix
    ps.mypy
    ps.pytest
    ps.pytest-timeout
    ps.types-requests
  ]);

  check =
    name: tools: commands:
    runCommand "buildbot-nix-${name}" { nativeBuildInputs = tools; } ''
      ${commands}
      touch $out
    '';
  # A machine as far as an example goes, in a container, which needs neither disks nor a boot loader.
  machine =
    example:
    (nixos [
      ./master
      ./worker.nix
      example
      {
        boot.isContainer = true;
        system.stateVersion = "26.05";
        security.acme = {
          acceptTerms = true;
          defaults.email = "admin@example.org";
        };
      }
    ]).config.system.build.toplevel;
in
lib.optionalAttrs stdenv.hostPlatform.isLinux (
  # Virtual machines, one file each.
  lib.mapAttrs' (
    name: file:
    lib.nameValuePair "vm-${name}" (testers.runNixOSTest (import file { inherit pkgs lib; }))
  ) (import ../tests/nixos/vm)
)
// lib.optionalAttrs stdenv.hostPlatform.isLinux {
  examples = linkFarm "buildbot-nix-examples" (
    lib.mapAttrsToList (name: example: {
      inherit name;
      path = machine example;
    }) (import ./examples)
  );
}
// {
  inherit buildbot-nix;
  agent = buildbot-nix-agent;
  demo = callPackage ./demo.nix { };
  dev-shell = callPackage ./dev-shell.nix { };

  rust = stdenv.mkDerivation {
    name = "buildbot-nix-rust";
    src = crates;
    inherit (buildbot-nix) cargoDeps;
    nativeBuildInputs = [
      # The tests of the bindings are linked with it.
      buildbotPackages.python
      cargo
      clippy
      rustPlatform.cargoSetupHook
      rustc
      rustfmt
    ];
    buildPhase = ''
      cargo fmt --all --check
      cargo clippy --frozen --workspace --all-targets -- -D warnings
      # The exceptions are declared in Python.
      export PYTHONPATH=$PWD
      cargo test --frozen --workspace --lib --bins --test settings --test settings_commands
    '';
    installPhase = "touch $out";
  };

  # Warnings are errors with the versions in the lock only: nixpkgs has others.
  python = check "python" [ python ] ''
    cd ${tests}
    python -m pytest -o cache_dir=$TMPDIR/pytest -W default tests/python
    python -m mypy.stubtest --mypy-config-file pyproject.toml buildbot_nix._native
  '';

  lint = check "lint" [ python ruff ] ''
    cd ${scripts}
    ruff check --no-cache
    ruff format --no-cache --check
    mypy --strict --cache-dir=/dev/null buildbot_nix
  '';

  nixfmt = check "nixfmt" [ nixfmt ] ''
    find ${expressions} -name '*.nix' -exec nixfmt --check {} +
  '';
}
