# Attributes that end in something else than one plain derivation.
{
  outputs = _: let
    mk = name: mkFor "x86_64-linux" name { };
    mkFor = system: name: more:
      derivation ({ inherit name system; builder = "/bin/sh"; } // more);
    base = mk "base";
    endless = x: endless (x + 1);
  in {
    checks.x86_64-linux = {
      inherit base;
      same-as-base = base;
      needs-base = mkFor "x86_64-linux" "needs-base" { inherit base; };
      outputs = mkFor "x86_64-linux" "outputs" { outputs = [ "out" "dev" "man" ]; };
      no-out = mkFor "x86_64-linux" "no-out" { outputs = [ "lib" "bin" ]; };
      nested = {
        recurseForDerivations = true;
        override = x: x;
        deep.deeper = mk "deeper";
        broken = throw "nested";
      };
      empty = { };
      other-system = mkFor "aarch64-linux" "other-system" { };

      thrower = throw "boom";
      type-error = 1 + "a";
      aborter = abort "stop";
      assertion = assert 1 == 2; base;
      missing = base.nothing.here;
      infinite = let x = x; in x;
      endless = endless 1;
      impure = builtins.readFile "/etc/passwd";
      broken-inside = mkFor "x86_64-linux" "broken-inside" { PATH = throw "inside"; };
      broken-type = { type = throw "type"; };
      fake = { type = "derivation"; name = "fake"; system = "x86_64-linux"; drvPath = "/etc/passwd"; };
      numbered = { type = "derivation"; name = 5; system = "x86_64-linux"; drvPath = base.drvPath; };
      half = { type = "derivation"; name = "half"; };

      number = 5;
      function = x: x;
      nothing = null;
      list = [ base ];
      text = "base";
      truth = true;
    };
  };
}
