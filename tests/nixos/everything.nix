# Machines that set all options that become settings, none of them through `settings`. A test looks for
# keys of the settings file that no option sets.
{ lib }:
let
  inherit (import ../../nixos/lib.nix { inherit lib; }) interpolate;
  secret = name: "/run/secrets/${name}";
  base = {
    enable = true;
    domain = "buildbot.example.org";
    workersFile = secret "workers";
  };
  common = {
    enable = true;
    webhookSecretFile = secret "hook";
    webhookPreviousSecretFile = secret "hook-before";
    webhookSecretPerRepository = true;
    oauthId = "id";
    oauthSecretFile = secret "oauth";
    topic = "ci";
    userAllowlist = [ "team" ];
    repoAllowlist = [ "other/site" ];
    submodules = [ "team/library" ];
    caFile = "/etc/ssl/authority.pem";
    proxy = "http://proxy.example.org:3128";
  };
  upload = {
    pullRequests = true;
    projects = [ "site" ];
    timeout = 60;
  };
  limits = {
    evalWorkerCount = 2;
    evalMaxMemorySize = 3000;
    evalTimeout = 7200;
    evalAttributeTimeout = 60;
    evalMaxSilentTime = 100;
  };
in
{
  with-log-in.module = {
    services.buildbot-nix.master =
      base
      // limits
      // {
        webhookBaseUrl = "https://hooks.example.org/";
        dbUrl = "postgresql://db.example.org/ci";
        buildSystems = [ "aarch64-linux" ];
        branches.releases = {
          matchGlob = "release-*";
          registerGCRoots = false;
          updateOutputs = true;
          evalCredentials = true;
        };
        outputsPath = "/var/lib/outputs";

        evalEngine = "nix";
        evalSandbox = "required";
        evalSandboxPaths = [ "/srv/fonts" ];
        nixConfigAllow.extra-substituters = [ "https://cache.example.org" ];
        allowImportFromDerivation = false;
        concurrentEvaluations = 4;
        showTrace = true;
        projects.site = limits;

        buildMaxSilentTime = 600;
        buildTimeout = 3600;
        buildLogLimit = 16;
        buildRetries = 1;
        buildRetryDelay = 30;
        cacheFailedBuilds = true;
        gcroots = false;
        postBuildSteps = [
          {
            name = "Sign";
            environment.KEY = interpolate "%(secret:key)s";
            command = [ "sign" ];
            warnOnly = true;
          }
        ];
        postBuildStepsOnPullRequests = true;
        credentials.key = secret "key";

        statusContextPrefix = "ci";
        failedBuildReportLimit = 10;
        retention = {
          builds = 1;
          deliveries = 2;
          failures = 3;
          heads = 4;
          jobSets = 5;
          logs = 6;
          sessions = 7;
          statuses = 8;
        };

        authBackend = [
          "github"
          "gitea"
          "oidc"
        ];
        admins = [ "github:alice" ];
        membersBy = "repository";
        authorsMayRestart = false;
        hidePrivateRepositories = true;
        sessionLifetime = 3600;
        allowUnauthenticatedControl = true;
        oidc = {
          name = "Keycloak";
          discoveryUrl = "https://id.example.org/.well-known/openid-configuration";
          clientId = "buildbot";
          clientSecretFile = secret "oidc";
          scope = [ "openid" ];
          caFile = "/etc/ssl/authority.pem";
          mapping = {
            email = "mail";
            username = "login";
            full_name = "display";
            groups = "groups";
          };
        };

        pullRequests = {
          trust = "approve";
          trustedUsers = [ "renovate[bot]" ];
          trustContributors = true;
          drafts = false;
        };
        github = common // {
          appId = 1;
          appSecretKeyFile = secret "app";
          instanceUrl = "https://github.example.org";
          apiUrl = "https://api.github.example.org";
          appWebhook = true;
          checkRuns = true;
        };
        gitea = common // {
          instanceUrl = "https://git.example.org";
          tokenFile = secret "gitea";
          gitTokenFile = secret "gitea-git";
          sshPrivateKeyFile = secret "gitea-key";
          sshKnownHostsFile = "/etc/known-hosts";
        };
        pullBased = {
          pollSpread = 5;
          repositories.site = {
            url = "https://git.example.org/site.git";
            defaultBranch = "main";
            pollInterval = 30;
            sshPrivateKeyFile = secret "site-key";
            sshKnownHostsFile = "/etc/known-hosts";
            credentialsFile = secret "site";
            evalNetrcFile = secret "netrc";
            evalAccessTokensFile = secret "access-tokens";
            buildOnFirstPoll = false;
            submodules = false;
          };
        };

        cachix = upload // {
          enable = true;
          name = "mine";
          auth.authToken.file = secret "cachix";
        };
        niks3 = upload // {
          enable = true;
          serverUrl = "https://niks3.example.org";
          authTokenFile = secret "niks3";
        };
        attic = upload // {
          enable = true;
          serverUrl = "https://attic.example.org/";
          cache = "main";
          tokenFile = secret "attic";
          closure = false;
        };
        caches = {
          bucket = upload // {
            url = "s3://cache";
            awsCredentialsFile = secret "aws";
            signingKeyFile = secret "signing-key";
            closure = false;
          };
          mirror = {
            url = "https://cache.example.org";
            netrcFile = secret "cache-netrc";
          };
          other-machine = {
            url = "ssh-ng://cache.example.org";
            sshKeyFile = secret "cache-ssh-key";
          };
          private-attic = {
            type = "attic";
            serverUrl = "https://attic.example.org/";
            cache = "private";
            tokenFile = secret "private-attic";
          };
          private-cachix = {
            type = "cachix";
            name = "private";
            authTokenFile = secret "private-cachix";
          };
        };
      };
    services.buildbot-master.title = "Our builds";
  };
  behind-a-proxy.module.services.buildbot-nix.master = base // {
    authBackend = "httpbasicauth";
    httpBasicAuthPasswordFile = secret "proxy";
    dbUrlFile = secret "database";
    github = {
      enable = true;
      tokenFile = secret "github";
      webhookSecretFile = secret "hook";
    };
    cachix = {
      enable = true;
      name = "mine";
      auth.signingKey.file = secret "cachix";
    };
  };
}
