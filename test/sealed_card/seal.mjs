/*
 * Seals a card for the database, so that whatever lies between sees ciphertext. WebCrypto alone, so it runs in a page and in
 * Node (18 and later) as it is.
 *
 * jwk    what order_payment.card_public_key('jwk') returns, as an object
 * card   { number, holder, expiry, order_id, token }: texts; holder and expiry may be left out. token is what
 *        order_payment.issue_card_token(order_id) returns. Never a verification code: a card that has one is refused
 *
 * The result is written where digits are: into payments.card_number, or given to create_payment() as card_number.
 *
 *     node seal.mjs jwk-file < card.json
 */

const PLAIN_MAX = 318; // bytes, RSA-3072 with OAEP and SHA-256

// Node 18 has it in a module only
const { subtle } = globalThis.crypto ?? (await import('node:crypto')).webcrypto;

export async function sealCard(jwk, card) {
	const utf8 = new TextEncoder();
	const plain = utf8.encode(JSON.stringify(card));
	if (plain.length > PLAIN_MAX) throw new RangeError(`the card takes ${plain.length} bytes, and may take ${PLAIN_MAX}`);
	const key = await subtle.importKey('jwk', jwk, { name: 'RSA-OAEP', hash: 'SHA-256' }, false, ['encrypt']);
	const label = utf8.encode(`order_payment/card/v1|${jwk.kid}`);
	const sealed = new Uint8Array(await subtle.encrypt({ name: 'RSA-OAEP', label }, key, plain));
	const base64 = btoa(String.fromCharCode(...sealed));
	return `ops1.${jwk.kid}.${base64.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}`;
}

// run by Node, not imported, nor in a page
if (globalThis.process?.argv[1] && import.meta.url === (await import('node:url')).pathToFileURL(process.argv[1]).href) {
	const { readFileSync } = await import('node:fs');
	const card = JSON.parse(readFileSync(0, 'utf8'));
	console.log(await sealCard(JSON.parse(readFileSync(process.argv[2], 'utf8')), card));
}
