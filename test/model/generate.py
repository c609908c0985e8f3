"""Random sequences of statements: of what an application, a gateway and a careless or hostile session may do.

A step is (name, arguments). The name of a statement is that of the method of rules.Store that models it. The other
steps are about transactions: begin, savepoint, release, rollback_to, commit, rollback, prepare, commit_prepared and
rollback_prepared.

The generator looks at the model to be to the point: amounts that just cover, just exceed, are just left; states
that are near. It looks at nothing else, so that a seed gives the same sequences everywhere.
"""

from decimal import Decimal

import rules

ZERO = Decimal(0)
ROLES = ("app", "gateway", "owner")
AMOUNTS = [Decimal(n) for n in (10, 20, 30, 50, 70, 100, 120, 150)]
NO_AMOUNTS = [Decimal(n) for n in ("NaN", "Infinity", "-Infinity", "-5", "0")]
ORDER_STATES = list(rules.ORDER_GRAPH)
PAYMENT_STATES = list(rules.PAYMENT_GRAPH)
OPERATION_STATES = list(rules.OPERATION_GRAPH)


class Generator:
    """Steps for the orders of one sequence. order_ids: the numbers that they get. nonsense: how many of a hundred
    choices are made blindly; few, and money gets further; many, and more is refused."""

    def __init__(self, rng, store, order_ids, nonsense):
        self.rng, self.store, self.order_ids, self.nonsense = rng, store, order_ids, nonsense
        self.labels = 0
        self.retries = []  # statements with a key that were accepted: to be sent again

    # ---------- choices ----------

    def chance(self, percent):
        return self.rng.random() * 100 < percent

    def weighted(self, *pairs):
        """One of (weight, value)."""
        return self.rng.choices([value for _, value in pairs], [weight for weight, _ in pairs])[0]

    def role(self, usual):
        return usual if not self.chance(self.nonsense) else self.rng.choice(ROLES)

    def label(self):
        self.labels += 1
        return self.labels

    def key(self):
        return f"k{self.rng.randrange(1000)}" if self.chance(30) else None

    def amount(self, order, *near):
        """Mostly one of near, which is sometimes missed by a little."""
        unit = Decimal(1).scaleb(-rules.EXPONENT[order.currency])
        if self.chance(self.nonsense / 10):
            return self.rng.choice(NO_AMOUNTS)
        if self.chance(self.nonsense / 20):
            return Decimal(10) + unit / 10
        likely = [n for n in near if n is not None and n > 0]
        if not likely or self.chance(25):
            return self.rng.choice(AMOUNTS)
        amount = self.rng.choice(likely)
        if self.chance(20):
            amount = (amount / 2).quantize(unit)
        elif self.chance(12):
            amount += self.rng.choice((unit, -unit))
        return amount if amount > 0 else unit

    def next_status(self, graph, status, states):
        likely = sorted(graph.get(status, ()))
        if likely and not self.chance(self.nonsense):
            return self.rng.choice(likely)
        return self.rng.choice(states)

    @staticmethod
    def movable(rows, graph):
        return [label for label, row in sorted(rows.items()) if graph[row.status]]

    def pick(self, rows, graph):
        """The label of a row, mostly of one that may move; 99 is no row's."""
        if self.chance(self.nonsense / 10) or not rows:
            return 99
        movable = self.movable(rows, graph)
        return self.rng.choice(movable if movable and not self.chance(self.nonsense) else sorted(rows))

    # ---------- steps ----------

    def next(self):
        """A statement."""
        for order_id in self.order_ids:
            if order_id not in self.store.orders and (order_id == self.order_ids[0] or self.chance(20)):
                return self.insert_order(order_id)
        known = sorted(self.store.orders)
        order = self.store.orders[self.rng.choice(known)] if known else rules.Order(0, 1, None, None, "USD", None)
        blind = self.nonsense / 20
        make = self.weighted(
            (20 if not order.payments else 8, self.insert_payment),
            (20 if self.movable(order.payments, rules.PAYMENT_GRAPH) else 2 * blind, self.move_payment),
            (16 if order.payments else blind, self.insert_operations),
            (20 if self.movable(order.operations, rules.OPERATION_GRAPH) else blind, self.move_operation),
            (12, self.move_order),
            (3, self.price_order),
            (4 if order.total is not None else 9, self.insert_lines),
            (3 if order.lines else 0.3, self.edit_lines),
            (blind, self.currency_order),
            (1.5 * blind, self.write_order),
            (1.5 * blind if order.payments else 0, self.write_payment),
            (0.5 if order.payments else 0, self.give_up_payment),
            (1.5 * blind if order.operations else 0, self.write_operation),
            (0.5 * blind, self.delete_row),
            (3 * blind if self.retries else 0, self.retry),
            (0.5 * blind, lambda order: self.insert_order(self.rng.choice(self.order_ids))),
        )
        step = make(order)
        if step[0].startswith("insert") and self.has_key(step):
            self.retries.append(step)
        return step

    @staticmethod
    def has_key(step):
        name, args = step
        return args.get("key") is not None or name == "insert_operations" and any(r[-1] for r in args["rows"])

    def retry(self, order):
        """The same request again, as a client sends it that got no answer; or another one under the same key."""
        name, args = self.rng.choice(self.retries)
        args = dict(args, skip_conflict=self.chance(60))
        if name == "insert_payment":
            args["label"] = self.label()
            if self.chance(15):
                args["amount"] += 1
        elif name == "insert_operations":
            args["rows"] = [(self.label(), *row[1:]) for row in args["rows"]]
        elif self.chance(50):
            args["order_id"] = self.rng.choice(self.order_ids)
        return name, args

    def insert_order(self, order_id):
        rng = self.rng
        args = {"order_id": order_id, "role": self.role("app"), "price": None}
        if self.chance(75):
            args["price"] = self.weighted((10, Decimal(100)), (4, Decimal(50)), (3, Decimal(0)), (2, Decimal("33")),
                                          (1, Decimal("0.01")), (0.3, rng.choice(NO_AMOUNTS)))
            args["quantity"] = self.weighted((8, Decimal(1)), (2, Decimal(3)), (1, Decimal("0.5")), (0.1, Decimal(0)),
                                             (0.1, None))
        if self.chance(25):
            args["currency"] = rng.choice(("JPY", "KWD", "POINTS.0", "BTC.8"))
        if self.chance(20):
            args["key"] = f"o{rng.randrange(3)}"
        if self.chance(3):
            args["status"] = rng.choice(ORDER_STATES)
        if self.chance(3):
            args["derived"] = (rng.choice((*rules.ORDER_DERIVED, "total_amount")), rng.choice((ZERO, Decimal(5), None)))
        return "insert_order", args

    def move_order(self, order):
        to = self.next_status(rules.ORDER_GRAPH, order.status, ORDER_STATES)
        if to in rules.DEAD and order.status in ("pending", "authorized") and self.chance(50):
            to = self.rng.choice(("paid", "shipped", "pending"))
        return "move_order", {"order_id": order.order_id, "role": self.rng.choice(ROLES), "to": to}

    def price_order(self, order):
        price = self.weighted((5, Decimal(100)), (3, order.price), (2, Decimal(40)), (1, None), (1, Decimal(0)),
                              (1, Decimal("1.005")))
        quantity = self.weighted((6, Decimal(1)), (3, order.quantity), (1, Decimal(2)), (0.2, None))
        return "price_order", {"order_id": order.order_id, "role": self.role("app"), "price": price, "quantity": quantity}

    def currency_order(self, order):
        return "currency_order", {"order_id": order.order_id, "role": self.role("app"),
                                  "currency": self.rng.choice(list(rules.EXPONENT))}

    def write_order(self, order):
        column = self.rng.choice((*rules.ORDER_DERIVED, "total_amount", "order_id"))
        value = self.rng.choice((None, ZERO, Decimal(7), order.paid, order.total, order.due))
        if column in ("version", "item_count") and value is not None:
            value = Decimal(int(value)) if value.is_finite() else ZERO
        if column == "order_id":
            value = Decimal(order.order_id + 500_000_000)
        return "write_order", {"order_id": order.order_id, "role": self.role("app"), "column": column, "value": value}

    # ---------- lines ----------

    def line(self, odd):
        return (self.rng.randrange(1, 6), self.weighted((6, "item"), (1, "shipping"), (1, "tax"), (2, "discount")),
                Decimal(self.rng.randrange(1, 3)),
                self.weighted((9, self.rng.choice(AMOUNTS)), (1, ZERO), (0.2 * odd, Decimal("0.0001")),
                              (0.2, Decimal("NaN"))))

    def insert_lines(self, order):
        count = self.weighted((5, 1), (3, 2), (2, 3))
        lines = [self.line(count == 1) for _ in range(count)]
        return "insert_lines", {"order_id": order.order_id, "role": self.role("app"), "lines": lines}

    def edit_lines(self, order):
        args = {"order_id": order.order_id, "role": self.role("app")}
        line_no = self.rng.choice(sorted(order.lines) or [1])
        if self.chance(50):
            args.update(line_no=line_no, quantity=Decimal(self.rng.randrange(1, 3)), price=self.rng.choice(AMOUNTS))
            if line_no in order.lines and self.chance(20):
                args.update(quantity=order.lines[line_no].quantity, price=order.lines[line_no].price)
            return "update_line", args
        args["line_no"] = line_no if self.chance(60) else None
        return "delete_lines", args

    # ---------- payments ----------

    def insert_payment(self, order):
        rng = self.rng
        total, outstanding = order.total, order.outstanding()
        status = self.weighted((30, "created"), (10, "processing"), (5, "requires_action"), (25, "authorized"),
                               (25, "succeeded"), (3, rng.choice(PAYMENT_STATES)))
        args = {"order_id": order.order_id, "label": self.label(), "status": status,
                "role": self.role("app" if status in rules.APP_PAYMENT_BIRTHS else "gateway"),
                "amount": self.amount(order, total, outstanding, outstanding and outstanding + 50),
                "gateway": rng.choice(("acme", "acme", "cod")), "method": rng.choice((None, "card", "wallet")),
                "split": self.chance(30), "key": self.key()}
        if status == "authorized" and self.chance(30):
            args["authorized"] = self.amount(order, args["amount"] if args["amount"].is_finite() else None)
            if not args["authorized"].is_finite() or args["authorized"] <= 0:
                del args["authorized"]
        if status == "authorized" and self.chance(15):
            args["lapsed"] = True
        if self.chance(10):
            args["currency"] = self.weighted((3, order.currency), (1, "USD"), (1, "JPY"))
        if args["role"] != "app" and self.chance(10):
            args["fee"] = rng.choice((ZERO, Decimal(2)))
        return "insert_payment", args

    def pick_payment(self, order):
        if self.chance(self.nonsense / 10):
            return 99  # there is none
        return self.rng.choice(sorted(order.payments) or [99])

    def move_payment(self, order):
        label = self.pick(order.payments, rules.PAYMENT_GRAPH)
        payment = order.payments.get(label)
        status = payment.status if payment else "created"
        to = self.next_status(rules.PAYMENT_GRAPH, status, PAYMENT_STATES)
        app = to in rules.APP_PAYMENT_BIRTHS or (status, to) == ("created", "revoked")
        args = {"order_id": order.order_id, "label": label, "to": to, "role": self.role("app" if app else "gateway")}
        if payment and "authorized" in (status, to) and self.chance(15):
            if self.chance(30) and status == "authorized":
                args["to"] = "authorized"
            more = payment.captured + self.amount(order, payment.amount, order.outstanding())
            if more.is_finite() and more > 0:
                args["authorized"] = more
        args["form"] = self.form(args["role"], "merge", "upsert", "all")
        return "move_payment", args

    def give_up_payment(self, order):
        return "give_up_payment", {"order_id": order.order_id, "role": self.rng.choice(ROLES),
                                   "label": self.pick_payment(order)}

    def write_payment(self, order):
        label = self.pick_payment(order)
        payment = order.payments.get(label)
        column = self.rng.choice((*rules.PAYMENT_DERIVED, "amount", "currency", "gateway", "request_key", "payment_id", "fee"))
        if column == "currency":
            value = self.rng.choice(list(rules.EXPONENT))
        elif column == "gateway":
            value = self.rng.choice(("acme", "cod"))
        elif column == "request_key":
            value = self.rng.choice((None, "other"))
        elif column == "payment_id":
            value = 98
        elif column in ("amount", "fee"):
            value = self.rng.choice((Decimal(3), payment.amount if payment else Decimal(1)))
        else:
            value = self.rng.choice((None, ZERO, Decimal(7), payment.captured if payment else ZERO))
        return "write_payment", {"order_id": order.order_id, "role": self.role("gateway"), "label": label,
                                 "column": column, "value": value}

    def form(self, role, *forms):
        """How an UPDATE of a status is written."""
        if role == "app" or self.chance(80):
            return "update"
        return self.rng.choice(forms)

    # ---------- operations ----------

    def insert_operations(self, order):
        rows = [self.operation(order) for _ in range(self.weighted((7, 1), (2, 2), (1, 3)))]
        if any(row[2] == "void" for row in rows):
            rows = rows[:1]  # how much is left to void is filled in before any row of the statement acts
        usual = "app" if all(row[5] == "requested" and row[2] != "chargeback" for row in rows) else "gateway"
        return "insert_operations", {"order_id": order.order_id, "role": self.role(usual), "rows": rows}

    def operation(self, order):
        label = self.pick_payment(order)
        payment = order.payments.get(label) or rules.Payment(label, "acme", None, Decimal(10), order.currency)
        if payment.status == "authorized":
            kind = self.weighted((6, "capture"), (3, "void"), (1, "refund"), (1, "chargeback"))
        elif payment.captured > 0:
            kind = self.weighted((6, "refund"), (3, "chargeback"), (1, "capture"), (0.5, "void"))
        else:
            kind = self.rng.choice(rules.KINDS)
        status = self.weighted((50, "requested"), (10, "processing"), (38, "succeeded"),
                               (2, self.rng.choice(OPERATION_STATES)))
        left = payment.captured - payment.refunded - payment.refund_pending - payment.charged_back
        if kind == "void":
            amount = self.weighted((8, None), (1, self.rng.choice(AMOUNTS)),
                                   (1, payment.live - payment.capture_pending or None))
        elif kind == "capture":
            rest = payment.authorized - payment.captured - payment.capture_pending
            amount = self.amount(order, rest, rest, payment.amount - payment.captured)
        else:
            amount = self.amount(order, left, left, payment.captured - payment.refunded, order.due, order.uncovered_due(),
                                 order.held, payment.amount)
        currency = self.weighted((20, None), (3, payment.currency), (1, "JPY"))
        return self.label(), label, kind, amount, currency, status, self.key()

    def pick_operation(self, order):
        if self.chance(self.nonsense / 10):
            return 99
        return self.rng.choice(sorted(order.operations) or [99])

    def move_operation(self, order):
        label = self.pick(order.operations, rules.OPERATION_GRAPH)
        op = order.operations.get(label)
        to = self.next_status(rules.OPERATION_GRAPH, op.status if op else "requested", OPERATION_STATES)
        role = self.role("app" if op is not None and (op.status, to) == ("requested", "cancelled") else "gateway")
        forms = ["merge", "all"]
        if op is not None and op.kind == "refund":
            forms.append("view")
        if op is not None and op.kind != "void":
            forms.append("upsert")
        return "move_operation", {"order_id": order.order_id, "role": role, "label": label, "to": to,
                                  "form": self.form(role, *forms)}

    def write_operation(self, order):
        label = self.pick_operation(order)
        op = order.operations.get(label)
        column = self.rng.choice(("amount", "currency", "kind", "request_key", "payment_id", "operation_id", "obligatory_amount"))
        value = {"currency": self.rng.choice(list(rules.EXPONENT)), "kind": self.rng.choice(rules.KINDS),
                 "request_key": self.rng.choice((None, "other")), "payment_id": 97, "operation_id": 96,
                 "amount": self.rng.choice((Decimal(3), op.amount if op else Decimal(1))),
                 "obligatory_amount": self.rng.choice((None, ZERO, Decimal(3), op.obligatory if op else ZERO))}[column]
        return "write_operation", {"order_id": order.order_id, "role": self.role("gateway"), "label": label,
                                   "column": column, "value": value}

    def delete_row(self, order):
        table = self.rng.choice(("orders", "payments", "payment_operations"))
        label = None
        if table == "payments":
            label = self.pick_payment(order)
        elif table == "payment_operations":
            label = self.pick_operation(order)
        return "delete_row", {"order_id": order.order_id, "role": self.rng.choice(ROLES), "table": table, "label": label}


