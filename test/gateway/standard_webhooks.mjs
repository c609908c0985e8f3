// The library of Standard Webhooks: how it signs, and whether it takes what was signed.

import { Webhook } from 'standardwebhooks';
import { answer } from './lines.mjs';

const sign = ({ body, secret, id, timestamp }) => ({
	headers: {
		'webhook-id': id,
		'webhook-timestamp': String(timestamp),
		'webhook-signature': new Webhook(secret).sign(id, new Date(timestamp * 1000), body),
	},
});

function verify({ body, secret, headers }) {
	new Webhook(secret).verify(body, headers, { jsonParse: false });
	return { verified: true };
}

await answer({ sign, verify });
