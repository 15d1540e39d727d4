# Machines whose settings or units a test looks at in detail.
{ lib }:
let
  base = {
    enable = true;
    domain = "buildbot.example.org";
    authBackend = "none";
    workersFile = "/run/secrets/workers";
  };
  case = module: { inherit module; };
in
{
  # All that the predecessor called otherwise.
  old-names = case {
    services.buildbot-nix.master = base // {
      jobReportLimit = 10;
      github.admins = [ "alice" ];
    };
  };
  # As the predecessor's documentation has it.
  old-cachix-and-steps = case {
    services.buildbot-nix.master = base // {
      cachix = {
        enable = true;
        name = "mine";
        signingKeyFile = "/run/secrets/cachix-key";
      };
      postBuildSteps = [
        {
          name = "Upload";
          environment.TOKEN = (import ../../nixos/lib.nix { inherit lib; }).interpolate "%(secret:token)s";
          command = [
            "upload"
            ((import ../../nixos/lib.nix { inherit lib; }).interpolate "result-%(prop:attr)s")
          ];
        }
      ];
      credentials.token = "/run/secrets/token";
    };
  };
  several-providers = case {
    services.buildbot-nix.master = base // {
      authBackend = [
        "gitea"
        "oidc"
      ];
      admins = [ "gitea:alice" ];
      gitea = {
        instanceUrl = "https://git.example.org";
        tokenFile = "/run/secrets/token";
        webhookSecretFile = "/run/secrets/hook";
        oauthId = "id";
        oauthSecretFile = "/run/secrets/oauth";
      };
      oidc = {
        discoveryUrl = "https://id.example.org/.well-known/openid-configuration";
        clientId = "buildbot";
        clientSecretFile = "/run/secrets/oidc";
      };
    };
  };
  secret-in-the-store = case {
    services.buildbot-nix.master = base // {
      workersFile = builtins.toFile "workers.json" "[]";
    };
  };
  # What the admin says of Buildbot itself.
  own-buildbot-settings = case {
    services.buildbot-nix.master = base // {
      enableNginx = false;
      settings.title = "Our builds";
      settings.port = "unix:/run/buildbot-master/http";
    };
    services.buildbot-master = {
      pbPort = "'tcp:9990:interface=127.0.0.1'";
      extraImports = "from buildbot.reporters import mail";
      extraConfig = "c['www']['default_page'] = 'builders'";
      reporters = [ "mail.MailNotifier(fromaddr='ci@example.org')" ];
    };
  };
  database-elsewhere = case {
    services.buildbot-nix.master = base // {
      dbUrlFile = "/run/secrets/database-url";
    };
  };
  https-elsewhere = case {
    services.buildbot-nix.master = base // {
      useHTTPS = true;
      showTrace = null;
    };
  };
  repository-files = case {
    services.buildbot-nix.master = base // {
      pullBased.sshPrivateKeyFile = "/run/secrets/shared-key";
      pullBased.sshKnownHostsFile = "/etc/known-hosts";
      pullBased.repositories."team/site" = {
        url = "git@git.example.org:team/site.git";
        defaultBranch = "main";
      };
      pullBased.repositories.tools = {
        url = "https://git.example.org/tools.git";
        defaultBranch = "main";
        pollInterval = 120;
        sshPrivateKeyFile = null;
        credentialsFile = "/run/secrets/tools";
        evalNetrcFile = "/run/secrets/netrc";
      };
    };
  };
  worker-with-own-authority = case {
    services.buildbot-nix.worker = {
      enable = true;
      name = "eve";
      workerPasswordFile = "/run/secrets/password";
      masterUrl = "tls:host=buildbot.example.org:port=9989";
      masterCertificate = "/etc/buildbot/master.pem";
    };
  };
}
