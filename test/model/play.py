"""Plays sequences on a server: steps as SQL by psql, and what the model says of each.

A script is sent in one go, for nothing in it depends on an answer. After each step psql says its SQLSTATE and number of
rows; at the end of a transaction, before and after it, the orders of the sequence are read whole.
"""

import os
import subprocess
from decimal import Decimal

import rules

ORDERS_PER_SEQUENCE = 2
ROLE = {name: "order_payment_model_" + name for name in ("app", "gateway", "owner")}


# ---------------------------------------------------------------- SQL


def literal(value):
    if value is None:
        return "NULL"
    if value is True or value is False:
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    return "'" + (plain(value) if isinstance(value, Decimal) else str(value).replace("'", "''")) + "'"


def plain(value):
    if value is None:
        return "-"
    if not value.is_finite():
        return str(value)
    return format(value.normalize() + 0, "f")


def uuid_of(order_id, kind, label):
    return f"{order_id:08x}-0000-{kind}000-8000-{label:012x}"


def payment_id(order_id, label):
    """SQL for the id of a payment; that of the manual payment is the server's."""
    if label == rules.MANUAL:
        return f"(SELECT payment_id FROM shop.payments WHERE order_id = {order_id} AND gateway = 'manual')"
    return f"'{uuid_of(order_id, 7, label)}'"


def operation_id(order_id, label):
    return f"'{uuid_of(order_id, 4, label)}'"


def insert(table, columns, rows, skip_conflict=False):
    values = ", ".join("(" + ", ".join(row) + ")" for row in rows)
    return (f"INSERT INTO {table} ({', '.join(columns)}) VALUES {values}"
            + (" ON CONFLICT DO NOTHING" if skip_conflict else ""))


