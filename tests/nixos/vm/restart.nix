# The master and its database are killed in the middle of a run; afterwards the run ends as it would have.
{ pkgs, lib }:
let
  common = import ./common.nix { inherit pkgs lib; };
in
{
  name = "buildbot-nix-restart";
  nodes.ci.imports = [
    common.master
    common.worker
    common.repository
  ];
  testScript = ''
    ${common.helpers}
    SLOW = "git+git:site#checks.x86_64-linux.slow"

    start_all()
    ci.wait_for_unit("buildbot-master.service")
    ci.wait_for_open_port(8010)

    with subtest("killed while something is built"):
        wait_for_build(ci, SLOW, None)
        ci.succeed("systemctl kill --signal=KILL buildbot-master.service postgresql.service")
        ci.wait_for_unit("postgresql.service")
        ci.wait_until_succeeds("systemctl is-active buildbot-master.service")
        ci.wait_for_open_port(8010)

    with subtest("the run is taken up and ends, with nothing left open"):
        ci.wait_until_succeeds(
            "curl -sSf 'http://127.0.0.1:8010/api/v2/builds?complete=false' | jq -e '.builds == []'",
            timeout=300,
        )
        wait_for_build(ci, "site/nix-eval", 2)
        wait_for_build(ci, SLOW, 0)
        requests = rest(ci, "buildrequests?complete=false")["buildrequests"]
        assert requests == [], requests

    with subtest("changed settings are read without a restart"):
        pid = ci.succeed("systemctl show -P MainPID buildbot-master")
        ci.succeed("systemctl reload buildbot-master")
        ci.wait_until_succeeds("journalctl -u buildbot-master | grep -i 'configuration update complete'")
        assert ci.succeed("systemctl show -P MainPID buildbot-master") == pid
  '';
}
