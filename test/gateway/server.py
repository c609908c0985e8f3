#!/usr/bin/env python3
"""
server.py FOLDER [--with-parent]: a payment gateway for tests. It speaks HTTPS on 127.0.0.1, moves no money, and keeps its own
account of what it did, to be compared with what a store believes. It ends by SIGTERM, and with the option also when the
process that started it has ended.

FOLDER holds certificates (see make_ca.sh). There the server writes
  ports.json    {listener: port}, once all of them listen
  gateway.log   a JSON object a line, only ever appended to; effects are on disk before anything is answered
and reads, whenever it has changed,
  control.json  {"rules": [rule, ...]}: the first rule that fits a request and is not used up says what is done.
                Further "authorization": what that header must be, "webhook_secret": base64 of the key by which requests must
                be signed (Standard Webhooks). A request that is not so is answered 401, and nothing is done
  secrets.json  {"standard_webhook_secret": "whsec_..."}: with it, the log tells of each request whether it is signed by that

listener   good, or one that must be refused: expired, wrong_host, self_signed, other_ca, revoked, tls1_0, tls1_1; further
           plain (HTTP without TLS), garbage (answers no TLS) and silent (answers nothing)
effect     what a gateway does only once a key, whatever it answers: a payment, capture, void or refund. A key is the header
           Idempotency-Key, or the number in the body
number     what the other side calls it. It may come with another key when it is tried again; who asks gets what moved, or came last
answer     what it says of that; the same again for the same key, and 409 for the same key with another body
behaviour  how the answer goes wrong: a function below, named behave_NAME

A rule: {"method": "POST", "path": "/payment/", "number": "...", "amount": "12.00", "times": 1, -- which; path: how it begins
         "do": "reset_before",       -- a behaviour; else the answer comes as it should
         "effect": false,            -- nothing is done; else it is done before the behaviour begins
         "result": {"status": "failed", "failure_code": "card_declined"},     -- members of the answer
         "status": 500, "body": "text" or "body_base64": "...", "headers": ["Name: value"], "seconds": 2}

/behave/NAME?seconds=...&size=...&to=... shows a behaviour without any effect.
Protocol json: POST /payment/{order_id}, /capture/{order_id}, /void/{order_id}, /refund/{order_id} with a JSON object, and GET of
the same paths with ?number=... (and &key=... of what was tried again), 404 if that is not known here. POST /hook/NAME is somebody who is told of events, and writes them
down. No secret that comes is in the log: of Authorization and of cards there are digests (SHA-256).

What was done survives SIGKILL and a new start: it is read from the log.
"""
import base64
import gzip
import hashlib
import hmac
import json
import os
import signal
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse
import uuid
import warnings

MAX_HEAD = 65536
MAX_BODY = 4 << 20
PATIENCE = 60  # seconds that a connection may take
OPERATIONS = {'payment': 'succeeded', 'capture': 'succeeded', 'void': 'succeeded', 'refund': 'succeeded'}
MOVED = ('succeeded', 'authorized')
REASONS = {200: 'OK', 204: 'No Content', 301: 'Moved Permanently', 302: 'Found', 304: 'Not Modified', 400: 'Bad Request',
           404: 'Not Found', 409: 'Conflict', 429: 'Too Many Requests', 500: 'Internal Server Error', 502: 'Bad Gateway'}


# ---------- the log, and what was done ----------

