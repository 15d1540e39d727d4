# Evaluations that print.
{
  nixConfig.extra-substituters = "https://cache.example";
  outputs = _: let
    mk = name: derivation { inherit name; system = "x86_64-linux"; builder = "/bin/sh"; };
    line = builtins.concatStringsSep "" (builtins.genList (_: "0123456789") 1000);
    warn = text: builtins.trace "evaluation warning: ${text}";
  in {
    checks.x86_64-linux = {
      traced = builtins.trace (builtins.fromJSON ''"hello\n\u001b[31mtrace"'') (mk "traced");
      warned = warn "careful" (mk "warned");
      warned-again = warn "careful" (mk "warned-again");
      forger = builtins.trace "00000000000000000000000000000000 item 0 {}" (mk "forger");
      failing = builtins.trace "before" (throw "boom");
    };
    flood.x86_64-linux.flood = builtins.foldl' (value: number: builtins.trace "${toString number} ${line}" value)
      (mk "flood") (builtins.genList (x: x) 3000);
    warnings.x86_64-linux = builtins.listToAttrs (builtins.genList (number: {
      name = "w${toString number}";
      value = warn "number ${toString number}" (mk "w${toString number}");
    }) 150);
  };
}
