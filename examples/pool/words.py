#!/usr/bin/env python3
"""A handler that lives on: counts the words of each payload."""
import base64
import json
import socket

wire = socket.socket(fileno=3).makefile("rw", encoding="utf-8", newline="\n")


def say(**frame):
    wire.write(json.dumps(frame) + "\n")
    wire.flush()


def payload_of(job):
    if "payload_path" in job:
        with open(job["payload_path"], "rb") as file:
            return file.read()
    if "payload_b64" in job:
        return base64.b64decode(job["payload_b64"])
    return job["payload"].encode()


say(op="hello", contract=1, max_inflight=1)
for line in wire:
    job = json.loads(line)
    if job["op"] != "job":
        continue  # cancel: there is nothing to stop; drain: the end of the stream ends us
    print("counting for", job["org"], flush=True)  # into the job's log
    try:
        words = len(payload_of(job).split())
        say(op="done", id=job["id"], verdict="ok", result={"words": words})
    except Exception as error:
        say(op="done", id=job["id"], verdict="retry", error=str(error))
