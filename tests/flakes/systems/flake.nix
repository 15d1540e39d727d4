# What stands where a system is expected.
{
  outputs = _: let
    mk = system: name: derivation { inherit name system; builder = "/bin/sh"; };
  in {
    checks.x86_64-linux.a = mk "x86_64-linux" "a";
    checks.aarch64-linux = { b = mk "aarch64-linux" "b"; c = throw "not looked at"; };
    checks.x86_64-darwin = throw "not even this";
    hydraJobs = {
      build-static = mk "x86_64-linux" "build-static";
      tests.a = mk "aarch64-linux" "tests-a";
      tests.b = mk "x86_64-linux" "tests-b";
    };
    none.aarch64-linux.a = mk "aarch64-linux" "a";
    empty = { };
    package = mk "x86_64-linux" "package";
    number = 5;
  };
}
