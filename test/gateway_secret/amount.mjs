// What a gateway does with amounts that order_payment.encrypt_amount() has encrypted, and how it encrypts one in turn: by
// Node's crypto alone. The form is told in src/encrypted_amount.c.
//
// Standard input has a line of JSON for each: key (hexadecimal), gateway, number; and either token, or amount and currency.
// Standard output has a line for each: "amount currency", a token, or "refused".

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';

const NONCE = 12;
const TAG = 16;

const associated = ({ gateway, number }) => Buffer.from(`order_payment amount v1\0${gateway}\0${number}\0`);

function encrypt(request) {
	const plain = `${request.amount} ${request.currency}`;
	const nonce = randomBytes(NONCE);
	const cipher = createCipheriv('aes-256-gcm', Buffer.from(request.key, 'hex'), nonce).setAAD(associated(request));
	const sealed = Buffer.concat([nonce, cipher.update(plain.padEnd(Math.ceil(plain.length / 32) * 32)), cipher.final(), cipher.getAuthTag()]);
	return `v1.${sealed.toString('base64url')}`;
}

function decrypt(request) {
	if (!request.token.startsWith('v1.'))
		throw new Error('not a token of version 1');
	const sealed = Buffer.from(request.token.slice(3), 'base64url');
	const decipher = createDecipheriv('aes-256-gcm', Buffer.from(request.key, 'hex'), sealed.subarray(0, NONCE), { authTagLength: TAG })
		.setAAD(associated(request))
		.setAuthTag(sealed.subarray(-TAG));
	return Buffer.concat([decipher.update(sealed.subarray(NONCE, -TAG)), decipher.final()]).toString().trimEnd();
}

for await (const line of createInterface({ input: process.stdin })) {
	const request = JSON.parse(line);
	try {
		console.log('token' in request ? decrypt(request) : encrypt(request));
	} catch {
		console.log('refused');
	}
}