class Account:
    """What the gateway did, by key; the log is the truth, and this is what it says."""

    def __init__(self, path):
        self.lock = threading.Lock()
        self.done = {}
        self.by_number = {}
        self.read(path)
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def read(self, path):
        if not os.path.exists(path):
            return
        with open(path, encoding='utf-8') as lines:
            for line in lines:
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue  # cut off by the end of the process
                if entry.pop('what') in ('effect', 'no_effect'):
                    del entry['at']
                    self.keep(entry)

    def keep(self, entry):
        self.done[entry['key']] = entry
        known = self.by_number.get(entry['number'])
        if known is None or known['key'] == entry['key'] or known['answer']['status'] not in MOVED:
            self.by_number[entry['number']] = entry

    def write(self, what, sync=False, **entry):
        line = json.dumps({'at': time.time(), 'what': what, **entry}) + '\n'
        os.write(self.file, line.encode())
        if sync:
            os.fsync(self.file)

    def record(self, entry):
        before = self.done.get(entry['key'])
        moved = entry['answer']['status'] in MOVED and not (before and before['answer']['status'] in MOVED)
        self.write('effect' if moved else 'no_effect', sync=True, **entry)
        self.keep(entry)
        return entry

    def act(self, entry):
        """Does it, unless it is done; the entry that stands then."""
        with self.lock:
            return self.done.get(entry['key']) or self.record(entry)

    def settle(self, key, result):
        """A rule for a query may say how it has ended meanwhile."""
        with self.lock:
            return self.record({**self.done[key], 'answer': {**self.done[key]['answer'], **result}})


class Control:
    """The rules, read again when the file has changed. How often a rule was used counts from then on."""

    def __init__(self, path):
        self.path = path
        self.lock = threading.Lock()
        self.stamp = None
        self.data = {}

    def refresh(self):
        try:
            stat = os.stat(self.path)
        except FileNotFoundError:
            self.data, self.stamp = {}, None
            return
        stamp = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        if stamp != self.stamp:
            with open(self.path, encoding='utf-8') as file:
                self.data = json.load(file)
            self.stamp = stamp

    def is_authentic(self, request):
        with self.lock:
            self.refresh()
            data = self.data
        if data.get('authorization', request.headers.get('authorization')) != request.headers.get('authorization'):
            return False
        return 'webhook_secret' not in data or request.is_signed_by(base64.b64decode(data['webhook_secret']))

    def rule_for(self, request):
        with self.lock:
            self.refresh()
            for rule in self.data.get('rules', []):
                if rule.get('times', 1) > 0 and request.fits(rule):
                    if 'times' in rule:
                        rule['times'] -= 1
                    return rule
        return {}


# ---------- requests and answers ----------

class Request:
    def __init__(self, head, body):
        lines = head.decode('latin-1').split('\r\n')
        self.method, self.target = lines[0].split(' ')[:2]
        url = urllib.parse.urlsplit(self.target)
        self.path = url.path
        self.query = dict(urllib.parse.parse_qsl(url.query))
        self.headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(':')
            self.headers[name.lower()] = value.strip()
        self.body = body
        try:
            self.data = json.loads(body)
        except ValueError:
            self.data = None
        if not isinstance(self.data, dict):
            self.data = {}
        self.key = self.headers.get('idempotency-key') or self.data.get('number')
        self.number = self.query.get('number') or self.data.get('number') or self.key

    def is_signed_by(self, secret):
        number, at = self.headers.get('webhook-id', ''), self.headers.get('webhook-timestamp', '')
        if not number or not at.isdigit() or abs(time.time() - int(at)) > 300:
            return False
        digest = hmac.new(secret, f'{number}.{at}.'.encode() + self.body, hashlib.sha256).digest()
        wanted = 'v1,' + base64.b64encode(digest).decode()
        return any(hmac.compare_digest(wanted, signature) for signature in self.headers.get('webhook-signature', '').split(' '))

    def fits(self, rule):
        return (rule.get('method', self.method) == self.method and self.path.startswith(rule.get('path', ''))
                and rule.get('number', self.number) == self.number
                and str(rule.get('amount', self.data.get('amount'))) == str(self.data.get('amount')))


def head(status, headers):
    lines = [f'HTTP/1.1 {status} {REASONS.get(status, "Something")}', *headers]
    return '\r\n'.join(lines).encode('latin-1') + b'\r\n\r\n'


