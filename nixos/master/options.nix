# What every master has to say or may: its address, its workers, its database, and what it builds.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.buildbot-nix.master;
  inherit (import ../lib.nix { inherit lib; }) secretFileOption optionalSecretFile;
  inherit (lib)
    literalExpression
    mkDefault
    mkOption
    types
    ;

  branchRule = types.submodule {
    options = {
      matchGlob = mkOption {
        type = types.str;
        example = "release-*";
        description = ''
          Branches of this rule: `*` stands for any text, also with slashes, `?` for one character.
        '';
      };
      registerGCRoots = mkOption {
        type = types.bool;
        default = true;
        description = "Whether what is built for them is kept from the garbage collector.";
      };
      updateOutputs = mkOption {
        type = types.bool;
        default = false;
        description = "Whether what is built for them is listed below {option}`outputsPath`.";
      };
      evalCredentials = mkOption {
        type = types.bool;
        default = false;
        description = ''
          Whether their evaluations get the credentials of their repository for private inputs, as
          those of the default branch do.
        '';
      };
    };
  };
in
{
  _file = ./options.nix;

  options.services.buildbot-nix.master = {
    enable = lib.mkEnableOption "a Buildbot master that builds Nix flakes";

    domain = mkOption {
      type = types.str;
      example = "buildbot.example.org";
      description = "Name under which people and forges reach the web interface.";
    };
    useHTTPS = mkOption {
      type = types.nullOr types.bool;
      default = false;
      example = true;
      description = ''
        Whether people reach the web interface by https although this machine's nginx does not say
        so, for example since TLS ends at another proxy.
      '';
    };
    webhookBaseUrl = mkOption {
      type = types.str;
      default = config.services.buildbot-master.buildbotUrl;
      defaultText = literalExpression "config.services.buildbot-master.buildbotUrl";
      example = "https://buildbot-webhooks.example.org/";
      description = ''
        Base of the URLs that forges call, if it is another than that of the web interface. Ends with
        a slash.
      '';
    };

    workersFile = secretFileOption {
      description = ''
        File with the workers that may connect, one entry for each machine:
        `[ { "name": "eve", "pass": "a long random text", "cores": 16 } ]`. `name` and `cores` are
        {option}`services.buildbot-nix.worker.name` and {option}`services.buildbot-nix.worker.workers`
        there.
      '';
      example = "/run/secrets/buildbot-workers.json";
    };
    workersTls = mkOption {
      default = null;
      example = {
        certificate = "/var/lib/acme/buildbot.example.org/cert.pem";
        certificateChain = "/var/lib/acme/buildbot.example.org/chain.pem";
        keyFile = "/var/lib/acme/buildbot.example.org/key.pem";
      };
      description = ''
        Lets workers connect by TLS only. Needed for workers on other machines: without, passwords,
        sources and logs cross the network as they are. The port is
        {option}`services.buildbot-master.pbPort`; it has to be opened in the firewall.
      '';
      type = types.nullOr (
        types.submodule {
          options = {
            certificate = mkOption {
              type = types.path;
              example = "/var/lib/acme/buildbot.example.org/cert.pem";
              description = "The master's certificate, for the name by which workers call it.";
            };
            certificateChain = mkOption {
              type = types.nullOr types.path;
              default = null;
              example = "/var/lib/acme/buildbot.example.org/chain.pem";
              description = "Certificates between it and the authority that workers know.";
            };
            keyFile = secretFileOption {
              description = "The certificate's private key.";
              example = "/var/lib/acme/buildbot.example.org/key.pem";
            };
          };
        }
      );
    };

    dbUrl = mkOption {
      type = types.str;
      default = "postgresql://@/buildbot";
      example = "sqlite:///state.sqlite";
      description = ''
        Buildbot's database. With the default, PostgreSQL is set up on this machine. A URL with a
        password belongs into {option}`dbUrlFile`.
      '';
    };
    dbUrlFile = optionalSecretFile {
      description = "File with the URL of the database, instead of {option}`dbUrl`.";
      example = "/run/secrets/buildbot-database-url";
    };

    buildSystems = mkOption {
      type = types.listOf types.str;
      default = [ pkgs.stdenv.hostPlatform.system ];
      defaultText = literalExpression "[ pkgs.stdenv.hostPlatform.system ]";
      example = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      description = ''
        Systems that are built; attributes for others are not evaluated. Those that a worker's machine
        is not need Nix's remote builders there (`nix.buildMachines`).
      '';
    };
    branches = mkOption {
      type = types.attrsOf branchRule;
      default = { };
      example.releases = {
        matchGlob = "release-*";
        updateOutputs = true;
      };
      description = ''
        Rules for branches that are built besides the default branch of each repository. If several
        match a branch, it has what any of them grants.
      '';
    };
  };

  config.services.buildbot-nix.master = lib.mkIf cfg.enable {
    settings =
      lib.mapAttrs (_: mkDefault) (
        {
          build_systems = cfg.buildSystems;
          nix_workers_secret_file = "buildbot-nix-workers";
          db_url = if cfg.dbUrlFile == null then cfg.dbUrl else null;
          db_url_file = if cfg.dbUrlFile == null then null else "database-url";
        }
        // lib.optionalAttrs (cfg.webhookBaseUrl != config.services.buildbot-master.buildbotUrl) {
          webhook_base_url = cfg.webhookBaseUrl;
        }
      )
      // {
        inherit (cfg) branches;
      };

    credentials = {
      buildbot-nix-workers = cfg.workersFile;
    }
    // lib.optionalAttrs (cfg.dbUrlFile != null) { database-url = cfg.dbUrlFile; }
    // lib.optionalAttrs (cfg.workersTls != null) { worker-tls-key = cfg.workersTls.keyFile; };
  };

  config.assertions = lib.mkIf cfg.enable [
    {
      assertion = lib.hasSuffix "/" cfg.webhookBaseUrl;
      message = ''
        buildbot-nix: `services.buildbot-nix.master.webhookBaseUrl` has to end with a slash; write
        "${cfg.webhookBaseUrl}/".
      '';
    }
    {
      # Between `//` and `@`, where a password would follow a colon.
      assertion = builtins.match "[^:]*://[^/@]*:[^/@]*@.*" cfg.dbUrl == null;
      message = ''
        buildbot-nix: `services.buildbot-nix.master.dbUrl` holds a password, which everyone on this
        machine could read in the Nix store. Put the URL into a file and set `dbUrlFile` to it.
      '';
    }
    {
      assertion = cfg.buildSystems != [ ];
      message = ''
        buildbot-nix: `services.buildbot-nix.master.buildSystems` is empty, so nothing would be built.
        Name at least one system, such as "${pkgs.stdenv.hostPlatform.system}".
      '';
    }
  ];
}
