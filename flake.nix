{
  description = "Continuous integration for Nix flakes on Buildbot";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      linux = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      all = linux ++ [ "aarch64-darwin" ];
      # With the overlay, so that everything here uses it as its users do.
      pkgsFor = lib.genAttrs all (system: nixpkgs.legacyPackages.${system}.extend self.overlays.default);
      on = systems: make: lib.genAttrs systems (system: make pkgsFor.${system});
    in
    {
      overlays.default = final: _prev: {
        inherit (final.callPackages ./nixos/package.nix { }) buildbot-nix buildbot-nix-agent;
      };

      lib = { inherit (import ./nixos/lib.nix { inherit lib; }) interpolate; };

      # They make packages of their own from the nixpkgs of the machine; no overlay is needed.
      nixosModules = {
        buildbot-master = ./nixos/master;
        buildbot-worker = ./nixos/worker.nix;
      };

      packages = on all (pkgs: {
        inherit (pkgs) buildbot-nix;
        agent = pkgs.buildbot-nix-agent;
        default = pkgs.buildbot-nix;
      });

      # Linux only: what starts and watches the processes reads /proc.
      apps = on linux (pkgs: {
        demo = {
          type = "app";
          program = lib.getExe (pkgs.callPackage ./nixos/demo.nix { });
          meta.description = "A Buildbot with a repository of its own, to click through";
        };
      });

      devShells = on all (pkgs: {
        default = pkgs.callPackage ./nixos/dev-shell.nix { };
      });

      formatter = on all (pkgs: pkgs.nixfmt-tree);

      checks = on all (pkgs: pkgs.callPackages ./nixos/checks.nix { });
    };
}