class Answer:
    def __init__(self, status, body=b'', headers=(), content_type='application/json'):
        self.status = status
        self.body = body
        self.headers = [f'Content-Type: {content_type}', *headers]

    def head(self, length=None):
        return head(self.status, [*self.headers, f'Content-Length: {len(self.body) if length is None else length}'])

    def whole(self):
        return self.head() + self.body


def json_answer(status, data):
    return Answer(status, json.dumps(data).encode())


# ---------- protocol json ----------

def query_of(account, request, rule):
    entry = account.done.get(request.query['key']) if 'key' in request.query else account.by_number.get(request.number)
    if entry is None:
        return json_answer(404, {'number': request.number, 'status': 'not_found'})
    if 'result' in rule:
        entry = account.settle(entry['key'], rule['result'])
    return json_answer(200, entry['answer'])


def act_on(account, request, rule, operation, order_id):
    if not request.key:
        return json_answer(400, {'status': 'failed', 'failure_code': 'number_missing'})
    if rule.get('effect') is False:
        return json_answer(500, {'status': 'failed', 'failure_code': 'not_done'})
    known = account.by_number.get(request.number)
    answer = {'number': request.number, 'order_id': order_id, 'status': OPERATIONS[operation],
              'reference': known['answer']['reference'] if known else 'gw_' + uuid.uuid4().hex, 'amount': request.data.get('amount'),
              'currency': request.data.get('currency'), **rule.get('result', {})}
    wanted = {'key': request.key, 'number': request.number, 'operation': operation, 'order_id': order_id, 'amount': request.data.get('amount'),
              'currency': request.data.get('currency')}
    entry = account.act({**wanted, 'answer': answer})
    if any(entry[name] != value for name, value in wanted.items()):
        return json_answer(409, {'number': request.number, 'status': 'failed', 'failure_code': 'key_reused'})
    return json_answer(200, entry['answer'])


def hear(account, request, rule, name):
    """Somebody who is told of an event. The rule says with which status; 200 else."""
    data = request.data.get('data') or {}
    account.write('webhook', sync=True, subscriber=name, id=request.headers.get('webhook-id'), type=request.data.get('type'),
                  order_id=data.get('order_id'), version=data.get('version'), status=rule.get('status', 200), do=rule.get('do'))
    return json_answer(200, {})


def protocol_answer(account, request, rule):
    parts = request.path.strip('/').split('/')
    if parts[0] == 'hook':
        return hear(account, request, rule, parts[-1])
    if len(parts) < 2 or parts[-2] not in OPERATIONS:
        return json_answer(404, {'status': 'no_such_path'})
    if request.method == 'GET':
        return query_of(account, request, rule)
    return act_on(account, request, rule, parts[-2], urllib.parse.unquote(parts[-1]))


def answer_to(account, request, rule):
    answer = protocol_answer(account, request, rule)
    if 'body_base64' in rule:
        answer.body = base64.b64decode(rule['body_base64'])
    elif 'body' in rule:
        answer.body = rule['body'].encode()
    answer.status = rule.get('status', answer.status)
    answer.headers += rule.get('headers', [])
    return answer


# ---------- the connection ----------

