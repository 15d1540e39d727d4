# A repository that is polled: what is good, bad, needs something bad, or does not evaluate, each as a
# build of its own; what was built is kept, listed, and not built again.
{ pkgs, lib }:
let
  common = import ./common.nix { inherit pkgs lib; };
in
{
  name = "buildbot-nix-poller";
  nodes.ci = {
    imports = [
      common.master
      common.worker
      common.repository
    ];
    services.buildbot-nix.master = {
      evalSandbox = "required";
      outputsPath = "/var/lib/buildbot-outputs";
    };
  };
  testScript = ''
    ${common.helpers}
    ROOTS = "/nix/var/nix/gcroots/per-user/buildbot-worker/site"
    OUTPUTS = "/var/lib/buildbot-outputs/unknown/site/main"

    def attribute(name):
        return f"git+git:site#checks.x86_64-linux.{name}"

    start_all()
    ci.wait_for_unit("buildbot-master.service")
    ci.wait_for_unit("buildbot-worker.service")
    ci.wait_for_open_port(8010)

    with subtest("the first commit is built, each attribute as what it is"):
        wait_for_build(ci, "site/nix-eval", 2)
        assert wait_for_build(ci, attribute("good"), 0)
        assert wait_for_build(ci, attribute("bad"), 2)
        assert wait_for_build(ci, attribute("needs-bad"), 2)
        assert wait_for_build(ci, attribute("throws"), 2)

    with subtest("what was built is kept and listed"):
        path = ci.succeed(f"readlink {ROOTS}/x86_64-linux.good").strip()
        assert ci.succeed(f"cat {path}") == "it works\n"
        assert ci.succeed(f"cat {OUTPUTS}/x86_64-linux.good") == path
        listed = ci.succeed("curl -sSf http://ci/nix-outputs/unknown/site/main/x86_64-linux.good")
        assert listed == path
        ci.succeed("nix-collect-garbage", f"test -e {path}")

    with subtest("a push is noticed, and what is there is not built again"):
        ci.succeed("sed -i '/bad/d' /srv/work/flake.nix")
        ci.succeed("sed -i '/throws/d' /srv/work/flake.nix")
        push(ci, "Only what works")
        wait_for_build(ci, "site/nix-eval", 0, count=2)
        assert len(builds(ci, attribute("good"))) == 1

    with subtest("evaluators run in their sandbox"):
        evaluations = builds(ci, "site/nix-eval")
        texts = json.dumps(rest(ci, f"builds/{evaluations[0]['buildid']}/steps"))
        assert "sandbox" not in texts.lower(), texts

    with subtest("the web interface is behind nginx only"):
        ci.succeed("curl -sSf http://ci/ | grep -i buildbot")
        ci.succeed("ss -Hltn 'sport = :8010' | grep -F 127.0.0.1:8010")

    with subtest("no secret is where others can read it"):
        ci.fail("grep -r hunter2 /etc/buildbot-nix/ /var/lib/buildbot/")
        ci.fail("sudo -u nobody cat /run/credentials/buildbot-master.service/buildbot-nix-workers")
  '';
}
