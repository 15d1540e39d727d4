# How evaluations run, and when they give up.
{ config, lib, ... }:
let
  cfg = config.services.buildbot-nix.master;
  inherit (import ../lib.nix { inherit lib; }) keyOption settingsOf;
  inherit (lib) mkOption types;
  inherit (types.ints) positive;

  # Of one evaluation, for all projects or for one.
  limits = {
    evalTimeout = keyOption {
      type = positive;
      default = 3600;
      example = 7200;
      description = "Seconds that a whole evaluation may take.";
    };
    evalAttributeTimeout = keyOption {
      type = positive;
      default = 600;
      example = 1200;
      description = "Seconds that one attribute may take.";
    };
    evalMaxSilentTime = keyOption {
      type = positive;
      default = 1200;
      example = 3600;
      description = ''
        Seconds that an evaluator may say nothing, also while it loads the flake and fetches its
        inputs.
      '';
    };
  };
  projectOptions = limits // {
    evalMaxMemorySize = keyOption {
      type = positive;
      unset = "for {option}`evalMaxMemorySize` of the master";
      example = 8192;
      description = "MiB that one evaluator process may use.";
    };
    evalWorkerCount = keyOption {
      type = positive;
      unset = "for {option}`evalWorkerCount` of the master";
      example = 2;
      description = "Evaluator processes of one evaluation.";
    };
  };

  keys = limits // {
    evalEngine = keyOption {
      type = types.enum [
        "auto"
        "nix"
        "nix-eval-jobs"
      ];
      default = "auto";
      example = "nix-eval-jobs";
      description = ''
        What evaluates: nix-eval-jobs, stock Nix, or the former where a worker has it, which those
        of this module have.
      '';
    };
    evalSandbox = keyOption {
      type = types.enum [
        "auto"
        "required"
        "off"
      ];
      default = "auto";
      example = "required";
      description = ''
        Whether evaluators run in bubblewrap, which workers of this module have: always, or where it
        works; elsewhere every evaluation then has a warning.
      '';
    };
    evalSandboxPaths = keyOption {
      type = types.listOf types.path;
      default = [ ];
      example = [ "/srv/fonts" ];
      description = "What evaluators can read there besides what each of them needs.";
    };
    nixConfigAllow = keyOption {
      type = types.attrsOf (types.listOf types.str);
      default = { };
      example.extra-substituters = [ "https://cache.example.org" ];
      description = ''
        Settings that evaluations and builds take from a flake's `nixConfig`, each with the values
        that are allowed. All others are ignored: a pull request decides what stands there.
      '';
    };
    allowImportFromDerivation = keyOption {
      type = types.bool;
      default = true;
      example = false;
      description = "Whether an evaluation may build what it needs itself.";
    };
    concurrentEvaluations = keyOption {
      type = positive;
      default = 2;
      example = 4;
      description = "Evaluations at the same time on one machine. Projects take turns.";
    };
  };
in
{
  _file = ./evaluation.nix;

  options.services.buildbot-nix.master = keys // {
    evalMaxMemorySize = mkOption {
      type = positive;
      default = 2048;
      example = 4096;
      description = "MiB that one evaluator process may use before it is replaced.";
    };
    evalWorkerCount = keyOption {
      type = positive;
      unset = "for its part of the worker's cores and free memory, at most 4";
      example = 8;
      description = "Evaluator processes of one evaluation.";
    };
    showTrace = mkOption {
      type = types.nullOr types.bool;
      default = false;
      example = true;
      description = "Whether errors come with Nix's trace.";
    };
    projects = mkOption {
      type = types.attrsOf (types.submodule { options = projectOptions; });
      default = { };
      example."my-organisation/infrastructure" = {
        evalMaxMemorySize = 8192;
        evalTimeout = 7200;
      };
      description = "Other limits for single projects, by the project's name.";
    };
  };

  config.services.buildbot-nix.master.settings = lib.mkIf cfg.enable (
    settingsOf keys cfg
    // {
      eval_max_memory_size = lib.mkDefault cfg.evalMaxMemorySize;
      eval_worker_count = lib.mkDefault cfg.evalWorkerCount;
      show_trace_on_failure = lib.mkDefault (cfg.showTrace == true);
      projects = lib.mapAttrs (_: settingsOf projectOptions) cfg.projects;
    }
  );
}
