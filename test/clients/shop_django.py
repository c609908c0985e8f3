#!/usr/bin/env python3
"""
A shop by way of Django: the models of django_shop, queries with statuses, what the
server keeps, two roles, savepoints, and what is refused.

Prints a line for each check, "ok" or "not ok" and its name, at last how many they
were. The server and the database are those of the PG* variables; it has a store
`shop` as the README makes it. Runs with Django 3.2 and later, on psycopg2 or
psycopg 3, as they come.
"""
import os
import sys
from contextlib import contextmanager
from decimal import Decimal

import django
from django.conf import settings


def database(role):
    return {'ENGINE': 'django.db.backends.postgresql', 'HOST': os.environ['PGHOST'], 'PORT': os.environ['PGPORT'], 'NAME': os.environ['PGDATABASE'],
            'USER': role, 'OPTIONS': {'options': '-c search_path=shop,order_payment'}}


settings.configure(DATABASES={'default': database('shop_app'), 'gateway': database('shop_gateway')}, INSTALLED_APPS=['django_shop'], USE_TZ=True, DEFAULT_AUTO_FIELD='django.db.models.BigAutoField')
django.setup()

from django.core.checks import run_checks  # noqa: E402  (models need the settings)
from django.db import DatabaseError, IntegrityError, connection, models, transaction  # noqa: E402
from django.db.models.expressions import RawSQL  # noqa: E402

from django_shop.models import Order, OrderStatus, Payment  # noqa: E402

checks = 0


def check(name, got, wanted):
    global checks
    checks += 1
    print(('ok ' if got == wanted else 'not ok ') + name)
    if got != wanted:
        print(f'# got {got!r}, wanted {wanted!r}')
    sys.stdout.flush()


# ---------- what is refused ----------

def sqlstate(error):
    """Of what Django has raised: it keeps the driver's own error."""
    cause = error.__cause__
    return getattr(cause, 'sqlstate', None) or getattr(cause, 'pgcode', None)


def refusal(statement):
    """Its SQLSTATE and Django's class. The savepoint lets a transaction around it go on."""
    try:
        with transaction.atomic():
            statement()
    except DatabaseError as error:
        return sqlstate(error), type(error).__name__
    return None


@contextmanager
def acting_as(actor, using='default'):
    """A transaction whose events have that actor."""
    with transaction.atomic(using=using), transaction.get_connection(using).cursor() as cursor:
        cursor.execute("SELECT set_config('order_payment.actor', %s, true)", [actor])
        yield


def succeed(order):
    """What the gateway records, by its own role."""
    payment = Payment(order=order, gateway='acme', amount=order.total_amount)
    payment.save()
    Payment.objects.using('gateway').filter(pk=payment.pk).update(status='succeeded', gateway_reference=f'ch_{payment.pk.hex}')
    payment.refresh_from_db()
    return payment


# ---------- objects ----------

def objects():
    check('manage.py check has nothing to say of the models', run_checks(), [])
    order = Order.objects.create(customer_id=7, quantity=2, price=Decimal('19.90'))
    check('create(): the status is the default', (order.pk > 0, Order.objects.get(pk=order.pk).status), (True, OrderStatus.PENDING))
    check('create(): of what the server keeps it knows nothing yet', (order.total_amount, order.version), (None, None))
    order.refresh_from_db()
    check('refresh_from_db()', (order.total_amount, order.paid_amount, order.version, order.created_at is not None), (Decimal('39.80'), 0, 1, True))

    order.price = Decimal(20)
    order.save()
    order.refresh_from_db()
    check('save() writes every column as it is', (order.total_amount, order.version), (40, 1))

    payment = succeed(order)
    check('a payment: what the server keeps', (payment.status, payment.captured_amount, payment.fee, payment.currency), ('succeeded', 40, 0, 'EUR'))
    check('its generated columns are no fields, but can be read', Payment.objects.annotate(net=RawSQL('payments.net_amount', [])).get(pk=payment.pk).net, 40)
    stale = order
    order = Order.objects.get(pk=stale.pk)
    check('and the order is paid', (order.status, order.paid_amount, order.paid_at is not None), (OrderStatus.PAID, 40, True))
    check('by its own payments', [p.pk for p in order.payments.filter(status='succeeded')], [payment.pk])
    stale.payment_method = 'card'
    check('save() of an object from before is refused, for it brings old values', refusal(stale.save), ('OP003', 'DatabaseError'))
    stale.status = OrderStatus.PAID
    check('also with the right status', refusal(stale.save), ('OP003', 'DatabaseError'))
    stale.save(update_fields=['payment_method'])
    check('save(update_fields) is not', Order.objects.get(pk=order.pk).payment_method, 'card')

    order.refresh_from_db()
    order.status = OrderStatus.SHIPPED
    order.save()
    check('save() of a new status', Order.objects.get(pk=order.pk).status, OrderStatus.SHIPPED)
    changed = Order.objects.filter(pk=order.pk, version=order.version).update(status='completed')
    check('optimistic locking: the version was another', changed, 0)
    order.refresh_from_db()
    changed = Order.objects.filter(pk=order.pk, version=order.version).update(status=OrderStatus.COMPLETED)
    check('optimistic locking: the version is this', changed, 1)