class Connection:
    """A socket with TLS on it, and ways to treat it badly."""

    def __init__(self, sock):
        self.sock = sock
        self.rest = b''

    def send(self, data):
        self.sock.sendall(data)

    def send_without_tls(self, data):
        socket.socket.sendall(self.sock, data)

    def reset(self):
        """RST in place of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self.sock.close()

    def end(self):
        """As TLS wants it: with close_notify."""
        if isinstance(self.sock, ssl.SSLSocket):
            self.sock.settimeout(1)
            try:
                self.sock.unwrap()
            except OSError:
                pass
        self.sock.close()

    def read_until(self, mark, limit):
        while mark not in self.rest:
            data = self.sock.recv(65536)
            if not data or len(self.rest) > limit:
                return None
            self.rest += data
        found, self.rest = self.rest.split(mark, 1)
        return found

    def read(self, size):
        while len(self.rest) < size:
            data = self.sock.recv(65536)
            if not data:
                return None
            self.rest += data
        found, self.rest = self.rest[:size], self.rest[size:]
        return found


# ---------- behaviours: (connection, answer, options); options are of the rule or the query ----------

def seconds_of(options, default):
    return float(options.get('seconds', default))


def behave_late(connection, answer, options):
    time.sleep(seconds_of(options, 2))
    connection.send(answer.whole())


def behave_silent(connection, answer, options):
    time.sleep(seconds_of(options, PATIENCE))


def behave_reset_before(connection, answer, options):
    time.sleep(seconds_of(options, 0))
    connection.reset()


def behave_reset_in_head(connection, answer, options):
    connection.send(answer.head()[:20])
    time.sleep(0.05)
    connection.reset()


def behave_reset_inside(connection, answer, options):
    connection.send(answer.head(len(answer.body) + 10) + answer.body)
    time.sleep(0.05)
    connection.reset()


def behave_reset_after(connection, answer, options):
    connection.send(answer.whole())
    time.sleep(0.05)
    connection.reset()


def behave_close_before(connection, answer, options):
    connection.end()


def behave_close_inside(connection, answer, options):
    connection.send(answer.head(len(answer.body) + 10) + answer.body)
    connection.end()


def behave_until_close(connection, answer, options):
    """No length: the end of the connection is the end of the body."""
    connection.send(head(answer.status, [*answer.headers, 'Connection: close']) + answer.body)
    connection.end()


def behave_no_close_notify(connection, answer, options):
    """The same, but who cuts the connection cannot be told from who ends it."""
    connection.send(head(answer.status, [*answer.headers, 'Connection: close']) + answer.body)
    connection.sock.close()


def behave_tls_alert(connection, answer, options):
    """An alert that says it is of TLS, in the middle of a body."""
    connection.send(answer.head(len(answer.body) + 10) + answer.body)
    connection.send_without_tls(b'\x15\x03\x03\x00\x02\x02\x28')
    connection.sock.close()


def behave_tls_garbage(connection, answer, options):
    connection.send(answer.head(len(answer.body) + 10) + answer.body)
    connection.send_without_tls(os.urandom(100))
    connection.sock.close()


def behave_status(connection, answer, options):
    answer.status = int(options.get('status', 500))
    connection.send(answer.whole())


def behave_empty(connection, answer, options):
    connection.send(head(200, ['Content-Length: 0']))


def behave_no_content(connection, answer, options):
    connection.send(head(204, []))


def behave_not_modified(connection, answer, options):
    connection.send(head(304, ['Content-Length: 20']))


def behave_continue(connection, answer, options):
    connection.send(head(100, ['X-Interim: yes']) * 3 + answer.whole())


def behave_endless_continue(connection, answer, options):
    while True:
        connection.send(head(100, ['X-Interim: yes']) * 100)
        time.sleep(0.01)


def behave_switch(connection, answer, options):
    connection.send(head(101, ['Upgrade: websocket', 'Connection: Upgrade']) + b'\x81\x05hello')
    time.sleep(0.2)
    connection.end()


def behave_redirect(connection, answer, options):
    connection.send(Answer(int(options.get('status', 301)), b'elsewhere', [f'Location: {options.get("to")}']).whole())


def behave_retry_after(connection, answer, options):
    connection.send(Answer(429, b'slowly', [f'Retry-After: {options.get("to", "-1")}'], 'text/plain').whole())


def behave_html(connection, answer, options):
    connection.send(Answer(502, b'<html><h1>Bad Gateway</h1></html>', (), 'text/html').whole())


def behave_oversize(connection, answer, options):
    size = int(options.get('size', 10 << 20))
    connection.send(head(200, [f'Content-Length: {size}']))
    for _ in range(size // 65536):
        connection.send(b'x' * 65536)


def behave_oversize_chunked(connection, answer, options):
    connection.send(head(200, ['Transfer-Encoding: chunked']))
    for _ in range(int(options.get('size', 10 << 20)) // 65536):
        connection.send(b'10000\r\n' + b'x' * 65536 + b'\r\n')
    connection.send(b'0\r\n\r\n')


def behave_chunked(connection, answer, options):
    connection.send(head(200, [*answer.headers, 'Transfer-Encoding: chunked']))
    for i in range(0, len(answer.body), 7):
        piece = answer.body[i:i + 7]
        connection.send(b'%x;extension=1\r\n%s\r\n' % (len(piece), piece))
    connection.send(b'0\r\nX-Trailer: yes\r\n\r\n')


def behave_chunked_broken(connection, answer, options):
    connection.send(head(200, ['Transfer-Encoding: chunked']) + b'5\r\nhello\r\nnothex\r\nworld\r\n0\r\n\r\n')


def behave_chunked_cut(connection, answer, options):
    connection.send(head(200, ['Transfer-Encoding: chunked']) + b'5\r\nhello\r\n')
    connection.end()


def behave_length_long(connection, answer, options):
    connection.send(answer.head(len(answer.body) + 100) + answer.body)
    connection.end()


def behave_length_short(connection, answer, options):
    connection.send(answer.head(5) + answer.body)


def behave_length_negative(connection, answer, options):
    connection.send(answer.head(-1) + answer.body)


def behave_length_huge(connection, answer, options):
    connection.send(answer.head(10 ** 30) + answer.body)


def behave_two_lengths(connection, answer, options):
    connection.send(head(200, ['Content-Length: 5', 'Content-Length: 6']) + b'hello!')


def behave_two_replies(connection, answer, options):
    connection.send(answer.whole() + Answer(500, b'{"status": "failed"}').whole())


def behave_slow(connection, answer, options):
    for byte in answer.whole():
        connection.send(bytes([byte]))
        time.sleep(seconds_of(options, 1))


def behave_no_colon(connection, answer, options):
    connection.send(head(200, ['this header has no colon', 'Content-Length: 2', 'X-After: yes']) + b'{}')


def behave_odd_headers(connection, answer, options):
    connection.send(head(200, ['X-Empty:', ': nameless', 'X-Folded: a', ' b: c', 'X-Bytes: \xff\xfe', 'X-Tab:\tx\t',
                               'Content-Length: 2', 'Content-Type: text/plain; charset=\x7f']) + b'{}')


def behave_zero_in_header(connection, answer, options):
    connection.send(head(200, ['X-Zero: a\0b', 'Content-Length: 2']) + b'{}')


def behave_huge_header(connection, answer, options):
    connection.send(head(200, ['X-Huge: ' + 'x' * (1 << 20), 'Content-Length: 2']) + b'{}')


def behave_many_headers(connection, answer, options):
    connection.send(head(200, [*(f'X-{i}: {"y" * 50}' for i in range(5000)), 'Content-Length: 2']) + b'{}')


def behave_garbage(connection, answer, options):
    connection.send(b'\x00\x01\x02 this is no HTTP at all\r\n\r\n' + os.urandom(500))
    connection.end()


def behave_http_0_9(connection, answer, options):
    connection.send(b'{"status": "succeeded"}')
    connection.end()


def behave_bad_status(connection, answer, options):
    connection.send(b'HTTP/1.1 abc OK\r\nContent-Length: 2\r\n\r\n{}')
    connection.end()


def behave_version_9(connection, answer, options):
    connection.send(b'HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\n{}')
    connection.end()


def behave_gzip_bomb(connection, answer, options):
    """Not asked for, so it must stay as it is: about 50 kB of 50 MB."""
    connection.send(Answer(200, gzip.compress(b'0' * (50 << 20)), ['Content-Encoding: gzip']).whole())


def behave_gzip_transfer(connection, answer, options):
    body = gzip.compress(b'0' * (50 << 20))
    connection.send(head(200, ['Transfer-Encoding: gzip, chunked']) + b'%x\r\n%s\r\n0\r\n\r\n' % (len(body), body))


def behave_transfer_unbound(connection, answer, options):
    """A coding that is not chunks ends where the connection does."""
    connection.send(head(200, ['Transfer-Encoding: identity']) + answer.body)
    connection.sock.close()


def behave_wrong_type(connection, answer, options):
    answer.headers[0] = 'Content-Type: image/png'
    connection.send(answer.whole())


def behave_other_number(connection, answer, options):
    """An answer that is to somebody else's request."""
    data = {**json.loads(answer.body), 'number': uuid.uuid4().hex, 'order_id': '999999999'}
    connection.send(json_answer(200, data).whole())


