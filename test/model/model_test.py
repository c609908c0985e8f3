#!/usr/bin/env python3
"""The model test: random sequences of statements, on a server and on a model of the rules; both must agree.

    model_test.py [--seed N] [--sequences N] [--seconds N] [--steps N] [--processes N]
    model_test.py --seed N --sequence K        one sequence, told step by step
    model_test.py --alone                      the model without a server: do the rules contradict themselves?

The server is that of the PG* variables, the role a superuser. A database (--database) and three roles are made for the
test and dropped after it. The same seed gives the same sequences; the seed is printed, and so is what repeats a failure.
Exit status 0 if all sequences agree and the invariants hold.

Sequences contain illegal statements as well: then the model says which SQLSTATEs are right. Where a statement breaks
several rules, the rules leave open which is told first, and each is right.
"""

import argparse
import concurrent.futures
import os
import random
import re
import sys
import time

sys.dont_write_bytecode = True  # the checkout may be read-only

import generate
import play
import rules

HERE = os.path.dirname(os.path.abspath(__file__))
CHUNK = 50  # sequences a script
FIRST_ORDER = 1000
SHRINKING_SECONDS = 20
MOST_FAILURES = 40
MOST_REPORTS = 6


def fees():
    """What store.sql has put into gateway_fees, as far as it counts today."""
    number = rules.Decimal
    return (("acme", "card", "USD", number("0.029"), number("0.305")), ("acme", "*", "USD", number("0.0125"), number(0)),
            ("acme", "*", "KWD", number("0.01"), number("0.0005")), ("acme", "card", "JPY", number("0.035"), number(0)),
            ("manual", "*", "USD", number(0), number("0.25")))


def make_sequence(seed, number, steps):
    """The sequence of that seed and number, played through the model."""
    rng = random.Random(f"{seed} {number}")
    player = play.Player(number, fees(), FIRST_ORDER + number * play.ORDERS_PER_SEQUENCE)
    generate.Sequence(rng, player).make(steps)
    return player


def replay(number, first_order, steps):
    """A player of given steps, or None if they make no sense as a transaction."""
    player = play.Player(number, fees(), first_order)
    for step in steps:
        if player.play(step) is None:
            return None
    if player.before is not None or player.prepared:
        return None
    return player


# ---------------------------------------------------------------- running


def run_chunk(database, seed, numbers, steps):
    """[(kind, number, index of the step, lines)] of the sequences that went otherwise; and how many statements there were."""
    players = [make_sequence(seed, number, steps) for number in numbers]
    answers = play.Answers(play.psql(database, "".join(p.script() for p in players)))
    found = []
    for player in players:
        difference = play.differences(player, answers)
        if difference is not None:
            found.append((kind_of(player, difference), player.number, *difference))
    kinds = {}
    for player in players:
        for step, _, _, faults, _, _, _ in player.items:
            outcome = min((code for code, _ in faults), default="")
            kinds[step[0], outcome] = kinds.get((step[0], outcome), 0) + 1
    return found, kinds


def kind_of(player, difference):
    """What two differences have in common if they are of one fault: the statement, and the words without the figures."""
    index, lines = difference
    name = player.items[index][0][0] if index < len(player.items) else ""
    if not lines[0].startswith("expected"):
        return name, "state"
    return name, *(re.sub(r"\S*\d\S*\d\S*", "", line) for line in lines)


def still_fails(database, steps, number, renumber, kind):
    """Does the server still go otherwise in the same way, on fresh orders? The player if it does."""
    first = FIRST_ORDER + number * play.ORDERS_PER_SEQUENCE
    player = replay(number, first, [renumber(step, first) for step in steps])
    if player is None:
        return None
    difference = play.differences(player, play.Answers(play.psql(database, player.script())))
    return player if difference and kind_of(player, difference) == kind else None


def shrink(database, player, difference, number):
    """The failing sequence with as few steps as can be found in a while; number: one that is free."""
    old_first = player.order_ids[0]
    kind = kind_of(player, difference)
    index = difference[0]

    def renumber(step, first):
        name, args = step
        if "order_id" in args:
            args = dict(args, order_id=args["order_id"] - old_first + first)
        if "gid" in args:
            args = dict(args, gid=f"model {first} {args['gid'].split()[-1]}")
        return name, args

    steps = [item[0] for item in player.items[:index + 1]]
    if was_in_transaction(steps):
        steps.append(("rollback", {}))
    deadline = time.monotonic() + SHRINKING_SECONDS
    best = None
    i = len(steps) - 1
    while i >= 0 and time.monotonic() < deadline:
        number += 1
        shorter = without(steps, i)
        fails = still_fails(database, shorter, number, renumber, kind)
        if fails is not None:
            steps, best = shorter, fails
        i = min(i, len(steps)) - 1
    return best