class Sql:
    """The SQL of each statement of rules.Store. customer: one for each sequence, for keys of orders are the customer's."""

    def __init__(self, customer):
        self.customer = customer

    def of(self, step):
        name, args = step
        args = {k: v for k, v in args.items() if k != "role"}
        return getattr(self, name)(**args)

    def insert_order(self, order_id, price, skip_conflict=False, derived=None, key=None, **more):
        columns = {"order_id": literal(order_id), "customer_id": literal(self.customer), "price": literal(price)}
        columns.update((k, literal(v)) for k, v in more.items())
        if key is not None:
            columns["request_key"] = literal(key)
        if derived is not None:
            columns[derived[0]] = literal(derived[1])
        return insert("shop.orders", columns, [columns.values()], skip_conflict)

    @staticmethod
    def move_order(order_id, to):
        return f"UPDATE shop.orders SET status = '{to}' WHERE order_id = {order_id}"

    @staticmethod
    def write_order(order_id, column, value):
        return f"UPDATE shop.orders SET {column} = {literal(value)} WHERE order_id = {order_id}"

    @staticmethod
    def price_order(order_id, price, quantity):
        return f"UPDATE shop.orders SET price = {literal(price)}, quantity = {literal(quantity)} WHERE order_id = {order_id}"

    @staticmethod
    def currency_order(order_id, currency):
        return f"UPDATE shop.orders SET currency = '{currency}' WHERE order_id = {order_id}"

    @staticmethod
    def insert_lines(order_id, lines):
        rows = [[literal(order_id), *map(literal, line)] for line in lines]
        return insert("shop.order_items", ("order_id", "line_no", "kind", "quantity", "price"), rows)

    @staticmethod
    def update_line(order_id, line_no, quantity, price):
        return (f"UPDATE shop.order_items SET quantity = {literal(quantity)}, price = {literal(price)}"
                f" WHERE (order_id, line_no) = ({order_id}, {line_no})")

    @staticmethod
    def delete_lines(order_id, line_no=None):
        return (f"DELETE FROM shop.order_items WHERE order_id = {order_id}"
                + (f" AND line_no = {line_no}" if line_no is not None else ""))

    @staticmethod
    def insert_payment(order_id, label, amount, skip_conflict=False, key=None, authorized=None, lapsed=False, **more):
        columns = {"order_id": literal(order_id), "payment_id": payment_id(order_id, label), "amount": literal(amount)}
        columns.update((k, literal(v)) for k, v in more.items())
        if key is not None:
            columns["request_key"] = literal(key)
        if authorized is not None:
            columns["authorized_amount"] = literal(authorized)
        if lapsed:
            columns["capture_before"] = "now() - interval '1 day'"
        return insert("shop.payments", columns, [columns.values()], skip_conflict)

    @staticmethod
    def move_payment(order_id, label, to, authorized=None, form="update"):
        row = f"(order_id, payment_id) = ({order_id}, {payment_id(order_id, label)})"
        also = "" if authorized is None else f", authorized_amount = {literal(authorized)}"
        if form == "merge":
            return (f"MERGE INTO shop.payments p USING (VALUES ({order_id}::bigint, {payment_id(order_id, label)}::uuid)) v (o, i)"
                    f" ON p.order_id = v.o AND p.payment_id = v.i WHEN MATCHED THEN UPDATE SET status = '{to}'{also}")
        if form == "upsert":
            return (f"INSERT INTO shop.payments (order_id, payment_id, gateway, amount, split, status)"
                    f" SELECT order_id, payment_id, gateway, amount, split, '{to}' FROM shop.payments WHERE {row}"
                    f" ON CONFLICT (order_id, payment_id) DO UPDATE SET status = excluded.status{also}")
        if form == "all":
            also = also or ", authorized_amount = authorized_amount"
            return (f"UPDATE shop.payments SET status = '{to}', amount = amount, currency = currency, request_key = request_key,"
                    f" captured_amount = captured_amount, refunded_amount = refunded_amount, fee = fee{also} WHERE {row}")
        return f"UPDATE shop.payments SET status = '{to}'{also} WHERE {row}"

    @staticmethod
    def give_up_payment(order_id, label):
        return (f"UPDATE shop.payments SET contact_needed_at = now()"
                f" WHERE (order_id, payment_id) = ({order_id}, {payment_id(order_id, label)})")

    @staticmethod
    def write_payment(order_id, label, column, value):
        value = payment_id(order_id, value) if column == "payment_id" else literal(value)
        return (f"UPDATE shop.payments SET {column} = {value}"
                f" WHERE (order_id, payment_id) = ({order_id}, {payment_id(order_id, label)})")

    @staticmethod
    def insert_operations(order_id, rows, skip_conflict=False):
        values = [[literal(order_id), operation_id(order_id, label), payment_id(order_id, payment), literal(kind),
                   literal(amount), literal(currency), literal(status), literal(key)]
                  for label, payment, kind, amount, currency, status, key in rows]
        return insert("shop.payment_operations", ("order_id", "operation_id", "payment_id", "kind", "amount", "currency",
                                                  "status", "request_key"), values, skip_conflict)

    @staticmethod
    def move_operation(order_id, label, to, form="update"):
        row = f"(order_id, operation_id) = ({order_id}, {operation_id(order_id, label)})"
        if form == "merge":
            return (f"MERGE INTO shop.payment_operations x USING (VALUES ({order_id}::bigint, {operation_id(order_id, label)}::uuid))"
                    f" v (o, i) ON x.order_id = v.o AND x.operation_id = v.i WHEN MATCHED THEN UPDATE SET status = '{to}'")
        if form == "upsert":
            return (f"INSERT INTO shop.payment_operations (order_id, operation_id, payment_id, kind, amount, status)"
                    f" SELECT order_id, operation_id, payment_id, kind, amount, '{to}' FROM shop.payment_operations WHERE {row}"
                    f" ON CONFLICT (order_id, operation_id) DO UPDATE SET status = excluded.status")
        if form == "all":
            return (f"UPDATE shop.payment_operations SET status = '{to}', amount = amount, kind = kind, currency = currency,"
                    f" obligatory_amount = obligatory_amount, fee = fee WHERE {row}")
        table = "refunds" if form == "view" else "payment_operations"
        return f"UPDATE shop.{table} SET status = '{to}' WHERE {row}"

    @staticmethod
    def write_operation(order_id, label, column, value):
        if column == "payment_id":
            value = payment_id(order_id, value)
        else:
            value = operation_id(order_id, value) if column == "operation_id" else literal(value)
        return (f"UPDATE shop.payment_operations SET {column} = {value}"
                f" WHERE (order_id, operation_id) = ({order_id}, {operation_id(order_id, label)})")

    @staticmethod
    def delete_row(order_id, table, label=None):
        row = ""
        if table == "payments":
            row = f" AND payment_id = {payment_id(order_id, label)}"
        elif table == "payment_operations":
            row = f" AND operation_id = {operation_id(order_id, label)}"
        return f"DELETE FROM shop.{table} WHERE order_id = {order_id}{row}"


TRANSACTION_SQL = {
    "begin": "BEGIN ISOLATION LEVEL {isolation}",
    "savepoint": "SAVEPOINT {name}",
    "release": "RELEASE {name}",
    "rollback_to": "ROLLBACK TO {name}",
    "commit": "COMMIT",
    "rollback": "ROLLBACK",
    "prepare": "PREPARE TRANSACTION '{gid}'",
    "commit_prepared": "COMMIT PREPARED '{gid}'",
    "rollback_prepared": "ROLLBACK PREPARED '{gid}'",
}


