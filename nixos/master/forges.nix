# GitHub and Gitea (Forgejo): which repositories are built, and the secrets to talk to them.
{ config, lib, ... }:
let
  cfg = config.services.buildbot-nix.master;
  inherit (import ../lib.nix { inherit lib; }) secretFileOption optionalSecretFile;
  inherit (lib)
    literalExpression
    mkDefault
    mkOption
    types
    ;

  logsInBy = forge: lib.elem forge (lib.toList cfg.authBackend);

  # Options that both forges have.
  common = forge: {
    enable = mkOption {
      type = types.bool;
      default = logsInBy (lib.toLower forge);
      defaultText = lib.literalMD "whether people log in there";
      example = true;
      description = "Whether repositories on ${forge} are built.";
    };
    webhookSecretFile = secretFileOption {
      description = "File with the secret by which Buildbot knows what ${forge} really sent.";
      example = "/run/secrets/buildbot-${lib.toLower forge}-webhook-secret";
    };
    oauthId = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "aaaaaaaaaaaaaaaaaaaa";
      description = "Client id by which people log in through ${forge}.";
    };
    oauthSecretFile = optionalSecretFile {
      description = "File with the secret that goes with {option}`oauthId`.";
      example = "/run/secrets/buildbot-${lib.toLower forge}-oauth-secret";
    };
    topic = mkOption {
      type = types.nullOr types.str;
      default = "build-with-buildbot";
      example = null;
      description = ''
        Only repositories with this topic are built. `null` is all that can be seen, so set an allow
        list with it.
      '';
    };
    userAllowlist = mkOption {
      type = types.nullOr (types.listOf types.str);
      default = null;
      example = [ "my-organisation" ];
      description = ''
        Users and organisations whose repositories are built; with {option}`repoAllowlist`, these or
        those. `null` and no {option}`repoAllowlist` either is everybody.
      '';
    };
    repoAllowlist = mkOption {
      type = types.nullOr (types.listOf types.str);
      default = null;
      example = [ "my-organisation/website" ];
      description = "Repositories that are built, as `owner/name`.";
    };
  };

  # What both say in the settings.
  commonSettings =
    forge: options:
    {
      webhook_secret_file = "${forge}-webhook-secret";
      filters = {
        inherit (options) topic;
        user_allowlist = options.userAllowlist;
        repo_allowlist = options.repoAllowlist;
      };
    }
    // lib.optionalAttrs (logsInBy forge) {
      oauth_id = options.oauthId;
      oauth_secret_file = "${forge}-oauth-secret";
    };

  loginAssertions =
    forge: name:
    let
      options = cfg.${forge};
    in
    [
      {
        assertion = logsInBy forge -> options.oauthId != null && options.oauthSecretFile != null;
        message = ''
          buildbot-nix: `authBackend = "${forge}"` needs `oauthId` and `oauthSecretFile` in
          `services.buildbot-nix.master.${forge}`. If nobody shall log in, set `authBackend = "none"`.
        '';
      }
      {
        assertion = logsInBy forge -> options.enable;
        message = ''
          buildbot-nix: `authBackend = "${forge}"` needs `services.buildbot-nix.master.${forge}.enable`.
          To log in through ${name} without building repositories there, use `authBackend = "oidc"`.
        '';
      }
    ];
in
{
  _file = ./forges.nix;

  options.services.buildbot-nix.master = {
    github = common "GitHub" // {
      appId = mkOption {
        type = types.int;
        example = 123456;
        description = "Id of the GitHub App as which buildbot-nix works.";
      };
      appSecretKeyFile = secretFileOption {
        description = "File with the App's private key, as GitHub gives it (PEM).";
        example = "/run/secrets/buildbot-github-app-key.pem";
      };
    };

    gitea = common "Gitea" // {
      instanceUrl = mkOption {
        type = types.str;
        example = "https://git.example.org";
        description = "Where Gitea or Forgejo is.";
      };
      tokenFile = secretFileOption {
        description = ''
          File with a token that may write repositories and read users (`write:repository`,
          `write:user`). Repositories that its user administers are built.
        '';
        example = "/run/secrets/buildbot-gitea-token";
      };
      sshPrivateKeyFile = optionalSecretFile {
        description = "File with a key to fetch by ssh instead of with the token.";
        example = "/run/secrets/buildbot-gitea-ssh-key";
      };
      sshKnownHostsFile = mkOption {
        type = types.nullOr types.path;
        default = null;
        example = literalExpression ''pkgs.writeText "known_hosts" "git.example.org ssh-ed25519 AAAA…"'';
        description = "The keys of servers that ssh may trust; needed with {option}`sshPrivateKeyFile`.";
      };
    };
  };

  config.services.buildbot-nix.master = lib.mkIf cfg.enable (
    lib.mkMerge [
      (lib.mkIf cfg.github.enable {
        settings.github = lib.mapAttrs (_: mkDefault) (
          commonSettings "github" cfg.github
          // {
            id = cfg.github.appId;
            secret_key_file = "github-app-secret-key";
          }
        );
        credentials = {
          github-webhook-secret = cfg.github.webhookSecretFile;
          github-app-secret-key = cfg.github.appSecretKeyFile;
        }
        // lib.optionalAttrs (logsInBy "github") {
          github-oauth-secret = cfg.github.oauthSecretFile;
        };
      })
      (lib.mkIf cfg.gitea.enable {
        settings.gitea = lib.mapAttrs (_: mkDefault) (
          commonSettings "gitea" cfg.gitea
          // {
            instance_url = cfg.gitea.instanceUrl;
            token_file = "gitea-token";
          }
          // lib.optionalAttrs (cfg.gitea.sshPrivateKeyFile != null) {
            ssh_private_key_file = "gitea-ssh-private-key";
          }
          // lib.optionalAttrs (cfg.gitea.sshKnownHostsFile != null) {
            ssh_known_hosts_file = "gitea-ssh-known-hosts";
          }
        );
        credentials = {
          gitea-token = cfg.gitea.tokenFile;
          gitea-webhook-secret = cfg.gitea.webhookSecretFile;
        }
        // lib.optionalAttrs (logsInBy "gitea") {
          gitea-oauth-secret = cfg.gitea.oauthSecretFile;
        }
        // lib.optionalAttrs (cfg.gitea.sshPrivateKeyFile != null) {
          gitea-ssh-private-key = cfg.gitea.sshPrivateKeyFile;
        }
        // lib.optionalAttrs (cfg.gitea.sshKnownHostsFile != null) {
          gitea-ssh-known-hosts = cfg.gitea.sshKnownHostsFile;
        };
      })
    ]
  );

  config.assertions = lib.mkIf cfg.enable (
    loginAssertions "github" "GitHub"
    ++ loginAssertions "gitea" "Gitea"
    ++ [
      {
        assertion =
          cfg.gitea.enable && cfg.gitea.sshPrivateKeyFile != null -> cfg.gitea.sshKnownHostsFile != null;
        message = ''
          buildbot-nix: `services.buildbot-nix.master.gitea.sshPrivateKeyFile` needs
          `sshKnownHostsFile`, or ssh would trust no server.
        '';
      }
    ]
  );
}
