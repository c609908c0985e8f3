#!/usr/bin/env python3
"""
smtp_server.py PORT FOLDER: a mail server for tests, on 127.0.0.1. It says "listening" once it does.

FOLDER/mails   a JSON object a line for each mail that was taken, {"to", "message"}; on disk before it is answered
FOLDER/rules   {"rcpt": {address: answer}, "data": {address: answer}}: what is answered in place of 250. As answer to data,
               "drop" takes the mail and breaks the connection, "wait" takes it and answers once FOLDER/go is there
"""
import asyncio
import json
import os
import signal
import sys

from aiosmtpd.controller import Controller

PORT, FOLDER = sys.argv[1:]


def rule(command, address):
    with open(f'{FOLDER}/rules') as rules:
        return json.load(rules).get(command, {}).get(address)


class Mailbox:
    async def handle_RCPT(self, server, session, envelope, address, options):
        answer = rule('rcpt', address)
        if not answer:
            envelope.rcpt_tos.append(address)
        return answer or '250 2.1.5 Ok'

    async def handle_DATA(self, server, session, envelope):
        answer = rule('data', envelope.rcpt_tos[0])
        if answer in (None, 'drop', 'wait'):
            with open(f'{FOLDER}/mails', 'a') as mails:
                mails.write(json.dumps({'to': envelope.rcpt_tos, 'message': envelope.content.decode()}) + '\n')
        if answer == 'drop':
            server.transport.abort()
        if answer == 'wait':
            while not os.path.exists(f'{FOLDER}/go'):
                await asyncio.sleep(0.01)
        return '250 2.0.0 Ok' if answer in (None, 'drop', 'wait') else answer


controller = Controller(Mailbox(), hostname='127.0.0.1', port=int(PORT), enable_SMTPUTF8=False)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
controller.start()
print('listening', flush=True)
signal.sigwait([signal.SIGTERM])
controller.stop()
