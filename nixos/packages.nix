# `services.buildbot-nix.packages`: what master and workers run. Both modules have it, so that
# one machine can be both.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.buildbot-nix.packages;
  ours = pkgs.callPackages ./package.nix { };
  # With the Buildbot that was chosen, or a master would have two.
  oursWithBuildbot = pkgs.callPackages ./package.nix { otherBuildbot = cfg.buildbot; };
  package =
    name: arguments:
    lib.mkOption (
      {
        type = lib.types.package;
        example = lib.literalExpression "pkgs.${name}";
      }
      // arguments
    );
in
{
  _file = ./packages.nix;

  imports = [
    (lib.mkRemovedOptionModule [ "services" "buildbot-nix" "packages" "buildbot-gitea" ] ''
      Gitea and Forgejo are part of buildbot-nix itself now. Remove the option.
    '')
    (lib.mkRemovedOptionModule [ "services" "buildbot-nix" "packages" "buildbot-effects" ] ''
      Workers get the command `buildbot-nix` from `services.buildbot-nix.packages.agent`. Remove the
      option.
    '')
  ];

  options.services.buildbot-nix.packages = {
    python = package "python3" {
      default = pkgs.buildbotPackages.python;
      defaultText = lib.literalExpression "pkgs.buildbotPackages.python";
      description = ''
        The Python that master and workers run on. All Python packages below have to be made for it.
      '';
    };
    buildbot = package "buildbot" {
      default = ours.buildbot;
      defaultText = lib.literalExpression "pkgs.buildbotPackages.buildbot, with this project's patches";
      example = lib.literalExpression "pkgs.buildbotPackages.buildbot";
      description = ''
        Buildbot, at least version 4.2. With the patches it is faster; everything works without.
      '';
    };
    buildbot-worker = package "buildbot-worker" {
      default = pkgs.buildbotPackages.buildbot-worker;
      defaultText = lib.literalExpression "pkgs.buildbotPackages.buildbot-worker";
      description = "Buildbot's worker.";
    };
    buildbot-plugins = lib.mkOption {
      type = lib.types.attrsOf lib.types.package;
      default = { inherit (pkgs.buildbotPackages.buildbot-plugins) www; };
      defaultText = lib.literalExpression "{ inherit (pkgs.buildbotPackages.buildbot-plugins) www; }";
      example = lib.literalExpression "{ inherit (pkgs.buildbotPackages.buildbot-plugins) www badges; }";
      description = ''
        Plugins of the master's web interface, all of which it can use; `www` has to be among them.
      '';
    };
    buildbot-nix = package "buildbot-nix" {
      default = oursWithBuildbot.buildbot-nix;
      defaultText = lib.literalMD "`packages.buildbot-nix` of this flake";
      description = "The Python package that makes a master of Buildbot.";
    };
    agent = package "buildbot-nix-agent" {
      default = ours.buildbot-nix-agent;
      defaultText = lib.literalMD "`packages.agent` of this flake";
      description = ''
        The command `buildbot-nix`: it evaluates and builds on workers, and checks the settings when
        a machine with a master is built.
      '';
    };
  };

  config.assertions = lib.mkIf (config.services.buildbot-nix.master.enable or false) [
    {
      assertion = lib.versionAtLeast cfg.buildbot.version "4.2.0";
      message = ''
        buildbot-nix: `services.buildbot-nix.packages.buildbot` is Buildbot ${cfg.buildbot.version},
        and the module needs 4.2.0 or later. Use a newer nixpkgs (nixos-unstable has it), or set the
        option to a newer package.
      '';
    }
  ];
}
