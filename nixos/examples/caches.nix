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

    cachix = {
      enable = true;
      name = "my-organisation";
      auth.authToken.file = "/run/secrets/cachix-auth-token";
    };
    attic = {
      enable = true;
      serverUrl = "https://attic.example.org/";
      cache = "main";
      tokenFile = "/run/secrets/attic-token";
    };
    # Whatever `nix copy` can write to; docs/caches.md has all kinds.
    caches.bucket = {
      url = "s3://my-cache?region=eu-west-1";
      awsCredentialsFile = "/run/secrets/aws-credentials";
      signingKeyFile = "/run/secrets/cache-signing-key";
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
