# What the modules share: types, options that are settings, and names of credentials.
{ lib }:
let
  inherit (lib) types;
in
rec {
  # `interpolate "%(secret:token)s"`: a text in which Buildbot replaces `%(prop:…)s` and
  # `%(secret:…)s` when it is used, so that neither the store nor the settings hold a secret.
  interpolate = value: {
    _type = "interpolate";
    inherit value;
  };

  types' = {
    interpolated =
      types.either types.str (
        lib.mkOptionType {
          name = "interpolate";
          description = "text made by `interpolate`";
          check = value: (value._type or null) == "interpolate";
          merge = lib.options.mergeEqualOption;
        }
      )
      // {
        description = "string or text made by `interpolate`";
      };
  };

  # An option that names a file with a secret. It is not copied into the store, so a string.
  secretFileOption =
    arguments:
    lib.mkOption (
      {
        type = types.path;
        example = "/run/secrets/buildbot-nix";
      }
      // arguments
    );
  optionalSecretFile =
    arguments:
    secretFileOption (
      {
        type = types.nullOr types.path;
        default = null;
      }
      // arguments
    );

  # An option that is a key of the settings file. Unset, it is null and left out there, since the
  # program knows its defaults itself. `default` is what that is, for the documentation: a test
  # compares it with the program. Where it depends on something, `unset` says it in words.
  keyOption =
    {
      type,
      default ? null,
      unset ? "for which the program has `${builtins.toJSON default}`",
      ...
    }@arguments:
    lib.mkOption (
      removeAttrs arguments [ "unset" ]
      // {
        type = types.nullOr type;
        default = null;
        defaultText = lib.literalMD "`null`, ${unset}";
      }
    );

  # The settings that `options` make of their `values`. A key is the option's name in snake case.
  settingsOf =
    options: values:
    lib.mapAttrs' (
      name: option:
      lib.nameValuePair (snakeCase name) (
        if option._type or null == "option" then
          lib.mkDefault values.${name}
        else
          settingsOf option values.${name}
      )
    ) options;
  snakeCase =
    name:
    lib.concatStrings (
      map (part: if lib.isList part then "_" + lib.toLower (lib.concatStrings part) else part) (
        builtins.split "([A-Z])" name
      )
    );

  # systemd's names of credentials are file names. The words are those of the predecessor.
  credentialName =
    prefix: name:
    "${prefix}__" + lib.replaceStrings [ "/" ":" "*" ] [ "_slash_" "_colon_" "_star_" ] name;

  # An attribute set without the attributes that are null, in sets below it too.
  withoutNulls =
    value:
    if lib.isAttrs value then
      lib.mapAttrs (_: withoutNulls) (lib.filterAttrs (_: item: item != null) value)
    else if lib.isList value then
      map withoutNulls value
    else
      value;
}
