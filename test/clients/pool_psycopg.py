#!/usr/bin/env python3
"""
A shop by way of PgBouncer in transaction mode, by psycopg 3: who acts is said by
set_config(…, true) or SET LOCAL, and stays with its transaction however that ends.
SET without LOCAL stays with the connection of the server, and so with whoever has it
next: that is shown, too.

Prints a line for each check, "ok" or "not ok" and its name, at last how many they
were. The server is that of the PG* variables, and is a pool of one connection for
each role; PREPARED=yes if it passes prepared statements on; ADMIN is the user of its
console. The store `shop` is found by the roles' search_path, as ALTER ROLE has set it.
"""
import os
import sys
from contextlib import contextmanager

import psycopg

checks = 0


def check(name, got, wanted):
    global checks
    checks += 1
    print(('ok ' if got == wanted else 'not ok ') + name)
    if got != wanted:
        print(f'# got {got!r}, wanted {wanted!r}')
    sys.stdout.flush()


def connect(role='shop_app', prepare_threshold=None, **options):
    """A client of the pool. None: nothing is prepared."""
    return psycopg.connect(user=role, autocommit=True, prepare_threshold=prepare_threshold, **options)


@contextmanager
def acting_as(connection, actor):
    with connection.transaction():
        connection.execute("SELECT set_config('order_payment.actor', %s, true)", [actor])
        yield


def order(connection):
    """A new order of whoever acts."""
    return connection.execute('INSERT INTO orders (customer_id, price) VALUES (7, 10) RETURNING order_id').fetchone()[0]


def actors(*orders):
    return [row[0] for row in reader.execute('SELECT actor FROM order_events WHERE order_id = ANY (%s) ORDER BY order_id, version', [list(orders)])]


alice, bob, reader = connect(), connect(), connect('shop_gateway')


def server_of(connection):
    return connection.execute('SELECT pg_backend_pid()').fetchone()


def shared():
    check('two clients have one connection of the server', server_of(alice) == server_of(bob), True)
    check('clients of another role have another', server_of(alice) == server_of(reader), False)
    check('the store is found', alice.execute('SELECT order_payment.current_store()').fetchone(), ('shop',))


def actor_stays():
    """Each way in which a transaction ends; the next one is of the other client."""
    with acting_as(alice, 'alice'):
        first = order(alice)
    second = order(bob)
    check('COMMIT', actors(first, second), ['alice', 'shop_app'])

    with alice.transaction():
        alice.execute("SET LOCAL order_payment.actor = 'alice'")
        alice.execute("SET LOCAL order_payment.reason = 'because'")
        first = order(alice)
    second = order(bob)
    check('SET LOCAL', actors(first, second), ['alice', 'shop_app'])
    check('and the reason', reader.execute('SELECT reason FROM order_events WHERE order_id = ANY (%s) ORDER BY order_id', [[first, second]]).fetchall(), [('because',), (None,)])

    try:
        with acting_as(alice, 'alice'):
            order(alice)
            raise KeyError
    except KeyError:
        pass
    check('ROLLBACK', actors(order(bob)), ['shop_app'])

    try:
        with acting_as(alice, 'alice'):
            alice.execute("UPDATE orders SET status = 'shipped' WHERE order_id = %s", [first])
    except psycopg.DatabaseError as error:
        refused = error.sqlstate
    check('an error', (refused, actors(order(bob))), ('OP001', ['shop_app']))

    with acting_as(alice, 'alice'):
        try:
            with alice.transaction():
                alice.execute("SELECT set_config('order_payment.actor', 'mallory', true)")
                alice.execute("UPDATE orders SET status = 'shipped' WHERE order_id = %s", [first])
        except psycopg.DatabaseError:
            pass
        second = order(alice)
    check('a savepoint', actors(second, order(bob)), ['alice', 'shop_app'])

    gone = connect()
    gone.execute('BEGIN')
    gone.execute("SELECT set_config('order_payment.actor', 'gone', true)")
    lost = order(gone)
    gone.close()
    check('a client that goes in the middle', (actors(lost), actors(order(bob))), ([], ['shop_app']))

    # outside of a transaction it is one of its own, and says nothing
    alice.execute("SELECT set_config('order_payment.actor', 'alice', true)")
    check('without a transaction', actors(order(alice), order(bob)), ['shop_app', 'shop_app'])


def setting_leaks():
    """What must not be done, and what the pooler can do about it."""
    alice.execute("SET order_payment.actor = 'alice'")
    check('SET without LOCAL passes to the next client', actors(order(bob)), ['alice'])
    bob.execute('RESET order_payment.actor')

    with psycopg.connect(user=os.environ['ADMIN'], dbname='pgbouncer', autocommit=True, cursor_factory=psycopg.ClientCursor) as console:
        console.execute('SET server_reset_query_always = 1')
        alice.execute("SET order_payment.actor = 'alice'")
        check('with server_reset_query_always it does not', actors(order(bob)), ['shop_app'])
        with acting_as(alice, 'alice'):
            first = order(alice)
        check('and a transaction has its actor', actors(first, order(bob)), ['alice', 'shop_app'])
        console.execute('SET server_reset_query_always = 0')


def work():
    """A checkout, in which each statement may go to any connection."""
    number = order(alice)
    payment, = alice.execute("SELECT payment_id FROM create_payment(%s, 'acme', request_key => 'pooled')", [number]).fetchone()
    check('a payment that another client asks for again', bob.execute("SELECT payment_id FROM create_payment(%s, 'acme', request_key => 'pooled')", [number]).fetchone(), (payment,))
    with acting_as(reader, 'gateway acme'):
        reader.execute("UPDATE payments SET status = 'succeeded' WHERE order_id = %s AND payment_id = %s", [number, payment])
    bob.execute("UPDATE orders SET status = 'shipped' WHERE order_id = %s", [number])
    check('who did what, and as whom', reader.execute('SELECT version, to_status, actor, session_role FROM order_events WHERE order_id = %s ORDER BY version', [number]).fetchall(),
          [(1, 'pending', 'shop_app', 'shop_app'), (2, 'created', 'shop_app', 'shop_app'), (3, 'succeeded', 'gateway acme', 'shop_gateway'),
           (4, 'paid', 'gateway acme', 'shop_gateway'), (5, 'shipped', 'shop_app', 'shop_app')])


def prepared():
    """Through a pooler that passes them on (PgBouncer 1.21 and later, max_prepared_statements)."""
    one, other = connect(prepare_threshold=0), connect(prepare_threshold=0)
    numbers = [order(connection) for connection in (one, other) * 8]
    check('prepared statements of two clients', actors(*numbers), ['shop_app'] * 16)
    seen = [connection.execute('SELECT count(*) FROM orders WHERE order_id = ANY (%s) AND status = %s', [numbers, status]).fetchone()[0]
            for status in ('pending', 'paid') for connection in (one, other)]
    check('with statuses', seen, [16, 16, 0, 0])


shared()
actor_stays()
setting_leaks()
work()
if os.environ['PREPARED'] == 'yes':
    prepared()
print('done', checks)
