# Commands of the admin's own that run after builds.
{ config, lib, ... }:
let
  cfg = config.services.buildbot-nix.master;
  inherit (import ../lib.nix { inherit lib; }) keyOption settingsOf types';
  inherit (lib) mkOption types;

  postBuildStep = types.submodule {
    options = {
      name = mkOption {
        type = types.str;
        example = "Upload to my cache";
        description = "What the step is called.";
      };
      environment = mkOption {
        type = types.attrsOf types'.interpolated;
        default = { };
        example = lib.literalExpression ''
          { TOKEN = interpolate "%(secret:my-upload-token)s"; }
        '';
        description = "Variables of its environment, the place for secrets.";
      };
      command = mkOption {
        type = types.either types'.interpolated (types.listOf types'.interpolated);
        example = lib.literalExpression ''
          [ "my-upload" (interpolate "%(prop:out_path)s") ]
        '';
        description = "The command, as a list of words; a text is given to a shell.";
      };
      warnOnly = mkOption {
        type = types.bool;
        default = false;
        description = "Whether the build still succeeds if the step fails.";
      };
    };
  };

  keys.postBuildStepsOnPullRequests = keyOption {
    type = types.bool;
    default = false;
    example = true;
    description = ''
      Whether they run for pull requests too. Whoever opens one then decides what is signed or
      published with the secrets of {option}`postBuildSteps`.
    '';
  };
in
{
  _file = ./post-build.nix;

  options.services.buildbot-nix.master = keys // {
    postBuildSteps = mkOption {
      type = types.listOf postBuildStep;
      default = [ ];
      example = lib.literalExpression ''
        [
          {
            name = "Upload to S3";
            environment.AWS_SECRET_ACCESS_KEY = interpolate "%(secret:aws-secret-key)s";
            command = [ "nix" "copy" "--to" "s3://my-cache" (interpolate "result-%(prop:attr)s") ];
            warnOnly = true;
          }
        ]
      '';
      description = ''
        Commands that workers run after each attribute that was built. `interpolate` is `lib.interpolate`
        of this flake; `%(prop:<name>)s` and `%(secret:<name>)s` are replaced in what it makes. Secrets
        are files in {option}`credentials`. For uploads to a cache there is something better: the options
        {option}`cachix`, {option}`attic`, {option}`niks3` and {option}`caches`.
      '';
    };
  };

  config.services.buildbot-nix.master.settings = lib.mkIf cfg.enable (
    settingsOf keys cfg
    // lib.optionalAttrs (cfg.postBuildSteps != [ ]) {
      post_build_steps = map (step: {
        inherit (step) name environment command;
        warn_only = step.warnOnly;
      }) cfg.postBuildSteps;
    }
  );
}
