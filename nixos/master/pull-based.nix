# Repositories that are asked for news instead of telling them.
{ config, lib, ... }:
let
  cfg = config.services.buildbot-nix.master;
  inherit (import ../lib.nix { inherit lib; }) credentialName optionalSecretFile;
  inherit (lib) literalExpression mkOption types;
  inherit (cfg) pullBased;

  # Options that hold files, and what their credentials and settings are called.
  files = {
    sshPrivateKeyFile = {
      credential = "pull-based";
      key = "ssh_private_key_file";
    };
    sshKnownHostsFile = {
      credential = "pull-based-known-hosts";
      key = "ssh_known_hosts_file";
    };
    credentialsFile = {
      credential = "pull-based-credentials";
      key = "credentials_file";
    };
    evalNetrcFile = {
      credential = "pull-based-eval-netrc";
      key = "eval_netrc_file";
    };
    evalAccessTokensFile = {
      credential = "pull-based-eval-access-tokens";
      key = "eval_access_tokens_file";
    };
  };
  filesOf = repository: lib.filterAttrs (option: _: repository.${option} != null) files;

  repositoryType = types.submodule {
    options = {
      url = mkOption {
        type = types.str;
        example = "https://git.example.org/team/site.git";
        description = "Where git fetches it from; without user and password.";
      };
      defaultBranch = mkOption {
        type = types.str;
        example = "main";
        description = "The branch whose results count.";
      };
      pollInterval = mkOption {
        type = types.ints.positive;
        default = pullBased.pollInterval;
        defaultText = literalExpression "config.services.buildbot-nix.master.pullBased.pollInterval";
        description = "Seconds between looks at it.";
      };
      sshPrivateKeyFile = optionalSecretFile {
        default = pullBased.sshPrivateKeyFile;
        defaultText = literalExpression "config.services.buildbot-nix.master.pullBased.sshPrivateKeyFile";
        description = "File with the key to fetch it by ssh.";
        example = "/run/secrets/site-deploy-key";
      };
      sshKnownHostsFile = mkOption {
        type = types.nullOr types.path;
        default = pullBased.sshKnownHostsFile;
        defaultText = literalExpression "config.services.buildbot-nix.master.pullBased.sshKnownHostsFile";
        example = "/etc/ssh/ssh_known_hosts";
        description = "The keys of servers that ssh may trust.";
      };
      credentialsFile = optionalSecretFile {
        description = "File with `user:password`, for https.";
        example = "/run/secrets/site-password";
      };
      evalNetrcFile = optionalSecretFile {
        description = "netrc file for private inputs of its flake.";
        example = "/run/secrets/site-netrc";
      };
      evalAccessTokensFile = optionalSecretFile {
        description = "File with Nix's `access-tokens` for private inputs of its flake.";
        example = "/run/secrets/site-access-tokens";
      };
      buildOnFirstPoll = mkOption {
        type = types.bool;
        default = true;
        description = ''
          Whether the default branch is built as soon as the repository is known, or only from the next
          push on.
        '';
      };
      submodules = mkOption {
        type = types.bool;
        default = true;
        description = "Whether submodules are checked out, which they are without credentials.";
      };
    };
  };

  repositorySettings =
    name: repository:
    {
      inherit name;
      inherit (repository) url submodules;
      default_branch = repository.defaultBranch;
      poll_interval = repository.pollInterval;
      build_on_first_poll = repository.buildOnFirstPoll;
    }
    // lib.mapAttrs' (_: file: lib.nameValuePair file.key (credentialName file.credential name)) (
      filesOf repository
    );
in
{
  _file = ./pull-based.nix;

  options.services.buildbot-nix.master.pullBased = {
    repositories = mkOption {
      type = types.attrsOf repositoryType;
      default = { };
      example.site = {
        url = "https://git.example.org/team/site.git";
        defaultBranch = "main";
      };
      description = "Repositories that are polled, by the names that their projects get.";
    };
    pollInterval = mkOption {
      type = types.ints.positive;
      default = 60;
      description = "Seconds between looks at a repository that does not say otherwise.";
    };
    pollSpread = mkOption {
      type = types.nullOr types.ints.unsigned;
      default = null;
      example = 30;
      description = "Seconds by which a look may be late, at random; less than every interval.";
    };
    sshPrivateKeyFile = optionalSecretFile {
      description = "File with a key for repositories that name none of their own.";
      example = "/run/secrets/buildbot-ssh-key";
    };
    sshKnownHostsFile = mkOption {
      type = types.nullOr types.path;
      default = null;
      example = "/etc/ssh/ssh_known_hosts";
      description = "`known_hosts` file for repositories that name none of their own.";
    };
  };

  config.services.buildbot-nix.master = lib.mkIf cfg.enable {
    settings.pull_based = {
      poll_spread = pullBased.pollSpread;
      repositories = lib.mapAttrs repositorySettings pullBased.repositories;
    };
    credentials = lib.concatMapAttrs (
      name: repository:
      lib.mapAttrs' (
        option: file: lib.nameValuePair (credentialName file.credential name) repository.${option}
      ) (filesOf repository)
    ) pullBased.repositories;
  };
}
