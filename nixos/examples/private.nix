# For a private organisation: nobody sees anything who is not in one of its teams.
{
  services.buildbot-nix.master = {
    enable = true;
    domain = "buildbot.example.org";
    workersFile = "/run/secrets/buildbot-workers.json";
    admins = [ "alice" ];
    # oauth2-proxy logs people in and tells Buildbot who they are, with this password.
    httpBasicAuthPasswordFile = "/run/secrets/buildbot-http-basic-auth-password";
    accessMode.fullyPrivate = {
      backend = "github";
      clientId = "aaaaaaaaaaaaaaaaaaaa";
      clientSecretFile = "/run/secrets/buildbot-oauth2-client-secret";
      cookieSecretFile = "/run/secrets/buildbot-oauth2-cookie-secret";
      teams = [ "my-organisation/developers" ];
    };
    github = {
      enable = true;
      appId = 123456;
      appSecretKeyFile = "/run/secrets/buildbot-github-app-key.pem";
      webhookSecretFile = "/run/secrets/buildbot-github-webhook-secret";
      topic = null;
      userAllowlist = [ "my-organisation" ];
    };
    outputsPath = "/var/lib/buildbot-outputs";
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
