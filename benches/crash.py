#!/usr/bin/env -S python3 -B
"""kill -9 at random moments while calls are uploaded and worked off: nothing may be lost, nothing done twice.

    benches/crash.py --binary target/release/dealstage --store sqlite            50 kills during 20 uploads
    benches/crash.py … --seed 7                                                   the same moments again
    benches/crash.py … --after-answer 100                                         kill right after each 2xx instead
    .ci/with-servers benches/crash.py … --store postgres                          PostgreSQL and S3

A moment is a time after the service began to serve, so a seed gives the same plan on any machine; how far the work is by
then depends on the machine. Ends with 1 and says what is broken; a folder with the data and the log is then left.
"""

import argparse
import pathlib
import random
import shutil
import tempfile
import threading
import time

import service as dealstage
from service import Broken, Service, Upload


def run():
    options = arguments()
    seed = options.seed if options.seed is not None else random.randrange(1 << 32)
    print(f"seed {seed}: {options.store}, {options.binary}", flush=True)
    choose = random.Random(seed)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="dealstage-crash-", dir="/var/tmp"))
    # Here it is not the calls that stop their worker: none may be given up for it. With several processes, what a dead one
    # held comes back when its lease runs out, and lives are shorter than the usual half minute.
    patience = {"DEALSTAGE_MOST_TRIES": "100", "DEALSTAGE_LEASE": "2"}
    server = Service(options.binary, {**dealstage.storage(options.store, folder), **patience})
    first = server.start()
    try:
        if options.after_answer:
            restarts = kill_after_each_answer(server, options, choose)
        else:
            restarts = kill_at_random(server, options, choose)
    except Broken:
        print(f"left for you: {folder}")
        raise
    finally:
        server.kill()
    restarts.sort()
    print(
        f"start to serving: first {first:.2f} s; after a kill: median {restarts[len(restarts) // 2]:.2f} s, "
        f"slowest {restarts[-1]:.2f} s of {len(restarts)}"
    )
    shutil.rmtree(folder)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--uploads", type=int, default=20)
    parser.add_argument("--recordings", type=int, default=3, help="so many of the uploads are recordings")
    parser.add_argument("--longest", type=float, default=2.0, help="a kill comes within so many seconds of serving")
    parser.add_argument("--after-answer", type=int, metavar="N", help="N uploads, each followed by a kill at once")
    parser.add_argument("--within", type=float, default=300, help="seconds for the work that is left after the last kill")
    return parser.parse_args()


def kill_at_random(server, options, choose):
    """Uploads spread over the lives of the service; each life ends at a random moment."""
    files = dealstage.recordings(options.recordings, choose)
    files += dealstage.transcripts(options.uploads - options.recordings, choose)
    choose.shuffle(files)
    uploads = [Upload(path, f"crash-{at}") for at, path in enumerate(files)]
    lives = [choose.uniform(0, options.longest) for _ in range(options.kills)]
    # When each upload begins: in which life, and how far into it. The first life gets one, so that no kill hits idleness.
    begins = sorted([(0, 0.0)] + [(choose.randrange(options.kills), choose.random()) for _ in uploads[1:]])

    started, restarts, busy = time.monotonic(), [], 0
    clients = []
    for life, length in enumerate(lives):
        born = time.monotonic()
        for at, (_, share) in enumerate(begins):
            if begins[at][0] == life:
                client = threading.Timer(share * length, uploads[at].send_until_answered, (server,))
                client.daemon = True
                client.start()
                clients.append(client)
        time.sleep(max(0.0, length - (time.monotonic() - born)))
        server.kill()
        restarts.append(server.start())
        busy += any(call["status"] in ("queued", "running") for call in server.pages("/v1/calls"))
    killing = time.monotonic() - started

    for client in clients:
        client.join(60)
    ended = dealstage.wait_until_terminal(server, [upload.id for upload in uploads if upload.id], options.within)
    dealstage.check_none_failed(ended)
    dealstage.check_all_there_once(server, uploads)
    tries = sum(upload.attempts for upload in uploads)
    print(
        f"{options.kills} kills in {killing:.0f} s during {len(uploads)} uploads ({options.recordings} recordings), {busy} of them "
        f"with calls in work: 0 lost, 0 double, {len(ended)} done; {tries} tries of the client; all done {time.monotonic() - started - killing:.0f} s "
        f"after the last restart"
    )
    return restarts


def kill_after_each_answer(server, options, choose):
    """The moment after a 2xx is the worst one to lose what it promised."""
    files = dealstage.transcripts(options.after_answer, choose)
    for at in range(0, len(files), 10):
        files[at] = dealstage.recordings(1, choose)[0]
    uploads = [Upload(path, f"answer-{at}") for at, path in enumerate(files)]
    restarts = []
    for upload in uploads:
        while not upload.send(server):
            time.sleep(0.02)
        server.kill()
        restarts.append(server.start())
        server.get(f"/v1/calls/{upload.id}")
    ended = dealstage.wait_until_terminal(server, [upload.id for upload in uploads], options.within)
    dealstage.check_none_failed(ended)
    dealstage.check_all_there_once(server, uploads)
    print(f"{len(uploads)} kills right after a 2xx: 0 lost, 0 double, {len(ended)} done")
    return restarts


if __name__ == "__main__":
    dealstage.main(run)
