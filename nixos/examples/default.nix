# The examples by name. Each is a NixOS module for a machine with the modules `buildbot-master` and
# `buildbot-worker`; all of them are checked.
{
  caches = ./caches.nix;
  farm-master = ./farm-master.nix;
  farm-worker = ./farm-worker.nix;
  gitea = ./gitea.nix;
  github = ./github.nix;
  poller = ./poller.nix;
  private = ./private.nix;
}