def queries():
    Order.objects.bulk_create([Order(customer_id=21, price=n, request_key=f'bulk-{n}') for n in range(1, 11)])
    mine = Order.objects.filter(customer_id=21)
    check('bulk_create()', (mine.count(), mine.filter(status='pending', total_amount__gt=0, version=1).count()), (10, 10))
    again = [Order(customer_id=21, price=n, request_key=f'bulk-{n}') for n in range(9, 13)]
    Order.objects.bulk_create(again, ignore_conflicts=True)
    check('bulk_create(ignore_conflicts=True): a key twice is one order', mine.count(), 12)

    orders = list(mine.order_by('order_id'))
    for order in orders[:3]:
        succeed(order)
    check('update()', mine.filter(pk__in=[o.pk for o in orders[9:]]).update(status=OrderStatus.CANCELLED), 3)
    check('status__in', mine.filter(status__in=[OrderStatus.PAID, OrderStatus.CANCELLED]).count(), 6)
    check('exclude()', mine.exclude(status='pending').exclude(status__in=['cancelled']).count(), 3)
    check('status__lt goes by the order of display', mine.filter(status__lt='paid').count(), 9)
    check('order_by(), distinct()', list(mine.order_by('-status').values_list('status', flat=True).distinct()), ['paid', 'pending', 'cancelled'])
    counted = mine.values('status').annotate(n=models.Count('*'), money=models.Sum('total_amount')).order_by('status')
    check('values().annotate()', [(c['status'], c['n'], c['money']) for c in counted], [('cancelled', 3, 33), ('pending', 6, 39), ('paid', 3, 6)])
    check('aggregate()', mine.aggregate(models.Min('status'), models.Max('status')), {'status__min': 'cancelled', 'status__max': 'paid'})
    check('a join', Order.objects.filter(customer_id=21, payments__status='succeeded').count(), 3)
    with_case = mine.annotate(done=models.Case(models.When(status='paid', then=1), default=0, output_field=models.IntegerField()))
    check('When(status=…)', sum(o.done for o in with_case), 3)

    paid = list(mine.filter(status='paid'))
    for order in paid:
        order.status = OrderStatus.SHIPPED
    Order.objects.bulk_update(paid, ['status'])
    check('bulk_update()', mine.filter(status=OrderStatus.SHIPPED).count(), 3)
    check('raw()', [o.status for o in Order.objects.raw('SELECT * FROM orders WHERE customer_id = %s AND status = ANY (%s::order_status[])', [21, ['shipped']])], ['shipped'] * 3)
    check('get_or_create()', [Order.objects.get_or_create(customer_id=21, request_key='bulk-1', defaults={'price': 1})[1],
                              Order.objects.get_or_create(customer_id=21, request_key='bulk-99', defaults={'price': 1})[1]], [False, True])
    check('update_or_create()', Order.objects.update_or_create(customer_id=21, request_key='bulk-99', defaults={'status': 'cancelled'})[0].status, 'cancelled')


# ---------- transactions ----------

def transactions():
    order = Order.objects.create(customer_id=7, price=10)
    with acting_as('alice'):
        locked = Order.objects.select_for_update(no_key=True).get(pk=order.pk)
        check('a refusal in atomic() is a savepoint', refusal(lambda: Order.objects.filter(pk=locked.pk).update(status='completed')), ('OP001', 'DatabaseError'))
        locked.status = OrderStatus.CANCELLED
        locked.save(update_fields=['status'])
    check('select_for_update(), atomic()', Order.objects.get(pk=order.pk).status, OrderStatus.CANCELLED)
    check('the actor of a transaction', list(order.events.values_list('version', 'to_status', 'actor')), [(1, 'pending', 'shop_app'), (2, 'cancelled', 'alice')])
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('order_payment.actor')")
        check('is forgotten after it', cursor.fetchone(), ('',))

    def rolled_back():
        with transaction.atomic():
            Order.objects.create(customer_id=33, price=1)
            Order.objects.create(customer_id=33, price=1, status='shipped')

    check('an order that is born shipped', refusal(rolled_back), ('OP001', 'DatabaseError'))
    check('takes its transaction with it', Order.objects.filter(customer_id=33).count(), 0)


def refusals():
    order = Order.objects.create(customer_id=7, price=10)
    mine = Order.objects.filter(pk=order.pk)
    check('an illegal move', refusal(lambda: mine.update(status='shipped')), ('OP001', 'DatabaseError'))
    check('a derived column', refusal(lambda: mine.update(paid_amount=5)), ('OP003', 'DatabaseError'))
    check('an outcome, by the application', refusal(lambda: Payment(order=order, gateway='acme', amount=10, status='succeeded').save()), ('OP004', 'DatabaseError'))
    check('a status that is none', refusal(lambda: mine.update(status='sent')), ('22P02', 'DataError'))
    check('a gateway that is not there', refusal(lambda: Payment(order=order, gateway='nobody', amount=10).save(force_insert=True)), ('23503', 'IntegrityError'))
    check('delete() of an order with a history', refusal(order.delete)[0], '42501')

    def pay(amount):
        with connection.cursor() as cursor:
            cursor.execute("SELECT payment_id FROM create_payment(%s, 'acme', %s, request_key => 'checkout')", [order.pk, amount])
            return cursor.fetchone()[0]

    first = pay(Decimal(10))
    check('create_payment(): asked for twice it is one', (pay(Decimal(10)), Payment.objects.get(pk=first).status), (first, 'created'))
    check('another request under that key', refusal(lambda: pay(Decimal(9))), ('OP002', 'DatabaseError'))
    check('a second attempt beside it', refusal(lambda: Payment(order=order, gateway='acme', amount=10).save()), ('23505', 'IntegrityError'))
    try:
        Payment(order=order, gateway='acme', amount=10, request_key='checkout').save()
    except IntegrityError as error:
        named = error.__cause__.diag.constraint_name
    check('of which the constraint is known', named in ('payments_one_live_attempt_idx', 'payments_order_id_request_key_key'), True)


objects()
queries()
transactions()
refusals()
print('done', checks)
