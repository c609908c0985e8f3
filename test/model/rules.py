"""The rules of a store, written down a second time: a model to compare the extension with.

It knows nothing of the extension's code. It keeps orders, their lines, payments and operations as plain objects,
and says of each statement whether it is refused, and with which SQLSTATEs, or what it leaves behind.

Vocabulary
    fault       (SQLSTATE, why). A statement that breaks a rule has at least one. Where a statement breaks several,
                the rules do not say which of them is told first, so each of them is as good as another.
    attempt     a payment that is not decided: created, processing, requires_action or unknown
    live        authorised and not yet captured; an order's authorized_amount is the sum of it
    outstanding what is still to be paid
    due         owed back to the customer (refund_due_amount)
    pending     an operation that is requested, processing or unknown; done: succeeded; otherwise it counts for nothing
    label       the name of a payment or operation here and in the last digits of its uuid; 0 is the manual payment

Objects are never changed once a statement is over: a statement works on a clone of its order. So a savepoint is a
shallow copy of the dictionary of orders.
"""

import itertools
from decimal import Decimal, ROUND_HALF_UP

EXPONENT = {"USD": 2, "JPY": 0, "KWD": 3, "POINTS.0": 0, "BTC.8": 8}

ORDER_GRAPH = {
    "pending": {"authorized", "paid", "cancelled", "expired"},
    "authorized": {"pending", "paid", "shipped", "cancelled"},
    "paid": {"shipped", "completed", "cancelled", "refunded"},
    "shipped": {"completed", "cancelled", "refunded"},
    "completed": {"refunded"},
    "cancelled": set(),
    "expired": set(),
    "refunded": set(),
}
ORDER_BIRTHS = {"pending"}
DEAD = {"cancelled", "expired", "refunded"}

ATTEMPT = ("created", "processing", "requires_action", "unknown")
PAYMENT_GRAPH = {
    "created": {"processing", "requires_action", "authorized", "succeeded", "failed", "revoked"},
    "processing": {"requires_action", "unknown", "authorized", "succeeded", "failed", "revoked"},
    "requires_action": {"processing", "unknown", "authorized", "succeeded", "failed", "revoked"},
    "unknown": {"processing", "requires_action", "authorized", "succeeded", "failed", "revoked"},
    "authorized": {"succeeded", "revoked"},
    "succeeded": set(),
    "failed": {"authorized", "succeeded"},
    "revoked": {"authorized", "succeeded"},
}
PAYMENT_BIRTHS = {"created", "processing", "requires_action", "authorized", "succeeded"}
APP_PAYMENT_BIRTHS = {"created", "processing", "requires_action"}

OPERATION_GRAPH = {
    "requested": {"processing", "succeeded", "failed", "unknown", "cancelled"},
    "processing": {"succeeded", "failed", "unknown", "cancelled"},
    "unknown": {"processing", "succeeded", "failed"},
    "failed": {"processing", "succeeded"},
    "cancelled": {"succeeded"},
    "succeeded": {"reversed"},
    "reversed": set(),
}
OPERATION_BIRTHS = {"requested", "processing", "succeeded"}
KINDS = ("capture", "void", "refund", "chargeback")

ZERO = Decimal(0)
MANUAL = 0

# columns that the server keeps: a direct write is refused unless it is NULL, 0 or what is stored
ORDER_DERIVED = {
    "authorized_amount": "authorized",
    "paid_amount": "paid",
    "refunded_amount": "refunded",
    "charged_back_amount": "charged_back",
    "refund_due_amount": "due",
    "version": "version",
    "item_count": "item_count",
}
PAYMENT_DERIVED = {
    "capture_pending_amount": "capture_pending",
    "captured_amount": "captured",
    "refund_pending_amount": "refund_pending",
    "refunded_amount": "refunded",
    "charged_back_amount": "charged_back",
}


def class_of(status):
    """pending, done or none."""
    if status in ("requested", "processing", "unknown"):
        return "pending"
    return "done" if status == "succeeded" else "none"


def is_amount(value, currency):
    """Finite, and no more decimals than the currency has."""
    return value.is_finite() and value == round(value, EXPONENT[currency])


def is_price(price, quantity):
    """What orders and lines accept; NULL is left to their NOT NULL."""
    return ((price is None or price.is_finite() and price >= 0)
            and (quantity is None or quantity.is_finite() and quantity > 0))


class Fault(Exception):
    """A statement that breaks a rule; faults: the set of (SQLSTATE, why)."""

    def __init__(self, *faults):
        super().__init__(*faults)
        self.faults = set(faults)


