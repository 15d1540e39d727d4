# A machine that evaluates and builds: stock Buildbot workers, one for each build slot, in one process.
# nixpkgs' `services.buildbot-worker` runs one worker, without TLS, whose password it would put into
# the store if it were not told otherwise; so the unit is our own.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.buildbot-nix.worker;
  inherit (config.services.buildbot-nix) packages;
  inherit (import ./lib.nix { inherit lib; }) secretFileOption;
  inherit (lib) literalExpression mkOption types;

  user = "buildbot-worker";
  home = "/var/lib/buildbot-worker";
  gcroots = "/nix/var/nix/gcroots/per-user/${user}";
  python = packages.python.withPackages (
    ps: [ packages.buildbot-worker ] ++ ps.twisted.optional-dependencies.tls
  );
  # Twisted trusts all *.pem in a folder.
  trustRoots = pkgs.linkFarm "buildbot-master-certificate" [
    {
      name = "master.pem";
      path = cfg.masterCertificate;
    }
  ];
in
{
  _file = ./worker.nix;

  imports = [
    ./packages.nix
    (lib.mkRenamedOptionModule
      [ "services" "buildbot-nix" "worker" "package" ]
      [ "services" "buildbot-nix" "packages" "buildbot-worker" ]
    )
    (lib.mkRemovedOptionModule [ "services" "buildbot-nix" "worker" "buildbotNixpkgs" ] ''
      Buildbot comes from your own nixpkgs. Remove the option; to use another Buildbot, set
      `services.buildbot-nix.packages`.
    '')
  ];

  options.services.buildbot-nix.worker = {
    enable = lib.mkEnableOption "Buildbot workers that evaluate and build Nix flakes";

    name = mkOption {
      type = types.str;
      default = config.networking.hostName;
      defaultText = literalExpression "config.networking.hostName";
      example = "eve";
      description = "This machine's `name` in {option}`services.buildbot-nix.master.workersFile`.";
    };
    workers = mkOption {
      type = types.ints.unsigned;
      default = 0;
      example = 16;
      description = ''
        This machine's `cores` there: how many builds and evaluations it runs at once. 0 is as many as
        it has.
      '';
    };
    workerPasswordFile = secretFileOption {
      description = "File with this machine's `pass` there.";
      example = "/run/secrets/buildbot-worker-password";
    };
    masterUrl = mkOption {
      type = types.str;
      default = "tcp:host=localhost:port=9989";
      example = "tls:host=buildbot.example.org:port=9989";
      description = ''
        Where the master is, as a Twisted endpoint. `tls:` for a master on another machine, see
        {option}`services.buildbot-nix.master.workersTls`.
      '';
    };
    masterCertificate = mkOption {
      type = types.nullOr types.path;
      default = null;
      example = "/etc/buildbot/master.pem";
      description = ''
        The certificate that the master has to have, or that of its authority, if it is none that
        everyone knows. For a {option}`masterUrl` with `tls:`.
      '';
    };
    restartAfter = mkOption {
      type = types.ints.positive;
      default = 10800;
      example = 600;
      description = ''
        Seconds that a changed service waits at most for what runs on the machine before it restarts.
        What still runs then is done again.
      '';
    };
    extraPackages = mkOption {
      type = types.listOf types.package;
      default = [
        pkgs.attic-client
        pkgs.cachix
      ];
      defaultText = literalExpression "[ pkgs.attic-client pkgs.cachix ]";
      example = literalExpression "[ pkgs.rclone ]";
      description = "Programs that uploads and post-build steps run.";
    };
    nixEvalJobs.package = lib.mkPackageOption pkgs "nix-eval-jobs" {
      extraDescription = "It should be made for the Nix of the machine.";
    };
  };

  config = lib.mkIf cfg.enable {
    users.groups.${user} = { };
    users.users.${user} = {
      description = "Buildbot workers";
      isSystemUser = true;
      group = user;
      inherit home;
      createHome = true;
      # Post-build steps may be shell commands.
      useDefaultShell = true;
    };

    nix.settings = {
      extra-allowed-users = [ user ];
      # With whatever the machine has, as a list, a text or in `nix.extraOptions`.
      extra-experimental-features = [
        "nix-command"
        "flakes"
      ];
    };

    # For bubblewrap, where the hardened profile forbids it; before that profile's default.
    security.unprivilegedUsernsClone = lib.mkOverride 900 true;

    systemd.tmpfiles.rules = [
      "d ${gcroots} 0755 ${user} root - -"
      # Of the predecessor, which left derivations there; ours are removed as a run ends.
      "e ${gcroots}/*/drvs - - - 7d -"
      "e ${gcroots}/*/*/drvs - - - 7d -"
    ];

    systemd.services.buildbot-worker = {
      description = "Buildbot workers for Nix flakes";
      after = [
        "network-online.target"
        "nix-daemon.socket"
        "buildbot-master.service"
      ];
      wants = [ "network-online.target" ];
      wantedBy = [ "multi-user.target" ];
      path = [
        packages.agent
        cfg.nixEvalJobs.package
        config.nix.package
        pkgs.bash
        pkgs.bubblewrap
        pkgs.coreutils
        pkgs.git
        pkgs.openssh
      ]
      ++ cfg.extraPackages;
      environment = {
        PYTHONPATH = "${python}/${packages.python.sitePackages}";
        MASTER_URL =
          cfg.masterUrl + lib.optionalString (cfg.masterCertificate != null) ":trustRoots=${trustRoots}";
        WORKER_NAME = cfg.name;
        WORKER_COUNT = toString cfg.workers;
        WORKER_PASSWORD_FILE = "%d/worker-password-file";
        WORKER_DRAIN_SECONDS = toString cfg.restartAfter;
        BUILDBOT_DIR = "${home}/worker";
        # Evaluations of the machine find each other there.
        XDG_RUNTIME_DIR = "/run/buildbot-worker";
      };
      # A changed service is told to end when nothing runs, and started again then; so a machine can
      # be deployed by a build on itself.
      reloadIfChanged = true;
      serviceConfig = import ./hardening.nix // {
        Type = "simple";
        User = user;
        Group = user;
        WorkingDirectory = home;
        ExecStart = "${python}/bin/twistd --nodaemon --pidfile= --logfile=- --python=${../python/worker.tac}";
        ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
        Restart = "always";
        RestartSec = 5;
        LoadCredential = "worker-password-file:${toString cfg.workerPasswordFile}";
        StateDirectory = "buildbot-worker";
        StateDirectoryMode = "0750";
        RuntimeDirectory = "buildbot-worker";
        RuntimeDirectoryMode = "0700";
        ReadWritePaths = gcroots;
        # An evaluator that took too much is ended alone.
        OOMPolicy = "continue";
        # Evaluators get cgroups of their own, beside the service's.
        Delegate = "memory";
        DelegateSubgroup = "worker";

        # What evaluators run in, bubblewrap, makes user, mount, process and other namespaces, names the
        # host in one, and mounts a /proc. The kernel refuses that to who does not see the whole of /proc.
        # Therefore no ProcSubset, ProtectControlGroups, ProtectHostname, ProtectKernelLogs,
        # ProtectKernelTunables, ProtectProc, RestrictNamespaces. It opens files with openat2, which
        # RestrictSUIDSGID takes away. Whatever post-build steps run may have reasons to write code, so no
        # MemoryDenyWriteExecute, and to have temporary users, so no PrivateUsers.
        SystemCallFilter = [
          "~@clock"
          "~@cpu-emulation"
          "~@module"
          "~@obsolete"
          "~@raw-io"
          "~@reboot"
          "~@swap"
        ];
      };
    };

    warnings = lib.optional (lib.hasPrefix builtins.storeDir (toString cfg.workerPasswordFile)) ''
      buildbot-nix: `services.buildbot-nix.worker.workerPasswordFile` is
      ${toString cfg.workerPasswordFile}, in the Nix store, where everyone on this machine can read it.
      Use a file outside, for example of sops-nix or agenix.
    '';

    assertions = [
      {
        assertion = lib.versionAtLeast cfg.nixEvalJobs.package.version "2.26.0";
        message = ''
          buildbot-nix: `services.buildbot-nix.worker.nixEvalJobs.package` is nix-eval-jobs
          ${cfg.nixEvalJobs.package.version}, and 2.26.0 or later is needed. Use a newer nixpkgs, or set
          the option to `pkgs.nixVersions.latest`'s.
        '';
      }
      {
        assertion = cfg.masterCertificate != null -> lib.hasPrefix "tls:" cfg.masterUrl;
        message = ''
          buildbot-nix: `services.buildbot-nix.worker.masterCertificate` is for a `masterUrl` that begins
          with "tls:", and it is "${cfg.masterUrl}".
        '';
      }
      {
        assertion = builtins.match "[A-Za-z_-][A-Za-z0-9_-]{0,45}" cfg.name != null;
        message = ''
          buildbot-nix: `services.buildbot-nix.worker.name` is "${cfg.name}". Buildbot takes up to 46
          letters, digits, "_" and "-", with no digit in front; set another name, here and in the
          master's `workersFile`.
        '';
      }
      {
        assertion = !(config.services.buildbot-worker.enable or false);
        message = ''
          buildbot-nix: `services.buildbot-worker.enable` and `services.buildbot-nix.worker.enable` are
          the same systemd service. Disable the former.
        '';
      }
    ];
  };
}
