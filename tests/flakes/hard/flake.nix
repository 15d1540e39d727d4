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
    # Some seconds.
    slow = system {
      slow = builtins.seq (builtins.foldl' (sum: _: sum + spin 5000) 0 (numbers 1500)) (mk "slow");
      z = mk "z";
    };
    huge = system {
      a = mk "a";
      # A list of 20 GB, and what is in it.
      huge = builtins.seq (builtins.length (numbers 2600000000)) (mk "huge");
      z = mk "z";
    };
    talkative = system {
      a = mk "a";
      talkative = builtins.seq
        (builtins.foldl' (_: n: builtins.foldl' (_: builtins.trace "line ${toString n}") 0 (numbers 5000))
          0 (numbers 1000000))
        (mk "talkative");
      z = mk "z";
    };
    # Each takes a fraction of a second.
    many = system (builtins.listToAttrs (map (number: {
      name = "a${toString number}";
      value = builtins.seq
        (builtins.foldl' (sum: _: sum + spin 5000) number (numbers 60)) (mk "a${toString number}");
    }) (numbers 2000)));
    stuck = builtins.seq endless { };
    ci."a.b" = system { a = mk "a"; };
  };
}
