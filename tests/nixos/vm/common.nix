# Parts of the virtual machines: a master with a worker, and a repository that a daemon serves.
{ pkgs, lib }:
{
  # Before the script of a test.
  helpers = builtins.readFile ./helpers.py;

  # Secrets are files in /etc here, which nobody should copy.
  secrets = files: {
    environment.etc = lib.mapAttrs' (
      name: text: lib.nameValuePair "secrets/${name}" { inherit text; }
    ) files;
  };

  # The master's machine. Its worker is on it unless a test says otherwise.
  master =
    { config, ... }:
    {
      imports = [ ../../../nixos/master ];
      services.buildbot-nix.master = {
        enable = true;
        domain = "ci";
        authBackend = lib.mkDefault "none";
        workersFile = "/etc/secrets/workers.json";
      };
      environment.etc."secrets/workers.json".text = builtins.toJSON [
        {
          name = "builder";
          pass = "hunter2";
          cores = 2;
        }
      ];
      environment.systemPackages = [
        pkgs.curl
        pkgs.git
        pkgs.jq
        pkgs.sudo
      ];
      networking.firewall.allowedTCPPorts = [ 80 ];
      virtualisation = {
        cores = 2;
        memorySize = 3072;
        writableStore = true;
      };
    };

  worker = {
    imports = [ ../../../nixos/worker.nix ];
    services.buildbot-nix.worker = {
      enable = true;
      name = "builder";
      workers = 2;
      workerPasswordFile = "/etc/secrets/worker-password";
    };
    environment.etc."secrets/worker-password".text = "hunter2";
    # Nothing can be fetched.
    nix.settings.substituters = lib.mkForce [ ];
    virtualisation.writableStore = true;
  };

  # git://ci/site.git, with a work tree in /srv/work, both of the user `git`.
  repository = {
    services.gitDaemon = {
      enable = true;
      basePath = "/srv/git";
      exportAll = true;
    };
    systemd.services.make-repository = {
      wantedBy = [ "multi-user.target" ];
      before = [ "git-daemon.service" ];
      path = [ pkgs.git ];
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        User = "git";
        StateDirectory = "repository";
      };
      environment.HOME = "/var/lib/repository";
      script = ''
        git config --global user.name Test
        git config --global user.email test@example.org
        git init -q --bare -b main /srv/git/site.git
        git init -q -b main /srv/work
        cd /srv/work
        git remote add origin /srv/git/site.git
        cp ${./site/flake.nix} flake.nix
        cp ${pkgs.pkgsStatic.busybox}/bin/busybox busybox
        chmod u+w flake.nix busybox
        git add -A
        git commit -qm 'Begin'
        git push -q origin HEAD:main
      '';
    };
    systemd.tmpfiles.rules = [
      "d /srv/git 0755 git git - -"
      "d /srv/work 0755 git git - -"
    ];
    users.users.git.home = lib.mkForce "/var/lib/repository";
    services.buildbot-nix.master.pullBased = {
      pollInterval = 2;
      repositories.site = {
        url = "git://localhost/site.git";
        defaultBranch = "main";
      };
    };
  };
}