class Row:
    """Something with fields that can be cloned."""

    __slots__ = ()

    def clone(self):
        twin = object.__new__(type(self))
        for name in self.__slots__:
            value = getattr(self, name)
            if type(value) is dict:
                value = {k: v.clone() if isinstance(v, Row) else v for k, v in value.items()}
            elif type(value) in (list, set):
                value = value.copy()
            setattr(twin, name, value)
        return twin


class Line(Row):
    __slots__ = ("kind", "quantity", "price")

    def __init__(self, kind, quantity, price):
        self.kind, self.quantity, self.price = kind, quantity, price

    @property
    def amount(self):
        return -self.quantity * self.price if self.kind == "discount" else self.quantity * self.price


class Payment(Row):
    __slots__ = ("label", "gateway", "method", "amount", "currency", "split", "status", "key", "authorized",
                 "capture_pending", "captured", "refund_pending", "refunded", "charged_back", "fee", "stamps", "expired")

    def __init__(self, label, gateway, method, amount, currency, split=False, key=None, fee=ZERO):
        self.label, self.gateway, self.method = label, gateway, method
        self.amount, self.currency, self.split, self.key, self.fee = amount, currency, split, key, fee
        self.status = None
        self.authorized = self.capture_pending = self.captured = ZERO
        self.refund_pending = self.refunded = self.charged_back = ZERO
        self.stamps = set()
        self.expired = False  # its authorisation lapsed: capture_before is past

    @property
    def live(self):
        return max(ZERO, self.authorized - self.captured) if self.status == "authorized" else ZERO

    @property
    def net(self):
        return self.captured - self.refunded - self.charged_back - self.fee if self.captured > 0 else ZERO

    def faults(self):
        found = set()
        if min(self.authorized, self.capture_pending, self.refund_pending, self.refunded, self.charged_back) < 0:
            found.add(("23514", "payment: an amount below zero"))
        if self.captured > max(self.amount, self.authorized):
            found.add(("23514", "payment: captured more than its amount"))
        if max(self.refunded, self.charged_back) > self.captured:
            found.add(("23514", "payment: gave back more than was captured"))
        if not is_amount(self.authorized, self.currency):
            found.add(("23514", "payment: authorized_amount is no amount"))
        return found


class Operation(Row):
    __slots__ = ("label", "payment", "kind", "amount", "currency", "obligatory", "status", "key", "stamps")

    def __init__(self, label, payment, kind, amount, currency, key=None):
        self.label, self.payment, self.kind = label, payment, kind
        self.amount, self.currency, self.key = amount, currency, key
        self.obligatory = ZERO
        self.status = None
        self.stamps = set()


