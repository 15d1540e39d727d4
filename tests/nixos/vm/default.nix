# The tests by name.
{
  gitea = ./gitea.nix;
  poller = ./poller.nix;
  private = ./private.nix;
  restart = ./restart.nix;
  upgrade = ./upgrade.nix;
  worker = ./worker.nix;
}
