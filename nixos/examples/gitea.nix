# Repositories on a Gitea or Forgejo of one's own, with release branches and a list of what was built.
{
  services.buildbot-nix.master = {
    enable = true;
    domain = "buildbot.example.org";
    workersFile = "/run/secrets/buildbot-workers.json";
    authBackend = "gitea";
    admins = [ "alice" ];
    gitea = {
      instanceUrl = "https://git.example.org";
      tokenFile = "/run/secrets/buildbot-gitea-token";
      webhookSecretFile = "/run/secrets/buildbot-gitea-webhook-secret";
      oauthId = "00000000-0000-0000-0000-000000000000";
      oauthSecretFile = "/run/secrets/buildbot-gitea-oauth-secret";
    };
    branches.releases = {
      matchGlob = "release-*";
      updateOutputs = true;
    };
    outputsPath = "/var/lib/buildbot-outputs";
    # A derivation that failed is not built again for each commit.
    cacheFailedBuilds = true;
    # No evaluation without its sandbox.
    evalSandbox = "required";
    # Of strangers, only what a member has looked at.
    pullRequests.trust = "approve";
  };
  services.nginx.virtualHosts."buildbot.example.org" = {
    forceSSL = true;
    enableACME = true;
  };

  services.buildbot-nix.worker = {
    enable = true;
    name = "eve";
    workerPasswordFile = "/run/secrets/buildbot-worker-password";
  };
}
