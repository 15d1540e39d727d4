# A machine that ran the predecessor: its database, gc roots, files of outputs and state are there when
# this project's modules start for the first time. What it left was written down by hand from its
# behaviour, since it cannot be had here.
{ pkgs, lib }:
let
  common = import ./common.nix { inherit pkgs lib; };
  roots = "/nix/var/nix/gcroots/per-user/buildbot-worker";
in
{
  name = "buildbot-nix-upgrade";
  nodes.ci = {
    imports = [
      common.master
      common.worker
      common.repository
    ];
    services.buildbot-nix.master = {
      # As the predecessor called them.
      jobReportLimit = 20;
      cachix.enable = false;
      cacheFailedBuilds = true;
      outputsPath = "/var/lib/buildbot-outputs";
    };
    systemd.services.buildbot-master.wantedBy = lib.mkForce [ ];
    systemd.services.buildbot-worker.wantedBy = lib.mkForce [ ];
  };
  testScript = ''
    ${common.helpers}

    def sql(text):
        return ci.succeed(f"sudo -u buildbot psql -At buildbot -c \"{text}\"")

    start_all()
    ci.wait_for_unit("postgresql.service")
    ci.wait_for_unit("make-repository.service")

    with subtest("a first start makes Buildbot's tables, as the predecessor's did"):
        ci.succeed("systemctl start buildbot-master")
        ci.wait_for_open_port(8010)
        ci.succeed("systemctl stop buildbot-master")

    with subtest("the predecessor's state is put in place"):
        sql(
            "create table failed_builds (derivation varchar(512) primary key, timestamp float, url varchar(1024));"
            "create table failed_statuses (revision varchar(255), status_name varchar(255), timestamp float,"
            " primary key (revision, status_name));"
            "insert into failed_builds values ('/nix/store/x-old.drv', extract(epoch from now()),"
            " 'http://ci/#/builders/1/builds/1');"
            "insert into failed_statuses values ('0000', 'buildbot/nix-build github:team/gone#checks.a', 0);"
        )
        ci.succeed(
            "mkdir -p ${roots}/site/drvs/worker-000 /var/lib/buildbot-outputs/unknown/site/main",
            "ln -s ${pkgs.hello} ${roots}/site/x86_64-linux.hello",
            "chown -hR buildbot-worker ${roots}",
            "echo -n ${pkgs.hello} > /var/lib/buildbot-outputs/unknown/site/main/x86_64-linux.hello",
            "chown -R buildbot:buildbot /var/lib/buildbot-outputs",
            "echo '{}' > /var/lib/buildbot/github-app-installation-token-map.json",
        )

    with subtest("a dry run tells and changes nothing"):
        told = ci.succeed("buildbot-nix-migrate")
        assert "nothing was written" in told, told
        assert "1 derivations are of builds that are not in the database any more" in told, told
        assert "1 red attributes are of repositories that are not known" in told, told
        assert "github-app-installation-token-map.json" in told, told

    with subtest("it starts on what is there, and builds"):
        ci.succeed("buildbot-nix-migrate --apply")
        ci.succeed("systemctl start buildbot-master buildbot-worker")
        wait_for_build(ci, "site/nix-eval", 2)
        assert sql("select count(*) from failed_builds").strip() == "1"

    with subtest("what was kept stays until an evaluation does not find it any more"):
        # Its attribute is not in the flake, which is why an evaluation to the end lets it go.
        ci.succeed("test -e ${roots}/site/x86_64-linux.good")
        ci.succeed("test -e /var/lib/buildbot/github-app-installation-token-map.json")
  '';
}
