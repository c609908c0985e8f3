// Stripe's own library: what it sends, how it signs notifications, and whether it takes one.

import Stripe from 'stripe';
import { answer } from './lines.mjs';

// The request that a call of the library makes: path names the function, as paymentIntents.create.
async function request({ key, account, path, parameters, options }) {
	let sent;
	const stripe = new Stripe(key, {
		stripeAccount: account,
		maxNetworkRetries: 0,
		httpClient: Stripe.createFetchHttpClient(async (url, init) => {
			sent = { method: init.method, url: String(url), headers: Object.fromEntries(new Headers(init.headers)), body: init.body ?? null };
			return new Response('{"object": "list", "data": []}', { headers: { 'Content-Type': 'application/json' } });
		}),
	});
	const [resource, call] = path.split('.');
	await stripe[resource][call](...parameters, ...(options ? [options] : []));
	return sent;
}

const sign = ({ body, secret, timestamp }) => ({
	header: Stripe.webhooks.generateTestHeaderString({ payload: body, secret, timestamp }),
});

const verify = ({ body, secret, header }) => ({ id: Stripe.webhooks.constructEvent(body, header, secret).id });

await answer({ request, sign, verify });
