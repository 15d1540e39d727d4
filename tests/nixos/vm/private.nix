# A private master: from outside, nothing is to be had but the page to log in, and webhooks get through.
{ pkgs, lib }:
let
  common = import ./common.nix { inherit pkgs lib; };
in
{
  name = "buildbot-nix-private";
  nodes = {
    ci = {
      imports = [
        common.master
        common.worker
        (common.secrets {
          client = "client secret";
          cookie = "0123456789abcdef0123456789abcdef";
          password = "proxy \"password\" with quotes";
          token = "0000000000000000000000000000000000000000";
          webhook = "a secret of the webhook";
        })
      ];
      services.buildbot-nix.master = {
        authBackend = lib.mkForce "httpbasicauth";
        admins = [ "alice" ];
        httpBasicAuthPasswordFile = "/etc/secrets/password";
        accessMode.fullyPrivate = {
          backend = "gitea";
          clientId = "client";
          clientSecretFile = "/etc/secrets/client";
          cookieSecretFile = "/etc/secrets/cookie";
        };
        gitea = {
          enable = true;
          # It is down, which the master has to survive.
          instanceUrl = "http://git.example.org";
          tokenFile = "/etc/secrets/token";
          webhookSecretFile = "/etc/secrets/webhook";
        };
        outputsPath = "/var/lib/buildbot-outputs";
      };
    };
    client.environment.systemPackages = [ pkgs.curl ];
  };
  testScript = ''
    ${common.helpers}

    def status(path, method="GET"):
        return client.succeed(f"curl -s -o /dev/null -w '%{{http_code}}' -X {method} http://ci{path}")

    start_all()
    ci.wait_for_unit("buildbot-master.service")
    ci.wait_for_unit("oauth2-proxy.service")
    ci.wait_for_unit("nginx.service")
    ci.wait_for_open_port(8010)
    ci.wait_for_open_port(8020)

    with subtest("nothing is shown to strangers"):
        assert status("/") in ("302", "403"), status("/")
        assert status("/api/v2/builds") in ("401", "403")
        assert status("/nix-outputs/") in ("401", "403")
        assert status("/ws") in ("401", "403")
        location = client.succeed("curl -s -o /dev/null -w '%{redirect_url}' http://ci/oauth2/start")
        assert location.startswith("http://git.example.org/login/oauth/authorize"), location

    with subtest("there is no way around the proxy"):
        client.fail("curl -sS --max-time 5 http://ci:8010/")
        client.fail("curl -sS --max-time 5 http://ci:8020/")
        ci.succeed("ss -Hltn 'sport = :8010' | grep -F 127.0.0.1:8010")

    with subtest("webhooks get through to Buildbot, which checks them"):
        answer = client.succeed(
            "curl -s -X POST -H 'X-Gitea-Event: push' -H 'Content-Type: application/json' -d '{}' "
            "-w ' %{http_code}' http://ci/change_hook/gitea"
        )
        assert answer.rsplit(" ", 1)[1].startswith("4") and "oauth2" not in answer, answer

    with subtest("the proxy's secrets are its own"):
        ci.succeed("grep -q 'proxy \\\\\"password' /run/oauth2-proxy/secrets.toml")
        ci.fail("sudo -u nobody cat /run/oauth2-proxy/secrets.toml")
        ci.fail("systemctl cat oauth2-proxy | grep -F 'client secret'")
  '';
}
