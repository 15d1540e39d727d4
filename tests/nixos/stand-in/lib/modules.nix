# A module system in small: what of nixpkgs' `lib.evalModules` our modules rely on, with the same
# meaning. Not there: option types that are declared twice, `disabledModules`, module arguments set by
# modules. What goes wrong says where.
{ lib, types }:
let
  inherit (builtins)
    attrNames
    concatMap
    concatStringsSep
    elem
    filter
    foldl'
    functionArgs
    intersectAttrs
    isAttrs
    isFunction
    isPath
    isString
    length
    mapAttrs
    removeAttrs
    sort
    ;
  isOption = value: (value._type or null) == "option";
  showLoc = concatStringsSep ".";

  # -- Modules --

  # A module as { key, file, imports, options, config, freeformType }, all its imports before it.
  collect =
    args: modules:
    let
      load =
        module:
        let
          file = if isPath module || isString module then toString module else module._file or "a module";
          content = if isPath module || isString module then import module else module;
          expected = functionArgs content;
          body =
            if isFunction content then
              content (if expected == { } then args else intersectAttrs expected args)
            else
              content;
          structured = body ? options || body ? config;
          reserved = [
            "_file"
            "config"
            "freeformType"
            "imports"
            "key"
            "meta"
            "options"
          ];
          strange = filter (name: !elem name reserved) (attrNames body);
        in
        if structured && strange != [ ] then
          throw "${file} has `options` or `config`, and beside them `${concatStringsSep "`, `" strange}`"
        else
          {
            key = if isPath module || isString module then toString module else null;
            inherit file;
            imports = body.imports or [ ];
            options = body.options or { };
            config = if structured then body.config or { } else removeAttrs body reserved;
            freeformType = body.freeformType or null;
          };
      visit =
        seen: module:
        let
          loaded = load module;
          before = foldl' (sofar: import: visit sofar import) (
            seen // { keys = seen.keys ++ lib.optional (loaded.key != null) loaded.key; }
          ) loaded.imports;
        in
        if loaded.key != null && elem loaded.key seen.keys then
          seen
        else
          before // { list = before.list ++ [ loaded ]; };
    in
    (foldl' visit {
      keys = [ ];
      list = [ ];
    } modules).list;

  # Options of several modules as one tree.
  mergeOptions =
    loc: trees:
    let
      names = lib.unique (concatMap attrNames trees);
      at =
        name:
        let
          here = map (tree: tree.${name}) (filter (tree: tree ? ${name}) trees);
          options = filter isOption here;
        in
        if options == [ ] then
          mergeOptions (loc ++ [ name ]) here
        else if length here == 1 then
          builtins.head here
        else
          throw "the option `${showLoc (loc ++ [ name ])}` is declared twice";
    in
    lib.genAttrs names at;

  # -- Definitions --

  # The attribute sets that `value` stands for, with its conditions and priorities moved inwards.
  pushDown =
    value:
    let
      kind = value._type or null;
      wrapped = wrap: map (mapAttrs (_: wrap)) (pushDown value.content);
    in
    if kind == "merge" then
      concatMap pushDown value.contents
    else if kind == "if" then
      wrapped (lib.mkIf value.condition)
    else if kind == "override" then
      wrapped (lib.mkOverride value.priority)
    else if kind == "order" then
      wrapped (lib.mkOrder value.order)
    else
      [ value ];

  # The values that `value` stands for, each with its priority and order.
  discharge =
    value:
    let
      kind = value._type or null;
    in
    if kind == "merge" then
      concatMap discharge value.contents
    else if kind == "if" then
      if value.condition then discharge value.content else [ ]
    else if kind == "override" then
      map (found: found // { inherit (value) priority; }) (discharge value.content)
    else if kind == "order" then
      map (found: found // { inherit (value) order; }) (discharge value.content)
    else
      [
        {
          inherit value;
          priority = 100;
          order = 1000;
        }
      ];

  # What is left of definitions ({ file, value }) when conditions and priorities were looked at.
  effective =
    definitions:
    let
      found = concatMap (
        definition: map (one: one // { inherit (definition) file; }) (discharge definition.value)
      ) definitions;
      highest = foldl' (least: one: if one.priority < least then one.priority else least) 9999 found;
      kept = filter (one: one.priority == highest) found;
    in
    {
      inherit highest;
      list = sort (left: right: left.order < right.order) kept;
    };

  # -- Options --

  mergeTyped =
    loc: type: definitions:
    let
      wrong = filter (one: !type.check one.value) definitions;
      first = builtins.head wrong;
    in
    if wrong != [ ] then
      throw "`${showLoc loc}` is ${lib.describe first.value} in ${first.file}; it has to be: ${type.description}"
    else
      type.merge loc definitions;

  # An option with what was defined for it.
  evalOption =
    loc: option: given:
    let
      type = option.type or types.raw;
      byDefault = lib.optional (option ? default) {
        file = "its default";
        value = lib.mkOverride 1500 option.default;
      };
      used = effective (given ++ byDefault);
      own = effective given;
      value =
        if (option.readOnly or false) && length own.list > (if option ? default then 0 else 1) then
          throw "`${showLoc loc}` is read-only"
        else if used.list == [ ] then
          type.emptyValue or (throw "`${showLoc loc}` is used and has no value")
        else
          mergeTyped loc type used.list;
    in
    option
    // {
      inherit loc type;
      value = (option.apply or (final: final)) value;
      isDefined = used.list != [ ];
      highestPrio = used.highest;
      definitions = map (one: one.value) used.list;
    };

  # Values and options of a tree, from definitions of its root.
  evalTree =
    loc: tree: freeform: definitions:
    let
      sets = concatMap (
        definition:
        if isAttrs definition.value then
          map (value: {
            inherit (definition) file;
            inherit value;
          }) (pushDown definition.value)
        else
          throw "`${showLoc loc}` is ${lib.describe definition.value} in ${definition.file}; it is a set of options"
      ) definitions;
      definitionsOf =
        name:
        concatMap (
          set:
          lib.optional (set.value ? ${name}) {
            inherit (set) file;
            value = set.value.${name};
          }
        ) sets;
      options = lib.mapAttrs (
        name: entry:
        if isOption entry then
          evalOption (loc ++ [ name ]) entry (definitionsOf name)
        else
          (below name entry).options
      ) tree;
      below = name: entry: evalTree (loc ++ [ name ]) entry null (definitionsOf name);
      unknown = filter (name: !tree ? ${name}) (lib.unique (concatMap (set: attrNames set.value) sets));
      # A condition that does not hold defines nothing, of an option that is not there neither.
      real = filter (name: (effective (definitionsOf name)).list != [ ]) unknown;
      freely = lib.optionalAttrs (freeform != null) (
        freeform.merge loc (
          map (set: set // { value = intersectAttrs (lib.genAttrs real (_: null)) set.value; }) sets
        )
      );
      values = lib.mapAttrs (
        name: entry: if isOption entry then options.${name}.value else (below name entry).config
      ) tree;
      file = (builtins.head (definitionsOf (builtins.head real))).file;
    in
    {
      inherit options;
      config =
        if freeform == null && real != [ ] then
          throw "the option `${showLoc (loc ++ [ (builtins.head real) ])}`, in ${file}, does not exist"
        else
          freely // values;
    };
in
{
  evalModules =
    {
      modules,
      specialArgs ? { },
      prefix ? [ ],
    }:
    let
      args = specialArgs // {
        inherit lib;
        inherit (result) config options;
      };
      loaded = collect args modules;
      freeforms = filter (type: type != null) (map (module: module.freeformType) loaded);
      result =
        evalTree prefix (mergeOptions prefix (map (module: module.options) loaded))
          (if freeforms == [ ] then null else builtins.head freeforms)
          (
            map (module: {
              inherit (module) file;
              value = module.config;
            }) loaded
          );
    in
    result;

  inherit
    discharge
    effective
    isOption
    mergeTyped
    showLoc
    evalOption
    ;
}
