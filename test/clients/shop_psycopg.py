#!/usr/bin/env python3
"""
A shop by way of psycopg 3: parameters and results in text and in binary, lists of
statuses, an enumeration of Python for a status, pipelines, savepoints, COPY, rows
as objects, and what is refused.

Prints a line for each check, "ok" or "not ok" and its name, at last how many they
were. The server and the database are those of the PG* variables; it has a store
`shop` as the README makes it.
"""
import asyncio
import enum
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types import TypeInfo
from psycopg.types.string import StrBinaryDumper, StrDumper, TextBinaryLoader, TextLoader

PATH = '-c search_path=shop,order_payment'
checks = 0


def check(name, got, wanted):
    global checks
    checks += 1
    print(('ok ' if got == wanted else 'not ok ') + name)
    if got != wanted:
        print(f'# got {got!r}, wanted {wanted!r}')
    sys.stdout.flush()


def refusal(execute, *arguments, **options):
    """The SQLSTATE and class of what is refused."""
    try:
        execute(*arguments, **options)
    except psycopg.Error as error:
        return error.sqlstate, type(error).__name__
    return None


app = psycopg.connect(user='shop_app', options=PATH, autocommit=True, prepare_threshold=0)
gateway = psycopg.connect(user='shop_gateway', options=PATH, autocommit=True)


def new_order(price=10, connection=app):
    return connection.execute('INSERT INTO orders (customer_id, quantity, price) VALUES (%s, %s, %s) RETURNING order_id', [7, 1, price]).fetchone()[0]


def status_of(order):
    return app.execute('SELECT status FROM orders WHERE order_id = %s', [order]).fetchone()[0]


def paid_order(price=10):
    order = new_order(price)
    gateway.execute("INSERT INTO payments (order_id, gateway, amount, status) VALUES (%s, 'acme', %s, 'succeeded')", [order, price])
    return order


# ---------- parameters and results ----------

def parameters():
    for name, style in (('as the driver likes', '%s'), ('text', '%t'), ('binary', '%b')):
        order = app.execute(f'INSERT INTO orders (customer_id, price, status) VALUES (%s, %s, {style}) RETURNING order_id', [7, Decimal('19.90'), 'pending']).fetchone()[0]
        app.execute(f'UPDATE orders SET status = {style} WHERE order_id = %s', ['cancelled', order])
        check(f'a status is written, {name}', status_of(order), 'cancelled')
    order = new_order()
    check('a status is compared with %s', app.execute('SELECT count(*) FROM orders WHERE order_id = %s AND status = %s', [order, 'pending']).fetchone(), (1,))
    # %b says that it is text, for which there is no operator: an enum is no different
    check('with %b it wants a cast', refusal(app.execute, 'SELECT FROM orders WHERE status = %b', ['pending']), ('42883', 'UndefinedFunction'))
    check('and goes with it', app.execute('SELECT count(*) FROM orders WHERE order_id = %s AND status = %b::order_status', [order, 'pending']).fetchone(), (1,))
    check('so does an order of statuses', app.execute('SELECT count(*) FROM orders WHERE order_id = %s AND status < %b::order_status', [order, 'paid']).fetchone(), (1,))
    for style in ('%s', '%t', '%s::order_status[]', '%b::order_status[]'):
        check(f'a list of statuses, ANY({style})', app.execute(f'SELECT count(*) FROM orders WHERE order_id = %s AND status = ANY({style})', [order, ['pending', 'authorized']]).fetchone(), (1,))
    check('a status that is none', refusal(app.execute, 'SELECT FROM orders WHERE status = %s', ['sent']), ('22P02', 'InvalidTextRepresentation'))
    check('nor in binary', refusal(app.execute, 'SELECT %b::order_status', ['sent']), ('22P02', 'InvalidTextRepresentation'))

    # a plan that is kept, until it is a generic one
    seen = [app.execute('SELECT count(*) FROM orders WHERE order_id = %s AND status = %s', [order, status], prepare=True).fetchone()[0]
            for status in ('pending', 'paid') * 8]
    kept = app.execute('SELECT generic_plans > 0 FROM pg_prepared_statements WHERE statement LIKE %s', ['%count(*) FROM orders WHERE order_id = $1 AND status = $2']).fetchall()
    check('prepared, with a generic plan', (seen, (True,) in kept), ([1, 0] * 8, True))


class OrderStatus(str, enum.Enum):
    """The labels that are used here."""
    PENDING = 'pending'
    PAID = 'paid'
    SHIPPED = 'shipped'


