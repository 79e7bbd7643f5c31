# SPDX-License-Identifier: Apache-2.0
"""Every provider through the contract suite, on the lab's two servers: docs/PROVIDERS.md says what it must hold."""
import os
import pathlib
import shutil
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from lab import Lab  # noqa: E402

BUILD = pathlib.Path(os.environ.get("REHOME_BUILD", ROOT / "build"))
PLANS = ROOT / "tests/scenario/plans"


#: A database below an item of files, with a WAL that somebody left.
DATABASE = """
import os, sqlite3
db = sqlite3.connect("/srv/shop/stock.db")
db.execute("pragma journal_mode=wal")
db.execute("create table stock as with recursive c(x) as (select 1 union all select x+1 from c where x<500) select x from c")
db.commit()
os._exit(0)
"""


#: The second is the agent as on Linux 3.10: tests/kernel/take_away.h. Without ./check full it takes each step once, and
#: so does the way back; with it the ways there and back are interrupted in a move each.
NEW, OLD = "rehome-agent", "rehome-agent-3.10"
THERE, BACK = ["--walk-back"], ["--walk-there"]
MOVES = {"this kernel, there": (NEW, THERE), "this kernel, back": (NEW, BACK), "like 3.10, there": (OLD, THERE),
         "like 3.10, back": (OLD, BACK)}
QUICK = {"this kernel": (NEW, THERE), "like 3.10": (OLD, ["--walk"])}
CHOSEN = MOVES if os.environ.get("REHOME_LONG") else QUICK


def files_plan(lab):
    """The shop, with a database below its files."""
    lab.old.run(["/usr/bin/python3", "-c", DATABASE])
    text = (PLANS / "shop.yaml").read_text().replace("  - service: shop-orders", "  - sqlite: /srv/shop/stock.db\n  - service: shop-orders", 1)
    return text + "rehearsal: {write: [/usr/bin/touch, /srv/shop/rehearsed]}\n"


def databases_plan(lab):
    """A database of each server, with everything that has to move besides rows."""
    lab.old.run(["mariadb"], input=(PLANS / "maria.sql").read_text() + "SET GLOBAL div_precision_increment = 6;\n")
    lab.old.run(["runuser", "-u", "postgres", "--", "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1"], input=(PLANS / "crm.sql").read_text(), cwd="/")
    text = (PLANS / "maria.yaml").read_text()
    before, rest = text.split("items:\n", 1)
    left = rest[rest.index("leave:\n"):].replace("  - {unit: postgresql@15-main.service, why: it has another owner}\n", "")
    return before + "items:\n  - mariadb: shop\n    settings: carry\n  - postgresql: crm\n\n" + left


def run(make_plan, agent, how, databases=False):
    """What the suite printed, line by line."""
    lab = Lab(os.environ.get("REHOME_LAB_NAME", "contract"), databases=databases)
    lab.down()
    try:
        lab.up()
        for path in (BUILD / "tests/contract/contract", BUILD / agent):
            shutil.copy(path, lab.new.root / "root" / path.name)
        (lab.new.root / "root/plan.yaml").write_text(make_plan(lab))
        done = lab.new.run(["/root/contract", "/root/plan.yaml", f"/root/{agent}", *how], check=False, timeout=900)
        return done.stdout.splitlines() + done.stderr.splitlines()
    finally:
        lab.down()


@pytest.fixture(scope="session", params=CHOSEN)
def said(request):
    return run(files_plan, *CHOSEN[request.param])


@pytest.fixture(scope="session", params=["there", "back"])
def said_of_databases(request):
    return run(databases_plan, NEW, THERE if request.param == "there" else BACK, databases=True)


def checks(said, prefix):
    return [line for line in said if f" - {prefix}" in line and line.split(" ")[0] in ("ok", "not")]


def none_failed(said, provider):
    found = checks(said, provider)
    failed = [f"{line}\n{said[said.index(line) + 1]}" for line in found if line.startswith("not ok")]
    assert found and failed == [], "\n".join(failed[:10])


@pytest.mark.parametrize("provider", ["accounts#", "service:", "cron:", "address:", "files:", "sqlite:", "move#"])
def test_interrupted_after_each_call_it_knows_goes_on_and_goes_back(said, provider):
    none_failed(said, provider)


@pytest.mark.skipif(not os.environ.get("REHOME_LONG"), reason="the long version: two moves of two databases")
@pytest.mark.parametrize("provider", ["mariadb:", "postgresql:"])
def test_a_database_interrupted_after_each_call_goes_on_and_goes_back(said_of_databases, provider):
    none_failed(said_of_databases, provider)
    assert checks(said_of_databases, "suite") == [], said_of_databases[-10:]


def test_the_suite_came_to_its_end(said):
    """Every step ran, up to the last one of the acceptance."""
    assert checks(said, "suite") == [], said[-10:]
    assert checks(said, "move#clean") and any(line.startswith("1..") for line in said), said[-10:]
