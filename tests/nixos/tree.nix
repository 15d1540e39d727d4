# NixOS' real modules with packages that cannot be built: the stand-in's, and for every other that the
# modules name a derivation without content. So options, types, assertions and units are checked without
# the rest of nixpkgs, of which a copy may have only `nixos`.
{
  lib,
  # The folder `nixos` of nixpkgs.
  nixos,
  # Names that its modules look up in `pkgs`.
  names,
}:
let
  stand-in = (import ./stand-in { inherit lib; }).legacyPackages.x86_64-linux;
  host = lib.systems.elaborate "x86_64-linux";

  # With what modules read of packages while they are evaluated.
  package =
    name:
    lib.genAttrs [
      "bin"
      "dev"
      "lib"
      "man"
      "out"
      "withJIT"
      "withoutJIT"
    ] (_: package name)
    // derivation {
      inherit name;
      system = "x86_64-linux";
      builder = "/bin/sh";
    }
    // {
      bintools.dynamicLinker = "/lib/ld-linux-x86-64.so.2";
      fullVersion = "99";
      meta.mainProgram = name;
      modules = [ ];
      override = _: package name;
      overrideAttrs = _: package name;
      pname = name;
      psqlSchema = "17";
      version = "99";
      withPackages = _: package name;
    };
  # The stand-in's, which know their version and what they are made of, with the rest.
  known = lib.mapAttrs (
    name: item: if lib.isDerivation item then package name // item // { pname = name; } else item
  ) stand-in;
  file = name: text: package name // { inherit text; };

  python = known.python3 // {
    pkgs =
      lib.genAttrs [ "buildbot" "setuptools" "twisted" ] package
      // known.python3.pkgs
      // {
        toPythonModule = module: module // { pythonModule = python; };
      };
  };
  buildbot = known.buildbotPackages.buildbot // {
    inherit python;
    overrideAttrs = _: buildbot;
  };
  linuxPackages = {
    extend = _: linuxPackages;
    kernel = package "linux" // {
      config = lib.genAttrs [ "isDisabled" "isEnabled" "isModule" "isNo" "isYes" ] (_: _: false);
      features = { };
      kernelAtLeast = _: true;
      kernelOlder = _: false;
      modDirVersion = "99";
    };
  };

  json = known.formats.json { };
  format = json // {
    generate = name: _: package name;
    lib = { };
  };

  pkgs =
    lib.genAttrs names package
    // known
    // {
      inherit linuxPackages pkgs;
      appendOverlays = _: pkgs;
      buildbotPackages = known.buildbotPackages // {
        inherit buildbot;
      };
      buildEnv = arguments: package arguments.name;
      config = { };
      formats =
        lib.genAttrs [
          "elixirConf"
          "gitIni"
          "hcl1"
          "hocon"
          "ini"
          "iniWithGlobalSection"
          "javaProperties"
          "json"
          "keyValue"
          "libconfig"
          "lua"
          "nixConf"
          "php"
          "pythonVars"
          "toml"
          "xml"
          "yaml"
          "yaml_1_2"
        ] (_: _: format)
        // {
          systemd = format;
        };
      linuxPackagesFor = _: linuxPackages;
      overlays = [ ];
      path = dirOf nixos;
      pkgsStatic = known.pkgsStatic // {
        callPackage = _: _: package "static";
      };
      python3 = python;
      replaceVars = _: _: package "replaced";
      runCommand =
        name: environment: _:
        file name (environment.text or "");
      runCommandLocal =
        name: _: _:
        package name;
      stdenv =
        known.stdenv
        // {
          cc = package "cc";
          hostPlatform = host;
        }
        // lib.filterAttrs (name: _: lib.hasPrefix "is" name) host;
      symlinkJoin = arguments: package arguments.name;
      writeScript = file;
      writeScriptBin = file;
      writeShellApplication = arguments: file arguments.name arguments.text;
      writeShellScript = file;
      writeShellScriptBin = file;
      writeText = file;
      writeTextDir = file;
      writeTextFile = arguments: file arguments.name arguments.text;

      # The machines of a test of virtual machines, as far as they can be had.
      testers.runNixOSTest =
        { nodes, ... }:
        lib.mapAttrs (
          host: module:
          (pkgs.nixos [
            module
            (nixos + "/modules/virtualisation/qemu-vm.nix")
            {
              boot.isContainer = lib.mkForce false;
              environment.defaultPackages = lib.mkForce [ ];
              networking.hostName = host;
              programs.command-not-found.enable = false;
              services.postgresql.package = pkgs.postgresql;
              services.qemuGuest.enable = lib.mkForce false;
              virtualisation.host = { inherit pkgs; };
            }
          ]).config
        ) nodes;
      nixos =
        modules:
        lib.evalModules {
          specialArgs = {
            inherit pkgs;
            modulesPath = "${toString nixos}/modules";
          };
          modules =
            import (nixos + "/modules/module-list.nix")
            ++ lib.toList modules
            ++ [
              {
                boot.isContainer = true;
                # What needs programs to be evaluated.
                documentation.enable = false;
                environment.stub-ld.enable = false;
                nix.checkConfig = false;
                services.nginx.validateConfigFile = false;
                nixpkgs.hostPlatform = "x86_64-linux";
                security.acme = {
                  acceptTerms = true;
                  defaults.email = "admin@example.org";
                };
                system.stateVersion = lib.mkDefault "25.05";
              }
            ];
        };
    };
in
{
  inherit lib;
  legacyPackages.x86_64-linux = pkgs;
}