def registered():
    """An enumeration of Python for the type, and its arrays; both forms."""
    with psycopg.connect(user='shop_app', options=PATH, autocommit=True) as connection:
        check('without a loader text is str', connection.execute('SELECT status FROM orders LIMIT 1').fetchone()[0] in ('pending', 'cancelled'), True)
        check('and binary is bytes', connection.execute("SELECT 'paid'::order_status", binary=True).fetchone(), (b'paid',))

        info = TypeInfo.fetch(connection, 'order_payment.order_status')
        info.register(connection)  # for its arrays
        for base in (TextLoader, TextBinaryLoader):
            connection.adapters.register_loader(info.oid, type('Loader', (base,), {'load': lambda self, data, base=base: OrderStatus(base.load(self, data))}))
        for base in (StrDumper, StrBinaryDumper):
            connection.adapters.register_dumper(OrderStatus, type('Dumper', (base,), {'oid': info.oid, 'dump': lambda self, value, base=base: base.dump(self, value.value)}))

        order = new_order()
        for form in (False, True):
            name = 'binary' if form else 'text'
            got = connection.execute('SELECT status, ARRAY[status, %s] FROM orders WHERE order_id = %s AND status = %s AND status = ANY(%s)',
                                     [OrderStatus.PAID, order, OrderStatus.PENDING, [OrderStatus.PENDING, OrderStatus.PAID]], binary=form).fetchone()
            check(f'an enumeration, {name}', got, (OrderStatus.PENDING, [OrderStatus.PENDING, OrderStatus.PAID]))
        check('an enumeration, as a binary parameter', connection.execute('SELECT %b < %b, pg_typeof(%b)::text', [OrderStatus.PAID, OrderStatus.SHIPPED, OrderStatus.PAID]).fetchone(),
              (True, 'order_status'))


@dataclass
class Order:
    order_id: int
    status: str
    total_amount: Decimal
    paid_amount: Decimal
    version: int


def objects():
    order = paid_order(Decimal('19.90'))
    with app.cursor(row_factory=class_row(Order), binary=True) as cursor:
        got = cursor.execute('SELECT order_id, status::text, total_amount, paid_amount, version FROM orders WHERE order_id = %s', [order]).fetchone()
    check('a row as an object, in binary', got, Order(order, 'paid', Decimal('19.90'), Decimal('19.90'), 3))
    # whoever has read an old version writes nothing
    moved = [app.execute("UPDATE orders SET status = 'shipped' WHERE order_id = %s AND version = %s", [order, version]).rowcount for version in (got.version - 1, got.version)]
    check('optimistic locking by version', moved, [0, 1])


# ---------- transactions ----------

def transactions():
    with app.transaction():
        order = new_order()
        try:
            with app.transaction():  # a savepoint
                app.execute('UPDATE orders SET price = 11 WHERE order_id = %s', [order])
                app.execute("UPDATE orders SET status = 'shipped' WHERE order_id = %s", [order])
        except psycopg.DatabaseError as error:
            refused = error.sqlstate
        app.execute('UPDATE orders SET quantity = 2 WHERE order_id = %s', [order])
    check('a savepoint takes back what is in it', (refused, app.execute('SELECT price, quantity, status FROM orders WHERE order_id = %s', [order]).fetchone()), ('OP001', (10, 2, 'pending')))

    @contextmanager
    def acting_as(actor):
        with app.transaction():
            app.execute("SELECT set_config('order_payment.actor', %s, true)", [actor])
            yield

    with acting_as('alice'):
        app.execute("UPDATE orders SET status = 'cancelled' WHERE order_id = %s", [order])
    check('the actor of a transaction', app.execute('SELECT actor, to_status FROM order_events WHERE order_id = %s ORDER BY version DESC LIMIT 1', [order]).fetchone(), ('alice', 'cancelled'))
    check('is forgotten after it', app.execute("SELECT current_setting('order_payment.actor')").fetchone(), ('',))

    with psycopg.connect(user='shop_app', options=PATH) as other, other.cursor() as cursor:
        cursor.execute('SELECT status FROM orders WHERE order_id = %s FOR NO KEY UPDATE', [order])
        check('a row that another has locked', refusal(app.execute, 'SELECT FROM orders WHERE order_id = %s FOR NO KEY UPDATE NOWAIT', [order]), ('55P03', 'LockNotAvailable'))
        other.rollback()


def pipelines():
    orders = [paid_order() for _ in range(20)]
    with app.pipeline(), app.transaction():
        for order in orders:
            app.execute('UPDATE orders SET status = %s WHERE order_id = %s', ['shipped', order])
        moved = [app.execute("UPDATE orders SET status = %s WHERE order_id = %s RETURNING status", ['completed', order]) for order in orders]
        check('pipeline: what each statement returns', [cursor.fetchone() for cursor in moved], [('completed',)] * 20)
    check('pipeline: all are completed', {status_of(order) for order in orders}, {'completed'})

    # one that is refused takes the whole transaction with it, and the connection goes on
    first, second = paid_order(), paid_order()

    def ship():
        with app.pipeline(), app.transaction():
            for order, status in ((first, 'shipped'), (second, 'pending'), (second, 'shipped')):
                app.execute('UPDATE orders SET status = %s WHERE order_id = %s', [status, order])

    check('pipeline: one is refused', refusal(ship), ('OP001', 'DatabaseError'))
    check('pipeline: and nothing was done', (status_of(first), status_of(second)), ('paid', 'paid'))
    with app.cursor() as cursor:
        cursor.executemany('UPDATE orders SET status = %s WHERE order_id = %s', [('shipped', first), ('shipped', second)])
        check('executemany', (cursor.rowcount, status_of(first), status_of(second)), (2, 'shipped', 'shipped'))