def was_in_transaction(steps):
    """Does a transaction lack its end?"""
    of_interest = [name for name, _ in steps if name in ("begin", "commit", "rollback", "prepare")]
    return bool(of_interest) and of_interest[-1] == "begin"


def without(steps, i):
    """The steps but that, and but those that make no sense without it."""
    name, args = steps[i]
    gone = {i}
    if name == "begin":
        ends = [j for j in range(i + 1, len(steps)) if steps[j][0] in ("commit", "rollback", "prepare")]
        gone.update(ends[:1])
        if ends and steps[ends[0]][0] == "prepare":
            gone.update(j for j in range(ends[0] + 1, len(steps)) if steps[j][1].get("gid") == steps[ends[0]][1]["gid"])
    elif name == "savepoint":
        gone.update(j for j, (_, other) in enumerate(steps) if other.get("name") == args["name"])
    return [step for j, step in enumerate(steps) if j not in gone]


def tell(player, answers, lines_for_all):
    """The steps with their SQL and what came of each."""
    difference = play.differences(player, answers)
    for i, (step, sql, role, faults, _, _, after) in enumerate(player.items):
        sqlstate, rows, message = answers.outcomes.get((player.number, i), ("no answer", "", ""))
        print(f"  {i:3} {'[' + role.rpartition('_')[2] + '] ' if role else ''}{sql};")
        print(f"        -> {sqlstate}" + (f" {message}" if sqlstate != "00000" else f", {rows} rows"))
        if lines_for_all and after is not None:
            for order_id in player.order_ids:
                for line in answers.states.get((player.number, ">", i), {}).get(order_id, []):
                    if not line.startswith("event"):
                        print(f"           {order_id}: {line}")
        if difference is not None and difference[0] == i:
            for line in difference[1]:
                print(f"        ** {line}")
    return difference


def report_failure(options, number, index, lines, free_number):
    print(f"sequence {number} goes otherwise at step {index}; to see it all: --seed {options.seed} --sequence {number}"
          + (f" --steps {options.steps}" if options.steps != STEPS else ""))
    for line in lines:
        print("    " + line)
    player = make_sequence(options.seed, number, options.steps)
    shorter = shrink(options.database, player, (index, lines), free_number)
    if shorter is not None:
        print("  with fewer steps:")
        tell(shorter, play.Answers(play.psql(options.database, renew(shorter))), False)
    sys.stdout.flush()


def renew(player):
    """The script of a sequence whose orders are there already, from a clean start: deletes them first."""
    ids = ", ".join(map(str, player.order_ids))
    tables = ("consumer_offsets", "payment_operations", "payments", "order_items", "order_events", "orders")
    deletes = "".join(f"DELETE FROM shop.{table} WHERE order_id IN ({ids});\n" for table in tables)
    return f"SET session_replication_role = replica;\n{deletes}RESET session_replication_role;\n" + player.script()


# ---------------------------------------------------------------- the database


def set_up(database):
    drop(database)
    roles = "".join(f"CREATE ROLE {role};\n" for role in play.ROLE.values())
    play.psql("postgres", f'{roles}CREATE DATABASE "{database}";\n', check=True)
    for name in ("store.sql", "breaches.sql"):
        with open(os.path.join(HERE, name), encoding="utf-8") as file:
            play.psql(database, file.read(), check=True)


def drop(database):
    there = play.psql("postgres", f"SELECT 1 FROM pg_database WHERE datname = '{database}';", check=True).strip()
    if there:
        play.psql(database, "SELECT format('ROLLBACK PREPARED %L', gid) FROM pg_prepared_xacts"
                  " WHERE database = current_database() \\gexec\n", check=True)
    play.psql("postgres", f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE);\n'
              f'DROP ROLE IF EXISTS {", ".join(play.ROLE.values())};\n', check=True)


def breaches(database):
    """Invariants that do not hold, by SQL of the test's own and by the extension's."""
    own = play.psql(database, "SELECT breach || ', order ' || order_id FROM breaches LIMIT 20;", check=True)
    theirs = play.psql(database, "SELECT 'verify_store: ' || v::text FROM order_payment.verify_store('shop') v LIMIT 20;",
                       check=True)
    return [line for line in (own + theirs).split("\n") if line]


# ---------------------------------------------------------------- the model alone


