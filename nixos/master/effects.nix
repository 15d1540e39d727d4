# Effects: what runs after a successful build, with secrets.
{ config, lib, ... }:
let
  cfg = config.services.buildbot-nix.master;
  inherit (import ../lib.nix { inherit lib; }) credentialName;
  inherit (lib) mkDefault mkOption types;
  secrets = cfg.effects.perRepoSecretFiles;
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
        for all of an owner, and `pull-based:unknown/name`.
      '';
    };
    extraSandboxPaths = mkOption {
      type = types.listOf types.path;
      default = [ ];
      example = [ "/etc/ssl/certs" ];
      description = "What effects can read besides the store.";
    };
  };

  config.services.buildbot-nix.master = lib.mkIf cfg.enable {
    settings = lib.mapAttrs (_: mkDefault) (
      lib.optionalAttrs (secrets != { }) {
        effects_per_repo_secrets = lib.mapAttrs (key: _: credentialName "effects-secret" key) secrets;
      }
      // lib.optionalAttrs (cfg.effects.extraSandboxPaths != [ ]) {
        effects_extra_sandbox_paths = map toString cfg.effects.extraSandboxPaths;
      }
    );
    credentials = lib.mapAttrs' (
      key: file: lib.nameValuePair (credentialName "effects-secret" key) file
    ) secrets;
  };
}