def behave_old_date(connection, answer, options):
    answer.headers.append('Date: Thu, 01 Jan 1970 00:00:00 GMT')
    connection.send(answer.whole())


def behave_cookie(connection, answer, options):
    answer.headers.append('Set-Cookie: session=1; Path=/')
    connection.send(answer.whole())


GATES = {}
GATES_LOCK = threading.Lock()


def behave_together(connection, answer, options):
    """Answers when size requests are here at once, so that it cannot be had one after the other."""
    size = int(options.get('size', 2))
    with GATES_LOCK:
        gate = GATES.setdefault((options.get('to'), size), threading.Barrier(size))
    gate.wait(PATIENCE)
    connection.send(answer.whole())


# ---------- what is told of a request that holds secrets ----------

def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def is_signed(request, secret):
    """As Standard Webhooks have it; within five minutes of now."""
    moment = request.headers.get('webhook-timestamp', '')
    text = f'{request.headers.get("webhook-id")}.{moment}.'.encode() + request.body
    wanted = base64.b64encode(hmac.new(base64.b64decode(secret.removeprefix('whsec_')), text, hashlib.sha256).digest()).decode()
    return (moment.isdigit() and abs(time.time() - int(moment)) < 300
            and f'v1,{wanted}' in request.headers.get('webhook-signature', '').split(' '))


