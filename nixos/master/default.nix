# The master: an ordinary Buildbot, as nixpkgs' `services.buildbot-master` runs it, whose
# configuration buildbot-nix makes from one settings file.
#
# Each file has the options of one part, what they mean in the settings file, and which secrets
# they need; settings.nix and service.nix put these together.
{
  _file = ./default.nix;

  imports = [
    ../packages.nix
    ./access.nix
    ./builds.nix
    ./caches.nix
    ./effects.nix
    ./evaluation.nix
    ./forges.nix
    ./options.nix
    ./post-build.nix
    ./private.nix
    ./pull-based.nix
    ./pull-requests.nix
    ./renamed.nix
    ./service.nix
    ./settings.nix
    ./web.nix
  ];
}
