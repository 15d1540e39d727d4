# The unit, its secrets and its database.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.buildbot-nix.master;
  buildbot = config.services.buildbot-master;
  inherit (config.services.buildbot-nix) packages;
  local = cfg.dbUrlFile == null && lib.hasPrefix "postgresql://@/" cfg.dbUrl;
  python = packages.python.withPackages (ps: pythonPackages ps ++ buildbot.pythonPackages ps);
  pythonPackages =
    ps:
    [
      packages.buildbot-nix
      packages.buildbot-worker
      ps.psycopg2
    ]
    ++ lib.attrValues packages.buildbot-plugins
    ++ ps.twisted.optional-dependencies.tls;

  loadCredential = lib.mapAttrsToList (name: file: "${name}:${toString file}") cfg.credentials;

  # What a master.cfg of nixpkgs would have, in front of which everything of ours is. The lists hold
  # Python expressions.
  lists = {
    builders = buildbot.builders;
    change_source = buildbot.changeSource;
    configurators = buildbot.configurators;
    schedulers = buildbot.schedulers;
    services = buildbot.reporters;
    workers = buildbot.workers;
  };
in
{
  _file = ./service.nix;

  options.services.buildbot-nix.master.masterCfg = lib.mkOption {
    type = lib.types.package;
    readOnly = true;
    default = pkgs.writeText "master.cfg" ''
      """Made by NixOS; `services.buildbot-master.extraConfig` adds to it."""

      import os
      from datetime import timedelta

      from buildbot.plugins import *

      from buildbot_nix import master_config
      ${buildbot.extraImports}

      BuildmasterConfig = c = master_config(os.environ["BUILDBOT_NIX_SETTINGS"])
      ${lib.concatStrings (
        lib.mapAttrsToList (
          key: items:
          lib.optionalString (items != [ ]) ''
            c["${key}"] = [*c.get("${key}", []), ${lib.concatStringsSep ", " items}]
          ''
        ) lists
      )}
      ${buildbot.extraConfig}
    '';
    defaultText = lib.literalMD "a package";
    description = "Buildbot's configuration, which reads the settings file.";
  };

  config = lib.mkIf cfg.enable {
    services.buildbot-master = {
      enable = true;
      home = "/var/lib/buildbot";
      package = packages.buildbot;
      masterCfg = "${cfg.masterCfg}";
      inherit (cfg) dbUrl;
      # nixpkgs' defaults are examples.
      builders = lib.mkDefault [ ];
      schedulers = lib.mkDefault [ ];
      workers = lib.mkDefault [ ];
      configurators = [
        "util.JanitorConfigurator(logHorizon=timedelta(weeks=4), hour=12, dayOfWeek=6)"
      ];
    };

    users.users.buildbot = {
      isNormalUser = lib.mkForce false;
      isSystemUser = true;
    };

    # With the rights and secrets of the master, for who comes from the predecessor.
    environment.systemPackages = [
      (pkgs.writeShellScriptBin "buildbot-nix-migrate" ''
        exec systemd-run --quiet --pipe --wait --collect --uid=buildbot \
          ${
            lib.concatMapStringsSep " " (
              credential: "--property=LoadCredential=${lib.escapeShellArg credential}"
            ) loadCredential
          } \
          --setenv=PYTHONPATH=${python}/${packages.python.sitePackages} \
          ${python}/bin/python -m buildbot_nix.predecessor /etc/buildbot-nix/settings.json \
          --master-folder ${buildbot.buildbotDir} "$@"
      '')
    ];
    environment.etc."buildbot-nix/settings.json".source = cfg.settingsFile;

    systemd.services.buildbot-master = {
      after = [
        "network-online.target"
        "postgresql.service"
        # Newer ones wait there for `ensureDatabases`.
        "postgresql.target"
      ];
      wants = [ "network-online.target" ];
      # The poller runs them.
      path = [
        pkgs.git
        pkgs.openssh
      ];
      environment = {
        BUILDBOT_NIX_SETTINGS = "/etc/buildbot-nix/settings.json";
        PYTHONPATH = lib.mkForce "${python}/${packages.python.sitePackages}";
      };
      # Changed settings are read by the running master; builds go on.
      reloadTriggers = [ cfg.settingsFile ];
      # These it can take up only when it starts.
      restartTriggers = [
        cfg.settings.port
        cfg.settings.worker_port
        (cfg.settings.db_url or null)
        (map toString (lib.attrValues cfg.credentials))
      ];
      # Of nixpkgs' module, whose commands would have the URL of the database as an argument, and
      # whose .tac does not say in words why a master cannot start.
      preStart = lib.mkForce ''
        mkdir -p ${buildbot.buildbotDir}
        ln -sfn ${../../python/buildbot.tac} ${buildbot.buildbotDir}/buildbot.tac
        ln -sfn ${buildbot.masterCfg} ${buildbot.buildbotDir}/master.cfg
        ${packages.buildbot}/bin/buildbot upgrade-master --quiet ${buildbot.buildbotDir}
      '';
      serviceConfig = import ../hardening.nix // {
        ExecReload = lib.mkForce "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
        LoadCredential = loadCredential;
        RuntimeDirectory = "buildbot-master";
        StateDirectory = "buildbot";
        StateDirectoryMode = "0750";
        ReadWritePaths = lib.optional (cfg.outputsPath != null) cfg.outputsPath;
        Restart = "on-failure";
        RestartSec = 5;
        # Its builds are recorded as they end; the rest is taken up again at the next start.
        TimeoutStopSec = 90;

        # Files of outputs are for everyone, nginx too; all else is in StateDirectory.
        UMask = if cfg.outputsPath == null then "0027" else "0022";

        # No MemoryDenyWriteExecute: the TLS library of Twisted makes functions at run time.
        PrivateDevices = true;
        ProcSubset = "pid";
        ProtectControlGroups = true;
        ProtectHostname = true;
        ProtectKernelLogs = true;
        ProtectKernelTunables = true;
        ProtectProc = "invisible";
        RestrictAddressFamilies = [
          "AF_INET"
          "AF_INET6"
          "AF_UNIX"
          # Names are looked up through it.
          "AF_NETLINK"
        ];
        RestrictNamespaces = true;
        RestrictSUIDSGID = true;
        SystemCallFilter = [
          "@system-service"
          "~@privileged"
        ];
      };
    };

    services.postgresql = lib.mkIf local {
      enable = true;
      ensureDatabases = [ "buildbot" ];
      ensureUsers = [
        {
          name = "buildbot";
          ensureDBOwnership = true;
        }
      ];
    };

    # A string, since a path literal would be copied into the store by being looked at.
    warnings = lib.mapAttrsToList (name: file: ''
      buildbot-nix: the secret `${name}` is ${toString file}, in the Nix store, where everyone on this
      machine can read it. Use a file outside, for example of sops-nix or agenix.
    '') (lib.filterAttrs (_: file: lib.hasPrefix builtins.storeDir (toString file)) cfg.credentials);
  };
}
