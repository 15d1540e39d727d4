# How builds run, what is kept of them, and what forges are told.
{ config, lib, ... }:
let
  cfg = config.services.buildbot-nix.master;
  inherit (import ../lib.nix { inherit lib; }) keyOption settingsOf;
  inherit (lib) mkOption types;
  inherit (types.ints) positive unsigned;

  days =
    default: description:
    keyOption {
      type = positive;
      inherit default;
      example = 30;
      description = "Days for which the database keeps ${description}";
    };

  keys = {
    buildLogLimit = keyOption {
      type = positive;
      default = 64;
      example = 16;
      description = ''
        MiB of a build's log that are kept, half from its beginning and half from its end.
      '';
    };
    buildRetries = keyOption {
      type = unsigned;
      default = 3;
      example = 0;
      description = ''
        How often a build is tried again that failed by the fault of its machine, such as a full disk
        or a remote builder that cannot be reached.
      '';
    };
    buildRetryDelay = keyOption {
      type = positive;
      default = 15;
      example = 60;
      description = ''
        Seconds before the first of these attempts; each other waits four times as long as the one
        before, an hour at most.
      '';
    };
    gcroots = keyOption {
      type = types.bool;
      default = true;
      example = false;
      description = ''
        Whether what is built for the default branch, and for the branches of {option}`branches` that
        say so, is kept from the garbage collector.
      '';
    };
    statusContextPrefix = keyOption {
      type = types.str;
      default = "buildbot";
      example = "ci";
      description = ''
        What the names of all statuses begin with, before the slash. Rules of branch protection name
        them: change those too.
      '';
    };
    retention = {
      builds = days 365 "builds with their steps and properties, except the last evaluation of each project.";
      deliveries = days 7 "which events forges have told, so that none counts twice.";
      failures = days 7 "builds that failed, which {option}`cacheFailedBuilds` does not try again.";
      heads = days 90 "what a branch or pull request was at, since it was seen last.";
      jobSets = days 14 "what evaluations found, from which runs go on after a crash.";
      logs = days 90 "what logs say; the builds stay.";
      sessions = days 1 "who was logged in, since it ended.";
      statuses = days 90 "statuses of commits, those too that a forge did not take until then.";
    };
  };
  # Of the predecessor, with defaults as it had them, which are the program's too.
  older = {
    buildMaxSilentTime = mkOption {
      type = positive;
      default = 1200;
      description = "Seconds that a build may print nothing.";
    };
    buildTimeout = mkOption {
      type = positive;
      default = 10800;
      description = "Seconds that a build may take, whether it prints something or not.";
    };
    cacheFailedBuilds = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether a derivation that failed is not built again until somebody asks for it or
        {option}`retention.failures` days have passed, but fails at once with a link to the build
        that failed.
      '';
    };
    failedBuildReportLimit = mkOption {
      type = unsigned;
      default = 47;
      description = "How many failed attributes of one commit get a status of their own on the forge.";
    };
  };
in
{
  _file = ./builds.nix;

  options.services.buildbot-nix.master = keys // older;

  config.services.buildbot-nix.master.settings = lib.mkIf cfg.enable (settingsOf (keys // older) cfg);
}
