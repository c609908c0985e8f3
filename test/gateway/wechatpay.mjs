// A library for WeChat Pay: whether it takes what was signed, and how it signs notifications of version 3 (RSA, and a resource
// encrypted by AES-256-GCM) and 2 (MD5 or HMAC-SHA256 over a flat XML).

import wechatpay from 'wechatpay-axios-plugin';
import { answer } from './lines.mjs';

const { Rsa, Aes, Hash, Formatter, Transformer } = wechatpay;

function verify({ method, url, body, authorization, publicKey }) {
	const [scheme, list] = authorization.split(/ (.*)/);
	const said = Object.fromEntries(list.split(',').map((part) => part.match(/^(\w+)="(.*)"$/).slice(1)));
	const { pathname, search } = new URL(url);
	const text = Formatter.request(method, `${pathname}${search}`, said.timestamp, said.nonce_str, body ?? '');
	return { scheme, said, verified: Rsa.verify(text, said.signature, Rsa.from(publicKey, Rsa.KEY_TYPE_PUBLIC)),
		same: Formatter.authorization(said.mchid, said.nonce_str, said.signature, said.timestamp, said.serial_no).length === authorization.length };
}

const sign = ({ body, timestamp, nonce, serial, privateKey }) => ({
	headers: {
		'Wechatpay-Timestamp': String(timestamp),
		'Wechatpay-Nonce': nonce,
		'Wechatpay-Serial': serial,
		'Wechatpay-Signature': Rsa.sign(Formatter.response(timestamp, nonce, body), Rsa.from(privateKey)),
		'Wechatpay-Signature-Type': 'WECHATPAY2-SHA256-RSA2048',
	},
});

const seal = ({ text, key, nonce, data }) => ({
	resource: { algorithm: 'AEAD_AES_256_GCM', ciphertext: Aes.AesGcm.encrypt(text, key, nonce, data), nonce, associated_data: data },
});

const sign_v2 = ({ fields, type, key }) => ({ body: Transformer.toXml({ ...fields, sign: Hash.sign(type, fields, key) }) });

await answer({ verify, sign, seal, sign_v2 });
