"""Hands notifications of gateways to the database of the PG* variables: flask --app receiver_flask run"""
import json
from contextlib import closing

import psycopg2
from flask import Flask, Response, request

app = Flask(__name__)


@app.post('/in/<gateway>')
def receive(gateway):
    body = request.stream.read(2**20 + 1)  # the bytes as they came; more than 1 MiB is refused, and need not be read
    with closing(psycopg2.connect('')) as connection:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT acknowledgement, http_status, content_type FROM order_payment.apply_notification(%s, %s, %s, 'shop')",
                           (gateway, json.dumps(dict(request.headers)), body))
            acknowledgement, status, content_type = cursor.fetchone()
    return Response(acknowledgement, status, content_type=content_type)  # committed; after an error 500, and it is sent again
