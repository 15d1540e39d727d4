{
  description = "As much of nixpkgs as our flake uses, see default.nix";

  outputs = _: import ./. { };
}
