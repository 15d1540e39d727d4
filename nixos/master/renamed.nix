# Options of the predecessor that are called otherwise now, or are gone, and what to do about it.
{ lib, ... }:
let
  master =
    path:
    [
      "services"
      "buildbot-nix"
      "master"
    ]
    ++ path;
  renamed = from: to: lib.mkRenamedOptionModule (master from) (master to);
  removed = path: lib.mkRemovedOptionModule (master path);
in
{
  _file = ./renamed.nix;

  imports = [
    (renamed [ "github" "admins" ] [ "admins" ])
    (renamed [ "jobReportLimit" ] [ "failedBuildReportLimit" ])
    (removed [ "github" "authType" ] ''
      `github.appId` with `github.appSecretKeyFile`, or `github.tokenFile` say it. Set these, and remove
      the option.
    '')
    (removed [ "github" "user" ] ''
      The App or the token knows whose it is. Remove the option.
    '')
    (removed [ "buildbotNixpkgs" ] ''
      Buildbot comes from your own nixpkgs. Remove the option; to use another Buildbot, set
      `services.buildbot-nix.packages`.
    '')
  ];
}