def seen_of(request, secrets):
    result = {}
    if 'standard_webhook_secret' in secrets:
        result['signed'] = is_signed(request, secrets['standard_webhook_secret'])
    if 'authorization' in request.headers:
        result['authorization'] = digest(request.headers['authorization'])
    if isinstance(request.data.get('card'), dict):
        card = request.data['card']
        result['card'] = digest('|'.join(card.get(name, '') for name in ('number', 'holder', 'expiry')))
    return result


# ---------- serving ----------

class Gateway:
    def __init__(self, folder):
        path = os.path.join(folder, 'secrets.json')
        self.secrets = {}
        if os.path.exists(path):
            with open(path, encoding='utf-8') as file:
                self.secrets = json.load(file)
        self.account = Account(os.path.join(folder, 'gateway.log'))
        self.control = Control(os.path.join(folder, 'control.json'))

    def note(self, listener, request, rule):
        # names of headers only, for some of their values are secrets
        self.account.write('request', listener=listener, method=request.method, target=request.target,
                           number=request.number, headers=sorted(request.headers), bytes=len(request.body),
                           do=rule.get('do'),
                           **{'card': str(request.data.get('card_number', ''))[-4:],
                              'placeholders': any('{{' in text for text in (str(request.headers), request.body.decode('latin-1'))),
                              **seen_of(request, self.secrets)})

    def behave(self, connection, request, rule):
        """True: the connection can serve another request."""
        parts = request.path.strip('/').split('/')
        if parts[0] == 'behave':
            name, options = parts[1], request.query
            answer = json_answer(200, {'said': name, 'received': len(request.body)})
        elif not self.control.is_authentic(request):
            name, options = None, {}
            answer = json_answer(401, {'status': 'failed', 'failure_code': 'not_authentic'})
        else:
            name, options = rule.get('do'), rule
            answer = answer_to(self.account, request, rule)
        function = globals().get(f'behave_{name}')
        if function is None:
            connection.send(answer.whole())
            return request.headers.get('connection', '').lower() != 'close'
        function(connection, answer, options)
        return False

    def serve_request(self, listener, connection):
        head_bytes = connection.read_until(b'\r\n\r\n', MAX_HEAD)
        if head_bytes is None:
            if connection.rest:
                self.account.write('part', listener=listener, bytes=len(connection.rest))
            return False
        length = [line.split(b':')[1] for line in head_bytes.split(b'\r\n') if line.lower().startswith(b'content-length:')]
        size = int(length[0]) if length else 0
        body = connection.read(min(size, MAX_BODY))
        if body is None:
            self.account.write('part', listener=listener, bytes=len(connection.rest))
            return False
        request = Request(head_bytes, body)
        rule = self.control.rule_for(request)
        self.note(listener, request, rule)
        return self.behave(connection, request, rule)

    def serve(self, listener, sock, context):
        sock.settimeout(PATIENCE)
        self.account.write('connection', listener=listener)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if context is not None:
                sock = context.wrap_socket(sock, server_side=True)
            connection = Connection(sock)
            while self.serve_request(listener, connection):
                pass
        except ssl.SSLError as error:
            self.account.write('tls', listener=listener, error=error.reason)
        except (OSError, threading.BrokenBarrierError):
            pass  # the other side is gone, or the behaviour has closed
        finally:
            sock.close()

    def serve_garbage(self, listener, sock, context):
        """What comes are not the first bytes of TLS."""
        sock.settimeout(PATIENCE)
        with sock:
            self.account.write('connection', listener=listener)
            sock.sendall(b'220 mail ready\r\n')
            sock.recv(65536)

    def serve_silent(self, listener, sock, context):
        with sock:
            self.account.write('connection', listener=listener)
            time.sleep(PATIENCE)


