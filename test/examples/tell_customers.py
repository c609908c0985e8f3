#!/usr/bin/env python3
"""
Tells customers by e-mail how their payments went: a consumer of the events of the store shop.

The database is that of libpq's variables (PGHOST, PGSERVICE, ...), the mail server that of SMTP_HOST and SMTP_PORT. It ends
when the database goes away: let a service manager start it again.

At least once: a mail is sent, then its event is acknowledged. After a crash in between it is sent again with the same
Message-ID, by which a mailbox drops the repeat.

The first start tells all that ever was. In a shop that has a history, let that count as told before:
    SELECT ack_events('mail', array_agg(event_id)) FROM order_events;
"""
import logging
import os
import smtplib
import time
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage

import psycopg2

TEXTS = {
    'succeeded': ('payment received', 'We have received your payment of {}. Thank you.'),
    'failed': ('payment failed', 'Your payment of {} did not go through.'),
    'revoked': ('payment cancelled', 'Your payment of {} was cancelled.'),
    'customer_contact_needed': ('please pay in another way', 'We could not collect {}. Please choose another way to pay.'),
}
MAIL_SERVER = os.environ.get('SMTP_HOST', 'localhost'), int(os.environ.get('SMTP_PORT', '25'))
PAUSE = float(os.environ.get('PAUSE', '5'))  # seconds

database = psycopg2.connect('', options='-c search_path=shop,order_payment')
database.autocommit = True  # no transaction is open while a mail is sent
cursor = database.cursor()


def query(statement, *values):
    cursor.execute(statement, values)
    return cursor.fetchall()


def tell(order_id, event_id, to_status, amount, recorded_at):
    """Sends the mail of an event; False if it is to be tried again."""
    [(address, money)] = query(
        "SELECT c.email, round(%s, currency_exponent(o.currency)) || ' ' || o.currency"
        ' FROM orders o LEFT JOIN customers c USING (customer_id) WHERE o.order_id = %s', amount, order_id)
    subject, text = TEXTS[to_status]
    try:
        mail = EmailMessage()
        mail['Message-ID'] = f'<{event_id}@shop.example.com>'
        mail['Date'] = recorded_at
        mail['From'] = 'Shop <shop@example.com>'
        mail['To'] = Address(addr_spec=address or '')
        mail['Subject'] = f'Order {order_id}: {subject}'
        mail.set_content(text.format(money) + '\n')
        with smtplib.SMTP(*MAIL_SERVER, timeout=30) as server:
            server.send_message(mail)
    except (ValueError, LookupError, MessageError, smtplib.SMTPNotSupportedError) as error:
        logging.warning('order %s: %s is not told, no usable address: %s', order_id, to_status, error)
    except smtplib.SMTPRecipientsRefused as error:
        [(code, reason)] = error.recipients.values()
        logging.warning('order %s: %s is refused: %s %s', order_id, to_status, code, reason.decode(errors='replace'))
        return reason.startswith(b'5.1.')  # RFC 3463: the address is bad, and will be; all else may pass
    except smtplib.SMTPException as error:
        logging.warning('order %s: %s is not sent: %s', order_id, to_status, error)
        return False
    return True


while not query("SELECT pg_try_advisory_lock(hashtext('tell_customers'))")[0][0]:
    time.sleep(PAUSE)  # another copy is at work: this one stands by
while True:
    events = query("SELECT order_id, event_id, entity, to_status, amount, recorded_at FROM read_events('mail', 1000)")
    held = set()  # orders whose mail has to wait: what follows of them waits as well, all others go on
    try:
        for order_id, event_id, entity, to_status, amount, recorded_at in events:
            if order_id not in held:
                if entity != 'payment' or to_status not in TEXTS or tell(order_id, event_id, to_status, amount, recorded_at):
                    query("SELECT ack_events('mail', %s::uuid[])", [event_id])
                else:
                    held.add(order_id)
    except OSError as error:
        logging.warning('no mail server: %s', error)
        held.add(order_id)
    if held or len(events) < 1000:
        time.sleep(PAUSE)
