# Paths that are not there are errors, as with the real ones; nothing is copied.
let
  existing = map (
    path: if builtins.pathExists path then path else throw "there is no ${toString path}"
  );
in
{
  unions = builtins.concatMap (files: if builtins.isList files then files else existing [ files ]);
  fileFilter =
    test: folder:
    assert test { hasExt = _: true; };
    existing [ folder ];
  toSource =
    { root, fileset }:
    assert fileset != [ ];
    builtins.deepSeq fileset (toString root);
}
