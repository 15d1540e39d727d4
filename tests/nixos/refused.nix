# Machines that must not be built, and what the message has to contain.
{ lib }:
let
  master =
    more:
    lib.recursiveUpdate {
      enable = true;
      domain = "buildbot.example.org";
      authBackend = "none";
      workersFile = "/run/secrets/workers";
    } more;
  case = says: services: {
    inherit says;
    module.services.buildbot-nix = services;
  };
  forge = {
    enable = true;
    appId = 1;
    appSecretKeyFile = "/run/secrets/key";
    webhookSecretFile = "/run/secrets/hook";
  };
  worker =
    more:
    {
      enable = true;
      name = "eve";
      workerPasswordFile = "/run/secrets/password";
    }
    // more;
in
{
  base-url-without-slash = case ''write "https://ci.example.org/hooks/"'' {
    master = master { webhookBaseUrl = "https://ci.example.org/hooks"; };
  };
  password-in-database-url = case "set `dbUrlFile`" {
    master = master { dbUrl = "postgresql://ci:hunter2@db.example.org/ci"; };
  };
  no-systems = case "Name at least one system" { master = master { buildSystems = [ ]; }; };
  old-buildbot = case "4.2.0 or later" {
    master = master { };
    packages.buildbot =
      derivation {
        name = "buildbot";
        system = "x86_64-linux";
        builder = "/bin/sh";
      }
      // {
        version = "4.1.0";
      };
  };
  oidc-without-client = case "needs `discoveryUrl`, `clientId` and `clientSecretFile`" {
    master = master { authBackend = "oidc"; };
  };
  proxy-without-password = case "httpBasicAuthPasswordFile" {
    master = master { authBackend = "httpbasicauth"; };
  };
  github-without-login = case "needs `oauthId` and `oauthSecretFile`" {
    master = master {
      authBackend = "github";
      github = forge;
    };
  };
  github-login-without-forge = case "needs `services.buildbot-nix.master.github.enable`" {
    master = master {
      authBackend = "github";
      github = forge // {
        enable = false;
        oauthId = "id";
        oauthSecretFile = "/run/secrets/oauth";
      };
    };
  };
  gitea-without-login = case "needs `oauthId` and `oauthSecretFile`" {
    master = master {
      authBackend = "gitea";
      gitea = {
        instanceUrl = "https://git.example.org";
        tokenFile = "/run/secrets/token";
        webhookSecretFile = "/run/secrets/hook";
      };
    };
  };
  gitea-key-without-known-hosts = case "`sshKnownHostsFile`" {
    master = master {
      gitea = {
        enable = true;
        instanceUrl = "https://git.example.org";
        tokenFile = "/run/secrets/token";
        webhookSecretFile = "/run/secrets/hook";
        sshPrivateKeyFile = "/run/secrets/key";
      };
    };
  };
  private-for-nobody = case "names nobody" {
    master = {
      enable = true;
      domain = "buildbot.example.org";
      workersFile = "/run/secrets/workers";
      httpBasicAuthPasswordFile = "/run/secrets/password";
      accessMode.fullyPrivate = {
        backend = "github";
        clientId = "id";
        clientSecretFile = "/run/secrets/client";
        cookieSecretFile = "/run/secrets/cookie";
      };
    };
  };
  private-by-a-gitea-that-is-not-there = case "gitea.instanceUrl" {
    master = {
      enable = true;
      domain = "buildbot.example.org";
      workersFile = "/run/secrets/workers";
      httpBasicAuthPasswordFile = "/run/secrets/password";
      admins = [ "alice" ];
      accessMode.fullyPrivate = {
        backend = "gitea";
        clientId = "id";
        clientSecretFile = "/run/secrets/client";
        cookieSecretFile = "/run/secrets/cookie";
      };
    };
  };
  cachix-without-key = case "needs `auth.authToken.file` or" {
    master = master {
      cachix = {
        enable = true;
        name = "mine";
      };
    };
  };
  personal-token = case "or `github.tokenFile` say it" {
    master = master { github.authType = "legacy"; };
  };
  old-nixpkgs-option = case "services.buildbot-nix.packages" {
    master = master { buildbotNixpkgs = "nixpkgs"; };
  };
  gitea-plugin = case "part of buildbot-nix itself" {
    packages.buildbot-gitea = "a package";
  };
  effects = case "deploy in another way" {
    master = master { effects.extraSandboxPaths = [ "/etc/ssl/certs" ]; };
  };
  secrets-for-effects = case "deploy in another way" {
    master = master { effects.perRepoSecretFiles."github:team/*" = "/run/secrets/effects.json"; };
  };
  old-nix-eval-jobs = case "2.26.0 or later" {
    worker = worker {
      nixEvalJobs.package =
        derivation {
          name = "nix-eval-jobs";
          system = "x86_64-linux";
          builder = "/bin/sh";
        }
        // {
          version = "2.24.1";
        };
    };
  };
  certificate-without-tls = case ''begins with "tls:"'' {
    worker = worker { masterCertificate = "/etc/buildbot/master.pem"; };
  };
  worker-name-with-dot = case ''is "eve.example.org"'' {
    worker = worker { name = "eve.example.org"; };
  };
  two-workers-in-one-unit = {
    says = "the same systemd service";
    module.services = {
      buildbot-worker.enable = true;
      buildbot-nix.worker = worker { };
    };
  };
}
