# Who may log in, and what they may do.
{ config, lib, ... }:
let
  cfg = config.services.buildbot-nix.master;
  inherit (import ../lib.nix { inherit lib; }) keyOption optionalSecretFile settingsOf;
  inherit (lib) mkDefault mkOption types;

  backend = types.enum [
    "github"
    "gitea"
    "httpbasicauth"
    "oidc"
    "none"
  ];
  uses = name: lib.elem name (lib.toList cfg.authBackend);

  keys = {
    membersBy = keyOption {
      type = types.either (types.enum [
        "organisation"
        "repository"
      ]) (types.listOf types.str);
      default = "organisation";
      example = [ "my-organisation/ci" ];
      description = ''
        Who may control the builds of a repository: members of the organisation that owns it, those who
        may push to it, or members of teams in a list, each for what its organisation owns.
      '';
    };
    authorsMayRestart = keyOption {
      type = types.bool;
      default = true;
      example = false;
      description = "Whether authors of pull requests may restart the runs of these.";
    };
    hidePrivateRepositories = keyOption {
      type = types.bool;
      unset = "for `true` where users log in with `github`, `gitea` or `oidc`";
      example = true;
      description = ''
        Whether repositories that are private on their forge are shown only to those who can read them
        there.
      '';
    };
    sessionLifetime = keyOption {
      type = types.ints.positive;
      default = 604800;
      example = 86400;
      description = "Seconds after which users have to log in again.";
    };
  };
  oidcKeys.caFile = keyOption {
    type = types.path;
    unset = "for those of the system alone";
    example = "/etc/ssl/my-authority.pem";
    description = "Certificates that are trusted besides those of the system.";
  };

  claim =
    default: description:
    mkOption {
      type = types.str;
      inherit default description;
    };
in
{
  _file = ./access.nix;

  options.services.buildbot-nix.master = keys // {
    authBackend = mkOption {
      type = types.either backend (types.listOf backend);
      default = "github";
      example = [
        "github"
        "oidc"
      ];
      description = ''
        Where people log in, or a list of several. `httpbasicauth` is for a proxy in front of Buildbot that has logged them
        in already; {option}`accessMode` `fullyPrivate` sets one up. With `none`, nobody can.
      '';
    };
    admins = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "alice" ];
      description = ''
        Users who may do everything, by the names that they have where they log in; with several
        {option}`authBackend`, as `github:alice`.
      '';
    };
    allowUnauthenticatedControl = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether everyone who reaches the web interface may start, stop and rebuild. Only for a network
        in which everyone may.
      '';
    };
    httpBasicAuthPasswordFile = optionalSecretFile {
      description = ''
        File with the password by which Buildbot knows the proxy that logs people in.
      '';
      example = "/run/secrets/buildbot-http-basic-auth-password";
    };

    oidc = oidcKeys // {
      name = mkOption {
        type = types.str;
        default = "OIDC Provider";
        example = "Keycloak";
        description = "What the button to log in says.";
      };
      discoveryUrl = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "https://id.example.org/.well-known/openid-configuration";
        description = "The provider's discovery document.";
      };
      clientId = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "buildbot";
        description = "What the provider calls this Buildbot.";
      };
      clientSecretFile = optionalSecretFile {
        description = "File with the secret that goes with it.";
        example = "/run/secrets/buildbot-oidc-client-secret";
      };
      scope = mkOption {
        type = types.listOf types.str;
        default = [
          "openid"
          "email"
          "profile"
        ];
        description = "What the provider is asked for.";
      };
      mapping = {
        email = claim "email" "Claim with the user's address.";
        username = claim "preferred_username" "Claim with the user's name, as {option}`admins` has it.";
        full_name = claim "name" "Claim with the name to show.";
        groups = mkOption {
          type = types.nullOr types.str;
          default = null;
          example = "groups";
          description = "Claim with the groups of the user.";
        };
      };
    };
  };

  config.services.buildbot-nix.master = lib.mkIf cfg.enable {
    settings =
      settingsOf keys cfg
      // lib.mapAttrs (_: mkDefault) (
        {
          auth_backend = cfg.authBackend;
          allow_unauthenticated_control = cfg.allowUnauthenticatedControl;
        }
        // lib.optionalAttrs (cfg.admins != [ ]) { inherit (cfg) admins; }
        // lib.optionalAttrs (uses "httpbasicauth") {
          http_basic_auth_password_file = "http-basic-auth-password";
        }
      )
      // lib.optionalAttrs (uses "oidc") {
        oidc =
          settingsOf oidcKeys cfg.oidc
          // lib.mapAttrs (_: mkDefault) {
            inherit (cfg.oidc) name scope mapping;
            discovery_url = cfg.oidc.discoveryUrl;
            client_id = cfg.oidc.clientId;
            client_secret_file = "oidc-client-secret";
          };
      };

    credentials =
      lib.optionalAttrs (uses "oidc") { oidc-client-secret = cfg.oidc.clientSecretFile; }
      // lib.optionalAttrs (uses "httpbasicauth") {
        http-basic-auth-password = cfg.httpBasicAuthPasswordFile;
      };
  };

  config.assertions = lib.mkIf cfg.enable [
    {
      assertion =
        uses "oidc"
        -> cfg.oidc.discoveryUrl != null && cfg.oidc.clientId != null && cfg.oidc.clientSecretFile != null;
      message = ''
        buildbot-nix: `authBackend = "oidc"` needs `discoveryUrl`, `clientId` and `clientSecretFile` in
        `services.buildbot-nix.master.oidc`.
      '';
    }
    {
      assertion = uses "httpbasicauth" -> cfg.httpBasicAuthPasswordFile != null;
      message = ''
        buildbot-nix: `authBackend = "httpbasicauth"`, which `accessMode.fullyPrivate` sets, needs
        `services.buildbot-nix.master.httpBasicAuthPasswordFile`: a file with a long random text.
      '';
    }
  ];
}
