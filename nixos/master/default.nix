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
    ./caches.nix
    ./effects.nix
    ./forges.nix
    ./options.nix
    ./private.nix
    ./pull-based.nix
    ./renamed.nix
    ./service.nix
    ./settings.nix
    ./web.nix
  ];
}
