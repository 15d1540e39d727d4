# Types of options: what they take (`check`) and how several definitions become one value (`merge`).
{ lib, modules }:
let
  inherit (builtins)
    all
    any
    attrNames
    attrValues
    concatLists
    elem
    filter
    head
    isAttrs
    isBool
    isFloat
    isFunction
    isInt
    isList
    isPath
    isString
    length
    mapAttrs
    ;
  inherit (modules) effective mergeTyped showLoc;

  isPackage = value: (value.type or null) == "derivation";

  # All definitions have to say the same.
  mergeEqual =
    loc: definitions:
    let
      first = head definitions;
      others = filter (one: one.value != first.value) definitions;
    in
    if others == [ ] then
      first.value
    else
      throw "`${showLoc loc}` is ${lib.describe first.value} in ${first.file} and ${lib.describe (head others).value} in ${(head others).file}";
  mergeOne =
    loc: definitions:
    if length definitions == 1 then
      (head definitions).value
    else
      throw "`${showLoc loc}` is defined twice";

  type =
    description: check: attributes:
    {
      _type = "option-type";
      name = description;
      inherit description check;
      merge = mergeEqual;
    }
    // attributes;

  between =
    least: most:
    type "integer from ${toString least} to ${toString most}" (
      value: isInt value && value >= least && value <= most
    ) { };

  types = rec {
    raw = type "anything" (_: true) { merge = mergeOne; };
    unspecified = raw;
    anything = type "anything" (_: true) { };
    bool = type "boolean" isBool { };
    int = type "integer" isInt { };
    float = type "floating point number" isFloat { };
    port = between 0 65535;
    ints = {
      positive = type "positive integer" (value: isInt value && value > 0) { };
      unsigned = type "unsigned integer" (value: isInt value && value >= 0) { };
    };
    str = type "string" isString { };
    lines = type "strings, one a line" isString {
      merge = _: definitions: lib.concatStringsSep "\n" (map (one: one.value) definitions);
    };
    path = type "absolute path" (
      value: isPath value || isPackage value || (isString value && lib.hasPrefix "/" value)
    ) { };
    package = type "package" isPackage { merge = mergeOne; };
    enum =
      values:
      type "one of ${lib.concatMapStringsSep ", " lib.describe values}" (value: elem value values) { };

    nullOr =
      inner:
      type "null or ${inner.description}" (value: value == null || inner.check value) {
        merge =
          loc: definitions:
          if all (one: one.value == null) definitions then null else mergeTyped loc inner definitions;
        emptyValue = null;
        nested = [ inner ];
      };
    either =
      left: right:
      type "${left.description} or ${right.description}" (value: left.check value || right.check value) {
        merge =
          loc: definitions:
          mergeTyped loc (if all (one: left.check one.value) definitions then left else right) definitions;
        nested = [
          left
          right
        ];
      };
    oneOf = choices: lib.foldl' either (head choices) (builtins.tail choices);
    addCheck = inner: more: inner // { check = value: inner.check value && more value; };
    coercedTo =
      from: convert: to:
      type to.description (value: from.check value || to.check value) {
        merge =
          loc: definitions:
          mergeTyped loc to (
            map (
              one: one // { value = if to.check one.value then one.value else convert one.value; }
            ) definitions
          );
      };

    listOf =
      inner:
      type "list of ${inner.description}" isList {
        merge =
          loc: definitions:
          concatLists (
            map (
              one:
              lib.concatMap (
                value:
                let
                  used = effective [
                    {
                      inherit (one) file;
                      inherit value;
                    }
                  ];
                in
                lib.optional (used.list != [ ]) (mergeTyped (loc ++ [ "*" ]) inner used.list)
              ) one.value
            ) definitions
          );
        emptyValue = [ ];
        nested = [ inner ];
      };
    attrsOf =
      inner:
      type "attribute set of ${inner.description}" isAttrs {
        merge =
          loc: definitions:
          let
            names = lib.unique (lib.concatMap (one: attrNames one.value) definitions);
            used =
              name:
              effective (
                lib.concatMap (
                  one:
                  lib.optional (one.value ? ${name}) {
                    inherit (one) file;
                    value = one.value.${name};
                  }
                ) definitions
              );
            defined = filter (name: (used name).list != [ ]) names;
          in
          lib.genAttrs defined (name: mergeTyped (loc ++ [ name ]) inner (used name).list);
        emptyValue = { };
        nested = [ inner ];
        subOptions = inner.subOptions or null;
        subLoc = [ "<name>" ] ++ inner.subLoc or [ ];
      };
    lazyAttrsOf = attrsOf;

    submodule =
      module:
      let
        parts = lib.toList module;
        evaluated =
          loc: definitions:
          lib.evalModules {
            prefix = loc;
            modules =
              parts
              ++ map (
                one:
                if isFunction one.value || isPath one.value then
                  one.value
                else
                  {
                    _file = one.file;
                    config = one.value;
                  }
              ) definitions;
          };
      in
      type "set of options" (value: isAttrs value || isFunction value || isPath value) {
        merge = loc: definitions: (evaluated loc definitions).config;
        subOptions = (evaluated [ ] [ ]).options;
      };

    # A set with exactly one of `tags`, which are options.
    attrTag =
      tags:
      type "one of ${lib.concatStringsSep ", " (attrNames tags)}"
        (value: isAttrs value && length (attrNames value) == 1 && tags ? ${head (attrNames value)})
        {
          merge =
            loc: definitions:
            let
              tag = head (attrNames (head definitions).value);
            in
            if all (one: one.value ? ${tag}) definitions then
              {
                ${tag} =
                  (modules.evalOption (loc ++ [ tag ]) tags.${tag} (
                    map (one: {
                      inherit (one) file;
                      value = one.value.${tag};
                    }) definitions
                  )).value;
              }
            else
              throw "`${showLoc loc}` is two of ${lib.concatStringsSep ", " (attrNames tags)}";
          subOptions = tags;
        };

    functionTo =
      inner:
      type "function to ${inner.description}" isFunction {
        merge =
          loc: definitions: argument:
          mergeTyped loc inner (map (one: one // { value = one.value argument; }) definitions);
      };
  };
in
types // { inherit mergeEqual; }