class Order(Row):
    __slots__ = ("order_id", "customer", "price", "quantity", "currency", "key", "total", "lines", "status",
                 "authorized", "paid", "refunded", "charged_back", "due", "stamps", "payments", "operations", "events")

    def __init__(self, order_id, customer, price, quantity, currency, key):
        self.order_id, self.customer, self.price, self.quantity = order_id, customer, price, quantity
        self.currency, self.key = currency, key
        self.lines, self.payments, self.operations = {}, {}, {}
        self.total = self.product()
        self.status = "pending"
        self.authorized = self.paid = self.refunded = self.charged_back = self.due = ZERO
        self.stamps = set()
        self.events = []

    # ---------- what can be read off an order ----------

    @property
    def item_count(self):
        return len(self.lines)

    @property
    def version(self):
        return len(self.events)

    @property
    def is_dead(self):
        return self.status in DEAD

    @property
    def held(self):
        return self.paid - self.refunded - self.charged_back

    def product(self):
        return None if self.price is None or self.quantity is None else self.price * self.quantity

    def outstanding(self):
        if self.total is None:
            return None
        if self.status in ("pending", "authorized") or self.status == "shipped" and "paid" not in self.stamps:
            return max(ZERO, self.total - self.held + self.due)
        if self.status == "shipped":
            return max(ZERO, self.total - self.paid + self.due)
        return ZERO

    def room(self):
        """What a capture may bring without a surplus: what pays again for what was charged back is none."""
        if self.status in ("pending", "authorized") or self.status == "shipped" and "paid" not in self.stamps:
            return self.outstanding()
        return max(ZERO, self.total - self.paid + self.charged_back + self.due)

    def is_frozen(self):
        return (self.status != "pending" or self.held != 0
                or any(p.status in ATTEMPT or p.status == "authorized" for p in self.payments.values()))

    def faults(self):
        found = set()
        unborn = self.status in ("expired", "cancelled", "pending")
        if self.total is None:
            if not unborn:
                found.add(("23514", "order: total unknown"))
        else:
            if not is_amount(self.total, self.currency):
                found.add(("23514", "order: total is no amount"))
            if self.total < 0 and not unborn:
                found.add(("23514", "order: total below zero"))
        if min(self.authorized, self.refunded, self.charged_back, self.due) < 0:
            found.add(("23514", "order: an amount below zero"))
        if max(self.refunded, self.charged_back) > self.paid:
            found.add(("23514", "order: gave back more than was paid"))
        if self.is_dead and self.due != max(ZERO, self.held):
            found.add(("23514", "order: something is kept for a dead order"))
        if (self.status in ("paid", "completed") and self.total != 0
                and self.paid - self.refunded - self.due <= 0):
            found.add(("23514", "order: no money is held"))
        return found

    # ---------- events and moves ----------

    def record(self, entity, label, from_status, to_status, amount=None, late=False):
        self.events.append((entity, label, from_status, to_status, amount, late))

    def enter(self, status):
        """A move of the order, which is legal or forced by money."""
        if status == self.status:
            return
        self.record("order", None, self.status, status)
        self.status = status
        if status != "pending":
            self.stamps.add(status)

    # ---------- what money does to an order ----------

    def settle(self):
        """The order's status and due follow what has just happened."""
        if not self.is_dead:
            self.due = min(self.due, max(ZERO, self.held))
        if self.status in ("pending", "authorized") and self.total is None:
            self.due = ZERO  # of what nobody knows nothing is too much
        if self.status in ("pending", "authorized") and self.total is not None and self.total >= 0:
            # a refund that is reversed paid a due that was measured by the total of its time
            self.due = min(self.due, max(ZERO, self.held - self.total))
            outstanding = self.outstanding()
            if outstanding == 0:
                if self.total > 0 or self.paid > 0:
                    self.enter("paid")
            else:
                self.enter("authorized" if self.authorized >= outstanding else "pending")
        if (self.total is not None and self.total > 0 and self.paid - self.refunded - self.due <= 0
                and (self.status in ("paid", "completed") or self.status == "shipped" and self.outstanding() == 0)):
            self.enter("refunded")
        self.tidy()

    def tidy(self):
        """What holds whichever statement got the order where it is."""
        if self.is_dead:
            self.due = max(ZERO, self.held)
        if self.status == "shipped" and self.outstanding() == 0:
            self.stamps.add("paid")

    def payment_changed(self, live, captured):
        """A payment's live authorisation and captured amount changed by these, which may be nothing."""
        if captured != 0 and self.total is not None:
            self.due += max(ZERO, captured - self.room())
        self.authorized += live
        self.paid += captured
        self.settle()

    def given_back(self, kind, amount, obligatory):
        """A refund or chargeback succeeded."""
        if kind == "refund":
            self.refunded += amount
        else:
            self.charged_back += amount
        self.due = max(ZERO, self.due - obligatory)
        self.settle()

    def taken_back(self, kind, amount, obligatory):
        """A refund failed after all, or a dispute was won."""
        if kind == "refund":
            self.refunded -= amount
        else:
            self.charged_back -= amount
        self.due += obligatory
        if self.total is not None and not self.is_dead:
            self.due += max(ZERO, min(amount - obligatory, self.held - self.due - self.total))
        self.settle()

    def total_became(self, total):
        was_unknown = self.total is None and total is not None
        self.total = total
        if was_unknown:
            if self.status == "pending" and self.paid > 0:
                self.due += max(ZERO, self.held - self.due - total)
            self.settle()

    def uncovered_due(self):
        pending = [op for op in self.operations.values() if op.kind == "refund" and class_of(op.status) == "pending"]
        if self.is_dead:
            return max(ZERO, self.due - sum(op.amount for op in pending))
        return max(ZERO, self.due - sum(op.obligatory for op in pending))


# ---------------------------------------------------------------- payments


def move_payment(order, payment, to, authorized=None):
    """The payment gets a new status or another authorisation, and captures or lapses with it. Its event goes before the
    order's."""
    live, captured, before = payment.live, payment.captured, payment.status
    if authorized is not None:
        payment.authorized = authorized
    if to != payment.status:
        if to == "authorized" and payment.authorized == 0:
            payment.authorized = payment.amount
        if to == "succeeded":
            payment.captured = max(payment.captured, payment.authorized if payment.authorized > 0 else payment.amount)
        set_payment_status(order, payment, to)
    if to != before or payment.live != live:
        order.payment_changed(payment.live - live, payment.captured - captured)


