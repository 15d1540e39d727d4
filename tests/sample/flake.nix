{
  description = "Nine checks that show what buildbot-nix makes of them";

  outputs =
    { self }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];

      # New in every demonstration, so that nothing is in the store already.
      salt = builtins.readFile ./salt;

      checksFor =
        system:
        let
          # A derivation without nixpkgs: its builder has a shell and nothing else.
          run =
            name: script: extra:
            derivation (
              {
                inherit name system salt;
                builder = "/bin/sh";
                args = [
                  "-euc"
                  script
                ];
              }
              // extra
            );
        in
        rec {
          hello = run "hello" ''
            echo "Hello from Nix, on ${system}."
            echo hello > $out
          '' { };

          colours = run "colours" ''
            printf '\033[32mgreen\033[0m \033[31mred\033[0m\n'
            echo green > $out
          '' { };

          # Prints a line every second, for those who look at a log while it grows. There is no
          # sleep in the sandbox, but a terminal on which nobody types.
          patience = run "patience" ''
            for second in 1 2 3 4 5; do
              echo "second $second of 5"
              read -r -t 1 _ < /dev/ptmx || true
            done
            echo done > $out
          '' { };

          library = run "library" "echo 'a library' > $out" { };

          # Is built after the library, which it needs.
          application = run "application" ''
            read -r text < ${library}
            echo "an application with $text" > $out
          '' { };

          # Two outputs, none of which is called `out`.
          manual = run "manual" "echo text > $text; echo pages > $pages" {
            outputs = [
              "text"
              "pages"
            ];
          };

          # Fails until somebody corrects the answer.
          multiplication = run "multiplication" ''
            answer=${builtins.readFile ./answer}
            if [ $((6 * 7)) != "$answer" ]; then
              echo "6 * 7 is not $answer" >&2
              exit 1
            fi
            echo "$answer" > $out
          '' { };

          # Not built as long as the multiplication fails.
          theorem = run "theorem" "echo 'proved by ${multiplication}' > $out" { };

          # Does not evaluate; the others do not mind.
          unwritten = throw "nobody has written this check yet";
        };
    in
    {
      checks = builtins.listToAttrs (
        map (system: {
          name = system;
          value = checksFor system;
        }) systems
      );
    };
}
