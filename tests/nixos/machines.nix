# What test_modules.py looks at: the machines of nixos/examples, machines that have to be refused, and
# the options, evaluated with the stand-in for nixpkgs, with the lib of a real one, or with its modules too.
{
  # A folder `lib` of nixpkgs.
  libPath ? null,
  # Its folder `nixos`, and the names that modules there look up in `pkgs`.
  nixosPath ? null,
  names ? [ ],
}:
let
  lib = if libPath == null then import ./stand-in/lib else import libPath;
  nixpkgs =
    if nixosPath == null then
      import ./stand-in { inherit lib; }
    else
      import ./tree.nix {
        inherit lib names;
        nixos = nixosPath;
      };
  pkgs = nixpkgs.legacyPackages.x86_64-linux;
  modules = [
    ../../nixos/master
    ../../nixos/worker.nix
  ];
  machine = module: (pkgs.nixos (modules ++ [ module ])).config;

  failed = config: map (one: one.message) (builtins.filter (one: !one.assertion) config.assertions);
  settingsOf =
    config:
    if config.services.buildbot-nix.master.enable then
      config.services.buildbot-nix.master.settingsFile.text
    else
      null;
  look = config: {
    failed = failed config;
    inherit (config) warnings;
    settings = settingsOf config;
    masterCfg = if config.services.buildbot-master.enable then masterCfg config else null;
    credentials = config.services.buildbot-nix.master.credentials or { };
    units = lib.mapAttrs (_: unit: {
      inherit (unit)
        after
        description
        environment
        preStart
        serviceConfig
        wants
        ;
    }) (builtins.intersectAttrs ours config.systemd.services);
    locations = lib.mapAttrs (
      _: host: lib.mapAttrs (_: location: { inherit (location) extraConfig proxyPass; }) host.locations
    ) config.services.nginx.virtualHosts;
    postgresql = { inherit (config.services.postgresql) enable ensureDatabases; };
    oauth2-proxy =
      if config.services.oauth2-proxy.enable then
        { inherit (config.services.oauth2-proxy) clientSecret extraConfig; }
      else
        null;
    tmpfiles = config.systemd.tmpfiles.rules;
    namespaces = config.security.unprivilegedUsernsClone;
  };
  # Units that this project makes or changes.
  ours = {
    buildbot-master = null;
    buildbot-worker = null;
    oauth2-proxy = null;
  };
  # Beside the path of the file, which is in the store.
  masterCfg = config: config.services.buildbot-nix.master.masterCfg.text;

  # Options as the documentation shows them.
  shown =
    value:
    if value ? _type then
      { inherit (value) _type text; }
    else
      {
        _type = "value";
        inherit value;
      };
  document =
    tree:
    lib.concatMap (
      name:
      let
        entry = tree.${name};
        below = entry.type.subOptions or null;
        option = {
          name = lib.concatStringsSep "." (entry.loc or [ name ]);
          type = entry.type.description;
          description = entry.description or null;
          example = if entry ? example then shown entry.example else null;
          default =
            if entry ? defaultText then
              shown entry.defaultText
            else if entry ? default then
              shown entry.default
            else
              null;
        };
      in
      if (entry._type or null) != "option" then
        document entry
      else if entry.visible or true then
        [ option ]
        ++ lib.optionals (below != null) (
          map (
            one:
            one
            // {
              name = lib.concatStringsSep "." ([ option.name ] ++ (entry.type.subLoc or [ ]) ++ [ one.name ]);
            }
          ) (document below)
        )
      else
        [ ]
    ) (builtins.attrNames tree);
in
{
  examples = lib.mapAttrs (_: module: look (machine module)) (import ../../nixos/examples);
  accepted = lib.mapAttrs (_: case: look (machine case.module)) (
    import ./accepted.nix { inherit lib; }
  );
  everything = lib.mapAttrs (_: case: look (machine case.module)) (
    import ./everything.nix { inherit lib; }
  );
  refused = lib.mapAttrs (_: case: {
    failed = failed (machine case.module);
    inherit (case) says;
  }) (import ./refused.nix { inherit lib; });
}
// lib.optionalAttrs (nixosPath != null) {
  nodes = lib.concatMapAttrs (
    name: file:
    lib.mapAttrs' (host: config: lib.nameValuePair "${name}-${host}" { failed = failed config; }) (
      pkgs.testers.runNixOSTest (import file { inherit pkgs lib; })
    )
  ) (import ./vm);
}
// lib.optionalAttrs (nixosPath == null) {
  scripts = lib.mapAttrs (_: file: (import file { inherit pkgs lib; }).testScript) (import ./vm);
  options = document (pkgs.nixos modules).options.services.buildbot-nix;
}
