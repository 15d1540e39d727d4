# What the virtual machines build: no inputs, since they have no network. `busybox`, a static one, is put
# beside this file by common.nix.
{
  outputs = _: {
    checks.x86_64-linux =
      let
        run =
          name: script:
          derivation {
            inherit name;
            system = "x86_64-linux";
            builder = ./busybox;
            args = [
              "sh"
              "-c"
              "PATH=/bin; busybox() { ${./busybox} \"$@\"; }; ${script}"
            ];
          };
      in
      {
        good = run "good" "echo it works > $out";
        bad = run "bad" "echo this is wrong; exit 1";
        needs-bad = run "needs-bad" "echo ${run "bad" "echo this is wrong; exit 1"} > $out";
        throws = throw "nobody has written this";
        slow = run "slow" "busybox sleep 20; echo at last > $out";
      };
  };
}
