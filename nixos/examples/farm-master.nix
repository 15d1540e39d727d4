# A farm: this machine runs the master only; each machine that builds has farm-worker.nix.
{ config, ... }:
let
  domain = "buildbot.example.org";
  certificate = config.security.acme.certs.${domain}.directory;
in
{
  services.buildbot-nix.master = {
    enable = true;
    inherit domain;
    # One entry for each machine, each with a password of its own.
    workersFile = "/run/secrets/buildbot-workers.json";
    # Between machines only with TLS.
    workersTls = {
      certificate = "${certificate}/cert.pem";
      certificateChain = "${certificate}/chain.pem";
      keyFile = "${certificate}/key.pem";
    };
    buildSystems = [
      "x86_64-linux"
      "aarch64-linux"
    ];
    authBackend = "none";
    pullBased.repositories.site = {
      url = "https://git.example.org/team/site.git";
      defaultBranch = "main";
    };
    concurrentEvaluations = 3;
    projects.site.evalMaxMemorySize = 8192;
    retention.logs = 30;
  };
  services.nginx.virtualHosts.${domain} = {
    forceSSL = true;
    enableACME = true;
  };
  security.acme.certs.${domain}.reloadServices = [ "buildbot-master.service" ];
  networking.firewall.allowedTCPPorts = [
    80
    443
    9989
  ];
}