def run_alone(seed, numbers, steps):
    """Violations of what must always hold, with the sequences that led there."""
    found = []
    for number in numbers:
        rng = random.Random(f"{seed} {number}")
        store = rules.Store(fees())
        maker = generate.Generator(rng, store, [1, 2][:rng.choice((1, 2))], rng.choice((3, 10, 25)))
        told = []
        for _ in range(steps):
            step = maker.next()
            faults, _ = store.execute(step)
            told.append(f"{step} {sorted(faults) or ''}")
            wrong = [w for order in store.orders.values() for w in rules.violations(order)]
            wrong += [f"a fact is refused: {why}" for why in rules.refused_facts(step, faults)]
            if wrong:
                found.append((number, wrong, told))
                break
    return found


def alone(options):
    numbers = range(options.sequences)
    with concurrent.futures.ProcessPoolExecutor(options.processes) as pool:
        jobs = [pool.submit(run_alone, options.seed, numbers[i:i + 1000], options.steps)
                for i in range(0, len(numbers), 1000)]
        found = [f for job in jobs for f in job.result()]
    kinds = {}
    for number, wrong, told in sorted(found, key=lambda f: len(f[2])):
        kinds.setdefault(wrong[0], (number, told))
    for what, (number, told) in kinds.items():
        print(f"{what}: sequence {number}")
        print("\n".join("    " + line for line in told))
    print(f"seed {options.seed}: {options.sequences} sequences of the model alone, {len(found)} break a rule")
    return 1 if found else 0


# ---------------------------------------------------------------- main

STEPS = 20


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--sequences", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=0, help="go on until then, whatever --sequences says")
    parser.add_argument("--steps", type=int, default=STEPS, help="statements a sequence")
    parser.add_argument("--sequence", type=int, default=None, help="this one only, told step by step")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--database", default="order_payment_model")
    parser.add_argument("--alone", action="store_true", help="the model without a server")
    parser.add_argument("--bend", default="", metavar="SQL", help="done to the store first, to see that it is noticed")
    parser.add_argument("--count", action="store_true", help="tell how often each statement had each outcome")
    parser.add_argument("--keep", action="store_true", help="keep the database")
    options = parser.parse_args()
    if options.seed is None:
        options.seed = int.from_bytes(os.urandom(4), "big")
    return options


def one(options):
    player = make_sequence(options.seed, options.sequence, options.steps)
    answers = play.Answers(play.psql(options.database, player.script()))
    difference = tell(player, answers, True)
    print(f"sequence {options.sequence}: " + ("agrees" if difference is None else f"goes otherwise at step {difference[0]}"))
    return 0 if difference is None else 1


def many(options):
    started = time.monotonic()
    failures, kinds, played = [], {}, 0

    def take(job):
        found, seen = job.result()
        failures.extend(found)
        for key, count in seen.items():
            kinds[key] = kinds.get(key, 0) + count

    with concurrent.futures.ProcessPoolExecutor(options.processes) as pool:
        jobs = set()
        while played < options.sequences or time.monotonic() - started < options.seconds:
            while len(jobs) < options.processes * 2 and (played < options.sequences or options.seconds):
                jobs.add(pool.submit(run_chunk, options.database, options.seed, range(played, played + CHUNK), options.steps))
                played += CHUNK
            done, jobs = concurrent.futures.wait(jobs, return_when=concurrent.futures.FIRST_COMPLETED)
            for job in done:
                take(job)
            if len(failures) >= MOST_FAILURES:
                break
        for job in jobs:
            take(job)
    by_kind = {}
    for kind, *failure in sorted(failures, key=lambda f: (f[2], f[1])):
        by_kind.setdefault(kind, []).append(failure)
    for i, alike in enumerate([] if options.bend else list(by_kind.values())[:MOST_REPORTS]):
        print(f"{len(alike)} alike:", end=" ")
        report_failure(options, *alike[0], 10_000_000 + i * 100_000)
    if options.count:
        for (name, code), count in sorted(kinds.items()):
            print(f"{count:8} {name} {code or 'done'}")
    broken = breaches(options.database)
    for line in broken:
        print(line)
    statements = {key: count for key, count in kinds.items() if key[0] not in play.TRANSACTION_SQL}
    refused = sum(count for (_, code), count in statements.items() if code)
    print(f"seed {options.seed}: {played} sequences, {sum(statements.values())} statements, {refused} of them to be refused,"
          f" {kinds.get(('prepare', ''), 0)} prepared transactions; {time.monotonic() - started:.0f} s;"
          f" {len(failures)} sequences go otherwise, {len(broken)} breaches")
    return 1 if failures or broken else 0


def main():
    options = parse()
    if options.alone:
        return alone(options)
    try:
        set_up(options.database)
        play.psql(options.database, options.bend, check=True)
        return one(options) if options.sequence is not None else many(options)
    finally:
        if not options.keep:
            drop(options.database)


if __name__ == "__main__":
    sys.exit(main())
