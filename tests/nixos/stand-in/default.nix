# As much of nixpkgs as our flake uses, for machines without network: .ci/check-nix evaluates the
# flake with it. Nothing can be built with it.
#
# Every function takes the arguments that we pass and no other, so that a mistyped name is an error
# where nixpkgs would often ignore it. What is added to nixos/ may have to be added here.
{
  # nixpkgs' own, where it is there.
  lib ? import ./lib,
}:
let
  inherit (lib) genAttrs;
  existing = map (
    path: if builtins.pathExists path then path else throw "there is no ${toString path}"
  );

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
        sitePackages = "lib/python3.13/site-packages";
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
            twisted = package "twisted" // {
              optional-dependencies.tls = [ (package "service-identity") ];
            };
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
          "attic-client"
          "bash"
          "bubblewrap"
          "cachix"
          "cargo"
          "chromedriver"
          "chromium"
          "clippy"
          "coreutils"
          "curl"
          "git"
          "hello"
          "jq"
          "nix"
          "nixfmt"
          "nixfmt-tree"
          "nodejs"
          "openssh"
          "openssl"
          "postgresql"
          "ruff"
          "rustc"
          "rustfmt"
          "sudo"
        ]
        // {
          inherit lib;
          # What callPackage would give to who asks for it.
          buildbot = throw "ours has patches";
          python3 = python;
          nix-eval-jobs = package "nix-eval-jobs" // {
            version = "2.35.4";
          };
          buildbotPackages = packages [ "buildbot-worker" ] // {
            inherit python;
            buildbot = package "buildbot" // {
              version = "4.3.0";
              overrideAttrs = change: build "buildbot" (existing (change { }).patches) { version = "4.3.0"; };
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
            hostPlatform = {
              isLinux = builtins.match ".*-linux" system != null;
              inherit system;
            };
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
          runCommand =
            name:
            {
              nativeBuildInputs,
              text ? "",
              passAsFile ? [ ],
              preferLocalBuild ? false,
            }:
            commands:
            assert preferLocalBuild || passAsFile == [ ];
            build name [ nativeBuildInputs commands ] { inherit text; };
          writeText = name: text: build name [ text ] { inherit text; };
          writeShellScriptBin = name: text: build name [ text ] { inherit text; };
          writeShellScript = name: text: build name [ text ] { inherit text; };
          linkFarm = name: links: build name (map (link: link.path) links) { };
          formats.json =
            { }:
            let
              inherit (lib.types)
                attrsOf
                bool
                float
                int
                listOf
                nullOr
                oneOf
                path
                str
                ;
              type =
                nullOr (oneOf [
                  bool
                  int
                  float
                  str
                  path
                  (attrsOf type)
                  (listOf type)
                ])
                // {
                  description = "JSON value";
                };
            in
            {
              inherit type;
            };
          pkgsStatic.busybox = package "busybox";
          testers.runNixOSTest =
            {
              name,
              nodes,
              testScript,
            }:
            build "vm-test-run-${name}" [
              testScript
              (lib.mapAttrsToList (
                host: module:
                (base.nixos [
                  module
                  { networking.hostName = host; }
                ]).config.system.build.toplevel
              ) nodes)
            ] { inherit testScript; };
          # What nixpkgs calls so: a machine with these modules.
          nixos =
            modules:
            lib.evalModules {
              specialArgs = { inherit pkgs; };
              modules = [ ./nixos.nix ] ++ lib.toList modules;
            };
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
          inherit callPackages pkgs;
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
