# The options of NixOS that our modules set or read, with NixOS' types as far as it matters here.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };
  required = type: mkOption { inherit type; };
  anything = option types.anything { };
  strings = option (types.listOf types.str) [ ];
  stringOrNull = option (types.nullOr types.str) null;

  unit = types.either types.str (types.either types.bool (types.either types.int types.path));
  service = types.submodule {
    options = {
      after = strings;
      before = strings;
      description = option types.str "";
      environment = option (types.attrsOf (types.nullOr (types.either types.str types.path))) { };
      path = option (types.listOf (types.either types.package types.path)) [ ];
      preStart = option types.lines "";
      reloadIfChanged = option types.bool false;
      reloadTriggers = option (types.listOf types.unspecified) [ ];
      requires = strings;
      restartTriggers = option (types.listOf types.unspecified) [ ];
      script = option types.lines "";
      serviceConfig = option (types.attrsOf (types.either unit (types.listOf unit))) { };
      startAt = strings;
      wantedBy = strings;
      wants = strings;
    };
  };

  location = types.submodule {
    options = {
      alias = option (types.nullOr types.path) null;
      extraConfig = option types.lines "";
      proxyPass = stringOrNull;
      proxyWebsockets = option types.bool false;
    };
  };
  virtualHost = types.submodule {
    options = {
      addSSL = option types.bool false;
      enableACME = option types.bool false;
      forceSSL = option types.bool false;
      locations = option (types.attrsOf location) { };
      onlySSL = option types.bool false;
      sslCertificate = option (types.nullOr types.path) null;
      sslCertificateKey = option (types.nullOr types.path) null;
    };
  };

  user = types.submodule {
    options = {
      createHome = option types.bool false;
      description = option types.str "";
      extraGroups = strings;
      group = option types.str "";
      home = option types.path "/var/empty";
      isNormalUser = option types.bool false;
      isSystemUser = option types.bool false;
      useDefaultShell = option types.bool false;
    };
  };
in
{
  _file = ./nixos.nix;

  options = {
    assertions = option (types.listOf types.unspecified) [ ];
    warnings = strings;
    environment.etc = option (types.attrsOf (
      types.submodule {
        options.source = option (types.nullOr types.path) null;
        options.text = option (types.nullOr types.lines) null;
      }
    )) { };
    environment.systemPackages = option (types.listOf types.package) [ ];
    networking.hostName = option types.str "nixos";
    networking.firewall.allowedTCPPorts = option (types.listOf types.port) [ ];
    nix.package = option types.raw (derivation {
      name = "nix";
      system = "x86_64-linux";
      builder = "/bin/sh";
    });
    nix.settings = option (types.attrsOf (types.either (types.listOf types.str) types.anything)) { };
    nix.distributedBuilds = option types.bool false;
    nix.buildMachines = option (types.listOf types.anything) [ ];
    boot.isContainer = option types.bool false;
    security.acme.acceptTerms = option types.bool false;
    security.acme.certs = option (types.attrsOf (
      types.submodule {
        options.directory = option types.path "/var/lib/acme/a-domain";
        options.reloadServices = strings;
      }
    )) { };
    security.acme.defaults.email = stringOrNull;
    security.unprivilegedUsernsClone = option types.bool false;
    system.build = anything;
    system.stateVersion = option types.str "26.05";
    systemd.services = option (types.attrsOf service) { };
    systemd.tmpfiles.rules = strings;
    users.groups = option (types.attrsOf types.anything) { };
    users.users = option (types.attrsOf user) { };

    services.buildbot-master = {
      enable = option types.bool false;
      builders = option (types.listOf types.str) [ "an example" ];
      buildbotDir = option types.path "/var/lib/buildbot/master";
      buildbotUrl = option types.str "http://localhost:8010/";
      changeSource = strings;
      configurators = strings;
      dbUrl = option types.str "sqlite:///state.sqlite";
      extraConfig = option types.lines "c['buildbotNetUsageData'] = None";
      extraImports = option types.lines "";
      home = option types.path "/home/buildbot";
      masterCfg = option types.path "/etc/master.cfg";
      package = required types.package;
      pbPort = option (types.either types.str types.port) 9989;
      port = option types.port 8010;
      pythonPackages = option (types.functionTo (types.listOf types.package)) (_: [ ]);
      reporters = strings;
      schedulers = option (types.listOf types.str) [ "an example" ];
      title = option types.str "Buildbot";
      workers = option (types.listOf types.str) [ "an example" ];
    };
    services.buildbot-worker.enable = option types.bool false;
    services.gitDaemon = anything;
    services.gitea.enable = option types.bool false;
    services.gitea.package = option types.package (derivation {
      name = "gitea";
      system = "x86_64-linux";
      builder = "/bin/sh";
    });
    services.gitea.settings = anything;
    services.harmonia = anything;
    virtualisation = {
      cores = option types.ints.positive 1;
      memorySize = option types.ints.positive 1024;
      writableStore = option types.bool false;
    };

    services.nginx = {
      enable = option types.bool false;
      recommendedProxySettings = option types.bool false;
      virtualHosts = option (types.attrsOf virtualHost) { };
    };
    services.postgresql = {
      enable = option types.bool false;
      ensureDatabases = strings;
      ensureUsers = option (types.listOf types.anything) [ ];
    };
    services.oauth2-proxy = {
      enable = option types.bool false;
      clientID = required (types.nullOr types.str);
      clientSecret = required (types.nullOr types.str);
      cookie.secret = required (types.nullOr types.str);
      cookie.secure = option types.bool true;
      email.domains = strings;
      extraConfig = option (types.attrsOf types.anything) { };
      httpAddress = option types.str "http://127.0.0.1:4180";
      loginURL = stringOrNull;
      passBasicAuth = option types.bool true;
      provider = option (types.enum [
        "github"
        "oidc"
      ]) "github";
      redeemURL = stringOrNull;
      redirectURL = stringOrNull;
      reverseProxy = option types.bool false;
      scope = stringOrNull;
      upstream = option (types.coercedTo types.str (url: [ url ]) (types.listOf types.str)) [ ];
      validateURL = stringOrNull;
    };
  };

  # That it can be made means that everything we set has a value.
  config.system.build.toplevel = derivation {
    name = "nixos-system";
    system = "x86_64-linux";
    builder = "/bin/sh";
    parts = builtins.toJSON [
      (map (one: if one.assertion then "" else throw one.message) config.assertions)
      config.environment
      config.systemd.services
      config.systemd.tmpfiles.rules
      config.services.nginx
      config.users
    ];
  };

  # What the units are without ours.
  config.systemd.services = {
    buildbot-master = lib.mkIf config.services.buildbot-master.enable {
      after = [ "network.target" ];
      environment.PYTHONPATH = "/elsewhere";
      preStart = "buildbot create-master";
      serviceConfig = {
        Type = "simple";
        User = "buildbot";
        Group = "buildbot";
        WorkingDirectory = config.services.buildbot-master.home;
        ExecStart = "/nix/store/twisted/bin/twistd --python ${config.services.buildbot-master.buildbotDir}/buildbot.tac";
        ExecReload = [ "/nix/store/coreutils/bin/ln" ];
      };
    };
    oauth2-proxy = lib.mkIf config.services.oauth2-proxy.enable {
      serviceConfig = {
        User = "oauth2-proxy";
        ExecStart = "/nix/store/oauth2-proxy/bin/oauth2-proxy";
      };
    };
  };
}
