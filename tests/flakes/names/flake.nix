# Names that somebody might trip over.
{
  outputs = _: let
    mk = number: derivation {
      name = "n${toString number}";
      system = "x86_64-linux";
      builder = "/bin/sh";
    };
    names = [
      "plain"
      "a.b"
      "with space"
      ''quo"te''
      "apo'strophe"
      "sla/sh"
      ".."
      "../../etc"
      "-dash"
      "back\\slash"
      "\${interpolated}"
      "new\nline"
      "tab\tulator"
      (builtins.fromJSON ''"escape\u001b[31m"'')
      (builtins.fromJSON ''"delete\u007f\u009b"'')
      "ünïcödé 😀"
      "<script>alert(1)</script>"
      ""
      "if"
      "name item 0 {}"
      (builtins.concatStringsSep "" (builtins.genList (_: "long") 75))
    ];
    number = builtins.length names;
  in {
    checks.x86_64-linux = builtins.listToAttrs (builtins.genList (index: {
      name = builtins.elemAt names index;
      value = mk index;
    }) number) // {
      ${''bro"ken $''} = throw "broken";
      "set ü" = { "inn\"er" = mk number; "bad\n" = throw "inner"; };
    };
  };
}
