# A machine of the farm in farm-master.nix. It builds for its own system; for others it has Nix's remote
# builders, here an ARM machine.
{
  services.buildbot-nix.worker = {
    enable = true;
    name = "build01";
    workers = 32;
    masterUrl = "tls:host=buildbot.example.org:port=9989";
    workerPasswordFile = "/run/secrets/buildbot-worker-password";
  };

  nix.distributedBuilds = true;
  nix.buildMachines = [
    {
      hostName = "arm01.example.org";
      protocol = "ssh-ng";
      systems = [ "aarch64-linux" ];
      sshUser = "nix-remote";
      sshKey = "/run/secrets/arm01-ssh-key";
      maxJobs = 16;
      supportedFeatures = [
        "big-parallel"
        "kvm"
      ];
    }
  ];
}
