# What happens with what was built: steps of the admin's own, and uploads to caches.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.buildbot-nix.master;
  inherit (cfg) attic cachix niks3;
  inherit (import ../lib.nix { inherit lib; }) optionalSecretFile secretFileOption types';
  inherit (lib) mkDefault mkOption types;

  # The predecessor's names, which are there for its users.
  oldSecretFile =
    name:
    optionalSecretFile {
      visible = false;
      description = "Use {option}`auth` ${name} instead.";
    };
  signingKey = cachix.auth.signingKey.file or cachix.signingKeyFile;
  authToken = cachix.auth.authToken.file or cachix.authTokenFile;

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
in
{
  _file = ./caches.nix;

  options.services.buildbot-nix.master = {
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
        {option}`cachix`, {option}`attic` and {option}`niks3`, and `caches` in {option}`settings`.
      '';
    };

    cachix = {
      enable = lib.mkEnableOption "uploads of what was built to cachix";
      name = mkOption {
        type = types.str;
        example = "my-organisation";
        description = "The cache.";
      };
      auth = mkOption {
        default = { };
        defaultText = lib.literalMD "required";
        example.authToken.file = "/run/secrets/cachix-auth-token";
        description = "What logs in at cachix, or signs what is uploaded.";
        type = types.either (types.addCheck (types.attrsOf types.anything) (auth: auth == { })) (
          types.attrTag {
            signingKey = mkOption {
              description = "A key of one's own that signs.";
              example.file = "/run/secrets/cachix-signing-key";
              type = types.submodule {
                options.file = secretFileOption {
                  description = "File with the key.";
                  example = "/run/secrets/cachix-signing-key";
                };
              };
            };
            authToken = mkOption {
              description = "A token; cachix signs.";
              example.file = "/run/secrets/cachix-auth-token";
              type = types.submodule {
                options.file = secretFileOption {
                  description = "File with the token.";
                  example = "/run/secrets/cachix-auth-token";
                };
              };
            };
          }
        );
      };
      signingKeyFile = oldSecretFile "signingKey.file";
      authTokenFile = oldSecretFile "authToken.file";
    };

    niks3 = {
      enable = lib.mkEnableOption "uploads of what was built to niks3";
      serverUrl = mkOption {
        type = types.str;
        example = "https://niks3.example.org";
        description = "The server.";
      };
      authTokenFile = secretFileOption {
        description = "File with the token that logs in.";
        example = "/run/secrets/niks3-auth-token";
      };
      package = mkOption {
        type = types.package;
        example = lib.literalExpression "inputs.niks3.packages.\${system}.niks3";
        description = "The program `niks3`, for the worker on this machine.";
      };
    };

    attic = {
      enable = lib.mkEnableOption "uploads of what was built to attic";
      serverUrl = mkOption {
        type = types.str;
        example = "https://attic.example.org/";
        description = "The server.";
      };
      cache = mkOption {
        type = types.str;
        example = "main";
        description = "The cache there.";
      };
      tokenFile = secretFileOption {
        description = "File with the token that logs in.";
        example = "/run/secrets/attic-token";
      };
    };
  };

  config = lib.mkIf cfg.enable {
    services.buildbot-nix.master = lib.mkMerge [
      (lib.mkIf (cfg.postBuildSteps != [ ]) {
        settings.post_build_steps = map (step: {
          inherit (step) name environment command;
          warn_only = step.warnOnly;
        }) cfg.postBuildSteps;
      })
      (lib.mkIf cachix.enable {
        settings.cachix = {
          name = mkDefault cachix.name;
        }
        // lib.optionalAttrs (signingKey != null) { signing_key_file = "cachix-signing-key"; }
        // lib.optionalAttrs (authToken != null) { auth_token_file = "cachix-auth-token"; };
        credentials =
          lib.optionalAttrs (signingKey != null) { cachix-signing-key = signingKey; }
          // lib.optionalAttrs (authToken != null) { cachix-auth-token = authToken; };
      })
      (lib.mkIf niks3.enable {
        settings.niks3 = {
          server_url = mkDefault niks3.serverUrl;
          auth_token_file = "niks3-auth-token";
        };
        credentials.niks3-auth-token = niks3.authTokenFile;
      })
      (lib.mkIf attic.enable {
        settings.attic = {
          server_url = mkDefault attic.serverUrl;
          cache = mkDefault attic.cache;
          token_file = "attic-token";
        };
        credentials.attic-token = attic.tokenFile;
      })
    ];

    # Workers on other machines have it from `services.buildbot-nix.worker.extraPackages` there.
    systemd.services.buildbot-worker = lib.mkIf (config.services.buildbot-nix.worker.enable or false) {
      path =
        lib.optional cachix.enable pkgs.cachix
        ++ lib.optional niks3.enable niks3.package
        ++ lib.optional attic.enable pkgs.attic-client;
    };

    warnings = lib.optional (cachix.signingKeyFile != null || cachix.authTokenFile != null) ''
      buildbot-nix: `signingKeyFile` and `authTokenFile` of `services.buildbot-nix.master.cachix` are
      called `auth.signingKey.file` and `auth.authToken.file` now.
    '';
    assertions = [
      {
        assertion = cachix.enable -> signingKey != null || authToken != null;
        message = ''
          buildbot-nix: `services.buildbot-nix.master.cachix` needs `auth.authToken.file` or
          `auth.signingKey.file`.
        '';
      }
    ];
  };
}
