"""
Models of a store's tables as create_store() has made them. What the server keeps may
be NULL here: an object does not know it before it is read.
"""
import uuid

from django.db import models


class StatusField(models.TextField):
    """A column of a type of the extension. It goes and comes as its label."""

    def __init__(self, *args, type_name='order_status', **options):
        self.type_name = type_name
        super().__init__(*args, **options)

    def deconstruct(self):
        name, path, args, options = super().deconstruct()
        return name, path, args, {**options, 'type_name': self.type_name}

    def db_type(self, connection):
        return f'order_payment.{self.type_name}'


class OrderStatus(models.TextChoices):
    PENDING = 'pending'
    PAID = 'paid'
    SHIPPED = 'shipped'
    COMPLETED = 'completed'
    CANCELLED = 'cancelled'


def number(**options):
    """The numbers are for Django's forms; what fits is said by the currency."""
    return models.DecimalField(max_digits=20, decimal_places=4, **options)


def kept():
    """An amount that the server keeps: None until it is read."""
    return number(null=True, editable=False)


class Order(models.Model):
    order_id = models.BigAutoField(primary_key=True)
    customer_id = models.BigIntegerField(null=True)
    quantity = number(default=1)
    price = number(null=True)
    currency = models.TextField(default='EUR')
    payment_method = models.TextField(null=True)
    status = StatusField(choices=OrderStatus.choices, default=OrderStatus.PENDING)
    request_key = models.TextField(null=True)
    total_amount = kept()
    paid_amount = kept()
    refund_due_amount = kept()
    version = models.IntegerField(null=True, editable=False)
    created_at = models.DateTimeField(null=True, editable=False)
    paid_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        managed = False
        db_table = 'orders'


class Payment(models.Model):
    # the key of the table is (order_id, payment_id); payment_id alone is unique too, and that is enough for Django
    payment_id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    order = models.ForeignKey(Order, models.DO_NOTHING, related_name='payments')
    gateway = models.TextField()
    amount = number()
    currency = models.TextField(null=True)
    status = StatusField(type_name='payment_status', default='created')
    request_key = models.TextField(null=True)
    gateway_reference = models.TextField(null=True)
    captured_amount = kept()
    fee = number(null=True)

    class Meta:
        managed = False
        db_table = 'payments'


class OrderEvent(models.Model):
    event_id = models.UUIDField(primary_key=True)
    order = models.ForeignKey(Order, models.DO_NOTHING, related_name='events')
    version = models.IntegerField()
    entity = models.TextField()
    to_status = models.TextField(null=True)
    actor = models.TextField()

    class Meta:
        managed = False
        db_table = 'order_events'
        ordering = ['version']
