# The least: one machine that looks for news in a repository every minute. Nobody logs in, no forge
# has to be told anything.
{
  services.buildbot-nix.master = {
    enable = true;
    domain = "buildbot.example.org";
    authBackend = "none";
    # [ { "name": "eve", "pass": "…", "cores": 8 } ]
    workersFile = "/run/secrets/buildbot-workers.json";
    pullBased.repositories.site = {
      url = "https://git.example.org/team/site.git";
      defaultBranch = "main";
    };
  };
  services.buildbot-nix.worker = {
    enable = true;
    name = "eve";
    workers = 8;
    workerPasswordFile = "/run/secrets/buildbot-worker-password";
  };
}
