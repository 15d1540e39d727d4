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
      buildbot-nix works as a GitHub App only. Set `github.appId` and `github.appSecretKeyFile`, and
      remove the option.
    '')
    (removed [ "github" "user" ] ''
      It belonged to personal access tokens, in whose place there is a GitHub App now. Remove the
      option.
    '')
    (removed [ "buildbotNixpkgs" ] ''
      Buildbot comes from your own nixpkgs. Remove the option; to use another Buildbot, set
      `services.buildbot-nix.packages`.
    '')
  ];
}
