# Which pull requests of forges are built.
{ config, lib, ... }:
let
  cfg = config.services.buildbot-nix.master;
  inherit (import ../lib.nix { inherit lib; }) keyOption settingsOf;
  inherit (lib) types;

  keys.pullRequests = {
    trust = keyOption {
      type = types.enum [
        "all"
        "members"
        "approve"
      ];
      default = "all";
      example = "approve";
      description = ''
        Whose pull requests from forks are built: everybody's, those of members, which are who may
        push to the repository, or theirs at once and those of others when a member comments
        `/build`. Whatever it is, no pull request gets credentials, and none uploads to a cache that
        does not say so.
      '';
    };
    trustedUsers = keyOption {
      type = types.listOf types.str;
      default = [ ];
      example = [
        "alice"
        "renovate[bot]"
      ];
      description = ''
        Logins that count as members; other programs that GitHub marks as such never do.
      '';
    };
    trustContributors = keyOption {
      type = types.bool;
      default = false;
      example = true;
      description = ''
        Whether who had something merged before counts as a member. GitHub says so, Gitea does not.
      '';
    };
    drafts = keyOption {
      type = types.bool;
      default = true;
      example = false;
      description = "Whether drafts are built.";
    };
  };
in
{
  _file = ./pull-requests.nix;

  options.services.buildbot-nix.master = keys;

  config.services.buildbot-nix.master.settings = lib.mkIf cfg.enable (settingsOf keys cfg);
}
