"""Hands notifications of gateways to the database of the PG* variables: flask --app receiver_flask run"""
import json
from contextlib import closing

import psycopg2
from flask import Flask, Response, request

app = Flask(__name__)
app.config['MAX_CONTENT_LENGTH'] = 2**20  # no notification is longer; before Flask 2.3 it takes the web server in front to say so


@app.post('/in/<gateway>')
def receive(gateway):
    with closing(psycopg2.connect('')) as connection:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT acknowledgement, http_status, content_type FROM order_payment.apply_notification(%s, %s, %s, 'shop')",
                           (gateway, json.dumps(dict(request.headers)), request.get_data()))  # the bytes as they came
            acknowledgement, status, content_type = cursor.fetchone()
    return Response(acknowledgement, status, content_type=content_type)  # committed; after an error 500, and it is sent again
