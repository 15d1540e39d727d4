# Sets that have no end, and names that are mistaken for others.
{
  outputs = _: let
    mk = name: derivation { inherit name; system = "x86_64-linux"; builder = "/bin/sh"; };
    itself = { inside = mk "inside"; again = itself; };
  in {
    checks.x86_64-linux = {
      plain = mk "plain";
      ${''"plain"''} = mk "in-quotes";
      inherit itself;
      "7" = mk "seven";
    };
  };
}
