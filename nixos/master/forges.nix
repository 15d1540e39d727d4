# GitHub and Gitea (Forgejo): which repositories are built, and the secrets to talk to them.
{ config, lib, ... }:
let
  cfg = config.services.buildbot-nix.master;
  inherit (import ../lib.nix { inherit lib; })
    keyOption
    optionalSecretFile
    secretFileOption
    settingsOf
    ;
  inherit (lib)
    literalExpression
    mkDefault
    mkOption
    types
    ;

  logsInBy = forge: lib.elem forge (lib.toList cfg.authBackend);

  commonKeys = {
    webhookSecretPerRepository = keyOption {
      type = types.bool;
      default = false;
      example = true;
      description = ''
        Whether each repository's webhook gets a secret of its own, made from
        {option}`webhookSecretFile`: who administers one repository can then forge its events and no
        others.
      '';
    };
    submodules = keyOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "my-organisation/library" ];
      description = ''
        Private repositories, as `owner/name`, that other repositories of the same owner may have as
        submodules.
      '';
    };
    caFile = keyOption {
      type = types.path;
      unset = "for those of the system alone";
      example = "/etc/ssl/my-authority.pem";
      description = "Certificates that are trusted besides those of the system.";
    };
    proxy = keyOption {
      type = types.str;
      unset = "for what `HTTPS_PROXY` says in the service's environment";
      example = "http://proxy.example.org:3128";
      description = "HTTP proxy on the way there.";
    };
  };
  githubKeys = commonKeys // {
    instanceUrl = keyOption {
      type = types.str;
      unset = "for `https://github.com`";
      example = "https://github.example.org";
      description = "Where a GitHub Enterprise is.";
    };
    apiUrl = keyOption {
      type = types.str;
      unset = "for what follows from {option}`instanceUrl`";
      example = "https://github-api.example.org";
      description = "Its API, if that is at none of the usual places.";
    };
    appWebhook = keyOption {
      type = types.bool;
      default = false;
      example = true;
      description = ''
        Whether events come from the App's own webhook instead of one webhook for each repository.
      '';
    };
    checkRuns = keyOption {
      type = types.bool;
      default = false;
      example = true;
      description = ''
        Whether commits get check runs instead of statuses; the App needs the permission
        *Checks: write*.
      '';
    };
  };

  # Options that both forges have.
  common =
    forge:
    commonKeys
    // {
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
      webhookPreviousSecretFile = optionalSecretFile {
        description = ''
          File with the secret before, while webhooks get a new one: events signed with it are taken too.
        '';
        example = "/run/secrets/buildbot-${lib.toLower forge}-webhook-secret-before";
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
    // lib.optionalAttrs (options.webhookPreviousSecretFile != null) {
      webhook_previous_secret_file = "${forge}-webhook-secret-before";
    }
    // lib.optionalAttrs (logsInBy forge) {
      oauth_id = options.oauthId;
      oauth_secret_file = "${forge}-oauth-secret";
    };
  commonCredentials =
    forge: options:
    {
      "${forge}-webhook-secret" = options.webhookSecretFile;
    }
    // lib.optionalAttrs (options.webhookPreviousSecretFile != null) {
      "${forge}-webhook-secret-before" = options.webhookPreviousSecretFile;
    }
    // lib.optionalAttrs (logsInBy forge) {
      "${forge}-oauth-secret" = options.oauthSecretFile;
    };

  # Options of Gitea that hold files and are set.
  giteaFiles = lib.filterAttrs (option: _: cfg.gitea.${option} != null) {
    gitTokenFile = {
      key = "git_token_file";
      credential = "gitea-git-token";
    };
    sshPrivateKeyFile = {
      key = "ssh_private_key_file";
      credential = "gitea-ssh-private-key";
    };
    sshKnownHostsFile = {
      key = "ssh_known_hosts_file";
      credential = "gitea-ssh-known-hosts";
    };
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
    github =
      common "GitHub"
      // githubKeys
      // {
        appId = mkOption {
          type = types.nullOr types.int;
          default = null;
          example = 123456;
          description = "Id of the GitHub App as which buildbot-nix works.";
        };
        appSecretKeyFile = optionalSecretFile {
          description = "File with the App's private key, as GitHub gives it (PEM).";
          example = "/run/secrets/buildbot-github-app-key.pem";
        };
        tokenFile = optionalSecretFile {
          description = ''
            File with a personal access token, instead of an App. It can do more than an App needs to,
            and makes no check runs.
          '';
          example = "/run/secrets/buildbot-github-token";
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
      gitTokenFile = optionalSecretFile {
        description = ''
          File with a token that may only read, to fetch with. Without it, private repositories are
          fetched with {option}`tokenFile`.
        '';
        example = "/run/secrets/buildbot-gitea-git-token";
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
        settings.github =
          settingsOf githubKeys cfg.github
          // lib.mapAttrs (_: mkDefault) (
            commonSettings "github" cfg.github
            // (
              if cfg.github.tokenFile == null then
                {
                  id = cfg.github.appId;
                  secret_key_file = "github-app-secret-key";
                }
              else
                { token_file = "github-token"; }
            )
          );
        credentials =
          commonCredentials "github" cfg.github
          // (
            if cfg.github.tokenFile == null then
              { github-app-secret-key = cfg.github.appSecretKeyFile; }
            else
              { github-token = cfg.github.tokenFile; }
          );
      })
      (lib.mkIf cfg.gitea.enable {
        settings.gitea =
          settingsOf commonKeys cfg.gitea
          // lib.mapAttrs (_: mkDefault) (
            commonSettings "gitea" cfg.gitea
            // {
              instance_url = cfg.gitea.instanceUrl;
              token_file = "gitea-token";
            }
            // lib.mapAttrs' (_: file: lib.nameValuePair file.key file.credential) giteaFiles
          );
        credentials =
          commonCredentials "gitea" cfg.gitea
          // {
            gitea-token = cfg.gitea.tokenFile;
          }
          // lib.mapAttrs' (option: file: lib.nameValuePair file.credential cfg.gitea.${option}) giteaFiles;
      })
    ]
  );

  config.assertions = lib.mkIf cfg.enable (
    loginAssertions "github" "GitHub"
    ++ loginAssertions "gitea" "Gitea"
    ++ [
      {
        assertion =
          cfg.github.enable
          ->
            (cfg.github.tokenFile == null) == (cfg.github.appId != null && cfg.github.appSecretKeyFile != null);
        message = ''
          buildbot-nix: `services.buildbot-nix.master.github` needs either `appId` and
          `appSecretKeyFile`, or `tokenFile`. docs/github.md tells how to make an App.
        '';
      }
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
