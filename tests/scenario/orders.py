# SPDX-License-Identifier: Apache-2.0
"""The shop whose order service has a database: its plan, and the judgement of a move by the engine's own client."""
from lab import stores
from story import Move

OTHER = {"mariadb": "postgresql@15-main.service", "postgresql": "mariadb.service"}


def plan(store, more=""):
    """What makes the shop's plan that of a shop with this store; `more` are further lines of the database's item."""
    def change(text):
        text = text.replace("  - service: shop-orders.service\n",
                            f"  - {store}: shop\n{more}  - service: shop-orders.service\n    after: [\"{store}:shop\"]\n", 1)
        return text.replace("leave:\n", f"leave:\n  - {{unit: {OTHER[store]}, why: nothing of the shop is in it}}\n", 1)
    return change


def fresh(lab, build, more=""):
    """Servers as delivered, and a plan for them."""
    lab.reset()
    lab.install(build)
    move = Move(lab)
    move.write_plan(plan(lab.store, more))
    return move


def not_carried(frm, to):
    """Rows of a frozen server that the one that serves has not just so, by kind; later ones that name the frozen one."""
    here, there = stores.rows(frm), stores.rows(to)
    found = {}
    for table in ("orders", "attempts", "items", "movements"):
        missing = sorted(set(here[table]) - set(there[table]))
        if missing or len(set(here[table])) != len(here[table]):
            found[table] = missing[:5]
    stray = [row for row in set(there["attempts"]) - set(here["attempts"]) if row[3] == frm.name]
    return found | ({"stray": stray[:5]} if stray else {})
