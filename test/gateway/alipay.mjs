// Alipay's own library: what it sends, and whether it takes what was signed. It has no function that signs a notification;
// they are signed here by the one by which it signs texts (RSA2), over what it checks.

import { createServer } from 'node:http';
import { AlipaySdk } from 'alipay-sdk';
import { Agent, setGlobalDispatcher } from 'undici';
import { signatureV3 } from './node_modules/alipay-sdk/dist/esm/util.js';
import { answer } from './lines.mjs';

// Later releases of Node put an undici of their own there, which does not know what the library asks of its own.
setGlobalDispatcher(new Agent());

const sdk = ({ privateKey, publicKey, appId = '2021000000000001', gateway = undefined }) =>
	new AlipaySdk({ appId, privateKey, alipayPublicKey: publicKey, keyType: 'PKCS8', ...(gateway && { gateway }) });

const members = (text) => Object.fromEntries(new URLSearchParams(text));

// The members that a call of the library sends, in the URL or the body; the answer is never looked at.
async function request({ method, parameters, ...settings }) {
	let sent;
	const server = createServer((incoming, response) => {
		const parts = [];
		incoming.on('data', (part) => parts.push(part));
		incoming.on('end', () => {
			const url = new URL(incoming.url, 'http://localhost');
			sent = { method: incoming.method, path: url.pathname, type: incoming.headers['content-type'],
				members: { ...members(url.search), ...members(Buffer.concat(parts).toString()) } };
			response.end(JSON.stringify({ [`${method.replaceAll('.', '_')}_response`]: { code: '10000' } }));
		});
	});
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	try {
		await sdk({ ...settings, gateway: `http://127.0.0.1:${server.address().port}/gateway.do` }).exec(method, parameters);
	} finally {
		server.close();
		server.closeAllConnections();
	}
	return sent;
}

// Of a form: is it signed by the owner of the key, and what does it say?
const verify = ({ body, ...keys }) => ({ verified: sdk(keys).checkNotifySignV2(members(body)), members: members(body) });

function sign({ fields, ...keys }) {
	const text = Object.keys(fields).filter((name) => name !== 'sign_type').sort().map((name) => `${name}=${fields[name]}`).join('&');
	const form = new URLSearchParams({ ...fields, sign: signatureV3(text, sdk(keys).config.privateKey) });
	return { body: form.toString() };
}

const sign_reply = ({ member, text, ...keys }) => ({
	body: `{"${member}":${text},"sign":"${signatureV3(text, sdk(keys).config.privateKey)}"}`,
});

function verify_reply({ member, body, ...keys }) {
	sdk(keys).checkResponseSign(body, member, JSON.parse(body).sign);
	return { verified: true };
}

await answer({ request, verify, sign, sign_reply, verify_reply });
