# Effects of the predecessor: what runs after a successful build, with secrets. There are none yet, so who
# sets the options has to know.
{ config, lib, ... }:
let
  cfg = config.services.buildbot-nix.master;
  inherit (lib) mkOption types;
in
{
  _file = ./effects.nix;

  options.services.buildbot-nix.master.effects = {
    perRepoSecretFiles = mkOption {
      type = types.attrsOf types.path;
      default = { };
      example = {
        "github:my-organisation/website" = "/run/secrets/website-effects.json";
        "gitea:team/*" = "/run/secrets/team-effects.json";
      };
      description = ''
        Files with secrets for effects, by repository: `github:owner/name`, `gitea:owner/name`, with `*`
        for all of an owner, and `pull-based:unknown/name`. This version runs no effects, so setting it
        is an error that says what to do instead.
      '';
    };
    extraSandboxPaths = mkOption {
      type = types.listOf types.path;
      default = [ ];
      example = [ "/etc/ssl/certs" ];
      description = ''
        What effects can read besides the store. As for {option}`effects.perRepoSecretFiles`, setting it is
        an error.
      '';
    };
  };

  config.assertions = lib.mkIf cfg.enable [
    {
      assertion = cfg.effects.perRepoSecretFiles == { } && cfg.effects.extraSandboxPaths == [ ];
      message = ''
        buildbot-nix: this version runs no effects, so nothing would be deployed by them any more, and
        `services.buildbot-nix.master.effects` may not be set. Remove it and deploy in another way, which
        docs/migration.md lists, or stay with the predecessor until there are effects here.
      '';
    }
  ];
}
