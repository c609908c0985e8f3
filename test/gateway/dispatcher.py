#!/usr/bin/env python3
"""
dispatcher.py CONNECTION STORE CA.pem [SECONDS]: sends the requests of a store to its gateways, in place of the worker. What a user's
own program has to do, and all of it: claim (and commit), send, settle (and commit). The key of the gateway comes from the environment,
API_KEY. Ends when there has been nothing to send for so many seconds (else never).
"""
import http.client
import os
import ssl
import sys
import time
import urllib.parse

import psycopg2
import psycopg2.extras


def send(request, context):
    """What settle_request() is told: state, status, headers, body, problem."""
    url = urllib.parse.urlsplit(request['url'])
    headers = {name: value.replace('{{api_key}}', os.environ.get('API_KEY', '')) for name, value in request['headers'].items()}
    body = None if request['body'] is None else request['body'].encode()
    connection = http.client.HTTPSConnection(url.hostname, url.port, timeout=request['timeout'].total_seconds(), context=context)
    try:
        connection.connect()
    except OSError as error:  # no connection, or no TLS with whom it must be: nothing has left
        return 'not_sent', None, {}, b'', str(error)
    try:
        connection.request(request['method'], urllib.parse.urlunsplit(('', '', url.path, url.query, '')), body, headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.chunked or answer.getheader('Content-Length') is not None or answer.status == 204:
            return 'answered', answer.status, dict(answer.getheaders()), content, None
        return 'lost', None, {}, b'', 'the answer has no end'
    except (OSError, http.client.HTTPException) as error:
        return 'lost', None, {}, b'', str(error) or type(error).__name__
    finally:
        connection.close()


def main(connection, store, ca_file, seconds='inf'):
    database = psycopg2.connect(connection)
    database.autocommit = True  # each statement is a transaction, and none is open while something is sent
    cursor = database.cursor(cursor_factory=psycopg2.extras.RealDictCursor)
    context = ssl.create_default_context(cafile=ca_file)
    last_at = time.monotonic()
    while time.monotonic() < last_at + float(seconds):
        cursor.execute('SELECT * FROM order_payment.claim_requests(1, store => %s)', (store,))
        for request in cursor.fetchall():
            state, status, headers, body, problem = send(request, context)
            cursor.execute('SELECT order_payment.settle_request(%s, %s, %s, %s, %s, %s, %s, %s)', (
                request['order_id'], request['request_id'], state, status, psycopg2.extras.Json(headers), body, problem, store))
            last_at = time.monotonic()
        time.sleep(0.05)


if __name__ == '__main__':
    main(*sys.argv[1:])