class Sequence:
    """Statements in transactions, with savepoints that are released or rolled back. player: see play.py."""

    def __init__(self, rng, player):
        self.rng, self.player = rng, player
        self.order_ids = player.order_ids[:1] if rng.random() < 0.7 else player.order_ids
        self.maker = Generator(rng, player.store, self.order_ids, rng.choice((3, 10, 25)))
        self.named = 0

    def make(self, statements):
        while statements > 0:
            if self.rng.random() < 0.3:
                self.player.play(self.maker.next())
                statements -= 1
            else:
                statements -= self.transaction(self.rng.randrange(1, 9))

    def name(self):
        self.named += 1
        return f"s{self.named}"

    def transaction(self, most):
        """How many statements it had."""
        play = self.player.play
        play(("begin", {"isolation": self.rng.choice(("READ COMMITTED", "READ COMMITTED", "REPEATABLE READ"))}))
        done = 0
        while done < most and not self.player.aborted:
            self.savepoints()
            self.statement(self.maker.next())
            done += 1
        self.end()
        return done

    def savepoints(self):
        names = self.player.names()
        if self.rng.random() < 0.15:
            self.player.play(("savepoint", {"name": self.name()}))
        elif names and self.rng.random() < 0.25:
            self.player.play((self.rng.choice(("release", "rollback_to")), {"name": self.rng.choice(names)}))

    def statement(self, step):
        """Mostly inside a savepoint of its own if it will be refused; else the transaction is lost."""
        refused = self.player.store.refuses(step)
        if refused and self.rng.random() < 0.85 or self.rng.random() < 0.1:
            name = self.name()
            self.player.play(("savepoint", {"name": name}))
            self.player.play(step)
            undo = refused or self.rng.random() < 0.5
            self.player.play(("rollback_to" if undo else "release", {"name": name}))
        else:
            self.player.play(step)

    def end(self):
        how = self.rng.choices(("commit", "rollback", "commit_prepared", "rollback_prepared"), (11, 3, 4, 2))[0]
        if self.player.aborted or how in ("commit", "rollback"):
            self.player.play((how if how in ("commit", "rollback") else "commit", {}))
            return
        gid = f"model {self.player.number} {self.name()}"
        self.player.play(("prepare", {"gid": gid}))
        self.player.play((how, {"gid": gid}))
