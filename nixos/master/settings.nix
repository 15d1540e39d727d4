# The settings file: what the other parts have to say, and what the admin adds, checked by the
# program that will read it.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.buildbot-nix.master;
  buildbot = config.services.buildbot-master;
  inherit (import ../lib.nix { inherit lib; }) withoutNulls;
  inherit (lib) mkDefault mkOption types;
  json = pkgs.formats.json { };

  # pbPort is a number, or an endpoint in the quotes that nixpkgs' module wants for Python.
  pbEndpoint = lib.removePrefix "'" (lib.removeSuffix "'" (toString buildbot.pbPort));
  # Where systemd puts what `LoadCredential` names; endpoints cannot use a variable.
  credential = name: "/run/credentials/buildbot-master.service/${name}";
  tlsEndpoint =
    "ssl:${toString buildbot.pbPort}"
    + ":privateKey=${credential "worker-tls-key"}"
    + ":certKey=${cfg.workersTls.certificate}"
    + lib.optionalString (
      cfg.workersTls.certificateChain != null
    ) ":extraCertChain=${cfg.workersTls.certificateChain}";
in
{
  _file = ./settings.nix;

  options.services.buildbot-nix.master = {
    settings = mkOption {
      type = types.submodule { freeformType = json.type; };
      default = { };
      example.eval_timeout = 7200;
      description = ''
        What stands in the settings file besides what the other options put there, by the names that
        docs/configuration.md has; all that do not follow from the modules have an option too. What is
        set here wins over them. The file is checked when the machine is built. It is world-readable:
        secrets are files, see {option}`credentials`.
      '';
    };

    credentials = mkOption {
      type = types.attrsOf types.path;
      default = { };
      example.my-upload-token = "/run/secrets/my-upload-token";
      description = ''
        Files with secrets that the master can read, by name, as systemd's `LoadCredential`. Settings
        whose key ends in `_file` take the name, and so does `%(secret:<name>)s` in
        {option}`postBuildSteps`.
      '';
    };

    settingsFile = mkOption {
      type = types.package;
      readOnly = true;
      description = "The settings file, checked.";
      default =
        pkgs.runCommand "buildbot-nix-settings.json"
          {
            nativeBuildInputs = [ config.services.buildbot-nix.packages.agent ];
            text = builtins.toJSON (withoutNulls cfg.settings);
            passAsFile = [ "text" ];
            preferLocalBuild = true;
          }
          ''
            buildbot-nix check-config --without-secrets "$textPath"
            cp "$textPath" $out
          '';
      defaultText = lib.literalMD "a package";
    };
  };

  config.services.buildbot-nix.master.settings = lib.mkIf cfg.enable (
    {
      url = mkDefault buildbot.buildbotUrl;
      # nginx is what others reach, and the only one who shall reach Buildbot.
      port = mkDefault (
        "tcp:${toString buildbot.port}" + lib.optionalString cfg.enableNginx ":interface=127.0.0.1"
      );
      worker_port = mkDefault (if cfg.workersTls == null then pbEndpoint else tlsEndpoint);
    }
    // lib.optionalAttrs (buildbot.title != "Buildbot") {
      title = mkDefault buildbot.title;
    }
  );
}