def set_payment_status(order, payment, to):
    before = payment.status
    if before == to:
        return
    late = before in ("failed", "revoked") and to in ("authorized", "succeeded")
    order.record("payment", payment.label, before, to, payment.amount, late)
    payment.status = to
    payment.stamps.add(to)


# ---------------------------------------------------------------- operations


def move_operation(order, op, to):
    """The operation enters a status, from none if it is new, with all that follows."""
    payment = order.payments[op.payment]
    before, after = class_of(op.status) if op.status else "none", class_of(to)
    late = op.status in ("failed", "cancelled") and to == "succeeded"
    gives_back = op.kind in ("refund", "chargeback")
    faults = set()

    if gives_back and after == "done" and payment.captured == 0:
        move_payment(order, payment, "succeeded")
    if op.kind == "refund" and before == "none" and after != "none" or op.kind == "chargeback" and after == "done":
        op.obligatory = min(op.amount, order.uncovered_due())
    if before == "none" and after == "pending" and not may_request(payment, op):
        faults.add(("OP005", f"{op.kind}: more than is left"))

    order.record("operation", op.label, op.status, to, op.amount, late)
    op.status = to
    op.stamps.add(to)
    pending = op.amount * ((after == "pending") - (before == "pending"))
    if op.kind == "refund":
        payment.refund_pending += pending
    elif op.kind in ("capture", "void"):
        payment.capture_pending += pending
    if before != "done" and after == "done":
        apply_operation(order, payment, op)
    elif before == "done" and after != "done":
        if op.kind == "refund":
            payment.refunded -= op.amount
        else:
            payment.charged_back -= op.amount
        order.taken_back(op.kind, op.amount, op.obligatory)
    else:
        order.settle()
    return faults


def may_request(payment, op):
    if op.kind == "refund":
        return payment.refund_pending + payment.refunded + payment.charged_back + op.amount <= payment.captured
    if op.kind == "capture":
        return (payment.status == "authorized"
                and payment.capture_pending + payment.captured + op.amount <= payment.authorized)
    if op.kind == "void":
        return op.amount == payment.live - payment.capture_pending  # all that is left
    return True


def apply_operation(order, payment, op):
    """The operation succeeded."""
    live = payment.live
    if op.kind == "capture":
        payment.captured += op.amount
        set_payment_status(order, payment, status_after_capture(payment))
        order.payment_changed(payment.live - live, op.amount)
    elif op.kind == "void":
        if payment.status == "authorized":
            set_payment_status(order, payment, "succeeded" if payment.captured > 0 else "revoked")
        elif payment.status in ATTEMPT:
            set_payment_status(order, payment, "revoked")
        order.payment_changed(payment.live - live, ZERO)
    else:
        if op.kind == "refund":
            payment.refunded += op.amount
        else:
            payment.charged_back += op.amount
        order.given_back(op.kind, op.amount, op.obligatory)


def status_after_capture(payment):
    """What was never authorised is so by being captured."""
    if payment.authorized == 0:
        payment.authorized = payment.amount
    if payment.status in ATTEMPT or payment.status == "authorized":
        return "authorized" if payment.captured < payment.authorized else "succeeded"
    return "succeeded"


# ---------------------------------------------------------------- statements


