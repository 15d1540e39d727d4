# As much of nixpkgs as our flake uses, for machines without network: .ci/check-nix evaluates the
# flake with it. Nothing can be built with it.
#
# Every function takes the arguments that we pass and no other, so that a mistyped name is an error
# where nixpkgs would often ignore it. What is added to nixos/ may have to be added here.
let
  genAttrs =
    names: make:
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = make name;
      }) names
    );

  fileset = {
    # Paths that are not there are errors, as with the real ones; nothing is copied.
    unions = builtins.concatMap (files: if builtins.isList files then files else existing [ files ]);
    fileFilter =
      test: folder:
      assert test { hasExt = _: true; };
      existing [ folder ];
    toSource =
      { root, fileset }:
      assert fileset != [ ];
      builtins.deepSeq fileset (toString root);
  };
  existing = map (
    path: if builtins.pathExists path then path else throw "there is no ${toString path}"
  );

  lib = {
    inherit fileset genAttrs;
    inherit (builtins) attrNames filter;
    hasSuffix = suffix: text: builtins.match ".*${suffix}" text != null;
    warn = builtins.trace;
    getExe = package: "${package}/bin/${package.meta.mainProgram}";
    importTOML = path: builtins.fromTOML (builtins.readFile path);
    licenses.mit.spdxId = "MIT";
    optionals = condition: list: if condition then list else [ ];
  };

  pkgsFor =
    system: overlay:
    let
      # A derivation, in which dependencies have to be derivations and scripts strings.
      build =
        name: inputs: attributes:
        derivation {
          inherit name system inputs;
          builder = "/bin/sh";
        }
        // attributes;
      package = name: build name [ ] { meta.mainProgram = name; };
      packages = names: genAttrs names package;

      python = package "python3" // {
        withPackages = select: build "python3-env" (select python.pkgs) { };
        pkgs =
          packages [
            "mypy"
            "psycopg2"
            "pytest"
            "pytest-timeout"
            "requests"
            "sqlalchemy"
            "treq"
            "types-requests"
          ]
          // {
            toPythonModule = module: module;
            buildPythonPackage =
              {
                pname,
                version,
                src,
                pyproject,
                cargoDeps,
                nativeBuildInputs,
                dependencies,
                optional-dependencies,
                pythonImportsCheck,
                meta,
              }:
              assert pyproject;
              build "${pname}-${version}" [
                src
                cargoDeps
                nativeBuildInputs
                dependencies
                (builtins.attrValues optional-dependencies)
                pythonImportsCheck
              ] { inherit cargoDeps meta; };
          };
      };

      base =
        packages [
          "cargo"
          "chromedriver"
          "chromium"
          "clippy"
          "git"
          "nix"
          "nixfmt"
          "nixfmt-tree"
          "openssh"
          "postgresql"
          "ruff"
          "rustc"
          "rustfmt"
        ]
        // {
          inherit lib;
          python3 = python;
          buildbotPackages =
            packages [ "buildbot-worker" ]
            // {
              inherit python;
              buildbot = package "buildbot" // {
                version = "4.3.0";
                overrideAttrs = change: build "buildbot" (existing (change { }).patches) { };
              };
              buildbot-plugins = packages [ "www" ];
            };
          rustPlatform =
            packages [
              "cargoSetupHook"
              "maturinBuildHook"
            ]
            // {
              importCargoLock = { lockFile }: build "cargo-vendor-dir" (existing [ lockFile ]) { };
              buildRustPackage =
                {
                  pname,
                  version,
                  src,
                  cargoLock,
                  cargoBuildFlags,
                  doCheck,
                  meta,
                }:
                assert !doCheck;
                build "${pname}-${version}" [
                  src
                  (base.rustPlatform.importCargoLock cargoLock)
                  cargoBuildFlags
                ] { inherit meta; };
            };
          stdenv = {
            hostPlatform.isLinux = builtins.match ".*-linux" system != null;
            mkDerivation =
              {
                name,
                src,
                cargoDeps,
                nativeBuildInputs,
                buildPhase,
                installPhase,
              }:
              build name [ src cargoDeps nativeBuildInputs buildPhase installPhase ] { };
          };
          mkShell = { packages }: build "nix-shell" packages { };
          runCommand = name: { nativeBuildInputs }: commands: build name [ nativeBuildInputs commands ] { };
          writeShellApplication =
            {
              name,
              runtimeInputs,
              text,
            }:
            build name [ runtimeInputs text ] {
              inherit text;
              meta.mainProgram = name;
            };
        };

      pkgs =
        base
        // {
          inherit callPackages;
          # Fits a file that makes one package: it puts a function beside what the file makes.
          callPackage = path: arguments: callPackages path arguments // { override = _: { }; };
          extend = pkgsFor system;
        }
        // overlay pkgs base;
      callPackages =
        path: arguments:
        let
          function = import path;
        in
        function (builtins.intersectAttrs (builtins.functionArgs function) pkgs // arguments);
    in
    pkgs;
in
{
  inherit lib;
  legacyPackages = genAttrs [
    "x86_64-linux"
    "aarch64-linux"
    "aarch64-darwin"
  ] (system: pkgsFor system (_final: _prev: { }));
}
