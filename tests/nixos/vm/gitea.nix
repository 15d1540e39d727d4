# A real Gitea: repositories are found, get their webhook, and pushes and pull requests exactly the
# statuses that branch protection rules wait for.
{ pkgs, lib }:
let
  common = import ./common.nix { inherit pkgs lib; };
in
{
  name = "buildbot-nix-gitea";
  nodes.ci =
    { config, ... }:
    {
      imports = [
        common.master
        common.worker
      ];
      services.gitea = {
        enable = true;
        settings = {
          server.HTTP_PORT = 3000;
          server.ROOT_URL = "http://localhost:3000/";
          service.DISABLE_REGISTRATION = true;
          webhook.ALLOWED_HOST_LIST = "*";
        };
      };
      environment.systemPackages = [ config.services.gitea.package ];
      services.buildbot-nix.master = {
        gitea = {
          enable = true;
          instanceUrl = "http://localhost:3000";
          tokenFile = "/var/lib/secrets/gitea-token";
          webhookSecretFile = "/etc/secrets/webhook";
        };
        webhookBaseUrl = "http://127.0.0.1:8010/";
      };
      environment.etc."secrets/webhook".text = "a secret of the webhook";
      # When there is a token.
      systemd.services.buildbot-master.wantedBy = lib.mkForce [ ];
    };
  testScript = ''
    ${common.helpers}
    CONTEXTS = {"buildbot/nix-eval", "buildbot/nix-build"}

    def gitea(method, path, token, body=None):
        data = f"-d '{json.dumps(body)}'" if body is not None else ""
        return json.loads(
            ci.succeed(
                f"curl -sSf -X {method} -H 'Authorization: token {token}' -H 'Content-Type: application/json' "
                f"{data} http://localhost:3000/api/v1/{path}"
            )
            or "null"
        )

    def user(name):
        tool = "cd /var/lib/gitea && sudo -u gitea GITEA_WORK_DIR=/var/lib/gitea gitea"
        ci.succeed(
            f"{tool} admin user create --username {name} --password {name}-secret "
            f"--email {name}@example.org --must-change-password=false"
        )
        made = f"{tool} admin user generate-access-token --username {name} --scopes all --raw"
        return ci.succeed(made).strip().splitlines()[-1]

    def statuses(sha):
        """The newest state of each context."""
        newest = {}
        for status in gitea("GET", f"repos/alice/site/commits/{sha}/statuses?sort=oldest&limit=50", alice):
            newest[status["context"]] = status["status"]
        return newest

    def wait_for_statuses(sha, wanted):
        seen = {}
        for _ in range(180):
            seen = statuses(sha)
            if seen == wanted:
                return
            time.sleep(1)
        raise AssertionError(f"{sha}: {seen}, wanted {wanted}")

    def clone(name, token, repository):
        ci.succeed(
            f"git clone -q http://{name}:{token}@localhost:3000/{repository}.git /root/{name}",
            f"git -C /root/{name} config user.name {name}",
            f"git -C /root/{name} config user.email {name}@example.org",
        )

    def commit(name, branch):
        ci.succeed(
            f"git -C /root/{name} add -A",
            f"git -C /root/{name} commit -qm 'By {name}'",
            f"git -C /root/{name} push -q origin HEAD:{branch}",
        )
        return ci.succeed(f"git -C /root/{name} rev-parse HEAD").strip()

    start_all()
    ci.wait_for_unit("gitea.service")
    ci.wait_for_open_port(3000)
    alice = user("alice")
    mallory = user("mallory")
    ci.succeed("git config --global init.defaultBranch main", "install -d -m 0700 /var/lib/secrets")
    ci.succeed(f"echo {alice} > /var/lib/secrets/gitea-token")
    gitea("POST", "user/repos", alice, {"name": "site", "auto_init": True, "default_branch": "main"})
    gitea("POST", "user/repos", alice, {"name": "other", "auto_init": True, "default_branch": "main"})
    ci.succeed(
        f"curl -sSf -X PUT -H 'Authorization: token {alice}' "
        "http://localhost:3000/api/v1/repos/alice/site/topics/build-with-buildbot"
    )

    with subtest("the repository with the topic becomes a project and gets its webhook"):
        ci.succeed("systemctl start buildbot-master.service")
        ci.wait_for_open_port(8010)
        ci.wait_until_succeeds(
            "curl -sSf http://127.0.0.1:8010/api/v2/projects | jq -e '[.projects[].name] == [\"alice/site\"]'"
        )
        ci.wait_until_succeeds(
            f"curl -sSf -H 'Authorization: token {alice}' http://localhost:3000/api/v1/repos/alice/site/hooks "
            "| jq -e '.[0].active and (.[0].config.url == \"http://127.0.0.1:8010/change_hook/gitea\")'"
        )

    with subtest("a push is told by the webhook and gets its statuses"):
        clone("alice", alice, "alice/site")
        ci.succeed(
            "cp ${./site/flake.nix} /root/alice/flake.nix",
            "cp ${pkgs.pkgsStatic.busybox}/bin/busybox /root/alice/busybox",
            "chmod u+w /root/alice/*",
            "sed -i '/bad/d; /throws/d; /slow/d' /root/alice/flake.nix",
        )
        good = commit("alice", "main")
        wait_for_statuses(good, dict.fromkeys(CONTEXTS, "success"))

    with subtest("what fails is named, and only that"):
        ci.succeed("sed -i 's/echo it works/exit 1; echo/' /root/alice/flake.nix")
        bad = commit("alice", "main")
        attribute = "buildbot/nix-build gitea:alice/site#checks.x86_64-linux.good"
        wait_for_statuses(
            bad,
            {"buildbot/nix-eval": "success", "buildbot/nix-build": "failure", attribute: "failure"},
        )

    with subtest("a pull request from a fork is built as what its merge would be"):
        gitea("POST", "repos/alice/site/forks", mallory, {"name": "site"})
        clone("mallory", mallory, "mallory/site")
        ci.succeed("sed -i 's/exit 1; echo/echo it works again/' /root/mallory/flake.nix")
        # From a branch of the name of the default branch, which makes it no push to that.
        fixed = commit("mallory", "main")
        pull = {"title": "Repair it", "head": "mallory:main", "base": "main"}
        gitea("POST", "repos/alice/site/pulls", mallory, pull)
        wait_for_statuses(fixed, dict.fromkeys(CONTEXTS, "success"))
        roots = "/nix/var/nix/gcroots/per-user/buildbot-worker/alice/site"
        kept = ci.succeed(f"cat $(readlink -f {roots}/x86_64-linux.good)")
        assert kept == "it works\n", kept

    with subtest("who does not know the secret is not believed"):
        status = ci.succeed(
            "curl -s -o /dev/null -w '%{http_code}' -X POST -H 'X-Gitea-Event: push' -H 'X-Gitea-Signature: 00' "
            "-H 'Content-Type: application/json' -d '{}' http://127.0.0.1:8010/change_hook/gitea"
        )
        assert status.startswith("4"), status

    with subtest("no token is in a log, a property, or a checkout"):
        ci.fail(f"grep -rF {alice} /var/lib/buildbot /var/lib/buildbot-worker")
        ci.fail(f"journalctl -u buildbot-master -u buildbot-worker | grep -F {alice}")
        ci.fail(f"sudo -u postgres pg_dump buildbot | grep -F {alice}")
  '';
}