class Store:
    """The orders of a sequence. Each method is a statement: it returns the number of its rows, or raises Fault."""

    def __init__(self, fees=()):
        self.orders = {}
        self.fees = fees  # of (gateway, method, currency, rate, fixed): what counts today

    def snapshot(self):
        return dict(self.orders)

    def restore(self, snapshot):
        self.orders = dict(snapshot)

    def execute(self, step):
        """(faults, rows) of a step; the store changes only if there are no faults."""
        name, args = step
        saved = self.orders
        self.orders = dict(saved)
        try:
            rows = getattr(self, name)(**args)
            return frozenset(), rows
        except Fault as fault:
            self.orders = saved
            return frozenset(fault.faults), 0

    def refuses(self, step):
        saved = self.snapshot()
        faults, _ = self.execute(step)
        self.restore(saved)
        return bool(faults)

    def open(self, order_id):
        """A clone of the order to work on, or None."""
        order = self.orders.get(order_id)
        if order is not None:
            order = self.orders[order_id] = order.clone()
        return order

    # ---------- orders ----------

    def insert_order(self, order_id, role, price, quantity=Decimal(1), currency="USD", customer=1, key=None,
                     status="pending", derived=None, skip_conflict=False):
        faults = set()
        if not is_price(price, quantity):
            raise Fault(("23514", "order: price or quantity"), *[("OP003", "a derived column")] * (derived is not None))
        order = Order(order_id, customer, price, quantity, currency, key)
        if derived is not None:
            column, value = derived
            now = getattr(order, ORDER_DERIVED.get(column, "total"))
            if value is not None and value != now and not (value == 0 and column in ORDER_DERIVED):
                faults.add(("OP003", f"orders.{column}"))
        faults |= order.faults()
        if status not in ORDER_BIRTHS:
            faults.add(("OP001", "birth of an order"))
            if order.total is None and status not in ("expired", "cancelled"):
                faults.add(("23514", "order: total unknown"))
        taken = order_id in self.orders or key is not None and any(
            (o.customer, o.key) == (customer, key) for o in self.orders.values())
        if taken and skip_conflict and not faults - {("OP001", "birth of an order")}:
            return 0
        if taken:
            faults.add(("23505", "order"))
        if faults:
            raise Fault(*faults)
        order.record("order", None, None, "pending")
        self.orders[order_id] = order
        return 1

    def move_order(self, order_id, role, to):
        order = self.open(order_id)
        if order is None:
            return 0
        if to == order.status:
            return 1
        if to not in ORDER_GRAPH[order.status]:
            raise Fault(("OP001", f"order: {order.status} to {to}"))
        if to in ("authorized", "paid", "shipped", "completed", "refunded") and (order.total is None or order.total < 0):
            raise Fault(("OP006", f"{to}: total unknown or below zero"))
        getattr(self, "to_" + to)(order, role)
        self.check(order)
        return 1

    @staticmethod
    def to_pending(order, role):
        order.enter("pending")

    @staticmethod
    def to_authorized(order, role):
        outstanding = order.outstanding()
        if not order.authorized >= outstanding > 0:
            raise Fault(("OP006", "authorized: not covered"))
        order.enter("authorized")

    def to_paid(self, order, role):
        outstanding = order.outstanding()
        if outstanding > 0:
            if role == "app":
                raise Fault(("OP004", "manual payment"))
            order.paid += outstanding
        order.enter("paid")
        if outstanding > 0:
            payment = Payment(MANUAL, "manual", None, outstanding, order.currency)
            payment.captured = outstanding
            payment.fee = self.fee_of("manual", None, outstanding, order.currency)
            order.payments[MANUAL] = payment
            set_payment_status(order, payment, "succeeded")

    @staticmethod
    def to_shipped(order, role):
        if order.status == "paid":
            if not (order.held > 0 or order.total == 0):
                raise Fault(("OP006", "shipped: nothing is held"))
        else:
            cover = sum(p.live for p in order.payments.values() if not p.expired)
            if cover < order.outstanding():
                raise Fault(("OP006", "shipped: not covered"))
        order.enter("shipped")
        order.tidy()

    @staticmethod
    def to_completed(order, role):
        if order.outstanding() != 0:
            raise Fault(("OP006", "completed: outstanding"))
        order.enter("completed")

    @staticmethod
    def to_refunded(order, role):
        if order.held != 0:
            raise Fault(("OP006", "refunded: money is held"))
        order.enter("refunded")
        order.tidy()

    @staticmethod
    def to_cancelled(order, role):
        order.enter("cancelled")
        order.tidy()

    @staticmethod
    def to_expired(order, role):
        order.enter("expired")
        order.tidy()

    def write_order(self, order_id, role, column, value):
        """A direct write to a column that the server keeps, or to the key."""
        order = self.open(order_id)
        if order is None:
            return 0
        if column == "order_id":
            raise Fault(("OP003", "orders.order_id"))
        now = order.total if column == "total_amount" else getattr(order, ORDER_DERIVED[column])
        if value is not None and value != now and not (value == 0 and column in ORDER_DERIVED):
            raise Fault(("OP003", f"orders.{column}"))
        return 1

    def price_order(self, order_id, role, price, quantity):
        order = self.open(order_id)
        if order is None:
            return 0
        faults = set()
        if not is_price(price, quantity):
            faults.add(("23514", "order: price or quantity"))
            if order.total is not None and order.is_frozen():
                faults.add(("OP006", "total is frozen"))
            raise Fault(*faults)
        order.price, order.quantity = price, quantity
        if not order.lines and order.product() != order.total:
            if order.total is not None and order.is_frozen():
                faults.add(("OP006", "total is frozen"))
            if not faults:
                order.total_became(order.product())
            else:
                order.total = order.product()
        self.check(order, faults)
        return 1

    def currency_order(self, order_id, role, currency):
        order = self.open(order_id)
        if order is None:
            return 0
        faults = set()
        if currency != order.currency and order.payments:
            faults.add(("OP006", "currency is frozen"))
        order.currency = currency
        self.check(order, faults)
        return 1

    # ---------- lines ----------

    def insert_lines(self, order_id, role, lines):
        """lines: of (line_no, kind, quantity, price), one statement."""
        order = self.open(order_id)
        if order is None:
            raise Fault(("23503", "line of no order"))
        faults = set()
        for line_no, kind, quantity, price in lines:
            if not is_price(price, quantity):
                raise Fault(("23514", "line: price or quantity"), ("23505", "line"))
            if line_no in order.lines:
                faults.add(("23505", "line"))
            order.lines[line_no] = Line(kind, quantity, price)
        if not faults and order.total is None and not order.is_frozen():
            # each line counts by itself; in a frozen order whose total is unknown, the first one counts for all
            sums = itertools.accumulate((order.lines[line[0]].amount for line in lines[:-1]), initial=ZERO)
            for total in itertools.islice(sums, 1, None):
                order.total_became(total)
        self.lines_changed(order, True, faults)
        return len(lines)

    def update_line(self, order_id, role, line_no, quantity, price):
        order = self.open(order_id)
        if order is None or line_no not in order.lines:
            return 0
        faults = set()
        line = order.lines[line_no]
        before = line.amount
        if not is_price(price, quantity):
            raise Fault(("23514", "line: price or quantity"))
        line.quantity, line.price = quantity, price
        self.lines_changed(order, line.amount != before, faults)
        return 1

    def delete_lines(self, order_id, role, line_no=None):
        """One line, or all."""
        order = self.open(order_id)
        gone = [] if order is None else [n for n in order.lines if line_no in (None, n)]
        if not gone:
            return 0
        for n in gone:
            del order.lines[n]
        self.lines_changed(order, True, set())
        return len(gone)

    def lines_changed(self, order, changed, faults):
        if changed and order.total is not None and order.is_frozen():
            faults.add(("OP006", "lines are frozen"))
        total = sum((line.amount for line in order.lines.values()), ZERO) if order.lines else order.product()
        if faults:
            order.total = total
        elif total != order.total:
            order.total_became(total)
        self.check(order, faults)

    # ---------- payments ----------

    def fee_of(self, gateway, method, amount, currency):
        for wanted in (method, "*"):
            for fee_gateway, fee_method, fee_currency, rate, fixed in self.fees:
                if (fee_gateway, fee_method, fee_currency) == (gateway, wanted, currency):
                    unit = Decimal(1).scaleb(-EXPONENT[currency])
                    return (amount * rate + fixed).quantize(unit, ROUND_HALF_UP)
        return ZERO

    def insert_payment(self, order_id, role, label, amount, status="created", gateway="acme", method=None, currency=None,
                       split=False, key=None, authorized=None, fee=None, lapsed=False, skip_conflict=False):
        order = self.open(order_id)
        faults = set()
        if role == "app" and (status not in APP_PAYMENT_BIRTHS or lapsed):
            faults.add(("OP004", f"payment born {status}"))
        if order is None:
            raise Fault(("23503", "payment of no order"), *faults)
        if not (is_amount(amount, currency or order.currency) and amount > 0):
            faults.add(("23514", "payment: amount"))
        if authorized is not None and not is_amount(authorized, currency or order.currency):
            faults.add(("23514", "payment: authorized_amount is no amount"))
        early = bool(faults)  # what is wrong with the row itself; the rest is told once it is in the table
        if currency is not None and currency != order.currency:
            faults.add(("23514", "payment: currency"))
        currency = order.currency
        born_wrong = status not in PAYMENT_BIRTHS
        taken = (label in order.payments or key is not None and any(p.key == key for p in order.payments.values())
                 or status in ATTEMPT and not split
                 and any(p.status in ATTEMPT and not p.split for p in order.payments.values()))
        if taken and skip_conflict and not early:
            return 0
        if taken:
            faults.add(("23505", "payment"))
        if born_wrong:
            faults.add(("OP001", f"payment born {status}"))
        if faults:
            raise Fault(*faults)
        payment = Payment(label, gateway, method, amount, currency, split, key)
        payment.fee = fee if fee is not None else self.fee_of(gateway, method, amount, currency)
        payment.expired = lapsed
        order.payments[label] = payment
        move_payment(order, payment, status, authorized)
        self.check(order, payment.faults())
        return 1

    def move_payment(self, order_id, role, label, to, authorized=None, form="update"):
        order = self.open(order_id)
        if order is None or label not in order.payments:
            return 0
        payment = order.payments[label]
        faults = set()
        if to != payment.status:
            if role == "app" and not (payment.status in APP_PAYMENT_BIRTHS and to in APP_PAYMENT_BIRTHS
                                      or (payment.status, to) == ("created", "revoked")):
                faults.add(("OP004", f"payment: {payment.status} to {to}"))
            if to not in PAYMENT_GRAPH[payment.status]:
                faults.add(("OP001", f"payment: {payment.status} to {to}"))
        if authorized is not None and authorized != payment.authorized:
            if role == "app":
                faults.add(("OP004", "payments.authorized_amount"))
            if to != "authorized":
                faults.add(("OP003", "payments.authorized_amount goes with that status"))
            if not is_amount(authorized, payment.currency):
                faults.add(("23514", "payment: authorized_amount is no amount"))
        if faults:
            raise Fault(*faults)
        move_payment(order, payment, to, authorized)
        self.check(order, payment.faults())
        return 1

    def give_up_payment(self, order_id, role, label):
        """Somebody has to speak with the customer: an event, the first time."""
        order = self.open(order_id)
        if order is None or label not in order.payments:
            return 0
        payment = order.payments[label]
        if "contact_needed" not in payment.stamps:
            payment.stamps.add("contact_needed")
            order.record("payment", label, payment.status, "customer_contact_needed", payment.amount)
            order.settle()
        self.check(order)
        return 1

    def write_payment(self, order_id, role, label, column, value):
        order = self.open(order_id)
        if order is None or label not in order.payments:
            return 0
        payment = order.payments[label]
        if column in PAYMENT_DERIVED:
            if value is not None and value != getattr(payment, PAYMENT_DERIVED[column]) and value != 0:
                raise Fault(("OP003", f"payments.{column}"))
        elif column == "fee":
            if value != payment.fee:
                if role == "app":
                    raise Fault(("OP004", "payments.fee"))
                if not is_amount(value, payment.currency):
                    raise Fault(("23514", "payment: fee"))
                payment.fee = value
        elif value != getattr(payment, {"request_key": "key", "payment_id": "label"}.get(column, column)):
            raise Fault(("OP003", f"payments.{column}"))
        return 1

    # ---------- operations ----------

    def insert_operations(self, order_id, role, rows, skip_conflict=False):
        """rows: of (label, payment, kind, amount, currency, status, key), one statement."""
        order = self.open(order_id)
        if order is None:
            raise Fault(("23503", "operation of no order"), *itertools.chain.from_iterable(
                self.app_faults(role, kind, status) for _, _, kind, _, _, status, _ in rows))
        done, faults, wrong = 0, set(), []
        for row in rows:
            try:
                done += self.insert_operation(order, role, skip_conflict, *row)
            except Fault as fault:
                # what is wrong with a later row may be told before what an earlier one does to its payment
                faults |= fault.faults
                wrong.append(row)
            if not skip_conflict and any(row[-1] is not None and row[-1] == w[-1] for w in wrong if w is not row):
                faults.add(("23505", "operation"))  # the wrong one was stored before that was told
        self.check(order, faults)
        return done

    @staticmethod
    def app_faults(role, kind, status):
        """An application may request what is not the bank's."""
        if role == "app" and not (status == "requested" and kind != "chargeback"):
            return {("OP004", f"{kind} born {status}")}
        return set()

    @staticmethod
    def insert_operation(order, role, skip_conflict, label, payment_label, kind, amount, currency, status, key):
        payment = order.payments.get(payment_label)
        faults = Store.app_faults(role, kind, status)
        if payment is None:
            raise Fault(("23503", "operation of no payment"), *faults,
                        *[("23502", "operation: amount")] * (amount is None))
        if kind == "void":
            rest = payment.live - payment.capture_pending
            if amount is None:
                amount = rest if rest > 0 else payment.amount
        if not (is_amount(amount, currency or payment.currency) and amount > 0):
            faults.add(("23514", "operation: amount"))
            if class_of(status) == "pending":
                faults.add(("OP005", "no amount"))
            raise Fault(*faults)
        if status == "reversed" and kind in ("capture", "void"):
            faults.add(("23514", "operation: reversed"))
        taken = label in order.operations or key is not None and any(o.key == key for o in order.operations.values())
        if taken and skip_conflict and not {code for code, _ in faults} - {"OP005"}:
            return 0  # nothing is asked for, so nothing need be left
        if currency is not None and currency != payment.currency:
            faults.add(("23514", "operation: currency"))
        if taken:
            faults.add(("23505", "operation"))
        if status not in OPERATION_BIRTHS:
            faults.add(("OP001", f"operation born {status}"))
        op = Operation(label, payment_label, kind, amount, payment.currency, key)
        if class_of(status) == "pending" and not may_request(payment, op):
            faults.add(("OP005", f"{kind}: more than is left"))
        if faults:
            raise Fault(*faults)
        move_operation(order, op, status)
        order.operations[label] = op
        if payment.faults():
            raise Fault(*payment.faults())
        return 1

    def move_operation(self, order_id, role, label, to, form="update"):
        order = self.open(order_id)
        if order is None or label not in order.operations:
            return 0
        op = order.operations[label]
        if to == op.status:
            return 1
        faults = set()
        if role == "app" and (op.status, to) != ("requested", "cancelled"):
            faults.add(("OP004", f"operation: {op.status} to {to}"))
        if to not in OPERATION_GRAPH[op.status]:
            faults.add(("OP001", f"operation: {op.status} to {to}"))
        if to == "reversed" and op.kind in ("capture", "void"):
            faults.add(("23514", "operation: reversed"))
        if faults:
            raise Fault(*faults)
        faults = move_operation(order, op, to)
        self.check(order, faults | order.payments[op.payment].faults())
        return 1

    def write_operation(self, order_id, role, label, column, value):
        order = self.open(order_id)
        if order is None or label not in order.operations:
            return 0
        op = order.operations[label]
        now = getattr(op, {"request_key": "key", "obligatory_amount": "obligatory", "payment_id": "payment",
                           "operation_id": "label"}.get(column, column))
        if value != now and not (column == "obligatory_amount" and (value is None or value == 0)):
            raise Fault(("OP003", f"payment_operations.{column}"))
        return 1

    # ---------- deleting ----------

    def delete_row(self, order_id, role, table, label=None):
        if role != "owner":
            raise Fault(("42501", f"DELETE of {table}"))
        order = self.orders.get(order_id)
        if order is None:
            return 0
        if table == "orders":
            raise Fault(("23503", "order with a history"))
        if label not in getattr(order, "payments" if table == "payments" else "operations"):
            return 0
        raise Fault(("OP003", f"DELETE of {table}"))

    # ---------- the end of a statement ----------

    @staticmethod
    def check(order, faults=frozenset()):
        faults = set(faults) | order.faults()
        if faults:
            raise Fault(*faults)