def copies():
    wanted = [(10_000 + n, 7, Decimal(n)) for n in range(1, 11)]
    with app.cursor() as cursor:
        for form, ids in (('text', wanted[:5]), ('binary', wanted[5:])):
            with cursor.copy(f'COPY orders (order_id, customer_id, price, status) FROM STDIN (FORMAT {form})') as stream:
                if form == 'binary':
                    # the label goes as text does; no type of the driver's is needed
                    stream.set_types(['int8', 'int8', 'numeric', 'text'])
                for row in ids:
                    stream.write_row((*row, 'pending'))
        with cursor.copy('COPY (SELECT order_id, total_amount, status FROM orders WHERE order_id > 10000 ORDER BY 1) TO STDOUT (FORMAT binary)') as stream:
            stream.set_types(['int8', 'numeric', 'text'])
            got = list(stream.rows())
    check('COPY in by text and binary, and out', got, [(order, price, 'pending') for order, _, price in wanted])

    def born(status):
        with app.cursor().copy('COPY orders (customer_id, price, status) FROM STDIN') as stream:
            stream.write_row((7, 1, status))

    check('COPY of an order that is born paid', refusal(born, 'paid'), ('OP001', 'DatabaseError'))


# ---------- what is refused ----------

def refusals():
    order = new_order()
    check('an illegal move', refusal(app.execute, "UPDATE orders SET status = 'completed' WHERE order_id = %s", [order]), ('OP001', 'DatabaseError'))
    try:
        app.execute("UPDATE orders SET status = 'completed' WHERE order_id = %s", [order])
    except psycopg.DatabaseError as error:
        said = error.diag
    check('it says of which column of which table', (said.schema_name, said.table_name, said.column_name, said.message_primary),
          ('shop', 'orders', 'status', '"pending" may not become "completed"'))
    check('and where it may go', said.message_hint, 'From "pending" it may go to "authorized", "paid", "cancelled", "expired".')
    check('a derived column', refusal(app.execute, 'UPDATE orders SET paid_amount = 5 WHERE order_id = %s', [order]), ('OP003', 'DatabaseError'))
    check('an outcome, by the application', refusal(app.execute, "INSERT INTO payments (order_id, gateway, amount, status) VALUES (%s, 'acme', 10, 'succeeded')", [order]), ('OP004', 'DatabaseError'))
    check('a total below zero', refusal(app.execute, 'UPDATE orders SET price = -1 WHERE order_id = %s', [order]), ('23514', 'CheckViolation'))
    check('a row that is not there to pay', refusal(app.execute, "INSERT INTO payments (order_id, gateway, amount) VALUES (-1, 'acme', 10)"), ('23503', 'ForeignKeyViolation'))
    check('a delete', refusal(app.execute, 'DELETE FROM payments WHERE order_id = %s', [order]), ('42501', 'InsufficientPrivilege'))

    def pay(amount):
        return app.execute('SELECT payment_id, status FROM create_payment(%s, %s, %s, request_key => %s)', [order, 'acme', amount, 'checkout-1']).fetchone()

    first = pay(Decimal(10))
    check('a payment that is asked for twice is one', (type(first[0]), first[1], pay(Decimal(10))), (UUID, 'created', first))
    check('another one under that key', refusal(pay, Decimal(9)), ('OP002', 'DatabaseError'))
    gateway.execute("UPDATE payments SET status = 'succeeded', gateway_reference = %s WHERE order_id = %s AND payment_id = %s", ['ch_1', order, first[0]])
    check('its success pays the order', status_of(order), 'paid')
    check('too much is asked back', refusal(app.execute, 'INSERT INTO refunds (order_id, payment_id, amount) VALUES (%s, %s, 11)', [order, first[0]]), ('OP005', 'DatabaseError'))
    refunds = app.execute('SELECT amount, status FROM refund_order(%s, 4.00, request_key => %s)', [order, 'back-1']).fetchall()
    check('a refund', refunds, [(Decimal('4.00'), 'requested')])


async def concurrent():
    """Twenty tasks ask for one payment at once."""
    order = new_order()

    async def pay():
        async with await psycopg.AsyncConnection.connect(user='shop_app', options=PATH) as connection:
            cursor = await connection.execute("SELECT payment_id FROM create_payment(%s, 'acme', request_key => 'once')", [order])
            return (await cursor.fetchone())[0]

    ids = await asyncio.gather(*(pay() for _ in range(20)))
    check('twenty at once: one payment', (len(set(ids)), app.execute('SELECT count(*) FROM payments WHERE order_id = %s', [order]).fetchone()), (1, (1,)))


parameters()
registered()
objects()
transactions()
pipelines()
copies()
refusals()
asyncio.run(concurrent())
print('done', checks)
