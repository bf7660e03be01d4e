#!/usr/bin/env -S python3 -B
"""Workers on several machines: one PostgreSQL, one bucket, one API, workers in network namespaces of their own.

    benches/workers.py --binary target/release/dealstage        needs root, for the namespaces; `make workers`

Two workers share 40 calls while one of them is killed with SIGKILL every few seconds: none may be lost or done twice.
Then the throughput of 1, 2 and 4 workers. The program moves into a network and process namespace of its own first, so
that nothing of it can be left on the machine.
"""

import argparse
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import service as dealstage
from service import Broken, Service, Upload

BRIDGE = "10.231.0.1"


def run():
    options = arguments()
    if not options.inside:
        enter()
    seed = options.seed if options.seed is not None else random.randrange(1 << 32)
    print(f"seed {seed}: {options.binary}", flush=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="dealstage-workers-", dir="/var/tmp"))
    machines = [Machine(at, folder) for at in range(4)]
    share_while_killed(options, machines[:2], random.Random(seed))
    for count in (1, 2, 4):
        throughput(options, machines[:count], random.Random(seed))
    shutil.rmtree(folder)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--calls", type=int, default=40)
    parser.add_argument("--recordings", type=int, default=2, help="so many of the shared calls are recordings")
    parser.add_argument("--every", type=float, default=5.0, help="a worker is killed about every so many seconds")
    parser.add_argument("--kills", type=int, default=30, help="then they work on undisturbed: a slow machine needs it for recordings")
    parser.add_argument("--measured", type=int, default=200, help="transcripts for each throughput")
    parser.add_argument("--within", type=float, default=600)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def enter():
    """This program again, in fresh namespaces and beside the servers, which listen on a bridge there."""
    if os.geteuid() != 0:
        sys.exit("network namespaces need root: sudo make workers")
    script = f"""
        mount -t tmpfs none /run/netns 2>/dev/null || {{ mkdir -p /run/netns; mount -t tmpfs none /run/netns; }}
        ip link set lo up
        ip link add bridge type bridge && ip addr add {BRIDGE}/24 dev bridge && ip link set bridge up
        exec "$@"
    """
    os.environ["TEST_SERVERS_LISTEN"] = BRIDGE
    again = [str(dealstage.ROOT / ".ci/with-servers"), sys.executable, *sys.argv, "--inside"]
    command = ["unshare", "--net", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child", "sh", "-euc", script, "sh", *again]
    os.execvp(command[0], command)


class Machine:
    """A network namespace with an address on the bridge."""

    def __init__(self, at, folder):
        self.name, self.folder = f"worker{at}", folder
        ip = lambda *words: subprocess.run(["ip", *words], check=True)
        ip("netns", "add", self.name)
        ip("link", "add", f"veth{at}", "type", "veth", "peer", "name", "eth0", "netns", self.name)
        ip("link", "set", f"veth{at}", "master", "bridge", "up")
        ip("-n", self.name, "addr", "add", f"10.231.0.{10 + at}/24", "dev", "eth0")
        ip("-n", self.name, "link", "set", "eth0", "up")
        ip("-n", self.name, "link", "set", "lo", "up")

    def worker(self, options, environment):
        """A worker has its own data folder, as on a machine of its own: it shares nothing but the database and the bucket."""
        own = {**environment, "DEALSTAGE_DATA": str(self.folder / self.name)}
        # What a killed worker held is taken over after so many seconds, and is not given up for the kills.
        own |= {"DEALSTAGE_LEASE": "3", "DEALSTAGE_MOST_TRIES": "100"}
        return Service(options.binary, own, role="worker", inside=["ip", "netns", "exec", self.name])


class Cluster:
    """One API and workers on the given machines, on an empty database and bucket."""

    def __init__(self, options, machines):
        environment = dealstage.storage("postgres", machines[0].folder / "api")
        self.api = Service(options.binary, environment, role="api")
        self.workers = [machine.worker(options, environment) for machine in machines]

    def __enter__(self):
        self.api.start()
        return self

    def __exit__(self, *_):
        for process in [*self.workers, self.api]:
            if process.process and process.process.poll() is None:
                process.kill()


def share_while_killed(options, machines, choose):
    files = dealstage.recordings(options.recordings, choose)
    files += dealstage.transcripts(options.calls - options.recordings, choose)
    choose.shuffle(files)
    uploads = [Upload(path, f"shared-{at}") for at, path in enumerate(files)]
    with Cluster(options, machines) as cluster:
        for worker in cluster.workers:
            worker.start(ready=False)
        done, kills = threading.Event(), [0] * len(machines)

        def killer():
            while sum(kills) < options.kills and not done.wait(choose.uniform(0.5, 1.5) * options.every):
                at = choose.randrange(len(machines))
                cluster.workers[at].kill()
                kills[at] += 1
                cluster.workers[at].start(ready=False)

        killing = threading.Thread(target=killer)
        killing.start()
        began = time.monotonic()
        try:
            for upload in uploads:
                while not upload.send(cluster.api):
                    time.sleep(0.05)
                # Spread over several kills; a burst would be over before the first one.
                time.sleep(options.every / 10)
            ended = dealstage.wait_until_terminal(cluster.api, [upload.id for upload in uploads], options.within)
        except Broken as broken:
            raise Broken(f"{broken} after {sum(kills)} kills; jobs: {cluster.api.jobs()}") from None
        finally:
            done.set()
            killing.join()
        failed = {call: shown.get("error") for call, shown in ended.items() if shown["status"] == "failed"}
        if failed:
            raise Broken(f"{len(failed)} calls failed: {failed}")
        if sum(kills) < 3:
            raise Broken(f"only {sum(kills)} kills: this shows nothing; use --every or --calls")
        dealstage.check_all_there_once(cluster.api, uploads)
        print(
            f"{len(uploads)} calls ({options.recordings} recordings) on {len(machines)} workers, {' + '.join(map(str, kills))} "
            f"kills: 0 lost, 0 double, all done in {time.monotonic() - began:.0f} s",
            flush=True,
        )


def throughput(options, machines, choose):
    uploads = [Upload(path, f"measured-{at}") for at, path in enumerate(dealstage.transcripts(options.measured, choose))]
    with Cluster(options, machines) as cluster:
        for upload in uploads:
            if not upload.send(cluster.api):
                raise Broken("the API does not take uploads")
        for worker in cluster.workers:
            worker.start(ready=False)
        # Loading weights is not throughput: the clock runs from the first tenth to the end.
        left, began, counted = len(uploads), None, 0
        while left:
            time.sleep(0.1)
            left = sum(call["status"] != "done" for call in cluster.api.pages("/v1/calls"))
            if began is None and left <= len(uploads) * 0.9:
                began, counted = time.monotonic(), left
        rate = counted / (time.monotonic() - began)
        dealstage.check_all_there_once(cluster.api, uploads)
        turns = sum(len(cluster.api.get(f"/v1/calls/{upload.id}/analysis")["turns"]) for upload in uploads) / len(uploads)
        print(f"{len(machines)} workers: {rate:.1f} transcripts/s ({turns:.0f} turns each), {os.cpu_count()} cores", flush=True)


if __name__ == "__main__":
    dealstage.main(run)