# ---------------------------------------------------------------- what must hold, whatever happens


def violations(order):
    """Rules that the state of an order breaks: a fault of the rules themselves, if the model got there."""
    payments, operations = order.payments.values(), order.operations.values()

    def total(kind, *classes):
        return sum((o.amount for o in operations if o.kind == kind and class_of(o.status) in classes), ZERO)

    found = []
    if order.paid != sum(p.captured for p in payments):
        found.append("paid is not the sum of captured")
    if order.authorized != sum(p.live for p in payments):
        found.append("authorized is not the sum of live")
    if order.refunded != total("refund", "done") or order.charged_back != total("chargeback", "done"):
        found.append("given back is not the sum of operations")
    if any(p.captured > 0 and p.currency != order.currency for p in payments):
        found.append("captured in another currency")
    if any(p.live < 0 for p in payments):
        found.append("a payment's live authorisation is below zero")
    if order.due < 0:
        found.append("due is below zero")
    if order.due > max(ZERO, order.held):
        found.append("more is due than is held")
    if order.total is not None and not order.is_dead:
        if order.held - order.due > max(ZERO, order.total):
            found.append("more is kept than the total")
    if order.status == "pending" and order.total is not None and order.total > 0 and order.outstanding() == 0:
        found.append("nothing is outstanding, and the order is pending")
    if order.status == "authorized" and order.outstanding() == 0:
        found.append("nothing is outstanding, and the order is authorized")
    if order.status in ("paid", "completed") and order.total > 0 and order.paid - order.refunded - order.due <= 0:
        found.append("an order that keeps nothing is not refunded")
    return found


def refused_facts(step, faults):
    """What happened to money is recorded, whatever the order's state: no rule of the order itself may refuse it."""
    if step[0] not in ("insert_payment", "move_payment", "insert_operations", "move_operation"):
        return []
    if any(not why.startswith("order:") for _, why in faults):
        return []  # refused for what it says itself
    return [why for _, why in faults]
