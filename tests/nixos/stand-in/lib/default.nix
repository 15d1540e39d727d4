# As much of nixpkgs' lib as we use. See ../default.nix.
let
  inherit (builtins)
    any
    attrNames
    attrValues
    concatMap
    concatStringsSep
    elem
    filter
    foldl'
    head
    isAttrs
    isBool
    isFunction
    isList
    isString
    listToAttrs
    map
    mapAttrs
    replaceStrings
    stringLength
    substring
    tail
    toJSON
    ;

  modules = import ./modules.nix { inherit lib types; };
  types = import ./types.nix { inherit lib modules; };
  fileset = import ./fileset.nix;

  mkOption = attributes: { _type = "option"; } // attributes;
  # Where an option was.
  moved =
    path: attributes:
    lib.setAttrByPath path (
      mkOption (
        {
          visible = false;
          description = "Not there any more.";
        }
        // attributes
      )
    );

  lib = rec {
    inherit
      any
      attrNames
      attrValues
      concatMap
      concatStringsSep
      elem
      fileset
      filter
      foldl'
      isAttrs
      isList
      isString
      mapAttrs
      mkOption
      replaceStrings
      ;
    inherit (modules) evalModules;
    types = builtins.removeAttrs types' [ "mergeEqual" ];
    options.mergeEqualOption = types'.mergeEqual;

    # -- Options --
    mkEnableOption =
      name:
      mkOption {
        type = types.bool;
        default = false;
        example = true;
        description = "Whether to enable ${name}.";
      };
    mkPackageOption =
      pkgs: name:
      {
        extraDescription ? "",
        example ? null,
      }:
      mkOption {
        type = types.package;
        default = pkgs.${name};
        defaultText = literalExpression "pkgs.${name}";
        description = "The ${name} package to use. ${extraDescription}";
      };
    mkOptionType =
      {
        name,
        description,
        check,
        merge,
      }:
      {
        _type = "option-type";
        inherit
          name
          description
          check
          merge
          ;
      };
    literalExpression = text: {
      _type = "literalExpression";
      inherit text;
    };
    literalMD = text: {
      _type = "literalMD";
      inherit text;
    };
    mkRenamedOptionModule =
      from: to:
      { config, options, ... }:
      let
        old = getAttrFromPath from options;
      in
      {
        options = moved from { apply = _: getAttrFromPath to config; };
        config = mkMerge [
          {
            warnings = optional old.isDefined "`${modules.showLoc from}` is called `${modules.showLoc to}` now";
          }
          (mkIf old.isDefined (setAttrByPath to (mkMerge old.definitions)))
        ];
      };
    mkRemovedOptionModule =
      path: advice:
      { options, ... }:
      {
        options = moved path { apply = _: throw "`${modules.showLoc path}` is gone. ${advice}"; };
        config.assertions = [
          {
            assertion = !(getAttrFromPath path options).isDefined;
            message = "`${modules.showLoc path}` is gone. ${advice}";
          }
        ];
      };

    # -- Definitions --
    mkIf = condition: content: {
      _type = "if";
      inherit condition content;
    };
    mkMerge = contents: {
      _type = "merge";
      inherit contents;
    };
    mkOverride = priority: content: {
      _type = "override";
      inherit priority content;
    };
    mkDefault = mkOverride 1000;
    mkForce = mkOverride 50;
    mkOrder = order: content: {
      _type = "order";
      inherit order content;
    };
    mkBefore = mkOrder 500;
    mkAfter = mkOrder 1500;

    # -- Attribute sets --
    genAttrs =
      names: make:
      listToAttrs (
        map (name: {
          inherit name;
          value = make name;
        }) names
      );
    nameValuePair = name: value: { inherit name value; };
    mapAttrs' = make: set: listToAttrs (attrValues (mapAttrs make set));
    mapAttrsToList = make: set: attrValues (mapAttrs make set);
    filterAttrs =
      keep: set: builtins.removeAttrs set (filter (name: !keep name set.${name}) (attrNames set));
    concatMapAttrs = make: set: foldl' (all: one: all // one) { } (mapAttrsToList make set);
    optionalAttrs = condition: set: if condition then set else { };
    getAttrFromPath = path: set: foldl' (set: name: set.${name}) set path;
    setAttrByPath =
      path: value: if path == [ ] then value else { ${head path} = setAttrByPath (tail path) value; };
    recursiveUpdate =
      left: right:
      left
      // mapAttrs (
        name: value:
        if isAttrs value && isAttrs (left.${name} or null) && (value.type or null) != "derivation" then
          recursiveUpdate left.${name} value
        else
          value
      ) right;

    # -- Lists --
    optional = condition: item: if condition then [ item ] else [ ];
    optionals = condition: list: if condition then list else [ ];
    toList = value: if isList value then value else [ value ];
    unique = foldl' (sofar: item: if elem item sofar then sofar else sofar ++ [ item ]) [ ];

    # -- Strings --
    concatStrings = concatStringsSep "";
    concatMapStringsSep =
      separator: make: list:
      concatStringsSep separator (map make list);
    optionalString = condition: text: if condition then text else "";
    hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
    hasSuffix =
      suffix: text:
      let
        start = stringLength text - stringLength suffix;
      in
      start >= 0 && substring start (-1) text == suffix;
    removePrefix =
      prefix: text: if hasPrefix prefix text then substring (stringLength prefix) (-1) text else text;
    removeSuffix =
      suffix: text:
      if hasSuffix suffix text then substring 0 (stringLength text - stringLength suffix) text else text;
    escapeShellArg = text: "'${replaceStrings [ "'" ] [ "'\\''" ] text}'";
    toLower =
      let
        upper = [
          "A"
          "B"
          "C"
          "D"
          "E"
          "F"
          "G"
          "H"
          "I"
          "J"
          "K"
          "L"
          "M"
          "N"
          "O"
          "P"
          "Q"
          "R"
          "S"
          "T"
          "U"
          "V"
          "W"
          "X"
          "Y"
          "Z"
        ];
        lower = [
          "a"
          "b"
          "c"
          "d"
          "e"
          "f"
          "g"
          "h"
          "i"
          "j"
          "k"
          "l"
          "m"
          "n"
          "o"
          "p"
          "q"
          "r"
          "s"
          "t"
          "u"
          "v"
          "w"
          "x"
          "y"
          "z"
        ];
      in
      replaceStrings upper lower;
    versionAtLeast = version: least: builtins.compareVersions version least >= 0;
    # A value for a message.
    describe =
      value:
      if isString value || isBool value || builtins.isInt value || value == null then
        toJSON value
      else
        "a ${builtins.typeOf value}";

    # -- Packages --
    getExe = package: "${package}/bin/${package.meta.mainProgram}";
    importTOML = path: builtins.fromTOML (builtins.readFile path);
    licenses.mit.spdxId = "MIT";
    warn = builtins.trace;
  };
  types' = types;
in
lib