def context_with(folder, name, version=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if version is not None:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', DeprecationWarning)
            # the old versions need digests that are refused otherwise
            context.set_ciphers('ALL:@SECLEVEL=0')
            context.minimum_version = version
            context.maximum_version = version
    context.load_cert_chain(os.path.join(folder, name + '.pem'))
    return context


def listeners(folder, gateway):
    """name: (context, what serves a connection)"""
    result = {'plain': (None, gateway.serve), 'garbage': (None, gateway.serve_garbage), 'silent': (None, gateway.serve_silent)}
    for name in ('good', 'expired', 'wrong_host', 'self_signed', 'other_ca', 'revoked'):
        if os.path.exists(os.path.join(folder, name + '.pem')):
            result[name] = (context_with(folder, name), gateway.serve)
    for name in ('TLSv1', 'TLSv1_1', 'TLSv1_2', 'TLSv1_3'):
        key = {'TLSv1': 'tls1_0'}.get(name, name.lower().replace('tlsv', 'tls'))
        result[key] = (context_with(folder, 'good', getattr(ssl.TLSVersion, name)), gateway.serve)
    return result


def accept(name, sock, context, serve):
    while True:
        connection, _ = sock.accept()
        threading.Thread(target=serve, args=(name, connection, context), daemon=True).start()


def main():
    folder = sys.argv[1]
    parent = os.getppid()
    gateway = Gateway(folder)
    threading.stack_size(512 << 10)
    ports = {}
    for name, (context, serve) in listeners(folder, gateway).items():
        sock = socket.create_server(('127.0.0.1', 0), backlog=4096)
        ports[name] = sock.getsockname()[1]
        threading.Thread(target=accept, args=(name, sock, context, serve), daemon=True).start()
    path = os.path.join(folder, 'ports.json')
    with open(path + '.new', 'w', encoding='utf-8') as file:
        json.dump(ports, file)
    os.rename(path + '.new', path)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    while '--with-parent' not in sys.argv or os.getppid() == parent:
        time.sleep(1)
    os._exit(0)


if __name__ == '__main__':
    main()
