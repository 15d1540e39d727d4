# Caches to which what was built is uploaded.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.buildbot-nix.master;
  inherit (cfg) attic cachix niks3;
  inherit (import ../lib.nix { inherit lib; })
    credentialName
    keyOption
    optionalSecretFile
    secretFileOption
    settingsOf
    snakeCase
    ;
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

  uses = type: cfg.${type}.enable || lib.any (cache: cache.type == type) (lib.attrValues cfg.caches);

  # How uploads go, to any kind of cache.
  uploadKeys = {
    pullRequests = keyOption {
      type = types.bool;
      default = false;
      example = true;
      description = ''
        Whether results of pull requests go there too. Who can fill your cache decides what its users
        run.
      '';
    };
    projects = keyOption {
      type = types.listOf types.str;
      unset = "for all";
      example = [ "my-organisation/website" ];
      description = ''
        Names of the projects whose results go there: keep those of private repositories out of public
        caches.
      '';
    };
    timeout = keyOption {
      type = types.ints.positive;
      default = 3600;
      example = 7200;
      description = "Seconds that one call of the tool may take.";
    };
  };
  # Not to be had with cachix and niks3.
  closureKey.closure = keyOption {
    type = types.bool;
    default = true;
    example = false;
    description = "Whether everything goes there that a result refers to, or the result alone.";
  };

  # What identifies a cache, by its type.
  text =
    example: description:
    mkOption {
      type = types.nullOr types.str;
      default = null;
      inherit example description;
    };
  addressKeys = {
    url = text "s3://my-cache?region=eu-west-1" "Of type `store`: where `nix copy --to` writes; without password.";
    serverUrl = text "https://attic.example.org/" "Of type `attic` and `niks3`: the server.";
    cache = text "main" "Of type `attic`: the cache there.";
    name = text "my-organisation" "Of type `cachix`: the cache.";
  };
  secretFile =
    name: description:
    optionalSecretFile {
      example = "/run/secrets/${name}";
      inherit description;
    };
  secretKeys = {
    authTokenFile = secretFile "cachix-auth-token" "Of type `cachix` and `niks3`: file with the token that logs in.";
    awsCredentialsFile = secretFile "aws-credentials" ''
      Of type `store`, for `s3://`: AWS' shared credentials file. Without it, what the worker's machine
      itself may do.
    '';
    netrcFile = secretFile "cache-netrc" "Of type `store`, for `https://`: netrc file with the password.";
    signingKeyFile = secretFile "cache-signing-key" ''
      Of type `store` and `cachix`: file with the secret key that signs what is uploaded.
    '';
    sshKeyFile = secretFile "cache-ssh-key" ''
      Of type `store`, for `ssh-ng://`: file with the private key. The worker's user needs the host in
      its `known_hosts`.
    '';
    tokenFile = secretFile "attic-token" "Of type `attic`: file with the token that logs in.";
  };
  cacheKeys = uploadKeys // closureKey // addressKeys;
  cacheType = types.submodule {
    options =
      cacheKeys
      // secretKeys
      // {
        type = mkOption {
          type = types.enum [
            "attic"
            "cachix"
            "niks3"
            "store"
          ];
          default = "store";
          example = "attic";
          description = "What it is. `store` is whatever `nix copy --to` can write to.";
        };
      };
  };
  # Names of the credentials, by the options that are set.
  secretsOf =
    name: cache:
    lib.mapAttrs (
      option: _:
      credentialName ("cache-" + lib.replaceStrings [ "_file" "_" ] [ "" "-" ] (snakeCase option)) name
    ) (lib.filterAttrs (option: _: cache.${option} != null) secretKeys);
in
{
  _file = ./caches.nix;

  options.services.buildbot-nix.master = {
    cachix = uploadKeys // {
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

    niks3 = uploadKeys // {
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

    attic =
      uploadKeys
      // closureKey
      // {
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

    caches = mkOption {
      type = types.attrsOf cacheType;
      default = { };
      example.bucket = {
        type = "store";
        url = "s3://my-cache?region=eu-west-1";
        awsCredentialsFile = "/run/secrets/aws-credentials";
        signingKeyFile = "/run/secrets/cache-signing-key";
      };
      description = ''
        More caches, by names of your choice, to which what was built is uploaded. Workers have the
        tools for all but niks3, which has to be among
        {option}`services.buildbot-nix.worker.extraPackages`.
      '';
    };
  };

  config = lib.mkIf cfg.enable {
    services.buildbot-nix.master = lib.mkMerge [
      (lib.mkIf cachix.enable {
        settings.cachix = {
          name = mkDefault cachix.name;
        }
        // settingsOf uploadKeys cachix
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
        }
        // settingsOf uploadKeys niks3;
        credentials.niks3-auth-token = niks3.authTokenFile;
      })
      (lib.mkIf attic.enable {
        settings.attic = {
          server_url = mkDefault attic.serverUrl;
          cache = mkDefault attic.cache;
          token_file = "attic-token";
        }
        // settingsOf (uploadKeys // closureKey) attic;
        credentials.attic-token = attic.tokenFile;
      })
      {
        settings.caches = lib.mapAttrs (
          name: cache:
          settingsOf cacheKeys cache
          // {
            inherit (cache) type;
          }
          // lib.mapAttrs' (option: lib.nameValuePair (snakeCase option)) (secretsOf name cache)
        ) cfg.caches;
        credentials = lib.concatMapAttrs (
          name: cache:
          lib.mapAttrs' (option: credential: lib.nameValuePair credential cache.${option}) (
            secretsOf name cache
          )
        ) cfg.caches;
      }
    ];

    # Workers on other machines have it from `services.buildbot-nix.worker.extraPackages` there.
    systemd.services.buildbot-worker = lib.mkIf (config.services.buildbot-nix.worker.enable or false) {
      path =
        lib.optional (uses "cachix") pkgs.cachix
        ++ lib.optional niks3.enable niks3.package
        ++ lib.optional (uses "attic") pkgs.attic-client;
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
