#!/usr/bin/env python3
"""Statistics of each organization, once in each period. docs/SCHEDULES.md runs it.

    rota-worker --on 'statistics=statistics.py one' --on 'statistics.all=statistics.py all'
    rota schedule add --every-org statistics statistics '["apps","users"]' --every 24h --spread 1h

`one` counts what the organization of the job has, and nothing else: in $STATISTICS/data/ORG there is a file for each thing that is
counted, a line for each. It reports them once for a period, whatever dies and however often the job is run again: the report's
name is the period's due time. As a shadow (ROTA_SHADOW) it says what it would report.

`all` is how it was done before: one job for all organizations, whose result has a member for each. rota schedule migrate moves
from one to the other, and compares their results.
"""

import json
import os
import pathlib
import sys

FOLDER = pathlib.Path(os.environ.get("STATISTICS", pathlib.Path.home() / "statistics"))


def count(org, metrics):
    def lines(metric):
        path = FOLDER / "data" / org / metric
        return len(path.read_text().splitlines()) if path.exists() else 0

    return {metric: lines(metric) for metric in metrics}


def report(org, numbers):
    """Writes it unless this period's is there."""
    if os.environ.get("ROTA_SHADOW") == "1":
        return
    path = FOLDER / "reports" / org / os.environ["ROTA_DUE_AT"]
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.environ['ROTA_LEASE_TOKEN']}")
    new.write_text(json.dumps(numbers))
    try:
        os.link(new, path)  # seen as a whole, and by one run only
        print(f"reported {org} for {path.name}", file=sys.stderr)
    except FileExistsError:
        print(f"{org} was reported for {path.name} before", file=sys.stderr)
    new.unlink()


def main():
    metrics = json.load(sys.stdin)
    if sys.argv[1:] == ["one"]:
        orgs = [os.environ["ROTA_ORG"]]
    elif sys.argv[1:] == ["all"]:
        orgs = sorted(path.name for path in (FOLDER / "data").iterdir())
    else:
        sys.exit(__doc__)
    numbers = {org: count(org, metrics) for org in orgs}
    for org in orgs:
        report(org, numbers[org])
    print(json.dumps(numbers[orgs[0]] if sys.argv[1] == "one" else numbers))


main()
