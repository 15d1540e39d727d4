# A machine that serves what it builds with harmonia, and uploads it to caches elsewhere.
{
  services.buildbot-nix.master = {
    enable = true;
    domain = "buildbot.example.org";
    workersFile = "/run/secrets/buildbot-workers.json";
    authBackend = "none";
    pullBased.repositories.site = {
      url = "https://git.example.org/team/site.git";
      defaultBranch = "main";
    };
  };
  services.buildbot-nix.worker = {
    enable = true;
    name = "eve";
    workerPasswordFile = "/run/secrets/buildbot-worker-password";
  };

  # Other machines get what was built here from http://buildbot.example.org:5000.
  services.harmonia = {
    enable = true;
    signKeyPaths = [ "/run/secrets/harmonia-signing-key" ];
  };
}
