# tests/demo.py with everything it runs; `make demo` is the same with what .ci/setup gets.
{
  lib,
  buildbot-nix,
  buildbot-nix-agent,
  buildbotPackages,
  git,
  nix,
  writeShellApplication,
}:
let
  inherit (lib) fileset;
  python = buildbotPackages.python.withPackages (_: [ buildbot-nix ]);
  source = fileset.toSource {
    root = ../.;
    fileset = fileset.unions [
      (fileset.fileFilter (file: file.hasExt "py") ../tests)
      ../tests/sample
    ];
  };
in
writeShellApplication {
  name = "buildbot-nix-demo";
  # The native command goes before the console script of the same name.
  runtimeInputs = [
    buildbot-nix-agent
    python
    git
    nix
  ];
  text = ''
    # In place of .build, which cannot be in the store.
    export BUILDBOT_NIX_BUILD="''${XDG_CACHE_HOME:-$HOME/.cache}/buildbot-nix"
    mkdir -p "$BUILDBOT_NIX_BUILD"
    ln -sfn ${python} "$BUILDBOT_NIX_BUILD/venv"
    cd ${source}
    exec python -m tests.demo "$@"
  '';
}
