# Attributes that an evaluator does not survive, each beside one that is fine.
{
  outputs = _: let
    mk = name: derivation { inherit name; system = "x86_64-linux"; builder = "/bin/sh"; };
    system = checks: { x86_64-linux = checks; };
    numbers = builtins.genList (x: x);
    deep = builtins.foldl' (inner: _: [ inner ]) null (numbers 3000000);
    spin = n: if n == 0 then 0 else spin (n - 1);
    endless = builtins.foldl' (sum: _: sum + spin 5000) 0 (numbers 10000000);
    large = numbers 100000000;
  in {
    crash = system {
      a = mk "a";
      crash = builtins.seq (builtins.toJSON deep) (mk "crash");
      z = mk "z";
    };
    endless = system {
      endless = builtins.seq endless (mk "endless");
      z = mk "z";
    };
    late = system {
      a = mk "a";
      endless = builtins.seq endless (mk "endless");
    };
    large = system {
      a = mk "a";
      large = builtins.seq (builtins.length large) (mk "large");
      z = mk "z";
    };
    ci."a.b" = system { a = mk "a"; };
  };
}
