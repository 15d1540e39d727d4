# Repositories of an organisation on GitHub, on one machine. docs/github.md tells how to make the App.
{
  services.buildbot-nix.master = {
    enable = true;
    domain = "buildbot.example.org";
    workersFile = "/run/secrets/buildbot-workers.json";
    admins = [ "alice" ];
    github = {
      appId = 123456;
      appSecretKeyFile = "/run/secrets/buildbot-github-app-key.pem";
      webhookSecretFile = "/run/secrets/buildbot-github-webhook-secret";
      oauthId = "aaaaaaaaaaaaaaaaaaaa";
      oauthSecretFile = "/run/secrets/buildbot-github-oauth-secret";
      # Of its repositories, those with the topic `build-with-buildbot`.
      userAllowlist = [ "my-organisation" ];
      # In place of statuses; the App needs the permission "Checks: write".
      checkRuns = true;
    };
    pullRequests.trustedUsers = [ "renovate[bot]" ];
  };
  services.nginx.virtualHosts."buildbot.example.org" = {
    forceSSL = true;
    enableACME = true;
  };
  networking.firewall.allowedTCPPorts = [
    80
    443
  ];

  services.buildbot-nix.worker = {
    enable = true;
    name = "eve";
    workerPasswordFile = "/run/secrets/buildbot-worker-password";
  };
}
