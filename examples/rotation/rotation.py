#!/usr/bin/env python3
"""Who is on call: rotations whose hand-overs are schedules of Rota. docs/SCHEDULES.md runs it.

    rotation.py create NAME --org ORG --people ada,bob --cron '0 9 * * *' --tz Europe/Zurich   (times as rota schedule add has them)
    rotation.py people NAME ada,bob,cyd
    rotation.py times NAME --rrule FREQ=WEEKLY;BYDAY=MO --tz America/New_York
    rotation.py show NAME
    rotation.py delete NAME

and as handlers, with the rotation's name as payload:

    rota-worker --on 'rotation.handover=rotation.py handover' --on 'rotation.changed=rotation.py changed'

What a rotation is stands in a file. A change writes it and pushes one job that looks at it: changes that come while such a job
waits share it, one that comes while it runs gets another run (--coalesce). Hand-overs and changes of one rotation never run side
by side (--limit rotation:NAME). A run sets what must hold now, whatever it has missed: it may run twice.
"""

import argparse
import fcntl
import json
import os
import pathlib
import subprocess
import sys
from datetime import datetime

FOLDER = pathlib.Path(os.environ.get("ROTATIONS", pathlib.Path.home() / "rotations"))


def rota(*arguments):
    return subprocess.run(["rota", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


class Rotation:
    """A rotation and its lock, for the time of a `with`; `data` is None if there is none. What is changed in it is saved at the end."""

    def __init__(self, name):
        self.name, self.path = name, FOLDER / f"{name}.json"

    def __enter__(self):
        FOLDER.mkdir(exist_ok=True)
        self.lock = open(FOLDER / f"{self.name}.lock", "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.data = json.loads(self.path.read_text()) if self.path.exists() else None
        return self

    def __exit__(self, kind, *_):
        if kind is None and self.data is None:
            self.path.unlink(missing_ok=True)
        elif kind is None:
            new = self.path.with_suffix(".new")
            new.write_text(json.dumps(self.data))
            new.replace(self.path)  # seen as a whole, or not at all
        self.lock.close()


# ---- what the handlers do ----


def epoch_ms(variable):
    return int(datetime.fromisoformat(os.environ[variable].replace("Z", "+00:00")).timestamp() * 1000)


def due_times(times, after_ms, through_ms):
    """How many hand-overs there are in after_ms < t <= through_ms. Asks no Redis."""
    text = rota("schedule", "next", *times, "--from", str(after_ms + 1), "--until", str(through_ms), "--limit", "1000", "-o", "ndjson")
    return len(text.splitlines())


def set_on_call(data, now_ms):
    """After a change: somebody of the rotation is on call, or nobody is in it."""
    people, on_call = data["people"], data["on_call"]
    if not people:
        data.update(on_call=None, position=0, through_ms=None)
        return
    if on_call in people:
        data["position"] = people.index(on_call)
    else:
        data["position"] = 0 if on_call is None else data["position"] % len(people)
    data["on_call"] = people[data["position"]]
    data["through_ms"] = data["through_ms"] or now_ms


def hand_over(data, due_ms):
    """Serves the hand-overs up to due_ms that were not served yet: one run does them all."""
    steps = due_times(data["times"], data["through_ms"], due_ms)
    if steps > 1:
        print(f"{steps} hand-overs at once: nobody was there for the ones before", file=sys.stderr)
    data["position"] = (data["position"] + steps) % len(data["people"])
    data["on_call"] = data["people"][data["position"]]
    data["through_ms"] = max(data["through_ms"], due_ms)


def handle(is_hand_over):
    with Rotation(sys.stdin.read()) as rotation:
        data = rotation.data
        if data is None:
            print("no such rotation (any more)")
            return
        set_on_call(data, epoch_ms("ROTA_ENQUEUED_AT"))
        if is_hand_over and data["people"]:
            hand_over(data, epoch_ms("ROTA_DUE_AT"))
        print(json.dumps({"on_call": data["on_call"]}))


# ---- what people do ----


def push_change(org, name):
    rota("push", org, "rotation.changed", name, "--coalesce", f"rotation:{name}", "--limit", f"rotation:{name}", "--priority", "100", "--quiet")


def create(name, org, people, times):
    with Rotation(name) as rotation:
        if rotation.data is not None:
            sys.exit(f"there is a rotation {name}")
        rota("limit", "set", "rotation", "--concurrency", "1", "--quiet")
        rota("schedule", "add", f"{org}/{name}", "rotation.handover", name, *times, "--missed", "once", "--window", "31d",
             "--limit", f"rotation:{name}", "--priority", "100", "--quiet")  # fmt: skip
        rotation.data = {"org": org, "people": people, "times": times, "on_call": None, "position": 0, "through_ms": None}
    push_change(org, name)


def change(name, people=None, times=None):
    with Rotation(name) as rotation:
        data = rotation.data
        if data is None:
            sys.exit(f"there is no rotation {name}")
        if times:
            rota("schedule", "set", f"{data['org']}/{name}", *times, "--quiet")
            data.update(times=times, through_ms=None)  # the old ones are not made up for
        if people is not None:
            rota("schedule", "resume" if people else "pause", f"{data['org']}/{name}", "--quiet")
            data["people"] = people
    push_change(data["org"], name)


def delete(name):
    with Rotation(name) as rotation:
        if rotation.data is None:
            sys.exit(f"there is no rotation {name}")
        rota("schedule", "remove", f"{rotation.data['org']}/{name}", "--quiet")  # and its job, if that has not begun
        rotation.data = None


def show(name):
    with Rotation(name) as rotation:
        print(json.dumps(rotation.data))


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("command", choices=["create", "people", "times", "show", "delete", "handover", "changed"])
    parser.add_argument("name", nargs="?")
    parser.add_argument("names", nargs="?", default="")
    parser.add_argument("--org")
    parser.add_argument("--people", default="")
    asked, times = parser.parse_known_args()
    people = [person for person in (asked.names or asked.people).split(",") if person]
    if asked.command in ("handover", "changed"):
        handle(asked.command == "handover")
    elif asked.command == "create":
        create(asked.name, asked.org, people, times)
    elif asked.command == "people":
        change(asked.name, people=people)
    elif asked.command == "times":
        change(asked.name, times=times)
    elif asked.command == "show":
        show(asked.name)
    else:
        delete(asked.name)


main()
