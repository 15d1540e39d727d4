# buildbot-nix is what a master needs, buildbot-nix-agent what a worker needs: the same command
# line twice, once with Python and Buildbot around it and once alone. buildbot is Buildbot with our
# patches.
{
  lib,
  buildbotPackages,
  cargo,
  rustPlatform,
  rustc,
  # Everything works without, only slower; patches/README.md says what each is for.
  withPatches ? true,
  # Another Buildbot, e.g. one with patches of its own; for buildbotPackages.python. It is not called
  # `buildbot`, which callPackage would fill in.
  otherBuildbot ? null,
}:
let
  inherit (lib) fileset;
  inherit (buildbotPackages) python;
  inherit ((lib.importTOML ../Cargo.toml).workspace.package) version;

  # Only what is compiled, so that a change of the documentation builds nothing anew. The
  # templates in python/ are part of the command.
  crates = fileset.unions [
    ../Cargo.lock
    ../Cargo.toml
    ../patches
    ../python
    ../src
  ];
  toSource =
    files:
    fileset.toSource {
      root = ../.;
      fileset = files;
    };

  # What patches/ was made for; with another version they may not apply, or be in it already.
  patchedVersion = "4.3.0";
  stock = buildbotPackages.buildbot;
  chosen = if otherBuildbot == null then patched else otherBuildbot;
  patched =
    if !withPatches then
      stock
    else if stock.version != patchedVersion then
      lib.warn "buildbot-nix: no patches for Buildbot ${stock.version}, only for ${patchedVersion}" stock
    else
      stock.overrideAttrs (old: {
        patches = old.patches or [ ] ++ patchFiles;
      });
  patchFiles = map (name: ../patches + "/${name}") (
    lib.filter (lib.hasSuffix ".patch") (lib.attrNames (builtins.readDir ../patches))
  );

  meta = {
    description = "Continuous integration for Nix flakes on Buildbot";
    license = lib.licenses.mit;
    mainProgram = "buildbot-nix";
  };
in
{
  buildbot = chosen;

  # For Buildbot's own interpreter: `buildbotPackages.python.withPackages (_: [ buildbot-nix ])`.
  buildbot-nix = python.pkgs.buildPythonPackage {
    pname = "buildbot-nix";
    inherit version meta;
    pyproject = true;
    src = toSource (
      fileset.unions [
        crates
        ../LICENSE
        ../buildbot_nix
        ../pyproject.toml
      ]
    );
    cargoDeps = rustPlatform.importCargoLock { lockFile = ../Cargo.lock; };
    # Maturin sees to it that the extension module is not linked with libpython.
    nativeBuildInputs = [
      cargo
      rustPlatform.cargoSetupHook
      rustPlatform.maturinBuildHook
      rustc
    ];
    dependencies = [
      # An application in nixpkgs; as such no interpreter would find it.
      (python.pkgs.toPythonModule chosen)
      buildbotPackages.buildbot-plugins.www
      buildbotPackages.buildbot-worker
      python.pkgs.requests
      python.pkgs.sqlalchemy
      python.pkgs.treq
    ];
    optional-dependencies.postgresql = [ python.pkgs.psycopg2 ];
    pythonImportsCheck = [
      "buildbot_nix"
      "buildbot_nix._native"
      "buildbot_nix.configurator"
    ];
  };

  buildbot-nix-agent = rustPlatform.buildRustPackage {
    pname = "buildbot-nix-agent";
    inherit version meta;
    src = toSource crates;
    cargoLock.lockFile = ../Cargo.lock;
    # Without this, Cargo would build the extension module too, for which it wants a Python.
    cargoBuildFlags = [ "--package=buildbot-nix" ];
    # The tests of all crates are a check of their own, see checks.nix.
    doCheck = false;
  };
}
