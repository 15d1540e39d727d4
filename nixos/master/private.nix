# Whether anyone may look, or only who oauth2-proxy knows.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.buildbot-nix.master;
  private = cfg.accessMode.fullyPrivate;
  inherit (import ../lib.nix { inherit lib; }) secretFileOption;
  inherit (lib) mkOption types;
  gitea = cfg.gitea.instanceUrl;

  # oauth2-proxy takes one of these from no file, so all of them go into one that only it can read.
  # JSON's texts are TOML's.
  secretsFile = "/run/oauth2-proxy/secrets.toml";
  writeSecrets = ''
    set -o pipefail
    umask 077
    secret() {
      ${lib.getExe pkgs.jq} --raw-input --slurp --raw-output --arg key "$1" \
        '"\($key) = \(sub("\\s+$"; "") | tojson)"' "$CREDENTIALS_DIRECTORY/$2"
    }
    {
      secret client_secret client-secret
      secret cookie_secret cookie-secret
      secret basic_auth_password http-basic-auth-password
    } >${secretsFile}
  '';
in
{
  _file = ./private.nix;

  options.services.buildbot-nix.master.accessMode = mkOption {
    default = {
      public = { };
    };
    example = {
      fullyPrivate = {
        backend = "github";
        clientId = "aaaaaaaaaaaaaaaaaaaa";
        clientSecretFile = "/run/secrets/buildbot-oauth-secret";
        cookieSecretFile = "/run/secrets/buildbot-cookie-secret";
        teams = [ "my-organisation/ci" ];
      };
    };
    description = ''
      Who may look. `public` is everyone. With `fullyPrivate`, oauth2-proxy stands in front of Buildbot
      and lets in only who logs in and is named; webhooks pass by it.
    '';
    type = types.attrTag {
      public = mkOption {
        type = types.submodule { };
        example = { };
        description = "Everyone may look.";
      };
      fullyPrivate = mkOption {
        description = "Only who is named may look.";
        example.users = [ "bob" ];
        type = types.submodule {
          options = {
            backend = mkOption {
              type = types.enum [
                "gitea"
                "github"
              ];
              example = "github";
              description = "Where people log in.";
            };
            clientId = mkOption {
              type = types.str;
              example = "aaaaaaaaaaaaaaaaaaaa";
              description = ''
                Client id of an OAuth application there, with the callback
                `https://<domain>/oauth2/callback`.
              '';
            };
            clientSecretFile = secretFileOption {
              description = "File with the secret that goes with it.";
              example = "/run/secrets/buildbot-oauth-secret";
            };
            cookieSecretFile = secretFileOption {
              description = ''
                File with 16, 24 or 32 random bytes as text, by which oauth2-proxy keeps its cookies
                secret; for example from `openssl rand -hex 16`.
              '';
              example = "/run/secrets/buildbot-cookie-secret";
            };
            teams = mkOption {
              type = types.listOf types.str;
              default = [ ];
              example = [ "my-organisation/ci" ];
              description = "Teams that may look: on GitHub `organisation/team`.";
            };
            users = mkOption {
              type = types.listOf types.str;
              default = [ ];
              example = [ "bob" ];
              description = "Users who may look, besides {option}`admins`.";
            };
            port = mkOption {
              type = types.port;
              default = 8020;
              description = "Where oauth2-proxy listens, on this machine only.";
            };
          };
        };
      };
    };
  };

  config = lib.mkIf (cfg.enable && cfg.accessMode ? fullyPrivate) {
    services.buildbot-nix.master.authBackend = "httpbasicauth";
    # Buildbot itself believes everyone who reaches it, so nobody else may.
    services.buildbot-nix.master.settings.port =
      "tcp:${toString config.services.buildbot-master.port}:interface=127.0.0.1";

    services.oauth2-proxy = {
      enable = true;
      provider = "github";
      httpAddress = "127.0.0.1:${toString private.port}";
      upstream = "http://127.0.0.1:${toString config.services.buildbot-master.port}";
      clientID = private.clientId;
      # In secretsFile.
      clientSecret = lib.mkDefault null;
      cookie.secret = lib.mkDefault null;
      cookie.secure = true;
      redirectURL = "https://${cfg.domain}/oauth2/callback";
      reverseProxy = true;
      scope = "read:user user:email repo";
      email.domains = [ "*" ];
      passBasicAuth = true;
      extraConfig = {
        config = secretsFile;
        set-basic-auth = true;
        api-route = [
          "^/api"
          "^/ws$"
        ];
        # Forges do not log in; Buildbot checks what they sign.
        skip-auth-route = [ "^/change_hook" ];
        github-user = private.users ++ cfg.admins;
        github-team = private.teams;
      };
      # oauth2-proxy has no provider of that name; Gitea speaks like GitHub.
      loginURL = lib.mkIf (private.backend == "gitea") "${gitea}/login/oauth/authorize";
      redeemURL = lib.mkIf (private.backend == "gitea") "${gitea}/login/oauth/access_token";
      validateURL = lib.mkIf (private.backend == "gitea") "${gitea}/api/v1/user/emails";
    };

    systemd.services.oauth2-proxy = {
      before = [ "nginx.service" ];
      preStart = writeSecrets;
      serviceConfig = {
        RuntimeDirectory = "oauth2-proxy";
        RuntimeDirectoryMode = "0700";
        LoadCredential = [
          "client-secret:${toString private.clientSecretFile}"
          "cookie-secret:${toString private.cookieSecretFile}"
          "http-basic-auth-password:${toString cfg.httpBasicAuthPasswordFile}"
        ];
      };
    };

    services.nginx = lib.mkIf (cfg.enableNginx && cfg.outputsPath != null) {
      # For what nginx serves itself.
      virtualHosts.${cfg.domain}.locations."= /oauth2/auth" = {
        proxyPass = "http://127.0.0.1:${toString private.port}";
        extraConfig = ''
          internal;
          proxy_pass_request_body off;
          proxy_set_header Content-Length "";
        '';
      };
    };

    assertions = [
      {
        assertion = private.users ++ private.teams ++ cfg.admins != [ ];
        message = ''
          buildbot-nix: `accessMode.fullyPrivate` names nobody, and oauth2-proxy would let everyone with
          an account in. Set `users`, `teams` or `services.buildbot-nix.master.admins`.
        '';
      }
      {
        assertion = private.backend == "gitea" -> cfg.gitea.enable;
        message = ''
          buildbot-nix: `accessMode.fullyPrivate.backend = "gitea"` needs
          `services.buildbot-nix.master.gitea.enable` and `gitea.instanceUrl`.
        '';
      }
    ];
  };
}