# ---------------------------------------------------------------- states as lines


def state(order):
    """The order as model.state() writes it."""
    n = plain
    lines = [" ".join(("order", order.status, "total", n(order.total), "lines", str(order.item_count), "authorized",
                       n(order.authorized), "paid", n(order.paid), "refunded", n(order.refunded), "charged_back",
                       n(order.charged_back), "due", n(order.due), "version", str(order.version), "currency", order.currency,
                       "stamps", stamps(order)))]
    for label, p in sorted(order.payments.items()):
        lines.append(" ".join(("payment", str(label), p.status, p.gateway, "amount", n(p.amount), p.currency, "authorized",
                               n(p.authorized), "capturing", n(p.capture_pending), "captured", n(p.captured), "refunding",
                               n(p.refund_pending), "refunded", n(p.refunded), "charged_back", n(p.charged_back), "fee",
                               n(p.fee), "net", n(p.net), "stamps", stamps(p))))
    for label, x in sorted(order.operations.items()):
        lines.append(" ".join(("operation", str(label), x.kind, "of", str(x.payment), x.status, "amount", n(x.amount),
                               x.currency, "obligatory", n(x.obligatory), "stamps", stamps(x))))
    for version, (entity, label, before, after, amount, late) in enumerate(order.events, 1):
        words = ["event", str(version), entity]
        if label is not None:
            words.append(str(label))
        words += ["from", before or "-", "to", after, "amount", n(amount)]
        lines.append(" ".join(words + ["late"] * late))
    return lines


def stamps(row):
    return ",".join(sorted(row.stamps - {"created", "contact_needed"}))


# ---------------------------------------------------------------- a sequence, step by step


class Player:
    """Runs the steps of a sequence through the model, transactions and all, and keeps what is expected of the server."""

    def __init__(self, number, fees, first_order_id):
        self.number = number
        self.store = rules.Store(fees)
        self.order_ids = [first_order_id + i for i in range(ORDERS_PER_SEQUENCE)]
        self.sql = Sql(first_order_id)
        self.items = []     # (step, SQL, role, faults, rows, states before and after or None)
        self.before = None  # the store when the transaction began
        self.savepoints = []
        self.aborted = False
        self.prepared = {}

    # ---------- what may come next ----------

    def may_play(self, step):
        name, args = step
        in_transaction = self.before is not None
        if name in ("savepoint", "commit", "rollback", "prepare"):
            return in_transaction and not (self.aborted and name in ("savepoint", "prepare"))
        if name == "release":
            return not self.aborted and args["name"] in self.names()
        if name == "rollback_to":
            return args["name"] in self.names()
        if name == "begin":
            return not in_transaction
        if name in ("commit_prepared", "rollback_prepared"):
            return not in_transaction and args["gid"] in self.prepared
        return not self.aborted

    def names(self):
        return [name for name, _ in self.savepoints]

    # ---------- playing ----------

    def play(self, step):
        """Faults of the step; None if a transaction forbids it where it stands."""
        if not self.may_play(step):
            return None
        name, args = step
        if name in TRANSACTION_SQL:
            # what is about to be undone, or put aside, is looked at before; all else after
            before = self.states() if name in ("rollback", "prepare") and not self.aborted else None
            getattr(self, name)(**args)
            after = self.states() if name in ("commit", "commit_prepared", "rollback_prepared") else None
            self.items.append((step, TRANSACTION_SQL[name].format(**args), None, frozenset(), None, before, after))
            return frozenset()
        faults, rows = self.store.execute(step)
        in_transaction = self.before is not None
        self.aborted = in_transaction and bool(faults)
        after = None if in_transaction else self.states()
        self.items.append((step, self.sql.of(step), ROLE[args["role"]], faults, rows, None, after))
        return faults

    def states(self):
        return {order_id: state(order) for order_id, order in sorted(self.store.orders.items())}

    def begin(self, isolation):
        self.before = self.store.snapshot()

    def savepoint(self, name):
        self.savepoints.append((name, self.store.snapshot()))

    def release(self, name):
        while self.savepoints.pop()[0] != name:
            pass

    def rollback_to(self, name):
        while self.savepoints[-1][0] != name:
            self.savepoints.pop()
        self.store.restore(self.savepoints[-1][1])
        self.aborted = False

    def end(self, undo):
        if undo:
            self.store.restore(self.before)
        self.before, self.savepoints, self.aborted = None, [], False

    def commit(self):
        self.end(self.aborted)

    def rollback(self):
        self.end(True)

    def prepare(self, gid):
        self.prepared[gid] = self.store.snapshot()
        self.end(True)

    def commit_prepared(self, gid):
        self.store.restore(self.prepared.pop(gid))

    def rollback_prepared(self, gid):
        del self.prepared[gid]

    # ---------- the script ----------

    def script(self):
        """psql's input. What it writes begins lines with the number of the sequence and of the step."""
        out = [f"\\echo ! {self.number}"]
        role = None
        for i, (step, sql, wanted, _, _, before, after) in enumerate(self.items):
            if before is not None:
                out.append(self.read(i, "<"))
            if wanted is not None and wanted != role:
                out.append(f"SET ROLE {wanted};")
                role = wanted
            out += [sql + ";", f"\\echo = {self.number} {i} :SQLSTATE :ROW_COUNT :LAST_ERROR_MESSAGE"]
            if step[0] in ("rollback", "rollback_to", "commit"):
                role = None  # SET ROLE may have been rolled back, by a COMMIT too if the transaction had failed
            if after is not None:
                out.append(self.read(i, ">"))
        out += ["\\echo . end"]
        # whatever went otherwise than expected must not reach the next sequence
        if self.before is not None or self.aborted:
            out.append("ROLLBACK;")
        return "\n".join(out) + "\n"

    def read(self, i, sign):
        ids = ", ".join(map(str, self.order_ids))
        return f"\\echo {sign} {self.number} {i}\nSELECT * FROM model.state(VARIADIC ARRAY[{ids}]);"


