# A worker on a machine of its own, connected by TLS with a certificate that nobody else knows.
{ pkgs, lib }:
let
  common = import ./common.nix { inherit pkgs lib; };
  certificate = pkgs.runCommand "certificate" { nativeBuildInputs = [ pkgs.openssl ]; } ''
    mkdir $out
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=ci \
      -addext subjectAltName=DNS:ci -keyout $out/key.pem -out $out/cert.pem
  '';
in
{
  name = "buildbot-nix-worker";
  nodes = {
    ci = {
      imports = [
        common.master
        common.repository
      ];
      services.buildbot-nix.master = {
        workersTls = {
          certificate = "${certificate}/cert.pem";
          keyFile = "/etc/secrets/key.pem";
        };
        # As the worker's machine sees it.
        pullBased.repositories.site.url = lib.mkForce "git://ci/site.git";
      };
      environment.etc."secrets/key.pem".source = "${certificate}/key.pem";
      networking.firewall.allowedTCPPorts = [
        9418
        9989
      ];
    };
    builder = {
      imports = [ common.worker ];
      services.buildbot-nix.worker = {
        masterUrl = "tls:host=ci:port=9989";
        masterCertificate = "${certificate}/cert.pem";
      };
      virtualisation = {
        cores = 2;
        memorySize = 2048;
      };
    };
  };
  testScript = ''
    ${common.helpers}
    start_all()
    ci.wait_for_unit("buildbot-master.service")
    ci.wait_for_open_port(8010)
    builder.wait_for_unit("buildbot-worker.service")

    with subtest("both slots connect, and build what the master has no store for"):
        wait_for_build(ci, "site/nix-eval", 2)
        assert wait_for_build(ci, "git+git:site#checks.x86_64-linux.good", 0)
        workers = rest(ci, "workers")["workers"]
        connected = sorted(w["name"] for w in workers if w["connected_to"])
        assert connected == ["builder-000", "builder-001"], workers
        roots = "/nix/var/nix/gcroots/per-user/buildbot-worker/site"
        builder.succeed(f"test -e {roots}/x86_64-linux.good")
        ci.fail(f"test -e {roots}")

    with subtest("the port speaks TLS, and only that"):
        ci.succeed("echo | openssl s_client -connect ci:9989 -verify_return_error -CAfile ${certificate}/cert.pem")
        plain = "WORKER_NAME=builder WORKER_COUNT=1 MASTER_URL=tcp:host=ci:port=9989"
        unit = "/etc/systemd/system/buildbot-worker.service"
        command = builder.succeed(f"sed -n 's/^ExecStart=//p' {unit}").strip()
        environment = "PYTHONPATH=" + builder.succeed(f"sed -n 's/.*PYTHONPATH=\\([^\"]*\\).*/\\1/p' {unit}").strip()
        builder.succeed("systemctl stop buildbot-worker")
        builder.execute(
            f"cd /tmp && env {environment} {plain} WORKER_PASSWORD_FILE=/etc/secrets/worker-password "
            f"BUILDBOT_DIR=/tmp/slot timeout 15 {command}"
        )
        workers = rest(ci, "workers")["workers"]
        assert not any(w["connected_to"] for w in workers), workers

    with subtest("a worker that is told to restart waits for what runs"):
        builder.succeed("systemctl start buildbot-worker")
        ci.wait_until_succeeds(
            "curl -sSf http://127.0.0.1:8010/api/v2/workers | jq -e 'all(.workers[]; .connected_to != [])'"
        )
        ci.succeed("sed -i 's/at last/later/' /srv/work/flake.nix")
        push(ci, "Something slow")
        wait_for_build(ci, "git+git:site#checks.x86_64-linux.slow", None, count=2)
        main_pid = builder.succeed("systemctl show -P MainPID buildbot-worker")
        builder.succeed("systemctl reload buildbot-worker")
        wait_for_build(ci, "git+git:site#checks.x86_64-linux.slow", 0, count=2)
        builder.wait_until_succeeds(
            f"test $(systemctl show -P MainPID buildbot-worker) != {main_pid.strip()}", timeout=120
        )
        wait_for_build(ci, "site/nix-eval", 2, count=2)
  '';
}
