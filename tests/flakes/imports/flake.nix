# Evaluations that build.
{
  outputs = _: let
    mk = name: script: derivation {
      inherit name;
      system = "SYSTEM";
      builder = "/bin/sh";
      args = [ "-c" script ];
      salt = "SALT";
    };
  in {
    checks.x86_64-linux = {
      fails = mk (import (mk "import-fails" "echo the last words; exit 3")) "";
      fine = mk (import (mk "import" "echo '\"imported\"' > $out")) "";
    };
    slow.x86_64-linux.slow = mk (import (mk "import-slow" "while :; do :; done")) "";
  };
}
