# nginx in front of the web interface, and the list of outputs that it serves.
{ config, lib, ... }:
let
  cfg = config.services.buildbot-nix.master;
  buildbot = config.services.buildbot-master;
  inherit (lib) mkDefault mkOption types;
  inherit (config.services.nginx) virtualHosts;
  vhost = virtualHosts.${cfg.domain};
  https =
    cfg.useHTTPS == true || (cfg.enableNginx && (vhost.forceSSL || vhost.addSSL || vhost.onlySSL));
  private = cfg.accessMode ? fullyPrivate;
  upstream = "http://127.0.0.1:${
    toString (if private then cfg.accessMode.fullyPrivate.port else buildbot.port)
  }";
in
{
  _file = ./web.nix;

  options.services.buildbot-nix.master = {
    enableNginx = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = ''
        Whether nginx serves {option}`domain`. Certificates are set as for any other host, with
        `services.nginx.virtualHosts.<domain>`. Without nginx, Buildbot listens on all addresses.
      '';
    };
    outputsPath = mkOption {
      type = types.nullOr types.path;
      default = null;
      example = "/var/lib/buildbot-outputs";
      description = ''
        Folder in which the store path of each attribute's last result is written, as
        `<owner>/<repository>/<branch>/<attribute>`, and which nginx serves as `/nix-outputs/`.
      '';
    };
  };

  config = lib.mkIf cfg.enable {
    services.buildbot-nix.master.settings = lib.mkIf (cfg.outputsPath != null) {
      outputs_path = mkDefault (toString cfg.outputsPath);
    };

    services.buildbot-master.buildbotUrl = mkDefault "${
      if https then "https" else "http"
    }://${cfg.domain}/";

    systemd.tmpfiles.rules = lib.optional (
      cfg.outputsPath != null
    ) "d ${toString cfg.outputsPath} 0755 buildbot buildbot - -";

    services.nginx = lib.mkIf cfg.enableNginx {
      enable = true;
      recommendedProxySettings = mkDefault true;
      virtualHosts.${cfg.domain}.locations = {
        "/" = {
          proxyPass = upstream;
          extraConfig = ''
            # Large evaluations have pages that take a while.
            proxy_connect_timeout 120s;
            proxy_send_timeout 120s;
            proxy_read_timeout 120s;
          '';
        };
        "/change_hook/" = {
          proxyPass = upstream;
          # What GitHub sends at most.
          extraConfig = "client_max_body_size 25m;";
        };
        # Events as they come.
        "/sse" = {
          proxyPass = upstream;
          extraConfig = ''
            proxy_buffering off;
            proxy_read_timeout 6000s;
          '';
        };
        "/ws" = {
          proxyPass = upstream;
          proxyWebsockets = true;
          # The page says something once a minute at most, if a build says nothing.
          extraConfig = "proxy_read_timeout 6000s;";
        };
      }
      // lib.optionalAttrs (cfg.outputsPath != null) {
        "/nix-outputs/" = {
          alias = "${toString cfg.outputsPath}/";
          extraConfig = ''
            charset utf-8;
            autoindex on;
            ${lib.optionalString private "auth_request /oauth2/auth;"}
          '';
        };
      };
    };
  };
}
