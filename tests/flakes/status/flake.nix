# Jobs whose outputs are built, copied and deleted by the test; salt.nix is written by it.
{
  outputs =
    { self }:
    let
      mk =
        name: text:
        derivation {
          inherit name;
          system = "x86_64-linux";
          builder = "/bin/sh";
          args = [
            "-c"
            "echo ${import ./salt.nix} ${text} > $out"
          ];
        };
      input = mk "input" "";
    in
    {
      checks.x86_64-linux = {
        here = mk "here" "";
        fetched = mk "fetched" "";
        new = mk "new" "";
        # Its input is needed for building, not afterwards.
        without-inputs = derivation {
          name = "without-inputs";
          system = "x86_64-linux";
          builder = "/bin/sh";
          args = [
            "-c"
            "read line < ${input}; echo \"$line\" > $out"
          ];
        };
      };
    };
}
