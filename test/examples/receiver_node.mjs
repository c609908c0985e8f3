// Hands notifications of gateways to the database of the PG* variables: PORT=8080 node receiver_node.mjs
import { createServer } from 'node:http';
import pg from 'pg';

const pool = new pg.Pool().on('error', (error) => console.error(error.message)); // a connection that broke while idle is replaced

createServer(async (request, response) => {
	try {
		const [, gateway] = /^\/in\/([^/?]+)(\?|$)/.exec(request.url) ?? [];
		const body = []; // the bytes as they came; more than 1 MiB is refused, and need not be kept
		let room = 2 ** 20 + 1;
		for await (const part of request) {
			if (room > 0) body.push(part);
			room -= part.length;
		}
		const { rows: [answer] } = await pool.query("SELECT * FROM order_payment.apply_notification($1, $2, $3, 'shop')",
			[gateway, JSON.stringify(request.headersDistinct), Buffer.concat(body)]);
		response.writeHead(answer.http_status, { 'Content-Type': answer.content_type }).end(answer.acknowledgement); // committed
	} catch (error) {
		console.error(error.message);
		response.writeHead(500).end(); // the gateway sends it again
	}
}).listen(process.env.PORT, '127.0.0.1');