# ---------------------------------------------------------------- psql


def psql(database, script, check=False):
    """What psql writes for the script."""
    done = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-d", database, "-v", "VERBOSITY=terse"]
                          + (["-v", "ON_ERROR_STOP=1"] if check else []),
                          input="SET client_min_messages = error;\n" + script, stdout=subprocess.PIPE,
                          stderr=None if check else subprocess.DEVNULL, text=True, env=dict(os.environ, PGCLIENTENCODING="UTF8"))
    if check and done.returncode != 0 or done.returncode not in (0, 3):
        raise SystemExit(f"psql failed with status {done.returncode}")
    return done.stdout


class Answers:
    """What psql said: outcomes[sequence, i] = (SQLSTATE, rows, message), states[sequence, sign, i][order] = lines."""

    def __init__(self, output):
        self.outcomes, self.states, self.ended = {}, {}, set()
        number, lines = None, None
        for line in output.split("\n"):
            sign, _, rest = line.partition(" ")
            if sign == "!":
                number, lines = int(rest), None
            elif sign == "=":
                words = rest.split(" ", 4)
                lines = None
                self.outcomes[number, int(words[1])] = (words[2], words[3], words[4] if len(words) > 4 else "")
            elif sign in ("<", ">"):
                lines = self.states[number, sign, int(rest.split(" ")[1])] = {}
            elif sign == ".":
                self.ended.add(number)
                lines = None
            elif lines is not None and sign.isdigit():
                lines.setdefault(int(sign), []).append(rest)


def differences(player, answers):
    """The first step at which the server did otherwise than the model, and how; None if there is none."""
    for i, (step, _, _, faults, rows, before, after) in enumerate(player.items):
        for sign, expected in (("<", before), ("=", None), (">", after)):
            if sign == "=":
                found = outcome_difference(faults, rows, answers.outcomes.get((player.number, i)))
            elif expected is None:
                continue
            else:
                found = state_difference(player, answers, i, sign, expected)
            if found:
                return i, found
    if player.number not in answers.ended:
        return len(player.items), ["the server did not answer to the end"]
    return None


def outcome_difference(faults, rows, outcome):
    if outcome is None:
        return ["the server did not answer"]
    sqlstate, row_count, message = outcome
    if faults:
        if sqlstate in {code for code, _ in faults}:
            return None
        expected = " or ".join(f"{code} ({why})" for code, why in sorted(faults))
        return [f"expected {expected}", f"got      {sqlstate}" + (f" {message}" if sqlstate != "00000" else "")]
    if sqlstate != "00000":
        return ["expected success", f"got      {sqlstate} {message}"]
    if rows is not None and row_count != str(rows):
        return [f"expected {rows} rows", f"got      {row_count}"]
    return None


def state_difference(player, answers, i, sign, expected):
    found = []
    for order_id in player.order_ids:
        want = expected.get(order_id, [])
        got = answers.states.get((player.number, sign, i), {}).get(order_id, [])
        if want != got:
            found.append("before the end of the transaction:" if sign == "<" else "afterwards:")
            found += ["expected " + line for line in want if line not in got]
            found += ["got      " + line for line in got if line not in want]
    return found
